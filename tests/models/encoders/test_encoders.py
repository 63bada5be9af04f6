"""Encoders: a network whose vector is the mean color, ResNet50 and small timm models with random weights."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.models import resnet50

from objectspace.errors import DownloadError, InputError, ModelError, WeightsError
from objectspace.files import file_sha256
from objectspace.models.batches import CROPS
from objectspace.models.encoders import load_encoder, resnet, timm_models
from objectspace.models.encoders.folding import fold_batch_norms
from objectspace.models.encoders.network_encoder import NetworkEncoder, Preprocessing
from objectspace.models.weights import state_dict_sha256

SMALL = "test_resnet"  # 0.4 M parameters, 160 x 160, 96 numbers


@pytest.fixture(autouse=True)
def two_crops_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes are of one size, and most tests here embed one crop or two."""
    for precision in CROPS:
        monkeypatch.setitem(CROPS[precision], "cpu", 2)  # type: ignore[index]


class MeanColor(nn.Module):
    """A transparent network: the mean of each normalized color. Remembers the shapes it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, crops: Tensor) -> Tensor:
        self.shapes.append(tuple(crops.shape))
        return crops.mean(dim=(2, 3))


class Gives(nn.Module):
    """A network with an output of its own."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output

    def forward(self, crops: Tensor) -> Any:
        return self.output


class Overflows(nn.Module):
    """Infinity for crops that are white, their mean for others."""

    def forward(self, crops: Tensor) -> Tensor:
        means = crops.mean(dim=(2, 3))
        return torch.where(means.amin(1, keepdim=True) > 0, torch.inf, means)


def encoder_of(network: nn.Module, size: int = 8, **settings: Any) -> NetworkEncoder:
    preprocessing = Preprocessing(size, (0.5, 0.25, 0.0), (0.5, 0.25, 2.0), "bilinear")
    fixed = {"name": "fake", "weights": "0" * 64, "tap": "mean", "precision": "float32"}
    return NetworkEncoder(network, preprocessing, **{**fixed, **settings})


def random_crops(count: int, size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


def random_resnet50() -> nn.Module:
    """ResNet50 whose batch norms all do something."""
    torch.manual_seed(0)
    network = resnet50()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.3, 0.9)
            nn.init.uniform_(module.bias, -0.2, 0.4)
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return network.eval()


@pytest.fixture(scope="module")
def whole_resnet() -> nn.Module:
    return random_resnet50()


