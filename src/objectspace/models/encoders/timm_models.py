"""Encoders from timm, by any name that it knows, with the preprocessing that each was trained with."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
from timm.data.config import resolve_data_config
from torch import nn

from objectspace.errors import DownloadError, InputError, ModelError
from objectspace.files import file_sha256
from objectspace.models.catalogue import safe_name
from objectspace.models.encoders.network_encoder import NetworkEncoder, Preprocessing
from objectspace.models.inputs import Interpolation
from objectspace.models.model_folders import LOCAL_DIR, check_files, weights_in
from objectspace.models.weights import fill, load_state_dict, state_dict_sha256

#: What timm calls the weights in a folder, best first.
_WEIGHT_NAMES = ("model.safetensors", "pytorch_model.bin")


def load_timm(name: str, weights: Path | str | None, device: str, precision: str) -> NetworkEncoder:
    """Load a timm model without its classifier, with the weights of a file or with timm's own.

    ``name`` may be ``local-dir:FOLDER`` as well, a folder with timm's ``config.json`` and weights.
    """
    if name.startswith(LOCAL_DIR) and weights is None:
        weights = weights_in(_folder(name), _WEIGHT_NAMES)
    network = _network(name, pretrained=weights is None)
    if weights is not None:
        fill(network, load_state_dict(weights), weights, "the encoder", without=_head(network))
    return NetworkEncoder(
        network,
        _preprocessing(name, resolve_data_config({}, model=network)),  # type: ignore[no-untyped-call]
        name=safe_name(_folder(name).name, otherwise="encoder") if name.startswith(LOCAL_DIR) else name,
        weights=state_dict_sha256(network) if weights is None else file_sha256(Path(weights)),
        tap="pre_logits",
        device=device,
        precision=precision,
    )


def check_name(name: str) -> None:
    """Raise InputError for a name that timm does not know, and a folder that is not one of its own."""
    if name.startswith(LOCAL_DIR):
        _folder(name)
    elif not timm.is_model(name):
        raise InputError(_unknown(name))


def near_names(name: str) -> list[str]:
    """Return up to three of timm's names that are spelled like this one."""
    return difflib.get_close_matches(name, {*timm.list_models(), *timm.list_pretrained()}, n=3)


def _folder(name: str) -> Path:
    """Return the folder of ``local-dir:FOLDER``. Raises InputError where it is not one of timm's."""
    folder = Path(name.removeprefix(LOCAL_DIR))
    if not (folder / "config.json").exists():
        raise InputError(f"{folder} is no folder with timm's config.json")
    check_files(folder)
    return folder


def _network(name: str, *, pretrained: bool) -> nn.Module:
    check_name(name)
    if name.startswith(LOCAL_DIR):
        return _network_of_folder(_folder(name))
    try:
        network: nn.Module = timm.create_model(name, num_classes=0, pretrained=pretrained)
    except OSError as problem:
        raise DownloadError(
            f"the weights of encoder {name} could not be fetched ({type(problem).__name__}); connect to the "
            "network once, or name a file of them as weights="
        ) from None
    except RuntimeError as problem:
        if "Invalid pretrained tag" in str(problem):
            raise InputError(_unknown(name)) from None
        raise ModelError(
            f"timm cannot build encoder {name}: {problem}; give a file of its weights as weights="
        ) from None
    return network


def _network_of_folder(folder: Path) -> nn.Module:
    """Build the network of a folder's config, without weights, which are read as other files are."""
    try:
        network: nn.Module = timm.create_model(f"{LOCAL_DIR}{folder}", num_classes=0, pretrained=False)
    except Exception as problem:  # a config can be wrong in any way at all
        raise ModelError(
            f"timm cannot build the encoder of {folder}: {type(problem).__name__}: {problem}"
        ) from None
    return network


def _unknown(name: str) -> str:
    near = ", ".join(near_names(name))
    return f"encoder {name} is not known; " + (
        f"near names are {near}" if near else "choose resnet50 or any name of timm.list_models()"
    )


def _head(network: nn.Module) -> Sequence[str]:
    """Return the names of the classifier's modules, which the pretrained file has and the encoder lacks."""
    config: Any = network.pretrained_cfg
    # The config of a folder need not name it; that of its architecture does.
    known: Any = timm.get_pretrained_cfg(config.get("architecture") or "")
    classifier = config.get("classifier") or getattr(known, "classifier", None) or ()
    return (classifier,) if isinstance(classifier, str) else tuple(classifier)


def _preprocessing(name: str, config: Mapping[str, Any]) -> Preprocessing:
    channels, height, width = config["input_size"]
    if channels != 3 or height != width:
        raise ModelError(
            f"encoder {name} takes inputs of {config['input_size']}; expected 3 colors, a square"
        )
    # The few models with another filter (Lanczos, random) get the nearer of the two that crops know.
    interpolation: Interpolation = "bilinear" if config["interpolation"] == "bilinear" else "bicubic"
    return Preprocessing(height, tuple(config["mean"]), tuple(config["std"]), interpolation)
