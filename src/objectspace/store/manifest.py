"""The manifest: the one small file that says which version of each table is the store.

Tables are written first and the manifest is replaced after them, in one step. A reader opens each table at
the version that the manifest names, so it sees a commit whole or not at all, however the writer died.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from objectspace._version import __version__
from objectspace.embeddings.joint import joint_parts, part_recipes
from objectspace.embeddings.spaces import Recipe
from objectspace.errors import InputError, StoreBusyError, StoreError, StoreVersionError
from objectspace.files import flush_to_disk, guess_path, open_regular
from objectspace.places import Place, RemotePath
from objectspace.store.indexes import JointSpaceIndex, SpaceIndex
from objectspace.store.purity import LabelPurity
from objectspace.store.store_records import check_space_name

MANIFEST = "manifest.json"
FORMAT = "objectspace-store"
FORMAT_VERSION = 2

# A file of a table: its kind's folder, perhaps an index's, and its name; nothing that leaves the table.
_FILE = re.compile(r"(data|_deletions|_versions|_indices/[\w-]+)/[\w-][\w.-]*")

#: The tables that are not spaces.
BASE_TABLES = ("images", "objects", "indexed", "failures")
SPACES = "spaces/"

#: The text columns by which rows of a table are found; those of a space's table are KEYS_OF_A_SPACE.
KEYS = {"images": ("image_id",), "objects": ("object_id", "image_id"), "indexed": ("image_id",)}
KEYS_OF_A_SPACE = ("object_id",)


@dataclass(frozen=True, slots=True)
class SpaceEntry:
    """The common data of all vectors of one space, and the index that was built of them."""

    recipe: Recipe
    dimension: int
    index: SpaceIndex | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as in the file."""
        index = {} if self.index is None else {"index": self.index.to_json()}
        return {"recipe": self.recipe.to_json(), "dimension": self.dimension, **index}


