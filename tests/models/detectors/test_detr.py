"""The DETR family: transformers' own post-processing is the oracle; networks are tiny, random and on disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from objectspace.errors import DownloadError, InputError, ModelError, NonFiniteError, WeightsError
from objectspace.images import Image, image_from_array
from objectspace.models.detectors import load_detector
from objectspace.models.detectors.detr import DetrDetector, _cells
from objectspace.models.detectors.passes import normalized
from objectspace.models.maps import QUERY_METHOD
from tests.models.detectors.tiny_detectors import DETR_KINDS, picture, save_detr

CONFIDENCE = 0.3


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    pytest.importorskip("transformers")
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("detrs")
    for kind in DETR_KINDS:
        save_detr(kind, root / kind)
    return {kind: root / kind for kind in DETR_KINDS}


@pytest.fixture(scope="session")
def detectors(folders: dict[str, Path]) -> dict[str, Any]:
    return {kind: load_detector(folder) for kind, folder in folders.items()}


@pytest.fixture(params=DETR_KINDS)
def detector(request: pytest.FixtureRequest, detectors: dict[str, Any]) -> DetrDetector:
    return detectors[request.param]


@pytest.fixture
def photo() -> Image:
    """128 x 96 pixels, the networks' own size, so that nothing is resampled."""
    return image_from_array(picture(128, 96))


def own_outputs(
    detector: DetrDetector, folder: Path, image: Image, *, threshold: float = CONFIDENCE
) -> tuple[Any, Any]:
    """What transformers makes of a photo of the input's size: raw outputs and objects."""
    import transformers

    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    with torch.inference_mode():
        # Not the processor's own arithmetic, whose last digits would swap queries of nearly one score; that
        # its pixels are the same has a test of its own.
        pixels = torch.from_numpy(image.pixels.copy()).permute(2, 0, 1)[None].float() / 255
        if processor.do_normalize:
            mean, std = (
                torch.tensor(one)[:, None, None] for one in (processor.image_mean, processor.image_std)
            )
            pixels = (pixels - mean) / std
        raw = detector.network(pixel_values=pixels)
        (said,) = processor.post_process_object_detection(
            raw, threshold=threshold, target_sizes=[(image.height, image.width)]
        )
    return raw, said


@pytest.mark.parametrize("kind", DETR_KINDS)
def test_objects_are_those_of_transformers(
    kind: str, detectors: dict[str, Any], folders: dict[str, Path], photo: Image
) -> None:
    detector = detectors[kind]
    (found,) = detector.detect([photo], confidence=CONFIDENCE)
    _, said = own_outputs(detector, folders[kind], photo)
    limits = torch.tensor([photo.width, photo.height] * 2)
    boxes = torch.minimum(said["boxes"].clamp(min=0), limits)
    inside = (boxes[:, 2:] > boxes[:, :2]).all(1)
    order = torch.argsort(said["scores"][inside], descending=True, stable=True)
    assert len(found) == int(inside.sum()) > 5
    np.testing.assert_allclose(found.score, said["scores"][inside][order], atol=1e-5)
    np.testing.assert_allclose(found.xyxy, boxes[inside][order], atol=1e-3)
    assert found.label.tolist() == detector.names[said["labels"][inside][order].numpy()].tolist()


def test_conditional_detr_has_the_hundred_best_pairs_of_query_and_class(
    detectors: dict[str, Any], folders: dict[str, Path], photo: Image
) -> None:
    """Of 30 queries and 4 classes."""
    detector = detectors["conditional_detr"]
    _, said = own_outputs(detector, folders["conditional_detr"], photo, threshold=0)
    assert len(said["scores"]) == 100
    limits = torch.tensor([photo.width, photo.height] * 2)
    boxes = torch.minimum(said["boxes"].clamp(min=0), limits)
    inside = (boxes[:, 2:] > boxes[:, :2]).all(1)
    (found,) = detector.detect([photo], confidence=0)
    np.testing.assert_allclose(found.score, said["scores"][inside].sort(descending=True).values, atol=1e-5)


@pytest.mark.parametrize("kind", DETR_KINDS)
def test_query_vectors_are_the_decoder_s_last_states(
    kind: str, detectors: dict[str, Any], folders: dict[str, Path], photo: Image
) -> None:
    detector = detectors[kind]
    raw, _ = own_outputs(detector, folders[kind], photo)
    run = detector.run([detector.prepare(photo)])
    queries = run.queries[0]
    assert queries.shape == (raw.logits.shape[1], detector.query_dimension)
    np.testing.assert_allclose(queries, raw.last_hidden_state[0], atol=1e-4)
    # The method of these vectors, which stores name: whoever changes the ones changes the other.
    assert QUERY_METHOD == 2


