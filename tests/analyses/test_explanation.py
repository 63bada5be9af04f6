from __future__ import annotations

from dataclasses import replace

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
    explain_occlusions,
    explain_sums,
    measure_deletion,
    part_explanation,
)
from objectspace.analyses.statistics import estimate_mean
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


# ---------------------------------------------------------------------------------------- what is told of it


def test_what_falls_where_a_cell_is_covered_is_its_heat():
    covered = np.array([[2.0, 5.0], [-1.0, 3.0]], np.float32)
    assert explain_occlusions(3.0, covered).tolist() == [[1, -2], [4, 0]]


def test_a_part_of_a_joint_space_counts_by_its_share():
    cells = tuple(CellHeat(np.array(heat), PICTURE, np.array(heat) / 2) for heat in ([[1.0, 3.0]], [[4.0]]))
    part = part_explanation(Explanation("s", "cosine", "sum", 5.0, 8.0, cells, {}), 0.25)
    assert (part.total, part.distance) == (2, 5)
    assert [one.heat.tolist() for one in part.cells] == [[[0.25, 0.75]], [[1]]]
    assert [one.empty.tolist() for one in part.cells] == [[[0.125, 0.375]], [[0.5]]]


def joint(*totals):
    """An explanation in a joint space, of parts without cells."""
    parts = {
        name: Explanation(name, "cosine", "sum", one, one, (), {})
        for name, one in zip("ab", totals, strict=True)
    }
    return Explanation("j", "cosine", "sum", 9.0, sum(totals), (), parts)


def test_a_contrast_of_a_joint_space_is_that_of_its_parts():
    contrast = Contrast(joint(0.5, 1.0), joint(0.75, 3.0))
    assert contrast.cells == ()
    assert {name: one.margin for name, one in contrast.parts.items()} == {"a": 0.25, "b": 2}
    assert contrast.to_json()["heat"] == []
    assert contrast.to_json()["far"]["parts"]["b"]["total"] == 3
    half = replace(contrast, near=explained([[1]], [[2]]))
    assert half.cells == ()


def test_explanations_as_json_and_in_a_line():
    one, whole = explained([[1, 2]], [[0.5], [-0.5]]), joint(0.5, 1.0)
    assert one.to_json() == {
        "space": "s",
        "metric": "euclidean",
        "method": "sum",
        "distance": 3**0.5,
        "total": 3,
        "heat": [[[1, 2]], [[0.5], [-0.5]]],
    }
    assert set(whole.to_json()["parts"]) == {"a", "b"}
    assert repr(one) == "Explanation('s', euclidean, by sum, distance 1.732)"
    assert repr(whole) == "Explanation('j', 2 parts, distance 9)"
    assert repr(one.cells[0]) == "CellHeat(1 x 2 cells, sum 3)"
    assert repr(Contrast(one, explained([[4, 1]], [[3, 3]]))) == "Contrast('s', euclidean, margin 8)"


def test_totals_are_those_of_each_row():
    rng = np.random.default_rng(5)
    rows, one = rng.normal(size=(7, 4)), rng.normal(size=4)
    rows[3] = 0
    for metric in ("euclidean", "cosine"):
        expected = [
            1.0 if metric == "cosine" and not row.any() else slow_distance(row, one, metric) for row in rows
        ]
        assert distance_total(rows, one, metric) == pytest.approx(expected)
    assert distance_total(rows, np.zeros(4), "cosine").tolist() == [1] * 7


def test_a_twin_without_direction_is_at_distance_1_from_any_other():
    zeros, other = np.zeros((2, 2, 3)), np.random.default_rng(0).normal(size=(2, 2, 3))
    even = np.full((2, 2), 0.25), np.full((2, 2), 0.25)
    for first, second in ((zeros, other), (other, zeros)):
        for heat in (explain_sums(first, second, "cosine", even), explain_layouts(first, second, "cosine")):
            assert [one.tolist() for one in heat] == [[[0.125, 0.125]] * 2] * 2


@pytest.mark.parametrize("cells", [1, 2, 3, 24])
def test_at_least_a_cell_is_covered_and_more_each_time(cells):
    order = np.random.default_rng(0).permutation(cells)
    steps = covered_cells(order, (1, cells))
    for share, step in zip((0.125, 0.25, 0.375, 0.5, 0.625, 0.75), steps, strict=True):
        assert np.flatnonzero(step[0]).tolist() == sorted(order[: max(1, round(share * cells))].tolist())


def test_orders_are_of_the_heat_then_of_a_shuffled_one_then_random():
    """Equal shares come in random order; each order of a heat and its reverse begin with the extremes."""
    heat, firsts = np.array([[2.0, -1.0, 2.0], [-1.0, 0.0, 7.0]]), [set() for _ in range(8)]
    for seed in range(60):
        orders = list(cover_orders(heat, np.random.default_rng(seed)))
        assert orders[1].tolist() == orders[0][::-1].tolist()
        assert orders[3].tolist() == orders[2][::-1].tolist()
        assert np.diff(heat.reshape(-1)[orders[0]]).min() == 0
        for found, order in zip(firsts, orders, strict=True):
            found.add(int(order[0]))
    assert firsts == [{1, 3}, {5}, *[set(range(6))] * 6]


@pytest.mark.parametrize(
    ("apart", "together", "passed"), [(1, -1, True), (1, 1, False), (-1, -1, False), (-1, 1, False)]
)
def test_both_curves_leave_chance_on_their_side(apart, together, passed):
    areas = 1 + np.random.default_rng(7).normal(0, 0.02, (30, 8))
    areas[:, 0] += 0.3 * apart
    areas[:, 1] += 0.3 * together
    areas[:, 3] += 9  # of shuffled heat: told, and not judged
    made = measure_deletion(areas, np.arange(30) % 11, space="s", metric="cosine", method="occlusion", seed=2)
    assert made.passed is passed
    chance = areas[:, 4:].mean(1)
    names = ("apart", "together", "shuffled_apart", "shuffled_together")
    document = made.to_json()
    for column, name in enumerate(names):
        expected = estimate_mean(areas[:, column], chance, np.arange(30) % 11, seed=2)
        assert getattr(made, name) == expected
        assert document[name] == expected.to_json()
    assert [document[name] for name in ("space", "metric", "method", "passed")] == [
        "s",
        "cosine",
        "occlusion",
        passed,
    ]
    assert (
        repr(made)
        == f"DeletionCheck('s', cosine, by occlusion, {'passed' if passed else 'not passed'}, n 30)"
    )
