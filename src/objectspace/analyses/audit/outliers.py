"""Outliers: objects that are farther from their nearest than these are from theirs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from objectspace.neighbors import NO_NEIGHBOR, Neighbors

Float64 = NDArray[np.float64]

#: Neighbors that the factor is of. The least that Breunig et al. advise: of 3 to 20 the planted noise and
#: wrong boxes of three spaces are found best by 5 to 10 (``docs/audit.md``).
K = 10

# Added to a mean distance of zero, that of an object with k exact copies (as scikit-learn does).
_NO_DISTANCE = 1e-10


class LocalOutlierFactor:
    """The local outlier factor of Breunig et al. (*LOF: identifying density-based local outliers*, 2000).

    The density at an object is one over the mean distance to its k nearest, each at least as far as that
    one's own k-th; the factor is the mean density at its neighbors over its own: about 1 inside a cloud of
    any density, more outside. It needs only the neighbors, found once.

    near: the nearest of each of n objects, of which the first :data:`K` count; fewer where no more are
        comparable

    >>> line = Neighbors(np.array([[1], [0], [1]]), np.array([[1.0], [1.0], [9.0]]))
    >>> LocalOutlierFactor(line).factors(line).round(6).tolist()
    [1.0, 1.0, 9.0]
    """

    def __init__(self, near: Neighbors) -> None:
        near = _first(near)
        self._reach = np.where(np.isfinite(near.distance), near.distance, -np.inf).max(1, initial=-np.inf)
        self._density = self._densities(near)

    def factors(self, near: Neighbors) -> Float64:
        """Return the factor (q,) of objects, of the n or new ones, by their nearest among the n.

        NaN for one without neighbors.
        """
        near = _first(near)
        there = near.index != NO_NEIGHBOR
        around = _means(np.where(there, self._density[near.index], 0.0), there)
        return around / self._densities(near)

    def _densities(self, near: Neighbors) -> Float64:
        there = near.index != NO_NEIGHBOR
        reached = np.where(there, np.maximum(near.distance, self._reach[near.index]), 0.0)
        return 1 / (_means(reached, there) + _NO_DISTANCE)


def _first(near: Neighbors) -> Neighbors:
    return Neighbors(near.index[:, :K], near.distance[:, :K])


def _means(values: Float64, there: NDArray[np.bool_]) -> Float64:
    counts = there.sum(1)
    means: Float64 = np.divide(values.sum(1), counts, out=np.full(len(values), np.nan), where=counts > 0)
    return means
