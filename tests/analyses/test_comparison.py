"""Spaces beside one another: equal ones, rotated ones, independent ones; CKA by its plain formula."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.stats

from objectspace.analyses import alignment, factors, nearest_neighbors
from objectspace.analyses.alignment import measure_cka
from objectspace.analyses.comparison import compare_spaces, shared_objects
from objectspace.analyses.factors import FactorSpec, measure_factor
from objectspace.analyses.groups import draw_groups, make_groups
from objectspace.analyses.nearest_neighbors import find_neighbors
from objectspace.embeddings.spaces import Recipe, Space
from objectspace.errors import InputError
from objectspace.objects.records import Objects, Provenance

RECIPE = Recipe("crop", "fake", "0" * 64, "tap", {}, "float32", "0")


def noise(seed: int, count: int = 60, dimension: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)


def make_space(name: str, vectors: np.ndarray, first: int = 0) -> Space:
    ids = np.array([f"{row:032x}" for row in range(first, first + len(vectors))])
    return Space(name, RECIPE, ids, vectors)


def make_objects(count: int = 60, **factors: np.ndarray) -> Objects:
    nothing = np.array([None] * count, object)
    ids = np.array([f"{row:032x}" for row in range(count)])
    boxes = np.tile(np.array([0, 0, 1, 1], np.float32), (count, 1))
    score, images = np.ones(count, np.float32), (np.arange(count) // 2).astype(str)
    labels = np.array(["thing"] * count, object)
    return Objects(ids, images, boxes, labels, score, nothing, nothing, Provenance.unknown(count), factors)


def test_a_turned_and_scaled_space_is_the_same() -> None:
    turn = np.linalg.qr(noise(1, 5))[0]
    spaces = [make_space("a", noise(0)), make_space("b", (3 * noise(0) @ turn + 7).astype(np.float32))]
    (pair,) = compare_spaces(spaces, make_objects()).pairs
    assert pair.overlap.value == 1
    assert (pair.cka.value, pair.cka.low) == (pytest.approx(1, abs=1e-6), pytest.approx(1, abs=1e-5))


def test_independent_spaces_share_neighbors_by_chance() -> None:
    spaces = [make_space("a", noise(0, dimension=300)), make_space("b", noise(1, dimension=300))]
    (pair,) = compare_spaces(spaces, make_objects(), k=4).pairs
    assert pair.overlap.chance == pytest.approx(4 / 58)
    assert pair.overlap.low <= pair.overlap.chance <= pair.overlap.high
    assert pair.cka.low <= 0 <= pair.cka.high
    # With more numbers than objects the usual estimate takes noise for likeness.
    assert pair.cka_biased > 0.7


def test_overlap_equals_a_double_loop() -> None:
    first, second = noise(0), noise(0) + 0.7 * noise(1)
    found = compare_spaces([make_space("a", first), make_space("b", second)], make_objects(), k=3)
    shares = []
    for row in range(60):
        others = [other for other in range(60) if other // 2 != row // 2]
        apart = [np.linalg.norm(x[others].astype(float) - x[row], axis=1) for x in (first, second)]
        near = [{others[place] for place in one.argsort()[:3]} for one in apart]
        shares.append(len(near[0] & near[1]) / 3)
    assert found.pairs[0].overlap.value == pytest.approx(np.mean(shares))


def test_overlap_of_one_space_with_itself_moved_is_that_of_its_lists() -> None:
    """By sets of neighbors; objects are taken for others, with repeats."""
    groups = make_groups(np.arange(60) // 2)
    near = [
        find_neighbors(x, np.arange(60).astype(str), groups, k=3, metric="euclidean")
        for x in (noise(0), noise(1))
    ]
    lists = [[set(one.neighbor[one.query == row].tolist()) for row in range(60)] for one in near]
    rows = np.random.default_rng(0).integers(0, 60, 60)
    expected = [sum(rows[other] in lists[1][rows[row]] for other in lists[0][row]) for row in range(60)]
    assert near[0].overlap(near[1], rows).tolist() == expected


def test_spaces_that_are_alike_have_a_small_p_and_others_none() -> None:
    spaces = [
        make_space("a", noise(0)),
        make_space("b", noise(0) + 0.5 * noise(1)),
        make_space("c", noise(2)),
    ]
    alike, *others = compare_spaces(spaces, make_objects()).pairs
    assert (alike.overlap.p, alike.overlap.direction) == (0.002, "above")
    assert alike.cka.p < 0.001
    assert all(pair.overlap.p > 0.05 and pair.cka.p > 0.05 for pair in others)


def plain_hsic(one: np.ndarray, other: np.ndarray) -> float:
    """Song et al. (2012), equation 4, as it is written."""
    count, ones = len(one), np.ones(len(one))
    k, m = one - np.diag(np.diag(one)), other - np.diag(np.diag(other))
    terms = (
        np.trace(k @ m)
        + ones @ k @ ones * (ones @ m @ ones) / ((count - 1) * (count - 2))
        - 2 / (count - 2) * (ones @ k @ m @ ones)
    )
    return float(terms / (count * (count - 3)))


def test_cka_is_that_of_the_papers() -> None:
    x, y = noise(0).astype(float), (noise(0) + noise(1)).astype(float)
    estimate, biased = measure_cka(x.astype(np.float32), y.astype(np.float32), make_groups(np.arange(60)))
    k, m = x @ x.T, y @ y.T
    assert estimate.value == pytest.approx(plain_hsic(k, m) / np.sqrt(plain_hsic(k, k) * plain_hsic(m, m)))
    x, y = x - x.mean(0), y - y.mean(0)
    norm = np.linalg.norm(x.T @ y) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    assert biased == pytest.approx(norm)


def test_cka_interval_is_the_jackknifes() -> None:
    """Twenty parts of three objects: each left out by hand."""
    x, y = noise(0), noise(0) + noise(1)
    estimate, _ = measure_cka(x, y, make_groups(np.arange(60)))
    part = np.random.default_rng([0, 4]).permutation(60) % 20
    without = [
        measure_cka(x[part != p], y[part != p], make_groups(np.arange(57)))[0].value for p in range(20)
    ]
    error = np.sqrt(19 / 20 * ((np.array(without) - np.mean(without)) ** 2).sum())
    assert estimate.high - estimate.value == pytest.approx(2.093024 * error, rel=1e-5)


@pytest.mark.parametrize("constant", [(True, False), (False, True), (True, True)], ids=str)
def test_a_constant_space_has_no_alignment(constant: tuple[bool, bool]) -> None:
    vectors = [np.ones((60, 5), np.float32) if one else noise(0) for one in constant]
    estimate, biased = measure_cka(*vectors, make_groups(np.arange(60)))
    assert np.isnan([estimate.value, biased]).all()


def test_each_factor_stands_beside_itself() -> None:
    x = np.random.default_rng(2).uniform(0, 100, 60)
    spaces = [make_space("noise", noise(0)), make_space("truth", np.stack([x, x], 1).astype(np.float32))]
    compared = compare_spaces(spaces, make_objects(place=x), [FactorSpec("place")])
    (factor,) = compared.factors
    assert [one.space for one in factor.measures] == ["noise", "truth"]
    (difference,) = factor.differences
    worse, better = (one.neighbors.overall.value for one in factor.measures)
    assert difference.value == pytest.approx(worse - better)
    assert 0 < difference.low < difference.value < difference.high
    assert difference.p < 0.001
    json.dumps(compared.to_json(), allow_nan=False)


def test_neighbors_are_found_once_for_overlap_and_factors(monkeypatch: pytest.MonkeyPatch) -> None:
    """But anew where a factor is not known of all objects, whose neighbors are then others."""
    found, find = [], nearest_neighbors.find_by_metric

    def counted(vectors, ids, *rest, **keywords):
        found.append(len(ids))
        return find(vectors, ids, *rest, **keywords)

    monkeypatch.setattr(nearest_neighbors, "find_by_metric", counted)
    monkeypatch.setattr(factors, "find_by_metric", counted)
    monkeypatch.setattr(factors, "measure_probe", lambda *_, **__: None)  # no neighbors are in it
    spaces = [make_space("a", noise(0)), make_space("b", noise(1))]
    x = np.arange(60.0)
    y = np.where(np.arange(60) < 40, x % 7, np.nan)
    compared = compare_spaces(spaces, make_objects(x=x, y=y), [FactorSpec("x"), FactorSpec("y")])
    assert found == [60, 60, 40, 40]
    for factor, known in zip(compared.factors, (x, y), strict=True):
        rows = np.flatnonzero(~np.isnan(known))
        objects = make_objects(x=x, y=y).take(rows)
        alone = [measure_factor(one.take(rows), objects, factor.measures[0].spec) for one in spaces]
        assert [one.neighbors.overall for one in factor.measures] == [one.neighbors.overall for one in alone]


def test_neighbors_of_some_are_compared() -> None:
    """Of whole photos, of two objects each: overlap by a double loop over those that were asked for."""
    first, second = noise(0, 300), noise(0, 300) + 0.5 * noise(1, 300)
    spaces = [make_space("a", first), make_space("b", second)]
    value = np.arange(300.0) % 5
    found = compare_spaces(spaces, make_objects(300, v=value), [FactorSpec("v")], k=3, queries=210)
    (pair,), (factor,) = found.pairs, found.factors
    asked = draw_groups(make_groups((np.arange(300) // 2).astype(str)).group, 210)
    shares = []
    for row in asked:
        others = [other for other in range(300) if other // 2 != row // 2]
        apart = [np.linalg.norm(x[others].astype(float) - x[row], axis=1) for x in (first, second)]
        near = [{others[place] for place in one.argsort()[:3]} for one in apart]
        shares.append(len(near[0] & near[1]) / 3)
    assert len(asked) == 210
    assert (pair.overlap.n, pair.overlap.groups) == (210, 105)
    assert pair.overlap.value == pytest.approx(np.mean(shares))
    assert pair.overlap.chance == pytest.approx(3 / 298)
    assert pair.overlap.low < pair.overlap.value < pair.overlap.high
    assert pair.overlap.p == pytest.approx(0.002)
    assert [one.neighbors.overall.n for one in factor.measures] == [210, 210]


def test_independent_spaces_share_no_more_of_some_neighbors_than_permutations() -> None:
    spaces = [make_space("a", noise(0, 300)), make_space("b", noise(1, 300))]
    (pair,) = compare_spaces(spaces, make_objects(300), k=3, queries=210).pairs
    assert pair.overlap.p > 0.05
    assert pair.overlap.low <= pair.overlap.chance <= pair.overlap.high


def test_many_objects_are_permuted_less_often() -> None:
    spaces = [make_space("a", noise(0)), make_space("b", noise(0))]
    least = [compare_spaces(spaces, make_objects(), most=most).pairs[0].overlap.p for most in (59, 60)]
    assert least == [pytest.approx(2 / 200), pytest.approx(2 / 1000)]


def test_only_shared_objects_are_compared() -> None:
    spaces = [make_space("a", noise(0, 40)), make_space("b", noise(1, 40), first=10)]
    ids = shared_objects(spaces)
    assert ids == [f"{row:032x}" for row in range(10, 40)]
    assert compare_spaces(spaces, make_objects().take(range(10, 40))).n == 30


def test_spaces_that_share_nothing() -> None:
    with pytest.raises(InputError, match="no object is in all of a, b; spaces of different heads"):
        shared_objects([make_space("a", noise(0, 5)), make_space("b", noise(1, 5), first=10)])


def test_one_space_is_no_comparison() -> None:
    with pytest.raises(InputError, match="two spaces or more"):
        shared_objects([make_space("a", noise(0, 5)), make_space("a", noise(0, 5))])


def test_an_alignment_that_does_not_vary_has_no_p() -> None:
    assert alignment._jackknife(0.75, np.full(5, 0.75)) == (0.75, 0.75, None)
    assert np.isnan(alignment._jackknife(0.75, np.full(1, 0.75))[:2]).all()
    low, high, p = alignment._jackknife(0.5, np.array([0.4, 0.6]))
    reach = scipy.stats.t.ppf(0.975, 1) * 0.1
    assert (low, high) == pytest.approx((0.5 - reach, 0.5 + reach))
    assert p == pytest.approx(2 * scipy.stats.t.cdf(-5, 1))


def test_a_comparison_as_json_holds_every_figure() -> None:
    x = np.random.default_rng(2).uniform(0, 100, 60)
    spaces = [make_space("a", noise(0)), make_space("b", noise(0) + noise(1))]
    found = compare_spaces(spaces, make_objects(place=x), [FactorSpec("place")], k=4)
    document, (pair,), (factor,) = found.to_json(), found.pairs, found.factors
    (difference,) = factor.differences
    assert {name: document[name] for name in ("spaces", "k", "metric", "group", "n", "groups")} == {
        "spaces": ["a", "b"],
        "k": 4,
        "metric": "euclidean",
        "group": None,
        "n": 60,
        "groups": 30,
    }
    cka = {**pair.cka.to_json(), "biased": pair.cka_biased}
    assert document["pairs"] == [{"spaces": ["a", "b"], "overlap": pair.overlap.to_json(), "cka": cka}]
    told = {name: getattr(difference, name) for name in ("value", "low", "high", "p")}
    assert document["factors"] == [
        {
            "factor": "place",
            "measures": [one.to_json() for one in factor.measures],
            "differences": [{"spaces": ["a", "b"], **told, "no_interval": None}],
        }
    ]
