"""The pages of the Python reference: one for each room, with its public names in the order of the stub."""

from __future__ import annotations

import re
from pathlib import Path

import objectspace

STUB = Path(objectspace.__file__).with_name("__init__.pyi")

ROOMS = {
    "images": "Images",
    "objects": "Objects, masks, annotations",
    "models": "Detectors, encoders, prompts",
    "embeddings": "Crops, recipes, spaces",
    "scenes": "Drawn scenes",
    "pipeline": "Jobs, specified",
    "jobs": "What writes a store",
    "store": "The store",
    "neighbors": "Exact search of arrays",
    "search": "Search, queries, audit, explanations",
    "analyses": "Measures",
    "figures": "Figures",
    "export": "Export",
    "explorer": "The explorer",
    "report": "The report",
    "errors": "Errors",
}


def names_of_rooms() -> dict[str, list[str]]:
    """Return the public names of each room. Raises LookupError for a room without a page."""
    rooms: dict[str, list[str]] = {room: [] for room in ROOMS}
    for room, name in re.findall(
        r"^from objectspace\.([a-z]+)\S* import \w+ as (\w+)$", STUB.read_text(), re.M
    ):
        if room not in rooms:
            raise LookupError(f"{name} is public and in {room}, which has no page; add it to ROOMS")
        rooms[room].append(name)
    return rooms


def reference_pages() -> dict[str, str]:
    """Return file name → Markdown. Raises LookupError for a public name without a docstring."""
    rooms = names_of_rooms()
    bare = [name for names in rooms.values() for name in names if not getattr(objectspace, name).__doc__]
    if bare:
        raise LookupError(f"public names without a docstring: {', '.join(bare)}")
    pages = {
        f"{room}.md": f"# {ROOMS[room]}\n\n" + "\n\n".join(f"::: objectspace.{name}" for name in names) + "\n"
        for room, names in rooms.items()
    }
    return {"index.md": _index(rooms), **pages}


def _index(rooms: dict[str, list[str]]) -> str:
    rows = [
        f"| [{ROOMS[room]}]({room}.md) | "
        + " · ".join(f"[`{name}`][objectspace.{name}]" for name in names)
        + " |"
        for room, names in rooms.items()
    ]
    return "\n".join(
        [
            "# Python reference",
            "",
            "All public names, by the room of the code; `import objectspace as osp` has all of it.",
            "Shapes, dtypes, units and errors are in each entry, and its example is run by the tests.",
            "",
            "| room | names |",
            "| --- | --- |",
            *rows,
            "",
        ]
    )
