"""torchvision's detectors: its own forward pass is the oracle; every box is made again from its anchor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from objectspace.embeddings.windows import responsible_cells
from objectspace.images import Image, image_from_array
from objectspace.models.detectors.torchvision_models import TorchvisionDetector
from objectspace.objects.boxes import Frame, shorter_side_frame
from objectspace.objects.records import Objects, make_objects
from tests.models.detectors.tiny_detectors import BUILDERS, MAX_SIZE, MIN_SIZE, NAMES, picture

FAMILIES = ("fasterrcnn", "retinanet", "fcos", "ssd")
CONFIDENCE, IOU = 0.3, 0.5


@pytest.fixture(params=FAMILIES)
def detector(request: pytest.FixtureRequest, torchvision_detectors: dict[str, Any]) -> TorchvisionDetector:
    return torchvision_detectors[request.param]


def find(detector: TorchvisionDetector, image: Image) -> Objects:
    (found,) = detector.detect([image], confidence=CONFIDENCE, iou=IOU)
    return found


def own_forward(detector: TorchvisionDetector, image: Image) -> dict[str, np.ndarray]:
    """What torchvision's model says at the same thresholds."""
    network = detector.network
    thresholds = network.roi_heads if hasattr(network, "roi_heads") else network
    before = thresholds.score_thresh, thresholds.nms_thresh
    thresholds.score_thresh, thresholds.nms_thresh = CONFIDENCE, IOU
    with torch.inference_mode():
        (said,) = network([torch.from_numpy(image.pixels.copy()).permute(2, 0, 1) / 255])
    thresholds.score_thresh, thresholds.nms_thresh = before
    # An object has an area; torchvision gives boxes without one, too.
    sides = said["boxes"][:, 2:] - said["boxes"][:, :2]
    return {name: values[(sides > 0).all(1)].numpy() for name, values in said.items()}


def test_detections_are_those_of_torchvision(detector: TorchvisionDetector, photo: Image) -> None:
    found, said = find(detector, photo), own_forward(detector, photo)
    assert len(found) == len(said["boxes"]) > 10
    np.testing.assert_allclose(found.xyxy, said["boxes"], atol=1e-4)
    np.testing.assert_allclose(found.score, said["scores"], atol=1e-5)
    assert found.label.tolist() == detector.names[said["labels"]].tolist()


