from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from objectspace.images import Image, image_from_array
from objectspace.objects.annotations import open_annotations
from objectspace.objects.annotations.annotation_reader import ShapeError
from objectspace.objects.annotations.yolo_lines import landmarks_of, shape_of_line
from objectspace.objects.records import Objects

#: The dog of a photo of 768 x 576 pixels: 128, 222 to 312, 539.
DOG = "0 0.286458 0.660590 0.239583 0.550347"
XYXY = [[128, 222, 312, 539]]
UNKNOWN = " ".join(["-1"] * 10)
#: Points in the dog's box, as eyes, nose and mouth are in a face's.
FIVE = "0.24 0.55 0.33 0.55 0.29 0.66 0.24 0.8 0.33 0.8"
FOUR = "0.2 0.5 0.37 0.5 0.37 0.9 0.2 0.9"
KEYPOINTS = "0.24 0.55 2 0.33 0.55 1 0 0 0"

Read = Callable[[str], Objects]


def photo() -> Image:
    return image_from_array(np.zeros((576, 768, 3), np.uint8), path="photos/dog.jpg")


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def objects(text: str) -> Objects:
        (tmp_path / "dog.txt").write_text(text)
        return open_annotations(tmp_path, names=["dog", "cat"]).objects_of(photo()).objects

    return objects


@pytest.mark.parametrize("rest", [UNKNOWN, FIVE, FOUR, KEYPOINTS, "0.3 0.6 -1 -1"])
def test_a_box_with_landmarks_is_the_box(read: Read, rest: str) -> None:
    objects = read(f"{DOG} {rest}")
    np.testing.assert_allclose(objects.xyxy, XYXY, atol=0.01)
    assert objects.mask.tolist() == [None]


def test_landmarks_that_are_left_out_are_told(tmp_path: Path) -> None:
    (tmp_path / "dog.txt").write_text(f"{DOG} {FIVE}")
    (note,) = open_annotations(tmp_path, names=["dog"]).coverage(["dog.jpg"]).notes
    assert note == "lines of 14 numbers are read as a box and landmarks, which are left out"


def test_lines_of_a_box_alone_may_stand_between_landmarks(read: Read) -> None:
    assert len(read(f"{DOG} {FIVE}\n1 0.5 0.5 0.1 0.1")) == 2


@pytest.mark.parametrize(
    "polygon",
    [
        "0.4 0.4 0.6 0.4 0.6 0.6 0.4 0.6",  # an oriented box that happens to be upright
        "0.45 0.4 0.6 0.45 0.55 0.6 0.4 0.55",
        "0.5 0.1 0.9 0.9 0.1 0.9",
        "0.5 0.5 0.6 0.5 0.65 0.6 0.6 0.7 0.5 0.7 0.45 0.6",
        "0.45 0.45 0.5 0.44 0.55 0.5 0.5 0.55 0.44 0.5",
    ],
)
def test_a_polygon_stays_one(read: Read, polygon: str) -> None:
    objects = read(f"0 {polygon}")
    points = np.array(polygon.split(), float).reshape(-1, 2) * (768, 576)
    np.testing.assert_allclose(objects.xyxy, [[*points.min(0), *points.max(0)]], rtol=1e-6)
    assert objects.mask[0] is not None


def test_one_line_that_can_be_no_box_with_landmarks_makes_all_polygons() -> None:
    assert landmarks_of([f"{DOG} {FIVE}"]) == 10
    assert (
        landmarks_of([f"{DOG} {FIVE}", "0 0.9 0.9 0.95 0.9 0.95 0.95 0.92 0.97 0.9 0.95 0.9 0.92 0.9 0.91"])
        == 0
    )
    assert landmarks_of([f"{DOG} {FIVE}", f"{DOG} {FOUR}"]) == 0
    assert landmarks_of([DOG, ""]) == 0


