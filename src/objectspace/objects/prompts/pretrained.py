"""The networks that find words: published ones, or those in the user's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from objectspace.errors import WeightsError
from objectspace.networks.pretrained import (
    Pretrained,
    check_folder,
    hub_folder,
    import_transformers,
    network_kind,
    read_pretrained,
)


@dataclass(frozen=True, slots=True)
class Published:
    """A network on the hub.

    part: its folder's name in ``--prompt-weights``; repository: its name on the hub
    network, processor: classes of transformers; kinds: what its configuration may call itself
    reads_text: whether the processor has a tokenizer
    size: bytes of its tensors in float32; licence: terms of use, for people
    """

    part: str
    repository: str
    network: str
    processor: str
    kinds: tuple[str, ...]
    reads_text: bool
    size: int
    licence: str

    def check(self, folder: Path) -> None:
        """Raise WeightsError for a folder that lacks something or is of another network."""
        saved_by = f"save_pretrained of {self.network} and {self.processor}"
        check_folder(folder, saved_by=saved_by, reads_text=self.reads_text)
        self.check_kind(folder)

    def check_kind(self, folder: Path) -> None:
        """Raise WeightsError for a folder whose configuration is of another network."""
        if (kind := network_kind(folder)) not in self.kinds:
            raise WeightsError(f"{folder} holds a network of type {kind}, expected {self.kinds[0]}")


def load_pretrained(published: Published, weights: Path | str | None) -> Pretrained:
    """The network in ``weights / published.part``, or the published one, in float32 on the CPU.

    Raises ModelError without transformers, WeightsError where the folder lacks something or is of another
    network, DownloadError where the hub cannot be reached.
    """
    import_transformers("finding objects by words")
    if weights is None:
        otherwise = f"name a folder that holds {published.part}/ with --prompt-weights"
        folder = hub_folder(published.repository, published.check_kind, published.check, otherwise=otherwise)
    else:
        folder = _part(published, Path(weights))
    return read_pretrained(folder, network=published.network, processor=published.processor)


def _part(published: Published, weights: Path) -> Path:
    """The network's folder inside the user's, with what it needs."""
    folder = weights / published.part
    if not folder.is_dir():
        raise WeightsError(
            f"{weights} lacks the folder {published.part}; expected {folder} with a {published.network} and "
            f"its {published.processor}, each saved there by save_pretrained"
        )
    published.check(folder)
    return folder
