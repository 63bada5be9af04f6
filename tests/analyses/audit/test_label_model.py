"""The probability of a wrong label against regressions written out, and the places of swapped ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from objectspace.analyses.audit import label_model
from objectspace.analyses.audit.label_margins import Margins
from objectspace.analyses.audit.label_model import LabelDraw, LabelModel, judge_draws, judge_draws_held_out
from objectspace.analyses.audit.label_swaps import CONFUSIONS, UNIFORM, WHOLE_PHOTO


def make_draws() -> list[LabelDraw]:
    """Draws of unequal kinds; margins of swapped labels are lower, those with the own photo less so."""
    draws = []
    for number, kind in enumerate((UNIFORM, WHOLE_PHOTO, CONFUSIONS, UNIFORM)):
        random = np.random.default_rng([81, number])
        swapped = random.random(160) < 0.2
        others = random.normal(2, 3, (160, 2)) - 2 * swapped[:, None]
        own_photo = random.normal(-1, 2, 160) - (1 + 2 * (kind != WHOLE_PHOTO)) * swapped
        together = random.normal(1, 1, (160, 2)) - swapped[:, None]
        draws.append(LabelDraw(kind, Margins(others, own_photo, together), swapped))
    return draws


def whole_photo(margins: Margins) -> np.ndarray:
    return np.hstack([margins.others, margins.together])


def one_label(margins: Margins) -> np.ndarray:
    return np.hstack([margins.others, margins.own_photo[:, None]])


def log_odds(fitted: list[np.ndarray], swapped: list[np.ndarray], asked: np.ndarray) -> np.ndarray:
    """Logistic regression of standardized margins with the penalty |w|^2 / 2, by a general optimizer."""
    x, y = np.concatenate(fitted), np.concatenate(swapped)
    mean, deviation = x.mean(0), x.std(0)
    x = (x - mean) / deviation

    def loss(weights: np.ndarray) -> float:
        odds = x @ weights[1:] + weights[0]
        return float(np.logaddexp(0, np.where(y, -odds, odds)).sum() + weights[1:] @ weights[1:] / 2)

    found = minimize(loss, np.zeros(1 + x.shape[1]), method="BFGS", options={"gtol": 1e-6}).x
    return (asked - mean) / deviation @ found[1:] + found[0]


@pytest.mark.parametrize("without_own", [0.75, 0.4])
def test_the_probability_is_that_of_three_regressions(without_own: float) -> None:
    draws, asked = make_draws(), make_draws()[0].margins.take(np.arange(0, 160, 7))
    found = LabelModel(draws, without_own=without_own).probability(asked)
    single = [draw for draw in draws if draw.kind != WHOLE_PHOTO]

    def joined(margins: Margins) -> np.ndarray:
        of_all = log_odds(
            [whole_photo(d.margins) for d in draws], [d.swapped for d in draws], whole_photo(margins)
        )
        of_one = log_odds(
            [one_label(d.margins) for d in single], [d.swapped for d in single], one_label(margins)
        )
        return np.log(without_own * np.exp(of_all) + (1 - without_own) * np.exp(of_one))[:, None]

    whole = log_odds([joined(d.margins) for d in draws], [d.swapped for d in draws], joined(asked))
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-whole)), atol=1e-3)


@pytest.mark.parametrize(("most", "rows"), [(160, 1), (159, 2), (80, 2), (54, 3), (53, 4), (1, 160)])
def test_some_are_evenly_spaced(most: int, rows: int) -> None:
    draw = make_draws()[1]
    some = draw.some(most)
    expected = list(range(0, 160, rows))
    assert len(expected) <= most
    assert some.kind == WHOLE_PHOTO
    assert some.swapped.tolist() == draw.swapped[expected].tolist()
    for column in ("others", "own_photo", "together"):
        assert getattr(some.margins, column).tolist() == getattr(draw.margins, column)[expected].tolist()


def test_of_many_objects_evenly_spaced_ones_are_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = make_draws()
    few = LabelModel([draw.some(50) for draw in draws]).probability(draws[0].margins)
    monkeypatch.setattr(label_model, "MOST_OBJECTS", 50)
    np.testing.assert_array_equal(LabelModel(draws).probability(draws[0].margins), few)


def test_swapped_labels_are_judged_by_the_other_draws_and_placed_in_their_own() -> None:
    draws, group = make_draws(), np.array([f"photo{row % 9}" for row in range(160)])
    found = judge_draws_held_out(draws, group)
    start = 0
    for number, draw in enumerate(draws):
        others = draws[:number] + draws[number + 1 :]
        probability = LabelModel(others).probability(draw.margins).tolist()
        rows = np.flatnonzero(draw.swapped)
        part = slice(start, start + len(rows))
        start += len(rows)
        assert set(found.kind[part]) == {draw.kind}
        assert found.suspicion[part].tolist() == [probability[row] for row in rows]
        # Before it all that are more suspicious, and of equal ones the first.
        before = [sum(one > probability[row] for one in probability) for row in rows]
        np.testing.assert_allclose(found.place[part], np.array(before) / 160)
        assert found.group[part].tolist() == group[rows].tolist()
    assert len(found.kind) == start


def test_equally_suspicious_labels_are_in_their_order() -> None:
    class Even:
        def probability(self, margins: Margins) -> np.ndarray:
            return np.repeat([0.5, 0.25], 80)

    draw = make_draws()[0]
    found = judge_draws([draw], [Even()], np.arange(160).astype(str))  # type: ignore[list-item]
    assert (found.place * 160).round(6).tolist() == np.flatnonzero(draw.swapped).tolist()
