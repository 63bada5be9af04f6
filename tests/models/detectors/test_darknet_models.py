from __future__ import annotations

import math
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from objectspace.errors import (
    CfgError,
    DownloadError,
    InputError,
    ModelError,
    ModelWarning,
    NonFiniteError,
    WeightsError,
)
from objectspace.files import file_sha256
from objectspace.images import Image, halved, image_from_array
from objectspace.models import weights as weights_module
from objectspace.models.darknet.architectures import ARCHITECTURES, Architecture
from objectspace.models.darknet.cfg import parse_cfg
from objectspace.models.darknet.network import load_network, write_weights
from objectspace.models.detectors import Detector, darknet_models, load_detector
from objectspace.models.detectors.predictions import Predictions, unsuppressed
from objectspace.models.maps import MapRun
from objectspace.objects.boxes import stretch_frame
from objectspace.objects.records import Objects, Provenance

# 64 x 32 pixels; a head of 4 x 2 cells of 16 pixels, then one of 8 x 4 cells of 8 pixels; two anchors each,
# three classes.
CFG = """\
[net]
width=64
height=32
[convolutional]
batch_normalize=1
filters=6
size=3
stride=8
pad=1
activation=leaky
[maxpool]
size=2
stride=2
[convolutional]
filters=16
size=1
activation=linear
[yolo]
mask=2,3
anchors=4,4, 6,3, 16,8, 20,20
classes=3
scale_x_y=1.2
[route]
layers=0
[convolutional]
filters=16
size=1
activation=linear
[yolo]
mask=0,1
anchors=4,4, 6,3, 16,8, 20,20
classes=3
"""
COARSE, FINE = 0, 1
NOTHING = -30.0


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("darknet")
    cfg, weights = folder / "small.cfg", folder / "small.weights"
    cfg.write_text(CFG)
    torch.manual_seed(0)
    write_weights(load_network(parse_cfg(CFG, path="small.cfg"), None), weights)
    return cfg, weights


@pytest.fixture(scope="module")
def detector(files: tuple[Path, Path]) -> Detector:
    return load_detector(files[0], weights=files[1], precision="float32")


@pytest.fixture(scope="module")
def letterboxed(files: tuple[Path, Path]) -> Detector:
    return load_detector(files[0], weights=files[1], precision="float32", resize="letterbox")


def test_the_name_of_any_cfg_can_stand_in_that_of_a_space(files: tuple[Path, Path], tmp_path: Path) -> None:
    copy = tmp_path / "small (1) é.cfg"
    copy.write_text(CFG)
    detector = load_detector(copy, weights=files[1], precision="float32")
    assert (detector.name, detector.source.split("@")[0]) == ("small-1", "small-1")


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


class Prediction:
    """Numbers of one cell and anchor of a head: at first a box of the anchor's size in the cell's middle."""

    def __init__(
        self,
        head: int,
        anchor: int,
        x: int,
        y: int,
        score: float = 0.9,
        label: int = 0,
        txy: float = 0.0,
        twh: float = 0.0,
    ) -> None:
        self.place = (head, anchor, y, x)
        # All of the score in the objectness, and a class that is certain in float32.
        classes = [30.0 if number == label else NOTHING for number in range(3)]
        self.numbers = [txy, txy, twh, twh, logit(score), *classes]


def run_of(*predictions: Prediction) -> MapRun:
    heads = [torch.full((1, 2, 8, 2, 4), NOTHING), torch.full((1, 2, 8, 4, 8), NOTHING)]
    for prediction in predictions:
        head, anchor, y, x = prediction.place
        heads[head][0, anchor, :, y, x] = torch.tensor(prediction.numbers)
    return MapRun(tuple(head.flatten(1, 2) for head in heads), {})


def find(
    detector: Detector,
    *predictions: Prediction,
    image_wh: tuple[int, int] = (64, 32),
    confidence: float = 0.25,
    iou: float = 0.45,
) -> Objects:
    frame = detector.frame(image_wh)
    return detector.find_objects(run_of(*predictions), 0, "image", frame, confidence=confidence, iou=iou)


