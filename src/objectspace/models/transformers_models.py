"""Networks of the ``transformers`` package, from a folder or fetched from the hub once, read as data only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from objectspace.errors import DownloadError, InputError, ModelError, WeightsError
from objectspace.files import file_sha256
from objectspace.models.model_folders import check_files
from objectspace.models.weights import HubWeights, refuse

#: What is fetched of a repository: configurations, tokenizers and safetensors, no pickles and no code.
_PATTERNS = ("*.json", "*.txt", "*.safetensors")

#: Loading fetches nothing, and no code beside the weights is run.
_OFFLINE = {"local_files_only": True, "trust_remote_code": False}


@dataclass(frozen=True, slots=True, eq=False)
class Pretrained:
    """A network in float32 on the CPU with its processor, and the sha256 of its weights by file name."""

    network: Any
    processor: Any
    sha256: dict[str, str]


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected contents of a folder of transformers.

    network, processor: their classes; kinds: what the configuration may call the network
    reads_text: whether the processor has a tokenizer
    """

    network: str
    processor: str
    kinds: tuple[str, ...]
    reads_text: bool


@dataclass(frozen=True, slots=True)
class Published(Expected):
    """A network of transformers on the hub, and ``part``, its folder's name among a user's own weights."""

    part: str
    weights: HubWeights


def load_published(published: Published, weights: Path | str | None) -> Pretrained:
    """Return the network in ``weights / published.part``, or the published one, in float32 on the CPU.

    Raises what :func:`load_pretrained` does, WeightsError where there is no such folder.
    """
    if weights is None:
        otherwise = f"name a folder of prompt weights, with {published.part}/ in it, as weights="
        return load_pretrained(published.weights.repository, published, otherwise=otherwise)
    folder = Path(weights) / published.part
    if not folder.is_dir():
        raise WeightsError(
            f"{weights} lacks the folder {published.part}; expected {folder} with a {published.network} and "
            f"its {published.processor}, each saved there by save_pretrained"
        )
    return load_pretrained(folder, published)


def load_pretrained(place: Path | str, expected: Expected, *, otherwise: str = "") -> Pretrained:
    """Load the network in a folder, given as a path, or of a repository of the hub, given as a text.

    ``otherwise`` is what to do without the hub. Only safetensors are read, and no code beside them is run.
    Raises ModelError without transformers, WeightsError where the files lack something, cannot be read or are
    of another kind of network, InputError for a text that no repository can have as its name, DownloadError
    where the hub cannot be reached or does not give the repository whole.
    """
    try:
        import transformers
    except ImportError:
        raise ModelError(
            f"{place} needs the package transformers: pip install 'objectspace[prompts]'"
        ) from None
    if isinstance(place, Path):
        _check(place, expected)
        return _read(transformers, place, expected)
    return _read(transformers, _hub_folder(place, expected, otherwise), expected)


def _read(transformers: Any, folder: Path, expected: Expected) -> Pretrained:
    """Read the network and the processor of a folder. Raises WeightsError where they do not fit its files."""
    network, processor = expected.network, expected.processor
    with _quiet(transformers):
        try:
            reader = getattr(transformers, processor).from_pretrained(folder, **_OFFLINE)
            loaded, report = getattr(transformers, network).from_pretrained(
                folder,
                use_safetensors=True,
                dtype="float32",
                ignore_mismatched_sizes=True,  # they are in the report
                output_loading_info=True,
                **_OFFLINE,
            )
        except Exception as problem:  # a damaged file can raise anything at all
            reason = (str(problem).strip() or type(problem).__name__).split("\n")[0]
            raise WeightsError(f"{folder} cannot be read by {network} and {processor}: {reason}") from None
    kind = type(loaded).__name__
    refuse(folder, "lacks", sorted(report["missing_keys"]), kind)
    odd = sorted(str(key[0]) for key in report["mismatched_keys"])
    refuse(folder, "holds tensors of another shape:", odd, kind)
    digests = {file.name: file_sha256(file) for file in sorted(folder.glob("*.safetensors"))}
    return Pretrained(loaded.eval().requires_grad_(False), reader, digests)


