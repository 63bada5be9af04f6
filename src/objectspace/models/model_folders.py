"""Folders that hold a model as the hub does: a config in JSON, and its weights beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from objectspace.errors import WeightsError
from objectspace.files import check_regular

#: What timm and open_clip both put before the path of such a folder.
LOCAL_DIR = "local-dir:"

_SUFFIXES = (".safetensors", ".bin", ".pth", ".pt")

#: Configurations and tokenizers, and the bytes that one may have; a tokenizer of 256,000 words has 35 MB.
_TEXTS = (".json", ".jsonl", ".txt", ".model", ".jinja", ".yaml", ".md", ".py")
_TEXT_LIMIT = 128 << 20


def check_files(folder: Path) -> None:
    """Raise WeightsError where a file in a folder is no regular file, or a text of it is too large.

    To be called before a package reads the folder, as it opens what it finds there by name: a FIFO would let
    it wait forever, and a device or a huge file take all memory.
    """
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_dir():
            continue
        try:
            check_regular(path)
            size = path.stat().st_size
        except OSError as error:
            raise WeightsError(f"{path}: {error.strerror}") from None
        if path.suffix in _TEXTS and size > _TEXT_LIMIT:
            raise WeightsError(f"{path} is larger than {_TEXT_LIMIT >> 20} MiB, the limit for its kind")


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