def test_objects_name_the_query_that_made_them(
    detector: DetrDetector, folders: dict[str, Path], photo: Image
) -> None:
    (found,) = detector.detect([photo], confidence=CONFIDENCE)
    raw, _ = own_outputs(detector, folders[detector.name], photo)
    for row, query in enumerate(found.provenance.anchor.tolist()):
        x, y, width, height = raw.pred_boxes[0, query].double().tolist()
        box = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2]) * (128, 96, 128, 96)
        np.testing.assert_allclose(found.xyxy[row], np.clip(box, 0, (128, 96, 128, 96)), atol=1e-3)
        label = detector.names.tolist().index(found.label[row])
        logits = raw.logits[0, query].double().numpy()
        powers = np.exp(logits)
        score = powers[label] / powers.sum() if detector.name == "detr" else 1 / (1 + np.exp(-logits[label]))
        assert found.score[row] == pytest.approx(score, abs=1e-5)
        if detector.name == "detr":
            sure = 1 - powers[-1] / powers.sum()
            assert found.provenance.objectness[row] == pytest.approx(sure, abs=1e-5)
    if detector.name == "conditional_detr":
        assert np.isnan(found.provenance.objectness).all()


@pytest.mark.parametrize("kind", ["rt_detr", "rt_detr_v2", "d_fine"])
def test_the_named_cell_made_the_proposal_that_the_query_started_from(
    kind: str, detectors: dict[str, Any], folders: dict[str, Path], photo: Image
) -> None:
    detector = detectors[kind]
    (found,) = detector.detect([photo], confidence=CONFIDENCE)
    raw, _ = own_outputs(detector, folders[kind], photo)
    model, cells = detector.network.model, found.provenance
    assert len(set(cells.head.tolist())) > 1
    for row, query in enumerate(cells.anchor.tolist()):
        level, x, y = int(cells.head[row]), int(cells.cell_x[row]), int(cells.cell_y[row])
        # The proposal of one cell: its numbers through the decoder's projection and the encoder's heads, and
        # for the box the square of its level about its middle, as logits.
        features = raw.encoder_last_hidden_state[level]
        with torch.inference_mode():
            memory = model.decoder_input_proj[level](features)[:, :, y, x]
            rows, columns = features.shape[2:]
            square = torch.tensor([(x + 0.5) / columns, (y + 0.5) / rows, *[0.05 * 2**level] * 2])
            if not bool(((square > 0.01) & (square < 0.99)).all()):
                continue  # too near the border: the network gives such a cell no proposal of its own
            said = model.enc_output(memory)
            scores, box = model.enc_score_head(said)[0], model.enc_bbox_head(said)[0] + torch.logit(square)
        np.testing.assert_allclose(raw.enc_topk_logits[0, query], scores, atol=1e-4)
        np.testing.assert_allclose(raw.enc_topk_bboxes[0, query], torch.sigmoid(box), atol=1e-4)
        assert cells.objectness[row] == pytest.approx(float(torch.sigmoid(scores.max())), abs=1e-4)


@pytest.mark.parametrize("kind", ["detr", "conditional_detr"])
def test_learned_queries_have_the_cell_under_the_box_s_middle(
    kind: str, detectors: dict[str, Any], photo: Image
) -> None:
    detector = detectors[kind]
    (found,) = detector.detect([photo], confidence=CONFIDENCE)
    run = detector.run([detector.prepare(photo)])
    assert detector.heads[0].stride == 32
    assert run.maps[0][0].shape == (16, 3, 4)
    # A box that was not clipped has its middle where the query put it.
    whole = (found.xyxy > 0).all(1) & (found.xyxy < (128, 96, 128, 96)).all(1)
    middle = (found.xyxy[whole, :2] + found.xyxy[whole, 2:]) / 2 // 32
    assert whole.any()
    np.testing.assert_array_equal(found.provenance.cell_x[whole], middle[:, 0])
    np.testing.assert_array_equal(found.provenance.cell_y[whole], middle[:, 1])


@pytest.mark.parametrize("kind", DETR_KINDS)
def test_a_row_depends_on_no_other(kind: str, detectors: dict[str, Any]) -> None:
    detector = detectors[kind]
    images = [image_from_array(picture(*size, seed=n)) for n, size in enumerate([(128, 96), (96, 150)])]
    inputs = [detector.prepare(image) for image in images]
    together = detector.run(inputs)
    for row in range(len(images)):
        alone = detector.run(inputs[row : row + 1])
        assert torch.equal(together.heads[row].logits, alone.heads[0].logits)
        assert torch.equal(together.queries[row], alone.queries[0])


