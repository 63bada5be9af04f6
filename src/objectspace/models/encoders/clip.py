"""CLIP, SigLIP and similar models of open_clip: an image tower for crops, a text tower for words.

Both towers end in a projection to one space (Radford et al. 2021, "Learning Transferable Visual Models From
Natural Language Supervision", figure 3), whose vectors are compared by cosine.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from objectspace.errors import DownloadError, InputError, ModelError, QueryError, WeightsError
from objectspace.files import file_sha256
from objectspace.models.catalogue import OPEN_CLIP, safe_name
from objectspace.models.encoders.network_encoder import NetworkEncoder, Preprocessing
from objectspace.models.model_folders import LOCAL_DIR, check_files, weights_in
from objectspace.models.precision import reproducible
from objectspace.models.weights import check_weight_file

HF_HUB = "hf-hub:"

#: What open_clip calls the weights in a folder or repository, best first.
_WEIGHT_NAMES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)

#: What of a set of weights decides how pixels become the network's input; the size is the network's own.
_PREPROCESSING_KEYS = ("mean", "std", "interpolation", "resize_mode")


def load_open_clip(name: str, weights: Path | str | None, device: str, precision: str) -> ClipEncoder:
    """Load a model of open_clip, by its name there after ``open_clip:``; crops and texts share its space.

    ``MODEL/WEIGHTS`` (``ViT-B-32/laion2b_s34b_b79k``), ``local-dir:FOLDER`` with open_clip_config.json, or
    ``hf-hub:OWNER/REPOSITORY``. ``weights`` is a file to take instead of the fetched one; MODEL/WEIGHTS
    still says whose preprocessing and activation it needs.

    Raises InputError for an unknown name, WeightsError for a file of another network or with more in it than
    tensors, DownloadError where weights cannot be fetched, ModelError where open_clip is not installed.
    """
    chosen = _parsed(name.removeprefix(OPEN_CLIP))
    path = _file(chosen, weights)
    network = _network(chosen, path)
    return ClipEncoder(
        network,
        _preprocessing(name, network.visual.preprocess_cfg),
        tokenizer=chosen.model,
        name=chosen.space_name,
        weights=file_sha256(path),
        device=device,
        precision=precision,
    )


class _ImageTower(nn.Module):
    """Normalized crops (b, 3, s, s) to projected vectors (b, d)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, crops: Tensor) -> Tensor:
        vectors: Tensor = self.model.encode_image(crops)  # type: ignore[operator]
        return vectors


class ClipEncoder(NetworkEncoder):
    """An open_clip model; see :class:`objectspace.models.encoders.TextEncoder`."""

    def __init__(
        self,
        model: nn.Module,
        preprocessing: Preprocessing,
        *,
        tokenizer: str,
        name: str,
        weights: str,
        device: str,
        precision: str,
    ) -> None:
        self._tokenizer_name = tokenizer
        tower = _ImageTower(model)
        super().__init__(
            tower,
            preprocessing,
            name=name,
            weights=weights,
            tap="projection",
            device=device,
            precision=precision,
        )
        self._model = tower.model

    def embed_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the projected vectors (n, dimension) float32 of texts, not normalized, in a pass each.

        A text's vector does not depend on those beside it. Raises QueryError for a text that is empty or
        longer than the tower reads, rather than cutting its end off as tokenizers do.
        """
        vectors = np.empty((len(texts), self.dimension), np.float32)
        for row, text in enumerate(texts):
            with torch.inference_mode(), reproducible(self.device):
                tokens = self._tokens(text).to(self.device)
                vectors[row] = self._model.encode_text(tokens)[0].float().cpu().numpy()  # type: ignore[operator]
        return vectors

    def _tokens(self, text: str) -> Tensor:
        """Return the tokens (1, context) of a text."""
        if not text.strip():
            raise QueryError("a text to search for is empty; say what it shows, such as 'a red chair'")
        tokens: Tensor = self._tokenizer([text])
        context = tokens.shape[1]
        longer = self._tokenizer([text], context_length=context + 1)
        padding = self._tokenizer(["a"], context_length=context + 1)[0, -1]
        if not torch.equal(longer[:, :context], tokens) or longer[0, -1] != padding:
            raise QueryError(
                f"the text {_beginning(text)!r} is longer than the {context} tokens that {self.name} reads; "
                "shorten it"
            )
        return tokens

    @cached_property
    def _tokenizer(self) -> Any:
        with _quiet():
            try:
                return _open_clip().get_tokenizer(self._tokenizer_name)
            except ImportError as problem:
                raise _not_installed(problem) from None
            except Exception as problem:  # a hub that does not answer raises a dozen kinds
                raise DownloadError(
                    f"the tokenizer of {self.name} could not be fetched ({type(problem).__name__}); connect "
                    "to the network once, or keep its files beside the weights and load that folder as "
                    f"encoder {OPEN_CLIP}{LOCAL_DIR}FOLDER"
                ) from None


# ------------------------------------------------------------------------------------------------- names


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A model of open_clip: its name there, and what the weights need.

    tag: the set of weights; None for a folder, a repository, or an architecture without published weights
    config: the tag's own preprocessing and activation
    """

    model: str
    tag: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path | None:
        return Path(self.model.removeprefix(LOCAL_DIR)) if self.model.startswith(LOCAL_DIR) else None

    @property
    def space_name(self) -> str:
        own = self.model.rsplit(":", 1)[-1].rstrip("/").rsplit("/", 1)[-1]
        return safe_name(own if self.tag is None else f"{own}-{self.tag}", otherwise="encoder")


