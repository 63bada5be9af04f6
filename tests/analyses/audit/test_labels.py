"""Suspicious labels on made clusters, where it is known which labels are wrong."""

from __future__ import annotations

import numpy as np
import pytest

from objectspace.analyses.audit import label_model, labels
from objectspace.analyses.audit.calibration import Planted, best_threshold, share_of
from objectspace.analyses.audit.label_margins import LabelEvidence, Margins
from objectspace.analyses.audit.label_model import LabelDraw, LabelModel, judge_draws, judge_draws_held_out
from objectspace.analyses.audit.label_swaps import kinds_of, swap_labels
from objectspace.analyses.audit.labels import LabelErrors, audit_labels, draw_swaps, in_two_groups
from objectspace.analyses.groups import codes
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


@pytest.fixture
def judged_by_one_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of the probabilities alone: swaps are judged by what is fitted to all, and not ten times."""

    def judged(draws: list[LabelDraw], group: np.ndarray) -> Planted:
        return judge_draws(draws, [LabelModel(draws)] * len(draws), group)

    monkeypatch.setattr(labels, "judge_draws_held_out", judged)


def test_wrong_labels_are_first_with_the_right_one_proposed() -> None:
    vectors, label, image = make()
    truth, wrong = label.copy(), [7, 40, 99, 120]
    for row in wrong:
        label[row] = NAMES[(NAMES.tolist().index(label[row]) + 1) % 3]
    found = errors_of(vectors, label, image)
    first = found.row[np.argsort(-found.probability)][:4]
    assert set(first.tolist()) == set(wrong)
    assert (found.proposed[found.row.searchsorted(first)] == truth[first]).all()
    assert (found.probability[np.isin(found.row, wrong)] > 0.4).all()
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


@pytest.mark.usefixtures("judged_by_one_model")
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


def make_crowds(photos: int = 60, spread: float = 0.9) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Photos of three objects of one label and one of another, whose vectors are alike within a photo."""
    random = np.random.default_rng(8)
    kind, image = [], []
    for photo in range(photos):
        most, other = random.choice(3, 2, replace=False)
        kind += [most] * 3 + [other]
        image += [f"photo{photo:02}"] * 4
    kinds = np.array(kind)
    scene = random.normal(0, 0.8, (photos, 3, 8))
    places = scene[np.arange(photos).repeat(4), kinds]
    vectors = np.eye(3, 8)[kinds] + places + random.normal(0, spread / 8**0.5, (len(kinds), 8))
    return vectors.astype(np.float32), NAMES[kinds], np.array(image)


