"""Files of trained weights: fetched once with a checksum, read as data only.

Nothing here runs code from a file: state dicts are read by safetensors or by torch's restricted unpickler.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from objectspace.errors import DownloadError, InputError, ObjectspaceError, WeightsError
from objectspace.files import check_regular, file_sha256, guess_path
from objectspace.models.package_index import PackagedFile, fetch_packaged, installed_file

if TYPE_CHECKING:
    from torch import Tensor, nn

logger = logging.getLogger("objectspace")

#: The weights that are part of this package.
_SHIPPED = Path(__file__).parent / "shipped"

#: Seconds without a connection, and without an answer, before the next address is tried.
_TIMEOUT_S = (6, 30)

#: The pair of networks whose weights come from the Python package index, for people.
LIGHT_PAIR = "the detector yolov3-tiny with the encoder efficientnet-lite0"

#: Where training scripts keep the state dict in a checkpoint, best first.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")

#: Tensors that an error message lists before it only counts.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A file of weights, published or shipped in this package.

    name: its file name in the cache, or in the package's folder of weights where it is ``shipped``
    sha256: 64 hex digits of its content
    urls: addresses that hold it, tried in order
    size: its length in bytes
    license, source: terms of use and who published it, for people
    package: a package of the Python package index that holds it too, tried last
    instead: what to use where it cannot be fetched, for people
    """

    name: str
    sha256: str
    urls: tuple[str, ...]
    size: int
    license: str
    source: str
    shipped: bool = False
    package: PackagedFile | None = None
    instead: str = ""


@dataclass(frozen=True, slots=True)
class HubWeights:
    """Weights in a repository of the Hugging Face hub, which the package that reads them fetches.

    repository: OWNER/NAME on the hub; files: their names in it, best first
    size: bytes of the tensors in float32
    license: terms of use as the repository states them, for people
    """

    repository: str
    size: int
    license: str
    files: tuple[str, ...] = ("model.safetensors",)


def cache_folder() -> Path:
    """Return the folder of fetched weights: ``$OBJECTSPACE_CACHE``, or the user's cache folder."""
    import pooch

    chosen = os.environ.get("OBJECTSPACE_CACHE")
    return Path(chosen) if chosen else Path(pooch.os_cache("objectspace"))


def local_path(file: WeightsFile, folder: Path | None = None) -> Path | None:
    """Return the file, or None where it is missing or has another length; its content is not read.

    It is looked for in ``folder``; by default in the cache, and then among installed packages.
    """
    path = present_path(file, folder)
    return path if path is not None and path.stat().st_size == file.size else None


def present_path(file: WeightsFile, folder: Path | None = None) -> Path | None:
    """Return the place of a file of its name, whole or not; None where there is none."""
    path = (_SHIPPED if file.shipped else folder or cache_folder()) / file.name
    if path.is_file() or file.package is None or folder:
        return path if path.is_file() else None
    return installed_file(file.package)


def fetch(file: WeightsFile, folder: Path | None = None) -> Path:
    """Return the file with the right sha256: shipped, here already, or fetched into ``folder``.

    The folder is the cache by default. The file's addresses are tried in order, then the user's Python
    package index. Raises DownloadError, which says what file to put where, when none delivers it, and when a
    shipped file is not what was shipped.
    """
    path = local_path(file, folder)
    if path is not None and file_sha256(path) == file.sha256:
        return path
    if file.shipped:
        raise DownloadError(
            f"{_SHIPPED / file.name}, part of this package, is missing or damaged; install objectspace again"
        )
    target = (folder or cache_folder()) / file.name
    reasons = []
    for url in file.urls:
        try:
            return _download(file, url, target)
        except (
            OSError,
            ValueError,
        ) as problem:  # requests' errors are OSErrors; a wrong hash is a ValueError
            reasons.append(f"{url} ({_brief(problem)})")
    if file.package is not None:
        try:
            return fetch_packaged(file.package, file.sha256, target)
        except (OSError, DownloadError, InputError) as problem:
            reasons.append(f"{file.package} ({_brief(problem)})")
    instead = f"; or take {file.instead}" if file.instead else ""
    raise DownloadError(
        f"{file.name} could not be fetched: {'; '.join(reasons)}. Put the file ({file.size:,} bytes, sha256 "
        f"{file.sha256}) at {target}, or load the detector or encoder from a copy, as weights={instead}"
    )


def check_weight_file(path: Path | str | None) -> None:
    """Raise WeightsError where a weight file that was named is not there; it is not read."""
    if path is not None and not Path(path).exists():
        raise WeightsError(f"no weight file at {path}{guess_path(Path(path))}")


