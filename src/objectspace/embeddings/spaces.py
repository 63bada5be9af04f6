"""Spaces: all embeddings made by one recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import Float16Error, InputError
from objectspace.files import plain_json, recipe_digest
from objectspace.neighbors import BlockSource, JointVectors, select_rows
from objectspace.objects.records import Objects

#: What a space knows of the window that each vector was cut from; null in the crop route.
CELL_COLUMNS = ("head", "cell_x", "cell_y", "anchor", "cells_outside")

#: Reads the objects of some ids (n,), in their order.
ReadObjects: TypeAlias = Callable[[NDArray[np.str_]], Objects]

#: The numbers in which a space keeps its vectors; they are read as float32, and computed with, either way.
VectorType = Literal["float32", "float16"]
VECTOR_TYPES: tuple[VectorType, ...] = ("float32", "float16")

#: The largest number that float16 holds.
FLOAT16_MAX = float(np.finfo(np.float16).max)


_NEEDED = ("route", "model", "weights", "tap", "preprocessing", "precision", "version")
_RECIPE_TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(_NEEDED, (str,)),
    "preprocessing": (dict,),
    **dict.fromkeys(("window", "stride", "method"), (int, type(None))),
    "scale": (str, type(None)),
    **dict.fromkeys(("crop", "erasure"), (dict, type(None))),
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that determines the vectors of a space.

    route: "crop"; "window", "roi" or "mask" of a map of the whole photo; "query", a detector's own vector;
        "external", made elsewhere, of which only the model's name is known; "joint", several spaces read as
        one
    model: the encoder's or detector's name
    weights: sha256 of the weights, or of the state dict where they came from a package
    tap: the layer whose output is read
    window: cells a side (of a window or RoI), else None
    scale: "own" or "deepest" (of a map), else None
    stride: pixels a cell (of a map), else None
    crop: how the object is cut out (crop route), else None
    erasure: what was erased from the vectors afterwards, and how; None where nothing was
    preprocessing: how pixels become the network's input
    precision: "float32" or "bfloat16"; of a joint space those of its parts
    version: the objectspace release that began the space, for information: releases that make the same
        vectors go on with it
    method: of the route's code, raised only where it makes other vectors of the same network
    vectors: the numbers in which they are kept, "float32" or "float16"
    parts: of a joint space (embeddings/joint.py), else None

    >>> tight, wide = store.recipe("demo-crop"), store.recipe("demo-crop-margin0.5")
    >>> list(tight.differences(wide))
    ['crop']
    """

    route: str
    model: str
    weights: str
    tap: str
    preprocessing: Mapping[str, Any]
    precision: str
    version: str = field(compare=False)
    window: int | None = None
    scale: str | None = None
    stride: int | None = None
    crop: Mapping[str, Any] | None = None
    erasure: Mapping[str, Any] | None = None
    method: int = 1
    vectors: VectorType = "float32"
    parts: Sequence[Mapping[str, Any]] | None = None

    def __repr__(self) -> str:
        return f"Recipe({self.route} of {self.model}, tap {self.tap}, {self.precision}, digest {self.digest})"

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as plain JSON values. Raises InputError where it holds others.

        ``vectors`` stands there only if it is not "float32", so that digests are those from before there was
        a choice.
        """
        plain: dict[str, Any] = plain_json(asdict(self), f"the recipe of {self.model}")
        if self.vectors == "float32":
            del plain["vectors"]
        return plain

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Recipe:
        """Read what :meth:`to_json` wrote; keys of later releases are refused by name."""
        known = {part.name for part in fields(cls)}
        if unknown := sorted(set(value) - known):
            raise InputError(
                f"recipe: unknown keys {', '.join(unknown)}; it was written by a newer objectspace"
            )
        for name, kinds in _RECIPE_TYPES.items():
            if not isinstance(value[name] if name in _NEEDED else value.get(name), kinds):
                raise InputError(
                    f"recipe: {name} is {str(value.get(name))[:40]!r}, expected {kinds[0].__name__}"
                )
        if (kept := value.get("vectors", "float32")) not in VECTOR_TYPES:
            raise InputError(f"recipe: vectors is {str(kept)[:40]!r}, expected {' or '.join(VECTOR_TYPES)}")
        for name in ("window", "stride", "method"):
            number = value.get(name)
            if number is not None and (isinstance(number, bool) or not 0 < number < 2**16):
                raise InputError(f"recipe: {name} is {str(number)[:40]}, expected a number above zero")
        recipe = cls(**value)
        return recipe if recipe.parts is None else replace(recipe, parts=tuple(recipe.parts))

    @property
    def digest(self) -> str:
        """Twelve hex digits that name the recipe, the same in any release."""
        return recipe_digest({key: value for key, value in self.to_json().items() if key != "version"})

    @property
    def computed(self) -> Recipe:
        """The recipe of the vectors before they are rounded to be kept."""
        return replace(self, vectors="float32")

    def differences(self, other: Recipe) -> dict[str, tuple[Any, Any]]:
        """Return the keys in which two recipes differ, except the release, with both values."""
        mine, theirs = self._compared(), other._compared()
        return {key: (mine[key], theirs[key]) for key in mine if mine[key] != theirs[key]}

    def _compared(self) -> dict[str, Any]:
        """Return what distinguishes recipes: all but the release."""
        plain = {**self.to_json(), "vectors": self.vectors}
        del plain["version"]
        return plain


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """Vectors (n, d) float32 of the objects ``object_id`` (n,), all made by one recipe.

    searched: the vectors, or the parts of a joint space, by which neighbors are found; in memory, or on disk
        where ``StoredSpace.to_space`` left them there
    read_objects: reads objects by their ids from the store that the space is of; None without a store

    >>> space = store.space("demo-crop")
    >>> vectors, labels = space.vectors, space.objects.label
    >>> vectors.shape == (len(labels), space.dimension)
    True
    """

    name: str
    recipe: Recipe
    object_id: NDArray[np.str_]
    searched: NDArray[np.float32] | JointVectors | BlockSource
    read_objects: ReadObjects | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        shape = self.searched.shape
        if len(shape) != 2 or shape[0] != len(self.object_id):
            raise InputError(f"space {self.name}: vectors of shape {shape} for {len(self.object_id)} objects")

    def __len__(self) -> int:
        return len(self.object_id)

    def __repr__(self) -> str:
        return f"Space({self.name!r}, {len(self)} vectors of {self.dimension} numbers)"

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""
        return int(self.searched.shape[1])

    @property
    def vectors(self) -> NDArray[np.float32]:
        """The vectors (n, d); of a joint space its parts written out anew, zeros where a part is missing.

        What is on disk is read at each use.
        """
        return np.asarray(self.searched if isinstance(self.searched, JointVectors) else self.searched[:])

    @property
    def objects(self) -> Objects:
        """The objects, row for row with the vectors; they are read from the store at each use.

        Raises InputError for a space that is of no store.
        """
        if self.read_objects is None:
            raise InputError(f"space {self.name} was not read from a store, which would know its objects")
        return self.read_objects(self.object_id)

    def take(self, rows: NDArray[np.int64]) -> Space:
        """Return the space of some rows (r,), in their order; vectors on disk stay there."""
        some = select_rows(self.searched, rows)
        return Space(self.name, self.recipe, self.object_id[rows], some, self.read_objects)


@dataclass(frozen=True, slots=True, eq=False)
class SpaceRows:
    """New vectors (n, d) float32 of the objects ``object_id`` (n,), made by ``recipe``.

    ``cells`` has some of the columns head, cell_x, cell_y, anchor and cells_outside, each (n,) integers
    (window route). Raises InputError where shapes disagree or a vector is not finite, Float16Error for a
    number beyond 65504 where the recipe keeps float16, which rounds to an infinity there.
    """

    recipe: Recipe
    object_id: Sequence[str] | NDArray[np.str_]
    vectors: NDArray[np.float32]
    cells: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.object_id)
        shape = np.shape(self.vectors)
        if len(shape) != 2 or shape[0] != count or shape[1] == 0:
            raise InputError(f"vectors of shape {shape} for {count} objects; expected ({count}, numbers)")
        if not np.isfinite(self.vectors).all():
            row = int(np.flatnonzero(~np.isfinite(self.vectors).all(1))[0])
            raise InputError(f"the vector of object {self.object_id[row]} has a NaN or an infinity in it")
        if self.recipe.vectors == "float16":
            self._check_range()
        for name, column in self.cells.items():
            if name not in CELL_COLUMNS:
                raise InputError(f"cells: unknown column {name}; expected {', '.join(CELL_COLUMNS)}")
            if len(column) != count:
                raise InputError(f"cells: column {name} has {len(column)} rows, expected {count}")

    def _check_range(self) -> None:
        largest = np.abs(self.vectors).max(axis=1, initial=0)
        if len(beyond := np.flatnonzero(largest > FLOAT16_MAX)):
            row = int(beyond[0])
            raise Float16Error(
                f"the vector of object {self.object_id[row]} has {largest[row]:g} in it, and float16 holds "
                f'numbers up to {FLOAT16_MAX:g}; give vectors="float32"'
            )

    def __repr__(self) -> str:
        count, dimension = self.vectors.shape
        return f"SpaceRows({count} x {dimension} vectors of {self.recipe.model}, {self.recipe.route} route)"


@dataclass(frozen=True, slots=True)
class WrittenFragment:
    """A file of vectors that a worker has written for a space's table, whose versions do not name it yet.

    metadata: Lance's own of the file, as JSON; rows: in the file; checksum: of it, as the store keeps it
    """

    metadata: str = field(repr=False)
    rows: int
    checksum: str


@dataclass(frozen=True, slots=True, eq=False)
class WrittenRows:
    """New vectors of the objects ``object_id`` (n,) that are in a file already, from its row ``start`` on."""

    recipe: Recipe
    object_id: NDArray[np.str_]
    dimension: int
    fragment: WrittenFragment
    start: int

    def __repr__(self) -> str:
        return f"WrittenRows({len(self.object_id)} x {self.dimension} vectors in {self.fragment})"


def model_key(name: str, weights: str) -> str:
    """Return the key of a network in a store: its name and the start of its weights' sha256."""
    return f"{name}@{weights[:12]}"
