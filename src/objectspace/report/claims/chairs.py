"""People on chairs, beside chairs and elsewhere: which person is where, and whether neighbors are the same.

The paper's claim (section IV): the neighbors of a man on a chair are people on chairs, and "the model
doesn't consider situations, where a person is simply standing next to the chair".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.context import BACKGROUNDS, Views
from objectspace.analyses.groups import Codes, Groups, make_groups
from objectspace.analyses.nearest_neighbors import NearestNeighbors, find_neighbors
from objectspace.analyses.statistics import (
    PERMUTATIONS,
    Estimate,
    bootstrap,
    estimate_mean,
    permutations,
    ratio,
)
from objectspace.embeddings.spaces import Space
from objectspace.errors import InputError, counted
from objectspace.objects.boxes import area
from objectspace.objects.records import Objects

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
FEWEST_IMAGES = 10


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
        values = {name: None if one is None else one.to_json() for name, one in estimates.items()}
        return {"space": self.space, "k": self.k, "people": self.people, "source": self.source, **values}


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
    offset = np.abs((one[..., 0] + one[..., 2]) - (other[..., 0] + other[..., 2])) / 2 / chair_wh[..., 0]
    below = (one[..., 3] - other[..., 3]) / chair_wh[..., 1]
    on = ((overlap >= ON_OVERLAP) & (offset <= ON_ASIDE) & (below <= ON_BELOW)).any(1)
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
    image_count = len(np.unique(images[people.on]))
    if image_count < FEWEST_IMAGES:
        raise InputError(
            f"people are on chairs in {counted(image_count, 'photo')} of space {space.name}, "
            f"expected {FEWEST_IMAGES} or more"
        )
    groups = make_groups(images)
    vectors, ids = space.searched[people.rows], space.object_id[people.rows]
    near = find_neighbors(vectors, ids, groups, k=k, metric=metric)
    company = _Company(near, groups, people.on, people.beside)
    both = people.beside.any()
    return ChairTest(
        space=space.name,
        k=k,
        people=len(people.rows),
        source=people.source,
        on=company.estimate(people.on, seed),
        beside=company.estimate(people.beside, seed) if both else None,
        difference=company.difference(seed) if both else None,
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


class _Company:
    """Neighbors of people on chairs and beside chairs (n,)."""

    def __init__(self, near: NearestNeighbors, groups: Groups, on: Bool, beside: Bool) -> None:
        self.near, self.groups, self.on, self.beside = near, groups, on, beside
        self.values = self._shares(on)

    def estimate(self, chosen: Bool, seed: int) -> Estimate:
        """Return the mean share of those chosen; chance is the share among all people of other photos."""
        random = self._random(self.on)
        gain = float((self.values - random)[chosen].mean())
        null = []
        for rows in permutations(self.groups, PERMUTATIONS, seed=seed):
            on, moved = self.on[rows], chosen[rows]
            null.append((self._shares(on) - self._random(on))[moved].mean() if moved.any() else 0.0)
        group = self.groups.group[chosen]
        share = estimate_mean(self.values[chosen], random[chosen], group, seed=seed)
        return share.tested(gain, np.array(null))

    def difference(self, seed: int) -> Estimate:
        """Return the share of people on chairs minus that of people beside one."""
        rows = np.flatnonzero(self.on | self.beside)
        own = self._parts(self.on, self.beside)[rows]
        pooled, null = np.zeros_like(own), []
        for drawn in permutations(self.groups.take(rows), PERMUTATIONS, seed=seed):
            on, beside = self.on.copy(), self.beside.copy()
            on[rows], beside[rows] = self.on[rows[drawn]], self.beside[rows[drawn]]
            parts = self._parts(on, beside)[rows]
            pooled += parts
            null.append(np.nan_to_num(self._lead(on, beside)))

        def statistics(sums: Matrix) -> Matrix:
            return np.stack([_gap(sums[:4]), _gap(sums[:4]) - _gap(sums[4:])])

        group = self.groups.group[rows]
        (low, high), excess = bootstrap(np.hstack([own, pooled]), group, statistics, seed=seed)
        value, chance = float(_gap(own.sum(0))), float(_gap(pooled.sum(0)))
        image_count = len(np.unique(group))
        gap = Estimate(value, chance, low, high, len(rows), image_count, excess=excess)
        return gap.tested(self._lead(self.on, self.beside), np.array(null))

    def _lead(self, on: Bool, beside: Bool) -> float:
        """Return the difference over that of random people, which changes where company is repeated."""
        over = self._shares(on) - self._random(on)
        return float(_gap(np.array([over[on].sum(), on.sum(), over[beside].sum(), beside.sum()])))

    def _parts(self, on: Bool, beside: Bool) -> Matrix:
        """Return each person's part (n, 4) of the sums of :func:`_gap`."""
        shares = self._shares(on)
        return np.stack([on * shares, on, beside * shares, beside], axis=1)

    def _shares(self, on: Bool) -> Matrix:
        """Return the share (n,) of each person's neighbors that are on chairs."""
        return self.near.mean(on[self.near.neighbor])

    def _random(self, on: Bool) -> Matrix:
        """Return the share (n,) of people on chairs among those of other photos."""
        group = self.groups.group
        in_image = np.bincount(group, weights=on)[group]
        shares: Matrix = (on.sum() - in_image) / (len(on) - np.bincount(group)[group])
        return shares


def _gap(sums: Matrix) -> Matrix:
    """Return the mean share of people on chairs less that of people beside one, from sums (4, ...)."""
    gap: Matrix = ratio(sums[0], sums[1]) - ratio(sums[2], sums[3])
    return gap
