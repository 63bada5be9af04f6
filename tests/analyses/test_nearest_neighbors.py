"""Neighbors without a block of groups are those of a store that never held it, by plain sorting."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from objectspace.analyses.groups import make_groups
from objectspace.analyses.jackknife import make_blocks
from objectspace.analyses.nearest_neighbors import find_by_metric, find_in_other_classes, find_neighbors
from objectspace.neighbors import mutual, paged
from tests.neighbors.test_paged import OnDisk


def plain_weights(vectors: np.ndarray, groups, kept: np.ndarray, row: int, k: int) -> dict[int, float]:
    """The k nearest of a row among those that are kept, equal distances in equal parts."""
    others = [
        other
        for other in np.flatnonzero(kept)
        if groups.group[other] != groups.group[row] and groups.level[other] == groups.level[row]
    ]
    far = {other: float(((vectors[other].astype(float) - vectors[row]) ** 2).sum()) for other in others}
    weights: dict[int, float] = {}
    for distance in sorted(set(far.values())):
        equal = [other for other in others if far[other] == distance]
        room = k - sum(weights.values())
        if room < 1e-9:
            break
        weights |= dict.fromkeys(equal, min(1.0, room / len(equal)))
    return weights


@pytest.mark.parametrize("k", [1, 5])
def test_neighbors_without_each_block_are_those_of_a_store_that_never_held_it(k: int) -> None:
    """Groups of 1 to 30 objects out of order, two levels, ties (a grid), one group near to all."""
    rng = np.random.default_rng(4)
    photo = rng.permutation(np.repeat(np.arange(9), [1, 2, 3, 5, 8, 13, 30, 4, 4]))
    level = rng.integers(0, 2, len(photo))
    vectors = rng.integers(0, 4, (len(photo), 2)).astype(np.float32)
    vectors[photo == 6] = 1
    groups = make_groups(photo, level=level)
    block = make_blocks(groups.group, most=5)
    ids = np.array([f"{row:04d}" for row in range(len(photo))])
    near = find_neighbors(vectors, ids, groups, k=k, metric="euclidean", block=block)
    for deleted in range(-1, 5):
        found = near if deleted < 0 else near.without(deleted)
        kept = block != deleted
        assert not np.isin(found.query, np.flatnonzero(~kept)).any()
        for row in np.flatnonzero(kept):
            of_row = found.query == row
            weights = dict(zip(found.neighbor[of_row].tolist(), found.weight[of_row].tolist(), strict=True))
            assert weights == pytest.approx(plain_weights(vectors, groups, kept, row, k))


@pytest.mark.parametrize("offset", [0, 40], ids=["products shared", "each metric centered"])
def test_neighbors_of_vectors_on_disk_are_those_in_memory_by_half_the_products(
    monkeypatch: pytest.MonkeyPatch, offset: float
) -> None:
    """Of two levels, in several panels, by both metrics, without each of several blocks."""
    rng = np.random.default_rng(17)
    photo, level = rng.permutation(np.arange(700) // 4), rng.integers(0, 2, 700)
    vectors = rng.standard_normal((700, 6)).astype(np.float32) + np.float32(offset)
    vectors[::9] = vectors[4::9][: len(vectors[::9])]
    groups, ids = make_groups(photo, level=level), np.array([f"{row:04d}" for row in range(700)])
    asked = {"euclidean": None, "cosine": np.flatnonzero(rng.random(700) < 0.2)}

    def found(source: Any) -> Any:
        block = make_blocks(groups.group, most=5)
        return find_by_metric(source, ids, groups, asked, k=3, block=block)

    monkeypatch.setattr(mutual, "QUERIES", 32)
    monkeypatch.setattr(paged, "_RUN", 4 * 6 * 64)
    in_memory, matmul, made = found(vectors), np.matmul, []

    def counted(a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        made.append(a.shape[0] * b.shape[1])
        return matmul(a, b, out=out)

    monkeypatch.setattr(np, "matmul", counted)
    on_disk = found(OnDisk(vectors))
    for metric, one in in_memory.items():
        for name in ("query", "neighbor", "weight"):
            np.testing.assert_array_equal(getattr(on_disk[metric], name), getattr(one, name))
            changed = getattr(on_disk[metric].deletions, name), getattr(one.deletions, name)
            np.testing.assert_array_equal(*changed)
    if not offset:
        # Half of both levels' pairs, and blocks with themselves.
        pairs = sum(int((level == one).sum()) ** 2 for one in (0, 1))
        assert pairs / 2 < sum(made) < 0.6 * pairs


@pytest.mark.parametrize("k", [1, 4])
def test_neighbors_of_other_classes_are_of_other_groups_too(k: int) -> None:
    """Three classes of unlike size in groups out of order, ties (a grid); a group holds all of one class."""
    rng = np.random.default_rng(7)
    photo = rng.permutation(np.repeat(np.arange(6), [1, 2, 3, 5, 8, 13]))
    label = np.where(photo == 0, 2, rng.integers(0, 2, len(photo)))
    vectors = rng.integers(0, 4, (len(photo), 2)).astype(np.float32)
    groups = make_groups(photo)
    ids = np.array([f"{row:04d}" for row in range(len(photo))])

    near = find_in_other_classes(vectors, ids, groups, label, k=k, metric="euclidean")

    for row in range(len(photo)):
        of_row = near.query == row
        weights = dict(zip(near.neighbor[of_row].tolist(), near.weight[of_row].tolist(), strict=True))
        assert weights == pytest.approx(plain_weights(vectors, groups, label != label[row], row, k))


def test_neighbors_that_were_found_without_blocks_say_so() -> None:
    near = find_neighbors(
        np.eye(3, dtype=np.float32),
        np.array(["a", "b", "c"]),
        make_groups(np.arange(3)),
        k=1,
        metric="cosine",
    )
    with pytest.raises(ValueError, match="without deletions"):
        near.without(0)


def test_neighbors_without_each_block_take_no_more_than_three_and_a_half_times_what_they_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vectors = np.random.default_rng(0).standard_normal((8000, 8), np.float32)
    ids, groups = np.arange(8000).astype(str), make_groups(np.arange(8000) // 5)
    search_mutually = mutual.search_mutually

    def searched(*arguments: Any) -> Any:
        found = search_mutually(*arguments)
        tracemalloc.reset_peak()  # The search itself has a bound of its own.
        return found

    monkeypatch.setattr(mutual, "search_mutually", searched)
    block = make_blocks(groups.group)
    tracemalloc.start()
    near = find_neighbors(vectors, ids, groups, k=5, metric="euclidean", block=block)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    held = near.deletions
    assert held is not None
    assert peak < 3.5 * sum(part.nbytes for part in (held.query, held.neighbor, held.weight, held.deleted))
