"""Symmetric matrices in half the memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, get_lapack_funcs

Matrix = NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """A symmetric matrix (d, d) in d (d + 1) / 2 numbers, which its methods change in place.

    Of float64 or float32.

    LAPACK's rectangular full packed form, as fast as a full matrix (Gustavson et al., *Rectangular full
    packed format for Cholesky's algorithm*, 2010).

    >>> matrix = Packed.zeros(2)
    >>> matrix.add_products(np.array([[1.0, 2.0], [3.0, 4.0]]))
    >>> matrix.diagonal().tolist()
    [10.0, 20.0]
    """

    numbers: Matrix
    size: int

    @classmethod
    def zeros(cls, size: int, precision: type[np.floating] = np.float64) -> Packed:
        """Return a matrix (size, size) of zeros."""
        return cls(np.zeros(size * (size + 1) // 2, precision), size)

    def copy(self) -> Packed:
        """Return a copy."""
        return replace(self, numbers=self.numbers.copy())

    def add(self, other: Packed) -> None:
        """Add a matrix of the same size."""
        self.numbers[:] += other.numbers

    def add_products(self, rows: Matrix, factor: float = 1.0) -> None:
        """Add ``factor * rows.T @ rows``, of rows (r, d)."""
        if len(rows):
            columns = np.ascontiguousarray(rows, self.numbers.dtype).T
            (add,) = get_lapack_funcs(("sfrk",), (self.numbers,))
            add(self.size, len(rows), factor, columns, 1.0, self.numbers, uplo="L", overwrite_c=1)

    def diagonal(self) -> Matrix:
        """Return a copy of the diagonal (d,)."""
        return self.numbers[_diagonal(self.size)]

    def add_to_diagonal(self, added: Matrix) -> None:
        """Add numbers (d,) to the diagonal."""
        self.numbers[_diagonal(self.size)] += added

    def factor(self) -> None:
        """Replace a positive definite matrix by its Cholesky factor; raises LinAlgError for another."""
        (factor,) = get_lapack_funcs(("pftrf",), (self.numbers,))
        _, info = factor(self.size, self.numbers, uplo="L", overwrite_a=1)
        if info:
            raise LinAlgError(f"the matrix is not positive definite at its row {info}")

    def solve(self, right: Matrix) -> Matrix:
        """Return ``inverse(matrix) @ right`` of a matrix that was factored, for ``right`` (d, t)."""
        (solve,) = get_lapack_funcs(("pftrs",), (self.numbers,))
        solved, _ = solve(self.size, self.numbers, right, uplo="L")
        found: Matrix = solved
        return found


@lru_cache(maxsize=2)
def _diagonal(size: int) -> NDArray[np.int64]:
    """Return the places (size,) of the diagonal, of which half is in each of two triangles."""
    one, odd = np.arange(size), size % 2
    half, column = (size + 1) // 2, size + 1 - odd
    places: NDArray[np.int64] = np.where(
        one < half, one * column + one + 1 - odd, (one - half + odd) * column + one - half
    )
    return places
