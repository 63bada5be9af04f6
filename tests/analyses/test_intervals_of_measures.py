"""Intervals and p of measures by their formulas, from figures found anew in stores without each block.

Groups of unequal size out of order, at levels that some of them lack; figures of labels beside those of all.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import norm
from scipy.stats import t as student

from objectspace.analyses import factors
from objectspace.analyses.agreement import Agreement, measure_agreement
from objectspace.analyses.comparison import compare_spaces
from objectspace.analyses.factor_values import Factor
from objectspace.analyses.factors import FactorSpec
from objectspace.analyses.groups import Groups, make_groups
from objectspace.analyses.jackknife import make_blocks
from objectspace.analyses.nearest_neighbors import find_neighbors
from objectspace.analyses.probes import make_folds, measure_probe
from objectspace.analyses.ridge import PENALTIES
from objectspace.analyses.statistics import Estimate, estimate_mean, permutations
from objectspace.embeddings.spaces import Recipe, Space
from objectspace.objects.records import concatenate, make_objects
from tests.analyses.test_unequal_groups import slow_ridge

PERIOD = 80.0
K = 3


def error_of(without: np.ndarray) -> float:
    """The standard error by the jackknife."""
    return math.sqrt((len(without) - 1) / len(without) * sum((one - without.mean()) ** 2 for one in without))


def degrees(block: np.ndarray) -> float:
    """Blocks of one size that vary as much as those (n,), less one."""
    size = np.bincount(block)
    return max(1.0, sum(size) ** 2 / sum(size**2) - 1)


def reach_of(without: np.ndarray, block: np.ndarray, least: float = 0.0) -> float:
    """Half a 95 % interval by the jackknife, as wide as permutations are spread at least."""
    return max(student.ppf(0.975, degrees(block)) * error_of(without), norm.ppf(0.975) * least)


def moved(value: float, step: float, kind: str) -> float:
    """A value moved on the scale without bounds: of shares, of angles up to half a turn, of differences."""
    if kind == "linear":
        return value * math.exp(step / value)
    if kind == "above":  # no more than 1
        return 1 - (1 - value) * math.exp(-step / (1 - value))
    top = 1.0 if kind == "categorical" else PERIOD / 2
    share = value / top
    return float(top * expit(logit(share) + step / top / (share * (1 - share))))


def p_of(value: float, null: np.ndarray) -> float:
    """Two-sided: twice the share of the side that has fewer, the value itself counted with them."""
    above, below = (sum(null >= value - 1e-9), sum(null <= value + 1e-9))
    return min(1.0, 2 * (1 + min(above, below)) / (1 + len(null)))


def scene(kind: str) -> tuple[np.ndarray, Factor, Groups, np.ndarray]:
    """Nine photos of 2 to 15 objects of three labels; level 2 is in two photos only."""
    rng = np.random.default_rng(12)
    photo = rng.permutation(np.repeat(np.arange(9), [2, 15, 4, 9, 3, 6, 5, 8, 7]))
    level = rng.choice(2, len(photo), p=[0.7, 0.3])
    for one in (3, 6):
        level[np.flatnonzero(photo == one)[:2]] = 2
    values = {
        "categorical": rng.integers(0, 3, len(photo)) * 1.0,
        "linear": rng.uniform(0, 9, len(photo)) ** 2,
        "circular": rng.uniform(0, PERIOD, len(photo)),
    }[kind]
    vectors = rng.normal(size=(len(photo), 3)) + 0.5 * rng.normal(size=(9, 3))[photo]
    vectors[:, 0] += 1.5 * values / values.std()
    labels = np.array(["cat", "dog", "owl"], object)[rng.choice(3, len(photo), p=[0.5, 0.3, 0.2])]
    factor = Factor("f", kind, values, PERIOD if kind == "circular" else math.nan, ("a", "b", "c"))
    return vectors.astype(np.float32), factor, make_groups(photo, level=level), labels


def differences(factor: Factor, one: float, others: np.ndarray) -> np.ndarray:
    if factor.kind == "categorical":
        return (others == one) * 1.0
    apart = np.abs(others - one)
    return np.minimum(apart, PERIOD - apart) if factor.kind == "circular" else apart


def candidates(groups: Groups, kept: np.ndarray, row: int) -> np.ndarray:
    return np.flatnonzero(kept & (groups.group != groups.group[row]) & (groups.level == groups.level[row]))


def slow_agreement(
    vectors: np.ndarray, factor: Factor, groups: Groups, kept: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The mean difference to the nearest, and to all that could be, among those kept; NaN without any."""
    found = np.full((2, len(vectors)), np.nan)
    for row in np.flatnonzero(kept):
        others = candidates(groups, kept, row)
        if len(others):
            far = np.linalg.norm(vectors[others].astype(float) - vectors[row], axis=1)
            apart = differences(factor, factor.values[row], factor.values[others])
            found[:, row] = apart[np.argsort(far)[:K]].mean(), apart.mean()
    return found[0], found[1]