def load_state_dict(path: Path | str) -> dict[str, Tensor]:
    """Read the tensors of a state dict by name, on the CPU: a ``.safetensors`` file or one that torch saved.

    A checkpoint that holds its state dict under one of :data:`_WRAPPERS` is opened up, and ``module.`` before
    every name, which training on several GPUs leaves, is removed, and so is torch.compile's ``_orig_mod.``.
    Raises WeightsError for a file that is missing, is something else, or holds more than tensors.
    """
    path = Path(path)
    check_weight_file(path)
    try:
        check_regular(path)
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise WeightsError(f"{path}: expected a weight file, but: {reason}") from None
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    if isinstance(content, Mapping):
        inside = (content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping))
        content = next(inside, content)
    tensors = _checked_tensors(content, path)
    return _without_prefix(_without_prefix(tensors, "module."), "_orig_mod.")


def fill(
    network: nn.Module,
    tensors: Mapping[str, Tensor],
    path: Path | str,
    name: str,
    *,
    without: Sequence[str] = (),
) -> None:
    """Copy the tensors of a file into a network, converted to the network's dtype.

    ``without`` names modules that the network lacks (a classifier), whose tensors are ignored, and so are
    those of other layers that the network lacks in the module around it (the rest of the head).
    Raises WeightsError, as :func:`refuse`, for tensors that are missing, unknown or of another shape.
    """
    lacking = tuple(f"{module}." for module in without)
    wanted = {key: tensor for key, tensor in tensors.items() if not key.startswith(lacking)}
    try:
        result = network.load_state_dict(wanted, strict=False)
    except RuntimeError as problem:
        shapes = re.findall(r"size mismatch for (\S+): .*?\[(.*?)\].*?\[(.*?)\]", str(problem))
        odd = [f"{tensor} ({came}), expected ({wanted})" for tensor, came, wanted in shapes]
        refuse(path, "holds tensors of another shape:", odd or [" ".join(str(problem).split())], name)
    else:
        refuse(path, "lacks", result.missing_keys, name)
        heads = tuple(f"{module.rpartition('.')[0]}." for module in without if "." in module)
        unknown = [key for key in result.unexpected_keys if not key.startswith(heads)]
        refuse(path, "holds unknown", unknown, name)


def refuse(path: Path | str, what: str, tensors: Sequence[str], name: str) -> None:
    """Raise WeightsError, naming the first few, for tensors that show a file to be of another network."""
    if tensors:
        rest = f" and {len(tensors) - _NAMED} more" if len(tensors) > _NAMED else ""
        raise WeightsError(
            f"{path} {what} {', '.join(tensors[:_NAMED])}{rest}; it is of another network than {name}"
        )


def state_dict_sha256(network: nn.Module) -> str:
    """Return 64 hex digits of a network's tensors with their names, dtypes and shapes."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}\n".encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _download(file: WeightsFile, url: str, target: Path) -> Path:
    import pooch

    # Failures are reported in one sentence at the end, not address by address.
    pooch.get_logger().setLevel("WARNING")
    logger.info("fetching %s (%d bytes) from %s", file.name, file.size, url)
    # pooch writes to a temporary file beside the target and moves it there once the hash is right.
    fetched = pooch.retrieve(
        url,
        known_hash=f"sha256:{file.sha256}",
        fname=target.name,
        path=target.parent,
        downloader=pooch.HTTPDownloader(timeout=_TIMEOUT_S),
    )
    return Path(fetched)


def _brief(problem: Exception) -> str:
    if isinstance(problem, ObjectspaceError):
        return str(problem)
    if isinstance(problem, ValueError):
        return "other content than expected"
    return getattr(problem, "strerror", None) or type(problem).__name__


def _read_safetensors(path: Path) -> Any:
    import safetensors
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (safetensors.SafetensorError, OSError) as problem:
        raise WeightsError(f"{path} is no safetensors file that can be read: {problem}") from None


def _read_torch(path: Path) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # a damaged pickle can raise anything at all
        raise WeightsError(
            f"{path} is no plain state dict; expected tensors by name, saved by torch.save or safetensors"
        ) from None


def _checked_tensors(content: Any, path: Path) -> dict[str, Tensor]:
    import torch

    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path} holds {type(content).__name__}, expected tensors by name")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise WeightsError(
                f"{path} holds {type(value).__name__} under {name!r}, expected a tensor under a name"
            )
    return dict(content)


def _without_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    if all(name.startswith(prefix) for name in tensors):
        return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors
