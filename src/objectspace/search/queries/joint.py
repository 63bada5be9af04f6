"""Vectors from outside as queries of a joint space, part by part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.arguments import typed
from objectspace.embeddings.joint import joint_parts
from objectspace.errors import QueryError
from objectspace.neighbors import Block, JointVectors
from objectspace.places import Place
from objectspace.store import Store, as_store


@typed
def joint_queries(
    store: Store | Place | str, space: str, vectors: Mapping[str, NDArray[Any]]
) -> JointVectors:
    """Return vectors of n objects as queries of a joint space.

    vectors: a space of one of its parts -> (n, d) numbers, NaN in the rows of objects that have none there;
        a space that is left out has none of them

    Raises QueryError for a space that is none of its parts', for other shapes, and for an infinity.

    >>> parts = {name: store.space(name).vectors[:2] for name in ("demo-crop", "demo-window3-deepest")}
    >>> queries = osp.joint_queries(store, "both", parts)
    >>> len(queries)
    2
    """
    store = as_store(store)
    joint, parts = store.joint_vectors(space), joint_parts(store.recipe(space))
    known = [name for part in parts for name in part.spaces]
    if unknown := [name for name in vectors if name not in known]:
        raise QueryError(f"space {unknown[0]} is no part of {space}; its parts' spaces: {', '.join(known)}")
    counts = {name: len(rows) for name, rows in vectors.items()}
    if len(set(counts.values())) != 1:
        given = ", ".join(f"{count} of {name}" for name, count in counts.items()) or "none"
        raise QueryError(f"vectors of unlike objects: {given}; give a row for each object in every space")
    count = next(iter(counts.values()))
    taken = [
        replace(
            part,
            blocks=tuple(
                _block(name, block, vectors.get(name), count)
                for name, block in zip(named.spaces, part.blocks, strict=True)
            ),
        )
        for named, part in zip(parts, joint.parts, strict=True)
    ]
    return JointVectors(taken, count)


def _block(space: str, block: Block, vectors: NDArray[Any] | None, count: int) -> Block:
    """Return those of some rows that are no NaN, in memory."""
    if vectors is None:
        vectors = np.full((count, block.dimension), np.nan)
    if vectors.shape != (count, block.dimension):
        raise QueryError(
            f"vectors of space {space} have shape {vectors.shape}, expected ({count}, {block.dimension})"
        )
    rows = np.flatnonzero(~np.isnan(vectors).all(axis=1))
    if not np.isfinite(vectors[rows]).all():
        raise QueryError(f"a vector of space {space} has a NaN or an infinity in it")
    read = Block(np.asarray(vectors, np.float32), np.arange(count)).take(rows)
    return replace(read, rows=rows)
