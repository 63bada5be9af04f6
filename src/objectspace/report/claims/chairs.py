"""People on chairs, beside chairs and elsewhere: which person is where, and whether neighbors are the same.

The paper's claim (section IV): the neighbours of a man on a chair are people on chairs, and "the model
doesn't consider situations, where a person is simply standing next to the chair".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.agreement import find_neighbours
from objectspace.analyses.clusters import Clusters, Codes, codes, make_clusters
from objectspace.analyses.context import BACKGROUNDS, Views
from objectspace.analyses.statistics import (
    PERMUTATIONS,
    Estimate,
    draws,
    expanded_percentiles,
    mean_interval,
    p_value,
    permutations,
)
from objectspace.embeddings.spaces import Space
from objectspace.errors import InputError
from objectspace.objects.boxes import area
from objectspace.objects.records import Objects
from objectspace.wording import counted

Bool = NDArray[np.bool_]
Matrix = NDArray[np.float64]

#: The column of a person's company, where it is known, and its values for chairs (docs/world.md).
COMPANY, ON, BESIDE = "company", "on chair", "beside chair"

# The rule for boxes. A person is on a chair whose box
#: - has at least this share of its area in common with the chair's box,
ON_OVERLAP = 0.15
#: - has its center within this share of the chair's width from the chair's center, and
ON_ASIDE = 0.5
#: - ends no farther below the chair than this share of the chair's height (feet reach the floor).
ON_BELOW = 0.2
#: A person who is on no chair is beside one if the boxes are no farther apart than this share of the person's
#: height.
BESIDE_GAP = 0.25

#: Fewer photos of people on chairs give no interval: a bootstrap over a few equal values has no spread.
FEWEST_PHOTOS = 10


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """The people among some objects.

    rows: (p,) their rows; on, beside: (p,) whether each is on a chair, or merely beside one
    source: where that comes from: "attribute" (the column ``company``) or "boxes" (the rule of this module)
    """

    rows: Codes
    on: Bool
    beside: Bool
    source: str


@dataclass(frozen=True, slots=True)
class ChairTest:
    """The shares of the nearest people of other photos that are on chairs, in one space.

    on: share of the k nearest people that are on a chair, for people on chairs
    beside: the same for people merely beside one; difference: ``on`` minus ``beside``. Both None where nobody
        is beside a chair
    people: how many there are; source: as in :class:`People`

    The chance level of ``on`` and ``beside`` is the share on chairs among all people of other photos; p is
    from permuting company between photos. For the difference, company is permuted only among people with a
    chair: a space that encodes only that a chair is near has a large ``on`` and no difference.
    """

    space: str
    k: int
    people: int
    source: str
    on: Estimate
    beside: Estimate | None
    difference: Estimate | None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        estimates = {name: getattr(self, name) for name in ("on", "beside", "difference")}
        told = {name: None if one is None else one.to_json() for name, one in estimates.items()}
        return {"space": self.space, "k": self.k, "people": self.people, "source": self.source, **told}


def find_people(objects: Objects) -> People:
    """Return the people among objects: on or beside chairs by the column ``company``, else by boxes."""
    rows = np.flatnonzero(objects.label == "person")
    known = objects.factors.get(COMPANY)
    if known is not None and np.isin(known[rows].astype(str), (ON, BESIDE)).any():
        company = known[rows].astype(str)
        return People(rows, company == ON, company == BESIDE, "attribute")
    on, beside = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    chairs = np.flatnonzero(objects.label == "chair")
    for image in np.unique(objects.image_id[rows]):
        here = np.flatnonzero(objects.image_id[rows] == image)
        near = chairs[objects.image_id[chairs] == image]
        on[here], beside[here] = company_by_boxes(objects.xyxy[rows[here]], objects.xyxy[near])
    return People(rows, on, beside, "boxes")


def company_by_boxes(person: NDArray[np.float32], chair: NDArray[np.float32]) -> tuple[Bool, Bool]:
    """Return which people (n, 4) of a photo are on one of its chairs (m, 4), and which beside one: (n,) each.

    The rule is :data:`ON_OVERLAP`, :data:`ON_ASIDE`, :data:`ON_BELOW` and :data:`BESIDE_GAP`. Boxes carry no
    depth: a person right in front of a chair counts as on it. Measured on the drawn world in docs/context.md.
    """
    one, other = person[:, None].astype(np.float64), chair[None].astype(np.float64)
    shared = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    overlap = np.maximum(shared, 0).prod(-1) / area(person)[:, None]
    chair_wh = other[..., 2:] - other[..., :2]
    aside = np.abs((one[..., 0] + one[..., 2]) - (other[..., 0] + other[..., 2])) / 2 / chair_wh[..., 0]
    below = (one[..., 3] - other[..., 3]) / chair_wh[..., 1]
    on = ((overlap >= ON_OVERLAP) & (aside <= ON_ASIDE) & (below <= ON_BELOW)).any(1)
    gap = np.maximum(-shared, 0).max(-1)
    near = (gap <= BESIDE_GAP * (one[..., 3] - one[..., 1])).any(1)
    return on, near & ~on


def measure_chairs(
    space: Space, objects: Objects, *, k: int = 5, metric: str = "euclidean", seed: int = 0
) -> ChairTest:
    """Return the test of the paper's claim in a space; ``objects`` are its objects, row for row.

    Raises InputError where rows do not match, and with fewer than ten photos of people on chairs.
    """
    if objects.object_id.tolist() != space.object_id.tolist():
        raise InputError(f"space {space.name}: its vectors and the objects are not in the same order")
    people = find_people(objects)
    images = objects.image_id[people.rows]
    photos = len(np.unique(images[people.on]))
    if photos < FEWEST_PHOTOS:
        raise InputError(
            f"people are on chairs in {counted(photos, 'photo')} of space {space.name}, "
            f"expected {FEWEST_PHOTOS} or more"
        )
    clusters = make_clusters(images)
    vectors, ids = space.vectors[people.rows], space.object_id[people.rows]
    near = find_neighbours(vectors, ids, clusters, k=k, metric=metric)
    groups = _Groups(near, clusters, people.on, people.beside)
    both = people.beside.any()
    return ChairTest(
        space=space.name,
        k=k,
        people=len(people.rows),
        source=people.source,
        on=groups.estimate(people.on, seed),
        beside=groups.estimate(people.beside, seed) if both else None,
        difference=groups.difference(seed) if both else None,
    )


def measure_views(
    views: Views, *, k: int = 5, metric: str = "euclidean", seed: int = 0
) -> dict[str, ChairTest]:
    """Return the test in each of three views of the same objects, by "alone", "both" and "around".

    Raises InputError as :func:`measure_chairs`.
    """
    return {
        view: measure_chairs(getattr(views, view), views.objects, k=k, metric=metric, seed=seed)
        for view in BACKGROUNDS
    }


class _Groups:
    """Neighbours (n, k) of people on chairs and beside chairs (n,)."""

    def __init__(self, near: Codes, clusters: Clusters, on: Bool, beside: Bool) -> None:
        self.near, self.clusters, self.on, self.beside = near, clusters, on, beside
        self.values = self._shares(on)

    def estimate(self, group: Bool, seed: int) -> Estimate:
        """Return the mean share of one group; chance is the share among all people of other photos."""
        random = self._random(self.on)
        gain = float((self.values - random)[group].mean())
        null = []
        for rows in permutations(self.clusters, PERMUTATIONS, seed=seed):
            on, moved = self.on[rows], group[rows]
            null.append((self._shares(on) - self._random(on))[moved].mean() if moved.any() else 0.0)
        low, high = mean_interval(self.values[group], self.clusters.cluster[group], seed=seed)
        value, chance = float(self.values[group].mean()), float(random[group].mean())
        photos = len(np.unique(self.clusters.cluster[group]))
        return Estimate(value, chance, low, high, int(group.sum()), photos, p_value(gain, np.array(null)))

    def difference(self, seed: int) -> Estimate:
        """Return the share of people on chairs minus that of people beside one."""
        value = self._gap(self.on, self.beside)
        rows = np.flatnonzero(self.on | self.beside)
        null = []
        for drawn in permutations(self.clusters.take(rows), PERMUTATIONS, seed=seed):
            on, beside = self.on.copy(), self.beside.copy()
            on[rows], beside[rows] = self.on[rows[drawn]], self.beside[rows[drawn]]
            null.append(self._gap(on, beside) if on.any() and beside.any() else 0.0)
        low, high = self._interval(rows, seed)
        chance, photos = float(np.mean(null)), len(np.unique(self.clusters.cluster[rows]))
        return Estimate(value, chance, low, high, len(rows), photos, p_value(value, np.array(null)))

    def _gap(self, on: Bool, beside: Bool) -> float:
        shares = self._shares(on)
        return float(shares[on].mean() - shares[beside].mean())

    def _shares(self, on: Bool) -> Matrix:
        """Return the share (n,) of each person's neighbors that are on chairs."""
        there = self.near >= 0
        shares: Matrix = (there & on[self.near]).sum(1) / there.sum(1)
        return shares

    def _random(self, on: Bool) -> Matrix:
        """Return the share (n,) of people on chairs among those of other photos."""
        cluster = self.clusters.cluster
        in_photo = np.bincount(cluster, weights=on)[cluster]
        shares: Matrix = (on.sum() - in_photo) / (len(on) - np.bincount(cluster)[cluster])
        return shares

    def _interval(self, rows: Codes, seed: int) -> tuple[float, float]:
        """Return the 95 % interval of the difference, made as that of ``statistics.ratio_interval``."""
        own = codes(self.clusters.cluster[rows])
        count = int(own.max()) + 1
        groups = [group[rows].astype(np.float64) for group in (self.on, self.beside)]
        sums = [
            np.bincount(own, weights=part, minlength=count)
            for group in groups
            for part in (group * self.values[rows], group)
        ]
        samples = []
        for drawn in draws(count, seed):
            on, of_on, beside, of_beside = (part[drawn].sum(1) for part in sums)
            known = (of_on > 0) & (of_beside > 0)
            samples.append(on[known] / of_on[known] - beside[known] / of_beside[known])
        low, high = np.quantile(np.concatenate(samples), expanded_percentiles(count))
        return float(low), float(high)
