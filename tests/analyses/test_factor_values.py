"""Factor columns and the agreement of random objects, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from objectspace.analyses.factor_values import Factor, control_levels, random_agreement, read_factor
from objectspace.analyses.groups import Groups, make_groups
from objectspace.errors import InputError
from objectspace.objects.records import Objects, make_objects

BOXES = np.array([[0, 0, 4, 9], [10, 20, 30, 60], [2, 2, 3, 3]], np.float32)


@pytest.fixture
def objects() -> Objects:
    made = make_objects(image_id="photo", xyxy=BOXES, label=["cat", "dog", "cat"], source="s")
    texts = np.array(["red", None, ""], object)
    return made.with_factors(
        {"angle": np.array([-1e-20, 370.0, np.nan]), "apple": np.array([10.0, 2.0, 2.0]), "style": texts}
    )


def test_built_in_factors_are_of_the_box(objects: Objects) -> None:
    values = {name: read_factor(objects, name)[0].values.tolist() for name in ("x", "y", "x1", "y1", "size")}
    assert values["x"] == [2, 20, 2.5]
    assert values["y"] == [4.5, 40, 2.5]
    assert (values["x1"], values["y1"]) == ([0, 10, 2], [0, 20, 2])
    assert values["size"] == pytest.approx([6, np.sqrt(800), 1])


def test_texts_and_labels_are_categories(objects: Objects) -> None:
    factor, known = read_factor(objects, "label")
    assert (factor.kind, factor.categories, factor.values.tolist()) == (
        "categorical",
        ("cat", "dog"),
        [0, 1, 0],
    )
    style, known = read_factor(objects, "style")
    assert (style.categories, known.tolist()) == (("red",), [True, False, False])


def test_numbers_can_be_names_in_their_order(objects: Objects) -> None:
    factor, _ = read_factor(objects, "apple", categorical=True)
    assert (factor.categories, factor.values.tolist()) == (("2", "10"), [1, 0, 0])


def test_angles_turn_into_one_period(objects: Objects) -> None:
    factor, known = read_factor(objects, "angle", circular=360)
    assert factor.values.tolist() == [0, 10]
    assert known.tolist() == [True, True, False]


def test_a_users_own_column_comes_before_a_built_in_one(objects: Objects) -> None:
    own = objects.with_factors({"x": np.array([7.0, 8.0, 9.0])})
    assert read_factor(own, "x")[0].values.tolist() == [7, 8, 9]


def test_a_name_that_is_the_users_and_built_in_is_listed_once(objects: Objects) -> None:
    own = objects.with_factors({"x": np.array([7.0, 8.0, 9.0])})
    with pytest.raises(InputError, match=r"one of angle, .*x, label, y, x1, y1, size"):
        read_factor(own, "azimuth")


@pytest.mark.parametrize(
    ("name", "circular", "message"),
    [
        ("angel", None, "did you mean angle"),
        ("style", 360.0, "factor style holds texts"),
        ("apple", 0.0, "expected a number above 0"),
        ("apple", float("nan"), "expected a number above 0"),
        ("apple", float("inf"), "expected a number above 0"),
        ("apple", -360.0, "expected a number above 0"),
    ],
)
def test_bad_questions(objects: Objects, name: str, circular: float | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_factor(objects, name, circular=circular)


def test_difference_of_angles_goes_the_shorter_way() -> None:
    factor = Factor("a", "circular", np.array([]), 360)
    assert factor.compare(np.array([350.0, 0.0, 90.0]), np.array([10.0, 180.0, 80.0])).tolist() == [
        20,
        180,
        10,
    ]


def test_bounds_of_a_mean_are_what_can_be_compared() -> None:
    kinds = {"categorical": (0, 1), "linear": (0, np.inf), "circular": (0, 180)}
    for kind, bounds in kinds.items():
        made = Factor("a", kind, np.array([]), 360).bounds  # type: ignore[arg-type]
        assert (made.low, made.high) == bounds


def test_numbers_of_many_values_are_cut_into_ten_equal_classes() -> None:
    level = control_levels(np.random.default_rng(0).normal(size=1000))
    assert np.bincount(level).tolist() == [100] * 10


def test_numbers_of_few_values_are_their_own_levels() -> None:
    assert control_levels(np.array([0.0, 90.0, 0.0, 45.0])).tolist() == [0, 2, 0, 1]


def looped(factor: Factor, groups: Groups) -> list[float]:
    means = []
    for row in range(len(groups)):
        others = [
            other
            for other in range(len(groups))
            if groups.group[other] != groups.group[row] and groups.level[other] == groups.level[row]
        ]
        one = np.full(len(others), factor.values[row])
        means.append(float(factor.compare(one, factor.values[others]).mean()))
    return means


@pytest.mark.parametrize("kind", ["categorical", "linear", "circular"])
@pytest.mark.parametrize("rounded", [True, False])
def test_agreement_of_random_objects_equals_a_double_loop(kind: str, rounded: bool) -> None:
    rng = np.random.default_rng(1)
    values = rng.uniform(0, 360, 80)
    if rounded:
        values = np.floor(values / 45) * 45
    if kind == "categorical":
        values = np.floor(values / 45)
    factor = Factor("f", kind, values, 360)
    groups = make_groups(rng.integers(0, 12, 80), level=rng.integers(0, 3, 80))
    assert random_agreement(factor, factor.values, groups) == pytest.approx(looped(factor, groups))
