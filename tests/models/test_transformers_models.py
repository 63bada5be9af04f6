from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import huggingface_hub.constants
import pytest
from safetensors.torch import load_file, save_file

from objectspace.errors import DownloadError, WeightsError
from objectspace.files import file_sha256
from objectspace.models.catalogue import GROUNDING_DINO_TINY, SAM3, SAM_VIT_BASE
from objectspace.models.transformers_models import Published, load_published

# --------------------------------------------------------------------------------------------------- folders


def lose(file: str) -> Callable[[Path], object]:
    return lambda folder: (folder / file).unlink()


def write(file: str, data: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / file).write_bytes(data)


def pickle_only(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def drop_tensors(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    save_file({name: tensors[name] for name in tensors if "neck" not in name}, path, {"format": "pt"})


def reshape_tensor(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["vision_encoder.pos_embed"] = tensors["vision_encoder.pos_embed"][:, :4].contiguous()
    save_file(tensors, path, {"format": "pt"})


@pytest.mark.parametrize(
    ("published", "harm", "sentence"),
    [
        (
            SAM_VIT_BASE,
            shutil.rmtree,
            r"lacks the folder sam; expected \S+/sam with a SamModel and its SamPro",
        ),
        (
            SAM_VIT_BASE,
            lose("config.json"),
            r"/sam lacks its configuration, config\.json; expected what save_",
        ),
        (
            SAM_VIT_BASE,
            lose("processor_config.json"),
            r"/sam lacks its image processor, processor_config\.js",
        ),
        (SAM_VIT_BASE, lose("model.safetensors"), r"/sam holds no weights; expected model\.safetensors"),
        (
            SAM_VIT_BASE,
            pickle_only,
            r"/sam holds pytorch_model\.bin, which is a pickle and not read; expected",
        ),
        (SAM_VIT_BASE, write("config.json", b"[]"), r"/sam/config\.json is no configuration of a network"),
        (
            SAM_VIT_BASE,
            write("config.json", b'{"model_type": "bert"}'),
            r"/sam is a bert, expected sam$",
        ),
        (
            SAM_VIT_BASE,
            write("model.safetensors", b"\x10"),
            r"/sam cannot be read by SamModel and SamProcessor: ",
        ),
        (
            SAM_VIT_BASE,
            drop_tensors,
            r"/sam lacks vision_encoder\.neck\.\S+ \S+ \S+ and 3 more; it is of an",
        ),
        (
            SAM_VIT_BASE,
            reshape_tensor,
            r"/sam holds tensors of another shape: vision_encoder\.pos_embed; it is of an",
        ),
        (
            GROUNDING_DINO_TINY,
            lose("tokenizer.json"),
            r"/grounding-dino lacks its tokenizer, tokenizer\.json; expected what save_pretrained of Grou",
        ),
    ],
)
def test_folders_that_lack_something(
    prompt_weights: Path, tmp_path: Path, published: Published, harm: Callable, sentence: str
) -> None:
    shutil.copytree(prompt_weights / published.part, tmp_path / published.part)
    harm(tmp_path / published.part)
    with pytest.raises(WeightsError, match=sentence) as refused:
        load_published(published, tmp_path)
    assert "\n" not in str(refused.value)


def test_no_code_of_the_folder_is_run(prompt_weights: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(prompt_weights / "sam", tmp_path / "sam")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "code.Network", "AutoConfig": "code.Config"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text("raise SystemExit('the code of the folder was run')")
    assert type(load_published(SAM_VIT_BASE, tmp_path).network).__module__.startswith("transformers.")


def test_the_sha256_is_that_of_the_file(prompt_weights: Path) -> None:
    loaded = load_published(SAM_VIT_BASE, prompt_weights)
    assert loaded.sha256 == {"model.safetensors": file_sha256(prompt_weights / "sam/model.safetensors")}


# -------------------------------------------------------------------------------------------------- the hub


@pytest.fixture
def hub_cache(tmp_path, monkeypatch) -> Path:
    """An empty cache of the hub, which cannot be reached."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path


def put_in_cache(cache: Path, repository: str, files: Path) -> None:
    """A repository as the hub's own client leaves it."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs/main").write_text("0" * 40)
    shutil.copytree(files, folder / "snapshots" / ("0" * 40))


def test_without_the_hub(hub_cache) -> None:
    with pytest.raises(DownloadError) as refused:
        load_published(GROUNDING_DINO_TINY, None)
    assert str(refused.value).startswith("IDEA-Research/grounding-dino-tiny could not be fetched from hugg")
    assert str(refused.value).endswith(
        "connect to the network once, or name a folder of prompt weights, with grounding-dino/ in it, "
        "as weights="
    )


def test_what_was_fetched_before_needs_no_hub(hub_cache, prompt_weights) -> None:
    put_in_cache(hub_cache, "facebook/sam-vit-base", prompt_weights / "sam")
    assert load_published(SAM_VIT_BASE, None).sha256 == load_published(SAM_VIT_BASE, prompt_weights).sha256


def test_a_cache_without_weights_is_fetched_anew(hub_cache, prompt_weights, tmp_path) -> None:
    files = shutil.copytree(prompt_weights / "sam3", tmp_path / "files")
    (files / "model.safetensors").unlink()
    put_in_cache(hub_cache, "facebook/sam3", files)
    with pytest.raises(DownloadError, match="facebook/sam3 could not be fetched"):
        load_published(SAM3, None)