def test_heads_are_described(detector: Detector) -> None:
    coarse, fine = detector.heads
    assert (coarse.layer, coarse.tap, coarse.stride, coarse.channels, coarse.grid_wh) == (
        3,
        "1",
        16,
        6,
        (4, 2),
    )
    assert (fine.layer, fine.tap, fine.stride, fine.channels, fine.grid_wh) == (6, "4", 8, 6, (8, 4))
    assert coarse.anchors.tolist() == [[16, 8], [20, 20]]
    assert (coarse.anchor_index, fine.anchor_index) == ((2, 3), (0, 1))


def test_a_box_of_the_anchors_size_in_the_middle_of_its_cell(detector: Detector) -> None:
    objects = find(
        detector, Prediction(COARSE, 0, x=2, y=1), Prediction(FINE, 1, x=1, y=2, score=0.8, label=2)
    )
    # Cells of 16 pixels: center (40, 24), 16 x 8; of 8 pixels: center (12, 20), 6 x 3.
    np.testing.assert_allclose(objects.xyxy, [[32, 20, 48, 28], [9, 18.5, 15, 21.5]], atol=1e-4)
    np.testing.assert_allclose(objects.score, [0.9, 0.8], atol=1e-6)
    assert objects.label.tolist() == ["class 0", "class 2"]


def test_every_object_keeps_the_cell_that_made_it(detector: Detector) -> None:
    cells = find(
        detector, Prediction(COARSE, 0, x=2, y=1), Prediction(FINE, 1, x=1, y=2, score=0.8)
    ).provenance
    assert cells.head.tolist() == [3, 6]
    assert cells.stride.tolist() == [16, 8]
    assert cells.cell_x.tolist() == [2, 1]
    assert cells.cell_y.tolist() == [1, 2]
    assert cells.anchor.tolist() == [2, 1]
    np.testing.assert_allclose(cells.objectness, [0.9, 0.8], atol=1e-6)


def test_center_and_sides_by_hand(detector: Detector) -> None:
    """sigmoid(log 3) = 3/4, with scale_x_y 1.2 about the middle 0.8; exp(log 2) doubles the anchor."""
    shifted = {"txy": math.log(3), "twh": math.log(2)}
    coarse = find(detector, Prediction(COARSE, 0, x=1, y=0, **shifted), image_wh=(6400, 3200)).xyxy
    np.testing.assert_allclose(coarse, [[1280, 480, 4480, 2080]], atol=0.1)
    fine = find(detector, Prediction(FINE, 0, x=3, y=2, **shifted)).xyxy
    np.testing.assert_allclose(fine, [[26, 18, 34, 26]], atol=1e-4)


def test_the_score_is_objectness_times_the_best_class(detector: Detector) -> None:
    prediction = Prediction(FINE, 0, x=0, y=0, score=0.8)
    prediction.numbers[5:] = [logit(0.3), logit(0.7), logit(0.5)]
    objects = find(detector, prediction)
    assert objects.label.tolist() == ["class 1"]
    assert objects.score[0] == pytest.approx(0.56)
    assert objects.provenance.objectness[0] == pytest.approx(0.8)


def test_the_threshold_is_on_the_score_and_inclusive(detector: Detector) -> None:
    prediction = Prediction(FINE, 0, x=0, y=0, score=0.5)
    assert len(find(detector, prediction, confidence=0.5)) == 1
    assert len(find(detector, prediction, confidence=0.501)) == 0
    prediction.numbers[5:] = [0.0, NOTHING, NOTHING]
    assert len(find(detector, prediction, confidence=0.25)) == 1
    assert len(find(detector, prediction, confidence=0.251)) == 0


def test_nothing_found_is_an_empty_record(detector: Detector) -> None:
    assert len(find(detector)) == 0


