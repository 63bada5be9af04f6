"""The report: the paper's claims and figures on a user's own store, as one HTML file."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from objectspace._version import __version__
from objectspace.analyses.claims import Finding, weigh_claims
from objectspace.errors import InputError, ObjectspaceError
from objectspace.objects.detectors import Detector
from objectspace.queries import space_detector
from objectspace.report.evidence import (
    OCCLUDED,
    Choice,
    Moved,
    Photo,
    choose,
    gather,
    move,
    occlude,
    photos_of,
)
from objectspace.report.page import page
from objectspace.report.pictures import Material, draw_pictures
from objectspace.store import Store

__all__ = ["Choice", "StoreReport", "make_report"]

PAGE = "report.html"

_PICTURE_OF = {
    "orientation": "figure2",
    "opposite": "figure2",
    "colour first": "figure2",
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
class StoreReport:
    """The page's path, the findings, what was chosen, and which figures are missing and why."""

    path: Path
    findings: list[Finding]
    choice: Choice
    missing: list[tuple[str, str]]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, as ``objectspace report --json`` prints it."""
        return {
            "report": str(self.path),
            "spaces": {"crop": self.choice.crop, "window": self.choice.window},
            "orientation": self.choice.orientation,
            "style": self.choice.style,
            "group": self.choice.group,
            "claims": [
                {
                    "claim": finding.claim,
                    "measure": finding.measure,
                    **(finding.estimate.to_json() if finding.estimate else {}),
                    "verdict": finding.verdict,
                    "reason": finding.reason or None,
                }
                for finding in self.findings
            ],
            "missing": [{"figure": heading, "reason": reason} for heading, reason in self.missing],
        }


def make_report(store: Store, out: Path, choice: Choice | None = None, *, device: str = "cpu") -> StoreReport:
    """Test every claim and draw every figure that the store allows, and write ``out``/report.html.

    What needs photos or networks that are not there any more is left out and says so.
    Raises InputError for a folder that cannot be written or a store without objects, QueryError for a space
    that is not there.
    """
    if not len(store):
        raise InputError(f"{store.path} holds no objects yet; index photos first")
    chosen = choose(store, choice or Choice())
    for name in (chosen.crop, chosen.window):
        if name is not None:
            store.recipe(name)  # an unknown space says so before any work
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror or error}") from None
    with tempfile.TemporaryDirectory(prefix="objectspace-") as scratch:
        material = _material(store, chosen, Path(scratch), device)
        findings = weigh_claims(gather(store, chosen, material.occlusions, material.moved))
        pictures, missing = draw_pictures(material)
    title = f"objectspace report: {store.path.name}"
    text = page(title, _facts(store, chosen), findings, pictures, _PICTURE_OF, missing)
    path = out / PAGE
    _write(path, text)
    return StoreReport(path, findings, chosen, missing)


def _material(store: Store, choice: Choice, scratch: Path, device: str) -> Material:
    space = choice.window or choice.crop
    photos: list[Photo] = photos_of(store, space, OCCLUDED) if space else []
    detector = _detector(store, choice, device)
    moved: Moved | None = None
    occlusions = []
    if detector is not None and photos:
        occlusions = occlude(detector, photos)
        moved = move(detector, photos, scratch)
    return Material(store, choice, photos, detector, occlusions, moved)


def _detector(store: Store, choice: Choice, device: str) -> Detector | None:
    """The detector of the window space, None where it cannot be loaded any more."""
    if choice.window is None:
        return None
    try:
        return space_detector(store, choice.window, device=device)
    except ObjectspaceError:
        return None


def _facts(store: Store, choice: Choice) -> list[tuple[str, str]]:
    info = store.info()
    labels = ", ".join(f"{count} {label}" for label, count in list(info.labels.items())[:12])
    more = len(info.labels) - 12
    rows = [
        ("store", f"{store.path.name}: {info.images} photos, {info.objects} objects"),
        ("labels", labels + (f" and {more} more labels" if more > 0 else "")),
        ("crop space", choice.crop or "none"),
        ("window space", choice.window or "none"),
        (
            "orientation",
            f"{choice.orientation}, period {choice.period:g}" if choice.orientation else "not known",
        ),
        ("style", choice.style or "not known"),
        ("made by", f"objectspace {__version__}"),
    ]
    return [*rows, ("group", choice.group)] if choice.group else rows


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        draft.unlink(missing_ok=True)
