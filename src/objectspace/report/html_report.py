"""The report: the paper's claims and figures on a user's own store, as one HTML file."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from objectspace._version import __version__
from objectspace.analyses.factors import FactorSpec, likely_groups
from objectspace.arguments import typed
from objectspace.embeddings.spaces import Recipe
from objectspace.errors import InputError, counted, number_text
from objectspace.files import atomic_path, check_writable
from objectspace.models.detectors import Detector
from objectspace.places import Place
from objectspace.report.claims import Finding, Judgment, Missing, require, weigh_claims
from objectspace.report.evidence import (
    OCCLUDED,
    Choice,
    Moved,
    StoredImages,
    attempt,
    choose,
    gather,
    move,
    occlude,
    stored_images,
)
from objectspace.report.page import page
from objectspace.report.pictures import Material, draw_pictures
from objectspace.search.queries.networks import space_detector
from objectspace.store import Store, as_store

__all__ = ["Choice", "Report", "write_report"]

logger = logging.getLogger("objectspace")
steps = logging.getLogger("objectspace.steps")

PAGE = "report.html"

_PICTURE_OF = {
    "orientation": "figure2",
    "opposite": "figure2",
    "color first": "figure2",
    "sub-class": "figure2",
    "own cell": "figure3",
    "classes": "figure5",
    "on chair": "figure5",
    "not beside": "figure5",
    "look-alikes": "figure5",
    "location": "figure7",
    "place, not phase": "figure7",
    "t-SNE": "figure7",
}


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """A report that was written: its path, the findings, the choice, and each missing figure with the reason.

    recipes: of each chosen space, by its name; notes: sentences on the data behind the findings; warnings:
        sentences on what makes the findings doubtful
    """

    path: Path
    findings: list[Finding]
    choice: Choice
    recipes: Mapping[str, Recipe]
    notes: list[str]
    missing: list[tuple[str, str]]
    warnings: list[str]

    def __repr__(self) -> str:
        found = counted(len(self.findings), "finding")
        return f"Report({str(self.path)!r}, {found}, {counted(len(self.missing), 'missing figure')})"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON, as ``objectspace report --json`` prints it."""
        spaces = {"crop": self.choice.crop, "window": self.choice.window, "both": self.choice.both}
        return {
            "report": str(self.path),
            "version": __version__,
            "spaces": spaces,
            "recipe": {
                route: self.recipes[name].to_json() if name else None for route, name in spaces.items()
            },
            "orientation": self.choice.orientation,
            "period": self.choice.period,
            "style": self.choice.style,
            "group": self.choice.group,
            "claims": [_finding_json(finding) for finding in self.findings],
            "warnings": self.warnings,
            "notes": self.notes,
            "missing": [{"figure": heading, "reason": reason} for heading, reason in self.missing],
        }


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "claim": finding.claim,
        "measure": finding.measure,
        "worth": finding.worth,
        "unit": finding.unit,
        **_judgment_json(finding.judged),
        "by_construction": finding.by_construction or None,
        "both": None if finding.both is None else _judgment_json(finding.both),
        "labels": {label: _judgment_json(judged) for label, judged in finding.labels.items()},
    }


def _judgment_json(judged: Judgment) -> dict[str, Any]:
    return {
        **(judged.estimate.to_json() if judged.estimate else {}),
        "holm": judged.holm,
        "verdict": judged.verdict,
        "reason": judged.reason or None,
    }


@typed
def write_report(
    store: Store | Place | str, out: Path | str, choice: Choice | None = None, *, device: str = "cpu"
) -> Report:
    """Test every claim and draw every figure that the store allows, and write ``out``/report.html.

    A part that fails (photos that are gone, a network that cannot be loaded, no object with room to move) is
    left out, and the report gives the reason. StoredImages are decoded one at a time.
    Raises InputError for a folder that cannot be written, a store without objects or an unknown column,
    QueryError for an unknown space or one of another route.

    >>> report = osp.write_report(store, "report")
    >>> report.path.name, len(report.findings)
    ('report.html', 12)
    """
    store = as_store(store)
    if not len(store):
        raise InputError(f"{store.path} holds no objects yet; index photos first")
    chosen = choose(store, choice or Choice())
    names = (chosen.crop, chosen.window, chosen.both)
    recipes = {name: store.recipe(name) for name in names if name is not None}
    path = Path(out) / PAGE
    check_writable(path)
    with tempfile.TemporaryDirectory(prefix="objectspace-") as scratch:
        steps.info("report on %s: loading the detector", store.path)
        material = _material(store, chosen, Path(scratch), device)
        findings = weigh_claims(gather(store, chosen, material.zeroed, material.moved))
        pictures, missing = draw_pictures(material)
    notes, warnings = _notes(material), _warnings(store, chosen)
    text = page(
        f"objectspace report: {store.path.name}",
        _summary(store),
        _spaces(store),
        _facts(chosen),
        findings,
        pictures,
        _PICTURE_OF,
        missing=missing,
        notes=notes,
        warnings=warnings,
        foot=[
            ("", [("objectspace", __version__)]),
            *((name, _recipe_rows(recipe)) for name, recipe in recipes.items()),
        ],
    )
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    report = Report(path, findings, chosen, recipes, notes, missing, warnings)
    logger.info("%s", report)
    return report


