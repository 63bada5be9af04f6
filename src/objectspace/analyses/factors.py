"""Measures of a factor in a space: neighbors, probe and geometry, each with chance level and interval."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.agreement import (
    Agreement,
    hubness,
    measure_agreement,
)
from objectspace.analyses.circular_geometry import Geometry, measure_geometry
from objectspace.analyses.factor_values import (
    Factor,
    control_levels,
    factor_column,
    random_agreement,
    read_factor,
)
from objectspace.analyses.groups import (
    MOST_OBJECTS,
    Codes,
    Groups,
    codes,
    comparable,
    draw_groups,
    make_groups,
)
from objectspace.analyses.jackknife import make_blocks
from objectspace.analyses.nearest_neighbors import NearestNeighbors, find_by_metric
from objectspace.analyses.probes import PERMUTED, Probe, measure_probe
from objectspace.analyses.shared_vectors import SharedVectors, count_shared, vector_keys
from objectspace.analyses.statistics import PERMUTATIONS, Estimate, finite, permutation_count, skewness
from objectspace.arguments import typed
from objectspace.embeddings.spaces import Space
from objectspace.errors import InputError
from objectspace.markup import html_table
from objectspace.neighbors import METRICS, BlockSource, JointVectors
from objectspace.objects.data_frames import data_frame
from objectspace.objects.records import Objects, known_values

if TYPE_CHECKING:
    import pandas

steps = logging.getLogger("objectspace.steps")


@typed
@dataclass(frozen=True, slots=True)
class FactorSpec:
    """A factor to measure, and how.

    factor: its name; ``circular``: its period, of an angle; ``categorical``: its numbers are names
    group: objects of one value of this column are never neighbors, and are held out, resampled and permuted
        together; by default the objects of one image
    control: the factor is compared among objects of one value of this column

    >>> FactorSpec("yaw", circular=360.0, control="label")
    FactorSpec(factor='yaw', circular=360.0, categorical=False, group=None, control='label')
    """

    factor: str
    circular: float | None = None
    categorical: bool = False
    group: str | None = None
    control: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FactorMeasure:
    """The measures of one factor in one space.

    neighbors: agreement with the k nearest, overall and for the objects of each label
    probe: score of a linear probe; None with fewer than three groups
    geometry: distance by angle, of a circular factor; None where no two views can be compared
    hubness: skewness of the k-occurrence
    skewness: of a linear factor's values; None of others
    n, left_out: objects measured, and objects without a known factor, group or control, or without an object
        of another group at their level
    groups: number of groups, of images by default
    object_id: the objects of ``neighbors.values``, row for row: all n, or those whose neighbors were searched
    shared: how many of the n share their vector with another object of their image

    >>> space = store.space("demo-crop")
    >>> osp.measure_factor(space, space.objects, osp.FactorSpec("label")).to_json()["kind"]
    'categorical'
    """

    space: str
    spec: FactorSpec
    kind: str
    k: int
    metric: str
    n: int
    left_out: int
    groups: int
    neighbors: Agreement
    probe: Probe | None
    geometry: Geometry | None
    hubness: float
    skewness: float | None
    object_id: NDArray[np.str_]
    shared: SharedVectors

    def __repr__(self) -> str:
        return (
            f"FactorMeasure({self.spec.factor} in {self.space}: {self.agreement} {self.neighbors.overall!r})"
        )

    def _repr_html_(self) -> str:
        per_label = list(self.neighbors.labels.items())
        rows = [("all", self.neighbors.overall), *per_label]
        return html_table(
            f"{self.spec.factor} in {self.space}: {self.agreement}, {self.metric}",
            ("", "value", "by chance", "low", "high", "n", "groups"),
            [(name, e.value, e.chance, finite(e.low), finite(e.high), e.n, e.groups) for name, e in rows],
        )

    @property
    def agreement(self) -> str:
        """Return the name of the neighbors' figure, for people."""
        if self.kind == "categorical":
            return f"purity at {self.k}"
        return f"mean {'angle' if self.kind == 'circular' else 'difference'} to the {self.k} nearest"

    @property
    def conclusion(self) -> str:
        """Return in a sentence whether near objects are alike in the factor and whether the probe reads it.

        Where p is at most 0.05 and the interval excludes chance; "" where neither is tested.
        """
        near = self.neighbors.overall.stands("above" if self.kind == "categorical" else "below")
        read = None
        if self.probe is not None:
            read = self.probe.score.stands("below" if self.kind == "circular" else "above")
        factor = self.spec.factor
        of_neighbors = {
            "better": f"near objects are alike in {factor}",
            "worse": f"near objects differ in {factor} more than by chance",
            "not shown": f"near objects are no more alike in {factor} than by chance",
        }
        of_probe = "the probe reads it" if read == "better" else "the probe does not read it"
        if near == "not shown" and read == "better":
            of_probe += ", so the vectors hold it, but it does not decide what is near"
        told = [] if near is None else [of_neighbors[near]]
        return "; ".join(told if read is None else [*told, of_probe])

    def to_pandas(self) -> pandas.DataFrame:
        """Return a row for each estimate: the neighbors' agreement, that of each label, and the probe.

        Columns: measure, label ("" for all), value, chance, low, high, p, n, groups. Raises InputError
        without pandas.
        """
        near = {"": self.neighbors.overall, **self.neighbors.labels}
        rows = [(self.agreement, label, one) for label, one in near.items()]
        if self.probe is not None:
            rows.append((f"probe: {self.probe.metric}", "", self.probe.score))
        measure, label, found = zip(*rows, strict=True)
        names = ("value", "chance", "low", "high", "p", "n", "groups")
        columns = {name: np.array([getattr(one, name) for one in found]) for name in names}
        return data_frame({"measure": np.array(measure), "label": np.array(label), **columns})

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, the shape that ``objectspace measure --json`` prints."""
        return {
            "space": self.space,
            "factor": self.spec.factor,
            "kind": self.kind,
            "k": self.k,
            "n": self.n,
            "group": self.spec.group,
            "period": self.spec.circular,
            "control": self.spec.control,
            "metric": self.metric,
            "groups": self.groups,
            "left_out": self.left_out,
            "hubness": self.hubness,
            "skewness": self.skewness,
            "shared_vectors": self.shared.to_json(),
            "neighbors": self.neighbors.overall.to_json(),
            "probe": None if self.probe is None else self.probe.to_json(),
            "geometry": None if self.geometry is None else self.geometry.to_json(),
            "labels": {name: one.to_json() for name, one in self.neighbors.labels.items()},
        }


@typed
def measure_factor(
    space: Space,
    objects: Objects,
    spec: FactorSpec,
    *,
    k: int = 5,
    metric: str = "euclidean",
    queries: int | None = None,
    most: int | None = MOST_OBJECTS,
    seed: int = 0,
) -> FactorMeasure:
    """Measure a factor in a space; ``objects`` are the space's, row for row.

    Neighbors are exact and of all objects; with ``queries`` they are searched, among all, for at most so many
    objects of whole groups drawn at random. Of more than ``most`` objects the probe is fitted on as many, of
    groups drawn so, and 199 permutations test the neighbors; None fits all of them, and permutes 999 times.
    Each estimate's n says how many it is of, and its interval covers the draw.

    The same seed gives the same figures. Raises InputError for columns that are not known, where rows do not
    match, and where there is nothing to measure: fewer than two groups, a factor of one value.

    >>> space = store.space("demo-crop")
    >>> osp.measure_factor(space, space.objects, osp.FactorSpec("label")).neighbors.overall.n
    39
    """
    steps.info("%s in %s: neighbors", spec.factor, space.name)
    sample = align(space, objects, spec)
    near = sample.neighbors(k, metric, asked=sample.drawn(queries, seed))
    return measure_sample(sample, near, space.name, spec, k=k, metric=metric, most=most, seed=seed)


def measure_sample(
    sample: AlignedSample,
    near: NearestNeighbors,
    space: str,
    spec: FactorSpec,
    *,
    k: int,
    metric: str,
    most: int | None,
    seed: int,
) -> FactorMeasure:
    """Measure a factor of a space as :func:`measure_factor`, from its sample and their k nearest."""
    of = f"{spec.factor} in {space}"
    agreement = sample.agreement(near, permuted=sample.permuted(most), seed=seed)
    steps.info("%s: linear probe, %d permutations", of, PERMUTED)
    probe = measure_probe(sample.searched, sample.factor, sample.groups, most=most, seed=seed)
    if sample.factor.kind == "circular":
        steps.info("%s: distances by angle", of)
    return FactorMeasure(
        space=space,
        spec=spec,
        kind=sample.factor.kind,
        k=k,
        metric=metric,
        n=len(sample.ids),
        left_out=sample.left_out,
        groups=sample.groups.count,
        neighbors=agreement,
        probe=probe,
        geometry=sample.geometry(metric, seed) if sample.factor.kind == "circular" else None,
        hubness=hubness(near),
        skewness=skewness(sample.factor.values) if sample.factor.kind == "linear" else None,
        object_id=sample.ids[near.queries],
        shared=sample.shared_vectors(),
    )


def measure_by_metric(
    space: Space,
    objects: Objects,
    spec: FactorSpec,
    *,
    k: int,
    metric: str,
    queries: int | None,
    most: int | None,
) -> tuple[FactorMeasure, dict[str, Estimate]]:
    """Measure a factor as :func:`measure_factor`, and the neighbors' agreement by each metric.

    By the other metric that of ``most`` objects at most, unless ``queries`` says otherwise, so that a large
    space is not compared with itself twice. The parts of a joint space rank alike by either.
    """
    steps.info("%s in %s: neighbors", spec.factor, space.name)
    sample = align(space, objects, spec)
    (other,) = (one for one in METRICS if one != metric)
    asked = {metric: sample.drawn(queries)}
    if not isinstance(sample.searched, JointVectors):
        asked[other] = sample.drawn(most if queries is None else queries)
    near = sample.neighbors_by(k, asked)
    by_metric = {}
    if other in near:
        found = sample.agreement(near.pop(other), permuted=sample.permuted(most))
        by_metric[other] = found.overall
    measured = measure_sample(
        sample, near.pop(metric), space.name, spec, k=k, metric=metric, most=most, seed=0
    )
    own = measured.neighbors.overall
    return measured, {metric: own, other: by_metric.get(other, own)}


def measure_neighbors(
    space: Space,
    objects: Objects,
    spec: FactorSpec,
    *,
    k: int = 5,
    metric: str = "euclidean",
    queries: int | None = None,
    most: int | None = MOST_OBJECTS,
    seed: int = 0,
) -> Agreement:
    """Measure the neighbors' agreement alone, that of :func:`measure_factor`, in a part of its time."""
    steps.info("%s in %s: neighbors by %s", spec.factor, space.name, metric)
    sample = align(space, objects, spec)
    near = sample.neighbors(k, metric, asked=sample.drawn(queries, seed))
    return sample.agreement(near, permuted=sample.permuted(most), seed=seed)


