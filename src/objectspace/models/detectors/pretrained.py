"""Detectors that transformers saved, and the rule by which images become their input."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from objectspace.errors import InputError, ModelError
from objectspace.models.catalogue import DETR_KINDS, is_hub_id, kind_and_place
from objectspace.models.transformers_models import Expected, joint_sha256, load_pretrained


@dataclass(frozen=True, slots=True, eq=False)
class PretrainedDetector:
    """A detector of transformers on the CPU in float32, the rule of its input, and its weights' sha256.

    input_rule: as recipes have it, see :func:`objectspace.objects.boxes.recipe_frame`
    mean, std: (3,) of the normalization, for pixels in [0, 1]
    """

    network: Any
    input_rule: dict[str, Any]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sha256: str


def load_pretrained_detr(name: str) -> PretrainedDetector:
    """Load the detector that a name means; see :func:`objectspace.models.catalogue.is_detr`.

    Raises InputError for a place that is none, ModelError for an image processor that is not supported, and
    what :func:`objectspace.models.transformers_models.load_pretrained` raises.
    """
    kind, place = kind_and_place(name)
    folder = Path(place)
    if not folder.is_dir() and not is_hub_id(place):
        raise InputError(f"{place}: there is no such folder, and it is no id on the hub, owner/name")
    kinds = DETR_KINDS if kind is None else (kind,)
    found = load_pretrained(
        folder if folder.is_dir() else place,
        Expected("AutoModelForObjectDetection", "AutoImageProcessor", kinds, reads_text=False),
        otherwise="name a folder that holds its config.json, preprocessor_config.json and model.safetensors; "
        f"there is none called {place} here",
    )
    rule, mean, std = _input_rule(found.processor, place)
    return PretrainedDetector(found.network, rule, mean, std, joint_sha256([found.sha256]))


def _input_rule(processor: Any, place: str) -> tuple[dict[str, Any], tuple[float, ...], tuple[float, ...]]:
    """Return the rule of the input, and mean and standard deviation, of an image processor."""
    settings = processor.to_dict()
    size = {key: value for key, value in dict(settings.get("size") or {}).items() if value}
    rescaled = settings.get("do_rescale") and abs(settings.get("rescale_factor", 0) * 255 - 1) < 1e-6
    if not settings.get("do_resize") or not rescaled or settings.get("pad_size"):
        raise ModelError(
            f"the image processor of {place} does not resize, does not rescale by 1/255 or pads to a fixed "
            "size, which is not supported"
        )
    if size.keys() == {"height", "width"}:
        rule: dict[str, Any] = {"resize": "stretch", "input_wh": [size["width"], size["height"]]}
    elif size.keys() == {"shortest_edge", "longest_edge"}:
        rule = {"resize": "shortest edge", "sides": [size["shortest_edge"], size["longest_edge"]]}
    else:
        raise ModelError(
            f"the image processor of {place} has size {size}; expected height and width, or shortest_edge "
            "and longest_edge"
        )
    if not settings.get("do_normalize"):
        return rule, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return rule, tuple(settings["image_mean"]), tuple(settings["image_std"])
