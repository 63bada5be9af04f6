"""How much of a factor a space holds: neighbours, probe and geometry, each with chance and interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.agreement import Agreement, find_neighbours, hubness, measure_agreement
from objectspace.analyses.circular_geometry import Geometry, measure_geometry
from objectspace.analyses.factor_values import (
    Factor,
    control_levels,
    factor_column,
    random_agreement,
    read_factor,
)
from objectspace.analyses.groups import Groups, comparable, make_groups
from objectspace.analyses.probes import Probe, measure_probe
from objectspace.analyses.statistics import finite
from objectspace.embeddings.spaces import Space
from objectspace.errors import InputError
from objectspace.objects.records import Objects, known_values


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a space.

    factor: its name; ``circular``: its period, where it is an angle; ``categorical``: its numbers are names
    group: objects of one value of this column are never neighbours, and are held out, drawn and exchanged
        together; by default photos are
    control: the factor is compared among objects of one value of this column
    """

    factor: str
    circular: float | None = None
    categorical: bool = False
    group: str | None = None
    control: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FactorMeasure:
    """What a space holds of a factor.

    neighbours: agreement with the k nearest, overall and for the objects of each label
    probe: what a linear probe reads; None with fewer than three groups
    geometry: distance by angle, of a circular factor; None where no two views can be compared
    hubness: skewness of the k-occurrence
    n, left_out: objects measured, and left out as the factor, group or control is unknown or no object of
        another group is at their level
    groups: photos, or sets of photos that share a group
    object_id: (n,) the objects of ``neighbours.values``, row for row
    """

    space: str
    question: Question
    kind: str
    k: int
    metric: str
    n: int
    left_out: int
    groups: int
    neighbours: Agreement
    probe: Probe | None
    geometry: Geometry | None
    hubness: float
    object_id: NDArray[np.str_]

    @property
    def agreement(self) -> str:
        """What the neighbours' figure is, for people."""
        if self.kind == "categorical":
            return f"purity at {self.k}"
        return f"mean {'angle' if self.kind == 'circular' else 'difference'} to the {self.k} nearest"

    def worst(self, count: int) -> NDArray[np.int64]:
        """Rows of the ``count`` objects that agree least with their neighbours, the worst first.

        Of labels these are the first to look at for mistakes. Equal ones come in their order.
        """
        values = self.neighbours.values
        return np.argsort(values if self.kind == "categorical" else -values, kind="stable")[:count]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, the shape that ``objectspace measure --json`` prints."""
        return {
            "space": self.space,
            "factor": self.question.factor,
            "kind": self.kind,
            "k": self.k,
            "n": self.n,
            "group": self.question.group,
            "period": self.question.circular,
            "control": self.question.control,
            "metric": self.metric,
            "groups": self.groups,
            "left_out": self.left_out,
            "hubness": self.hubness,
            "neighbours": self.neighbours.overall.to_json(),
            "probe": None if self.probe is None else _probe_json(self.probe),
            "geometry": None if self.geometry is None else _geometry_json(self.geometry),
            "labels": {name: one.to_json() for name, one in self.neighbours.labels.items()},
        }


def measure_factor(
    space: Space,
    objects: Objects,
    question: Question,
    *,
    k: int = 5,
    metric: str = "euclidean",
    seed: int = 0,
) -> FactorMeasure:
    """Neighbours, probe and geometry of a factor in a space; ``objects`` are its objects, row for row.

    The same seed gives the same figures. Raises InputError for columns that are not known, where rows do not
    match, and where there is nothing to measure: fewer than two groups, a factor of one value.
    """
    asked = Asked(space, objects, question)
    near = find_neighbours(asked.vectors, asked.ids, asked.groups, k=k, metric=metric)
    thing, same = asked.thing
    circular = asked.factor.kind == "circular"
    return FactorMeasure(
        space=space.name,
        question=question,
        kind=asked.factor.kind,
        k=k,
        metric=metric,
        n=len(asked.ids),
        left_out=len(objects) - len(asked.ids),
        groups=asked.groups.count,
        neighbours=measure_agreement(near, asked.factor, asked.groups, asked.labels, seed=seed),
        probe=measure_probe(asked.vectors, asked.factor, asked.groups, seed=seed),
        geometry=measure_geometry(
            asked.vectors, asked.factor, asked.groups, thing, same=same, metric=metric, seed=seed
        )
        if circular
        else None,
        hubness=hubness(near),
        object_id=asked.ids,
    )


def measure_neighbours(
    space: Space,
    objects: Objects,
    question: Question,
    *,
    k: int = 5,
    metric: str = "euclidean",
    seed: int = 0,
) -> Agreement:
    """The neighbours' part of :func:`measure_factor` alone, in a fraction of the time; raises likewise."""
    asked = Asked(space, objects, question)
    near = find_neighbours(asked.vectors, asked.ids, asked.groups, k=k, metric=metric)
    return measure_agreement(near, asked.factor, asked.groups, asked.labels, seed=seed)


