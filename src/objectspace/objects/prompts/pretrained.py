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
    size: bytes of its weights, about; licence: terms of use, for people
    """

    part: str
    repository: str
    network: str
    processor: str
    kinds: tuple[str, ...]
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
    _check_kind(published, folder)
    with _quiet():
        options = {"local_files_only": True, "trust_remote_code": False}
        try:
            processor = getattr(transformers, published.processor).from_pretrained(folder, **options)
            network, report = getattr(transformers, published.network).from_pretrained(
                folder, use_safetensors=True, dtype="float32", output_loading_info=True, **options
            )
        except (OSError, ValueError, RuntimeError, KeyError, TypeError) as problem:
            reason = str(problem).strip().split("\n")[0]
            raise WeightsError(
                f"{folder} cannot be read as a {published.network} with its processor: {reason}"
            ) from None
    _refuse(folder, "lacks", sorted(report["missing_keys"]))
    _refuse(
        folder, "holds tensors of another shape:", sorted(str(key[0]) for key in report["mismatched_keys"])
    )
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
    if not (folder / "config.json").is_file():
        raise WeightsError(f"{folder} lacks config.json; expected what save_pretrained leaves")
    if not any(folder.glob("*.safetensors")):
        pickles = [*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")]
        there = f"{pickles[0].name}, which is a pickle and not read" if pickles else "no weights"
        raise WeightsError(
            f"{folder} holds {there}; expected model.safetensors, as transformers' save_pretrained writes it"
        )
    return folder


def _fetched(published: Published) -> Path:
    """The network's folder in the hub's cache, fetched first where it is not there."""
    import huggingface_hub
    from huggingface_hub.errors import GatedRepoError

    try:
        return Path(huggingface_hub.snapshot_download(published.repository, allow_patterns=list(_PATTERNS)))
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


def _check_kind(published: Published, folder: Path) -> None:
    try:
        kind = json.loads((folder / "config.json").read_bytes()).get("model_type")
    except (OSError, ValueError, AttributeError):
        raise WeightsError(f"{folder / 'config.json'} is no configuration of a network") from None
    if kind not in published.kinds:
        raise WeightsError(f"{folder} holds a network of type {kind}, expected {published.kinds[0]}")


def _refuse(folder: Path, what: str, names: Sequence[str]) -> None:
    """transformers fills what is missing with random numbers; here it is an error."""
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


def preprocessing(image_processor: Any) -> dict[str, Any]:
    """What a recipe says of how photos become the network's input, in plain JSON values."""
    settings = image_processor.to_dict()
    wanted = ("do_resize", "size", "resample", "image_mean", "image_std", "pad_size")
    return {
        name: json.loads(json.dumps(settings[name], default=_plain)) for name in wanted if name in settings
    }


def _plain(value: Any) -> Any:
    return {name: side for name, side in dict(value).items() if side is not None}