def _check(folder: Path, expected: Expected) -> None:
    """Raise WeightsError for a folder that lacks a part, or is of another network."""
    check_files(folder)
    wanted = {
        "its configuration": ("config.json",),
        "its image processor": ("processor_config.json", "preprocessor_config.json"),
        "its tokenizer": ("tokenizer.json", "vocab.txt", "vocab.json") if expected.reads_text else (),
    }
    for what, names in wanted.items():
        if names and not any((folder / name).is_file() for name in names):
            raise WeightsError(
                f"{folder} lacks {what}, {names[0]}; expected what save_pretrained of {expected.network} and "
                f"{expected.processor} leaves"
            )
    if not any(folder.glob("*.safetensors")):
        pickles = sorted([*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")])
        there = f"{pickles[0].name}, which is a pickle and not read" if pickles else "no weights"
        raise WeightsError(
            f"{folder} holds {there}; expected model.safetensors, as transformers' save_pretrained writes it"
        )
    _check_kind(folder, expected, folder)


def _check_kind(folder: Path, expected: Expected, place: Path | str) -> None:
    """Raise WeightsError where the configuration in a folder is of another kind of network."""
    try:
        kind = str(json.loads((folder / "config.json").read_bytes())["model_type"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise WeightsError(f"{folder / 'config.json'} is no configuration of a network") from None
    if kind not in expected.kinds:
        raise WeightsError(f"{place} is a {kind}, expected {' or '.join(expected.kinds)}")


def _hub_folder(repository: str, expected: Expected, otherwise: str) -> Path:
    """Return a repository's folder in the hub's cache, fetched first where it is missing or incomplete.

    A complete one is taken as it is without a request to the hub, so that the weights stay the same. Of
    another kind of network only the configuration is fetched.
    """
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = _snapshot(repository, local_files_only=True)
        _check(folder, expected)
        return folder
    except HFValidationError as problem:
        raise InputError(
            f"{repository}: there is no such folder, and it is no id on the hub: {problem}"
        ) from None
    except (LocalEntryNotFoundError, WeightsError):
        pass
    _check_kind(_fetched(repository, ("config.json",), otherwise), expected, repository)
    folder = _fetched(repository, _PATTERNS, otherwise)
    try:
        _check(folder, expected)
    except WeightsError as problem:
        # Without a network the hub's client gives what is there, though another program may have fetched the
        # configuration alone, or pickles.
        raise _not_fetched(repository, str(problem), otherwise) from None
    return folder


def joint_sha256(parts: Sequence[dict[str, str]]) -> str:
    """Return the sha256 of the one file, or of all files' digests, of one or more networks."""
    digests = [digest for part in parts for digest in part.values()]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _fetched(repository: str, patterns: Sequence[str], otherwise: str) -> Path:
    """Fetch a repository's files of these patterns and return its folder. Raises DownloadError."""
    from huggingface_hub.errors import GatedRepoError

    try:
        return _snapshot(repository, patterns)
    except GatedRepoError:
        raise DownloadError(
            f"{repository} is given only to those who accept its license: do so at "
            f"https://huggingface.co/{repository} and log in with hf auth login, or {otherwise}"
        ) from None
    except Exception as problem:  # the hub's client has its own errors besides those of the network
        raise _not_fetched(repository, type(problem).__name__, otherwise) from None


def _snapshot(
    repository: str, patterns: Sequence[str] = _PATTERNS, *, local_files_only: bool = False
) -> Path:
    import huggingface_hub

    return Path(
        huggingface_hub.snapshot_download(
            repository, allow_patterns=list(patterns), local_files_only=local_files_only
        )
    )


def _not_fetched(repository: str, reason: str, otherwise: str) -> DownloadError:
    return DownloadError(
        f"{repository} could not be fetched from huggingface.co ({reason}); connect to the network once, or "
        f"{otherwise}"
    )


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Silence transformers' own progress bars and warnings: a problem is raised as one sentence."""
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
