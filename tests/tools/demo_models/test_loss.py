from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from objectspace.models.darknet.architectures import ARCHITECTURES
from objectspace.models.darknet.layers import read_layers
from tools.demo_models.loss import Grid, Truths, assign, decode, grids, yolo_loss

COARSE = Grid(np.array([[100, 100], [200, 100]], np.float32), (1, 2), stride=32, classes=2)
FINE = Grid(np.array([[40, 40]], np.float32), (0,), stride=16, classes=2)
ANCHORS = np.array([[40, 40], [100, 100], [200, 100]], np.float32)


def truths(*boxes: tuple[float, float, float, float], kind: int = 0) -> Truths:
    count = len(boxes)
    return Truths(np.zeros(count, np.int64), np.full(count, kind, np.int64), np.array(boxes, np.float32))


def slots(boxes: Truths) -> list[list[tuple[int, ...]]]:
    """Per head: (anchor, row, column, truth) of each assigned slot, in order."""
    return [
        sorted(zip(*(part.tolist() for part in (s.anchor, s.row, s.column, s.truth)), strict=True))
        for s in assign(boxes, [COARSE, FINE], ANCHORS)
    ]


def test_an_object_belongs_to_the_cells_of_its_center_at_every_anchor_that_fits() -> None:
    # Sides 63 x 63, center (100, 70): within 1.6 of 40 x 40 and 100 x 100, not of 200 x 100.
    assert slots(truths((68.5, 38.5, 131.5, 101.5))) == [[(0, 2, 3, 0)], [(0, 4, 6, 0)]]


def test_an_object_that_no_anchor_fits_has_the_best() -> None:
    # Sides 10 x 10: four times smaller than the smallest anchor.
    assert slots(truths((95, 65, 105, 75))) == [[], [(0, 4, 6, 0)]]


def test_the_object_with_the_shape_nearer_the_anchor_has_the_slot() -> None:
    # Both are within 1.6 of 100 x 100 and of 200 x 100, and have one center.
    wide, square = (25, 20, 175, 120), (35, 20, 165, 120)
    for boxes in (truths(wide, square), truths(square, wide)):
        (coarse, _), own = slots(boxes), boxes.xyxy[:, 2] - boxes.xyxy[:, 0]
        assert {anchor: own[truth] for anchor, _, _, truth in coarse} == {0: 130, 1: 150}


def test_the_loss_of_zeros_by_hand() -> None:
    # Zeros predict, in each of 2 x 2 cells, the anchor about the cell's middle, everything else by a half.
    head = Grid(np.array([[20, 20]], np.float32), (0,), stride=32, classes=2)
    raw = torch.zeros(1, 7, 2, 2)
    found = yolo_loss([raw], [head], truths((6, 6, 26, 26)))
    # The box is right; objectness of four slots and two classes cost log 2 each.
    assert found.item() == pytest.approx(6 * math.log(2), rel=1e-5)


def test_a_box_that_is_off_costs_its_complete_iou() -> None:
    head = Grid(np.array([[20, 20]], np.float32), (0,), stride=32, classes=2)
    found = yolo_loss([torch.zeros(1, 7, 2, 2)], [head], truths((8, 6, 28, 26)))
    # 18 x 20 shared of 22 x 20; centers 2 apart in an enclosing box of 22 x 20; the same shape.
    ciou = 1 - 18 / 22 + 4 / (22**2 + 20**2)
    assert found.item() == pytest.approx(6 * math.log(2) + 2 * ciou, rel=1e-5)


def test_a_prediction_that_overlaps_an_object_of_another_cell_is_no_mistake() -> None:
    head = Grid(np.array([[120, 120]], np.float32), (0,), stride=32, classes=2)
    raw = torch.zeros(1, 7, 1, 2)
    # Both cells predict 120 x 120, about x = 16 and x = 48; the object lies about x = 31, in the first cell.
    found = yolo_loss([raw], [head], truths((-29, -44, 91, 76)))
    box = yolo_loss([raw[..., :1]], [head], truths((-29, -44, 91, 76)))
    assert found.item() == pytest.approx(box.item(), rel=1e-6)


def test_objects_of_another_picture_do_not_count() -> None:
    head = Grid(np.array([[20, 20]], np.float32), (0,), stride=32, classes=2)
    both = Truths(np.array([1]), np.array([0]), np.array([[6, 6, 26, 26]], np.float32))
    found = yolo_loss([torch.zeros(2, 7, 2, 2)], [head], both)
    assert found.item() == pytest.approx(10 * math.log(2), rel=1e-5)


def test_the_demo_network_has_one_grid_a_head() -> None:
    shapes = grids(read_layers(ARCHITECTURES["demo"].cfg()))
    assert [(shape.stride, shape.chosen, shape.classes) for shape in shapes] == [
        (32, (3, 4, 5), 8),
        (16, (0, 1, 2), 8),
    ]


def test_boxes_are_decoded_as_the_paper_has_them() -> None:
    numbers = torch.tensor([[math.log(3), 0.0, math.log(2), math.log(0.5)]])
    box = decode(numbers, torch.tensor([2]), torch.tensor([1]), torch.tensor([[40.0, 60.0]]), 16)
    # Center (2.75, 1.5) cells, sides 80 x 30.
    assert box.tolist() == [pytest.approx([44 - 40, 24 - 15, 44 + 40, 24 + 15])]