@dataclass(frozen=True, slots=True)
class Manifest:
    """The state of a store.

    tables: table -> Lance version; spaces: space -> recipe, dimension, index; sources: source -> recipe
    models: model -> the arguments that loaded it, paths among them: where its files were, no promise
    files: table -> the files of its version -> the first 16 hex digits of each one's sha256
    joint_spaces: joint space -> recipe; it has no table, as its parts have
    joint_indexes: joint space -> the index that was measured of it
    default_space: the space that is searched where none is named; None until the store was first finished
    purities: space -> its purity, as last measured
    """

    tables: Mapping[str, int] = field(default_factory=dict)
    spaces: Mapping[str, SpaceEntry] = field(default_factory=dict)
    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    joint_spaces: Mapping[str, Recipe] = field(default_factory=dict)
    joint_indexes: Mapping[str, JointSpaceIndex] = field(default_factory=dict)
    default_space: str | None = None
    purities: Mapping[str, LabelPurity] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as in the file."""
        return {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "package": __version__,
            "tables": dict(self.tables),
            "spaces": {name: entry.to_json() for name, entry in self.spaces.items()},
            "sources": {name: dict(recipe) for name, recipe in self.sources.items()},
            "models": {name: dict(arguments) for name, arguments in self.models.items()},
            "files": {name: dict(files) for name, files in self.files.items()},
            "joint_spaces": {name: recipe.to_json() for name, recipe in self.joint_spaces.items()},
            "joint_indexes": {name: index.to_json() for name, index in self.joint_indexes.items()},
            "default_space": self.default_space,
            "purities": {name: purity.to_json() for name, purity in self.purities.items()},
        }


def write_manifest(folder: Place, manifest: Manifest, tag: str | None = None) -> str | None:
    """Replace the manifest in one step; it reaches the disk before its name does.

    tag: in object storage that of the manifest which is replaced, None for the first one. Returns the tag of
    the new one, None on disk, where a lock keeps others away.
    Raises StoreBusyError where another process has replaced it meanwhile.
    """
    if isinstance(folder, RemotePath):
        return _replace_remote(folder, json.dumps(manifest.to_json(), indent=1).encode(), tag)
    temporary = folder / f"{MANIFEST}.new"
    with temporary.open("w", encoding="utf-8") as stream:
        json.dump(manifest.to_json(), stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(folder / MANIFEST)
    flush_to_disk(folder)
    return None


def _replace_remote(folder: RemotePath, data: bytes, tag: str | None) -> str:
    file = folder / MANIFEST
    try:
        return file.create(data) if tag is None else file.replace_tagged(data, tag)
    except FileExistsError:
        # Storage that was asked again, as its first answer was lost, refuses what it has written itself.
        held, now = file.read_tagged()
        if held == data:
            return now
    raise StoreBusyError(
        f"another process has written to {folder} meanwhile, which keeps what that one wrote; wait until "
        f"it has ended and run the same command again"
    )


def read_manifest(folder: Place) -> Manifest:
    """Return the manifest of the store at ``folder``.

    Raises StoreError where there is none or it is damaged, StoreVersionError for another format version.
    """
    return read_tagged_manifest(folder)[0]


def _is_store(folder: Path) -> bool:
    return (folder / MANIFEST).exists()


def read_tagged_manifest(folder: Place) -> tuple[Manifest, str | None]:
    """Return the manifest of a store, and its tag in object storage, else None. Raises as read_manifest."""
    tag: str | None = None
    try:
        if isinstance(folder, RemotePath):
            data, tag = (folder / MANIFEST).read_tagged()
        else:
            with open_regular(folder / MANIFEST) as stream:
                data = stream.read()
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(
            f"no store at {folder}{guess_path(folder, meant=_is_store)}; make one with objectspace index"
        ) from None
    except OSError as error:
        raise StoreError(f"the store at {folder} cannot be read: {error.strerror}") from None
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise _damaged(folder, "it is not JSON") from None
    return parse_manifest(value, folder), tag


def parse_manifest(value: Any, folder: Place) -> Manifest:
    """Return the manifest that a JSON value holds; ``folder`` is for messages. Raises as read_manifest."""
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise _damaged(folder, f'it does not say "format": "{FORMAT}"')
    if value.get("version") != FORMAT_VERSION:
        raise StoreVersionError(
            f"the store at {folder} has format version {value.get('version')} and this objectspace "
            f"({__version__}) reads version {FORMAT_VERSION}; open it with the objectspace that wrote it "
            f"({value.get('package')}), or index the photos again into a new store"
        )
    tables = _mapping(value, "tables", folder)
    entries = _mapping(value, "spaces", folder)
    sources = _mapping(value, "sources", folder)
    models = _mapping(value, "models", folder)
    joints = _mapping(value, "joint_spaces", folder) if "joint_spaces" in value else {}
    indexes = _mapping(value, "joint_indexes", folder) if "joint_indexes" in value else {}
    for name, version in tables.items():
        if name not in BASE_TABLES and not name.startswith(SPACES):
            raise _damaged(folder, f"it names an unknown table {name!r}")
        if type(version) is not int or not 0 < version < 2**63:
            raise _damaged(folder, f"table {name} has no version number")
    if {name for name in tables if name.startswith(SPACES)} != {SPACES + name for name in entries}:
        raise _damaged(folder, "its tables and its spaces disagree")
    if "objects" in tables and "images" not in tables:
        raise _damaged(folder, "it names objects and no table images")
    if not all(isinstance(recipe, dict) for recipe in sources.values()):
        raise _damaged(folder, "a source has no recipe")
    if not all(isinstance(arguments, dict) for arguments in models.values()):
        raise _damaged(folder, "a model has no arguments")
    spaces = {name: _space(name, entry, folder) for name, entry in entries.items()}
    if joints and "objects" not in tables:
        raise _damaged(folder, "it names joint spaces and no table objects")
    joint_spaces = {name: _joint_space(name, recipe, spaces, folder) for name, recipe in joints.items()}
    files = _files(value, tables, folder)
    joint_indexes = {name: _joint_index(name, index, folder) for name, index in indexes.items()}
    if unknown := sorted(joint_indexes.keys() - joint_spaces.keys()):
        raise _damaged(folder, f"it has an index of {unknown[0]}, which is no joint space")
    default, names = value.get("default_space"), [*spaces, *joint_spaces]
    if default is not None and default not in names:
        raise _damaged(folder, f"its default space {default!r} is no space of it")
    purities = _purities(value, names, folder)
    return Manifest(tables, spaces, sources, models, files, joint_spaces, joint_indexes, default, purities)


def _files(value: dict[str, Any], tables: Mapping[str, Any], folder: Place) -> dict[str, dict[str, str]]:
    files = _mapping(value, "files", folder)
    if set(files) != set(tables):
        raise _damaged(folder, "its tables and its files disagree")
    for name, checksums in files.items():
        if not isinstance(checksums, dict) or not all(
            _FILE.fullmatch(path) and isinstance(checksum, str) for path, checksum in checksums.items()
        ):
            raise _damaged(folder, f"table {name} has no checksums of its files")
    return files


def _space(name: str, entry: Any, folder: Place) -> SpaceEntry:
    try:
        check_space_name(name)
        recipe, dimension = Recipe.from_json(entry["recipe"]), entry["dimension"]
    except InputError as error:
        raise _damaged(folder, str(error)) from None
    except (TypeError, KeyError, ValueError):
        raise _damaged(folder, f"space {name} has no recipe") from None
    if type(dimension) is not int or not 0 < dimension < 2**31:
        raise _damaged(folder, f"space {name} has no dimension")
    if entry.get("index") is None:
        return SpaceEntry(recipe, dimension)
    try:
        return SpaceEntry(recipe, dimension, SpaceIndex.from_json(entry["index"]))
    except (AttributeError, TypeError, KeyError, ValueError):
        raise _damaged(folder, f"the index of space {name} has no kind, settings or recall") from None


def _joint_space(name: str, value: Any, spaces: Mapping[str, SpaceEntry], folder: Place) -> Recipe:
    try:
        check_space_name(name)
        recipe = Recipe.from_json(value)
        parts, recorded = joint_parts(recipe), part_recipes(recipe)
        named = all(isinstance(part.name, str) and part.spaces for part in parts)
        known = named and bool(parts) and {space for part in parts for space in part.spaces} <= set(recorded)
    except InputError as error:
        raise _damaged(folder, str(error)) from None
    except (AttributeError, TypeError, KeyError, ValueError):
        known = False
    if not known:
        raise _damaged(folder, f"joint space {name} has no parts")
    if name in spaces:
        raise _damaged(folder, f"{name} is a space and a joint space")
    return recipe


def _purities(value: dict[str, Any], names: list[str], folder: Place) -> dict[str, LabelPurity]:
    held = _mapping(value, "purities", folder) if "purities" in value else {}
    try:
        return {name: LabelPurity.from_json(purity) for name, purity in held.items() if name in names}
    except (TypeError, KeyError, ValueError, OverflowError):
        raise _damaged(folder, "the purity of a space has no value, chance, interval or counts") from None


def _joint_index(name: str, value: Any, folder: Place) -> JointSpaceIndex:
    try:
        return JointSpaceIndex.from_json(value)
    except (AttributeError, TypeError, KeyError, ValueError):
        raise _damaged(folder, f"the index of joint space {name} has no kind, parts or recall") from None


def _mapping(value: dict[str, Any], key: str, folder: Place) -> dict[str, Any]:
    mapping = value.get(key)
    if not isinstance(mapping, dict):
        raise _damaged(folder, f"it has no {key}")
    return mapping


def _damaged(folder: Place, what: str) -> StoreError:
    return StoreError(
        f"{folder / MANIFEST} is damaged: {what}; restore it from a copy, or index the photos "
        f"into a new store"
    )
