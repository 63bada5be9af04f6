"""Heads read by the formulas of their papers, one cell at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from objectspace.models.darknet.cfg import parse_cfg
from objectspace.models.darknet.layers import Layers, Yolo, read_layers
from objectspace.models.detectors.predictions import HeadReader
from objectspace.models.maps import Head

NUMBERS = np.array([0.3, 0.6, 0.4, 0.8, 0.9, 0.2, 0.7])  # x, y, w, h, objectness, two classes


def head_reader(head: str) -> tuple[HeadReader, Layers]:
    text = (
        "[net]\nwidth=128\nheight=64\n[maxpool]\nsize=32\nstride=32\npadding=0\n[convolutional]\nfilters=14\n"
        f"activation=linear\n{head}\nclasses=2\nnum=2\n"
    )
    layers = read_layers(parse_cfg(text, path="x.cfg"))
    (yolo,) = layers.heads
    assert isinstance(yolo.settings, Yolo)
    anchors = np.array(yolo.settings.anchors, np.float32)
    settings = yolo.settings
    grid = Head(yolo.number, "1", 32, 14, (4, 2), anchors, (0, 1))
    return HeadReader(grid, 2, settings.scale_xy, layers.input_wh, settings.reading), layers


def raw_of(numbers: np.ndarray) -> torch.Tensor:
    """A map of 4 x 2 cells whose second anchor predicts in column 3 and row 1 and nothing else does."""
    raw = torch.full((14, 2, 4), -9.0)
    raw[7:, 1, 3] = torch.from_numpy(numbers).float()
    return raw


def test_new_coords_are_read_without_a_sigmoid() -> None:
    """Scaled-YOLOv4: the center is s p - (s - 1) / 2 in its cell, a side (2 p)^2 anchors."""
    reader, _ = head_reader("[yolo]\nanchors=10,12,20,24\nmask=0,1\nscale_x_y=2.0\nnew_coords=1")
    found = reader.of_map(raw_of(NUMBERS), 0.5)
    x, y = (3 + 2 * 0.3 - 0.5) * 32, (1 + 2 * 0.6 - 0.5) * 32
    width, height = 0.8**2 * 20, 1.6**2 * 24
    expected = [[x - width / 2, y - height / 2, x + width / 2, y + height / 2]]
    np.testing.assert_allclose(found.xyxy, expected, rtol=1e-5)
    np.testing.assert_allclose(found.score, [0.9 * 0.7], rtol=1e-6)
    assert found.label.tolist() == [1]


def test_a_region_is_read_with_softmax_and_anchors_in_cells() -> None:
    """YOLOv2: the center is the cell and sigmoid(t), a side exp(t) anchors, of as many cells."""
    reader, _ = head_reader("[region]\nanchors=1,2,0.5,0.25\nsoftmax=1")
    found = reader.of_map(raw_of(NUMBERS), 0.1)

    def sigmoid(t: float) -> float:
        return 1 / (1 + math.exp(-t))

    x, y = (3 + sigmoid(0.3)) * 32, (1 + sigmoid(0.6)) * 32
    width, height = math.exp(0.4) * 16, math.exp(0.8) * 8
    expected = [[x - width / 2, y - height / 2, x + width / 2, y + height / 2]]
    np.testing.assert_allclose(found.xyxy, expected, rtol=1e-5)
    share = math.exp(0.7) / (math.exp(0.2) + math.exp(0.7))
    np.testing.assert_allclose(found.score, [sigmoid(0.9) * share], rtol=1e-6)


@pytest.mark.parametrize(
    "head",
    [
        "[yolo]\nanchors=10,12,20,24\nmask=0,1",
        "[yolo]\nanchors=10,12,20,24\nmask=0,1\nnew_coords=1",
        "[region]\nanchors=1,2,0.5,0.25\nsoftmax=1",
    ],
)
def test_the_score_of_an_anchor_by_name_is_that_of_its_prediction(head: str) -> None:
    reader, _ = head_reader(head)
    found = reader.of_map(raw_of(NUMBERS), 0.1)
    cells = raw_of(NUMBERS).reshape(14, -1).T
    scores = reader.scores(cells, np.array([7]), np.array([1]), found.label)
    np.testing.assert_allclose(scores, found.score, rtol=1e-6)