def _material(store: Store, choice: Choice, scratch: Path, device: str) -> Material:
    space = choice.window or choice.crop
    images: StoredImages | Missing = Missing("the store has no crop space and no window space")
    if space is not None:
        images = attempt(lambda: stored_images(store, space, OCCLUDED))
    detector = attempt(lambda: _detector(store, choice, device))
    return Material(
        store,
        choice,
        images,
        zeroed=attempt(lambda: occlude(require(detector), require(images).read)),
        moved=attempt(
            lambda: move(
                require(detector), require(images).read, store.recipe(require(choice.window)), scratch
            )
        ),
    )


def _detector(store: Store, choice: Choice, device: str) -> Detector:
    """Return the detector of the window space, in float32, which occlusion needs."""
    if choice.window is None:
        raise InputError("the store has no window space")
    return space_detector(store, choice.window, device=device, precision="float32")


def _notes(material: Material) -> list[str]:
    """Return sentences on the amount of data behind the findings and on photos that were left out."""
    notes = []
    if not isinstance(material.zeroed, Missing):
        count = len(material.zeroed.photos)
        notes.append(
            f"Zeroing rests on {counted(count, 'photo')} of the store in which something was detected."
        )
    if not isinstance(material.moved, Missing):
        notes += _moved_notes(material.moved)
    if not isinstance(material.images, Missing) and (unread := material.images.unread):
        looked_at = len(material.images.read) + len(unread)
        notes.append(
            f"{len(unread)} of {counted(looked_at, 'photo')} could not be read, the first: {unread[0]}."
        )
    return notes


def _moved_notes(moved: Moved) -> list[str]:
    """Return sentences on the objects that were moved."""
    labels = ", ".join(dict.fromkeys(one.label for one in moved.objects))
    count = counted(len(moved.objects), "object")
    notes = [
        f"Location and t-SNE rest on {count} of the window space ({labels}), each cut out and shown at "
        f"{len(moved.pictures)} places on black: intervals and tests are over these objects."
    ]
    if len(moved.objects) < moved.wanted:
        notes.append(
            f"{moved.wanted} objects were to be moved: no more have room and keep their window in the space."
        )
    return notes


def _warnings(store: Store, choice: Choice) -> list[str]:
    """Return sentences on what makes the findings doubtful: photos that are taken for independent."""
    if choice.group is not None:
        return []
    columns = likely_groups(store.objects(), FactorSpec(choice.orientation or "label", control="label"))
    if not columns:
        return []
    return [
        "This report takes every photo as a group of its own. Sets of photos share a value of "
        f"{', '.join(columns)}. If photos of one value show the same thing or place, neighbors of "
        "the same thing count as agreement and the verdicts are too bold: name the column as the group."
    ]


def _recipe_rows(recipe: Recipe) -> list[tuple[str, str]]:
    """Return names and values of a recipe as text, without what does not apply and the recipes of parts."""
    rows = recipe.to_json()
    if recipe.parts is not None:
        rows["parts"] = [{**part, "recipes": None} for part in rows["parts"]]
    return [(name, _plain(value)) for name, value in rows.items() if value not in (None, "", {}, [])]


def _plain(value: Any) -> str:
    """Return a JSON value in words: ``mean 0.485 0.456 0.406; fit pad``."""
    if isinstance(value, Mapping):
        return "; ".join(f"{name} {_plain(part)}" for name, part in value.items() if part is not None)
    if isinstance(value, list):
        nested = any(isinstance(part, (dict, list)) for part in value)
        return (" · " if nested else " ").join(map(_plain, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _orientation_text(choice: Choice) -> str:
    if choice.orientation is None:
        return "not known"
    kind = "a length" if choice.period is None else f"an angle of {choice.period:g} degrees"
    return f"{choice.orientation}, taken as {kind}"


def _summary(store: Store) -> list[tuple[str, str]]:
    """Return what the store holds: photos, objects, labels."""
    info = store.info()
    labels = ", ".join(f"{count} {label}" for label, count in list(info.labels.items())[:12])
    more = len(info.labels) - 12
    return [
        ("store", store.path.name),
        ("photos", f"{info.images:,}"),
        ("objects", f"{info.objects:,}"),
        ("labels", labels + (f" and {more} more labels" if more > 0 else "")),
    ]


def _spaces(store: Store) -> list[tuple[str, ...]]:
    """Return of each space its name, objects, dimensions, purity of labels and chance, as texts."""
    rows = []
    for space in store.info().spaces:
        purity = space.purity
        measured = (None, None) if purity is None else (purity.value, purity.chance)
        rows.append((space.name, f"{space.count:,}", f"{space.dimension:,}", *map(number_text, measured)))
    return rows


def _facts(choice: Choice) -> list[tuple[str, str]]:
    """Return the spaces and columns that the claims are tested on."""
    rows = [
        ("crop space", choice.crop or "none"),
        ("window space", choice.window or "none"),
        ("both", choice.both or "no joint space of these two"),
        ("orientation", _orientation_text(choice)),
        ("style", choice.style or "not known"),
    ]
    return [*rows, ("group", choice.group or "none: each photo is its own")]
