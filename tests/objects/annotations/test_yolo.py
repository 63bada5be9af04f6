from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from objectspace.errors import AnnotationError
from objectspace.images import Image, image_from_array
from objectspace.objects.annotations import Annotated, Coverage, open_annotations
from objectspace.objects.masks import decode, mask_box

NAMES = ("cat", "dog", "cow")
Annotate = Callable[[str | bytes], Annotated]


def photo(path: str = "photos/7.jpg", width: int = 100, height: int = 50) -> Image:
    return image_from_array(np.zeros((height, width, 3), np.uint8), path=path)


@pytest.fixture
def annotate(tmp_path: Path) -> Annotate:
    """Reads one label file of a photo of 100 x 50 pixels."""

    def read(text: str | bytes) -> Annotated:
        (tmp_path / "7.txt").write_bytes(text.encode() if isinstance(text, str) else text)
        return open_annotations(tmp_path, names=NAMES).objects_of(photo())

    return read


# Boxes and polygons


def test_a_box_by_its_center(annotate: Annotate) -> None:
    annotated = annotate("1 0.5 0.5 0.2 0.4\n")
    np.testing.assert_allclose(annotated.objects.xyxy, [[40, 15, 60, 35]], rtol=1e-6)
    assert annotated.objects.label.tolist() == ["dog"]
    assert annotated.objects.mask.tolist() == [None]
    assert np.isnan(annotated.objects.score).all()
    assert annotated.problems == ()


def test_a_polygon_has_its_extent_as_box_and_a_mask(annotate: Annotate) -> None:
    objects = annotate("0 0.1 0.2 0.5 0.2 0.5 0.6 0.1 0.6").objects
    np.testing.assert_allclose(objects.xyxy, [[10, 10, 50, 30]], rtol=1e-6)
    expected = np.zeros((50, 100), bool)
    expected[10:30, 10:50] = True
    np.testing.assert_array_equal(decode(objects.mask[0]), expected)


def test_the_extent_of_a_polygon_is_not_rounded_to_pixels(annotate: Annotate) -> None:
    objects = annotate("0 0.123 0.2 0.517 0.2 0.517 0.6").objects
    np.testing.assert_allclose(objects.xyxy, [[12.3, 10, 51.7, 30]], rtol=1e-6)


def test_a_polygon_too_thin_for_a_pixel_has_no_mask(annotate: Annotate) -> None:
    objects = annotate("0 0.101 0.201 0.102 0.201 0.102 0.202").objects
    assert len(objects) == 1
    assert objects.mask.tolist() == [None]


def test_tiny_objects_are_kept(annotate: Annotate) -> None:
    assert len(annotate("0 0.5 0.5 0.0001 0.0001").objects) == 1


def test_lines_keep_their_order(annotate: Annotate) -> None:
    objects = annotate("2 0.5 0.5 0.1 0.1\n0 0.2 0.5 0.1 0.1\n\n1 0.4 0.5 0.1 0.1").objects
    assert objects.label.tolist() == ["cow", "cat", "dog"]


def test_the_same_annotation_twice_is_one_object(annotate: Annotate) -> None:
    annotated = annotate("0 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.2 0.2\n")
    assert len(annotated.objects) == 1
    assert annotated.problems == ()


def test_byte_order_mark_tabs_and_windows_line_ends(annotate: Annotate) -> None:
    annotated = annotate(b"\xef\xbb\xbf0\t0.5 0.5  0.2 0.2\r\n1 0.2 0.2 0.1 0.1\r\n")
    assert annotated.objects.label.tolist() == ["cat", "dog"]
    assert annotated.problems == ()


def test_old_class_names_become_cocos(tmp_path: Path) -> None:
    (tmp_path / "7.txt").write_text("0 0.5 0.5 0.2 0.2")
    annotated = open_annotations(tmp_path, names=["sofa"]).objects_of(photo())
    assert annotated.objects.label.tolist() == ["couch"]


@pytest.mark.parametrize(
    ("line", "xyxy"),
    [
        ("0 0.0 0.5 0.2 0.4", [0, 15, 10, 35]),
        ("0 1.5 0.5 1.0 0.4", None),
        ("0 1.3 0.5 1.0 0.4", [80, 15, 100, 35]),
        ("0 -0.2 -0.2 0.4 0.4 0.4 -0.2", [0, 0, 40, 20]),
    ],
)
def test_what_reaches_over_the_border_is_cut_off(
    annotate: Annotate, line: str, xyxy: list[float] | None
) -> None:
    objects = annotate(line).objects
    np.testing.assert_allclose(objects.xyxy, np.array([] if xyxy is None else xyxy).reshape(-1, 4), rtol=1e-5)


# Which file


