"""Detectors by name, and their published weights (no torch here, so that they can be listed at once)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from objectspace.models.catalogue import safe_name
from objectspace.models.weights import WeightsFile


def _coco(file: str, size: int, sha256: str, source: str) -> WeightsFile:
    return WeightsFile(
        name=file,
        sha256=sha256,
        urls=(f"https://download.pytorch.org/models/{file}",),
        size=size,
        licence="BSD-3-Clause (torchvision); trained on COCO, whose images have terms of their own",
        source=f"torchvision {source}.COCO_V1",
    )


#: torchvision names its files by the first eight digits of their sha256.
TORCHVISION: Mapping[str, WeightsFile] = {
    "fasterrcnn_resnet50_fpn_v2": _coco(
        "fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth",
        175_221_657,
        "dd69338a24b8d7381807e247652bdc356325bcbaf1cd3e092e00e0a1a58706bf",
        "FasterRCNN_ResNet50_FPN_V2_Weights",
    ),
    "fasterrcnn_resnet50_fpn": _coco(
        "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth",
        167_502_836,
        "258fb6c638b15964ddcdd1ae0748c5eef1be9e732750120cc857feed3faac384",
        "FasterRCNN_ResNet50_FPN_Weights",
    ),
    "fasterrcnn_mobilenet_v3_large_fpn": _coco(
        "fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth",
        77_844_807,
        "fb6a3cc702b1df54c18a44b26708cd083614211062d0c36d2ca7bf9270df3533",
        "FasterRCNN_MobileNet_V3_Large_FPN_Weights",
    ),
    "retinanet_resnet50_fpn_v2": _coco(
        "retinanet_resnet50_fpn_v2_coco-5905b1c5.pth",
        153_130_989,
        "5905b1c544219215e544dbe319720397bc4e68de61a733a59350d7976645b769",
        "RetinaNet_ResNet50_FPN_V2_Weights",
    ),
    "retinanet_resnet50_fpn": _coco(
        "retinanet_resnet50_fpn_coco-eeacb38b.pth",
        136_595_076,
        "eeacb38b7cec8cf93c57867e05eaab621047f19b0d2ec5accaa405f690da15b7",
        "RetinaNet_ResNet50_FPN_Weights",
    ),
    "fcos_resnet50_fpn": _coco(
        "fcos_resnet50_fpn_coco-99b0c9b7.pth",
        129_612_099,
        "99b0c9b7cfb1527d782db86b91d207f00547c792fb4103fc612b651d0a07b9e7",
        "FCOS_ResNet50_FPN_Weights",
    ),
    "ssd300_vgg16": _coco(
        "ssd300_vgg16_coco-b556d3b4.pth",
        142_594_222,
        "b556d3b43ab6c3f63d81bfb8835fe8756ac22da664357da100dccf96b6a6b42d",
        "SSD300_VGG16_Weights",
    ),
    "ssdlite320_mobilenet_v3_large": _coco(
        "ssdlite320_mobilenet_v3_large_coco-a79551df.pth",
        14_069_355,
        "a79551df90c79834bcd3bb3845ef9d966b5449a3a9b2833ae8404778ca5d65d2",
        "SSDLite320_MobileNet_V3_Large_Weights",
    ),
}

#: Files whose frozen batch norms add nothing to the variance: torchvision loads these two with eps 0.
EPS_0 = frozenset(TORCHVISION[name].sha256 for name in ("fasterrcnn_resnet50_fpn", "retinanet_resnet50_fpn"))

#: A few DETRs of the hub, all Apache-2.0: bytes of their tensors in float32 by id.
DETRS = {
    "facebook/detr-resnet-50": 166_432_540,
    "PekingU/rtdetr_v2_r50vd": 171_436_952,
    "ustc-community/dfine-large-coco": 124_818_752,
}

#: Kinds of DETR, as transformers names them, which may stand before an id: ``rt_detr_v2:PekingU/…``.
DETR_KINDS = ("detr", "conditional_detr", "rt_detr", "rt_detr_v2", "d_fine")


def kind_and_place(name: str) -> tuple[str | None, str]:
    """The kind before the colon, None without one, and the hub id or folder behind it."""
    kind, colon, place = name.partition(":")
    return (kind, place) if colon and kind in DETR_KINDS else (None, name)


def is_hub_id(place: str) -> bool:
    """Whether a text can name a repository of the hub: ``owner/name``."""
    return re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", place) is not None


def is_detr(name: str) -> bool:
    """Whether a name means a model of transformers: a kind before it, a folder, or an id of the hub."""
    kind, place = kind_and_place(name)
    return kind is not None or Path(place).is_dir() or is_hub_id(place)


def plain_name(name: str) -> str:
    """The last part of a hub id or folder, as it may stand in the name of a space."""
    _, place = kind_and_place(name)
    last = Path(place).absolute().name if Path(place).is_dir() else place.split("/")[-1]
    return safe_name(last, otherwise="detr")


def located(name: str) -> str:
    """The name under which a model is found again from any folder."""
    kind, place = kind_and_place(name)
    if not Path(place).is_dir():
        return name
    return (f"{kind}:" if kind else "") + str(Path(place).absolute())