def first_tenth(errors: LabelErrors) -> np.ndarray:
    return errors.row[np.argsort(-errors.probability, kind="stable")][: len(errors.row) // 10]


def test_each_kind_of_swap_has_a_figure() -> None:
    found = errors_of(*make_crowds()).calibration
    assert found is not None
    assert [one.kind for one in found.kinds] == ["all", "uniform", "confusions", "whole photo"]
    assert found.planted == (
        "5% of the labels swapped, 3 times evenly, 3 times along the store's confusions and 3 times all of a "
        "label in a photo"
    )
    assert found.kind("whole photo").found.n == pytest.approx(36, abs=6)


def test_where_no_photo_has_a_label_twice_whole_photos_are_not_planted() -> None:
    vectors, label, _ = make()
    found = errors_of(vectors, label, np.arange(len(label)).astype(str)).calibration
    assert found is not None
    assert [one.kind for one in found.kinds] == ["all", "uniform", "confusions"]
    assert found.planted == (
        "5% of the labels swapped, 3 times evenly and 3 times along the store's confusions"
    )


@pytest.mark.usefixtures("judged_by_one_model")
def test_the_own_photo_finds_single_labels_and_does_not_hide_whole_photos() -> None:
    """Beside a list without it, which sees each object as if it were alone in its photo."""
    vectors, label, image = make_crowds()
    random = np.random.default_rng(4)
    found = {"single": [], "whole": []}
    alone = {"single": [], "whole": []}
    for _ in range(4):
        swapped = random.choice(len(label), 12, replace=False)
        photos = random.choice(60, 4, replace=False)
        rows = {"single": swapped, "whole": (4 * photos[:, None] + np.arange(3)).reshape(-1)}
        for kind, wrong in rows.items():
            changed = label.copy()
            step = np.repeat(random.integers(1, 3, 4), 3) if kind == "whole" else random.integers(1, 3, 12)
            changed[wrong] = NAMES[
                [(NAMES.tolist().index(label[row]) + by) % 3 for row, by in zip(wrong, step, strict=True)]
            ]
            found[kind].append(np.isin(wrong, first_tenth(errors_of(vectors, changed, image))).mean())
            ids = np.arange(len(label)).astype(str)
            near = nearest(vectors, vectors, ids=ids, k=20, metric="cosine", groups=image, query_groups=image)
            one_by_one = audit_labels(vectors, near, changed, ids)
            alone[kind].append(np.isin(wrong, first_tenth(one_by_one)).mean())
    assert np.mean(found["single"]) > np.mean(alone["single"]) + 0.1
    assert np.mean(found["whole"]) > np.mean(alone["whole"]) - 0.05


def test_the_probability_is_one_of_a_mixture_of_all_kinds() -> None:
    """Of labels that are swapped anew as many are wrong as their probabilities add up to."""
    vectors, label, image = make_crowds(photos=100)
    own, photo, judged = codes(label), codes(image), np.ones(len(label), bool)
    ids = np.arange(len(label))
    near = nearest(vectors, vectors, ids=ids, k=20, metric="cosine", groups=image, query_groups=image)
    evidence = LabelEvidence(vectors, near, photo, 3)
    fitted, fresh = (draw_swaps(evidence, own, photo, judged, seed) for seed in (1, 2))
    assert {draw.kind for draw in fresh} == {"uniform", "confusions", "whole photo"}
    model = LabelModel(fitted)
    probability = np.concatenate([model.probability(draw.margins) for draw in fresh])
    swapped = np.concatenate([draw.swapped for draw in fresh])
    for few, many in ((0.0, 0.1), (0.1, 0.3), (0.3, 1.0)):
        here = (probability >= few) & (probability < many)
        assert here.sum() > 20
        assert swapped[here].sum() == pytest.approx(probability[here].sum(), rel=0.3)


@pytest.mark.usefixtures("judged_by_one_model")
def test_of_many_objects_some_are_fitted_and_all_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, label, image = make_crowds(photos=100)
    whole = errors_of(vectors, label, image)
    monkeypatch.setattr(label_model, "MOST_OBJECTS", 150)
    some = errors_of(vectors, label, image)
    assert len(some.probability) == len(label)
    assert 0.001 < np.abs(some.probability - whole.probability).max() < 0.3
    assert np.corrcoef(some.probability, whole.probability)[0, 1] > 0.95


def test_draws_are_thinned_evenly() -> None:
    rows = np.arange(10.0)
    margins = Margins(np.column_stack([rows, rows]), rows, np.column_stack([rows, rows]))
    draw = LabelDraw("uniform", margins, rows > 5)
    for most, kept in ((10, range(10)), (9, range(0, 10, 2)), (4, range(0, 10, 3))):
        some = draw.some(most)
        assert some.margins.own_photo.tolist() == list(kept)
        assert some.swapped.tolist() == [row > 5 for row in kept]


def test_the_same_seed_gives_the_same_list() -> None:
    vectors, label, image = make()
    one, other = (errors_of(vectors, label, image, seed=3).probability for _ in range(2))
    assert np.array_equal(one, other)


def test_without_planting_the_score_is_the_mean_of_two_ranks() -> None:
    """Of 60 objects, of which three have a label that no other photo has."""
    vectors, label, image = make(n=60)
    label[[4, 5, 3]] = "yak"
    ids = np.arange(60).astype(str)
    near = nearest(vectors, vectors, ids=ids, k=20, metric="cosine", groups=image, query_groups=image)
    done: list[float] = []
    found = audit_labels(vectors, near, label, image, calibrated=False, seed=2, judging=done.append)
    rows = [row for row in range(60) if row not in (3, 4, 5)]
    assert found.row.tolist() == rows
    evidence = LabelEvidence(vectors, near, codes(image), 4, seed=2)
    own = codes(label.astype(str))
    margins = evidence.margins(own)
    columns = margins.others[rows].T.tolist()
    # Equal margins share the mean of their places.
    ranks = [
        [(sum(one < mine for one in column) + (column.count(mine) + 1) / 2) / 57 for mine in column]
        for column in columns
    ]
    np.testing.assert_allclose(found.probability, np.mean(ranks, axis=0))
    names = np.unique(label.astype(str))
    assert found.proposed.tolist() == names[evidence.proposals(own, margins)[rows]].tolist()
    assert (found.threshold, found.listed, found.calibration, found.score_name) == (
        None,
        None,
        None,
        "mean_rank",
    )
    assert done == [0.5]


def test_the_list_its_threshold_and_its_calibration_are_of_the_same_draws() -> None:
    vectors, label, image = make(n=90, spread=1.5)
    ids = np.arange(90).astype(str)
    near = nearest(vectors, vectors, ids=ids, k=20, metric="cosine", groups=image, query_groups=image)
    done: list[float] = []
    found = audit_labels(vectors, near, label, image, seed=4, judging=done.append)
    own, photo = codes(label.astype(str)), codes(image)
    judged = np.ones(90, bool)
    evidence = LabelEvidence(vectors, near, photo, 3, seed=4)
    confusions, kinds, draws = evidence.confusions(own), kinds_of(own, photo, judged), []
    for number in range(3):
        for place, kind in enumerate(kinds):
            random = np.random.default_rng([4, 13, place, number])
            swapped = swap_labels(own, photo, judged, confusions, kind, random)
            draws.append(LabelDraw(kind, evidence.margins(swapped[0]), swapped[1]))
    assert len(draws) == 9
    np.testing.assert_allclose(found.probability, LabelModel(draws).probability(evidence.margins(own)))
    planted = judge_draws_held_out(draws, image)
    assert found.threshold == pytest.approx(best_threshold(planted.suspicion, found.probability))
    alarms = found.probability >= found.threshold
    assert found.listed == alarms.sum() > 0
    assert found.calibration is not None
    assert found.calibration.false_alarms == share_of(alarms, image)
    assert found.calibration.kind("uniform").found.n == 3 * round(0.05 * 90)
    assert done == pytest.approx([0.5, *(0.5 + 0.5 * n / 9 for n in range(1, 10))])


def test_labels_of_two_groups_are_told_from_those_of_one() -> None:
    own, group = np.array([2, 0, 2, 1, 0, 1, 4]), np.array([5, 3, 5, 3, 4, 3, 0])
    assert in_two_groups(own, group).tolist() == [False, True, False, False, True, False, False]


def test_equal_margins_have_the_same_rank() -> None:
    """Whatever the order of the objects: two of a margin share the mean of their places."""
    margins = np.array([0.5, -1.0, 0.5, 2.0])
    assert labels._ranks(margins).tolist() == [0.625, 0.25, 0.625, 1.0]
    assert labels._ranks(margins[::-1]).tolist() == [1.0, 0.625, 0.25, 0.625]
