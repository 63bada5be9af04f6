"""Joint spaces: several spaces of a store read as one, declared by a recipe that names its parts' recipes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from objectspace._version import __version__
from objectspace.embeddings.spaces import Recipe
from objectspace.errors import InputError

#: The route of a joint space.
JOINT = "joint"

#: The joint space of both routes, which an index job declares.
BOTH = "both"

#: Raised when the same parts would give other similarities.
JOINT_METHOD = 1


@dataclass(frozen=True, slots=True)
class JointPart:
    """One part of a joint space.

    name: of the part in answers; spaces: those that hold its vectors, an object in one of them at most
    weight: above 0; missing: the cosine that counts for two objects without vectors in one of the spaces
    """

    name: str
    spaces: tuple[str, ...]
    weight: float = 1.0
    missing: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise InputError(f"part {self.name} has the weight {self.weight:g}; give a number above 0")
        if not -1 <= self.missing <= 1:
            raise InputError(f"part {self.name}: a missing one counts {self.missing:g}, expected -1 to 1")

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "name": self.name,
            "spaces": list(self.spaces),
            "weight": self.weight,
            "missing": self.missing,
        }


def joint_recipe(parts: Sequence[JointPart], recipes: Mapping[str, Recipe]) -> Recipe:
    """Return the recipe of a joint space: its parts, each with the recipes of its spaces.

    recipes: space -> recipe, of all spaces of the parts
    Raises InputError for fewer than two parts, two of one name, and a space that is in two parts.
    """
    names, spaces = [part.name for part in parts], [space for part in parts for space in part.spaces]
    if len(parts) < 2:
        raise InputError(f"a joint space needs two parts or more, and {' '.join(names) or 'none'} was given")
    for kind, given in (("part", names), ("space", spaces)):
        if twice := sorted({name for name in given if given.count(name) > 1}):
            raise InputError(f"{kind} {twice[0]} is named twice in a joint space; name it once")
    of_parts = [[recipes[space] for space in part.spaces] for part in parts]
    return Recipe(
        route=JOINT,
        model=" + ".join(dict.fromkeys(made[0].model for made in of_parts)),
        weights="",
        tap="",
        preprocessing={},
        precision=" + ".join(dict.fromkeys(recipes[space].precision for space in spaces)),
        version=__version__,
        method=JOINT_METHOD,
        parts=tuple(
            {**part.to_json(), "recipes": {space: recipes[space].to_json() for space in part.spaces}}
            for part in parts
        ),
    )


def joint_parts(recipe: Recipe) -> list[JointPart]:
    """Return the parts of a joint space's recipe; none of another one."""
    return [
        JointPart(part["name"], tuple(part["spaces"]), part["weight"], part["missing"])
        for part in recipe.parts or ()
    ]


def only_part(recipe: Recipe, name: str) -> Recipe | None:
    """Return the recipe of one part of a joint space, as a joint space of that part; None if it has none."""
    parts = tuple(part for part in recipe.parts or () if part["name"] == name)
    return replace(recipe, parts=parts) if parts else None


def part_recipes(recipe: Recipe) -> dict[str, Recipe]:
    """Return the recipe of each space of a joint space's parts, as it was when the joint one was declared."""
    return {
        space: Recipe.from_json(made)
        for part in recipe.parts or ()
        for space, made in part["recipes"].items()
    }