@pytest.fixture(scope="module")
def resnet_file(whole_resnet: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "resnet50.pth"
    torch.save(whole_resnet.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def resnet_encoder(resnet_file: Path) -> NetworkEncoder:
    encoder = load_encoder("resnet50", weights=resnet_file, precision="float32")
    assert isinstance(encoder, NetworkEncoder)
    encoder.batch_size = 2
    return encoder


@pytest.fixture(scope="module")
def small_state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return timm.create_model(SMALL, num_classes=1000).state_dict()


def saved(state: Any, folder: Path) -> Path:
    path = folder / "weights.pth"
    torch.save(state, path)
    return path


# Batches.


def test_the_vector_is_the_network_of_the_normalized_crop():
    crops = np.stack([np.full((8, 8, 3), color, np.uint8) for color in ((255, 0, 102), (0, 255, 0))])
    # (1 - 0.5) / 0.5, (0 - 0.25) / 0.25, (0.4 - 0) / 2
    np.testing.assert_allclose(
        encoder_of(MeanColor()).embed(crops), [[1, -1, 0.2], [-1, 3, 0]], rtol=1e-6, atol=1e-6
    )


def test_every_batch_has_the_same_shape():
    network = MeanColor()
    encoder = encoder_of(network, batch_size=4)
    network.shapes.clear()
    encoder.embed(random_crops(10, 8))
    assert network.shapes == [(4, 3, 8, 8)] * 3


@given(count=st.integers(0, 9), batch_size=st.integers(1, 4))
@settings(deadline=None)
def test_any_number_of_crops(count: int, batch_size: int):
    crops = random_crops(count, 8)
    vectors = encoder_of(MeanColor(), batch_size=batch_size).embed(crops)
    assert (vectors.shape, vectors.dtype) == ((count, 3), np.dtype(np.float32))
    expected = (crops.mean(axis=(1, 2)) / 255 - [0.5, 0.25, 0]) / [0.5, 0.25, 2]
    np.testing.assert_allclose(vectors, expected.reshape(count, 3), atol=1e-5)


def test_crops_that_are_a_view_of_others():
    crops = random_crops(6, 8)
    encoder = encoder_of(MeanColor())
    assert np.array_equal(encoder.embed(crops[::-2]), encoder.embed(crops)[::-2])


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_efficientnet"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_vector_does_not_depend_on_its_company(tmp_path: Path, name: str, precision: str):
    torch.manual_seed(3)  # with these weights a squeeze of EfficientNet once rounded by place in the batch
    path = saved(timm.create_model(name, num_classes=0).state_dict(), tmp_path)
    encoder = load_encoder(name, weights=path, precision=precision)
    encoder.batch_size = 4
    crops = random_crops(6, 160)
    together = encoder.embed(crops)
    order = np.array([5, 2, 0, 4, 1, 3])
    assert np.array_equal(encoder.embed(crops[order]), together[order])
    assert np.array_equal(encoder.embed(crops[5:]), together[5:])
    assert np.array_equal(encoder.embed(crops), together)


def test_nor_does_one_of_resnet50(resnet_encoder: NetworkEncoder):
    crops = random_crops(3, 224)
    together = resnet_encoder.embed(crops)
    assert np.array_equal(resnet_encoder.embed(crops[::-1]), together[::-1])


def test_a_crop_that_overflows_spoils_its_own_vector_only():
    crops = np.stack([np.full((8, 8, 3), gray, np.uint8) for gray in (0, 255, 0)])
    assert np.isfinite(encoder_of(Overflows(), batch_size=4).embed(crops)).all(1).tolist() == [
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("crops", "came"),
    [
        (np.zeros((2, 8, 8, 3), np.float32), r"got float32 of shape \(2, 8, 8, 3\)"),
        (np.zeros((2, 8, 9, 3), np.uint8), r"got uint8 of shape \(2, 8, 9, 3\)"),
        (np.zeros((8, 8, 3), np.uint8), r"got uint8 of shape \(8, 8, 3\)"),
        (np.zeros((2, 3, 8, 8), np.uint8), r"got uint8 of shape \(2, 3, 8, 8\)"),
    ],
)
def test_crops_of_another_shape_are_refused(crops: np.ndarray, came: str):
    with pytest.raises(InputError, match=r"takes uint8 crops of shape \(n, 8, 8, 3\), " + came):
        encoder_of(MeanColor()).embed(crops)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (torch.zeros(1, 96, 7, 7), r"fake gives \(96, 7, 7\) numbers an image, expected one pooled vector"),
        ((torch.zeros(1, 96), torch.zeros(1, 96)), "fake gives tuple, expected one vector an image"),
    ],
)
def test_a_network_without_one_vector_an_image_is_refused(output: Any, words: str):
    with pytest.raises(ModelError, match=words):
        encoder_of(Gives(output))


def test_a_network_that_does_not_run_is_refused():
    with pytest.raises(ModelError, match="fake does not run on 8 x 8 pixels: "):
        encoder_of(nn.Linear(5, 5))


# ResNet50.


@pytest.fixture(scope="module")
def unfolded(resnet_file: Path, whole_resnet: nn.Module) -> nn.Module:
    """The network that was saved, without its classifier."""
    whole_resnet.fc = nn.Identity()
    return whole_resnet


def test_resnet50_is_torchvisions_penultimate_layer(resnet_encoder: NetworkEncoder, unfolded: nn.Module):
    crops = random_crops(2, 224)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    inputs = ((torch.from_numpy(crops) / 255 - mean) / std).permute(0, 3, 1, 2).contiguous()
    with torch.no_grad():
        expected = unfolded(inputs).numpy()
    assert resnet_encoder.dimension == 2048
    assert relative_difference(resnet_encoder.embed(crops), expected) < 1e-5


def test_bfloat16_points_the_same_way(small_state: dict[str, Tensor], tmp_path: Path):
    path = saved(small_state, tmp_path)
    crops = random_crops(2, 160)
    exact, rough = (
        load_encoder(SMALL, weights=path, precision=precision).embed(crops)
        for precision in ("float32", "bfloat16")
    )
    assert rough.dtype == np.float32
    cosine = (exact * rough).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(rough, axis=1)
    assert (cosine > 0.99).all()
    assert not np.array_equal(exact, rough)


def test_folding_leaves_no_batch_norm_and_changes_nothing(unfolded: nn.Module):
    folded = fold_batch_norms(copy.deepcopy(unfolded))  # type: ignore[arg-type]
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    inputs = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert relative_difference(folded(inputs).numpy(), unfolded(inputs).numpy()) < 1e-5


def test_a_batch_norm_before_the_convolutions_is_not_folded():
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1))
    with pytest.raises(TypeError, match="the batch norm 0 follows no convolution"):
        fold_batch_norms(network)