def measured(
    kind: str, *, deletions: bool = True, permuted: int = 29
) -> tuple[Agreement, np.ndarray, Factor, Groups, np.ndarray, np.ndarray]:
    vectors, factor, groups, labels = scene(kind)
    block = make_blocks(groups.group)
    near = find_neighbors(
        vectors,
        np.arange(len(vectors)).astype(str),
        groups,
        k=K,
        metric="euclidean",
        block=block if deletions else None,
    )
    found = measure_agreement(near, factor, groups, labels, permuted=permuted, seed=3)
    return found, vectors, factor, groups, labels, block


def slow_null(vectors: np.ndarray, factor: Factor, groups: Groups, permuted: int = 29) -> np.ndarray:
    """The mean agreement of exchanged values, less its chance."""
    null = []
    for rows in permutations(groups, permuted, values=factor.values, seed=3):
        drawn = Factor("f", factor.kind, factor.values[rows], factor.period, factor.categories)
        value, chance = slow_agreement(vectors, drawn, groups, np.ones(len(vectors), bool))
        null.append((value - chance).mean())
    return np.array(null)


@pytest.mark.parametrize("kind", ["categorical", "linear", "circular"])
def test_agreement_with_its_chance_interval_and_p_of_all_and_of_each_label(kind: str) -> None:
    found, vectors, factor, groups, labels, block = measured(kind)
    value, chance = slow_agreement(vectors, factor, groups, np.ones(len(vectors), bool))
    np.testing.assert_allclose(found.values, value)
    null = slow_null(vectors, factor, groups)
    np.testing.assert_allclose(found.null, null, atol=1e-9)
    assert found.overall.p == pytest.approx(p_of((value - chance).mean(), null))
    each = [slow_agreement(vectors, factor, groups, block != one) for one in range(9)]
    assert any(np.isnan(one[block != number]).any() for number, (one, _) in enumerate(each))
    of_all = np.ones(len(labels), bool)
    rows = {"": of_all, **{name: labels == name for name in ("cat", "dog", "owl")}}
    estimates = {"": found.overall, **found.labels}
    assert estimates.keys() == rows.keys()
    for name, own in rows.items():
        one = estimates[name]
        assert (one.value, one.chance) == (
            pytest.approx(value[own].mean()),
            pytest.approx(chance[own].mean()),
        )
        assert (one.n, one.groups) == (own.sum(), len(np.unique(groups.group[own])))
        without = np.array([[np.nanmean(part[own]) for part in parts] for parts in each])
        least = 0.0
        if name == "":
            np.testing.assert_allclose(found.without, without[:, 0])
            least = float(null.std()) * stretch(one, kind)
        reach = reach_of(without[:, 0], block[own], least)
        assert one.low == pytest.approx(moved(one.value, -reach, kind))
        assert one.high == pytest.approx(moved(one.value, reach, kind))
        assert one.excess is not None
        assert one.excess[0] < one.value - one.chance < one.excess[1]
        assert (one.p is None, one.detectable is None) == (name != "", True)


def stretch(one: Estimate, kind: str) -> float:
    """How much wider a step at the value is than at chance, on the scale without bounds; at most 1."""
    return min(1.0, slope(one.chance, kind) / slope(one.value, kind))


def slope(value: float, kind: str) -> float:
    if kind == "above":
        return 1 / (1 - value)
    top = {"categorical": 1.0, "circular": PERIOD / 2, "linear": math.inf}[kind]
    return 1 / value + 1 / (top - value)


