"""Swapped labels: how many, which, and what they become."""

from __future__ import annotations

import numpy as np
import pytest

from objectspace.analyses.audit.label_swaps import CONFUSIONS, UNIFORM, WHOLE_PHOTO, kinds_of, swap_labels

CONFUSED = np.array([[0, 1, 0, 0], [0.5, 0, 0.5, 0], [1, 0, 0, 0], [0, 1, 0, 0]], float)


def swap(
    kind: str, own: np.ndarray, photo: np.ndarray, judged: np.ndarray, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    return swap_labels(own, photo, judged, CONFUSED, kind, np.random.default_rng(seed))


@pytest.mark.parametrize("kind", [UNIFORM, CONFUSIONS])
def test_a_twentieth_is_swapped_and_each_becomes_another_label(kind: str) -> None:
    own = np.arange(300) % 4
    judged = own != 3
    label, swapped = swap(kind, own, np.arange(300) // 5, judged)
    assert swapped.sum() == round(0.05 * judged.sum())
    assert not swapped[~judged].any()
    assert (label[~swapped] == own[~swapped]).all()
    assert (label[swapped] != own[swapped]).all()
    if kind == CONFUSIONS:
        assert (CONFUSED[own[swapped], label[swapped]] > 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_of_a_photo_all_objects_of_a_label_become_the_same_other_one(seed: int) -> None:
    random = np.random.default_rng(seed)
    own, photo = random.integers(0, 4, 400), random.integers(0, 60, 400)
    judged = own != 3
    label, swapped = swap(WHOLE_PHOTO, own, photo, judged, seed)
    # Photos have seven objects, of which no more than about five have one label.
    assert abs(int(swapped.sum()) - 0.05 * judged.sum()) <= 3
    assert (label[~swapped] == own[~swapped]).all()
    for there, old in set(zip(photo[swapped].tolist(), own[swapped].tolist(), strict=True)):
        here = (photo == there) & (own == old)
        assert old != 3
        assert here.sum() >= 2
        assert swapped[here].all()
        assert len(set(label[here].tolist())) == 1
        assert label[here][0] != old


def test_one_photo_is_swapped_at_least_however_large() -> None:
    own, photo = np.array([0] * 50 + [1, 2] * 25), np.array([0] * 50 + list(range(1, 51)))
    _, swapped = swap(WHOLE_PHOTO, own, photo, np.ones(100, bool))
    assert swapped.tolist() == (photo == 0).tolist()


def test_photos_are_swapped_as_often_evenly() -> None:
    """Four photos of two objects each, of which one or two are swapped: none more often than others."""
    own, photo = np.zeros(40, np.int64), np.concatenate([np.repeat(np.arange(4), 2), np.arange(4, 36)])
    times = np.zeros(4)
    for seed in range(400):
        _, swapped = swap(WHOLE_PHOTO, own, photo, np.ones(40, bool), seed)
        assert swapped.sum() == 2
        times[photo[swapped][0]] += 1
    assert times.min() > 70


def test_whole_photos_need_one_with_a_label_twice() -> None:
    own, photo = np.array([0, 1, 0, 1, 2, 2]), np.array([0, 0, 1, 1, 2, 2])
    assert kinds_of(own, photo, np.ones(6, bool)) == (UNIFORM, CONFUSIONS, WHOLE_PHOTO)
    assert kinds_of(own, photo, own != 2) == (UNIFORM, CONFUSIONS)


@pytest.mark.parametrize("kind", [UNIFORM, CONFUSIONS])
@pytest.mark.parametrize(("share", "count"), [(1.0, 30), (0.5, 15), (0.0, 1), (0.05, 2), (0.01, 1)])
def test_none_is_swapped_twice_and_one_at_least(kind: str, share: float, count: int) -> None:
    own, photo, judged = np.arange(40) % 4, np.arange(40) // 3, np.arange(40) % 4 != 1
    for seed in range(3):
        random = np.random.default_rng(seed)
        label, swapped = swap_labels(own, photo, judged, CONFUSED, kind, random, share=share)
        assert swapped.sum() == count
        assert (label != own).tolist() == swapped.tolist()
        assert not swapped[~judged].any()


@pytest.mark.parametrize("kind", [UNIFORM, CONFUSIONS])
def test_a_label_becomes_the_others_as_often_as_it_should(kind: str) -> None:
    own = np.repeat(np.arange(4), 900)
    every = np.ones(len(own), bool)
    random = np.random.default_rng(3)
    label, _ = swap_labels(own, own, every, CONFUSED, kind, random, share=1.0)
    found = np.array([np.bincount(label[own == one], minlength=4) / 900 for one in range(4)])
    expected = (1 - np.eye(4)) / 3 if kind == UNIFORM else CONFUSED
    np.testing.assert_allclose(found, expected, atol=0.06)


def test_labels_of_photos_become_each_other_label() -> None:
    own, photo = np.tile([0, 1, 2, 3], 50).repeat(2), np.arange(50).repeat(8)
    random, seen = np.random.default_rng(0), np.zeros((4, 4), int)
    for _ in range(20):
        label, swapped = swap_labels(own, photo, own >= 0, CONFUSED, WHOLE_PHOTO, random, share=0.5)
        np.add.at(seen, (own[swapped], label[swapped]), 1)
        assert abs(int(swapped.sum()) - 200) <= 1
    assert (np.diag(seen) == 0).all()
    assert (seen[~np.eye(4, dtype=bool)] > seen.sum() / 12 * 0.7).all()
