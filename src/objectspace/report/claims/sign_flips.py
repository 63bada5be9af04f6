"""The sign-flip test: whether the mean of differences is 0 (Fisher's randomization test for pairs)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.groups import Codes, codes

FLIPS = 4999


def sign_flips(
    differences: NDArray[np.float64], group: Codes | None = None, *, seed: int = 0
) -> tuple[float, NDArray[np.float64]]:
    """Return the sum of differences (n,), and the sums when whole groups (n,) change their sign at random.

    Under the null hypothesis a group's two figures could as well have changed places.

    >>> observed, flipped = sign_flips(np.array([1.0, 2.0, 3.0]))
    >>> observed, float(flipped.max()), float(flipped.min())
    (6.0, 6.0, -6.0)
    """
    own = np.arange(len(differences)) if group is None else codes(group)
    sums = np.bincount(own, differences)
    signs = np.random.default_rng([seed, 7]).choice((-1.0, 1.0), (FLIPS, len(sums)))
    return float(sums.sum()), signs @ sums