def test_of_overlapping_boxes_of_a_class_the_best_is_left(detector: Detector) -> None:
    same = [Prediction(COARSE, 1, x=1, y=0, score=score) for score in (0.7,)]
    near = Prediction(FINE, 0, x=2, y=1, score=0.9, twh=math.log(5))
    # 20 x 20 about (24, 8) and 20 x 20 about (20, 12): IoU 256 / 544 = 0.47.
    assert find(detector, *same, near).score.tolist() == pytest.approx([0.9])
    assert find(detector, *same, near, iou=0.48).score.tolist() == pytest.approx([0.9, 0.7])


def test_boxes_of_other_classes_do_not_suppress_each_other(detector: Detector) -> None:
    anchors = [
        Prediction(COARSE, 1, x=1, y=0, label=0),
        Prediction(FINE, 0, x=2, y=1, label=1, twh=math.log(5)),
    ]
    assert sorted(find(detector, *anchors).label) == ["class 0", "class 1"]


def test_boxes_that_stick_out_do_not_suppress_other_classes(detector: Detector) -> None:
    """Suppression shifts classes apart; a box left of the image must not reach into the next class."""
    wide = Prediction(COARSE, 1, x=0, y=0, label=1, twh=3.0)
    other = Prediction(COARSE, 0, x=3, y=1, label=0, twh=3.0, score=0.95)
    assert len(find(detector, wide, other, iou=0.0)) == 2


def test_equal_scores_stand_in_the_order_of_head_row_column_anchor(detector: Detector) -> None:
    places = [
        (FINE, 0, 7, 0),
        (COARSE, 1, 3, 0),
        (COARSE, 0, 0, 1),
        (FINE, 1, 0, 3),
        (COARSE, 0, 3, 0),
        (FINE, 0, 0, 3),
    ]
    objects = find(detector, *(Prediction(*place) for place in places), iou=1.0)
    cells = objects.provenance
    order = list(zip(cells.head, cells.cell_y, cells.cell_x, cells.anchor, strict=True))
    assert order == [(3, 0, 3, 2), (3, 0, 3, 3), (3, 1, 0, 2), (6, 0, 7, 0), (6, 3, 0, 0), (6, 3, 0, 1)]


def test_boxes_are_cut_at_the_images_border(detector: Detector) -> None:
    xyxy = find(detector, Prediction(COARSE, 1, x=0, y=0), Prediction(COARSE, 1, x=3, y=1, twh=1.0)).xyxy
    np.testing.assert_allclose(sorted(xyxy.tolist()), [[0, 0, 18, 18], [28.8, 0, 64, 32]], atol=0.1)


def test_what_lies_in_the_gray_bars_is_no_object(letterboxed: Detector) -> None:
    # A square image in 64 x 32: the picture fills columns 16 to 48.
    predictions = [Prediction(FINE, 0, x=0, y=1), Prediction(FINE, 0, x=4, y=1)]
    objects = find(letterboxed, *predictions, image_wh=(320, 320))
    assert len(objects) == 1
    np.testing.assert_allclose(objects.xyxy, [[180, 100, 220, 140]], atol=1e-3)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_an_error(detector: Detector, value: float) -> None:
    prediction = Prediction(FINE, 0, x=0, y=0)
    prediction.numbers[1] = value
    with pytest.raises(NonFiniteError, match="image image: small gave NaN or infinity"):
        find(detector, prediction)


def test_the_other_rows_of_a_pass_are_good(detector: Detector) -> None:
    bad = Prediction(FINE, 0, x=0, y=0)
    bad.numbers[4] = math.nan
    runs = [run_of(bad), run_of(Prediction(COARSE, 1, x=1, y=1))]
    together = MapRun(tuple(torch.cat(heads) for heads in zip(*(run.heads for run in runs), strict=True)), {})
    frame = stretch_frame((64, 32), (64, 32))
    with pytest.raises(NonFiniteError):
        detector.find_objects(together, 0, "first", frame, confidence=0.25, iou=0.45)
    assert len(detector.find_objects(together, 1, "second", frame, confidence=0.25, iou=0.45)) == 1


