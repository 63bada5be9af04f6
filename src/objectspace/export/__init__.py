"""Export: the objects of a store and their vectors as files of other tools.

One file per format; ``selection`` reads the store for all of them, block by block.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from objectspace.arguments import typed
from objectspace.errors import InputError, counted
from objectspace.export.selection import Selection, select
from objectspace.files import atomic_path
from objectspace.places import Place
from objectspace.store import Store, as_store

__all__ = ["FORMATS", "Exported", "export_store"]

#: A writer makes the file or folder of one format and returns notes for the user.
Write = Callable[[Selection, Path], list[str]]


@dataclass(frozen=True, slots=True)
class Format:
    """A format: the parts of a store that it exports, and the tool that opens the result.

    vectors: "all" or "one" space where none is named, or "none"
    suffix: what the path must end in, as the tool chooses its reader by it; empty where it does not
    command: what opens the file or folder ``{path}``
    """

    vectors: str
    suffix: str
    command: str

    def writer(self, name: str) -> Write:
        """Return the function that writes the format, from the module of its name."""
        write: Write = import_module(f"objectspace.export.{name}").write
        return write


#: The formats by name, each in the module of that name.
FORMATS = {
    "csv": Format("none", "", "pandas.read_csv({path!r})"),
    "parquet": Format("all", "", "pandas.read_parquet({path!r})"),
    "npz": Format("all", "", "numpy.load({path!r})"),
    "coco": Format("none", "", "pycocotools.coco.COCO({path!r})"),
    "yolo": Format("none", "", "ultralytics.YOLO('yolo11n.pt').train(data='{path}/data.yaml')"),
    "projector": Format("one", "", "tensorboard --logdir {path}"),
    "atlas": Format(
        "one",
        ".parquet",
        "embedding-atlas {path} --x projection_x --y projection_y --neighbors neighbors --image image",
    ),
    "fiftyone": Format(
        "all", "", "fiftyone.Dataset.from_dir({path!r}, dataset_type=fiftyone.types.FiftyOneDataset)"
    ),
}


@dataclass(frozen=True, slots=True, repr=False)
class Exported:
    """A file or folder that was written.

    objects: how many; spaces: those whose vectors it has; notes: sentences that a user should know
    command: what opens it
    """

    path: Path
    format: str
    objects: int
    spaces: tuple[str, ...]
    notes: tuple[str, ...]
    command: str

    def __repr__(self) -> str:
        vectors = ", ".join(self.spaces) or "no space"
        return f"Exported({str(self.path)!r}, {self.format}, {counted(self.objects, 'object')}, {vectors})"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as ``objectspace export --json`` prints it."""
        return {
            "path": str(self.path),
            "format": self.format,
            "objects": self.objects,
            "spaces": list(self.spaces),
            "notes": list(self.notes),
            "open": self.command,
        }


@typed
def export_store(
    store: Store | Place | str,
    path: Path | str,
    format: str,
    *,
    space: str | None = None,
    selection: str | None = None,
    corrected: bool = False,
) -> Exported:
    """Write the objects of a store to ``path`` in one of :data:`FORMATS`; it appears whole or not at all.

    space: only the objects and vectors of this space. Without it all objects, with the vectors of all their
        spaces; formats that hold one space take the one that searches take by default.
    selection: only the objects of this named selection of the store
    corrected: as the store's marks say: without objects marked wrong, relabeled ones with their label
    A file that is there is replaced, a folder never is. Images are named by their paths, not
    copied; thumbnails are. In memory are a few numbers for each object
    and one block of objects; atlas holds the vectors, too.

    Raises InputError for an unknown format, a path that cannot be written and a store
    without objects, QueryError for an unknown space.

    >>> osp.export_store(store, "photos.npz", "npz").objects
    39
    """
    if format not in FORMATS:
        raise InputError(f"format {format!r} is not known, expected {', '.join(FORMATS)}")
    chosen, out = FORMATS[format], Path(path)
    if not out.name.endswith(chosen.suffix):
        raise InputError(f"{out} does not end in {chosen.suffix}, which readers of {format} expect")
    store = as_store(store)
    with atomic_path(out) as temporary:
        exported = select(store, space, vectors=chosen.vectors, named=selection, corrected=corrected)
        notes = chosen.writer(format)(exported, temporary)
    return Exported(
        path=out,
        format=format,
        objects=len(exported),
        spaces=tuple(info.name for info in exported.spaces),
        notes=tuple(notes),
        command=chosen.command.format(path=str(out)),
    )