def test_heads_have_the_cells_of_the_largest_input(
    detector: TorchvisionDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cells that are partly on the input count; layers and the anchors' numbers run on from head to head."""
    monkeypatch.setattr(detector, "input_wh", (130, 70))
    heads = detector._probed_heads()
    assert [head.layer for head in heads] == list(range(len(heads)))
    for head in heads:
        assert head.grid_wh == (math.ceil(130 / head.stride), math.ceil(70 / head.stride))
    numbers = [number for head in heads for number in head.anchor_index]
    assert numbers == list(range(sum(len(head.anchors) for head in heads)))


# ----------------------------------------------------------------------------- every box from its anchor


def maps_of(detector: TorchvisionDetector, image: Image) -> list[torch.Tensor]:
    """The maps (1, c, h, w), from the pixels on."""
    network, transform = detector.network, detector.network.transform
    pixels = torch.from_numpy(image.pixels.copy()).permute(2, 0, 1) / 255
    with torch.inference_mode():
        return list(network.backbone(transform([pixels])[0].tensors).values())


def anchor_box(detector: TorchvisionDetector, level: int, x: int, y: int, anchor: int) -> np.ndarray:
    """The anchor xyxy of a cell, worked out from the settings: (stride x, stride y) is its center in a
    pyramid, whose corners are rounded; SSD's lies in the cell's middle."""
    network, stride = detector.network, detector.heads[level].stride
    if detector.name == "ssd":
        scales, ratios = network.anchor_generator.scales, network.anchor_generator.aspect_ratios[level]
        one = scales[level]
        shapes = [(one, one), (np.sqrt(one * scales[level + 1]),) * 2]
        for ratio in ratios:
            wide = (one * np.sqrt(ratio), one / np.sqrt(ratio))
            shapes += [wide, wide[::-1]]
        sides = np.minimum(np.array(shapes[anchor]), 1) * (128, 96)
        center = (np.array([x, y]) + 0.5) * stride
        return np.concatenate([center - sides / 2, center + sides / 2])
    generator = network.rpn.anchor_generator if hasattr(network, "rpn") else network.anchor_generator
    sizes, ratios = generator.sizes[level], generator.aspect_ratios[level]
    ratio, size = ratios[anchor // len(sizes)], sizes[anchor % len(sizes)]
    half = np.round(np.array([size / np.sqrt(ratio), size * np.sqrt(ratio)]) / 2)
    center = np.array([x, y]) * stride
    return np.concatenate([center - half, center + half])


def decoded(deltas: np.ndarray, box: np.ndarray, weights: tuple[float, ...] = (1, 1, 1, 1)) -> np.ndarray:
    """R-CNN's coding of boxes (Girshick et al. 2014, appendix C), in float64."""
    sides, center = box[2:] - box[:2], (box[:2] + box[2:]) / 2
    dx, dy, dw, dh = deltas.astype(np.float64) / weights
    center = center + np.array([dx, dy]) * sides
    sides = sides * np.exp(np.array([dw, dh]))
    return np.concatenate([center - sides / 2, center + sides / 2])


def clipped(box: np.ndarray) -> np.ndarray:
    return np.clip(box, 0, (128, 96, 128, 96))


def sigmoid(value: float) -> float:
    return float(1 / (1 + np.exp(-value)))


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values.astype(np.float64) - values.max())
    return powers / powers.sum()


def at_cell(numbers: torch.Tensor, grid: tuple[int, int], x: int, y: int, anchor: int) -> np.ndarray:
    """What a head (1, rows * columns * anchors, k) of one level says of one anchor."""
    rows, columns = grid
    return numbers[0].reshape(rows, columns, -1, numbers.shape[2])[y, x, anchor].numpy()


@pytest.mark.parametrize("family", ["retinanet", "fcos", "ssd"])
def test_one_stage_boxes_come_from_the_anchor_they_name(
    family: str, torchvision_detectors: dict[str, Any], photo: Image
) -> None:
    detector = torchvision_detectors[family]
    found, maps = find(detector, photo), maps_of(detector, photo)
    head, cells = detector.network.head, found.provenance
    for row in range(len(found)):
        level, x, y = (int(column[row]) for column in (cells.head, cells.cell_x, cells.cell_y))
        anchor = int(cells.anchor[row]) - detector.heads[level].anchor_index[0]
        grid = (maps[level].shape[2], maps[level].shape[3])
        with torch.inference_mode():
            # SSD has a head of its own for each level.
            levels = maps if family == "ssd" else [maps[level]]
            said = head(levels)
        if family == "ssd":
            counts = [
                one.shape[2] * one.shape[3] * len(h.anchors)
                for one, h in zip(maps, detector.heads, strict=True)
            ]
            said = {name: numbers.split(counts, 1)[level] for name, numbers in said.items()}
        say = {name: at_cell(numbers, grid, x, y, anchor) for name, numbers in said.items()}
        label = NAMES.index(found.label[row])
        box = anchor_box(detector, level, x, y, anchor)
        if family == "ssd":
            probabilities = softmax(say["cls_logits"])
            expected, score = decoded(say["bbox_regression"], box, (10, 10, 5, 5)), probabilities[label]
            assert cells.objectness[row] == pytest.approx(1 - probabilities[0], abs=1e-5)
        elif family == "fcos":
            reach = say["bbox_regression"].astype(np.float64) * detector.heads[level].stride
            center = (box[:2] + box[2:]) / 2
            expected = np.concatenate([center - reach[:2], center + reach[2:]])
            score = np.sqrt(sigmoid(say["cls_logits"][label]) * sigmoid(say["bbox_ctrness"][0]))
        else:
            expected, score = decoded(say["bbox_regression"], box), sigmoid(say["cls_logits"][label])
        np.testing.assert_allclose(found.xyxy[row], clipped(expected), atol=1e-3)
        assert found.score[row] == pytest.approx(score, abs=1e-5)
    if family != "ssd":
        assert np.isnan(cells.objectness).all()


def test_faster_rcnn_boxes_come_from_the_proposal_of_the_anchor_they_name(
    torchvision_detectors: dict[str, Any], photo: Image
) -> None:
    detector = torchvision_detectors["fasterrcnn"]
    found, maps, network = find(detector, photo), maps_of(detector, photo), detector.network
    cells, heads = found.provenance, network.roi_heads
    named = dict(zip(("0", "1", "2", "pool"), maps, strict=True))
    for row in range(len(found)):
        level, x, y = (int(column[row]) for column in (cells.head, cells.cell_x, cells.cell_y))
        anchor = int(cells.anchor[row]) - detector.heads[level].anchor_index[0]
        with torch.inference_mode():
            (logits,), (deltas,) = network.rpn.head([maps[level]])
            delta = deltas[0].reshape(-1, 4, *deltas.shape[2:])[anchor, :, y, x].numpy()
            proposal = clipped(decoded(delta, anchor_box(detector, level, x, y, anchor)))
            boxes = torch.from_numpy(proposal[None].astype(np.float32))
            pooled = heads.box_roi_pool(named, [boxes], [(96, 128)])
            scores, moves = heads.box_predictor(heads.box_head(pooled))
        label = NAMES.index(found.label[row])
        expected = decoded(moves[0].reshape(-1, 4)[label].numpy(), proposal, (10, 10, 5, 5))
        np.testing.assert_allclose(found.xyxy[row], clipped(expected), atol=1e-2)
        assert found.score[row] == pytest.approx(softmax(scores[0].numpy())[label], abs=1e-3)
        assert cells.objectness[row] == pytest.approx(sigmoid(float(logits[0, anchor, y, x])), abs=1e-5)


def test_several_levels_and_anchors_make_objects(detector: TorchvisionDetector, photo: Image) -> None:
    cells = find(detector, photo).provenance
    assert len(set(cells.head.tolist())) > 1
    assert len(np.unique(np.column_stack([cells.cell_x, cells.cell_y]), axis=0)) > 5
    strides = {head.layer: head.stride for head in detector.heads}
    assert [strides[head] for head in cells.head.tolist()] == cells.stride.tolist()


# ------------------------------------------------------------------------- maps and responsible cells


def test_maps_are_those_that_torchvision_s_heads_read(detector: TorchvisionDetector, photo: Image) -> None:
    run = detector.run([detector.prepare(photo)])
    for head, expected in zip(detector.heads, maps_of(detector, photo), strict=True):
        assert expected.shape[1] == head.channels
        np.testing.assert_allclose(run.maps[head.layer][0], expected[0], atol=1e-5)


def test_a_row_depends_on_no_other(detector: TorchvisionDetector) -> None:
    images = [
        image_from_array(picture(*size, seed=n)) for n, size in enumerate([(128, 96), (96, 150), (64, 64)])
    ]
    inputs = [detector.prepare(image) for image in images]
    together = detector.run(inputs)
    for row, image in enumerate(images):
        alone = detector.run(inputs[row : row + 1])
        for layer, maps in together.maps.items():
            assert torch.equal(maps[row], alone.maps[layer][0])
        frame = detector.frame((image.width, image.height))
        found = [
            detector.find_objects(run, at, "id", frame, confidence=CONFIDENCE, iou=IOU)
            for run, at in ((together, row), (alone, 0))
        ]
        assert found[0].object_id.tolist() == found[1].object_id.tolist()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    left=st.floats(0, 120),
    top=st.floats(0, 90),
    width=st.floats(1, 128),
    height=st.floats(1, 96),
)
def test_an_annotated_object_gets_the_anchor_that_fits_best(
    torchvision_detectors: dict[str, Any], left: float, top: float, width: float, height: float
) -> None:
    box = np.array([[left, top, min(left + width, 128), min(top + height, 96)]], np.float32)
    box[:, 2:] = np.maximum(box[:, 2:], box[:, :2] + 1)
    annotated = make_objects(image_id="x", xyxy=box, label=["apple"], source="annotation")
    for detector in torchvision_detectors.values():
        frame = detector.frame((128, 96))
        cells = responsible_cells(annotated, detector.heads, frame, source=detector.source)
        sides = (box[0, 2:] - box[0, :2]).astype(np.float64)
        best, chosen = 0.0, -1.0
        for head in detector.heads:
            for number, (wide, high) in zip(head.anchor_index, head.anchors.astype(np.float64), strict=True):
                shared = min(sides[0], wide) * min(sides[1], high)
                fit = shared / (sides.prod() + wide * high - shared)
                best = max(best, fit)
                if (head.layer, number) == (cells.head[0], cells.anchor[0]):
                    chosen = fit
        assert chosen == pytest.approx(best, rel=1e-5)
        (head,) = (head for head in detector.heads if head.layer == cells.head[0])
        center = (box[0, :2] + box[0, 2:]) / 2
        cell = np.minimum(center // head.stride, np.array(head.grid_wh) - 1)
        assert (cells.cell_x[0], cells.cell_y[0]) == tuple(cell)


def test_fcos_chooses_the_level_that_is_trained_on_squares_of_that_side(
    torchvision_detectors: dict[str, Any],
) -> None:
    # Section 3.2 of the paper: of a square, the farthest side from the middle is half of it away.
    detector = torchvision_detectors["fcos"]
    frame = Frame((512, 512), (512, 512), (1.0, 1.0), (0.0, 0.0))
    for side, layer in ((20, 0), (127, 0), (129, 1), (255, 1), (257, 2), (500, 2)):
        box = np.array([[5, 5, 5 + side, 5 + side]], np.float32)
        square = make_objects(image_id="x", xyxy=box, label=["apple"], source="annotation")
        assert responsible_cells(square, detector.heads, frame, source="").head[0] == layer


@settings(max_examples=80, deadline=None)
@given(width=st.integers(1, 700), height=st.integers(1, 700))
def test_inputs_have_the_size_that_torchvision_gives_them(width: int, height: int) -> None:
    transform = GeneralizedRCNNTransform(MIN_SIZE, MAX_SIZE, [0.0] * 3, [1.0] * 3).eval()
    if MAX_SIZE * min(width, height) < max(width, height):
        return  # torchvision fails on a photo that would be less than a pixel high
    ((rows, columns),) = transform([torch.zeros(3, height, width)])[0].image_sizes
    frame = shorter_side_frame((width, height), MIN_SIZE, MAX_SIZE)
    assert frame.input_wh == (columns, rows)
    ratio = np.array([columns / width, rows / height] * 2)
    box = np.array([[0, 0, width, height]], np.float32)
    np.testing.assert_allclose(frame.to_input(box), box * ratio, rtol=1e-6)


def test_bfloat16_finds_much_the_same(torchvision_detectors: dict[str, Any], photo: Image) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        network = BUILDERS["retinanet"]().eval()
    network.load_state_dict(torchvision_detectors["retinanet"].network.state_dict())
    half = TorchvisionDetector("retinanet", network, weights="0" * 64, names=NAMES, precision="bfloat16")
    exact = torchvision_detectors["retinanet"]
    said, expected = (one.run([one.prepare(photo)]).heads[0].logits for one in (half, exact))
    assert half.source != exact.source
    assert float((said - expected).std() / expected.std()) < 0.05


def test_a_score_of_the_confidence_counts(detector: TorchvisionDetector, photo: Image) -> None:
    found = find(detector, photo)
    threshold = float(found.score[len(found) // 2])
    (at_it,) = detector.detect([photo], confidence=threshold, iou=IOU)
    assert at_it.object_id.tolist() == found.object_id[found.score >= threshold].tolist()