def test_a_score_of_the_confidence_counts(detector: Detector) -> None:
    prediction = Prediction(FINE, 0, x=0, y=0, score=0.7)
    (score,) = find(detector, prediction).score
    assert len(find(detector, prediction, confidence=float(score))) == 1
    assert len(find(detector, prediction, confidence=float(np.nextafter(score, np.float32(1))))) == 0


def test_an_overlap_of_the_threshold_does_not_suppress() -> None:
    # Half of the first box is all of the second.
    found = Predictions(
        np.array([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 5.0]]),
        np.array([0.9, 0.8], np.float32),
        np.array([0, 0]),
        Provenance.unknown(2),
    )
    assert unsuppressed(found, 0.5).tolist() == [0, 1]
    assert unsuppressed(found, 0.499).tolist() == [0]


def test_sides_beyond_all_bounds_end_at_the_image(detector: Detector) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        xyxy = find(detector, Prediction(COARSE, 0, x=0, y=0, twh=1e30)).xyxy
    assert xyxy.tolist() == [[0, 0, 64, 32]]


@pytest.mark.parametrize("option", ["confidence", "iou"])
@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_thresholds_are_checked(detector: Detector, option: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{option} is .*, expected a number from 0 to 1"):
        find(detector, **{option: value})


def picture(width: int, height: int, seed: int = 0) -> Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return image_from_array(pixels, path=f"{seed}.png")


def test_a_row_depends_on_no_other_and_not_on_the_number_of_rows(detector: Detector) -> None:
    inputs = np.stack([detector.prepare(picture(90, 70, seed)) for seed in range(7)])
    together = detector.run(inputs)
    for rows in ([3], [6, 3], [3, 0, 1, 2], [5, 4, 3, 3, 3, 3, 3, 3, 3]):
        other = detector.run(inputs[rows])
        place = rows.index(3)
        assert all(torch.equal(a[3], b[place]) for a, b in zip(together.heads, other.heads, strict=True))
        assert all(torch.equal(together.maps[layer][3], other.maps[layer][place]) for layer in together.maps)


def test_a_pass_gives_raw_heads_and_the_map_before_each(detector: Detector) -> None:
    run = detector.run(np.zeros((2, 32, 64, 3), np.uint8))
    assert [tuple(head.shape) for head in run.heads] == [(2, 16, 2, 4), (2, 16, 4, 8)]
    assert {layer: tuple(m.shape) for layer, m in run.maps.items()} == {3: (2, 6, 2, 4), 6: (2, 6, 4, 8)}
    assert all(tensor.dtype == torch.float32 for tensor in (*run.heads, *run.maps.values()))


@pytest.mark.parametrize("shape", [(32, 64, 3), (1, 64, 32, 3), (1, 32, 64, 1)])
def test_inputs_of_another_shape_are_refused(detector: Detector, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"expected \(b, 32, 64, 3\) uint8"):
        detector.run(np.zeros(shape, np.uint8))


def test_detect_is_prepare_run_and_find(detector: Detector) -> None:
    images = [picture(90, 70, seed) for seed in range(3)]
    found = detector.detect(images, confidence=0.1)
    for image, objects in zip(images, found, strict=True):
        run = detector.run(detector.prepare(image)[None])
        frame = detector.frame((image.width, image.height))
        alone = detector.find_objects(run, 0, image.image_id, frame, confidence=0.1, iou=0.45)
        assert len(objects) > 0
        assert objects.object_id.tolist() == alone.object_id.tolist()
        assert set(objects.image_id) == {image.image_id}
        assert set(objects.source) == {detector.source}


def test_detect_of_no_images_is_empty(detector: Detector) -> None:
    assert detector.detect([]) == []


def test_bfloat16_finds_about_the_same(files: tuple[Path, Path], detector: Detector) -> None:
    rough = load_detector(files[0], weights=files[1], precision="bfloat16")
    inputs = detector.prepare(picture(90, 70))[None]
    for one, other in zip(detector.run(inputs).heads, rough.run(inputs).heads, strict=True):
        torch.testing.assert_close(one, other, rtol=0.05, atol=0.05)
    assert rough.recipe["precision"] == "bfloat16"
    assert rough.source != detector.source


# Preparing.


def test_an_image_of_the_networks_size_is_taken_as_it_is(detector: Detector) -> None:
    image = picture(64, 32)
    assert np.array_equal(detector.prepare(image), image.pixels)


def test_the_gray_bars_lie_beside_the_picture(letterboxed: Detector) -> None:
    pixels = np.full((100, 100, 3), (200, 100, 50), np.uint8)
    prepared = letterboxed.prepare(image_from_array(pixels))
    assert prepared.shape == (32, 64, 3)
    assert (prepared[:, 16:48] == (200, 100, 50)).all()
    assert (prepared[:, :16] == 128).all()
    assert (prepared[:, 48:] == 128).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (63, 31), (65, 33), (640, 480), (333, 777)])