def test_many_lines_that_all_can_be_boxes_with_landmarks_are() -> None:
    eyes = [f"0 {x} 0.5 0.1 0.1 {x} 0.5 {x + 0.02} 0.51 {x} 0.52" for x in (0.1, 0.3, 0.5, 0.7, 0.9)]
    assert landmarks_of(eyes) == 6
    assert landmarks_of(eyes[:1]) == 0


def test_a_data_yaml_says_that_its_lines_have_keypoints(tmp_path: Path) -> None:
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    # Read as a polygon this could be one.
    (tmp_path / "labels/dog.txt").write_text("0 0.5 0.5 0.2 0.2 0.9 0.9 0.1 0.9")
    (tmp_path / "data.yaml").write_text("names: [dog]\ntrain: images\nkpt_shape: [2, 2]\n")
    image = image_from_array(np.zeros((100, 100, 3), np.uint8), path=str(tmp_path / "images/dog.jpg"))
    objects = open_annotations(tmp_path / "data.yaml").objects_of(image).objects
    np.testing.assert_allclose(objects.xyxy, [[40, 40, 60, 60]], rtol=1e-6)


def test_a_confidence_after_the_box_is_its_score(read: Read) -> None:
    objects = read(f"{DOG} 0.91\n1 0.5 0.5 0.2 0.2")
    np.testing.assert_allclose(objects.xyxy[:1], XYXY, atol=0.01)
    np.testing.assert_array_equal(objects.score, np.array([0.91, np.nan], np.float32))


def test_a_confidence_after_a_polygon_is_its_score(read: Read) -> None:
    objects = read("0 0.1 0.2 0.5 0.2 0.5 0.6 0.1 0.6 0.25")
    assert objects.score.tolist() == [0.25]
    np.testing.assert_allclose(objects.xyxy, [[76.8, 115.2, 384, 345.6]], rtol=1e-6)


@pytest.mark.parametrize("number", ["1.000000000000000000e+00", "1.0", "+1"])
def test_a_class_may_be_written_as_a_decimal(read: Read, number: str) -> None:
    assert read(f"{number} 0.5 0.5 0.2 0.2").label.tolist() == ["cat"]


@pytest.mark.parametrize(
    ("line", "xyxy"),
    [
        # The farthest that a box may reach: a whole side before the photo, and a whole side after it.
        ("0.5 0.5 3 3", [0, 0, 768, 576]),
        ("0 0.5 2 0.5", [0, 144, 768, 432]),
        ("0.5 0 0.5 2", [192, 0, 576, 576]),
        ("1.25 0.5 1.5 0.5", [384, 144, 768, 432]),
        ("0.5 1.25 0.5 1.5", [192, 288, 576, 576]),
    ],
)
def test_a_box_over_the_border_is_cut_at_it(read: Read, line: str, xyxy: list[float]) -> None:
    assert read(f"1 {line}").xyxy.tolist() == [xyxy]


@pytest.mark.parametrize("line", ["0 0.5 2.1 0.5", "0.5 0 0.5 2.1", "1.3 0.5 1.5 0.5", "0.5 1.3 0.5 1.5"])
def test_a_box_far_over_the_border_is_in_pixels(read: Read, line: str) -> None:
    with pytest.raises(ShapeError, match="far outside the photo; expected fractions"):
        shape_of_line(f"1 {line}".split(), ["dog", "cat"], (768, 576), 0)


@pytest.mark.parametrize("number", ["-1", "2", "0.5", "dog", "nan"])
def test_a_class_that_has_no_name_is_refused(number: str) -> None:
    with pytest.raises(ShapeError, match="class"):
        shape_of_line([number, "0.5", "0.5", "0.2", "0.2"], ["dog", "cat"], (768, 576), 0)


