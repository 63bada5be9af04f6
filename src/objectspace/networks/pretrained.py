"""Networks of the ``transformers`` package: in a folder, or fetched from the hub once; read as data only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from objectspace.digests import file_sha256
from objectspace.errors import DownloadError, InputError, ModelError, WeightsError

#: What is fetched of a repository: configurations, tokenizers and safetensors, no pickles and no code.
_PATTERNS = ("*.json", "*.txt", "*.safetensors")

#: Nothing is fetched behind the user's back, and no code that lies beside the weights is run.
_OFFLINE = {"local_files_only": True, "trust_remote_code": False}

#: Parameter names that an error message lists before it only counts.
_NAMED = 3


@dataclass(frozen=True, slots=True, eq=False)
class Pretrained:
    """A network in float32 on the CPU with its processor, and the sha256 of its weights by file name."""

    network: Any
    processor: Any
    sha256: dict[str, str]


def import_transformers(user: str) -> Any:
    """The package. Raises ModelError, which says that ``user`` needs it."""
    try:
        import transformers
    except ImportError:
        raise ModelError(
            f"{user} needs the package transformers: pip install 'objectspace[prompts]'"
        ) from None
    return transformers


def read_pretrained(folder: Path, *, network: str, processor: str) -> Pretrained:
    """The network and the processor of a folder, by the names of their classes.

    Only safetensors are read, and no code of the folder is run. Raises WeightsError where the folder's files
    cannot be read or do not fill the network as they should.
    """
    transformers = import_transformers(network)
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
    _refuse(folder, "lack", sorted(report["missing_keys"]))
    _refuse(folder, "have another shape in", sorted(str(key[0]) for key in report["mismatched_keys"]))
    digests = {file.name: file_sha256(file) for file in sorted(folder.glob("*.safetensors"))}
    return Pretrained(loaded.eval().requires_grad_(False), reader, digests)


def check_folder(folder: Path, *, saved_by: str, reads_text: bool) -> None:
    """Raise WeightsError for a folder without a configuration, an image processor, a tokenizer where it
    ``reads_text``, or weights: transformers makes up what is missing, an empty tokenizer, random weights.
    """
    wanted = {
        "its configuration": ("config.json",),
        "its image processor": ("processor_config.json", "preprocessor_config.json"),
        "its tokenizer": ("tokenizer.json", "vocab.txt", "vocab.json") if reads_text else (),
    }
    for what, names in wanted.items():
        if names and not any((folder / name).is_file() for name in names):
            raise WeightsError(f"{folder} lacks {what}, {names[0]}; expected what {saved_by} leaves")
    if not any(folder.glob("*.safetensors")):
        pickles = sorted([*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")])
        there = f"{pickles[0].name}, which is a pickle and not read" if pickles else "no weights"
        raise WeightsError(
            f"{folder} holds {there}; expected model.safetensors, as transformers' save_pretrained writes it"
        )


def network_kind(folder: Path) -> str:
    """What a folder's network calls itself, its ``model_type``. Raises WeightsError."""
    try:
        return str(json.loads((folder / "config.json").read_bytes())["model_type"])
    except (OSError, ValueError, KeyError, TypeError):
        raise WeightsError(f"{folder / 'config.json'} is no configuration of a network") from None


def hub_folder(
    repository: str, check_kind: Callable[[Path], None], check: Callable[[Path], None], *, otherwise: str
) -> Path:
    """A repository's folder in the hub's cache, fetched first where it is not there, or not whole.

    A whole one is taken as it is and the hub is not asked, so that the weights stay the same. ``check``
    raises WeightsError for a folder that lacks something; ``check_kind`` raises for one of another network,
    by its configuration, before the rest of it is fetched. ``otherwise`` is what to do without the hub.
    Raises InputError for a name that no repository can have, DownloadError where the hub cannot be reached or
    does not give the repository whole.
    """
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = _snapshot(repository, local_files_only=True)
        check(folder)
        return folder
    except HFValidationError as problem:
        raise InputError(
            f"{repository}: there is no such folder, and it is no id on the hub: {problem}"
        ) from None
    except (LocalEntryNotFoundError, WeightsError):
        pass
    check_kind(_fetched(repository, ("config.json",), otherwise))
    folder = _fetched(repository, _PATTERNS, otherwise)
    try:
        check(folder)
    except WeightsError as problem:
        # Without a network the hub's client gives what is there, though another program may have fetched the
        # configuration alone, or pickles.
        raise _not_fetched(repository, str(problem), otherwise) from None
    return folder


def joint_sha256(parts: Sequence[dict[str, str]]) -> str:
    """64 hex digits that name the weights of one or more networks: of the one file, or of all digests."""
    digests = [digest for part in parts for digest in part.values()]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _fetched(repository: str, patterns: Sequence[str], otherwise: str) -> Path:
    """The folder of a repository with what the hub has of these patterns. Raises DownloadError."""
    from huggingface_hub.errors import GatedRepoError

    try:
        return _snapshot(repository, patterns)
    except GatedRepoError:
        raise DownloadError(
            f"{repository} is given only to those who accept its licence: do so at "
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


def _refuse(folder: Path, what: str, names: Sequence[str]) -> None:
    """Raise WeightsError for parameters that the files do not fill as they should."""
    if names:
        rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        raise WeightsError(
            f"the weights in {folder} {what} {', '.join(names[:_NAMED])}{rest}; they are of another network"
        )


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Without transformers' own bars and warnings: what is wrong is told in one sentence."""
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