@pytest.mark.parametrize("kind", ["detector", "letterboxed"])
def test_any_size_can_be_prepared(request: pytest.FixtureRequest, kind: str, size: tuple[int, int]) -> None:
    prepared = request.getfixturevalue(kind).prepare(picture(*size))
    assert prepared.shape == (32, 64, 3)
    assert prepared.dtype == np.uint8


@pytest.mark.parametrize("kind", ["detector", "letterboxed"])
@pytest.mark.parametrize("size", [(640, 480), (1000, 300), (300, 1000), (200, 160)])
def test_the_frame_says_where_the_pixels_went(
    request: pytest.FixtureRequest, kind: str, size: tuple[int, int]
) -> None:
    """A picture whose red is its x and whose green is its y, read back through the frame."""
    detector = request.getfixturevalue(kind)
    width, height = size
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    pixels = np.stack([x * 255, y * 255, 0 * x], axis=2).round().astype(np.uint8)
    prepared = detector.prepare(image_from_array(pixels))
    frame = detector.frame(size)
    box = np.array([[0.25 * width, 0.25 * height, 0.75 * width, 0.75 * height]], np.float32)
    left, top, right, bottom = frame.to_input(box)[0]
    column, row = int((left + right) / 2), int((top + bottom) / 2)
    center = frame.to_image(np.array([[column, row, column + 1, row + 1]], np.float32))[0]
    expected = [(center[0] + center[2]) / 2 / width * 255, (center[1] + center[3]) / 2 / height * 255]
    np.testing.assert_allclose(prepared[row, column, :2], expected, atol=1.5)
    np.testing.assert_allclose(frame.to_image(frame.to_input(box)), box, atol=1e-3)


@pytest.mark.parametrize("kind", ["detector", "letterboxed"])
def test_pixels_at_reduced_scale_give_the_same_input(request: pytest.FixtureRequest, kind: str) -> None:
    detector = request.getfixturevalue(kind)
    whole = picture(640, 480)
    half = Image(
        whole.image_id, whole.path, halved(whole.pixels, at_least=(320, 240)), whole.width, whole.height
    )
    assert half.pixels.shape == (240, 320, 3)
    difference = detector.prepare(whole).astype(int) - detector.prepare(half).astype(int)
    assert np.abs(difference).max() <= 1


def test_preparing_in_many_threads_is_preparing_in_one(detector: Detector) -> None:
    images = [picture(300, 200, seed) for seed in range(24)]
    alone = [detector.prepare(image) for image in images]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(detector.prepare, images))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def test_preparing_leaves_the_image_as_it_was(detector: Detector) -> None:
    image = picture(64, 32)
    image.pixels.flags.writeable = False
    before = image.pixels.copy()
    detector.run(detector.prepare(image)[None])
    assert np.array_equal(image.pixels, before)


# A transparent network: its map is its input.

TRANSPARENT = """\
[net]
width=16
height=16
[convolutional]
filters=3
size=1
activation=linear
[convolutional]
filters=6
size=1
activation=linear
[yolo]
mask=0
anchors=4,4
classes=1
"""


