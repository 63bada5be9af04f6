"""Packed symmetric matrices against full ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import LinAlgError

from objectspace.analyses.packed import Packed


@pytest.mark.parametrize("size", [1, 2, 5, 8, 31])
@pytest.mark.parametrize(
    ("precision", "error"), [(np.float64, 1e-8), (np.float32, 1e-3)], ids=["float64", "float32"]
)
def test_a_packed_matrix_is_the_full_one(size: int, precision: type[np.floating], error: float) -> None:
    rng = np.random.default_rng(size)
    rows, others, right = (rng.normal(size=shape) for shape in ((40, size), (3, size), (size, 2)))
    matrix, added = Packed.zeros(size, precision), rng.uniform(100, 200, size)
    first, rest = Packed.zeros(size, precision), Packed.zeros(size, precision)
    first.add_products(rows[:7])
    rest.add_products(rows[7:])
    for part in (first, rest):
        matrix.add(part)
    before = matrix.copy()
    matrix.add_products(others, -1.0)
    matrix.add_products(others[:0])
    matrix.add_to_diagonal(added)
    full = rows.T @ rows - others.T @ others + np.diag(added)
    np.testing.assert_allclose(matrix.diagonal(), np.diag(full), rtol=error)
    matrix.factor()
    np.testing.assert_allclose(
        matrix.solve(np.asfortranarray(right)), np.linalg.solve(full, right), rtol=error
    )
    np.testing.assert_allclose(before.diagonal(), (rows**2).sum(0), rtol=error)
    assert matrix.numbers.nbytes == precision(0).nbytes * size * (size + 1) // 2


def test_a_matrix_that_is_not_positive_definite_has_no_factor() -> None:
    matrix = Packed.zeros(3)
    matrix.add_products(np.ones((1, 3)), -1.0)
    with pytest.raises(LinAlgError, match="not positive definite"):
        matrix.factor()
