"""What a command has finished, so that the same one again ends at once: no network is imported to know it.

The sidecar ``finished.json`` of a store has a digest of each command that left nothing to do, of the files it
read, and of the store as it was then. What has changed since, in any of them, is looked at anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from objectspace._version import __version__
from objectspace.errors import StoreError
from objectspace.files import recipe_digest
from objectspace.places import Place
from objectspace.store import open_store
from objectspace.store.sidecars import read_sidecar, write_sidecar

FINISHED = "finished.json"
FORMAT = "objectspace-finished"

#: Commands that a store remembers, the last ones.
_REMEMBERED = 32

#: Packages whose releases may compute other vectors.
_PACKAGES = ("torch", "torchvision", "timm", "transformers", "open_clip_torch")


def command_digest(options: Mapping[str, Any], files: Sequence[Place]) -> str | None:
    """Return a digest of options and of the files that a command reads, folders with all that is in them.

    options: plain JSON values; files are known by their paths, sizes and times of change
    None where a file is not on this machine's disk.
    """
    try:
        states = [state for file in files for state in _states(file)]
    except (OSError, TypeError):
        return None
    packages = {name: _release(name) for name in _PACKAGES}
    return recipe_digest(
        {"options": dict(options), "files": states, "objectspace": __version__, "packages": packages}
    )


def is_finished(store: Place, digest: str) -> bool:
    """Return whether a command was finished, and the store is as it was then."""
    try:
        held = read_sidecar(store / FINISHED, FORMAT)
        return held is not None and held.get("commands", {}).get(digest) == open_store(store).version
    except (StoreError, AttributeError):
        return False  # the command says what is wrong with the store


def remember_finished(store: Place, digest: str) -> None:
    """Keep that a command was finished, and how the store is now."""
    try:
        before = (read_sidecar(store / FINISHED, FORMAT) or {}).get("commands", {})
    except StoreError:
        before = {}
    commands = {name: state for name, state in before.items() if name != digest}
    commands[digest] = open_store(store).version
    last = dict(list(commands.items())[-_REMEMBERED:])
    write_sidecar(store / FINISHED, {"format": FORMAT, "commands": last}, "what was finished")


def _states(file: Place) -> Iterator[tuple[str, int, int]]:
    """Yield path, size and time of change of a file, or of all files of a folder, by name."""
    path = Path(os.fspath(file)).absolute()  # raises for an address in object storage
    if not path.is_dir():
        state = path.stat()
        yield str(path), state.st_size, state.st_mtime_ns
        return
    for folder, names, found in os.walk(path):
        names.sort()
        for name in sorted(found):
            state = Path(folder, name).stat()
            yield str(Path(folder, name)), state.st_size, state.st_mtime_ns


def _release(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