@dataclass(frozen=True, slots=True, eq=False)
class AlignedSample:
    """The n objects of a space for which a factor can be measured, row for row.

    rows: (n,) their rows in the space
    searched: what neighbors are found by, (n, d) float32 vectors or a joint space's parts; may be on disk
    thing: (n,) the value by which two views are of one thing (the group, or else the label); same: its name
    left_out: how many objects of the space are not among the n
    """

    rows: NDArray[np.int64]
    factor: Factor
    groups: Groups
    searched: NDArray[np.float32] | JointVectors | BlockSource
    ids: NDArray[np.str_]
    images: NDArray[np.str_]
    labels: NDArray[np.object_]
    thing: NDArray[Any]
    same: str
    left_out: int

    def __repr__(self) -> str:
        return f"AlignedSample({self.factor.name}: {len(self.ids)} objects in {self.groups.count} groups)"

    def drawn(self, queries: int | None, seed: int = 0) -> Codes | None:
        """Return the objects of groups drawn at random, at most so many; None for all."""
        if queries is None or queries >= len(self.ids):
            return None
        return draw_groups(self.groups.group, queries, seed=seed)

    def permuted(self, most: int | None) -> int:
        """Return how often a quick statistic is permuted: less where the objects are more than ``most``."""
        return permutation_count(len(self.ids), most)

    def neighbors(self, k: int, metric: str = "euclidean", *, asked: Codes | None = None) -> NearestNeighbors:
        """Return each object's nearest in other groups at its level, or those of the objects asked for."""
        return self.neighbors_by(k, {metric: asked})[metric]

    def neighbors_by(self, k: int, asked: Mapping[str, Codes | None]) -> dict[str, NearestNeighbors]:
        """Return the neighbors by each of several metrics, of the objects asked for by it; None for all."""
        block = make_blocks(self.groups.group)
        return find_by_metric(self.searched, self.ids, self.groups, asked, k=k, block=block)

    def agreement(self, near: NearestNeighbors, *, permuted: int = PERMUTATIONS, seed: int = 0) -> Agreement:
        """Return the agreement of neighbors in the factor."""
        return measure_agreement(near, self.factor, self.groups, self.labels, permuted=permuted, seed=seed)

    def shared_vectors(self) -> SharedVectors:
        """Return how many of the objects share their vector with another of their image."""
        return count_shared(vector_keys(self.searched), self.images, self.labels)

    def geometry(self, metric: str = "euclidean", seed: int = 0) -> Geometry | None:
        """Return the geometry of a circular factor; None where no two views can be compared."""
        return measure_geometry(
            self.searched, self.factor, self.groups, self.thing, same=self.same, metric=metric, seed=seed
        )


