"""Why two objects are near or far: their distance as a sum over the cells of both.

Where a vector is a sum over cells, ``v = sum of a_p`` and ``w = sum of b_q`` (a mean's cells times their
weights s_p and t_q, which sum to 1), the squared distance splits over the cells of both without a rest::

    |v - w|**2 = sum of (s_p |v|**2 - a_p.w) + sum of (t_q |w|**2 - b_q.v)

So a cell joins the two by its part of their product ``v.w``, beside what its weight alone would give in a
perfect match; Stylianou, Souvenir and Pless (*Visualizing deep similarity networks*, 2019) split the product
so. The other exact split, ``a_p.(v - w) - b_q.(v - w)``, fails the deletion check (``docs/explain.md``).
For cosine the same holds of ``v / |v|`` and ``w / |w|``, and ``1 - cos`` is half of it. Where vectors are
laid out cell by cell, as in windows and RoIs, a cell's share is the squared difference of its own numbers,
of which each object gets half. A cell with a positive share drives the two apart, one with a negative share
joins them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.statistics import Estimate, estimate_mean
from objectspace.errors import InputError

Float64 = NDArray[np.float64]
Method = Literal["sum", "occlusion"]

#: Shares of the cells that are covered one after another in a deletion check.
COVERED = (1 / 8, 1 / 4, 3 / 8, 1 / 2, 5 / 8, 3 / 4)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CellHeat:
    """The shares of one object's cells in a distance.

    heat: (rows, columns) float64; picture: (h, w, 3) uint8, what the network saw, divided evenly by the cells
    empty: (rows, columns) float64, the share of a cell that adds nothing to the vector, by its weight alone;
        0 where each share is the cell's own
    """

    heat: Float64
    picture: NDArray[np.uint8]
    empty: Float64 | float = 0.0

    def __repr__(self) -> str:
        rows, columns = self.heat.shape
        return f"CellHeat({rows} x {columns} cells, sum {self.heat.sum():.4g})"

    @property
    def own(self) -> Float64:
        """What each cell adds to its weight's share (rows, columns): below 0 where it joins the two."""
        return self.heat - self.empty


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Explanation:
    """Why two objects are as far apart as they are.

    distance: of the stored vectors, as a search prints it
    total: its square, or 1 - cos: of the metric "euclidean" or "cosine"
    method: "sum", whose heat sums to ``total``; "occlusion", whose heat is how much ``total`` falls when a
        cell is covered, as the network does not average its cells
    cells: the heat of both objects; none in a joint space
    parts: in a joint space, an explanation by 1 - cos for each part, by name, times its share
    """

    space: str
    metric: str
    method: Method
    distance: float
    total: float
    cells: tuple[CellHeat, ...]
    parts: Mapping[str, Explanation]

    def __repr__(self) -> str:
        by = f"{len(self.parts)} parts" if self.parts else f"{self.metric}, by {self.method}"
        return f"Explanation({self.space!r}, {by}, distance {self.distance:.4g})"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; ``heat`` is of the first and the second object, row by row."""
        parts = {name: part.to_json() for name, part in self.parts.items()}
        return {
            "space": self.space,
            "metric": self.metric,
            "method": self.method,
            "distance": self.distance,
            "total": self.total,
            "heat": [one.heat.tolist() for one in self.cells],
            **({"parts": parts} if parts else {}),
        }


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Contrast:
    """Why one object is nearer to a second than to a third: the difference of two explanations.

    near, far: of the first and the second object, of the first and the third
    margin: ``far.total - near.total``, to which the heat sums
    cells: heat of the three objects: a positive share makes the first like the second and unlike the third
    """

    near: Explanation
    far: Explanation

    def __repr__(self) -> str:
        return f"Contrast({self.near.space!r}, {self.near.metric}, margin {self.margin:.4g})"

    @property
    def margin(self) -> float:
        """How much farther the third object is, in the unit of ``total``."""
        return self.far.total - self.near.total

    @property
    def cells(self) -> tuple[CellHeat, ...]:
        """The heat of the first, the second and the third object; none in a joint space."""
        if not (self.near.cells and self.far.cells):
            return ()
        (first, second), (again, third) = self.near.cells, self.far.cells
        return (
            replace(first, heat=again.heat - first.heat, empty=again.empty - first.empty),
            replace(second, heat=-second.heat, empty=-second.empty),
            third,
        )

    @property
    def parts(self) -> dict[str, Contrast]:
        """The contrast of each part of a joint space."""
        return {name: Contrast(part, self.far.parts[name]) for name, part in self.near.parts.items()}

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values: both explanations, the margin, and the heat of the three objects."""
        return {
            "near": self.near.to_json(),
            "far": self.far.to_json(),
            "margin": self.margin,
            "heat": [one.heat.tolist() for one in self.cells],
        }