def check_name(name: str) -> None:
    """Raise InputError for a name that open_clip does not know, ModelError where it is not installed."""
    _parsed(name.removeprefix(OPEN_CLIP))


def _parsed(name: str) -> _Chosen:
    if name.startswith((LOCAL_DIR, HF_HUB)):
        return _Chosen(name)
    open_clip = _open_clip()
    model, _, tag = name.partition("/")
    if model not in open_clip.list_models():
        near = difflib.get_close_matches(model, open_clip.list_models(), n=3)
        raise InputError(
            f"encoder {OPEN_CLIP}{name} is not known; "
            + (f"near names are {', '.join(near)}" if near else "choose one of open_clip.list_models()")
        )
    tags = open_clip.list_pretrained_tags_by_model(model)
    if tag in tags:
        return _Chosen(model, tag, open_clip.get_pretrained_cfg(model, tag))
    if tag or tags:
        few = ", ".join(tags[:6]) or "none"
        raise InputError(
            f"encoder {OPEN_CLIP}{name} names no weights of {model}, which has {few}"
            + (f" and {len(tags) - 6} more" if len(tags) > 6 else "")
            + (f"; choose one, as {OPEN_CLIP}{model}/{tags[0]}" if tags else "; leave the name after / out")
        )
    return _Chosen(model)


# ----------------------------------------------------------------------------------------------- loading


def _file(chosen: _Chosen, weights: Path | str | None) -> Path:
    """Return the file of the weights: the given one, the folder's, or the one fetched from the hub."""
    if chosen.folder is not None:
        if not (chosen.folder / "open_clip_config.json").exists():
            raise InputError(f"{chosen.folder} is no folder with an open_clip_config.json")
        check_files(chosen.folder)
    if weights is not None:
        check_weight_file(weights)
        return Path(weights)
    if chosen.folder is not None:
        return weights_in(chosen.folder, _WEIGHT_NAMES)
    if chosen.tag is None and not chosen.model.startswith(HF_HUB):
        raise InputError(
            f"encoder {OPEN_CLIP}{chosen.model} has no published weights; name a file of them as weights="
        )
    return _fetched(chosen)


def _fetched(chosen: _Chosen) -> Path:
    from open_clip import pretrained

    with _quiet():
        try:
            if chosen.tag is None:
                return Path(pretrained.download_pretrained_from_hf(chosen.model.removeprefix(HF_HUB)))
            return Path(pretrained.download_pretrained(dict(chosen.config)))
        except Exception as problem:  # a hub that does not answer raises a dozen kinds
            raise DownloadError(
                f"the weights of encoder {OPEN_CLIP}{chosen.model}{'/' if chosen.tag else ''}"
                f"{chosen.tag or ''} could not be fetched ({type(problem).__name__}); connect to the network "
                "once, or name a file of them as weights="
            ) from None


def _network(chosen: _Chosen, path: Path) -> Any:
    """Build the model with the weights of a file, which is read as tensors only."""
    open_clip = _open_clip()
    with _quiet():
        try:
            network = open_clip.create_model(
                chosen.model,
                load_weights=False,
                pretrained_text=False,
                # Where a tag was trained with another GELU than its model's, open_clip only warns.
                force_quick_gelu=bool(chosen.config.get("quick_gelu", False)),
                force_preprocess_cfg={
                    key: chosen.config[key] for key in _PREPROCESSING_KEYS & chosen.config.keys()
                },
            )
        except ImportError as problem:
            raise _not_installed(problem) from None
        except Exception as problem:
            raise ModelError(f"open_clip cannot build {chosen.model}: {_first_line(problem)}") from None
        try:
            open_clip.load_checkpoint(network, str(path), weights_only=True)
        except Exception as problem:  # a damaged pickle can raise anything at all
            raise WeightsError(
                f"{path} is no file of weights for open_clip's {chosen.model}: {_first_line(problem)}"
            ) from None
    return network


def _preprocessing(name: str, config: Mapping[str, Any]) -> Preprocessing:
    size = config["size"]
    height, width = (size, size) if isinstance(size, int) else size
    if height != width:
        raise ModelError(f"encoder {name} takes inputs of {height} x {width} pixels; expected a square")
    # Crops are squares already, so whether the shorter side or both are resized is the same.
    interpolation: Any = "bilinear" if config["interpolation"] == "bilinear" else "bicubic"
    return Preprocessing(height, tuple(config["mean"]), tuple(config["std"]), interpolation)


def _open_clip() -> Any:
    try:
        import open_clip
    except ImportError as problem:
        raise _not_installed(problem) from None
    return open_clip


def _not_installed(problem: ImportError) -> ModelError:
    return ModelError(
        f"encoders with a text tower need the package {problem.name or 'open_clip'}: "
        "pip install 'objectspace[text]'"
    )


def _first_line(problem: Exception) -> str:
    """Return the first line of an error: torch lists every tensor on lines of their own."""
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    text = " ".join(lines[:2]) or type(problem).__name__
    return _beginning(text, 200)


def _beginning(text: str, length: int = 40) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence open_clip, which logs to the root logger and would print; errors are raised anyway."""
    root, silent = logging.getLogger(), logging.NullHandler()
    disabled = logging.root.manager.disable
    # Without a handler of its own the root logger gets one that prints, for good.
    root.addHandler(silent)
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(disabled)
        root.removeHandler(silent)
