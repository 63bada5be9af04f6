from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectspace.errors import InputError
from objectspace.objects.records import (
    Mask,
    Objects,
    Provenance,
    concatenate,
    known_values,
    make_objects,
    no_objects,
    object_id,
)

BOXES = np.array([[0, 0, 4, 4], [1, 2, 3, 4], [5, 5, 9, 8]], np.float32)


def three(image_id: str = "a" * 32, **changes: object) -> Objects:
    arguments = {"image_id": image_id, "xyxy": BOXES, "label": ["cat", "dog", "cat"], "source": "yolo@1"}
    return make_objects(**{**arguments, **changes})  # type: ignore[arg-type]


# Making


def test_objects_without_scores_masks_or_cells() -> None:
    objects = three()
    assert len(objects) == 3
    assert objects.label.tolist() == ["cat", "dog", "cat"]
    assert np.isnan(objects.score).all()
    assert objects.mask.tolist() == [None] * 3
    assert objects.provenance.head.tolist() == [-1] * 3
    assert np.isnan(objects.provenance.objectness).all()


def test_the_same_job_twice_gives_the_same_ids() -> None:
    assert three().object_id.tolist() == three().object_id.tolist()


@pytest.mark.parametrize(
    "changes",
    [
        {"image_id": "b" * 32},
        {"source": "yolo@2"},
        {"label": ["cow", "pig", "hen"]},
        {"xyxy": BOXES + np.float32(0.1)},
        {"mask": [Mask(9, 9, b"1"), Mask(9, 9, b"2"), Mask(9, 9, b"3")]},
    ],
)
def test_another_image_source_label_box_or_mask_is_another_object(changes: dict[str, object]) -> None:
    assert not set(three().object_id.tolist()) & set(three(**changes).object_id.tolist())


def test_the_last_bit_of_a_box_does_not_make_a_new_object() -> None:
    box = np.array([1, 2, 3, 4], np.float32)
    moved = np.nextafter(box, np.float32(9))
    assert object_id("i", "s", box, "cat", None) == object_id("i", "s", moved, "cat", None)


def test_ids_are_32_hex_digits() -> None:
    assert all(len(name) == 32 and int(name, 16) >= 0 for name in three().object_id)


def test_an_object_that_stands_twice_is_kept_once_at_its_first_place() -> None:
    objects = three(xyxy=BOXES[[2, 0, 2]], label=["cat", "dog", "cat"])
    np.testing.assert_array_equal(objects.xyxy, BOXES[[2, 0]])
    assert objects.label.tolist() == ["cat", "dog"]


def test_no_objects_have_every_column() -> None:
    empty = no_objects()
    assert len(empty) == 0
    assert empty.columns.keys() == three().columns.keys()
    assert empty.xyxy.shape == (0, 4)


@pytest.mark.parametrize("box", [[0, 0, 0, 4], [3, 0, 1, 4], [0, 0, np.nan, 4], [0, 0, np.inf, 4]])
def test_a_box_without_area_or_finite_sides_is_refused_with_its_row(box: list[float]) -> None:
    boxes = BOXES.copy()
    boxes[1] = box
    with pytest.raises(InputError, match=r"box .* of row 1 is not finite with x1 < x2 and y1 < y2"):
        three(xyxy=boxes)


def test_a_column_of_another_length_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="column score has 2 rows, expected 3"):
        three(score=np.zeros(2, np.float32))


def test_a_factor_of_another_length_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="column angle has 1 rows, expected 3"):
        three().with_factors({"angle": np.zeros(1)})


def test_labels_as_many_as_boxes() -> None:
    with pytest.raises(InputError, match="3 boxes, 1 labels, 3 masks; expected as many of each"):
        three(label=["cat"])


def test_objects_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        three().label = np.array([])  # type: ignore[misc]


# Taking and joining


@pytest.mark.parametrize(
    ("index", "rows"), [([2, 0], [2, 0]), (np.array([True, False, True]), [0, 2]), ([], []), ([-1], [2])]
)
def test_rows_are_taken_in_the_order_asked_for(index: object, rows: list[int]) -> None:
    objects = three().with_factors({"angle": np.array([10.0, 20.0, 30.0])})
    taken = objects.take(index)  # type: ignore[arg-type]
    np.testing.assert_array_equal(taken.xyxy, BOXES[rows])
    assert taken.factors["angle"].tolist() == [[10.0, 20.0, 30.0][row] for row in rows]
    assert len(taken.provenance.head) == len(rows)


@given(st.lists(st.integers(0, 3), max_size=5))
def test_joining_what_was_taken_apart_gives_the_whole(cuts: list[int]) -> None:
    objects = three(score=np.array([0.1, 0.2, 0.3], np.float32))
    bounds = [0, *sorted(cuts), 3]
    parts = [objects.take(np.arange(first, last)) for first, last in pairwise(bounds)]
    joined = concatenate(parts)
    for name, column in objects.columns.items():
        np.testing.assert_array_equal(joined.columns[name], column, err_msg=name)


def test_joining_nothing() -> None:
    assert len(concatenate([])) == 0
    assert len(concatenate([no_objects(), no_objects()])) == 0


def test_a_factor_that_one_part_lacks_is_unknown_there() -> None:
    angled = three("a" * 32).with_factors(
        {"angle": np.arange(3.0), "side": np.array(["l", "r", "l"], object)}
    )
    joined = concatenate([angled, three("b" * 32)])
    assert joined.factors["side"].tolist() == ["l", "r", "l", None, None, None]
    np.testing.assert_array_equal(joined.factors["angle"], [0, 1, 2, np.nan, np.nan, np.nan])


def test_joining_keeps_provenance() -> None:
    cells = Provenance(*(np.full(3, n, np.int32) for n in range(5)), np.full(3, 0.5, np.float32))
    joined = concatenate([three(provenance=cells), three("b" * 32)])
    assert joined.provenance.anchor.tolist() == [4, 4, 4, -1, -1, -1]


def test_new_factors_leave_the_old_objects_as_they_were() -> None:
    objects = three()
    objects.with_factors({"angle": np.arange(3.0)})
    assert "angle" not in objects.columns


def test_replacing_a_column_checks_again() -> None:
    with pytest.raises(InputError, match="xyxy"):
        replace(three(), xyxy=np.zeros((3, 5), np.float32))


def test_a_record_shows_itself_in_one_line() -> None:
    boxes = np.array([[0, 0, 1 + n, 1] for n in range(8)], np.float32)
    objects = make_objects(image_id="a", xyxy=boxes, label=["cat"] * 2 + list("uvwxyz"), source="s")
    other = make_objects(image_id="b", xyxy=boxes[:1], label=["cat"], source="s")
    both = concatenate([objects, other]).with_factors({"yaw": np.zeros(9)})
    assert repr(both) == "Objects(9 in 2 images: cat 3, u 1, v 1, w 1, x 1, 2 more labels; factors yaw)"
    assert repr(no_objects()) == "Objects(0)"
    assert repr(Mask(2, 3, b"abc")) == "Mask(3 x 2 pixels, 3 bytes)"
    assert repr(Provenance.unknown(2)) == "Provenance(2 objects, heads [-1])"


def test_known_are_finite_numbers_and_texts_that_say_something() -> None:
    numbers = np.array([0.0, np.nan, -1.5, np.inf, -np.inf])
    assert known_values(numbers).tolist() == [True, False, True, False, False]
    texts = np.array(["a", "", None, " ", "nan", "0"], object)
    assert known_values(texts).tolist() == [True, False, False, True, True, True]
    assert known_values(np.array(["a", ""])).tolist() == [True, False]
    assert known_values(np.array([], object)).tolist() == []
