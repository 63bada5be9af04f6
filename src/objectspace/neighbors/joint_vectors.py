"""Vectors of a joint space: several parts of each row, none of them copied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import InputError
from objectspace.neighbors.distances import inverses, pair_distances, squared_lengths
from objectspace.neighbors.sources import BlockSource, SomeRows


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The vectors (m, d) float32 of some rows of a joint space, in memory or on disk.

    rows: (m,) int64, sorted, each once: the rows that have a vector here
    lengths: (m,) float64 of the vectors; None until they are read
    """

    source: BlockSource
    rows: NDArray[np.int64]
    lengths: NDArray[np.float64] | None = None

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""
        return int(self.source.shape[1])

    def places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the place of each row (p,) among the vectors, -1 where it has none."""
        if not len(self.rows):
            return np.full(len(rows), -1)
        place = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        return np.where(self.rows[place] == rows, place, -1)

    def take(self, rows: NDArray[np.int64]) -> Block:
        """Return the block of some rows (r,), in memory, by their position in ``rows``; a view if gapless."""
        place = self.places(rows)
        held = np.flatnonzero(place >= 0)
        place = place[held]
        gapless = len(place) > 0 and bool((np.diff(place) == 1).all())
        part: Any = slice(int(place[0]), int(place[-1]) + 1) if gapless else place
        vectors = np.asarray(self.source[part], np.float32)
        lengths = np.sqrt(squared_lengths(vectors)) if self.lengths is None else self.lengths[part]
        return Block(vectors, held, lengths)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One part of a joint space.

    weight: above 0; missing: the cosine of two rows that have no vectors in one block
    blocks: a row has a vector in one of them at most (windows of one stride are a block); a query that was
        averaged may have several, which together are of unit length
    """

    name: str
    weight: float
    missing: float
    blocks: tuple[Block, ...]