def relative_difference(vectors: np.ndarray, expected: np.ndarray) -> float:
    """The longest of the differences, relative to the vector's length."""
    return float((np.linalg.norm(vectors - expected, axis=1) / np.linalg.norm(expected, axis=1)).max())


def test_an_encoder_says_what_it_is(resnet_file: Path, resnet_encoder: NetworkEncoder):
    encoder = resnet_encoder
    assert (encoder.name, encoder.tap, encoder.precision) == ("resnet50", "avgpool", "float32")
    assert (encoder.input_size, encoder.interpolation) == (224, "bilinear")
    assert encoder.weights == file_sha256(resnet_file)
    assert json.loads(json.dumps(encoder.preprocessing)) == {
        "size": 224,
        "range": [0, 1],
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "interpolation": "bilinear",
        "antialias": True,
    }


def test_torchvisions_weights_are_fetched_by_name(monkeypatch: pytest.MonkeyPatch, resnet_file: Path):
    monkeypatch.setattr(resnet, "fetch", lambda file: resnet_file if "0676ba61" in file.name else None)
    assert load_encoder("resnet50").weights == file_sha256(resnet_file)


def test_offline_says_which_file_to_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("OBJECTSPACE_CACHE", str(tmp_path))
    nowhere = replace(resnet.RESNET50_IMAGENET, urls=("http://127.0.0.1:1/resnet50.pth",))
    monkeypatch.setattr(resnet, "RESNET50_IMAGENET", nowhere)
    with pytest.raises(DownloadError, match=r"resnet50-0676ba61\.pth could not be fetched.*as weights="):
        load_encoder("resnet50")


def test_the_checksum_is_the_one_in_torchvisions_file_name():
    assert f"resnet50-{resnet.RESNET50_IMAGENET.sha256[:8]}.pth" == resnet.RESNET50_IMAGENET.name


# Weight files.


def test_half_precision_wrapped_and_prefixed_weights(small_state: dict[str, Tensor], tmp_path: Path):
    half = {name: value.half() if value.is_floating_point() else value for name, value in small_state.items()}
    single = {name: value.float() if value.is_floating_point() else value for name, value in half.items()}
    crops = random_crops(2, 160)
    vectors = []
    for number, state in enumerate(
        (single, half, {"state_dict": half, "epoch": 3}, {f"module.{name}": half[name] for name in half})
    ):
        path = tmp_path / f"{number}.pth"
        torch.save(state, path)
        vectors.append(load_encoder(SMALL, weights=path, precision="float32").embed(crops))
    assert all(np.array_equal(vectors[0], other) for other in vectors[1:])


def test_safetensors(small_state: dict[str, Tensor], tmp_path: Path):
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(small_state, path)
    pth = saved(small_state, tmp_path)
    crops = random_crops(1, 160)
    assert np.array_equal(
        load_encoder(SMALL, weights=path).embed(crops), load_encoder(SMALL, weights=pth).embed(crops)
    )


@pytest.mark.parametrize("classes", [0, 10])
def test_the_classifier_does_not_matter(small_state: dict[str, Tensor], tmp_path: Path, classes: int):
    body = {name: value for name, value in small_state.items() if not name.startswith("fc.")}
    head = {"fc.weight": torch.zeros(classes, 96), "fc.bias": torch.zeros(classes)} if classes else {}
    assert load_encoder(SMALL, weights=saved({**body, **head}, tmp_path)).dimension == 96


def test_a_published_file_whose_head_has_several_layers(tmp_path: Path):
    """The batch norm before the classifier is the head's, though only its linear layer is named so."""
    state = timm.create_model("efficientvit_m0", num_classes=3).state_dict()
    assert any(name.startswith("head.bn") for name in state)
    assert load_encoder("efficientvit_m0", weights=saved(state, tmp_path)).dimension == 192


def test_a_stranger_in_the_body_is_still_named(small_state: dict[str, Tensor], tmp_path: Path):
    with pytest.raises(WeightsError, match=r"holds unknown layer9\.weight"):
        load_encoder(SMALL, weights=saved({**small_state, "layer9.weight": torch.zeros(1)}, tmp_path))


def test_missing_tensors_are_named(small_state: dict[str, Tensor], tmp_path: Path):
    state = {name: value for name, value in small_state.items() if not name.startswith("layer4.0.conv")}
    with pytest.raises(WeightsError, match=r"weights\.pth lacks layer4\.0\.conv1\.weight.*another network"):
        load_encoder(SMALL, weights=saved(state, tmp_path))


