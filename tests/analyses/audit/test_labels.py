"""Suspicious labels on made clusters, where it is known which labels are wrong."""

from __future__ import annotations

import numpy as np
import pytest

from objectspace.analyses.audit.labels import KINDS, LabelErrors, _swap, audit_labels
from objectspace.errors import InputError
from objectspace.neighbors import nearest

NAMES = np.array(["cat", "dog", "owl"], object)


def make(n: int = 150, spread: float = 0.5, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors around three directions, their labels, and the photo of each, three objects to a photo."""
    random = np.random.default_rng(seed)
    kind = random.choice(3, n, p=[0.5, 0.3, 0.2])
    vectors = np.eye(3, 8)[kind] + random.normal(0, spread / 8**0.5, (n, 8))
    return vectors.astype(np.float32), NAMES[kind], np.array([f"photo{row // 3}" for row in range(n)])


def errors_of(vectors: np.ndarray, label: np.ndarray, image: np.ndarray, **options: object) -> LabelErrors:
    ids = np.arange(len(label)).astype(str)
    near = nearest(vectors, vectors, ids=ids, k=20, metric="cosine", groups=image, query_groups=image)
    return audit_labels(vectors, near, label, image, **options)


def test_wrong_labels_are_first_with_the_right_one_proposed() -> None:
    vectors, label, image = make()
    truth, wrong = label.copy(), [7, 40, 99, 120]
    for row in wrong:
        label[row] = NAMES[(NAMES.tolist().index(label[row]) + 1) % 3]
    found = errors_of(vectors, label, image)
    first = found.row[np.argsort(-found.probability)][:4]
    assert set(first.tolist()) == set(wrong)
    assert (found.proposed[found.row.searchsorted(first)] == truth[first]).all()
    assert (found.probability[np.isin(found.row, wrong)] > 0.5).all()
    assert found.listed == 4


def test_the_calibration_predicts_the_recall_of_other_swaps() -> None:
    """Labels swapped by the test itself, in places and ways of its own."""
    vectors, label, image = make(n=240, spread=2.2)
    predicted = errors_of(vectors, label, image).calibration
    assert predicted is not None
    random, found = np.random.default_rng(77), []
    for _ in range(8):
        swapped = random.choice(240, 12, replace=False)
        changed = label.copy()
        for row in swapped:
            changed[row] = random.choice([name for name in NAMES if name != label[row]])
        errors = errors_of(vectors, changed, image, calibrated=False)
        first = errors.row[np.argsort(-errors.probability, kind="stable")][:24]
        found.append(np.isin(swapped, first).mean())
    share = predicted.kind("uniform").first[0.1]
    assert 0.2 < share.value < 0.98
    assert share.low - 0.05 <= np.mean(found) <= share.high + 0.05


def test_a_label_of_one_photo_is_left_out() -> None:
    vectors, label, image = make()
    label[[3, 4]] = "yak"
    assert {3, 4}.isdisjoint(errors_of(vectors, label, image).row.tolist())


def test_two_labels_are_judged() -> None:
    vectors, label, image = (column[make()[1] != "owl"] for column in make())
    wrong = int(np.flatnonzero(label == "cat")[5])
    label[wrong] = "dog"
    found = errors_of(vectors, label, image, calibrated=False)
    assert found.row[found.probability.argmax()] == wrong
    assert set(found.proposed.tolist()) == {"cat", "dog"}
    assert found.proposed[found.row == wrong].tolist() == ["cat"]


def test_one_label_cannot_be_judged() -> None:
    vectors, label, image = make()
    with pytest.raises(InputError, match="two labels or more are in two photos each, and here are 1"):
        errors_of(vectors, np.full(len(label), "cat", object), image)


@pytest.mark.parametrize("kind", KINDS)
def test_swaps_are_a_twentieth_and_each_is_another_label(kind: str) -> None:
    own = np.arange(300) % 4
    judged = own != 3
    confusions = np.array([[0, 1, 0, 0], [0.5, 0, 0.5, 0], [1, 0, 0, 0], [0, 1, 0, 0]], float)
    label, swapped = _swap(own, judged, confusions, kind, 0, 0)
    assert swapped.sum() == round(0.05 * judged.sum())
    assert not swapped[~judged].any()
    assert (label[~swapped] == own[~swapped]).all()
    assert (label[swapped] != own[swapped]).all()
    if kind == "confusions":
        assert (confusions[own[swapped], label[swapped]] > 0).all()


def test_the_same_seed_gives_the_same_list() -> None:
    vectors, label, image = make()
    one, other = (errors_of(vectors, label, image, seed=3).probability for _ in range(2))
    assert np.array_equal(one, other)