def test_neighbors_found_without_deletions_have_intervals_of_new_queries() -> None:
    found, vectors, factor, groups, labels, _ = measured("linear", deletions=False)
    value, chance = slow_agreement(vectors, factor, groups, np.ones(len(vectors), bool))
    assert found.overall.p == pytest.approx(p_of((value - chance).mean(), slow_null(vectors, factor, groups)))
    assert (found.without, found.block) == (None, None)
    for name, own in (("", labels != ""), ("dog", labels == "dog"), ("owl", labels == "owl")):
        one = found.labels[name] if name else found.overall
        expected = estimate_mean(value[own], chance[own], groups.group[own], seed=3)
        assert one.population == "queries"
        for figure in ("value", "chance", "low", "high", "excess", "n", "groups"):
            assert getattr(one, figure) == pytest.approx(getattr(expected, figure))


# ----------------------------------------------------------------------------------------------------- probes


def probed(kind: str) -> tuple[np.ndarray, Factor, Groups]:
    """Vectors, a factor (six names, a number or an angle) and nine photos whose objects are at two levels."""
    vectors, factor, groups, _ = scene("linear" if kind == "categorical" else kind)
    kept = groups.level < 2
    if kind == "categorical":
        names = np.searchsorted(np.quantile(factor.values, np.arange(1, 6) / 6), factor.values) * 1.0
        factor = Factor("f", kind, names, categories=tuple("abcdef"))
    return vectors[kept], factor.take(kept), groups.take(kept)


def targets_of(factor: Factor, rows: np.ndarray) -> np.ndarray:
    values = factor.values[rows]
    if factor.kind == "categorical":
        return (values[:, None] == np.arange(6)) * 1.0
    if factor.kind == "circular":
        turn = 2 * np.pi * values / PERIOD
        return np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return values[:, None]


def slow_choice(x: np.ndarray, y: np.ndarray, fold: np.ndarray, level: np.ndarray) -> list[float]:
    """For each fold the penalty of the least squared error on the next and the last in the ring."""
    chosen = []
    for held in range(5):
        errors = []
        for penalty in PENALTIES * x.shape[1]:
            errors.append(0.0)
            for tried in ((held + 1) % 5, (held - 1) % 5):
                train = (fold != held) & (fold != tried)
                errors[-1] += ((slow_ridge(x, y, level, train, penalty)[0] - y)[fold == tried] ** 2).sum()
        chosen.append(float(PENALTIES[int(np.argmin(errors))] * x.shape[1]))
    return chosen


