"""The local outlier factor against scikit-learn's."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import LocalOutlierFactor as Reference

from objectspace.analyses.audit.outliers import LocalOutlierFactor
from objectspace.neighbors import Neighbors, nearest


def near_of(vectors: np.ndarray, queries: np.ndarray, k: int, own: bool) -> Neighbors:
    ids = np.arange(len(vectors)).astype(str)
    group = {"groups": ids, "query_groups": ids} if own else {}
    return nearest(queries.astype(np.float32), vectors.astype(np.float32), ids=ids, k=k, **group)


def test_factors_are_scikit_learns() -> None:
    random = np.random.default_rng(1)
    vectors = np.concatenate([random.normal(0, 1, (60, 3)), random.normal(8, 0.1, (25, 3)), [[4, 4, 4]]])
    vectors = vectors.astype(np.float32).astype(np.float64)
    new = random.normal(3, 3, (10, 3)).astype(np.float32).astype(np.float64)
    reference = Reference(n_neighbors=6, novelty=True).fit(vectors)
    factor = LocalOutlierFactor(near_of(vectors, vectors, 6, own=True))
    np.testing.assert_allclose(
        factor.factors(near_of(vectors, vectors, 6, own=True)), -reference.negative_outlier_factor_, rtol=1e-4
    )
    np.testing.assert_allclose(
        factor.factors(near_of(vectors, new, 6, own=False)), -reference.score_samples(new), rtol=1e-4
    )


def test_an_object_without_neighbors_has_none() -> None:
    line = Neighbors(np.array([[1], [0], [-1]]), np.array([[1.0], [1.0], [np.inf]]))
    assert np.isnan(LocalOutlierFactor(line).factors(line)).tolist() == [False, False, True]


def test_the_ten_nearest_count() -> None:
    random = np.random.default_rng(2)
    vectors = random.normal(0, 1, (50, 4)).astype(np.float32)
    ten, all_of_20 = (near_of(vectors, vectors, k, own=True) for k in (10, 20))
    factors = LocalOutlierFactor(all_of_20).factors(all_of_20)
    np.testing.assert_array_equal(factors, LocalOutlierFactor(ten).factors(ten))
    np.testing.assert_allclose(
        factors, -Reference(n_neighbors=10).fit(vectors).negative_outlier_factor_, rtol=1e-4
    )


def test_factors_of_unequal_numbers_of_neighbors_are_those_of_loops() -> None:
    """Of objects with ten neighbors, with fewer, and with none."""
    random = np.random.default_rng(3)
    distance = np.sort(random.random((30, 12)), axis=1)
    index = np.array([random.permutation(np.delete(np.arange(30), row))[:12] for row in range(30)])
    for row, count in enumerate([0, 1, 2, 5, 9, 10, 11]):
        index[row, count:], distance[row, count:] = -1, np.inf

    def neighbors(row: int) -> list[tuple[int, float]]:
        pairs = zip(index[row, :10].tolist(), distance[row, :10].tolist(), strict=True)
        return [(one, far) for one, far in pairs if one >= 0]

    reach = [max((far for _, far in neighbors(row)), default=-np.inf) for row in range(30)]

    def density(row: int) -> float:
        return 1 / np.mean([max(far, reach[one]) for one, far in neighbors(row)])

    near = Neighbors(index, distance)
    found = LocalOutlierFactor(near).factors(near)
    assert np.isnan(found[0])
    # What has no neighbors has no density, and is a neighbor of some.
    densities = [density(row) if neighbors(row) else np.nan for row in range(30)]
    expected = [
        np.mean([densities[one] for one, _ in neighbors(row)]) / densities[row] for row in range(1, 30)
    ]
    np.testing.assert_allclose(found[1:], expected, rtol=1e-6)
