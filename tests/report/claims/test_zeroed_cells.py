"""The claim about zeroed cells on maps that were built so that the answer is known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from objectspace.analyses.occlusion import every_window
from objectspace.report.claims import Evidence, Finding, ZeroedPhoto, weigh_claims
from objectspace.report.claims.zeroed_cells import zeroed_photo


def zeroed(seed: int, *, own: bool | None, count: int = 3, only: bool = False) -> ZeroedPhoto:
    """A photo of 8 x 10 cells: a prediction falls under its own cell's windows, any other, or anywhere."""
    random = np.random.default_rng(seed)
    cell = np.stack([random.integers(0, 8, count), random.integers(0, 10, count)], axis=1)
    y, x = np.mgrid[:6, :8]
    over = np.stack(
        [(y <= row) & (row < y + 3) & (x <= column) & (column < x + 3) for row, column in cell], 2
    )
    gone = {True: over, False: ~over, None: random.random(over.shape) < 0.3}[own]
    return ZeroedPhoto(gone, cell, 3, only)


def found(photos: list[ZeroedPhoto]) -> Finding:
    (finding,) = (one for one in weigh_claims(Evidence(occlusions=photos)) if one.key == "own cell")
    return finding


@pytest.mark.parametrize(
    ("own", "verdict"), [(True, "holds"), (False, "does not hold"), (None, "not shown here")]
)
def test_predictions_that_fall_with_their_own_cell_with_others_or_anywhere(own, verdict) -> None:
    assert found([zeroed(seed, own=own, count=1 + seed % 4) for seed in range(14)]).verdict == verdict


def test_shares_by_a_plain_loop() -> None:
    photos = [zeroed(seed, own=None, count=1 + seed % 3) for seed in range(5)]
    own, other = [], []
    for photo in photos:
        for number, (row, column) in enumerate(photo.cell):
            top, left = min(max(row - 1, 0), 5), min(max(column - 1, 0), 7)
            own.append(photo.gone[top, left, number])
            elsewhere = [
                photo.gone[y, x, number]
                for y in range(6)
                for x in range(8)
                if not (row in range(y, y + 3) and column in range(x, x + 3))
            ]
            other.append(np.mean(elsewhere))

    estimate = found(photos).estimate
    assert (estimate.value, estimate.chance) == pytest.approx((np.mean(own), np.mean(other)))


def test_what_the_network_makes_so_is_said() -> None:
    built_so, not_so = (found([zeroed(seed, own=True, only=only) for seed in range(11)]) for only in (1, 0))

    assert "only single cells are read" in built_so.by_construction
    assert not_so.by_construction == ""


def test_windows_of_the_claims_size_and_predictions_that_any_window_changes() -> None:
    """Of 12 x 10 cells on a map of stride 16, read by a head of stride 32."""
    windows = every_window((12, 10), (1, 2, 3))
    random = np.random.default_rng(0)
    disappeared = random.random((len(windows), 3)) < 0.3
    change = np.array([[-0.1, 0.0, 0.2]]) * np.ones((len(windows), 1))
    provenance = SimpleNamespace(
        cell_x=np.array([0, 1, 5]), cell_y=np.array([4, 1, 2]), stride=np.array([32, 32, 32])
    )
    occlusion = SimpleNamespace(
        score_change=change,
        grid_wh=(12, 10),
        windows=windows,
        disappeared=disappeared,
        objects=SimpleNamespace(provenance=provenance),
        frame=SimpleNamespace(input_wh=(192, 160)),
        own_cell_only=True,
    )

    photo = zeroed_photo(occlusion)

    # The middle of a head's cell is on the border of two of the tap's, and counts as the second's.
    assert photo.cell.tolist() == [[9, 1], [5, 11]]
    assert photo.gone.shape == (8, 10, 2)
    for row in np.flatnonzero(windows.size == 3):
        assert (photo.gone[windows.y[row], windows.x[row]] == disappeared[row, [0, 2]]).all()
