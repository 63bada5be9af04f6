"""The DETR family: transformers' own post-processing is the oracle; networks are tiny, random and on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from objectspace.images import Image, image_from_array
from objectspace.objects.detectors import load_detector
from objectspace.objects.detectors.detr import DetrDetector

KINDS = ("detr", "conditional_detr", "rt_detr", "rt_detr_v2", "d_fine")
NAMES = ("person", "diningtable", "N/A", "tvmonitor")
CONFIDENCE = 0.3


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    blocks = np.random.default_rng(seed).integers(0, 256, (height // 12 + 1, width // 12 + 1, 3))
    return np.ascontiguousarray(blocks.repeat(12, 0).repeat(12, 1)[:height, :width].astype(np.uint8))


def _backbone(kind: str) -> Any:
    from transformers import HGNetV2Config, ResNetConfig, RTDetrResNetConfig

    sizes = {"embedding_size": 8, "hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1]}
    if kind in ("detr", "conditional_detr"):
        return ResNetConfig(**sizes, layer_type="basic", out_features=["stage4"])
    if kind == "d_fine":
        return HGNetV2Config(
            stem_channels=[3, 8, 8],
            stage_in_channels=[8, 8, 16, 16],
            stage_mid_channels=[8, 8, 8, 8],
            stage_out_channels=[8, 16, 16, 16],
            stage_num_blocks=[1, 1, 1, 1],
            stage_numb_of_layers=[1, 1, 1, 1],
            hidden_sizes=[8, 16, 16, 16],
            depths=[1, 1, 1, 1],
            embedding_size=8,
            out_indices=[2, 3, 4],
        )
    return RTDetrResNetConfig(**sizes, layer_type="basic", out_indices=[2, 3, 4])


def _config(kind: str) -> Any:
    import transformers

    labels = {"id2label": dict(enumerate(NAMES)), "label2id": {name: n for n, name in enumerate(NAMES)}}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    if kind in ("detr", "conditional_detr"):
        made = transformers.DetrConfig if kind == "detr" else transformers.ConditionalDetrConfig
        return made(
            backbone_config=_backbone(kind),
            d_model=16,
            encoder_layers=1,
            decoder_layers=1,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
            num_queries=30,
            **heads,
            **labels,
        )
    made = {
        "rt_detr": transformers.RTDetrConfig,
        "rt_detr_v2": transformers.RTDetrV2Config,
        "d_fine": transformers.DFineConfig,
    }[kind]
    return made(
        backbone_config=_backbone(kind),
        encoder_in_channels=[16, 16, 16],
        encoder_hidden_dim=16,
        encoder_ffn_dim=16,
        d_model=16,
        decoder_in_channels=[16, 16, 16],
        decoder_ffn_dim=16,
        decoder_layers=2,
        num_queries=20,
        anchor_image_size=None,
        num_denoising=0,
        **heads,
        **labels,
    )


def _save(kind: str, folder: Path) -> None:
    """A random network whose scores spread, with the image processor of its kind."""
    import transformers

    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = transformers.AutoModelForObjectDetection.from_config(_config(kind)).eval()
        with torch.no_grad():
            for name, module in network.named_modules():
                if name.endswith("query_position_embeddings"):
                    module.weight.normal_(0, 3)
                scores = "class_labels_classifier" in name or "class_embed" in name or "score_head" in name
                if scores and isinstance(module, torch.nn.Linear):
                    module.weight.normal_(0, 0.7)
                    module.bias.zero_()
                elif isinstance(module, torch.nn.Linear) and "bbox" in name and ".layers" in name:
                    module.weight.normal_(0, 0.2)
    network.save_pretrained(folder)
    if kind == "detr":
        processor = transformers.DetrImageProcessor(size={"shortest_edge": 96, "longest_edge": 160})
    elif kind == "conditional_detr":
        processor = transformers.ConditionalDetrImageProcessor(
            size={"shortest_edge": 96, "longest_edge": 160}
        )
    else:
        processor = transformers.RTDetrImageProcessor(size={"height": 96, "width": 128})
    processor.save_pretrained(folder)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    pytest.importorskip("transformers")
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("detrs")
    for kind in KINDS:
        _save(kind, root / kind)
    return {kind: root / kind for kind in KINDS}


@pytest.fixture(scope="session")
def detectors(folders: dict[str, Path]) -> dict[str, Any]:
    return {kind: load_detector(folder) for kind, folder in folders.items()}


@pytest.fixture(params=KINDS)
def detector(request: pytest.FixtureRequest, detectors: dict[str, Any]) -> DetrDetector:
    return detectors[request.param]


@pytest.fixture
def photo() -> Image:
    """128 x 96 pixels, the networks' own size, so that nothing is resampled."""
    return image_from_array(picture(128, 96))


def own_outputs(detector: DetrDetector, folder: Path, image: Image) -> tuple[Any, Any]:
    """What transformers makes of a photo from beginning to end: raw outputs and objects."""
    import transformers

    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    with torch.inference_mode():
        raw = detector.network(**processor(images=image.pixels, return_tensors="pt"))
        (said,) = processor.post_process_object_detection(
            raw, threshold=CONFIDENCE, target_sizes=[(image.height, image.width)]
        )
    return raw, said


@pytest.mark.parametrize("kind", KINDS)
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
