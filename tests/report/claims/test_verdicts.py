"""Claims on spaces that were built so that the answer is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from objectspace.analyses import circular_geometry
from objectspace.analyses.statistics import Estimate
from objectspace.embeddings.spaces import Recipe, Space
from objectspace.objects.records import concatenate, make_objects
from objectspace.report import claims
from objectspace.report.claims import (
    CLAIMS,
    Column,
    Evidence,
    Finding,
    Judgment,
    SpaceWithObjects,
    judge,
    neighbors,
    weigh_claims,
)
from objectspace.report.claims.sign_flips import sign_flips
from objectspace.report.claims.verdicts import correct

LABELS, STYLES = ("cat", "dog"), ("red", "blue", "green")


@pytest.fixture(autouse=True)
def fewer_permutations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer permutations: the least p, 1 in 300, is below .05 also when corrected for all claims."""
    monkeypatch.setattr(neighbors, "PERMUTED", 299)


@pytest.fixture(scope="module")
def objects():
    """160 objects, one a photo: label, style and yaw drawn independently of each other."""
    random = np.random.default_rng(0)
    parts = []
    for number in range(160):
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


def held(objects, *parts: np.ndarray, noise: float = 0.01) -> SpaceWithObjects:
    random = np.random.default_rng(4)
    vectors = np.column_stack(parts)
    vectors = vectors + noise * random.standard_normal(vectors.shape)
    recipe = Recipe("crop", "test", "0" * 64, "tap", {}, "float32", "0")
    return SpaceWithObjects(Space("test", recipe, objects.object_id, vectors.astype(np.float32)), objects)


