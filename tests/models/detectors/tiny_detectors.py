"""Detectors of torchvision and transformers, small and random, whose scores spread as trained ones' do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torchvision.models.detection import FCOS, FasterRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.ssd import SSD
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

CLASSES = 4
NAMES = ("background", "apple", "pear", "plum")
MIN_SIZE, MAX_SIZE = 96, 160

DETR_KINDS = ("detr", "conditional_detr", "rt_detr", "rt_detr_v2", "d_fine")
DETR_NAMES = ("person", "diningtable", "N/A", "tvmonitor")

#: The last modules of the class scores and of the objectness.
SCORES = ("head.classification_head", "rpn.head.cls_logits", "roi_heads.box_predictor.cls_score")
BOXES = ("regression_head", "rpn.head.bbox_pred", "roi_heads.box_predictor.bbox_pred")


class Pyramid(nn.Module):
    """Maps of 8 channels at strides 8, 16 and 32, as a feature pyramid gives them."""

    def __init__(self, extra: nn.Module | None = None) -> None:
        super().__init__()
        stages = [nn.Sequential(nn.Conv2d(3 if n == 0 else 8, 8, 3, 2, 1), nn.ReLU()) for n in range(5)]
        self.stages = nn.ModuleList(stages)
        self.fpn = FeaturePyramidNetwork([8, 8, 8], 8, extra)
        self.out_channels = 8

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        maps = {}
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number >= 2:
                maps[str(number - 2)] = x
        return self.fpn(maps)


class Ladder(nn.Module):
    """Maps at strides 16 and 32, as SSD reads them."""

    out_channels = (8, 8)

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 7, 4, 3), nn.ReLU(), nn.Conv2d(8, 8, 7, 4, 3), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        first = self.first(x)
        return {"0": first, "1": self.second(first)}


def _faster_rcnn() -> nn.Module:
    anchors = AnchorGenerator(((16,), (32,), (64,), (96,)), ((0.5, 1.0, 2.0),) * 4)
    return FasterRCNN(
        Pyramid(LastLevelMaxPool()),
        CLASSES,
        min_size=MIN_SIZE,
        max_size=MAX_SIZE,
        rpn_anchor_generator=anchors,
        rpn_pre_nms_top_n_test=60,
        rpn_post_nms_top_n_test=50,
        box_detections_per_img=25,
    )


def _retinanet() -> nn.Module:
    anchors = AnchorGenerator(((16, 20), (32, 40), (64, 80)), ((0.5, 1.0, 2.0),) * 3)
    sizes = {"min_size": MIN_SIZE, "max_size": MAX_SIZE}
    return RetinaNet(Pyramid(), CLASSES, anchor_generator=anchors, topk_candidates=40, **sizes)


def _fcos() -> nn.Module:
    anchors = AnchorGenerator(((8,), (16,), (32,)), ((1.0,),) * 3)
    sizes = {"min_size": MIN_SIZE, "max_size": MAX_SIZE}
    # Group norm of 32 groups wants 32 channels at least.
    pyramid = Pyramid()
    pyramid.fpn = FeaturePyramidNetwork([8, 8, 8], 32)
    pyramid.out_channels = 32
    return FCOS(pyramid, CLASSES, anchor_generator=anchors, topk_candidates=40, **sizes)


def _ssd() -> nn.Module:
    boxes = DefaultBoxGenerator([[2], [2, 3]], scales=[0.2, 0.5, 0.9], steps=[16, 32])
    return SSD(Ladder(), boxes, (128, 96), CLASSES, topk_candidates=30, detections_per_img=40)


BUILDERS: Mapping[str, Callable[[], nn.Module]] = {
    "fasterrcnn": _faster_rcnn,
    "retinanet": _retinanet,
    "fcos": _fcos,
    "ssd": _ssd,
}


def spread(network: Any, pixels: np.ndarray) -> None:
    """Scale the last layers so that scores have a standard deviation of 2 and box deltas of 0.5."""
    last: dict[str, nn.Module] = {}
    for name, module in network.named_modules():
        of_scores = any(part in name for part in SCORES)
        if isinstance(module, nn.Conv2d | nn.Linear) and (of_scores or any(part in name for part in BOXES)):
            if ".conv." in name:  # of RetinaNet and FCOS the last layer stands behind some others
                continue
            last[name] = module
    for name, module in last.items():
        said: list[torch.Tensor] = []
        hook = module.register_forward_hook(lambda _, __, out, said=said: said.append(out.flatten()))
        with torch.inference_mode():
            network([torch.from_numpy(pixels).permute(2, 0, 1) / 255])
        hook.remove()
        wanted = 2.0 if any(part in name for part in SCORES) else 0.5
        with torch.no_grad():
            scale = wanted / torch.cat(said).std().clamp(min=1e-6)
            module.weight.mul_(scale)
            if module.bias is not None:
                module.bias.zero_()


def normalize(network: nn.Module, *inputs: object, **named: object) -> None:
    """Set the batch norms of a random network by what a pass gives, as training would have."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
        norm.train()
    with torch.inference_mode():
        network(*inputs, **named)
    for norm in norms:
        norm.eval()


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Pixels (h, w, 3) of colored squares."""
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

    labels = {
        "id2label": dict(enumerate(DETR_NAMES)),
        "label2id": {name: n for n, name in enumerate(DETR_NAMES)},
    }
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
        num_queries=80,
        anchor_image_size=None,
        num_denoising=0,
        **heads,
        **labels,
    )


def save_detr(kind: str, folder: Path) -> None:
    """A random network whose scores spread, with the image processor of its kind."""
    import transformers

    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = transformers.AutoModelForObjectDetection.from_config(_config(kind)).eval()
        with torch.no_grad():
            for name, module in network.named_modules():
                if name.endswith("query_position_embeddings"):
                    module.weight.normal_(0, 3)
                if isinstance(module, nn.Conv2d) or "enc_output.0" in name:
                    nn.init.kaiming_normal_(module.weight)
                scores = "class_labels_classifier" in name or "class_embed" in name or "score_head" in name
                if scores and isinstance(module, nn.Linear):
                    module.weight.normal_(0, 0.7)
                    module.bias.zero_()
                elif isinstance(module, nn.Linear) and "bbox" in name and ".layers" in name:
                    module.weight.normal_(0, 0.2)
    normalize(network, pixel_values=torch.randn(2, 3, 96, 128, generator=torch.Generator().manual_seed(4)))
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