def explain_sums(
    first: NDArray[Any], second: NDArray[Any], metric: str, weights: tuple[Float64, Float64]
) -> tuple[Float64, Float64]:
    """Return the heat of both objects where a vector is the sum of its cells; it sums to the distance.

    first, second: (rows, columns, d), what each cell adds to the vector, on grids that may differ
    weights: (rows, columns) of both, the cell's weight in the mean that the vector is; each sums to 1
    Returns heat (rows, columns) float64 of each; together it sums to ``|v - w|**2``, or to 1 - cos. The
    cosine of a vector of length zero is 0, as in a search, and no cell has a share in it.
    """
    cells = [one.astype(np.float64) for one in (first, second)]
    if metric == "cosine":
        lengths = [float(np.linalg.norm(one.sum((0, 1)))) for one in cells]
        if not all(lengths):
            return _evenly(cells[0]), _evenly(cells[1])
        cells = [one / length for one, length in zip(cells, lengths, strict=True)]
    v, w = (one.sum((0, 1)) for one in cells)
    half = 0.5 if metric == "cosine" else 1.0
    return (weights[0] * (v @ v) - cells[0] @ w) * half, (weights[1] * (w @ w) - cells[1] @ v) * half


def empty_shares(cells: NDArray[Any], metric: str, weights: Float64) -> Float64:
    """Return the shares (rows, columns) in :func:`explain_sums` of cells that would add nothing."""
    v = cells.astype(np.float64).sum((0, 1))
    shares: Float64 = weights * (0.5 if metric == "cosine" else float(v @ v))
    return shares


def explain_layouts(first: NDArray[Any], second: NDArray[Any], metric: str) -> tuple[Float64, Float64]:
    """Return the heat of both objects where a vector is laid out cell by cell; it sums to the distance.

    first, second: (rows, columns, channels), the numbers of each cell, on grids of one shape
    Returns heat (rows, columns) float64 of each, both alike: half of what the cell's numbers differ by.
    """
    cells = [one.astype(np.float64) for one in (first, second)]
    if metric == "cosine":
        lengths = [float(np.linalg.norm(one)) for one in cells]
        if not all(lengths):
            return _evenly(cells[0]), _evenly(cells[1])
        cells = [one / length for one, length in zip(cells, lengths, strict=True)]
    share = ((cells[0] - cells[1]) ** 2).sum(2) / (4 if metric == "cosine" else 2)
    return share, share.copy()


def _evenly(cells: Float64) -> Float64:
    """Return half of the distance 1 of a vector without direction, the same in every cell."""
    return np.full(cells.shape[:2], 0.5 / math.prod(cells.shape[:2]))


def explain_occlusions(total: float, covered: Float64) -> Float64:
    """Return how much a total falls when a cell is covered: heat of the shape of ``covered``.

    covered: (rows, columns), the total with each cell covered
    """
    heat: Float64 = total - np.asarray(covered, np.float64)
    return heat


def part_explanation(why: Explanation, share: float) -> Explanation:
    """Return an explanation whose total and heat are times a share, as a part of a joint space has it."""
    cells = tuple(replace(one, heat=one.heat * share, empty=one.empty * share) for one in why.cells)
    return replace(why, total=why.total * share, cells=cells)


