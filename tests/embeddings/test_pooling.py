from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import roi_align

from objectspace.embeddings.pooling import (
    Pooling,
    parse_pooling,
    pool,
    pool_boxes,
    pool_masks,
    pooled_space_name,
)
from objectspace.embeddings.windows import responsible_cells
from objectspace.errors import InputError
from objectspace.models.maps import Head
from objectspace.objects.boxes import letterbox_frame, stretch_frame
from objectspace.objects.masks import encode
from objectspace.objects.records import make_objects

STRIDE = 8
IMAGE_WH = (64, 48)
HEAD = Head(0, "last", STRIDE, 2, (8, 6), np.empty((0, 2), np.float32), ())


def own_place(width: int = 8, height: int = 6) -> torch.Tensor:
    """A map (2, height, width) of the x and y of its cells' middles, in pixels of the input."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (torch.stack([x, y]).float() + 0.5) * STRIDE


def objects_at(*boxes, masks=None):
    return make_objects(
        image_id="i",
        xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        label=["thing"] * len(boxes),
        source="s",
        mask=masks,
    )


def mask_of(left, top, right, bottom, image_wh=IMAGE_WH):
    pixels = np.zeros(image_wh[::-1], bool)
    pixels[top:bottom, left:right] = True
    return encode(pixels)


def plain_mean(features, pixels, frame):
    """The mean of the map under true pixels, each taking the cell in which its middle lies; float64."""
    total, count = np.zeros(len(features)), 0
    for y, x in np.argwhere(pixels):
        column = int(((x + 0.5) * frame.scale_xy[0] + frame.offset_xy[0]) // STRIDE)
        row = int(((y + 0.5) * frame.scale_xy[1] + frame.offset_xy[1]) // STRIDE)
        total += features[:, row, column].double().numpy()
        count += 1
    return total / count


@pytest.mark.parametrize(
    ("text", "pooling"),
    [
        ("window3", Pooling("window", 3)),
        ("cell", Pooling("window", 1)),
        ("roi", Pooling("roi", 7)),
        ("roi2", Pooling("roi", 2)),
        ("window1", Pooling("window", 1)),
        ("roi1", Pooling("roi", 1)),
        ("mask", Pooling("mask")),
    ],
)
def test_names_are_read(text, pooling):
    assert parse_pooling(text) == pooling


@pytest.mark.parametrize(
    "text", ["", "window", "window0", "roi0", "roi-1", "mask2", "Mask", "cell1", "window 3"]
)
def test_other_words_are_refused(text):
    with pytest.raises(InputError, match="choose mask, cell, or window or roi"):
        parse_pooling(text)


@pytest.mark.parametrize("pooling", [Pooling("window", 5), Pooling("roi", 7), Pooling("mask")])
def test_a_name_is_read_as_what_it_names(pooling):
    assert parse_pooling(pooling.name) == pooling


def test_names_of_spaces():
    assert pooled_space_name("yolov3", Pooling("window", 3), 32) == "yolov3-window3-stride32"
    assert pooled_space_name("yolov3", Pooling("mask"), None) == "yolov3-mask-deepest"


def test_a_roi_of_one_number_is_the_box_center():
    # Away from the border the map is linear, so a mean over the box is the value at its middle.
    vectors = pool_boxes(own_place(), np.array([[12, 10, 44, 30]], np.float32), 1, STRIDE)
    np.testing.assert_allclose(vectors, [[28, 20]], atol=1e-4)


def test_a_roi_of_two_has_the_middles_of_the_quarters_row_by_row():
    vectors = pool_boxes(own_place(), np.array([[12, 10, 44, 30]], np.float32), 2, STRIDE)
    np.testing.assert_allclose(vectors, [[20, 36, 20, 36, 15, 15, 25, 25]], atol=1e-4)


def test_rois_are_torchvisions_at_the_scale_of_the_map():
    features = torch.randn(3, 6, 8, generator=torch.manual_seed(0))
    boxes = np.array([[3, 5, 40, 41], [0, 0, 64, 48]], np.float32)
    rows = torch.cat([torch.zeros(2, 1), torch.from_numpy(boxes) / STRIDE], dim=1)
    expected = roi_align(features[None], rows, 3, 1.0, sampling_ratio=-1, aligned=True).flatten(1)
    np.testing.assert_allclose(pool_boxes(features, boxes, 3, STRIDE), expected, atol=1e-5)


def test_a_mask_of_whole_cells_is_their_mean():
    objects = objects_at((8, 8, 32, 24), masks=[mask_of(8, 8, 24, 16)])
    vectors = pool_masks(own_place(), objects, stretch_frame(IMAGE_WH, IMAGE_WH), STRIDE)
    np.testing.assert_allclose(vectors, [[16, 12]], atol=1e-5)


def test_a_mask_smaller_than_a_cell_has_that_cell():
    objects = objects_at((18, 10, 19, 11), masks=[mask_of(18, 10, 19, 11)])
    vectors = pool_masks(own_place(), objects, stretch_frame(IMAGE_WH, IMAGE_WH), STRIDE)
    np.testing.assert_allclose(vectors, [[20, 12]], atol=1e-5)


def test_a_box_without_a_mask_counts_whole_and_in_fractions():
    objects = objects_at((6, 0, 16, 8))  # two pixels of the first column of cells, eight of the second
    vectors = pool_masks(own_place(), objects, stretch_frame(IMAGE_WH, IMAGE_WH), STRIDE)
    np.testing.assert_allclose(vectors, [[(2 * 4 + 8 * 12) / 10, 4]], atol=1e-5)


def test_a_mask_that_is_empty_in_its_box_gives_way_to_the_box():
    frame = stretch_frame(IMAGE_WH, IMAGE_WH)
    masked = objects_at((8, 8, 24, 24), masks=[mask_of(40, 40, 42, 42)])
    plain = objects_at((8, 8, 24, 24))
    np.testing.assert_array_equal(
        pool_masks(own_place(), masked, frame, STRIDE), pool_masks(own_place(), plain, frame, STRIDE)
    )


def test_what_ends_before_the_last_pixel_counts_in_the_last_cell():
    # An input of 60 pixels ends within its eighth cell, and so does the image.
    frame = stretch_frame((60, 48), (60, 48))
    objects = objects_at((59, 0, 60, 8))
    np.testing.assert_allclose(pool_masks(own_place(7), objects, frame, STRIDE), [[52, 4]], atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_means_under_masks_are_those_pixel_by_pixel(data):
    # Scales of a whole number of pixels a cell: there the plain mean has no pixel on two cells.
    frame = data.draw(
        st.sampled_from(
            [
                stretch_frame(IMAGE_WH, IMAGE_WH),
                stretch_frame((128, 96), IMAGE_WH),
                letterbox_frame((64, 32), IMAGE_WH),
            ]
        )
    )
    width, height = frame.image_wh
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    pixels = generator.random((height, width)) < data.draw(st.sampled_from([0.02, 0.5, 1.0]))
    left, right = sorted(data.draw(st.lists(st.integers(0, width), min_size=2, max_size=2, unique=True)))
    top, bottom = sorted(data.draw(st.lists(st.integers(0, height), min_size=2, max_size=2, unique=True)))
    inside = np.zeros_like(pixels)
    inside[top:bottom, left:right] = pixels[top:bottom, left:right]
    if not inside.any():
        inside[top:bottom, left:right] = True
    features = torch.from_numpy(generator.normal(size=(3, 6, 8)).astype(np.float32))
    objects = objects_at((left, top, right, bottom), masks=[encode(pixels)])
    found = pool_masks(features, objects, frame, STRIDE)
    np.testing.assert_allclose(found[0], plain_mean(features, inside, frame), atol=1e-5)


def test_a_box_on_the_bars_alone_is_an_error():
    frame = stretch_frame(IMAGE_WH, IMAGE_WH)
    with pytest.raises(InputError, match="is on no cell"):
        pool_masks(own_place(), objects_at((70, 8, 80, 24)), frame, STRIDE)


@pytest.mark.parametrize(("name", "length"), [("window3", 18), ("cell", 2), ("roi2", 8), ("mask", 2)])
def test_every_pooling_has_its_length_and_says_what_lies_outside(name, length):
    frame = stretch_frame(IMAGE_WH, IMAGE_WH)
    objects = objects_at((0, 0, 8, 8), (20, 20, 40, 40))
    cells = responsible_cells(objects, [HEAD], frame, source="another")
    vectors, outside = pool(own_place(), objects, cells, parse_pooling(name), frame, STRIDE)
    assert (vectors.shape, vectors.dtype) == ((2, length), np.float32)
    assert outside.tolist() == ([5, 0] if name == "window3" else [0, 0])


def test_a_map_without_anchors_is_every_objects_own():
    cells = responsible_cells(
        objects_at((20, 20, 40, 40)), [HEAD], stretch_frame(IMAGE_WH, IMAGE_WH), source="another"
    )
    assert (cells.cell_x.tolist(), cells.cell_y.tolist(), cells.anchor.tolist()) == ([3], [3], [-1])
