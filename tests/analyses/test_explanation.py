from __future__ import annotations

import numpy as np
import pytest

from objectspace.analyses.explanation import (
    COVERED,
    ORDERS,
    CellHeat,
    Contrast,
    Explanation,
    cover_orders,
    covered_cells,
    distance_total,
    empty_shares,
    explain_layouts,
    explain_sums,
    measure_deletion,
)
from objectspace.errors import InputError

PICTURE = np.zeros((4, 4, 3), np.uint8)


def slow_distance(v, w, metric):
    """The squared distance or 1 - cos of two vectors, number by number."""
    dot, vv, ww = (sum(a * b for a, b in zip(x, y, strict=True)) for x, y in ((v, w), (v, v), (w, w)))
    return vv + ww - 2 * dot if metric == "euclidean" else 1 - dot / (vv * ww) ** 0.5


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_shares_of_summed_cells_are_their_parts_of_the_product(metric):
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 3, 5)), rng.normal(size=(4, 1, 5))
    weights = tuple(
        rng.dirichlet(np.ones(cells)).reshape(shape) for cells, shape in ((6, (2, 3)), (4, (4, 1)))
    )
    v, w = (one.reshape(-1, 5).sum(0) for one in (first, second))
    heat = explain_sums(first, second, metric, weights)
    length = (1, 1) if metric == "euclidean" else ((v @ v) ** 0.5, (w @ w) ** 0.5)
    half = 1 if metric == "euclidean" else 0.5
    for of, (cells, own, other) in enumerate(((first, v, w), (second, w, v))):
        for row, column in np.ndindex(cells.shape[:2]):
            match = weights[of][row, column] * sum(number**2 for number in own) / length[of] ** 2
            joined = (
                sum(a * b for a, b in zip(cells[row, column], other, strict=True)) / length[0] / length[1]
            )
            assert heat[of][row, column] == pytest.approx(half * (match - joined), abs=1e-12)
    assert heat[0].sum() + heat[1].sum() == pytest.approx(slow_distance(v, w, metric), rel=1e-12)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_shares_of_a_layout_are_halves_of_squared_differences(metric):
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(2, 3, 2, 4))
    heat = explain_layouts(first, second, metric)
    np.testing.assert_array_equal(heat[0], heat[1])
    total = slow_distance(first.reshape(-1), second.reshape(-1), metric)
    assert heat[0].sum() + heat[1].sum() == pytest.approx(total, rel=1e-12)
    if metric == "euclidean":
        assert 2 * heat[0][2, 1] == pytest.approx(sum((first[2, 1] - second[2, 1]) ** 2))


def test_a_vector_without_direction_is_at_distance_1_and_no_cell_says_why():
    zeros, other = np.zeros((2, 2, 3)), np.ones((1, 4, 3))
    weights = np.full((2, 2), 0.25), np.full((1, 4), 0.25)
    for heat in (explain_sums(zeros, other, "cosine", weights), explain_layouts(zeros, zeros, "cosine")):
        assert sum(one.sum() for one in heat) == pytest.approx(1)
        assert len(np.unique(heat[0])) == 1


def test_a_cell_that_adds_nothing_has_no_share_of_its_own():
    rng = np.random.default_rng(4)
    first, second = rng.normal(size=(2, 2, 3, 5))
    first[1, 2] = 0
    weights = rng.dirichlet(np.ones(6)).reshape(2, 3)
    v, w = (one.reshape(-1, 5).sum(0) for one in (first, second))
    for metric, scale in (("euclidean", 1), ("cosine", 0.5 / (v @ v * (w @ w)) ** 0.5)):
        heat, _ = explain_sums(first, second, metric, (weights, weights))
        one = CellHeat(heat, PICTURE, empty_shares(first, metric, weights))
        assert one.own[1, 2] == pytest.approx(0, abs=1e-12)
        assert one.own[0, 1] == pytest.approx(-sum(first[0, 1] * w) * scale)


def test_the_shares_of_an_object_and_itself_sum_to_nothing():
    cells, even = np.random.default_rng(2).normal(size=(3, 3, 4)), np.full((3, 3), 1 / 9)
    for metric in ("euclidean", "cosine"):
        assert np.sum(explain_sums(cells, cells, metric, (even, even))) == pytest.approx(0, abs=1e-12)
        assert not np.any(explain_layouts(cells, cells, metric))


def explained(*heats, metric="euclidean"):
    cells = tuple(CellHeat(np.array(heat, float), PICTURE) for heat in heats)
    total = float(sum(one.heat.sum() for one in cells))
    return Explanation("s", metric, "sum", total**0.5, total, cells, {})


def test_a_contrast_sums_to_how_much_farther_the_third_is():
    near = explained([[1, 2]], [[0.5], [-0.5]])
    far = explained([[4, 1]], [[3, 3]])
    contrast = Contrast(near, far)
    assert contrast.margin == 8
    assert [one.heat.tolist() for one in contrast.cells] == [[[3, -1]], [[-0.5], [0.5]], [[3, 3]]]
    assert [one.own.tolist() for one in contrast.cells] == [[[3, -1]], [[-0.5], [0.5]], [[3, 3]]]
    assert sum(np.sum(heat) for heat in contrast.to_json()["heat"]) == 8


def test_totals_of_a_row_without_direction():
    rows = np.array([[0.0, 0.0], [3.0, 0.0]])
    assert distance_total(rows, np.array([0.0, 4.0]), "cosine").tolist() == [1, 1]
    assert distance_total(rows, np.array([0.0, 4.0]), "euclidean").tolist() == [16, 25]


def test_cells_are_covered_from_the_least_share_and_from_the_greatest():
    heat = np.array([[3.0, -1.0, 2.0], [0.0, 5.0, 4.0]])
    orders = list(cover_orders(heat, np.random.default_rng(0)))
    assert len(orders) == len(ORDERS)
    assert orders[0].tolist() == [1, 3, 2, 0, 5, 4]
    assert orders[1].tolist() == [4, 5, 0, 2, 3, 1]
    assert all(sorted(order.tolist()) == list(range(6)) for order in orders)
    steps = covered_cells(orders[0], (2, 3))
    assert steps.sum((1, 2)).tolist() == [max(1, round(share * 6)) for share in COVERED]
    assert steps[0].tolist() == [[False, True, False], [False, False, False]]


def test_a_deletion_check_passes_where_both_curves_leave_chance():
    rng = np.random.default_rng(3)
    areas = 1 + rng.normal(0, 0.05, (40, len(ORDERS)))
    group = np.arange(40) // 2
    none = measure_deletion(areas, group, space="s", metric="cosine", method="sum")
    assert not none.passed
    one_sided = areas + np.eye(len(ORDERS))[0] * 0.4
    assert not measure_deletion(one_sided, group, space="s", metric="cosine", method="sum").passed
    both = one_sided - np.eye(len(ORDERS))[1] * 0.4
    made = measure_deletion(both, group, space="s", metric="cosine", method="sum")
    assert made.passed
    assert made.apart.value == pytest.approx(both[:, 0].mean())
    assert made.apart.chance == pytest.approx(both[:, 4:].mean())
    assert (made.apart.n, made.apart.groups) == (40, 20)


def test_a_deletion_check_without_pairs():
    with pytest.raises(InputError, match="needs pairs whose distance is above 0"):
        measure_deletion(np.empty((0, 8)), np.empty(0), space="s", metric="cosine", method="sum")