def distance_total(first: NDArray[Any], second: NDArray[Any], metric: str) -> Float64:
    """Return what heat sums to, of vectors (n, d) and one vector (d,): squared distances, or 1 - cos (n,).

    >>> distance_total(np.array([[3.0, 4.0], [0.0, 1.0]]), np.array([0.0, 2.0]), "euclidean").tolist()
    [13.0, 1.0]
    """
    v, w = first.astype(np.float64), second.astype(np.float64)
    if metric == "euclidean":
        squares: Float64 = ((v - w) ** 2).sum(1)
        return squares
    lengths = np.linalg.norm(v, axis=1) * np.linalg.norm(w)
    cosines: Float64 = np.divide(v @ w, lengths, out=np.zeros(len(v)), where=lengths > 0)
    return 1 - cosines


# ----------------------------------------------------------------------------------------- the deletion check


@dataclass(frozen=True, slots=True)
class DeletionCheck:
    """Whether heat tells the truth: what covering its cells does to the distance, beside random cells.

    Values are the mean of log(total / total uncovered) while 1/8 to 3/4 of the first object's cells are
    covered (the area under the curve), over pairs of the store; chance is the same in random order.
    apart: the cells that join the two are covered first, so that the value must be above chance
    together: the cells that drive them apart come first, so that it must be below
    shuffled_apart, shuffled_together: the same of shuffled heat, which must not differ from chance
    """

    space: str
    metric: str
    method: Method
    apart: Estimate
    together: Estimate
    shuffled_apart: Estimate
    shuffled_together: Estimate

    def __repr__(self) -> str:
        return (
            f"DeletionCheck({self.space!r}, {self.metric}, by {self.method}, "
            f"{'passed' if self.passed else 'not passed'}, n {self.apart.n})"
        )

    @property
    def passed(self) -> bool:
        """Whether both intervals of value - chance are on the right side of 0."""
        return self.apart.interval_over_chance()[0] > 0 > self.together.interval_over_chance()[1]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        names = ("apart", "together", "shuffled_apart", "shuffled_together")
        return {
            "space": self.space,
            "metric": self.metric,
            "method": self.method,
            "passed": self.passed,
            **{name: getattr(self, name).to_json() for name in names},
        }


#: The orders in which the cells of a pair are covered: random ones are chance.
ORDERS = ("apart", "together", "shuffled_apart", "shuffled_together", "random", "random", "random", "random")


def cover_orders(heat: Float64, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield the cells of a heat (rows, columns), as places in it row by row, in each of :data:`ORDERS`.

    "apart" begins with the least share, "together" with the greatest; a shuffled heat has the same shares in
    other cells. Equal shares come in random order.
    """
    flat = heat.reshape(-1)
    for shares in (flat, rng.permutation(flat)):
        mixed = rng.permutation(len(flat))
        rising = mixed[np.argsort(shares[mixed], kind="stable")]
        yield rising
        yield rising[::-1]
    for _ in ORDERS[4:]:
        yield rng.permutation(len(flat))


def covered_cells(order: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which cells are covered at each of :data:`COVERED`, (steps, rows, columns), at least one."""
    counts = [max(1, round(share * len(order))) for share in COVERED]
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return np.stack([(rank < count).reshape(shape) for count in counts])


def measure_deletion(
    areas: Float64, group: NDArray[Any], *, space: str, metric: str, method: Method, seed: int = 0
) -> DeletionCheck:
    """Return the deletion check of pairs from the areas of their curves.

    areas: (pairs, orders), the mean of log(total / total uncovered) in each of :data:`ORDERS`
    group: (pairs,), whatever is resampled together: the image of the covered object
    Raises InputError without pairs.
    """
    if not len(areas):
        raise InputError("a deletion check needs pairs whose distance is above 0; there is none")
    chance = areas[:, 4:].mean(1)
    own = np.unique(group, return_inverse=True)[1]
    estimates = [estimate_mean(areas[:, column], chance, own, seed=seed) for column in range(4)]
    return DeletionCheck(space, metric, method, *estimates)