def test_many_missing_tensors_are_counted(small_state: dict[str, Tensor], tmp_path: Path):
    wanted = [name for name in small_state if not name.startswith("fc.") and "num_batches" not in name]
    few = {wanted[0]: small_state[wanted[0]]}
    with pytest.raises(WeightsError, match=f"lacks .*, .*, .* and {len(wanted) - 4} more;"):
        load_encoder(SMALL, weights=saved(few, tmp_path))


def test_unknown_tensors_are_named(small_state: dict[str, Tensor], tmp_path: Path):
    state = {**small_state, "layer9.weight": torch.zeros(3)}
    with pytest.raises(WeightsError, match=r"weights\.pth holds unknown layer9\.weight; it is of another"):
        load_encoder(SMALL, weights=saved(state, tmp_path))


def test_tensors_of_another_shape_are_named(small_state: dict[str, Tensor], tmp_path: Path):
    state = {**small_state, "conv1.0.weight": torch.zeros(3, 3)}
    expected = tuple(small_state["conv1.0.weight"].shape)
    with pytest.raises(WeightsError, match=r"another shape: conv1\.0\.weight \(3, 3\), expected ") as raised:
        load_encoder(SMALL, weights=saved(state, tmp_path))
    assert str(expected) in str(raised.value)


def test_a_file_of_before_batches_were_counted(small_state: dict[str, Tensor], tmp_path: Path):
    state = {name: value for name, value in small_state.items() if "num_batches_tracked" not in name}
    assert load_encoder(SMALL, weights=saved(state, tmp_path)).dimension == 96


def test_a_missing_file_is_an_error(tmp_path: Path):
    with pytest.raises(WeightsError, match="no weight file at"):
        load_encoder("resnet50", weights=tmp_path / "nothing.pth")


def test_digest_of_a_state_dict():
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    second.load_state_dict(first.state_dict())
    assert state_dict_sha256(first) == state_dict_sha256(second)
    with torch.no_grad():
        second.bias[0] += 1
    assert state_dict_sha256(first) != state_dict_sha256(second)
    assert state_dict_sha256(first) != state_dict_sha256(first.bfloat16())


# timm.


def test_timm_models_bring_their_own_preprocessing(small_state: dict[str, Tensor], tmp_path: Path):
    path = saved(small_state, tmp_path)
    encoder = load_encoder(SMALL, weights=path)
    config = timm.get_pretrained_cfg(SMALL)
    assert encoder.input_size == config.input_size[1] == 160
    assert encoder.preprocessing["mean"] == list(config.mean)
    assert encoder.preprocessing["std"] == list(config.std)
    assert encoder.interpolation == config.interpolation == "bilinear"
    assert (encoder.name, encoder.weights, encoder.tap) == (SMALL, file_sha256(path), "pre_logits")


