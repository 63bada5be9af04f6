"""Networks of the ``transformers`` package: fetched once from the hub or read from a folder, as data only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from objectspace.digests import file_sha256
from objectspace.errors import DownloadError, ModelError, WeightsError

#: What is fetched of a repository: configurations, tokenizers and safetensors, no pickles.
_PATTERNS = ("*.json", "*.txt", "*.safetensors")

#: Parameter names that an error message lists before it only counts.
_NAMED = 3


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


@dataclass(frozen=True, slots=True, eq=False)
class Pretrained:
    """A network with its processor, and the sha256 of its weights by file name."""

    network: Any
    processor: Any
    sha256: dict[str, str]


def load_pretrained(published: Published, weights: Path | str | None) -> Pretrained:
    """The network in ``weights / published.part``, or the published one, in float32 on the CPU.

    Only safetensors are read, and no code of the folder is run. Raises ModelError where the folder lacks
    something or is of another network, DownloadError where the hub cannot be reached.
    """
    transformers = _transformers()
    folder = _fetched(published) if weights is None else _part(published, Path(weights))
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    with _quiet():
        try:
            processor = getattr(transformers, published.processor).from_pretrained(folder, **options)
            network, report = getattr(transformers, published.network).from_pretrained(
                folder,
                use_safetensors=True,
                dtype="float32",
                ignore_mismatched_sizes=True,  # they are in the report
                output_loading_info=True,
                **options,
            )
        except Exception as problem:  # a damaged file can raise anything at all
            reason = str(problem).strip().split("\n")[0]
            raise WeightsError(
                f"{folder} cannot be read as a {published.network} with its {published.processor}: {reason}"
            ) from None
    _refuse(folder, "lack", sorted(report["missing_keys"]))
    _refuse(folder, "have another shape in", sorted(str(key[0]) for key in report["mismatched_keys"]))
    files = sorted(folder.glob("*.safetensors"))
    return Pretrained(
        network.eval().requires_grad_(False), processor, {file.name: file_sha256(file) for file in files}
    )


def joint_sha256(parts: Sequence[dict[str, str]]) -> str:
    """64 hex digits that name the weights of several networks together."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _transformers() -> Any:
    try:
        import transformers
    except ImportError:
        raise ModelError(
            "finding objects by words needs the package transformers: pip install 'objectspace[prompts]'"
        ) from None
    return transformers


def _part(published: Published, weights: Path) -> Path:
    """The network's folder inside the user's, with what it needs."""
    folder = weights / published.part
    if not folder.is_dir():
        raise WeightsError(
            f"{weights} lacks the folder {published.part}; expected {folder} with a {published.network} and "
            f"its {published.processor}, each saved there by save_pretrained"
        )
    _check_files(published, folder)
    return folder


def _fetched(published: Published) -> Path:
    """The network's folder in the hub's cache, fetched first where it is not there."""
    from huggingface_hub.errors import GatedRepoError

    if (folder := _cached(published)) is not None:
        return folder
    try:
        return _snapshot(published)
    except GatedRepoError:
        raise DownloadError(
            f"{published.repository} is given only to those who accept its licence: do so at "
            f"https://huggingface.co/{published.repository} and log in with hf auth login, or name a folder "
            f"that holds {published.part}/ with --prompt-weights"
        ) from None
    except Exception as problem:  # the hub's client has its own errors besides those of the network
        raise DownloadError(
            f"{published.repository} could not be fetched from huggingface.co ({type(problem).__name__}); "
            f"connect to the network once, or name a folder that holds {published.part}/ with "
            "--prompt-weights"
        ) from None


def _cached(published: Published) -> Path | None:
    """The folder as it was fetched before; the hub is not asked, so that the weights stay the same."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return _snapshot(published, local_files_only=True)
    except (LocalEntryNotFoundError, WeightsError):
        return None


def _snapshot(published: Published, *, local_files_only: bool = False) -> Path:
    """The repository's folder in the cache. Raises WeightsError where it was fetched in part only.

    Without a network the hub's client gives what is there, though another program may have fetched the
    configuration alone, or pickles.
    """
    import huggingface_hub

    folder = huggingface_hub.snapshot_download(
        published.repository, allow_patterns=list(_PATTERNS), local_files_only=local_files_only
    )
    _check_files(published, Path(folder))
    return Path(folder)


def _check_files(published: Published, folder: Path) -> None:
    """transformers makes up what is missing: an empty tokenizer, random weights; here it is an error."""
    wanted = {
        "its configuration": ("config.json",),
        "its image processor": ("processor_config.json", "preprocessor_config.json"),
        "its tokenizer": ("tokenizer.json", "vocab.txt", "vocab.json") if published.reads_text else (),
    }
    for what, names in wanted.items():
        if names and not any((folder / name).is_file() for name in names):
            raise WeightsError(
                f"{folder} lacks {what}, {names[0]}; expected what save_pretrained of {published.network} "
                f"and {published.processor} leave"
            )
    if not any(folder.glob("*.safetensors")):
        pickles = sorted([*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")])
        there = f"{pickles[0].name}, which is a pickle and not read" if pickles else "no weights"
        raise WeightsError(
            f"{folder} holds {there}; expected model.safetensors, as transformers' save_pretrained writes it"
        )
    _check_kind(published, folder)


def _check_kind(published: Published, folder: Path) -> None:
    try:
        kind = json.loads((folder / "config.json").read_bytes()).get("model_type")
    except (OSError, ValueError, AttributeError):
        raise WeightsError(f"{folder / 'config.json'} is no configuration of a network") from None
    if kind not in published.kinds:
        raise WeightsError(f"{folder} holds a network of type {kind}, expected {published.kinds[0]}")


def _refuse(folder: Path, what: str, names: Sequence[str]) -> None:
    """Raise WeightsError for parameters that the file does not fill as it should."""
    if names:
        rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        raise WeightsError(
            f"the weights in {folder} {what} {', '.join(names[:_NAMED])}{rest}; they are of another network"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' own bars and warnings: what is wrong is told in one sentence."""
    logging: Any = _transformers().utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