def align(space: Space, objects: Objects, spec: FactorSpec) -> AlignedSample:
    """Return the objects with a known factor, group and control and at least one possible neighbor.

    Raises InputError as :func:`measure_factor`.
    """
    if objects.object_id.tolist() != space.object_id.tolist():
        raise InputError(f"space {space.name}: its vectors and the objects are not in the same order")
    factor, known = read_factor(objects, spec.factor, circular=spec.circular, categorical=spec.categorical)
    own = np.cumsum(known) - 1
    for name in (spec.group, spec.control):
        if name:
            known = known & known_values(factor_column(objects, name))
    rows = np.flatnonzero(known)
    groups = make_groups(
        objects.image_id[rows],
        group=_group(objects, spec.group, rows),
        level=control_levels(factor_column(objects, spec.control)[rows]) if spec.control else None,
    )
    kept = comparable(groups)
    rows, groups = rows[kept], groups.take(kept)
    _check_countable(spec, groups)
    factor = factor.take(own[rows])
    _check_varies(spec, factor, groups)
    same = spec.group or "label"
    measured = space.take(rows)
    return AlignedSample(
        rows,
        factor,
        groups,
        measured.searched,
        measured.object_id,
        objects.image_id[rows],
        objects.label[rows],
        factor_column(objects, same)[rows] if spec.group else objects.label[rows],
        same,
        len(objects) - len(rows),
    )


