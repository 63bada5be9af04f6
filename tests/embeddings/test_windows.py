"""Windows: on maps that equal their own x and y, against a slow double loop, and at every border."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from objectspace.embeddings.windows import Cells, cut_windows, responsible_cells
from objectspace.errors import InputError
from objectspace.models.maps import Head
from objectspace.objects.boxes import letterbox_frame, stretch_frame
from objectspace.objects.records import Objects, Provenance, make_objects

#: Two heads of a 320 x 320 input, the deeper one first, as Darknet lists them.
DEEP = Head(
    121, "119", 32, 96, (10, 10), np.array([[100, 100], [200, 150], [300, 300]], np.float32), (3, 4, 5)
)
FINE = Head(130, "128", 16, 144, (20, 20), np.array([[10, 12], [20, 40], [60, 30]], np.float32), (0, 1, 2))
HEADS = (DEEP, FINE)
SOURCE = "detector@0123456789ab"


def found(
    *boxes: tuple[float, ...], source: str = "elsewhere@000000000000", cells: Provenance | None = None
) -> Objects:
    return make_objects(
        image_id="image",
        xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        label=["thing"] * len(boxes),
        source=source,
        provenance=cells,
    )


def made_by(head: int, stride: int, x: int, y: int, anchor: int) -> Provenance:
    column = [np.array([value], np.int32) for value in (head, stride, x, y, anchor)]
    return Provenance(*column, objectness=np.array([0.9], np.float32))


def cells_at(
    x: list[int], y: list[int], center_x: list[float] | None = None, center_y: list[float] | None = None
) -> Cells:
    count = len(x)
    return Cells(
        head=np.full(count, 121, np.int32),
        cell_x=np.array(x, np.int32),
        cell_y=np.array(y, np.int32),
        anchor=np.zeros(count, np.int32),
        center_x=np.array(center_x or [value + 0.5 for value in x], np.float32),
        center_y=np.array(center_y or [value + 0.5 for value in y], np.float32),
    )


def own_place(width: int, height: int) -> np.ndarray:
    """A map of two channels: 10 + its own x, 10 + its own y; so zero is outside."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y]).astype(np.float32) + 10


# Which cell answers for an object.


def test_an_object_of_the_detector_keeps_its_own_cell():
    objects = found((100, 100, 110, 112), source=SOURCE, cells=made_by(121, 32, 7, 2, 4))
    cells = responsible_cells(objects, HEADS, stretch_frame((320, 320), (320, 320)), source=SOURCE)
    assert (cells.head[0], cells.cell_x[0], cells.cell_y[0], cells.anchor[0]) == (121, 7, 2, 4)


def test_an_object_of_another_detector_is_assigned_afresh():
    objects = found((100, 100, 110, 112), source="other@0", cells=made_by(121, 32, 7, 2, 4))
    cells = responsible_cells(objects, HEADS, stretch_frame((320, 320), (320, 320)), source=SOURCE)
    assert (cells.head[0], cells.cell_x[0], cells.cell_y[0], cells.anchor[0]) == (130, 6, 6, 0)


def test_best_anchor_by_hand():
    # 58 x 32 against 60 x 30: shared 58 * 30 = 1740, union 1856 + 1800 - 1740, IoU 0.908; others are worse.
    # 190 x 160 against 200 x 150: shared 28500, union 30400 + 30000 - 28500, IoU 0.893.
    objects = found((0, 0, 58, 32), (100, 50, 290, 210))
    cells = responsible_cells(objects, HEADS, stretch_frame((320, 320), (320, 320)), source=SOURCE)
    assert cells.anchor.tolist() == [2, 4]
    assert cells.head.tolist() == [130, 121]
    assert cells.cell_x.tolist() == [1, 6]  # 29 / 16 and 195 / 32
    assert cells.cell_y.tolist() == [1, 4]  # 16 / 16 and 130 / 32


def test_anchors_are_compared_in_pixels_of_the_input():
    # The photo is twice the input, so 120 x 60 of it are the anchor of 60 x 30.
    objects = found((0, 0, 120, 60))
    cells = responsible_cells(objects, HEADS, stretch_frame((640, 640), (320, 320)), source=SOURCE)
    assert cells.anchor.tolist() == [2]


def test_letterbox_moves_the_center():
    # 640 x 320 in 320 x 320: half size, 80 gray rows above. The center (320, 160) lies at (160, 160).
    objects = found((310, 150, 330, 170))
    cells = responsible_cells(objects, HEADS, letterbox_frame((640, 320), (320, 320)), source=SOURCE)
    assert (cells.head[0], cells.center_x[0], cells.center_y[0]) == (130, 10.0, 10.0)


