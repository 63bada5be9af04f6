from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import supervision as sv
from hypothesis import given, settings
from hypothesis import strategies as st
from supervision.detection.compact_mask import CompactMask

from objectspace.errors import InputError
from objectspace.images import Image, image_from_array
from objectspace.objects.annotations.supervision import from_supervision, to_supervision
from objectspace.objects.masks import decode, encode
from objectspace.objects.records import Objects, concatenate, make_objects, no_objects

WIDTH, HEIGHT = 20, 10
IMAGE = image_from_array(np.zeros((HEIGHT, WIDTH, 3), np.uint8), path="7.jpg")
BOXES = np.array([[1, 2, 5, 6], [8, 1, 12.5, 9]], np.float32)


def square(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    pixels = np.zeros((HEIGHT, WIDTH), bool)
    pixels[top:bottom, left:right] = True
    return pixels


MASKS = np.stack([square(1, 2, 5, 6), square(8, 1, 12, 9)])


def objects(**changes: Any) -> Objects:
    arguments = {"image_id": IMAGE.image_id, "xyxy": BOXES, "label": ["dog", "cat"], "source": "mine"}
    return make_objects(**{**arguments, **changes})


def detections(**changes: Any) -> sv.Detections:
    arguments = {"xyxy": BOXES, "class_id": np.array([16, 15]), "confidence": np.array([0.9, 0.5])}
    return sv.Detections(**{"data": {"class_name": np.array(["dog", "cat"])}, **arguments, **changes})


# In


def test_detections_become_objects() -> None:
    found = from_supervision(detections(), IMAGE, source="mine")
    assert found.object_id.tolist() == objects().object_id.tolist()
    np.testing.assert_array_equal(found.xyxy, BOXES)
    np.testing.assert_allclose(found.score, [0.9, 0.5])
    assert found.label.tolist() == ["dog", "cat"]
    assert found.mask.tolist() == [None, None]
    assert dict(found.factors) == {}


def test_masks_are_packed_and_an_empty_one_is_none() -> None:
    found = from_supervision(detections(mask=MASKS * [[[True]], [[False]]]), IMAGE)
    np.testing.assert_array_equal(decode(found.mask[0]), MASKS[0])
    assert found.mask[1] is None


def test_compact_masks_are_the_same() -> None:
    compact = CompactMask.from_dense(MASKS, BOXES, (HEIGHT, WIDTH))
    found = from_supervision(detections(mask=compact), IMAGE)
    assert found.mask.tolist() == from_supervision(detections(mask=MASKS), IMAGE).mask.tolist()


def test_labels_come_from_the_names_given() -> None:
    numbered = detections(data={}, class_id=np.array([1, 0]))
    assert from_supervision(numbered, IMAGE, names=["sofa", "dog"]).label.tolist() == ["dog", "couch"]


def test_detections_without_classes_are_objects() -> None:
    assert from_supervision(sv.Detections(xyxy=BOXES), IMAGE).label.tolist() == ["object", "object"]


def test_entries_of_data_become_factors() -> None:
    data = {
        "class_name": np.array(["dog", "cat"]),
        "yaw": np.array([90, 22]),
        "style": ["toy", None],
        "wet": np.array([True, False]),
        "corners": np.zeros((2, 4, 2)),
        "stride": np.array([8, 8]),
        "a.b": np.array([1, 2]),
    }
    factors = from_supervision(detections(data=data, tracker_id=np.array([7, 9])), IMAGE).factors
    assert {name: column.tolist() for name, column in factors.items()} == {
        "yaw": [90.0, 22.0],
        "style": ["toy", None],
        "wet": ["True", "False"],
        "tracker_id": ["7", "9"],
    }


def test_numbers_among_which_one_is_unknown_are_numbers() -> None:
    data = {"class_name": np.array(["dog", "cat"]), "yaw": np.array([3.5, None], object)}
    yaw = from_supervision(detections(data=data), IMAGE).factors["yaw"]
    np.testing.assert_array_equal(yaw, np.array([3.5, np.nan]), strict=True)


def test_what_reaches_over_the_border_is_cut_off() -> None:
    found = from_supervision(detections(xyxy=np.array([[-3, -3, 5, 5], [8, 1, 30, 30]])), IMAGE)
    assert found.xyxy.tolist() == [[0, 0, 5, 5], [8, 1, 20, 10]]


def test_no_detections() -> None:
    assert len(from_supervision(sv.Detections.empty(), IMAGE)) == 0


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"xyxy": BOXES[:, ::-1]}, r"box \[6.0, 5.0, 2.0, 1.0\] of row 0: the box has no area; leave it out"),
        ({"xyxy": BOXES + 90}, "row 0: is wholly outside the photo; leave it out"),
        (
            {"mask": np.ones((2, WIDTH, HEIGHT), bool)},
            "masks of height 20 and width 10, the image's are 10 and 20",
        ),
        ({"confidence": np.array([90.0, 50.0])}, "confidence from 50.0 to 90.0, expected 0 to 1"),
        ({"data": {}}, "class_id without class_name in data; give the classes' names"),
    ],
)
def test_detections_that_cannot_be_used(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        from_supervision(detections(**changes), IMAGE)


@pytest.mark.parametrize("number", [-1, 2])
def test_a_class_without_a_name(number: int) -> None:
    wrong = detections(data={}, class_id=np.array([0, number]))
    with pytest.raises(InputError, match=f"class_id {number} is not among the 2 names"):
        from_supervision(wrong, IMAGE, names=["a", "b"])


# Out


def test_objects_become_detections() -> None:
    given_masks = [encode(mask) for mask in MASKS]
    made = objects(
        score=np.array([0.9, 0.5], np.float32), mask=given_masks, factors={"yaw": np.array([9.0, 8.0])}
    )
    found = to_supervision(made)
    np.testing.assert_array_equal(found.xyxy, BOXES)
    np.testing.assert_array_equal(found.mask, MASKS)
    np.testing.assert_allclose(found.confidence, [0.9, 0.5])
    assert found.class_id.tolist() == [1, 0]
    assert found.data["class_name"].tolist() == ["dog", "cat"]
    assert found.data["object_id"].tolist() == made.object_id.tolist()
    assert found.data["source"].tolist() == ["mine", "mine"]
    assert found.data["yaw"].tolist() == [9, 8]


def test_names_number_the_classes() -> None:
    assert to_supervision(objects(), names=["cat", "cow", "dog"]).class_id.tolist() == [2, 0]
    with pytest.raises(InputError, match="label 'dog' is not among the 1 names"):
        to_supervision(objects(), names=["cat"])


def test_what_is_unknown_is_none() -> None:
    found = to_supervision(objects())
    assert (found.mask, found.confidence, found.tracker_id) == (None, None, None)


def test_tracks_come_back_where_all_are_known() -> None:
    known = objects(factors={"tracker_id": np.array(["7", "9"], object)})
    assert to_supervision(known).tracker_id.tolist() == [7, 9]
    some = objects(factors={"tracker_id": np.array(["7", None], object)})
    assert to_supervision(some).tracker_id is None


def test_tracks_that_some_lack_stay_in_the_data_and_come_back() -> None:
    some = objects(factors={"tracker_id": np.array(["7", None], object)})
    back = from_supervision(to_supervision(some), IMAGE)
    assert {name: column.tolist() for name, column in back.factors.items()} == {"tracker_id": ["7", None]}


def test_supervision_draws_and_selects_what_it_gets() -> None:
    found = to_supervision(objects(mask=[encode(mask) for mask in MASKS]))
    drawn = sv.MaskAnnotator().annotate(np.zeros((HEIGHT, WIDTH, 3), np.uint8), found)
    np.testing.assert_array_equal(drawn.any(2), MASKS.any(0))
    assert found[found.area > 20].data["class_name"].tolist() == ["cat"]


def test_no_objects() -> None:
    assert len(to_supervision(no_objects())) == 0


def test_objects_of_two_images() -> None:
    with pytest.raises(
        InputError, match=r"objects of 2 images, and detections are of one; take\(\) those of one"
    ):
        to_supervision(concatenate([objects(), objects(image_id="b" * 32)]))


def test_without_supervision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(
        InputError, match=r"needs the package supervision: pip install 'objectspace\[supervision\]'$"
    ):
        to_supervision(objects())


def test_supervision_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, objectspace.objects.annotations.supervision; print('supervision' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# There and back

sides = st.tuples(st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1), st.integers(1, 9), st.integers(1, 9))
numbers = st.floats(0, 1, width=32) | st.just(float("nan"))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(sides, st.booleans(), numbers, st.sampled_from(["a", "b c", "tv"])), max_size=5))
def test_objects_come_back(rows: list[Any]) -> None:
    boxes = np.array([[x, y, min(x + w, WIDTH), min(y + h, HEIGHT)] for (x, y, w, h), *_ in rows], np.float32)
    made = make_objects(
        image_id=IMAGE.image_id,
        xyxy=boxes.reshape(-1, 4),
        label=[label for *_, label in rows],
        score=np.array([score for *_, score, _ in rows], np.float32),
        mask=[
            encode(square(*map(int, b))) if has else None for b, (_, has, *_) in zip(boxes, rows, strict=True)
        ],
        source="mine",
    )
    back = from_supervision(to_supervision(made), IMAGE, source="mine")
    assert back.object_id.tolist() == made.object_id.tolist()
    np.testing.assert_array_equal(back.score, made.score)
    assert back.mask.tolist() == made.mask.tolist()


def test_the_image_is_any_that_was_read() -> None:
    other = Image("c" * 32, "8.jpg", IMAGE.pixels, WIDTH, HEIGHT)
    assert from_supervision(detections(), other).image_id.tolist() == ["c" * 32] * 2


def test_oriented_boxes_are_masks_and_their_extents_boxes() -> None:
    corners = np.array([[[4, 1], [7, 4], [4, 7], [1, 4]]], np.float32)
    image = image_from_array(np.zeros((10, 12, 3), np.uint8))
    upright = sv.Detections(np.array([[0, 0, 9, 9]], np.float32), data={"xyxyxyxy": corners})
    objects = from_supervision(upright, image)
    assert objects.xyxy.tolist() == [[1, 1, 7, 7]]
    mask = decode(objects.mask[0])
    assert mask[4, 4]
    assert not mask[1, 1]
    assert abs(mask.sum() - 18) <= 4
