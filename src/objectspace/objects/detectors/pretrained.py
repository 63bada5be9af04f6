"""Detectors that transformers saved, and the rule by which photos become their input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from objectspace.errors import InputError, ModelError
from objectspace.networks.pretrained import (
    check_folder,
    hub_folder,
    import_transformers,
    joint_sha256,
    network_kind,
    read_pretrained,
)
from objectspace.objects.detectors.published import DETR_KINDS, is_hub_id, kind_and_place


@dataclass(frozen=True, slots=True, eq=False)
class PretrainedDetector:
    """A detector of transformers on the CPU in float32, the rule of its input, and its weights' sha256.

    input_rule: as recipes have it, see :func:`objectspace.objects.boxes.recipe_frame`
    mean, std: (3,) of the normalisation, for pixels in [0, 1]
    """

    network: Any
    input_rule: dict[str, Any]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sha256: str


def load_pretrained(name: str) -> PretrainedDetector:
    """The detector that a name of :func:`.published.is_detr` means.

    Raises InputError for a place that is none, WeightsError for a folder that lacks something, ModelError for
    a kind that is not supported, DownloadError where the hub cannot be reached.
    """
    wanted, place = kind_and_place(name)
    import_transformers(name)

    def check_kind(folder: Path) -> None:
        kind = network_kind(folder)
        if kind not in DETR_KINDS:
            raise ModelError(f"{place} is a {kind}, which is not supported; expected {', '.join(DETR_KINDS)}")
        if wanted not in (None, kind):
            raise InputError(f"{place} is a {kind}, not a {wanted}; name it {kind}:{place}")

    folder = _folder(place, check_kind)
    check_kind(folder)
    found = read_pretrained(folder, network="AutoModelForObjectDetection", processor="AutoImageProcessor")
    rule, mean, std = _input_rule(found.processor, place)
    return PretrainedDetector(found.network, rule, mean, std, joint_sha256([found.sha256]))


def _folder(place: str, check_kind: Callable[[Path], None]) -> Path:
    """The folder that a place names, with what it needs; of a hub's id the one in its cache."""
    if Path(place).is_dir():
        _check(Path(place))
        return Path(place)
    if not is_hub_id(place):
        raise InputError(f"{place}: there is no such folder, and it is no id on the hub, owner/name")
    otherwise = (
        "name a folder that holds its config.json, preprocessor_config.json and model.safetensors; "
        f"there is none called {place} here"
    )
    return hub_folder(place, check_kind, _check, otherwise=otherwise)


def _check(folder: Path) -> None:
    check_folder(folder, saved_by="save_pretrained of the network and its image processor", reads_text=False)


def _input_rule(processor: Any, place: str) -> tuple[dict[str, Any], tuple[float, ...], tuple[float, ...]]:
    """The rule of the input, and mean and standard deviation, of an image processor."""
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