def found(evidence: Evidence, *keys: str) -> dict[str, Finding]:
    """The findings of all claims, or of some alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims, "CLAIMS", tuple(one for one in CLAIMS if not keys or one.key in keys))
        return {finding.key: finding for finding in weigh_claims(evidence)}


def verdicts(crop: SpaceWithObjects, *keys: str) -> dict[str, str]:
    evidence = Evidence(crop, crop, None, Column("yaw", 360.0), Column("style"))
    return {key: finding.verdict for key, finding in found(evidence, *keys).items()}


def test_vectors_that_are_the_angle(objects) -> None:
    told = verdicts(held(objects, around(objects)))

    assert told["orientation"] == "holds"
    assert told["opposite"] == "holds"
    assert told["color first"] == "does not hold"
    assert told["sub-class"] != "holds"


def test_vectors_that_are_the_style(objects) -> None:
    told = verdicts(held(objects, one_hot(STYLES, objects.factors["style"])))

    assert told["sub-class"] == "holds"
    assert told["color first"] == "holds"
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
    finding = found(Evidence(None, window, None, None, Column("style")), "look-alikes")["look-alikes"]

    style, vectors = objects.factors["style"], window.space.vectors.astype(np.float64)
    same, chance = [], []
    for row in range(len(objects)):
        others = np.flatnonzero(objects.label != objects.label[row])
        nearest = others[np.linalg.norm(vectors[others] - vectors[row], axis=1).argmin()]
        same.append(style[nearest] == style[row])
        chance.append(np.mean(style[others] == style[row]))
    assert finding.estimate.value == pytest.approx(np.mean(same))
    assert finding.estimate.chance == pytest.approx(np.mean(chance))


def test_look_alikes_are_of_objects_that_have_one_of_another_label_in_another_photo(objects) -> None:
    """All dogs are in the photo of one cat: that cat has nobody to be like."""
    cats, dogs = np.flatnonzero(objects.label == "cat")[:9], np.flatnonzero(objects.label == "dog")[:3]
    photo = np.array([f"{number:032x}" for number in (*range(9), 0, 0, 0)])
    moved = replace(objects.take(np.concatenate([cats, dogs])), image_id=photo)
    random = np.random.default_rng(6)
    window = held(moved, random.normal(size=(12, 4)))
    finding = found(Evidence(None, window, None, None, Column("style")), "look-alikes")["look-alikes"]
    vectors, style, same = window.space.vectors.astype(np.float64), moved.factors["style"], []
    for row in range(1, 12):
        others = np.flatnonzero((moved.label != moved.label[row]) & (photo != photo[row]))
        nearest = others[np.linalg.norm(vectors[others] - vectors[row], axis=1).argmin()]
        same.append(style[nearest] == style[row])
    assert finding.estimate.n == 11
    assert finding.estimate.value == pytest.approx(np.mean(same))


@pytest.mark.parametrize(
    ("orientation", "share"),
    [
        (Column("yaw", 360.0), 1),
        (Column("yaw", 180.0), 1 / 2),
        (Column("yaw"), 1),
        (Column("height", extent=30.0), 30 / 3 / 90),
        (None, 1),
    ],
)
def test_degrees_worth_saying_are_of_a_turn_of_360(orientation: Column | None, share: float) -> None:
    claim = next(one for one in CLAIMS if one.key == "orientation")
    assert claims._worth(claim, Evidence(orientation=orientation)) == pytest.approx(claim.worth * share)
    other = next(one for one in CLAIMS if one.key == "sub-class")
    assert claims._worth(other, Evidence(orientation=orientation)) == other.worth


def test_claims_are_worth_saying_from_where_docs_measures_states() -> None:
    """Of distances in degrees and of what t-SNE keeps less is better, of all else more."""
    stated = {"orientation": (-1, 15), "own cell": (1, 0.5), "location": (1, 0.5), "t-SNE": (-1, 0.5)}
    assert {claim.key: (claim.better, claim.worth) for claim in CLAIMS} == {
        claim.key: stated.get(claim.key, (1, 0.1)) for claim in CLAIMS
    }


def test_signs_are_flipped_as_often_as_docs_measures_states() -> None:
    assert len(sign_flips(np.ones(3))[1]) == 4999


def test_what_is_missing_is_said_and_not_guessed(objects) -> None:
    findings = weigh_claims(Evidence())

    assert [finding.verdict for finding in findings] == ["not tested"] * len(CLAIMS)
    assert all(finding.reason and finding.estimate is None for finding in findings)


def test_a_claim_says_which_column_it_needs(objects) -> None:
    crop = held(objects, around(objects), noise=0.5)
    told = {finding.key: finding.reason for finding in weigh_claims(Evidence(crop, crop))}

    assert told["orientation"] == told["opposite"] == "needs a column of orientation, such as azimuth"
    assert told["sub-class"] == told["look-alikes"] == "needs a column of style or sort, such as breed"


def test_each_claim_is_a_step(objects, logged) -> None:
    crop = held(objects, around(objects), noise=0.5)
    weigh_claims(Evidence(crop=crop, both=crop))

    steps = [record.getMessage() for record in logged if record.name == "objectspace.steps"]
    assert steps[2] == "claim 3 of 12: Color counts before orientation."
    assert "claim 3 of 12, in the joint space: Color counts before orientation." in steps
    assert steps.count("claim 1 of 12, for each label") == 1


def test_the_same_seed_gives_the_same_figures(objects, monkeypatch) -> None:
    monkeypatch.setattr(neighbors, "PERMUTED", 19)
    monkeypatch.setattr(circular_geometry, "PERMUTED", 19)
    crop = held(objects, around(objects), noise=0.5)
    evidence = Evidence(crop, crop, None, Column("yaw", 360.0), Column("style"))

    assert weigh_claims(evidence, seed=3) == weigh_claims(evidence, seed=3)


@pytest.mark.parametrize(
    ("low", "value", "high", "p", "better", "verdict"),
    [
        (0.55, 0.7, 0.8, 0.01, 1, "holds"),
        (0.55, 0.7, 0.8, 0.05, 1, "holds"),
        (0.55, 0.61, 0.8, 0.01, 1, "holds"),
        (0.55, 0.59, 0.8, 0.01, 1, "better than chance"),
        (0.55, 0.7, 0.8, 0.06, 1, "not shown here"),
        (0.55, 0.7, 0.8, None, 1, "not shown here"),
        (0.5, 0.7, 0.8, 0.01, 1, "not shown here"),
        (0.2, 0.3, 0.4, 0.01, 1, "does not hold"),
        (0.2, 0.3, 0.4, 0.06, 1, "not shown here"),
        (0.2, 0.3, 0.4, None, 1, "not shown here"),
        (0.2, 0.3, 0.4, 0.01, -1, "holds"),
        (0.2, 0.45, 0.49, 0.01, -1, "better than chance"),
        (0.55, 0.7, 0.8, 0.01, -1, "does not hold"),
        (math.nan, 0.7, math.nan, 0.01, 1, "not shown here"),
    ],
)
def test_a_verdict_needs_test_and_interval_on_either_side(low, value, high, p, better, verdict) -> None:
    """Chance is 0.5, and 0.1 from it is worth saying."""
    estimate = Estimate(value=value, chance=0.5, low=low, high=high, n=20, groups=20, p=p)

    assert judge(estimate, better, 0.1).verdict == verdict


@pytest.mark.parametrize(
    ("value", "excess", "verdict"),
    [
        (0.5, (0.01, 0.05), "holds"),
        (0.5, (-0.01, 0.05), "not shown here"),
        (0.44, (-0.05, -0.01), "does not hold"),
    ],
)
def test_an_estimated_chance_is_resampled_with_the_value(value, excess, verdict) -> None:
    """The interval of the value alone includes chance, and does not decide."""
    estimate = Estimate(value, 0.47, low=0.3, high=0.7, n=20, groups=20, p=0.01, excess=excess)

    assert judge(estimate, 1, 0.02).verdict == verdict


@pytest.mark.parametrize(
    ("low", "high", "p", "reason"),
    [
        (0.4, 0.8, 0.01, "the interval includes chance"),
        (0.6, 0.8, 0.2, "the permutation test finds no difference from chance"),
        (0.6, 0.8, None, "there is nothing to exchange, so it cannot be tested"),
        (math.nan, math.nan, 0.01, "there is no interval: value or chance is not known"),
    ],
)
def test_what_is_not_shown_says_why(monkeypatch, low, high, p, reason) -> None:
    estimate = Estimate(value=0.7, chance=0.5, low=low, high=high, n=20, groups=20, p=p)
    claim = replace(claims.CLAIMS[3], estimate=lambda evidence, seed: estimate)
    monkeypatch.setattr(claims, "CLAIMS", (claim,))

    (finding,) = weigh_claims(Evidence())

    assert (finding.verdict, finding.reason) == ("not shown here", reason)


def test_a_few_photos_give_no_verdict() -> None:
    few = Estimate(value=0.0, chance=0.5, low=0.0, high=0.0, n=30, groups=9, p=0.01)

    assert judge(few, 1, 0.1).verdict == judge(few, -1, 0.1).verdict == "not shown here"


def test_holm_by_hand() -> None:
    """Of .01 .04 .03 .02: .01 x 4, .02 x 3, then .03 x 2 and .04 x 1, none below the one before."""
    tested = [Judgment(Estimate(1, 0, 1, 1, 9, 9, p), "holds") for p in (0.01, 0.04, 0.03, 0.02)]
    unknown = [Judgment(None, "not shown here"), Judgment(Estimate(1, 0, 1, 1, 9, 9), "not shown here")]

    corrected = correct([unknown[0], *tested, unknown[1]])

    assert [one.holm for one in corrected[1:-1]] == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert corrected[0].holm is corrected[-1].holm is None


def test_style_and_orientation_held_alike_come_in_no_order() -> None:
    """Three styles and three directions, of one geometry: what one gains the other does."""
    random = np.random.default_rng(1)
    parts = [
        make_objects(
            image_id=f"{number:032x}",
            xyxy=np.array([[0, 0, 10, 10]], np.float32),
            label=["cat"],
            source="test",
            factors={
                "style": np.array([random.choice(STYLES)], object),
                "yaw": np.array([random.choice([0.0, 120.0, 240.0])]),
            },
        )
        for number in range(120)
    ]
    alike = concatenate(parts)
    style = one_hot(STYLES, alike.factors["style"])
    yaw = one_hot((0, 120, 240), alike.factors["yaw"])

    assert verdicts(held(alike, style, yaw, noise=0.6), "color first")["color first"] == "not shown here"
    assert verdicts(held(alike, 3 * style, yaw, noise=0.6), "color first")["color first"] == "holds"
    assert verdicts(held(alike, style, 3 * yaw, noise=0.6), "color first")["color first"] == "does not hold"


def test_color_first_leaves_out_objects_of_which_one_is_unknown(objects) -> None:
    crop = held(objects, one_hot(STYLES, objects.factors["style"]))
    yaw = objects.factors["yaw"].copy()
    yaw[::4] = np.nan
    partly = replace(objects, factors={**objects.factors, "yaw": yaw})

    finding = found(
        Evidence(SpaceWithObjects(crop.space, partly), None, None, Column("yaw", 360.0), Column("style")),
        "color first",
    )["color first"]

    assert finding.estimate.n == np.isfinite(yaw).sum()


def test_each_label_has_a_verdict_of_its_own(objects) -> None:
    """Cats are where they face; the vectors of dogs say nothing."""
    cats = (objects.label == "cat")[:, None]
    random = np.random.default_rng(5).normal(size=(len(objects), 2))
    crop = held(objects, np.where(cats, around(objects), random))

    told = found(Evidence(crop, None, None, Column("yaw", 360.0)))

    assert {label: one.verdict for label, one in told["orientation"].labels.items()} == {
        "cat": "holds",
        "dog": "not shown here",
    }
    of_cats = told["orientation"].labels["cat"].estimate
    assert of_cats.n == cats.sum()
    assert told["opposite"].labels["cat"].verdict == "holds"
    assert not told["sub-class"].labels


def test_degrees_worth_saying_are_of_a_full_turn(objects, monkeypatch) -> None:
    monkeypatch.setattr(neighbors, "PERMUTED", 9)
    half = replace(objects, factors={**objects.factors, "yaw": objects.factors["yaw"] / 2})
    crop = held(half, around(objects))

    full, of_half = (
        found(Evidence(crop, None, None, Column("yaw", period)), "orientation")["orientation"].worth
        for period in (360, 180)
    )

    assert (full, of_half) == (15, 7.5)


def test_an_orientation_that_is_a_length_has_neighbors_and_no_opposite(objects) -> None:
    """Of angles that are lengths 359 and 1 are far apart; of evenly spread ones a third of all is chance."""
    yaw = objects.factors["yaw"]
    crop = held(objects, np.stack([yaw, np.zeros(len(yaw))], axis=1) / 360)
    told = found(Evidence(crop, None, None, Column("yaw", extent=float(np.ptp(yaw))), Column("style")))

    facing = told["orientation"]
    assert facing.verdict == "holds"
    assert facing.worth == pytest.approx(np.ptp(yaw) / 18)
    assert (facing.unit, "mean difference" in facing.measure) == ("the column's unit", True)
    apart = np.abs(yaw[:, None] - yaw)[objects.label[:, None] == objects.label]
    assert facing.estimate.chance == pytest.approx(apart.mean(), rel=0.1)
    assert told["opposite"].reason == "yaw is taken as a length, of which no two views are opposite"
    assert told["color first"].verdict == "does not hold"


def test_claims_about_a_space_are_judged_in_the_joint_one_too(objects, monkeypatch) -> None:
    monkeypatch.setattr(neighbors, "PERMUTED", 149)
    noise, label = (held(objects, part, noise=0.5) for part in (0 * around(objects), around(objects)))
    told = found(Evidence(noise, noise, label, Column("yaw", 360.0), Column("style")))

    assert told["orientation"].verdict == "not shown here"
    assert told["orientation"].both.verdict == "holds"
    assert {key for key, finding in told.items() if finding.both is None} == {
        "own cell",
        "location",
        "place, not phase",
        "t-SNE",
    }


def test_windows_of_the_detector_that_gave_the_labels_hold_them_by_construction(objects) -> None:
    window = held(objects, one_hot(LABELS, objects.label))
    detected = SpaceWithObjects(
        window.space, replace(objects, source=np.array(["test@0123"] * len(objects), object))
    )

    by_construction = [found(Evidence(None, one))["classes"].by_construction for one in (window, detected)]

    assert by_construction[0] == ""
    assert "the detector's own predictions" in by_construction[1]


def test_look_alikes_that_are_equally_near_count_by_half() -> None:
    """A red cat is as far from a red dog as from a blue one; which of them has the smaller id is nothing."""

    def share(first: str, second: str) -> float:
        rows = [("cat", "red"), ("dog", first), ("dog", second), ("cat", "blue")]
        pair = concatenate(
            [
                make_objects(
                    image_id=f"{number:032x}",
                    xyxy=np.array([[0, 0, 10, 10]], np.float32),
                    label=[label],
                    source="test",
                    factors={"style": np.array([style], object)},
                )
                for number, (label, style) in enumerate(rows)
            ]
        )
        vectors = np.array([[0.0], [1.0], [1.0], [5.0]], np.float32)
        recipe = Recipe("window", "test", "0" * 64, "tap", {}, "float32", "0")
        window = SpaceWithObjects(Space("test", recipe, pair.object_id, vectors), pair)
        evidence = Evidence(None, window, None, None, Column("style"))
        return found(evidence, "look-alikes")["look-alikes"].estimate.value

    # The red cat and the blue one find half each; the dogs find the red cat.
    assert share("red", "blue") == share("blue", "red") == pytest.approx((0.5 + 0.5 + 1 + 0) / 4)


def test_two_groups_are_too_few_and_no_error(objects) -> None:
    """Without one of two groups nothing is left to compare with."""
    halves = replace(objects, factors={**objects.factors, "half": np.array(["a", "b"] * 80, object)})
    window = held(halves, one_hot(LABELS, halves.label))

    finding = found(Evidence(None, window, group="half"))["classes"]

    assert (finding.verdict, finding.reason) == ("not shown here", "2 photos or groups are too few")