def slow_sums(
    factor: Factor, y: np.ndarray, rows: np.ndarray, predictions: list[tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """Sums over all objects of what was lost, of what could be, and of what means lose."""
    sums = np.zeros(3)
    for own, both in enumerate(zip(*predictions, strict=True)):
        of_both = []
        for one in both:
            if np.isnan(one).any():
                break
            if factor.kind == "linear":
                of_both.append(float(((one - y[own]) ** 2).sum()))
            elif factor.kind == "categorical":
                of_both.append(float(one.argmax() == factor.values[rows[own]]))
            else:
                angle = math.atan2(one[1], one[0]) / (2 * math.pi) * PERIOD % PERIOD
                apart = abs(angle - factor.values[rows[own]])
                of_both.append(min(apart, PERIOD - apart))
        if of_both:
            sums += of_both[0], of_both[1] if factor.kind == "linear" else 1.0, of_both[1]
    return sums


def slow_fit(
    x: np.ndarray,
    y: np.ndarray,
    fold: np.ndarray,
    level: np.ndarray,
    chosen: list[float],
    kept: np.ndarray | None = None,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Predictions and means of all objects, or NaN for those that are not kept."""
    kept = np.ones(len(x), bool) if kept is None else kept
    found = np.full((2, *y.shape), np.nan)
    for held in range(5):
        own = kept & (fold == held)
        both = slow_ridge(x, y, level, kept & (fold != held), chosen[held])
        found[:, own] = [one[own] for one in both]
    return [*found]


@pytest.mark.parametrize("kind", ["categorical", "linear", "circular"])
def test_a_probe_with_its_chance_interval_and_p(kind: str) -> None:
    """At two levels, without each of nine blocks; of six names permutations choose penalties by four sums."""
    vectors, factor, groups = probed(kind)
    probe = measure_probe(vectors, factor, groups, permuted=4, seed=3)
    assert probe is not None
    x, level, every = vectors.astype(float), groups.level, np.arange(len(vectors))
    fold, block = make_folds(groups.group, 5, seed=3), make_blocks(groups.group, most=10, seed=3)
    signs = np.random.default_rng([3, 5]).choice((-1.0, 1.0), (6, 4))

    def score(sums: np.ndarray) -> tuple[float, float]:
        value, baseline = sums[[0, 2]] / sums[1]
        return (1 - value, 0.0) if kind == "linear" else (value, baseline)

    runs = []
    for rows in [every, *permutations(groups, 4, values=factor.values, seed=3)]:
        y = targets_of(factor, rows)
        guides = y @ signs if kind == "categorical" else y
        chosen = slow_choice(x, guides, fold, level)
        runs.append(slow_sums(factor, y, rows, slow_fit(x, y, fold, level, chosen)))
    null = np.array([np.subtract(*score(one)) for one in runs[1:]])
    y = targets_of(factor, every)
    chosen = slow_choice(x, y, fold, level)
    value, baseline = score(slow_sums(factor, y, every, slow_fit(x, y, fold, level, chosen)))
    chance = baseline + np.subtract(*score(sum(runs[1:])))
    one = probe.score
    assert (one.value, probe.baseline, one.chance) == pytest.approx((value, baseline, chance), abs=1e-6)
    assert one.p == pytest.approx(p_of(np.subtract(*score(runs[0])), null))
    assert probe.parts.sum(0) == pytest.approx(
        slow_sums(factor, y, every, slow_fit(x, y, fold, level, chosen))[:2]
        / (y.var() if kind == "linear" else 1)
    )
    without = np.array(
        [
            score(slow_sums(factor, y, every, slow_fit(x, y, fold, level, chosen, block != gone)))
            for gone in range(9)
        ]
    )
    without[:, 1] += chance - baseline
    side = "above" if kind == "linear" else kind
    least = float(null.std()) * min(1.0, slope(chance, side) / slope(value, side))
    reach = reach_of(without[:, 0], block, least)
    ends = sorted(moved(value, step, side) for step in (-reach, reach))
    assert [one.low, one.high] == pytest.approx(ends, abs=1e-6)
    apart = reach_of(without[:, 0] - without[:, 1], block, least)
    extremes = slow_excess(value, chance, (reach, reach_of(without[:, 1], block), apart), side)
    assert one.excess == pytest.approx(extremes, abs=2e-3 * abs(value - chance))


def slow_excess(
    value: float, chance: float, reaches: tuple[float, float, float], kind: str
) -> tuple[float, float]:
    """The ends of value less chance, which has no bounds: on the ellipse, or by the limits of both."""
    first, second, apart = reaches
    together = (
        0.0 if second == 0 else min(1.0, max(-1.0, (first**2 + second**2 - apart**2) / (2 * first * second)))
    )
    if kind == "above":
        low, high = (moved(value, step, kind) for step in (-first, first))
        below, above = (
            math.sqrt(max(0.0, own**2 + second**2 - 2 * together * own * second))
            for own in (value - low, high - value)
        )
        return value - chance - below, value - chance + above
    turn = np.random.default_rng(0).uniform(0, 2 * math.pi, 4000)
    of_chance = second * (together * np.cos(turn) + math.sqrt(1 - together**2) * np.sin(turn))
    ends = [
        moved(value, step, kind) - chance - by
        for step, by in zip(first * np.cos(turn), of_chance, strict=True)
    ]
    return min(ends), max(ends)


# ------------------------------------------------------------------------------------------------ comparisons

RECIPE = Recipe("crop", "fake", "0" * 64, "tap", {}, "float32", "0")


@pytest.fixture
def _no_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a probe is looked at, and it takes most of a measure's time."""
    monkeypatch.setattr(factors, "measure_probe", lambda *_, **__: None)


def two_spaces(*, few: bool = False) -> tuple[list[Space], object, np.ndarray, list[np.ndarray]]:
    """Two spaces of the same objects in nine photos, or in four, out of order."""
    vectors, factor, groups, labels = scene("linear")
    photo = groups.group % 4 if few else groups.group
    objects = concatenate(
        [
            make_objects(
                image_id=f"{one:02d}", xyxy=np.float32([[0, 0, 1 + row, 2]]), label=[labels[row]], source="s"
            )
            for row, one in enumerate(photo)
        ]
    ).with_factors({"size_of_it": factor.values})
    other = np.float32(0.6) * vectors + np.random.default_rng(5).normal(size=vectors.shape).astype(np.float32)
    both = [vectors, other]
    spaces = [Space(name, RECIPE, objects.object_id, one) for name, one in zip("ab", both, strict=True)]
    return spaces, objects, photo, both


@pytest.mark.usefixtures("_no_probes")
@pytest.mark.parametrize(("factor", "sign"), [("size_of_it", -1), ("label", 1)])
def test_the_difference_of_two_spaces_varies_as_without_each_block(factor: str, sign: int) -> None:
    spaces, objects, photo, _ = two_spaces()
    (found,) = compare_spaces(spaces, objects, [FactorSpec(factor)], k=K).factors
    (difference,) = found.differences
    first, second = (one.neighbors for one in found.measures)
    assert difference.value == pytest.approx(sign * (second.overall.value - first.overall.value))
    without, block = sign * (second.without - first.without), make_blocks(photo)
    least = float((second.null - first.null).std())
    reach = reach_of(without, block, least)
    assert (difference.low, difference.high) == (
        pytest.approx(difference.value - reach),
        pytest.approx(difference.value + reach),
    )
    tails = (
        student.cdf(-abs(difference.value) / error_of(without), degrees(block)),
        norm.cdf(-abs(difference.value) / least),
    )
    assert difference.p == pytest.approx(2 * max(tails))
    assert difference.no_interval == ""


@pytest.mark.usefixtures("_no_probes")
def test_the_difference_of_spaces_of_few_photos_has_a_reason_instead_of_an_interval() -> None:
    spaces, objects, _, _ = two_spaces(few=True)
    (difference,) = compare_spaces(spaces, objects, [FactorSpec("label")], k=K).factors[0].differences
    assert difference.no_interval == "4 groups, 5 are needed"
    assert np.isnan([difference.low, difference.high]).all()
    assert difference.p is None
    assert not math.isnan(difference.value)


def slow_overlap(both: list[np.ndarray], photo: np.ndarray, kept: np.ndarray) -> tuple[float, float]:
    """The mean share of neighbors that two spaces have in common, and its chance, among those kept."""
    shares, chance = [], []
    for row in np.flatnonzero(kept):
        others = np.flatnonzero(kept & (photo != photo[row]))
        near = [
            set(others[np.argsort(np.linalg.norm(one[others].astype(float) - one[row], axis=1))[:K]].tolist())
            for one in both
        ]
        shares.append(len(near[0] & near[1]) / K)
        chance.append(K / len(others))
    return float(np.mean(shares)), float(np.mean(chance))


def test_the_overlap_of_two_spaces_varies_as_without_each_block() -> None:
    spaces, objects, photo, both = two_spaces()
    (pair,) = compare_spaces(spaces, objects, k=K, seed=2).pairs
    every, block = np.ones(len(photo), bool), make_blocks(photo)
    value, chance = slow_overlap(both, photo, every)
    assert (pair.overlap.value, pair.overlap.chance) == (pytest.approx(value), pytest.approx(chance))
    near = [
        {
            row: set(
                sorted(
                    np.flatnonzero(photo != photo[row]),
                    key=lambda o, r=row, x=one: float(np.linalg.norm(x[o].astype(float) - x[r])),
                )[:K]
            )
            for row in range(len(photo))
        }
        for one in both
    ]
    null = []
    for rows in permutations(make_groups(photo), 999, seed=2):
        # Objects are taken for others: repeated, where a photo is larger than the one it is taken for.
        moved_to = rows.tolist()
        shared = [
            sum(moved_to[other] in near[1][moved_to[row]] for other in near[0][row]) / K for row in near[0]
        ]
        null.append(float(np.mean(shared)))
    assert pair.overlap.p == pytest.approx(p_of(value, np.array(null)))
    without = np.array([slow_overlap(both, photo, block != one) for one in range(9)])
    one = pair.overlap
    reach = reach_of(without[:, 0], block, float(np.std(null)) * stretch(one, "categorical"))
    assert one.low == pytest.approx(moved(value, -reach, "categorical"))
    assert one.high == pytest.approx(moved(value, reach, "categorical"))
    error = max(error_of(without[:, 0] - without[:, 1]), float(np.std(null)) * stretch(one, "categorical"))
    critical = np.quantile(np.abs(null - np.mean(null)), 0.95)
    assert one.detectable == pytest.approx(critical + norm.ppf(0.8) * error, rel=1e-4)