def likely_groups(objects: Objects, spec: FactorSpec) -> list[str]:
    """Return the columns, but factor and control, by which images seem to belong together.

    Those with one value in each image and each value in two images or more, as of several views of one thing.
    """
    images = codes(objects.image_id)
    likely = []
    for name in ("label", *sorted(objects.factors)):
        column = factor_column(objects, name)
        if name in (spec.factor, spec.control) or not known_values(column).all():
            continue
        values = codes(column if column.dtype.kind == "f" else column.astype(str))
        pairs = np.unique(np.stack([values, images]), axis=1)
        in_images = np.bincount(pairs[0])
        if pairs.shape[1] == images.max() + 1 and len(in_images) > 1 and in_images.min() > 1:
            likely.append(name)
    return likely


def _group(objects: Objects, name: str | None, rows: NDArray[np.int64]) -> NDArray[Any] | None:
    if name is None:
        return None
    column = factor_column(objects, name)[rows]
    return column if column.dtype.kind == "f" else column.astype(str)


def _check_countable(spec: FactorSpec, groups: Groups) -> None:
    if groups.count < 2:
        what = spec.group or "photos"
        where = f" at one {spec.control}" if spec.control else ""
        raise InputError(
            f"factor {spec.factor}: no objects of two different {what} can be compared{where}; "
            "each measure needs two"
        )


def _check_varies(spec: FactorSpec, factor: Factor, groups: Groups) -> None:
    random = float(random_agreement(factor, factor.values, groups).mean())
    scale = 1.0 if factor.kind == "categorical" else float(np.abs(factor.values).max())
    where = f" at one {spec.control}" if spec.control else ""
    if factor.kind == "categorical" and random == 0:
        raise InputError(
            f"factor {spec.factor}: no two objects that could be neighbors share a value, so there is "
            f"nothing to measure; is it the same as the group ({spec.group or 'the photo'})?"
        )
    if random >= 1 if factor.kind == "categorical" else random <= 1e-12 * scale:
        raise InputError(f"factor {spec.factor} has one value only{where}, so nothing can be measured")
