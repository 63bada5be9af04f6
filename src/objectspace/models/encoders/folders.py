"""Folders that hold a model as the hub does: a config in JSON, and its weights beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from objectspace.errors import WeightsError

#: What timm and open_clip both put before the path of such a folder.
LOCAL_DIR = "local-dir:"

_SUFFIXES = (".safetensors", ".bin", ".pth", ".pt")


def weights_in(folder: Path, names: Sequence[str]) -> Path:
    """Return the weights in a folder: the first of ``names`` that exists, else the only file of weights.

    Raises WeightsError where there is none, and where there are several of other names.
    """
    for name in names:
        if (folder / name).is_file():
            return folder / name
    found = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES)
    if len(found) != 1:
        several = ", ".join(path.name for path in found[:3]) or "none"
        raise WeightsError(
            f"{folder} has no single file of weights ({several}); name the encoder's file as weights="
        )
    return found[0]


def absolute_name(name: str) -> str:
    """Return the name with the path of a folder in it made absolute; any other name unchanged."""
    before, scheme, folder = name.partition(LOCAL_DIR)
    return f"{before}{scheme}{Path(folder).absolute()}" if scheme else name