def test_the_map_of_a_transparent_network_is_the_picture(tmp_path: Path) -> None:
    network = load_network(parse_cfg(TRANSPARENT, path="t.cfg"), None)
    with torch.no_grad():
        network.convolutions["0"].convolution.weight.copy_(torch.eye(3)[:, :, None, None])
        network.convolutions["0"].convolution.bias.zero_()
    (tmp_path / "t.cfg").write_text(TRANSPARENT)
    write_weights(network, tmp_path / "t.weights")
    detector = load_detector(tmp_path / "t.cfg", weights=tmp_path / "t.weights", precision="float32")
    image = picture(16, 16)
    vectors = detector.run(detector.prepare(image)[None]).maps[2][0]
    expected = torch.from_numpy(image.pixels).permute(2, 0, 1).float() / 255
    torch.testing.assert_close(vectors, expected)


# Loading.


def test_a_cfg_by_path_is_stretched_unless_chosen(detector: Detector, letterboxed: Detector) -> None:
    assert detector.recipe["resize"] == "stretch"
    assert detector.frame((100, 100)) == stretch_frame((100, 100), (64, 32))
    assert letterboxed.frame((100, 100)).offset_xy == (16.0, 0.0)
    assert detector.source != letterboxed.source


def test_the_source_is_name_and_digest_and_the_same_each_time(
    files: tuple[Path, Path], detector: Detector
) -> None:
    again = load_detector(str(files[0]), weights=str(files[1]), precision="float32")
    assert again.source == detector.source
    assert detector.source.startswith("small@")
    assert not {"confidence", "iou"} & set(detector.recipe)


def test_names_come_from_a_file(tmp_path: Path, files: tuple[Path, Path]) -> None:
    (tmp_path / "names").write_text("sofa\ncat\ntvmonitor\n")
    named = load_detector(files[0], weights=files[1], names=tmp_path / "names", precision="float32")
    assert find(named, Prediction(FINE, 0, x=0, y=0, label=0)).label.tolist() == ["couch"]


@pytest.fixture
def published(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The small network as if its weights were published, trained with anchors 1 and 2 at the finer head."""
    known = weights_module.WeightsFile("small.weights", file_sha256(files[1]), (), 0, "none", "a test")
    _, *layers = CFG.replace("mask=0,1", "mask=1,2").split("[convolutional]")
    small = Architecture("small", (64, 32), lambda: ["[convolutional]" + layer for layer in layers], known)
    monkeypatch.setattr(darknet_models, "ARCHITECTURES", {"small": small})
    return files


def test_published_weights_under_other_anchors_are_warned_of(published: tuple[Path, Path]) -> None:
    words = (
        r"small\.cfg, line 29, layer 6 \[yolo\] predicts boxes of wrong sizes: .* published as small, were "
        r"trained with mask=1,2 there, of anchors=4,4, 6,3, 16,8, 20,20; write that into the cfg, or name "
    )
    with pytest.warns(ModelWarning, match=words) as warned:
        load_detector(published[0], weights=published[1], precision="float32")
    assert len(warned) == 1


def test_the_anchors_that_they_were_trained_with_are_not(
    published: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "right.cfg").write_text(CFG.replace("mask=0,1", "mask=1,2"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_detector(tmp_path / "right.cfg", weights=published[1], precision="float32")


def test_names_of_another_number_are_refused(tmp_path: Path, files: tuple[Path, Path]) -> None:
    (tmp_path / "names").write_text("cat\ndog\n")
    with pytest.raises(InputError, match=r"names has 2 names, but .*small\.cfg has 3 classes"):
        load_detector(files[0], weights=files[1], names=tmp_path / "names")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("yolov3-tyni", "did you mean yolov3-tiny"),
        ("yolo3", "did you mean yolov3"),
        ("yolov8n.pt", "of a DETR; what another package's network finds is taken as annotations: docs/ann"),
        ("yolo11s", "is taken as annotations"),
        ("resnet", "yolov3-spp, yolov3-tiny, a Darknet .cfg file, or the folder or hub id of a DETR$"),
    ],
)
def test_a_name_that_is_not_known_suggests_one_near(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_detector(name)


def test_a_missing_cfg_is_named(tmp_path: Path) -> None:
    with pytest.raises(CfgError, match=r"gone\.cfg: expected a Darknet cfg file, but: No such file"):
        load_detector(tmp_path / "gone.cfg", weights=tmp_path / "gone.weights")


def test_a_cfg_needs_its_weights(files: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"small\.cfg needs its weight file: give the detector's as weights="
    ):
        load_detector(files[0])
    with pytest.raises(WeightsError, match=r"gone\.weights: expected a Darknet weight file"):
        load_detector(files[0], weights=tmp_path / "gone.weights")


def test_an_unknown_resize_names_the_known_ones(files: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match="resize is 'crop', expected stretch or letterbox"):
        load_detector(files[0], weights=files[1], resize="crop")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[net]\nwidth=8\nheight=8\n[convolutional]\nfilters=6\nactivation=linear\n",
            r"has no \[yolo\] layer",
        ),
        (
            "[net]\nwidth=8\nheight=8\n[convolutional]\nfilters=6\nactivation=linear\n[yolo]\nanchors=1,1\nclasses=1\n",
            r"layer 1 \[yolo\] is expected to follow a convolution that reads an earlier layer",
        ),
    ],
)
def test_a_network_that_detects_nothing_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "x.cfg").write_text(text)
    write_weights(load_network(parse_cfg(text, path="x.cfg"), None), tmp_path / "x.weights")
    with pytest.raises(ModelError, match=words):
        load_detector(tmp_path / "x.cfg", weights=tmp_path / "x.weights")


def test_a_network_of_gray_photos_is_refused(tmp_path: Path) -> None:
    text = CFG.replace("height=32\n", "height=32\nchannels=1\n", 1)
    (tmp_path / "x.cfg").write_text(text)
    write_weights(load_network(parse_cfg(text, path="x.cfg"), None), tmp_path / "x.weights")
    with pytest.raises(CfgError, match=r"x\.cfg, line \d+, \[net\]: channels=1, expected 3,"):
        load_detector(tmp_path / "x.cfg", weights=tmp_path / "x.weights")


def test_a_name_takes_weights_by_path_and_is_letterboxed(tmp_path: Path) -> None:
    network = load_network(ARCHITECTURES["yolov3-tiny"].cfg(), None)
    write_weights(network, tmp_path / "my.weights")
    detector = load_detector("yolov3-tiny", weights=tmp_path / "my.weights", precision="float32")
    assert (detector.name, detector.recipe["resize"], detector.input_wh) == (
        "yolov3-tiny",
        "letterbox",
        (416, 416),
    )
    assert [head.tap for head in detector.heads] == ["14", "21"]


def test_a_name_offline_says_which_file_to_put_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(file: object, url: str, target: Path) -> Path:
        raise ConnectionError

    monkeypatch.setenv("OBJECTSPACE_CACHE", str(tmp_path))
    monkeypatch.setattr(weights_module, "_download", offline)
    with pytest.raises(DownloadError, match=r"248,007,048 bytes.* at .*/yolov3\.weights.*as weights="):
        load_detector("yolov3")


def test_the_table_of_detectors_needs_no_torch() -> None:
    code = (
        "import sys, objectspace.models.detectors, objectspace.models.darknet.architectures as known\n"
        "import objectspace.models.darknet.layers as layers\n"
        "[layers.read_layers(known.ARCHITECTURES[name].cfg()).taps for name in known.ARCHITECTURES]\n"
        "assert 'torch' not in sys.modules and 'pooch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_detector_shows_itself_in_one_line(detector: Detector) -> None:
    assert repr(detector) == "DarknetDetector('small', 64 x 32 pixels, float32 on cpu)"
    assert repr(run_of()) == "MapRun(0 inputs, maps of layers [])"