class JointVectors:
    """The vectors of ``count`` rows, part by part; ``vectors[rows]`` reads some into memory.

    The cosine of two rows is the mean of their parts' cosines by weight. ``np.asarray`` writes the vectors
    out as one array (n, d) of unit length in all, zeros where a part is missing.

    Raises InputError without parts, for two parts of one name, a weight that is not positive, a cosine
    outside [-1, 1], and blocks of other rows than the ``count``.

    >>> joint = store.space("both").searched
    >>> joint[[0, 1]].shape == (2, joint.shape[1])
    True
    """

    def __init__(self, parts: Sequence[Part], count: int) -> None:
        self.parts = tuple(parts)
        self.count = count
        for part in self.parts:
            _check_part(part, count)
        if not self.parts or len({part.name for part in self.parts}) < len(self.parts):
            raise InputError(
                f"parts {[part.name for part in self.parts]}: expected one or more, by own names"
            )
        total = sum(part.weight for part in self.parts)
        #: The share of each part in a similarity (parts,) float64, which add up to 1.
        self.shares: NDArray[np.float64] = np.array([part.weight / total for part in self.parts])

    def __len__(self) -> int:
        return self.count

    def __repr__(self) -> str:
        parts = " + ".join(f"{part.weight:g} {part.name}" for part in self.parts)
        return f"JointVectors({self.count} rows of {parts})"

    @property
    def blocks(self) -> list[Block]:
        """The blocks of all parts, in their order."""
        return [block for part in self.parts for block in part.blocks]

    @property
    def shape(self) -> tuple[int, int]:
        """The shape (n, d) of the vectors as they are written out."""
        return self.count, sum(block.dimension for block in self.blocks)

    @property
    def nbytes(self) -> int:
        """Bytes of the parts' vectors in memory."""
        return sum(4 * len(block.rows) * block.dimension for block in self.blocks)

    @property
    def in_memory(self) -> bool:
        """Whether the vectors have been read."""
        return all(block.lengths is not None for block in self.blocks)

    def __getitem__(self, rows: Any) -> JointVectors:
        """Return the vectors of a slice, of rows (r,) in any order, or of a mask (n,), in memory."""
        wanted = np.arange(self.count)[rows]
        taken = [replace(part, blocks=tuple(b.take(wanted) for b in part.blocks)) for part in self.parts]
        return JointVectors(taken, len(wanted))

    def columns(
        self, rows: NDArray[np.int64], width: int
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Yield the vectors of some rows (r,) as ``np.asarray`` writes them, a block of columns at a time.

        Which of the rows (m,) have a vector there, sorted, and its numbers (m, c). They are in memory.
        """
        for part, share in zip(self.parts, self.shares.tolist(), strict=True):
            lengths = part_lengths(part, self.count)
            for block in part.blocks:
                place = block.places(rows)
                there = np.flatnonzero(place >= 0)
                factors = np.sqrt(share) * inverses(lengths[rows[there]])
                for start in range(0, block.dimension, width):
                    numbers = np.asarray(block.source)[:, start : start + width][place[there]]
                    yield there, (numbers * factors[:, None]).astype(np.float32)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        written = np.zeros(self.shape, np.float32)
        column = 0
        for part, share in zip(self.parts, self.shares.tolist(), strict=True):
            lengths = part_lengths(part, self.count)
            for block in part.blocks:
                read = block.take(np.arange(self.count))
                factors = np.sqrt(share) * inverses(lengths[read.rows])
                columns = slice(column, column + block.dimension)
                written[read.rows, columns] = read.source[:] * factors[:, None]
                column += block.dimension
        return written if dtype is None else written.astype(dtype)


def select_rows(
    vectors: NDArray[np.float32] | JointVectors | BlockSource, rows: NDArray[np.int64]
) -> NDArray[np.float32] | JointVectors | BlockSource:
    """Return some rows of vectors, in any order; what is on disk stays there.

    Rows of vectors in memory are copied, but all of them in their order are the vectors themselves.
    """
    if np.array_equal(rows, np.arange(vectors.shape[0])):
        return vectors
    if isinstance(vectors, np.ndarray) or (isinstance(vectors, JointVectors) and vectors.in_memory):
        some: NDArray[np.float32] | JointVectors = vectors[rows]
        return some
    if isinstance(vectors, JointVectors):
        parts = [replace(p, blocks=tuple(_select(b, rows) for b in p.blocks)) for p in vectors.parts]
        return JointVectors(parts, len(rows))
    return SomeRows(vectors, rows)


def _select(block: Block, rows: NDArray[np.int64]) -> Block:
    """Return the block of some rows, by their position in ``rows``, where it is."""
    place = block.places(rows)
    held = np.flatnonzero(place >= 0)
    return Block(SomeRows(block.source, place[held]), held)


def _check_part(part: Part, count: int) -> None:
    if not (np.isfinite(part.weight) and part.weight > 0):
        raise InputError(f"part {part.name} has the weight {part.weight:g}, expected a number above 0")
    if not -1 <= part.missing <= 1:
        raise InputError(f"part {part.name}: a missing one counts {part.missing:g}, expected -1 to 1")
    for block in part.blocks:
        if len(block.rows) != block.source.shape[0]:
            raise InputError(f"part {part.name}: {block.source.shape[0]} vectors of {len(block.rows)} rows")
        if len(block.rows) and not 0 <= block.rows[0] <= block.rows[-1] < count:
            raise InputError(f"part {part.name}: vectors of rows outside 0 to {count - 1}")


def part_lengths(part: Part, count: int) -> NDArray[np.float64]:
    """Return the length of one part of each row (n,): over its blocks, 0 for a row in none."""
    lengths = np.zeros(count)
    for block in part.blocks:
        read = block if block.lengths is not None else block.take(np.arange(count))
        assert read.lengths is not None
        # Unlike the root of a square, exact for a row in one block.
        lengths[read.rows] = np.hypot(lengths[read.rows], read.lengths)
    return lengths


def part_distances(
    queries: JointVectors, query: NDArray[np.int64], vectors: JointVectors, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return 1 - cosine of pairs (p,) in each part, (p, parts) float64; both sides are in memory.

    Each depends on its own two vectors only.
    """
    distances = np.empty((len(rows), len(vectors.parts)))
    for column, (asked, part) in enumerate(zip(queries.parts, vectors.parts, strict=True)):
        distances[:, column] = 1 - part.missing
        lengths = part_lengths(asked, len(queries))
        for of, block in zip(asked.blocks, part.blocks, strict=True):
            first, second = of.places(query), block.places(rows)
            both = np.flatnonzero((first >= 0) & (second >= 0))
            chord = pair_distances(
                np.asarray(of.source), first[both], np.asarray(block.source), second[both], "cosine"
            )
            share = _share(of, lengths)[first[both]]
            # Of a query in several blocks only this one agrees with the row at all.
            distances[both, column] = share * chord + (1 - share)
    return distances


def share_blocks(
    queries: JointVectors, query: NDArray[np.int64], vectors: JointVectors, rows: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return whether both of pairs (p,) have vectors in one block of each part, (p, parts); none is read."""
    both = np.zeros((len(rows), len(vectors.parts)), np.bool_)
    for column, (asked, part) in enumerate(zip(queries.parts, vectors.parts, strict=True)):
        for of, block in zip(asked.blocks, part.blocks, strict=True):
            both[:, column] |= (of.places(query) >= 0) & (block.places(rows) >= 0)
    return both


def joint_distances(one: JointVectors, other: JointVectors, metric: str) -> NDArray[np.float64]:
    """Return the distance (n,) of each row to the same row of vectors of the same parts, both in memory."""
    rows = np.arange(len(one))
    return combined_distances(part_distances(one, rows, other, rows), one.shares, metric)


def combined_distances(
    parts: NDArray[np.float64], shares: NDArray[np.float64], metric: str
) -> NDArray[np.float64]:
    """Return the distances (p,) of pairs, given 1 - cosine in each part (p, parts)."""
    # Summed row by row: a product may round a pair otherwise when it is alone.
    distances: NDArray[np.float64] = (parts * shares).sum(axis=1)
    return np.sqrt(2 * distances) if metric == "euclidean" else distances


def _share(block: Block, lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the length of each vector (m,) as a share of that of its row's part; 1 where that is zero."""
    assert block.lengths is not None
    whole = lengths[block.rows]
    return np.divide(block.lengths, whole, out=np.ones(len(whole)), where=whole > 0)


def combine(terms: Sequence[tuple[JointVectors, NDArray[np.float64]]]) -> JointVectors:
    """Return m sums of rows, part by part: of vectors of n rows, each part of unit length, by factors (m, n).

    Each part of a sum is compared by its direction, as that of any row, so that the weights stay. A part to
    which no row contributes is missing.
    """
    first = terms[0][0]
    count = len(terms[0][1])
    parts = []
    for place, part in enumerate(first.parts):
        blocks = [_sum([(v.parts[place], f) for v, f in terms], row) for row in range(len(part.blocks))]
        parts.append(replace(part, blocks=tuple(blocks)))
    return JointVectors(parts, count)


def _sum(terms: Sequence[tuple[Part, NDArray[np.float64]]], row: int) -> Block:
    """Return one block of the sums of some parts."""
    count = len(terms[0][1])
    total = np.zeros((count, terms[0][0].blocks[row].dimension))
    held = np.zeros(count, np.bool_)
    for part, factors in terms:
        rows = np.arange(factors.shape[1])
        block, lengths = part.blocks[row].take(rows), part_lengths(part, len(rows))
        total += factors[:, block.rows] @ (block.source[:] * inverses(lengths[block.rows])[:, None])
        held |= (factors[:, block.rows] != 0).any(axis=1)
    rows = np.flatnonzero(held)
    return replace(Block(total.astype(np.float32), np.arange(count)).take(rows), rows=rows)
