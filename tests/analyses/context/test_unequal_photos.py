"""Pairs, shares and their chance against loops, over photos of 1 to 30 objects in random order."""

from __future__ import annotations

import numpy as np
import pytest

from objectspace.analyses import context
from objectspace.analyses.context import measure_context, pairs, shares, view_objects
from objectspace.analyses.context.pairs import measure_pairs
from objectspace.analyses.context.shares import PARTS, measure_shares
from objectspace.analyses.groups import Groups, make_groups
from objectspace.analyses.probes import FOLDS, make_folds
from objectspace.analyses.projection import principal_components
from objectspace.analyses.ridge import FoldedRidge
from objectspace.analyses.statistics import p_value, permutations
from objectspace.errors import InputError
from objectspace.objects.masks import encode
from objectspace.objects.records import concatenate, make_objects
from tests.crop_spaces import make_space


@pytest.fixture(scope="module")
def groups() -> Groups:
    sizes = [30, 1, 9, 4, 2, 14, 1]
    return make_groups(np.random.default_rng(0).permutation(np.repeat(np.arange(7), sizes)))


@pytest.fixture(scope="module")
def views() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors with the object alone, with everything, with the surroundings alone; some are copies."""
    alone, around, rest = np.random.default_rng(1).normal(size=(3, 61, 5))
    alone[40:] = alone[:21]
    return alone, alone + 0.7 * around + 0.3 * rest, around


def slow_rank(vectors: np.ndarray, groups: Groups, row: int, other: int) -> float:
    far = [float(np.linalg.norm(vectors[row].astype(np.float32) - one)) for one in vectors.astype(np.float32)]
    others = [one for one in range(61) if groups.group[one] != groups.group[row]]
    nearer = sum(far[one] < far[other] - 1e-9 for one in others)
    tied = sum(abs(far[one] - far[other]) <= 1e-9 for one in others)
    return (nearer + tied / 2) / len(others)


def test_ranks_shares_and_chance_of_pairs(
    groups: Groups, views: tuple[np.ndarray, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "PERMUTATIONS", 6)
    alone, both, around = (one.astype(np.float32) for one in views)
    found = measure_pairs(alone, both, around, np.arange(61).astype(str), groups, k=2, seed=4)
    asked = list(zip(found.query.tolist(), found.neighbor.tolist(), strict=True))
    first = np.array([slow_rank(alone, groups, *pair) for pair in asked])
    second = np.array([slow_rank(around, groups, *pair) for pair in asked])
    np.testing.assert_allclose(found.object_rank, first, atol=1e-6)
    np.testing.assert_allclose(found.surroundings_rank, second, atol=1e-6)
    np.testing.assert_allclose(found.share, first / (first + second), atol=1e-6)
    null: dict[str, list[float]] = {"object": [], "surroundings": [], "context": []}
    for rows in permutations(groups, 6, seed=4):
        moved = [(int(rows[row]), int(rows[other])) for row, other in asked]
        by_object = np.array([slow_rank(alone, groups, *pair) for pair in moved])
        by_context = np.array([slow_rank(around, groups, *pair) for pair in moved])
        null["object"].append(by_object.mean())
        null["surroundings"].append(by_context.mean())
        null["context"].append((first / (first + by_context)).mean())
    for name, sign in (("object", -1), ("surroundings", -1), ("context", 1)):
        one = getattr(found, name)
        assert one.chance == pytest.approx(np.mean(null[name]))
        assert one.p == p_value(sign * one.value, sign * np.array(null[name]))
        assert (one.n, one.groups) == (len(asked), 7)


def test_shares_and_their_chance(
    groups: Groups, views: tuple[np.ndarray, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "PERMUTED", 3)
    monkeypatch.setattr(shares, "COMPONENTS", 4)
    found = measure_shares(*(one.astype(np.float32) for one in views), groups, seed=4)
    alone, target, around = (
        principal_components(one.astype(np.float32).astype(float), 4).coordinates for one in views
    )
    fold = make_folds(groups.group, FOLDS, seed=4)

    def explained(*blocks: np.ndarray) -> float:
        ridge = FoldedRidge(np.hstack(blocks), fold, np.zeros(61, int))
        predicted, means = ridge.predict(target, ridge.choose_penalties(target, 1))
        return 1 - ((target - predicted) ** 2).sum() / ((target - means) ** 2).sum()

    def split(alone: np.ndarray, around: np.ndarray) -> dict[str, float]:
        one, other, together = explained(alone), explained(around), explained(alone, around)
        return {
            "object": one,
            "surroundings": other,
            "together": together,
            "only_object": together - other,
            "only_surroundings": together - one,
            "shared": one + other - together,
        }

    null: dict[str, list[float]] = {name: [] for name in PARTS}
    for rows in permutations(groups, 3, seed=4):
        object_moved, context_moved = split(alone[rows], around), split(alone, around[rows])
        for name in ("object", "only_object"):
            null[name].append(object_moved[name])
        for name in ("surroundings", "only_surroundings", "shared"):
            null[name].append(context_moved[name])
        null["together"].append(explained(alone[rows], around[rows]))
    for name, value in split(alone, around).items():
        one = getattr(found, name)
        assert one.value == pytest.approx(value, abs=1e-6)
        assert one.chance == pytest.approx(np.mean(null[name]), abs=1e-6)


@pytest.mark.parametrize(("most", "kept"), [(16, 16), (15, None)])
def test_photos_are_left_out_above_the_most_objects(
    monkeypatch: pytest.MonkeyPatch, most: int, kept: int | None
) -> None:
    """Sixteen objects of five photos of 1 to 6, some with a mask; photos are drawn until they are full."""
    monkeypatch.setattr(context, "MOST_OBJECTS", most)
    monkeypatch.setattr(shares, "PERMUTED", 3)
    monkeypatch.setattr(pairs, "PERMUTATIONS", 3)
    mask = encode(np.ones((4, 4), bool))
    objects = concatenate(
        [
            make_objects(
                image_id=f"{photo:032x}",
                xyxy=np.float32([[n, 0, n + 1, 2] for n in range(size)]),
                label=["cup"] * size,
                source="s",
                mask=[mask] * (photo % 2) + [None] * (size - photo % 2),
            )
            for photo, size in enumerate([4, 3, 2, 6, 1])
        ]
    )
    spaces = [
        make_space(name, objects, np.random.default_rng(seed).normal(size=(16, 3)), background=background)
        for seed, (name, background) in enumerate((("a", "black"), ("b", "keep"), ("c", "only")))
    ]
    found = measure_context(view_objects(*spaces, objects), k=1, seed=5)
    order = np.random.default_rng([5, 4]).permutation(5).tolist()
    chosen, filled = set(range(5)), 0
    if kept is None:
        chosen = set()
        for photo in order:
            filled += [4, 3, 2, 6, 1][photo]
            if filled > most:
                break
            chosen.add(photo)
    images = {f"{photo:032x}" for photo in chosen}
    expected = objects.take(np.isin(objects.image_id, sorted(images)))
    assert found.object_id.tolist() == expected.object_id.tolist()
    assert (found.n, found.photos, found.left_out) == (len(expected), len(chosen), 16 - len(expected))
    assert found.masked == sum(one is not None for one in expected.mask)


@pytest.mark.parametrize(("count", "photos", "fits"), [(10, 3, True), (9, 3, False), (10, 2, False)])
def test_ten_objects_of_three_photos_are_enough(
    monkeypatch: pytest.MonkeyPatch, count: int, photos: int, fits: bool
) -> None:
    monkeypatch.setattr(shares, "PERMUTED", 3)
    monkeypatch.setattr(pairs, "PERMUTATIONS", 3)
    objects = concatenate(
        [
            make_objects(
                image_id=f"{n % photos:032x}", xyxy=np.float32([[n, 0, n + 1, 2]]), label=["cup"], source="s"
            )
            for n in range(count)
        ]
    )
    spaces = [
        make_space(name, objects, np.random.default_rng(seed).normal(size=(count, 3)), background=background)
        for seed, (name, background) in enumerate((("a", "mean"), ("b", "keep"), ("c", "only")))
    ]
    views = view_objects(*spaces, objects)
    if fits:
        assert measure_context(views).n == 10
    else:
        with pytest.raises(InputError, match=f"there are {count} of {photos}"):
            measure_context(views)