def test_a_photo_without_a_label_file_has_no_objects(tmp_path: Path) -> None:
    (tmp_path / "8.txt").write_text("0 0.5 0.5 0.2 0.2")
    annotated = open_annotations(tmp_path, names=NAMES).objects_of(photo())
    assert len(annotated.objects) == 0
    assert annotated.problems == ()


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_label_file_has_no_objects(annotate: Annotate, text: str) -> None:
    annotated = annotate(text)
    assert len(annotated.objects) == 0
    assert annotated.problems == ()


def test_label_folders_may_repeat_the_photos_folders(tmp_path: Path) -> None:
    for name in ("train/7.txt", "val/7.txt", "7.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / "train/7.txt").write_text("0 0.5 0.5 0.2 0.2")
    (tmp_path / "val/7.txt").write_text("1 0.5 0.5 0.2 0.2")
    (tmp_path / "7.txt").write_text("2 0.5 0.5 0.2 0.2")
    reader = open_annotations(tmp_path, names=NAMES)
    labels = [
        reader.objects_of(photo(f"/d/{name}/7.jpg")).objects.label[0] for name in ("train", "val", "test")
    ]
    assert labels == ["cat", "dog", "cow"]


def test_what_the_photos_and_the_label_files_do_not_share_is_counted(tmp_path: Path) -> None:
    for name in ("val/7.txt", "val/gone.txt", "classes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    coverage = open_annotations(tmp_path, names=NAMES).coverage(["d/val/7.jpg", "d/train/7.jpg"])
    assert coverage == ((str(tmp_path / "val/gone.txt"),), ("d/train/7.jpg",), 0, 0, (), (), ())


def test_other_names_are_another_digest_of_the_contents(tmp_path: Path, annotate: Annotate) -> None:
    annotate("0 0.5 0.5 0.2 0.2")
    readers = [open_annotations(tmp_path, names=names) for names in (NAMES, ("cat",), NAMES)]
    digests = {reader.contents("7.jpg") for reader in readers}
    assert len(digests) == 2


def test_ids_do_not_change_when_another_label_file_does(tmp_path: Path, annotate: Annotate) -> None:
    before = annotate("0 0.5 0.5 0.2 0.2").objects.object_id.tolist()
    (tmp_path / "8.txt").write_text("1 0.5 0.5 0.2 0.2")
    assert annotate("0 0.5 0.5 0.2 0.2").objects.object_id.tolist() == before


def test_the_source_names_the_format(annotate: Annotate) -> None:
    source = annotate("0 0.5 0.5 0.2 0.2").objects.source[0]
    assert source.startswith("annotations-yolo@")


@pytest.mark.parametrize(
    ("label", "image"),
    [
        ("caf%C3%A9.txt", "café.jpg"),
        (unicodedata.normalize("NFC", "café.txt"), unicodedata.normalize("NFD", "café.jpg")),
        (unicodedata.normalize("NFD", "café.txt"), unicodedata.normalize("NFC", "café.jpg")),
    ],
)
def test_a_label_file_whose_name_is_spelled_otherwise(tmp_path: Path, label: str, image: str) -> None:
    (tmp_path / label).write_text("1 0.5 0.5 0.2 0.2")
    reader = open_annotations(tmp_path, names=NAMES)
    assert reader.objects_of(photo(f"photos/{image}")).objects.label.tolist() == ["dog"]
    assert reader.coverage([f"photos/{image}"]) == Coverage((), ())


# What cannot be used


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            "3 0.5 0.5 0.2 0.2",
            "class 3 is not among the 3 names (0 to 2); is it the names file of these labels?",
        ),
        (
            "-1 0.5 0.5 0.2 0.2",
            "class -1 is not among the 3 names (0 to 2); is it the names file of these labels?",
        ),
        ("1.5 0.5 0.5 0.2 0.2", "class '1.5' is not an integer"),
        ("1e-1 0.5 0.5 0.2 0.2", "class '1e-1' is not an integer"),
        ("nan 0.5 0.5 0.2 0.2", "class 'nan' is not an integer"),
        ("cat 0.5 0.5 0.2 0.2", "class 'cat' is not an integer"),
        ("0 0.5 nan 0.2 0.2", "'nan' is not a finite number"),
        ("0 0.5 0.5 inf 0.2", "'inf' is not a finite number"),
        ("0 0.5 0.5 0.2 wide", "'wide' is not a number"),
        ("0", "has 0 numbers after the class, expected 4 (box) or 6 and more (polygon)"),
        ("0 0.5 0.5 0.2", "has 3 numbers after the class, expected 4 (box) or 6 and more (polygon)"),
        (
            "0 0.1 0.1 0.2 0.2 1.3",
            "has 5 numbers after the class, expected pairs of x and y, or a confidence from 0 to 1 as the "
            "last, which is 1.3",
        ),
        ("0 0.5 0.5 0 0.2", "the box has no area (width 0, height 0.2)"),
        ("0 0.5 0.5 0.2 -0.2", "the box has no area (width 0.2, height -0.2)"),
        ("0 0.5 0.5 1e-30 0.2", "the box has no area"),
        ("0 0.1 0.1 0.2 0.1 0.3 0.1", "the box has no area"),
        ("0 1.4 0.5 0.2 0.2", "is wholly outside the photo"),
        ("0 -0.1 0.1 -0.2 0.3 -0.3 0.1", "is wholly outside the photo"),
        (
            "0 50 25 20 20",
            "is far outside the photo; expected fractions of its sides from 0 to 1, not pixels",
        ),
        (
            "0 1e308 0.5 1e308 0.5",
            "is far outside the photo; expected fractions of its sides from 0 to 1, not pixels",
        ),
    ],
)
def test_a_broken_line_is_a_problem_and_the_others_stay(annotate: Annotate, line: str, reason: str) -> None:
    annotated = annotate(f"1 0.5 0.5 0.2 0.2\n{line}\n2 0.5 0.5 0.2 0.2\n")
    assert annotated.objects.label.tolist() == ["dog", "cow"]
    (problem,) = annotated.problems
    assert problem.path.endswith("7.txt")
    assert problem.reason == f"line 2: {reason}"


