"""Objects from words: networks that find what a prompt names, with its mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from objectspace.images import Image
from objectspace.objects.records import Objects

if TYPE_CHECKING:
    import torch


class Prompter(Protocol):
    """What finds the objects that words name.

    recipe: plain JSON, everything that determines the objects: networks, weights, words and thresholds
    source: the name and the recipe's digest, as kept with every object
    loaded_from: what makes it again, in plain JSON
    batch_size: the images that one call takes well
    """

    name: str
    recipe: Mapping[str, Any]
    source: str
    device: torch.device
    precision: str
    loaded_from: Mapping[str, Any]
    batch_size: int

    def find_objects(self, images: Sequence[Image]) -> list[Objects]:
        """The objects of each image, best first; an image's objects do not depend on the others."""
