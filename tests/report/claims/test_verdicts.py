"""Claims on spaces that were built so that the answer is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from objectspace.analyses.projection import Projection, Reading
from objectspace.analyses.statistics import Estimate
from objectspace.embeddings.spaces import Recipe, Space
from objectspace.objects.records import concatenate, make_objects
from objectspace.report import claims
from objectspace.report.claims import (
    CLAIMS,
    Column,
    Evidence,
    Finding,
    Held,
    judge,
    weigh_claims,
)

LABELS, STYLES = ("cat", "dog"), ("red", "blue", "green")


@pytest.fixture(scope="module")
def objects():
    """240 objects, one a photo: label, style and yaw drawn independently of each other."""
    random = np.random.default_rng(0)
    parts = []
    for number in range(240):
        factors = {
            "style": np.array([random.choice(STYLES)], object),
            "yaw": np.array([random.uniform(0, 360)]),
        }
        parts.append(
            make_objects(
                image_id=f"{number:032x}",
                xyxy=np.array([[0, 0, 10, 10]], np.float32),
                label=[str(random.choice(LABELS))],
                source="test",
                factors=factors,
            )
        )
    return concatenate(parts)


def one_hot(names, column) -> np.ndarray:
    return np.array([[value == name for name in names] for value in column], float)


def around(objects) -> np.ndarray:
    angle = np.deg2rad(objects.factors["yaw"])
    return np.column_stack([np.cos(angle), np.sin(angle)])


def held(objects, *parts: np.ndarray, noise: float = 0.01) -> Held:
    random = np.random.default_rng(4)
    vectors = np.column_stack(parts)
    vectors = vectors + noise * random.standard_normal(vectors.shape)
    recipe = Recipe("crop", "test", "0" * 64, "tap", {}, "float32", "0")
    return Held(Space("test", recipe, objects.object_id, vectors.astype(np.float32)), objects)


def found(evidence: Evidence) -> dict[str, Finding]:
    return {finding.key: finding for finding in weigh_claims(evidence)}


def verdicts(crop: Held, window: Held | None = None) -> dict[str, str]:
    evidence = Evidence(crop, window or crop, Column("yaw", 360.0), Column("style"))
    return {key: finding.verdict for key, finding in found(evidence).items()}


def test_vectors_that_are_the_angle(objects) -> None:
    told = verdicts(held(objects, around(objects)))

    assert told["orientation"] == "holds"
    assert told["opposite"] == "holds"
    assert told["colour first"] == "does not hold"
    assert told["sub-class"] != "holds"


def test_vectors_that_are_the_style(objects) -> None:
    told = verdicts(held(objects, one_hot(STYLES, objects.factors["style"])))

    assert told["sub-class"] == "holds"
    assert told["colour first"] == "holds"
    assert told["look-alikes"] == "holds"
    assert told["orientation"] != "holds"
    assert told["classes"] != "holds"


def test_vectors_that_are_the_label(objects) -> None:
    told = verdicts(held(objects, one_hot(LABELS, objects.label)))

    assert told["classes"] == "holds"
    assert {told[key] for key in ("orientation", "opposite", "sub-class", "look-alikes")} & {"holds"} == set()


def test_noise_shows_nothing(objects) -> None:
    told = verdicts(held(objects, np.zeros((len(objects), 8)), noise=1.0))

    assert "holds" not in told.values()


def test_look_alikes_by_a_plain_loop(objects) -> None:
    window = held(objects, one_hot(STYLES, objects.factors["style"]), noise=0.5)
    finding = found(Evidence(None, window, None, Column("style")))["look-alikes"]

    style, vectors = objects.factors["style"], window.space.vectors.astype(np.float64)
    same, chance = [], []
    for row in range(len(objects)):
        others = np.flatnonzero(objects.label != objects.label[row])
        nearest = others[np.linalg.norm(vectors[others] - vectors[row], axis=1).argmin()]
        same.append(style[nearest] == style[row])
        chance.append(np.mean(style[others] == style[row]))
    assert finding.estimate.value == pytest.approx(np.mean(same))
    assert finding.estimate.chance == pytest.approx(np.mean(chance))


def test_place_is_weighed_against_the_phase_that_is_read_better(objects) -> None:
    scores = {"x1": 0.6, "y1": 0.5, "phase_x": 0.9, "phase_y": 0.0}
    readings = {
        name: Reading(np.zeros(2), {2: Estimate(r2, 0.0, r2 - 0.1, r2 + 0.1, 99, 99)})
        for name, r2 in scores.items()
    }
    xy = np.random.default_rng(2).normal(size=(99, 2))
    moved = Projection("test", "pca", xy, np.zeros(2), None, {"x1": xy[:, 0], "y1": xy[:, 1]}, readings, None)
    finding = found(Evidence(moved=(moved, moved)))["place, not phase"]

    assert (finding.estimate.value, finding.estimate.chance) == (0.5, 0.9)
    assert finding.verdict == "does not hold"


def test_what_is_missing_is_said_and_not_guessed(objects) -> None:
    findings = weigh_claims(Evidence())

    assert [finding.verdict for finding in findings] == ["not shown here"] * len(CLAIMS)
    assert all(finding.reason and finding.estimate is None for finding in findings)


def test_the_same_seed_gives_the_same_figures(objects) -> None:
    crop = held(objects, around(objects), noise=0.5)
    evidence = Evidence(crop, crop, Column("yaw", 360.0), Column("style"))

    assert weigh_claims(evidence, seed=3) == weigh_claims(evidence, seed=3)


@pytest.mark.parametrize(
    ("low", "high", "p", "better", "verdict"),
    [
        (0.6, 0.8, 0.01, 1, "holds"),
        (0.6, 0.8, 0.2, 1, "not shown here"),
        (0.6, 0.8, math.nan, 1, "holds"),
        (0.4, 0.6, 0.01, 1, "not shown here"),
        (0.2, 0.4, 1.0, 1, "does not hold"),
        (0.2, 0.4, 0.01, -1, "holds"),
        (0.6, 0.8, 1.0, -1, "does not hold"),
        (math.nan, math.nan, 0.01, 1, "not shown here"),
    ],
)
def test_a_verdict_needs_the_whole_interval_on_one_side_of_chance(low, high, p, better, verdict) -> None:
    estimate = Estimate(value=0.5, chance=0.5, low=low, high=high, n=20, clusters=20, p=p)

    assert judge(estimate, better) == verdict


@pytest.mark.parametrize(
    ("low", "high", "p", "reason"),
    [
        (0.4, 0.6, 0.01, "the interval includes chance"),
        (0.6, 0.8, 0.2, "the permutation test does not agree"),
        (math.nan, math.nan, 0.01, "there is no interval, or no chance level, to compare with"),
    ],
)
def test_what_is_not_shown_says_why(monkeypatch, low, high, p, reason) -> None:
    estimate = Estimate(value=0.7, chance=0.5, low=low, high=high, n=20, clusters=20, p=p)
    claim = replace(claims.CLAIMS[0], better=1, estimate=lambda evidence, seed: estimate)
    monkeypatch.setattr(claims, "CLAIMS", (claim,))

    (finding,) = weigh_claims(Evidence())

    assert (finding.verdict, finding.reason) == ("not shown here", reason)


def test_a_few_photos_give_no_verdict() -> None:
    few = Estimate(value=0.0, chance=0.5, low=0.0, high=0.0, n=30, clusters=9)

    assert judge(few, 1) == judge(few, -1) == "not shown here"
