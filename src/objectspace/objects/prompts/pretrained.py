"""The networks that find words: published ones, or those in the user's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from objectspace.errors import WeightsError
from objectspace.models.transformers_models import Expected, Pretrained, load_pretrained


@dataclass(frozen=True, slots=True)
class Published(Expected):
    """A network on the hub.

    part: its folder's name in ``--prompt-weights``; repository: its name on the hub
    size: bytes of its tensors in float32; licence: terms of use, for people
    """

    part: str
    repository: str
    size: int
    licence: str


def load_published(published: Published, weights: Path | str | None) -> Pretrained:
    """The network in ``weights / published.part``, or the published one, in float32 on the CPU.

    Raises what :func:`objectspace.models.transformers_models.load_pretrained` does, WeightsError where there is no
    such folder.
    """
    if weights is None:
        otherwise = f"name a folder that holds {published.part}/ with --prompt-weights"
        return load_pretrained(published.repository, published, otherwise=otherwise)
    folder = Path(weights) / published.part
    if not folder.is_dir():
        raise WeightsError(
            f"{weights} lacks the folder {published.part}; expected {folder} with a {published.network} and "
            f"its {published.processor}, each saved there by save_pretrained"
        )
    return load_pretrained(folder, published)