def test_a_very_long_word_is_shortened_in_the_reason(annotate: Annotate) -> None:
    (problem,) = annotate("x" * 100_000).problems
    assert len(problem.reason) < 100


def test_a_file_that_is_no_text_is_one_problem(annotate: Annotate) -> None:
    annotated = annotate(b"\x89PNG\r\n\x1a\n\xff\xff")
    assert len(annotated.objects) == 0
    assert [problem.reason[:17] for problem in annotated.problems] == ["is not UTF-8 text"]


def test_a_missing_label_folder(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="is not a folder, expected the folder of the label files"):
        open_annotations(tmp_path / "labels", names=NAMES)


def test_a_folder_without_label_files(tmp_path: Path) -> None:
    (tmp_path / "7.jpg").touch()
    with pytest.raises(AnnotationError, match="a folder without label files"):
        open_annotations(tmp_path, names=NAMES)


def test_a_format_that_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(
        AnnotationError, match="annotation format 'kitti' is not known, expected yolo, coco or voc"
    ):
        open_annotations(tmp_path, names=NAMES, format="kitti")


def check(annotated: Annotated) -> None:
    objects = annotated.objects
    assert (objects.xyxy >= 0).all()
    assert (objects.xyxy <= [100, 50, 100, 50]).all()
    assert set(objects.label) <= set(NAMES)
    for box, mask in zip(objects.xyxy, objects.mask, strict=True):
        if mask is not None:
            grown = mask_box(mask) + np.array([1, 1, -1, -1], np.float32)
            assert (grown[:2] >= np.floor(box[:2])).all()
            assert (grown[2:] <= np.ceil(box[2:])).all()
    assert all(problem.reason.startswith("line ") for problem in annotated.problems)


word = st.one_of(
    st.integers(-1, 3).map(str),
    st.floats(-2, 3).map(str),
    st.floats().map(repr),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(word, max_size=9).map(" ".join), max_size=4).map("\n".join))
def test_any_text_gives_objects_and_problems_and_nothing_else(annotate: Annotate, text: str) -> None:
    check(annotate(text))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(-0.5, 1.5), min_size=4, max_size=12).filter(lambda numbers: len(numbers) % 2 == 0))
def test_any_numbers_give_a_box_inside_the_photo_or_a_problem(
    annotate: Annotate, numbers: list[float]
) -> None:
    annotated = annotate(" ".join(["0", *map(repr, numbers)]))
    check(annotated)
    assert len(annotated.objects) + len(annotated.problems) == 1


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.tuples(*[st.floats(0.01, 0.99)] * 4))
def test_a_box_written_in_yolo_form_comes_back(annotate: Annotate, corners: tuple[float, ...]) -> None:
    (x1, x2), (y1, y2) = sorted(corners[:2]), sorted(corners[2:])
    if x2 - x1 < 1e-3 or y2 - y1 < 1e-3:
        return
    line = f"0 {(x1 + x2) / 2!r} {(y1 + y2) / 2!r} {x2 - x1!r} {y2 - y1!r}"
    np.testing.assert_allclose(
        annotate(line).objects.xyxy, [[x1 * 100, y1 * 50, x2 * 100, y2 * 50]], atol=1e-4
    )