def test_timm_vectors_are_those_of_timm(small_state: dict[str, Tensor], tmp_path: Path):
    network = timm.create_model(SMALL, num_classes=1000).eval()
    network.load_state_dict(small_state)
    crops = random_crops(2, 160)
    inputs = (torch.from_numpy(crops).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    with torch.no_grad():
        expected = network.forward_head(network.forward_features(inputs), pre_logits=True).numpy()
    encoder = load_encoder(SMALL, weights=saved(small_state, tmp_path), precision="float32")
    assert relative_difference(encoder.embed(crops), expected) < 1e-5


def test_a_transformer(tmp_path: Path):
    path = saved(timm.create_model("test_vit", num_classes=10).state_dict(), tmp_path)
    encoder = load_encoder("test_vit", weights=path)
    encoder.batch_size = 3
    crops = random_crops(4, 160)
    assert encoder.embed(crops).shape == (4, 64)
    assert encoder.interpolation == timm.get_pretrained_cfg("test_vit").interpolation == "bicubic"


def test_timms_own_weights_are_named_by_their_content(monkeypatch: pytest.MonkeyPatch):
    network = timm.create_model(SMALL, num_classes=0)
    asked = []
    monkeypatch.setattr(timm, "create_model", lambda name, **given: asked.append(given) or network)
    assert load_encoder(SMALL, precision="float32").weights == state_dict_sha256(network)
    assert asked == [{"num_classes": 0, "pretrained": True}]


@pytest.mark.parametrize(
    ("name", "near"),
    [("resnet5", "resnet50"), ("test_resnett", "test_resnet"), ("resnet18.nope", "resnet18")],
)
def test_a_typo_brings_near_names(name: str, near: str):
    with pytest.raises(InputError, match=f"encoder {name} is not known; near names are .*{near}"):
        load_encoder(name)


def test_a_name_like_no_other():
    with pytest.raises(InputError, match=r"encoder §§ is not known; choose resnet50 or any name of timm"):
        load_encoder("§§")


def test_timm_offline_names_the_alternative(monkeypatch: pytest.MonkeyPatch):
    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(DownloadError, match=r"test_resnet could not be fetched.*as weights="):
        load_encoder(SMALL)


def test_a_timm_model_without_published_weights(monkeypatch: pytest.MonkeyPatch):
    def nothing(*_: object, **__: object) -> None:
        raise RuntimeError("No pretrained weights exist for test_resnet.")

    monkeypatch.setattr(timm, "create_model", nothing)
    with pytest.raises(ModelError, match=r"No pretrained weights exist.*as weights="):
        load_encoder(SMALL)


def test_an_input_that_is_no_square_is_refused(
    monkeypatch: pytest.MonkeyPatch, small_state: dict[str, Tensor], tmp_path: Path
):
    monkeypatch.setattr(timm_models, "resolve_data_config", lambda *_, **__: {"input_size": (3, 32, 64)})
    with pytest.raises(ModelError, match=r"takes inputs of \(3, 32, 64\); expected 3 colors, a square"):
        load_encoder(SMALL, weights=saved(small_state, tmp_path))


# Folders.


@pytest.fixture
def folder(small_state: dict[str, Tensor], tmp_path: Path) -> Path:
    """A folder as timm writes it for the hub, preprocessing of its own."""
    own = {"input_size": [3, 64, 64], "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    config = {
        "architecture": SMALL,
        "num_classes": 1000,
        "pretrained_cfg": own | {"interpolation": "bicubic"},
    }
    path = tmp_path / "my model"
    path.mkdir()
    (path / "config.json").write_text(json.dumps(config))
    safetensors.torch.save_file(small_state, path / "model.safetensors")
    return path


def test_a_folder_brings_its_weights_and_preprocessing(folder: Path, small_state: dict[str, Tensor]):
    encoder = load_encoder(f"local-dir:{folder}", precision="float32")
    assert (encoder.name, encoder.input_size, encoder.interpolation) == ("my-model", 64, "bicubic")
    assert (encoder.preprocessing["mean"], encoder.preprocessing["std"]) == ([0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
    assert encoder.weights == file_sha256(folder / "model.safetensors")
    network = timm.create_model(f"local-dir:{folder}").eval()
    # timm's own way from a folder read no safetensors for long.
    timm.models.load_checkpoint(network, folder / "model.safetensors")
    crops = random_crops(2, 64)
    inputs = (torch.from_numpy(crops) / 255 - torch.tensor([0.1, 0.2, 0.3])) / torch.tensor([0.4, 0.5, 0.6])
    with torch.no_grad():
        features = network.forward_features(inputs.permute(0, 3, 1, 2))
        expected = network.forward_head(features, pre_logits=True).numpy()
    assert relative_difference(encoder.embed(crops), expected) < 1e-5
    assert load_encoder(**encoder.loaded_from).weights == encoder.weights


def test_a_folder_with_other_weights(folder: Path, small_state: dict[str, Tensor], tmp_path: Path):
    other = saved(small_state, tmp_path)
    assert load_encoder(f"local-dir:{folder}", weights=other).weights == file_sha256(other)
    (folder / "model.safetensors").rename(folder / "best.safetensors")
    assert load_encoder(f"local-dir:{folder}").dimension == 96
    (folder / "last.pth").touch()
    with pytest.raises(WeightsError, match=r"no single file of weights \(best.safetensors, last.pth\); name"):
        load_encoder(f"local-dir:{folder}")


def test_folders_that_are_none_of_timms(folder: Path, tmp_path: Path):
    with pytest.raises(InputError, match=r"nowhere is no folder with timm's config\.json"):
        load_encoder(f"local-dir:{tmp_path / 'nowhere'}")
    (folder / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"timm cannot build the encoder of .*my model: KeyError"):
        load_encoder(f"local-dir:{folder}")


def test_timms_clip_image_towers_are_plain_names(tmp_path: Path):
    name = "vit_base_patch32_clip_224.openai"
    config = timm.get_pretrained_cfg(name)
    assert timm.is_model(name)
    assert config.mean == pytest.approx((0.4815, 0.4578, 0.4082), abs=1e-4)


def test_an_encoder_shows_itself_in_one_line():
    words = "NetworkEncoder('fake', 8 x 8 pixels to 3 numbers, float32 on cpu)"
    assert repr(encoder_of(MeanColor())) == words
