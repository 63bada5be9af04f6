"""Objects from words: networks that find what a prompt names, with its mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from objectspace.arguments import typed
from objectspace.errors import InputError
from objectspace.images import Image
from objectspace.models.catalogue import PROMPT_MODELS
from objectspace.models.prompts.words import parse_words
from objectspace.objects.records import Objects

if TYPE_CHECKING:
    import torch


class Prompter(Protocol):
    """Networks that find the objects of words.

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

    def __repr__(self) -> str:
        words = ", ".join(self.recipe["words"])
        return f"{type(self).__name__}({words!r}, {self.precision} on {self.device})"

    def find_objects(self, images: Sequence[Image]) -> list[Objects]:
        """Return the objects of each image, highest score first; they do not depend on the other images.

        Raises NonFiniteError where a network gave NaN or infinity for one of them.
        """


@typed
def load_prompter(
    prompt: str | Sequence[str],
    *,
    name: str = "grounded-sam",
    weights: Path | str | None = None,
    box_threshold: float | None = None,
    text_threshold: float | None = None,
    device: str = "cpu",
) -> Prompter:
    """Load the networks that find the objects of a prompt; its words are their labels.

    prompt: ``"apple. red car. dog."``, or the words one by one; see
        :func:`objectspace.models.prompts.words.parse_words`
    name: ``grounded-sam`` (Grounding DINO, then SAM) or ``sam3``
    weights: a folder that holds ``grounding-dino/`` and ``sam/``, or ``sam3/``, each as ``save_pretrained``
        of transformers leaves a network with its processor; without it they are fetched from the hub once
    box_threshold: least score of an object, 0.3 and 0.5 by default; text_threshold: least score of a word for
        it to label a box, 0.25, grounded-sam only

    Raises InputError for an unknown name, a prompt without words, a threshold outside [0, 1], WeightsError
    for a folder that lacks something, DownloadError where the hub cannot be reached.

    >>> osp.load_prompter("apple. red chair.")  # doctest: +SKIP
    GroundedSam('apple, red chair', float32 on cpu)
    """
    words = parse_words(prompt)
    if name not in PROMPT_MODELS:
        raise InputError(f"no prompt model {name!r}: expected {' or '.join(PROMPT_MODELS)}")
    if name == "sam3" and text_threshold is not None:
        raise InputError("sam3 scores a whole word, it has no text threshold; use the box threshold")
    for what, value in (("box threshold", box_threshold), ("text threshold", text_threshold)):
        if value is not None and not 0 <= value <= 1:
            raise InputError(f"{what} is {value}, expected a number from 0 to 1")
    prompter = _load(words, name, weights, box_threshold, text_threshold, device)
    # Words and thresholds are in the recipe; the rest of what loads it again is here.
    prompter.loaded_from = {
        "name": name,
        "weights": None if weights is None else str(Path(weights).absolute()),
    }
    return prompter


def _load(
    words: tuple[str, ...],
    name: str,
    weights: Path | str | None,
    box_threshold: float | None,
    text_threshold: float | None,
    device: str,
) -> Prompter:
    from objectspace.models.precision import resolve_device

    where = resolve_device(device)
    if name == "sam3":
        from objectspace.models.prompts.sam3 import load_sam3

        return load_sam3(words, weights, where, box_threshold=box_threshold)
    from objectspace.models.prompts.grounded_sam import load_grounded_sam

    return load_grounded_sam(
        words, weights, where, box_threshold=box_threshold, text_threshold=text_threshold
    )
