"""Spaces: all embeddings made by one recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.digests import recipe_digest
from objectspace.errors import InputError


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that determines the vectors of a space.

    route: "crop"; "window", "roi" or "mask" of a map of the whole photo; "query", a detector's own vector;
        "own", handed in, of which the model's name is known and nothing else
    model: the encoder's or detector's name
    weights: sha256 of the weights, or of the state dict where they came from a package
    tap: the layer whose output is read
    window: cells a side (of a window or RoI), else None
    scale: "own" or "deepest" (of a map), else None
    stride: pixels a cell (of a map), else None
    crop: how the object is cut out (crop route), else None
    erasure: what was erased from the vectors afterwards, and how; None where nothing was
    preprocessing: how pixels become the network's input
    precision: "float32" or "bfloat16"
    version: the objectspace release that began the space, for information: releases that make the same
        vectors go on with it
    method: of the route's code, raised only where it makes other vectors of the same network
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

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain JSON values."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Recipe:
        """The recipe that :meth:`to_json` wrote; keys of later releases are refused by name."""
        known = {part.name for part in fields(cls)}
        if unknown := sorted(set(value) - known):
            raise InputError(
                f"recipe: unknown keys {', '.join(unknown)}; it was written by a newer objectspace"
            )
        return cls(**value)

    @property
    def digest(self) -> str:
        """Twelve hex digits that name the recipe, whatever the release."""
        return recipe_digest(self._compared())

    def differences(self, other: Recipe) -> dict[str, tuple[Any, Any]]:
        """The keys in which two recipes differ, the release aside, with both values."""
        mine, theirs = self._compared(), other._compared()
        return {key: (mine[key], theirs[key]) for key in mine if mine[key] != theirs[key]}

    def _compared(self) -> dict[str, Any]:
        """What makes two recipes two: all but the release."""
        return {key: value for key, value in self.to_json().items() if key != "version"}


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """Vectors (n, d) float32 of the objects ``object_id`` (n,), all made by one recipe."""

    name: str
    recipe: Recipe
    object_id: NDArray[np.str_]
    vectors: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.object_id):
            raise InputError(
                f"space {self.name}: vectors of shape {self.vectors.shape} for {len(self.object_id)} objects"
            )

    def __len__(self) -> int:
        return len(self.object_id)

    def __repr__(self) -> str:
        return f"Space({self.name!r}, {len(self)} x {self.dimension} vectors)"

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""
        return int(self.vectors.shape[1])