@pytest.mark.parametrize("line", ["0.5 0.5 0 0.2", "0.5 0.5 0.2 0", "0.5 0.5 -0.1 0.2", "0.5 0.5 0.2 -0.1"])
def test_a_box_without_area_is_refused(line: str) -> None:
    with pytest.raises(ShapeError, match="the box has no area"):
        shape_of_line(f"0 {line}".split(), ["dog"], (768, 576), 0)


@pytest.mark.parametrize(("score", "fits"), [("0", True), ("1", True), ("-0.01", False), ("1.01", False)])
def test_a_confidence_is_from_0_to_1(score: str, fits: bool) -> None:
    line = f"0 0.5 0.5 0.2 0.2 {score}".split()
    if fits:
        assert shape_of_line(line, ["dog"], (768, 576), 0).score == float(score)
    else:
        with pytest.raises(ShapeError, match=r"has 5 numbers after the class, .* a confidence from 0 to 1"):
            shape_of_line(line, ["dog"], (768, 576), 0)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_numbers_are_counted(count: int) -> None:
    with pytest.raises(ShapeError, match=rf"has {count} numbers after the class, expected 4 \(box\)"):
        shape_of_line(["0", *["0.5"] * count], ["dog"], (768, 576), 0)


def lines(center: tuple[float, float], sides: tuple[float, float], *points: float) -> list[str]:
    """Enough lines of a box and these points to be taken for landmarks, if each can be."""
    return ["0 " + " ".join(map(str, (*center, *sides, *points)))] * 5


@pytest.mark.parametrize(
    ("center", "sides"), [((0.1, 0.5), (0.2, 0.6)), ((0.5, 0.1), (0.6, 0.2)), ((0.9, 0.5), (0.2, 0.6))]
)
def test_the_box_of_landmarks_reaches_two_hundredths_over_the_photo(
    center: tuple[float, float], sides: tuple[float, float]
) -> None:
    x, y = center
    points = (x - 0.04, y, x + 0.04, y, x, y + 0.04)
    side = int(np.argmin(sides))
    for over, expected in ((0.0, 6), (0.038, 6), (0.042, 0)):
        wider = [*sides]
        wider[side] += over
        assert landmarks_of(lines(center, (wider[0], wider[1]), *points)) == expected


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("direction", [-1, 1])
def test_landmarks_reach_two_hundredths_of_the_box_over_it(axis: int, direction: int) -> None:
    center, sides = (0.4, 0.6), (0.2, 0.1)
    for over, expected in ((0.515, 6), (0.525, 0)):
        far = [*center]
        far[axis] += direction * over * sides[axis]
        assert landmarks_of(lines(center, sides, *center, 0.41, 0.61, *far)) == expected


@pytest.mark.parametrize("axis", [0, 1])
def test_landmarks_are_spread_over_a_tenth_of_the_box_or_more(axis: int) -> None:
    center, sides = (0.4, 0.6), (0.2, 0.1)
    for share, expected in ((0.11, 6), (0.09, 0)):
        far = [*center]
        far[axis] += share * sides[axis]
        assert landmarks_of(lines(center, sides, *center, *center, *far)) == expected


def test_five_lines_are_enough_and_four_are_not() -> None:
    eyes = lines((0.5, 0.5), (0.1, 0.1), 0.5, 0.5, 0.52, 0.51, 0.5, 0.52)
    assert landmarks_of(eyes) == 6
    assert landmarks_of(eyes[:4]) == 0


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(("off", "expected"), [(0.0, 0), (0.009, 0), (0.011, 4), (-0.009, 0), (-0.011, 4)])
def test_four_corners_whose_diagonals_meet_are_an_oriented_box(axis: int, off: float, expected: int) -> None:
    """Corners that can be a box and two points in it, five lines of them; the last one is moved."""
    corners = np.array([[0.4, 0.4], [0.6, 0.5], [0.58, 0.6], [0.38, 0.5]])
    corners[3, axis] += off
    assert landmarks_of([f"0 {' '.join(map(str, corners.reshape(-1)))}"] * 5) == expected
