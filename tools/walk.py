"""Print the walks of `index` and `search` through the rooms of objectspace: which room calls which.

Run as `python tools/walk.py`: the shipped demo models on six drawn pictures. A room is a folder or file
directly under src/objectspace; beside each room that is called is the function that was called first. While
calls point down the layers, no descent can enter a room twice; those that do not are listed apart.
"""

from __future__ import annotations

import re
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import objectspace as osp

PACKAGE = str(Path(osp.__file__).parent) + "/"

#: The layers, top to bottom, as tests/test_architecture.py checks them for imports.
LAYERS = (
    ("cli",),
    ("report",),
    ("jobs", "figures", "export"),
    ("search",),
    ("pipeline", "store", "analyses"),
    ("embeddings",),
    ("models", "scenes"),
    ("objects",),
    ("images",),
    ("neighbors", "files"),
    ("errors", "threads"),
)
LAYER = {room: number for number, rooms in enumerate(LAYERS) for room in rooms}


class Walk:
    """The calls between rooms, in all threads, while a function runs: (caller, called) -> the first call."""

    def __init__(self) -> None:
        self.edges: dict[tuple[str, str], str] = {}

    def of(self, step: Callable[[], Any]) -> Any:
        """Run a step and note its calls."""
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        try:
            return step()
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]

    def _note(self, frame: FrameType, event: str, argument: object) -> None:
        # Modules being imported, lambdas, comprehensions and what dataclass generates are passed over.
        if event != "call" or "<" in frame.f_code.co_name or not (called := room(frame)):
            return
        begun_by = "you" if threading.current_thread() is threading.main_thread() else "a thread"
        caller = next((found for above in stack(frame) if (found := room(above))), begun_by)
        if caller != called:
            self.edges.setdefault((caller, called), frame.f_code.co_qualname)

    def lines(self) -> list[str]:
        """The rooms that each room calls, from the top layer down; then the calls that do not point down."""
        down = [edge for edge in self.edges if not rises(edge)]
        callers = sorted({caller for caller, _ in down}, key=lambda caller: LAYER.get(caller, -1))
        lines = []
        for caller in callers:
            called = sorted((to for by, to in down if by == caller), key=LAYER.__getitem__)
            lines.append(f"  {caller:10} → " + ", ".join(f"{to} ({self.edges[caller, to]})" for to in called))
        rising = [f"{by} → {to} ({self.edges[by, to]})" for by, to in self.edges if rises((by, to))]
        return [*lines, f"  up or sideways: {', '.join(rising) or 'none'}"]


def stack(frame: FrameType) -> list[FrameType]:
    """The frames above one, nearest first."""
    frames = []
    while above := frame.f_back:
        frames.append(above)
        frame = above
    return frames


def room(frame: FrameType) -> str:
    """The room whose code a frame runs; empty for other packages and for the ground floor."""
    name = frame.f_code.co_filename
    if not name.startswith(PACKAGE):
        return ""
    found = re.split(r"[/.]", name.removeprefix(PACKAGE))[0]
    return found if found in LAYER else ""


def rises(edge: tuple[str, str]) -> bool:
    """Whether a call points to a room of a higher layer, or to one beside it."""
    caller, called = edge
    return caller in LAYER and LAYER[called] <= LAYER[caller]


def main() -> None:
    """Draw, index and search, and print both walks."""
    with tempfile.TemporaryDirectory() as folder:
        osp.write_world(Path(folder, "world"), count=6, seed=7)
        photos, store = osp.find_images([Path(folder, "world", "images")]), Path(folder, "photos.osp")
        job = osp.Job(detector="demo", encoder="demo")
        walk = Walk()
        walk.of(lambda: osp.index(photos, store, job))
        print("index", *walk.lines(), sep="\n")
        walk = Walk()

        def search() -> list[osp.Answer]:
            space = osp.SpaceSearch(osp.open_store(store), "demo-crop")
            return space.nearest(space.stored(osp.choose_targets(space, 1)), k=3)

        walk.of(search)
        print("", "search", *walk.lines(), sep="\n")


if __name__ == "__main__":
    main()
