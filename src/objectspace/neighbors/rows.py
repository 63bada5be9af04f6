"""The ids and groups of searched rows, and the checks of a search's arguments."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import InputError, QueryError


class Rows:
    """Ids (n,) and groups (n,) of the searched vectors. Raises InputError where one has another length."""

    def __init__(
        self,
        count: int,
        ids: Sequence[str] | NDArray[Any],
        groups: Sequence[str] | NDArray[Any] | None,
    ) -> None:
        for name, column in (("ids", ids), ("groups", groups)):
            if column is not None and len(column) != count:
                raise InputError(f"{len(column)} {name} for {count} vectors")
        self.ids = np.asarray(ids)
        self._groups: NDArray[Any] | None = None
        #: The number of each row's group (n,), None without groups.
        self.group: NDArray[np.int64] | None = None
        if groups is not None:
            self._groups, self.group = np.unique(np.asarray(groups), return_inverse=True)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def rank(self) -> NDArray[np.int64]:
        """The rank (n,) of each row's id among all ids."""
        rank = np.empty(len(self), np.int64)
        rank[np.argsort(self.ids, kind="stable")] = np.arange(len(self))
        return rank

    def grouped(self, groups: Sequence[str] | NDArray[Any]) -> Rows:
        """Return the same ids in other groups."""
        return Rows(len(self), self.ids, groups)

    def allowed(self, mask: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        """Return the rows, sorted, that a mask (n,) bool allows; all of them for None. Raises QueryError."""
        if mask is None:
            return np.arange(len(self))
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape != (len(self),):
            raise QueryError(
                f"allowed has shape {mask.shape} and type {mask.dtype}, expected ({len(self)},) bool"
            )
        return np.flatnonzero(mask)

    def own_groups(self, groups: Sequence[str] | NDArray[Any] | None, count: int) -> NDArray[np.int64]:
        """Return the number of each query's group (count,), -1 where no row is in it. Raises QueryError."""
        if groups is None:
            return np.full(count, -1)
        if self._groups is None:
            raise QueryError("query groups were given, but the searched vectors have no groups")
        if len(groups) != count:
            raise QueryError(f"{len(groups)} query groups for {count} queries")
        wanted = np.asarray(groups)
        place = np.searchsorted(self._groups, wanted)
        found = place < len(self._groups)
        found[found] = self._groups[place[found]] == wanted[found]
        return np.where(found, place, -1)


def check_queries(queries: NDArray[np.float32], dimension: int, k: int) -> NDArray[np.float32]:
    """Return contiguous queries (q, d).

    Raises QueryError for another shape, for a NaN or an infinity, and for a k below 1.
    """
    queries = np.ascontiguousarray(queries, np.float32)
    if queries.ndim != 2 or queries.shape[1] != dimension:
        raise QueryError(
            f"queries have shape {queries.shape}, and the vectors have {dimension} numbers each; "
            f"expected (queries, {dimension})"
        )
    if not np.isfinite(queries).all():
        row = int(np.flatnonzero(~np.isfinite(queries).all(1))[0])
        raise QueryError(f"query {row} has a NaN or an infinity in it")
    if k < 1:
        raise QueryError(f"k is {k}; expected 1 or more")
    return queries