class Asked:
    """The objects that a question can be asked of, row for row: vectors, ids, labels, factor and groups."""

    def __init__(self, space: Space, objects: Objects, question: Question) -> None:
        if objects.object_id.tolist() != space.object_id.tolist():
            raise InputError(f"space {space.name}: its vectors and the objects are not in the same order")
        rows, factor, groups = _answerable(objects, question)
        self.rows = rows
        self.factor: Factor = factor
        self.groups: Groups = groups
        self.vectors: NDArray[np.float32] = space.vectors[rows]
        self.ids = space.object_id[rows]
        self.labels = objects.label[rows]
        group = question.group
        self.thing: tuple[NDArray[Any], str] = (
            (self.labels, "label") if group is None else (factor_column(objects, group)[rows], group)
        )


def _answerable(objects: Objects, question: Question) -> tuple[NDArray[np.int64], Factor, Groups]:
    """The rows that have a factor, group, control and possible neighbours; their factor and groups."""
    factor, known = read_factor(
        objects, question.factor, circular=question.circular, categorical=question.categorical
    )
    own = np.zeros(len(objects), np.int64)
    own[known] = np.arange(len(factor.values))
    columns = [factor_column(objects, name) for name in (question.group, question.control) if name]
    for column in columns:
        known = known & known_values(column)
    rows = np.flatnonzero(known)
    groups = make_groups(
        objects.image_id[rows],
        group=_group(objects, question.group, rows),
        level=control_levels(factor_column(objects, question.control)[rows]) if question.control else None,
    )
    there = comparable(groups)
    rows, groups = rows[there], groups.take(there)
    _check_countable(question, groups)
    kept = factor.take(own[rows])
    _check_varies(question, kept, groups)
    return rows, kept, groups


def _group(objects: Objects, name: str | None, rows: NDArray[np.int64]) -> NDArray[Any] | None:
    if name is None:
        return None
    column = factor_column(objects, name)[rows]
    return column if column.dtype.kind == "f" else column.astype(str)


def _check_countable(question: Question, groups: Groups) -> None:
    if groups.count < 2:
        what = question.group or "photos"
        where = f" at one {question.control}" if question.control else ""
        raise InputError(
            f"factor {question.factor}: no objects of two different {what} can be compared{where}; "
            "each measure needs two"
        )


def _check_varies(question: Question, factor: Factor, groups: Groups) -> None:
    random = float(random_agreement(factor, factor.values, groups).mean())
    scale = 1.0 if factor.kind == "categorical" else float(np.abs(factor.values).max())
    where = f" at one {question.control}" if question.control else ""
    if factor.kind == "categorical" and random == 0:
        raise InputError(
            f"factor {question.factor}: no two objects that could be neighbours share a value, so there is "
            f"nothing to measure; is it the same as the group ({question.group or 'the photo'})?"
        )
    if random >= 1 if factor.kind == "categorical" else random <= 1e-12 * scale:
        raise InputError(f"factor {question.factor} has one value only{where}, so nothing can be measured")


def _probe_json(probe: Probe) -> dict[str, Any]:
    return {
        "metric": probe.metric,
        **probe.score.to_json(),
        "baseline": probe.baseline,
        "permutations": probe.permutations,
    }


def _geometry_json(geometry: Geometry) -> dict[str, Any]:
    columns = zip(
        geometry.angle.tolist(),
        geometry.distance.tolist(),
        geometry.low.tolist(),
        geometry.high.tolist(),
        geometry.pairs.tolist(),
        strict=True,
    )
    return {
        "same": geometry.same,
        "opposite": geometry.opposite.to_json(),
        "distance": [
            {"angle": angle, "value": finite(value), "low": finite(low), "high": finite(high), "pairs": pairs}
            for angle, value, low, high, pairs in columns
        ],
    }