def test_deepest_takes_the_head_of_the_largest_stride_for_all():
    objects = found((100, 100, 110, 112), source=SOURCE, cells=made_by(130, 16, 6, 6, 0))
    frame = stretch_frame((320, 320), (320, 320))
    cells = responsible_cells(objects, HEADS[::-1], frame, "deepest", source=SOURCE)
    assert (cells.head[0], cells.cell_x[0], cells.cell_y[0]) == (121, 3, 3)
    assert cells.center_x[0] == np.float32(105 / 32)


@pytest.mark.parametrize(
    "corner", [(310, 310, 320, 320), (0, 0, 320, 320), (0, 0, 1, 1), (319.5, 0, 320, 0.5)]
)
def test_cells_stay_in_the_grid(corner: tuple[float, ...]):
    cells = responsible_cells(found(corner), HEADS, stretch_frame((320, 320), (320, 320)), source=SOURCE)
    grid = 10 if cells.head[0] == 121 else 20
    assert 0 <= cells.cell_x[0] < grid
    assert 0 <= cells.cell_y[0] < grid


def test_a_box_beyond_the_photo_is_clipped_to_the_last_cell():
    cells = responsible_cells(
        found((400, -90, 410, -80)), HEADS, stretch_frame((320, 320), (320, 320)), source=SOURCE
    )
    assert (cells.cell_x[0], cells.cell_y[0], cells.center_x[0], cells.center_y[0]) == (19, 0, 20.0, 0.0)


def test_no_objects_no_cells():
    frame = stretch_frame((320, 320), (320, 320))
    assert len(responsible_cells(found(), HEADS, frame, source=SOURCE)) == 0
    assert len(responsible_cells(found(), HEADS, frame, "deepest", source=SOURCE)) == 0


def test_unknown_scale_is_refused():
    with pytest.raises(InputError, match="scale 'paper' is not known; choose own or deepest"):
        responsible_cells(found(), HEADS, stretch_frame((320, 320), (320, 320)), "paper", source=SOURCE)


@given(x=st.floats(0, 600), y=st.floats(0, 400), width=st.floats(1, 500), height=st.floats(1, 500))
def test_assignment_against_a_loop_over_anchors(x: float, y: float, width: float, height: float):
    box = np.array([x, y, min(x + width, 640), min(y + height, 480)], np.float32)
    frame = stretch_frame((640, 480), (320, 320))
    cells = responsible_cells(found(tuple(box)), HEADS, frame, source=SOURCE)
    w, h = float(box[2] - box[0]) / 2, float(box[3] - box[1]) * 320 / 480
    fits = {}
    for head in HEADS:
        for number, (anchor_w, anchor_h) in zip(head.anchor_index, head.anchors.tolist(), strict=True):
            shared = min(w, anchor_w) * min(h, anchor_h)
            fits[number] = shared / (w * h + anchor_w * anchor_h - shared)
    assert fits[int(cells.anchor[0])] == pytest.approx(max(fits.values()), rel=1e-5)
    assert cells.head[0] == (130 if cells.anchor[0] < 3 else 121)


# The window itself.


def test_an_odd_window_is_centered_on_its_cell():
    vectors, outside = cut_windows(own_place(6, 5), cells_at([3], [2]), 3)
    assert vectors.reshape(2, 3, 3)[0].tolist() == [[12, 13, 14]] * 3
    assert vectors.reshape(2, 3, 3)[1].tolist() == [[11] * 3, [12] * 3, [13] * 3]
    assert outside.tolist() == [0]


def test_one_cell_is_the_map_at_that_cell():
    vectors, outside = cut_windows(own_place(6, 5), cells_at([5, 0], [4, 0]), 1)
    assert vectors.tolist() == [[15, 14], [10, 10]]
    assert outside.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("center", "columns"),
    [(2.1, [11, 12]), (2.49, [11, 12]), (2.51, [12, 13]), (2.9, [12, 13]), (3.0, [12, 13])],
)
def test_an_even_window_is_the_block_nearest_the_box_center(center: float, columns: list[int]):
    vectors, outside = cut_windows(own_place(6, 5), cells_at([2], [2], [center], [2.9]), 2)
    assert vectors.reshape(2, 2, 2)[0].tolist() == [columns] * 2
    assert outside.tolist() == [0]


def test_corners_are_zero_outside_and_counted():
    vectors, outside = cut_windows(own_place(6, 5), cells_at([0, 5], [0, 4]), 3)
    first, last = vectors.reshape(2, 2, 3, 3)
    assert first[0].tolist() == [[0, 0, 0], [0, 10, 11], [0, 10, 11]]
    assert last[1].tolist() == [[13, 13, 0], [14, 14, 0], [0, 0, 0]]
    assert outside.tolist() == [5, 5]


