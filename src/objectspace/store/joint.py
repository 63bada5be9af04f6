"""Joint spaces of a store: rows for all its objects, and their parts on disk or in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectspace.embeddings.joint import joint_parts, part_recipes
from objectspace.embeddings.spaces import Recipe
from objectspace.errors import QueryError, RecipeError
from objectspace.neighbors import Block, Part
from objectspace.neighbors.sources import SomeRows
from objectspace.store.indexes import SpaceIndex
from objectspace.store.vectors import StoredJointVectors, StoredSpace, StoredVectors


@dataclass(frozen=True, slots=True, eq=False)
class _Reordered(SomeRows):
    """Vectors on disk in another order than that of their table."""

    source: StoredVectors

    @property
    def unindexed(self) -> int:
        """The number of vectors added after the index was built."""
        return self.source.unindexed

    def propose_rows(
        self,
        queries: NDArray[np.float32],
        count: int,
        index: SpaceIndex,
        allowed: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return what the index proposes, as :meth:`StoredVectors.propose_rows`, by rows in this order."""
        place = np.empty(len(self.rows), np.int64)
        place[self.rows] = np.arange(len(self.rows))
        query, row = self.source.propose_rows(
            queries, count, index, None if allowed is None else allowed[place]
        )
        return query, place[row]


def joint_vectors(
    name: str,
    recipe: Recipe,
    objects: StoredVectors,
    space: Callable[[str], StoredSpace],
    rows: Callable[[str], NDArray[np.int64]],
) -> StoredJointVectors:
    """Return the vectors of a joint space, on disk.

    objects: the objects of the store; space: opens a space; rows: the row in ``objects`` of each vector of it
    Raises QueryError where a part's space is gone, RecipeError where it was made anew by another recipe.
    """
    recorded = part_recipes(recipe)
    spaces = {one: space(one) for part in joint_parts(recipe) for one in part.spaces}
    parts = [
        Part(
            part.name,
            part.weight,
            part.missing,
            tuple(_block(name, spaces[one], recorded[one], rows(one)) for one in part.spaces),
        )
        for part in joint_parts(recipe)
    ]
    return StoredJointVectors(parts, objects, [one.index for one in spaces.values()])


def _block(name: str, space: StoredSpace, recorded: Recipe, rows: NDArray[np.int64]) -> Block:
    if keys := recorded.differences(space.recipe):
        raise RecipeError(
            f"space {space.name}, a part of joint space {name}, was made anew by another recipe "
            f"({', '.join(keys)}); join its parts under another name"
        )
    assert isinstance(space.vectors, StoredVectors)
    if (np.diff(rows) > 0).all():
        return Block(space.vectors, rows)
    order = np.argsort(rows, kind="stable")
    return Block(_Reordered(space.vectors, order), rows[order])


def check_parts(name: str, recipe: Recipe, spaces: Sequence[str]) -> None:
    """Raise QueryError for a joint space of which a part's space is not among the store's ``spaces``."""
    for part in joint_parts(recipe):
        if gone := [one for one in part.spaces if one not in spaces]:
            raise QueryError(
                f"joint space {name} needs space {gone[0]}, which the store does not hold any more; "
                f"index it again, or join other parts under another name"
            )
