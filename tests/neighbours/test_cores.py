"""Searches side by side answer as one search does, and leave the matrix products as they were."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from objectspace.neighbours import ExactIndex, exact
from objectspace.neighbours.cores import side_by_side


def threads_of_products() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_searches_side_by_side_answer_as_one_does(monkeypatch, metric):
    random = np.random.default_rng(0)
    vectors = random.integers(-2, 3, (700, 6)).astype(np.float32)
    queries = random.integers(-2, 3, (90, 6)).astype(np.float32)
    index = ExactIndex(vectors, np.arange(700), metric=metric)
    monkeypatch.setattr(exact, "_SHARE", 1000)
    alone = index.nearest(queries, k=7)
    monkeypatch.setattr(exact, "_SHARE", 1)
    monkeypatch.setattr(exact, "core_count", lambda: 4)
    beside = index.nearest(queries, k=7)
    np.testing.assert_array_equal(beside.index, alone.index)
    np.testing.assert_array_equal(beside.distance, alone.distance)


def test_products_run_in_one_thread_meanwhile_only():
    before, seen = threads_of_products(), []
    side_by_side(lambda part: seen.append(threads_of_products()), [1, 2])
    assert seen == [[1] * len(before)] * 2
    assert threads_of_products() == before


def test_what_fails_in_a_thread_fails_here():
    def fail(part: int) -> None:
        raise ValueError(f"part {part}")

    with pytest.raises(ValueError, match="part 3"):
        side_by_side(fail, [3])
