"""Detectors that transformers saved: from a folder, or from the hub into its cache; read as data only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from objectspace.digests import file_sha256
from objectspace.errors import DownloadError, InputError, ModelError, WeightsError
from objectspace.objects.detectors.published import DETR_KINDS, is_hub_id, kind_and_place

#: What is fetched of a repository: its configurations and its safetensors, no pickles and no code.
_PATTERNS = ("config.json", "preprocessor_config.json", "model*.safetensors", "model.safetensors.index.json")

#: Parameter names that an error message lists before it only counts.
_NAMED = 3


@dataclass(frozen=True, slots=True, eq=False)
class Pretrained:
    """A detector of transformers on the CPU in float32, the rule of its input, and its weights' sha256.

    input_rule: as recipes have it, see :func:`objectspace.objects.boxes.recipe_frame`
    mean, std: (3,) of the normalisation, for pixels in [0, 1]
    """

    network: Any
    input_rule: dict[str, Any]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sha256: str


def load_pretrained(name: str) -> Pretrained:
    """The detector that a name of :func:`.published.is_detr` means.

    Raises InputError and WeightsError for a folder that is not one of a DETR, ModelError for a kind that is
    not supported, DownloadError where the hub cannot be reached.
    """
    wanted, place = kind_and_place(name)
    transformers = _transformers(name)
    folder = Path(place) if Path(place).is_dir() else _fetched(place)
    kind = _kind(folder, place)
    if kind not in DETR_KINDS:
        raise ModelError(f"{place} is a {kind}, which is not supported; expected {', '.join(DETR_KINDS)}")
    if wanted not in (None, kind):
        raise InputError(f"{place} is a {kind}, not a {wanted}; name it {kind}:{place}")
    rule, mean, std = _input_rule(_processor(transformers, folder, place), place)
    network = _network(transformers, folder, place)
    return Pretrained(network, rule, mean, std, _joint_sha256(folder))


def _transformers(name: str) -> Any:
    try:
        import transformers
    except ImportError:
        raise ModelError(
            f"{name} needs the package transformers: pip install 'objectspace[prompts]'"
        ) from None
    return transformers


def _fetched(place: str) -> Path:
    """The folder of a repository in the hub's cache, fetched first where it is not there."""
    if not is_hub_id(place):
        raise InputError(f"{place}: there is no such folder, and it is no id on the hub, owner/name")
    import huggingface_hub

    try:
        return Path(huggingface_hub.snapshot_download(place, allow_patterns=list(_PATTERNS)))
    except Exception as problem:  # the hub's client has its own errors besides those of the network
        raise DownloadError(
            f"{place} is no folder here and could not be fetched from huggingface.co "
            f"({type(problem).__name__}); connect to the network once, or name a folder that holds its "
            "config.json, preprocessor_config.json and model.safetensors"
        ) from None


def _kind(folder: Path, place: str) -> str:
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(f"{place} has no config.json; expected what transformers' save_pretrained leaves")
    try:
        kind = json.loads(path.read_bytes())["model_type"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{path} is no configuration of a network of transformers") from None
    return str(kind)


def _processor(transformers: Any, folder: Path, place: str) -> Any:
    if not (folder / "preprocessor_config.json").is_file():
        raise InputError(
            f"{place} has no preprocessor_config.json, which says how photos become its input; save it there "
            "with save_pretrained of its image processor"
        )
    with _quiet(transformers):
        try:
            return transformers.AutoImageProcessor.from_pretrained(folder, **_OFFLINE)
        except Exception as problem:  # a damaged file can raise anything at all
            raise InputError(
                f"{folder / 'preprocessor_config.json'} cannot be read: {_first_line(problem)}"
            ) from None


def _input_rule(processor: Any, place: str) -> tuple[dict[str, Any], tuple[float, ...], tuple[float, ...]]:
    """The rule of the input, and mean and standard deviation, of an image processor."""
    settings = processor.to_dict()
    size = {key: value for key, value in dict(settings.get("size") or {}).items() if value}
    rescaled = settings.get("do_rescale") and abs(settings.get("rescale_factor", 0) * 255 - 1) < 1e-6
    if not settings.get("do_resize") or not rescaled or settings.get("pad_size"):
        raise ModelError(
            f"the image processor of {place} does not resize, does not rescale by 1/255 or pads to a fixed "
            "size, which is not supported"
        )
    if size.keys() == {"height", "width"}:
        rule: dict[str, Any] = {"resize": "stretch", "input_wh": [size["width"], size["height"]]}
    elif size.keys() == {"shortest_edge", "longest_edge"}:
        rule = {"resize": "shortest edge", "sides": [size["shortest_edge"], size["longest_edge"]]}
    else:
        raise ModelError(
            f"the image processor of {place} has size {size}; expected height and width, or shortest_edge "
            "and longest_edge"
        )
    if not settings.get("do_normalize"):
        return rule, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return rule, tuple(settings["image_mean"]), tuple(settings["image_std"])


def _network(transformers: Any, folder: Path, place: str) -> Any:
    if not any(folder.glob("*.safetensors")):
        raise WeightsError(
            f"{place} has no model.safetensors; files of weights in other formats are not read"
        )
    with _quiet(transformers):
        try:
            network, report = transformers.AutoModelForObjectDetection.from_pretrained(
                folder, use_safetensors=True, dtype="float32", output_loading_info=True, **_OFFLINE
            )
        except Exception as problem:  # configurations, files and shapes raise each their own
            raise WeightsError(f"{place} cannot be read as a detector: {_first_line(problem)}") from None
    _refuse(place, "lacks", sorted(report["missing_keys"]))
    _refuse(place, "holds another shape of", sorted(str(key[0]) for key in report["mismatched_keys"]))
    return network.eval().requires_grad_(False)


#: Nothing is fetched behind the user's back, and no code that lies beside the weights is run.
_OFFLINE = {"local_files_only": True, "trust_remote_code": False}


def _refuse(place: str, what: str, names: list[str]) -> None:
    """transformers fills what is missing with random numbers; here it is an error."""
    if names:
        rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        raise WeightsError(
            f"the weights of {place} are of another network: the file {what} "
            f"{', '.join(names[:_NAMED])}{rest}"
        )


def _joint_sha256(folder: Path) -> str:
    """64 hex digits that name the weights: of the one file, or of the digests of several."""
    digests = [file_sha256(path) for path in sorted(folder.glob("*.safetensors"))]
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _first_line(problem: Exception) -> str:
    return (str(problem).strip() or type(problem).__name__).split("\n")[0]


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