@pytest.mark.parametrize("kind", ["detr", "conditional_detr", "rt_detr"])
def test_inputs_have_the_size_and_pixels_of_the_image_processor(
    kind: str, detectors: dict[str, Any], folders: dict[str, Path]
) -> None:
    import transformers

    processor = transformers.AutoImageProcessor.from_pretrained(folders[kind])
    for width, height in ((128, 96), (90, 40), (33, 95), (20, 95), (64, 64)):
        image = image_from_array(picture(width, height))
        own = processor(images=image.pixels, return_tensors="pt")["pixel_values"][0]
        laid = detectors[kind].prepare(image)
        assert laid.shape[:2] == tuple(own.shape[1:])
        # Enlarged, both interpolate between the same pixels; here the result is rounded to eight bits.
        pixels = torch.from_numpy(laid).permute(2, 0, 1)
        read = normalized(pixels, detectors[kind].recipe, torch.device("cpu"))
        assert float((read - own).abs().max()) < 0.02


def test_labels_are_spelled_as_coco_does(detectors: dict[str, Any]) -> None:
    assert detectors["detr"].names.tolist() == ["person", "dining table", "class 2", "tv"]


def test_a_kind_may_stand_before_the_folder(folders: dict[str, Path]) -> None:
    detector = load_detector(f"detr:{folders['detr']}")
    assert (detector.name, detector.precision) == ("detr", "float32")
    assert load_detector(**detector.loaded_from).source == detector.source


def changed(folder: Path, to: Path, file: str, text: str | None) -> Path:
    """A copy of a folder with another text in one file, or without it."""
    shutil.copytree(folder, to)
    (to / file).unlink()
    if text is not None:
        (to / file).write_text(text)
    return to


def test_what_is_no_detr_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    detr = folders["detr"]
    cases = {
        f"rt_detr:{detr}": (WeightsError, "is a detr, expected rt_detr"),
        str(tmp_path): (
            WeightsError,
            "lacks its configuration, config.json; expected what save_pretrained of",
        ),
        "detr:/no/such/folder": (InputError, "there is no such folder, and it is no id on the hub"),
        str(changed(detr, tmp_path / "yolos", "config.json", '{"model_type": "yolos"}')): (
            WeightsError,
            "is a yolos, expected detr or conditional_detr or rt_detr or rt_detr_v2",
        ),
        str(changed(detr, tmp_path / "list", "config.json", "[]")): (WeightsError, "is no configuration"),
        str(changed(detr, tmp_path / "raw", "preprocessor_config.json", None)): (
            WeightsError,
            "lacks its image processor, processor_config.json",
        ),
        str(changed(detr, tmp_path / "empty", "model.safetensors", None)): (
            WeightsError,
            "holds no weights; expected model.safetensors",
        ),
        str(changed(detr, tmp_path / "torn", "model.safetensors", "torn")): (
            WeightsError,
            "cannot be read by AutoModelForObjectDetection and AutoImageProcessor",
        ),
    }
    for name, (kind, sentence) in cases.items():
        with pytest.raises(kind) as raised:
            load_detector(name)
        assert sentence in str(raised.value)


@pytest.mark.parametrize("name", ["facebook/detr-resnet-50.git", "runs/exp--2", "detr:a/b..c"])
def test_what_cannot_be_an_id_of_the_hub_is_one_sentence(name: str) -> None:
    with pytest.raises(InputError, match=r"there is no such folder, and it is no id on the hub: [^\n]+$"):
        load_detector(name)


def test_weights_of_another_detr_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    mixed = changed(folders["detr"], tmp_path / "mixed", "model.safetensors", None)
    shutil.copy(folders["rt_detr"] / "model.safetensors", mixed)
    with pytest.raises(WeightsError, match=r"lacks bbox_predictor.* it is of another network than DetrFor"):
        load_detector(mixed)


def test_options_that_mean_nothing_are_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="runs in float32 only"):
        load_detector(folders["detr"], precision="bfloat16")
    with pytest.raises(InputError, match="leave out its weight file"):
        load_detector(folders["detr"], weights="x.safetensors")


def test_the_hub_out_of_reach_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        DownloadError,
        match=r"someone/some-detr could not be fetched .* there is none called someone/some-detr here$",
    ):
        load_detector("someone/some-detr")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder whose files the hub has of every repository; what was fetched of them lies in fetched/."""
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    files, fetched = tmp_path / "files", tmp_path / "fetched"
    files.mkdir()
    fetched.mkdir()

    def snapshot(repository: str, *, allow_patterns: Sequence[str], local_files_only: bool = False) -> str:
        if local_files_only:
            raise LocalEntryNotFoundError("nothing was fetched before")
        for pattern in allow_patterns:
            for file in files.glob(pattern):
                shutil.copy(file, fetched)
        return str(fetched)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    return files


def test_of_a_network_that_is_no_detr_only_the_configuration_is_fetched(hub: Path) -> None:
    (hub / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (hub / "model.safetensors").write_bytes(b"many gigabytes")
    with pytest.raises(ModelError, match="someone/some-llm is a llama, expected detr or"):
        load_detector("someone/some-llm")
    assert [file.name for file in (hub.parent / "fetched").iterdir()] == ["config.json"]


def test_a_repository_that_lacks_something_is_told_what(hub: Path, folders: dict[str, Path]) -> None:
    for file in ("config.json", "preprocessor_config.json"):
        shutil.copy(folders["detr"] / file, hub)
    with pytest.raises(DownloadError, match=r"someone/old-detr .* holds no weights; expected model\.safeten"):
        load_detector("someone/old-detr")


def test_a_score_of_the_confidence_counts(detector: DetrDetector, photo: Image) -> None:
    (found,) = detector.detect([photo], confidence=CONFIDENCE)
    threshold = float(found.score[-1])
    (at_it,) = detector.detect([photo], confidence=threshold)
    assert at_it.object_id.tolist() == found.object_id.tolist() != []


def test_numbers_that_are_not_finite_fail_their_image_only(detector: DetrDetector, photo: Image) -> None:
    white = np.full((96, 128, 3), 255, np.uint8)

    def overflow(_: Any, given: tuple, named: dict[str, torch.Tensor]) -> tuple[tuple, dict]:
        pixels = named["pixel_values"]
        return given, {"pixel_values": torch.where(pixels.amin() > 0, torch.nan, pixels)}  # the white picture

    hook = detector.network.register_forward_pre_hook(overflow, with_kwargs=True)
    try:
        run = detector.run([detector.prepare(photo), white])
    finally:
        hook.remove()
    frame = detector.frame((128, 96))
    assert len(detector.find_objects(run, 0, "good", frame, confidence=CONFIDENCE, iou=0.5))
    with pytest.raises(NonFiniteError, match=r"image bad: .* gave NaN or infinity"):
        detector.find_objects(run, 1, "bad", frame, confidence=CONFIDENCE, iou=0.5)


@pytest.mark.parametrize("kind", ["detr", "conditional_detr"])
def test_the_one_map_of_learned_queries(
    kind: str, detectors: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (head,) = detectors[kind].heads
    assert (head.layer, head.tap, head.stride, head.channels, head.grid_wh) == (0, "encoder", 32, 16, (5, 5))
    assert (head.anchors.shape, head.anchor_index) == ((0, 2), ())
    # A cell that the input fills in part is a cell.
    monkeypatch.setattr(detectors[kind], "input_wh", (161, 97))
    assert detectors[kind]._only_map().grid_wh == (6, 4)


@pytest.mark.parametrize(("cells", "stride"), [(1536, 4), (384, 8), (96, 16), (24, 32), (6, 64)])
def test_the_stride_of_learned_queries_follows_from_how_many_cells_there_are(
    cells: int, stride: int, detectors: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 128 x 192 pixels, 32 x 48 cells and so on; the backbone may have been dilated."""
    tokens = SimpleNamespace(encoder_last_hidden_state=torch.zeros(1, cells, 16))
    monkeypatch.setattr(detectors["detr"], "_forward", lambda pixels: tokens)
    assert detectors["detr"]._only_map().stride == stride


@pytest.mark.parametrize("kind", ["rt_detr", "rt_detr_v2", "d_fine"])
def test_each_level_has_a_map_and_squares_of_twice_the_share(
    kind: str, detectors: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = detectors[kind]
    heads = [(head.layer, head.tap, head.stride, head.channels, head.grid_wh) for head in detector.heads]
    assert heads == [
        (0, "encoder.0", 8, 16, (16, 12)),
        (1, "encoder.1", 16, 16, (8, 6)),
        (2, "encoder.2", 32, 16, (4, 3)),
    ]
    for level, share in enumerate((0.05, 0.1, 0.2)):
        np.testing.assert_allclose(detector.heads[level].anchors, [[128 * share, 96 * share]], rtol=1e-6)
        assert detector.heads[level].anchor_index == (level,)
    monkeypatch.setattr(detector, "input_wh", (130, 97))
    assert [head.grid_wh for head in detector._levels()] == [(17, 13), (9, 7), (5, 4)]


def test_cells_are_counted_by_level_row_and_column() -> None:
    grids = ((3, 4), (2, 2), (1, 3))
    expected = [
        (n, x, y) for n, (rows, columns) in enumerate(grids) for y in range(rows) for x in range(columns)
    ]
    order = np.random.default_rng(0).permutation(len(expected))
    found = np.stack(_cells(order, grids), axis=1)
    assert found.tolist() == [list(expected[number]) for number in order]