def test_an_even_window_at_the_corner():
    vectors, outside = cut_windows(own_place(6, 5), cells_at([0, 5], [0, 4], [0.0, 6.0], [0.0, 5.0]), 2)
    first, last = vectors.reshape(2, 2, 2, 2)
    assert first[0].tolist() == [[0, 0], [0, 10]]
    assert last[0].tolist() == [[15, 0], [0, 0]]
    assert outside.tolist() == [3, 3]


def test_a_window_larger_than_the_map_holds_all_of_it():
    vectors, outside = cut_windows(own_place(3, 2), cells_at([1], [0]), 9)
    window = vectors.reshape(2, 9, 9)
    assert window[:, 4:6, 3:6].tolist() == own_place(3, 2).tolist()
    assert np.count_nonzero(window) == 2 * 6
    assert outside.tolist() == [81 - 6]


def test_yolov3_at_stride_32_gives_9216_numbers():
    vectors, _ = cut_windows(np.zeros((1024, 13, 13), np.float32), cells_at([6], [6]), 3)
    assert vectors.shape == (1, 9216)


def test_no_cells_no_vectors():
    vectors, outside = cut_windows(own_place(6, 5), cells_at([], []), 3)
    assert vectors.shape == (0, 18)
    assert outside.shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_tensors_of_any_float_type_become_float32(dtype: torch.dtype):
    features = torch.as_tensor(own_place(6, 5)).to(dtype)
    vectors, outside = cut_windows(features, cells_at([3], [2]), 3)
    assert vectors.dtype == np.float32
    assert outside.dtype == np.int32
    assert np.array_equal(vectors, cut_windows(own_place(6, 5), cells_at([3], [2]), 3)[0])


def test_a_map_whose_channels_lie_last_in_memory_gives_the_same():
    features = torch.randn(1, 8, 6, 5)
    last = features.to(memory_format=torch.channels_last)
    cells = cells_at([0, 2, 4], [1, 5, 3])
    assert np.array_equal(cut_windows(last[0], cells, 3)[0], cut_windows(features[0], cells, 3)[0])


def test_the_map_is_left_alone():
    features = own_place(6, 5)
    cut_windows(features, cells_at([0], [0]), 3)[0][:] = -1
    assert np.array_equal(features, own_place(6, 5))


@pytest.mark.parametrize("size", [0, -1])
def test_a_window_without_cells_is_refused(size: int):
    with pytest.raises(InputError, match=f"window size {size} is not a positive number of cells"):
        cut_windows(own_place(6, 5), cells_at([0], [0]), size)


@given(data=st.data(), size=st.integers(1, 8), width=st.integers(1, 7), height=st.integers(1, 7))
def test_windows_against_a_double_loop(data: st.DataObject, size: int, width: int, height: int):
    count = data.draw(st.integers(0, 4))
    along = st.floats(0, 1, width=32)
    center_x = [data.draw(along) * width for _ in range(count)]
    center_y = [data.draw(along) * height for _ in range(count)]
    cell_x = [data.draw(st.integers(0, width - 1)) for _ in range(count)]
    cell_y = [data.draw(st.integers(0, height - 1)) for _ in range(count)]
    features = np.random.default_rng(0).normal(size=(3, height, width)).astype(np.float32)
    cells = cells_at(cell_x, cell_y, center_x, center_y)
    vectors, outside = cut_windows(features, cells, size)
    for row in range(count):
        left = slow_first(cell_x[row], float(cells.center_x[row]), size, width)
        top = slow_first(cell_y[row], float(cells.center_y[row]), size, height)
        expected, missing = slow_window(features, left, top, size)
        assert np.array_equal(vectors[row], expected)
        assert outside[row] == missing


def slow_first(cell: int, center: float, size: int, length: int) -> int:
    if size % 2:
        return cell - (size - 1) // 2
    # The largest of the nearest, where the box center lies midway between two blocks.
    starts = range(-size, length + size)
    nearest = min(abs(start + size / 2 - center) for start in starts)
    return max(start for start in starts if abs(start + size / 2 - center) == nearest)


def slow_window(features: np.ndarray, left: int, top: int, size: int) -> tuple[np.ndarray, int]:
    channels, height, width = features.shape
    window, missing = np.zeros((channels, size, size), np.float32), 0
    for row in range(size):
        for column in range(size):
            y, x = top + row, left + column
            if 0 <= y < height and 0 <= x < width:
                window[:, row, column] = features[:, y, x]
            else:
                missing += 1
    return window.reshape(-1), missing
