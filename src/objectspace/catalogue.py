"""What is known by name: the detectors and encoders, their weights, and the layers of a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from objectspace.errors import InputError, guess
from objectspace.networks.darknet.architectures import ARCHITECTURES
from objectspace.networks.darknet.cfg import read_cfg
from objectspace.networks.darknet.layers import read_layers
from objectspace.networks.weights import WeightsFile, local_path
from objectspace.objects.detectors.published import DETRS, TORCHVISION, is_detr

if TYPE_CHECKING:
    from objectspace.embeddings.encoders.published import HubWeights


def known_models() -> list[dict[str, Any]]:
    """The models with weights of a name, published or shipped.

    ``size`` in bytes, ``path`` None where the file is not here, ``sha256`` None where the hub vouches for it.
    """
    from objectspace.embeddings.encoders.published import DEMO_ENCODER, RESNET50_IMAGENET, TEXT_ENCODERS

    published = {name: known.weights for name, known in ARCHITECTURES.items()} | dict(TORCHVISION)
    detectors = [_entry(name, "detector", weights) for name, weights in published.items()]
    encoders = {"resnet50": RESNET50_IMAGENET, "demo": DEMO_ENCODER}
    return [
        *detectors,
        *(_hub_entry(name, "detector", name, size, "Apache-2.0") for name, size in DETRS.items()),
        *(_entry(name, "encoder", weights) for name, weights in encoders.items()),
        *(_text_entry(name, weights) for name, weights in TEXT_ENCODERS.items()),
        *_prompt_entries(),
    ]


def list_taps(network: Path | str) -> list[dict[str, Any]]:
    """The layers of a named detector or a .cfg file: tap, kind, channels, height, width, stride.

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


def _entry(name: str, kind: str, weights: WeightsFile) -> dict[str, Any]:
    path = local_path(weights)
    return {
        "name": name,
        "kind": kind,
        "file": weights.name,
        "size": weights.size,
        "sha256": weights.sha256,
        "licence": weights.licence,
        "source": weights.source,
        "path": None if path is None else str(path),
    }


def _prompt_entries() -> list[dict[str, Any]]:
    """The networks that find words, those of grounded-sam apart."""
    from objectspace.objects.prompts.grounding_dino import GROUNDING_DINO_TINY
    from objectspace.objects.prompts.sam import SAM_VIT_BASE
    from objectspace.objects.prompts.sam3 import SAM3

    published = (("grounded-sam", GROUNDING_DINO_TINY), ("grounded-sam", SAM_VIT_BASE), ("sam3", SAM3))
    return [
        _hub_entry(name, "prompts", one.repository, one.size, one.licence, folder=f"{one.part}/")
        for name, one in published
    ]


def _text_entry(name: str, weights: HubWeights) -> dict[str, Any]:
    kind, through = "encoder with text", "open_clip"
    return _hub_entry(
        name, kind, weights.repository, weights.size, weights.licence, files=weights.files, through=through
    )


def _hub_entry(
    name: str,
    kind: str,
    repository: str,
    size: int,
    licence: str,
    *,
    files: Sequence[str] = ("model.safetensors",),
    folder: str = "",
    through: str = "transformers",
) -> dict[str, Any]:
    """Weights of the hub: any of ``files``, which a user's own folder of weights has in ``folder``."""
    from huggingface_hub import try_to_load_from_cache

    cached = (try_to_load_from_cache(repository, file) for file in files)
    path = next((path for path in cached if isinstance(path, str)), None)
    return {
        "name": name,
        "kind": kind,
        "file": folder + (files[0] if path is None else Path(path).name),
        "size": size,
        "sha256": None,
        "licence": licence,
        "source": f"{repository} on the Hugging Face hub, through {through}",
        "path": path,
    }
