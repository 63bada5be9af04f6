"""EfficientNet-Lite0: timm's network, filled from a file that names the same tensors otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from objectspace.errors import WeightsError
from objectspace.models.encoders import load_encoder
from objectspace.models.encoders.efficientnet import _renamed
from objectspace.models.encoders.encoder_maps import EncoderMap, load_encoder_map
from objectspace.models.encoders.network_encoder import NetworkEncoder


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    """timm's own network with its classifier and random weights, batch norms among them."""
    torch.manual_seed(0)
    network = timm.create_model("tf_efficientnet_lite0")
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval()


@pytest.fixture(scope="module")
def weights(network: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its state dict in the same order under other names, as the package has it."""
    path = tmp_path_factory.mktemp("weights") / "lite0.pth"
    tensors = network.state_dict().values()
    assert len(tensors) == 296
    torch.save({f"_{number}.weight": tensor for number, tensor in enumerate(tensors)}, path)
    return path


def load(weights: Path) -> NetworkEncoder:
    """The encoder of these weights, which takes two crops a pass."""
    encoder = load_encoder("efficientnet-lite0", weights=weights, precision="float32")
    assert isinstance(encoder, NetworkEncoder)
    encoder.batch_size = 2
    return encoder


@pytest.fixture(scope="module")
def encoder(weights: Path) -> NetworkEncoder:
    return load(weights)


def test_vectors_are_those_of_timms_network(network: torch.nn.Module, encoder: NetworkEncoder) -> None:
    assert (encoder.dimension, encoder.input_size, encoder.interpolation) == (1280, 224, "bicubic")
    crops = np.random.default_rng(1).integers(0, 256, (3, 224, 224, 3), np.uint8)
    inputs = (torch.from_numpy(crops).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    with torch.inference_mode():
        expected = network.forward_features(inputs).mean((2, 3)).numpy()
    np.testing.assert_allclose(encoder.embed(crops), expected, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def source(weights: Path) -> EncoderMap:
    return load_encoder_map("efficientnet-lite0", weights=weights, precision="float32")


def test_its_map_is_that_of_timms_network(network: torch.nn.Module, source: EncoderMap) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (1, 672, 672, 3), np.uint8)
    inputs = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    with torch.inference_mode():
        (expected,) = network.forward_intermediates(inputs, indices=1, norm=True, intermediates_only=True)
    (head,) = source.heads
    found = source.run(pixels).maps[head.layer]
    assert (found - expected).norm() < 1e-4 * expected.norm()


def test_nothing_but_convolutions_and_activations_is_left_of_a_block(encoder: NetworkEncoder) -> None:
    kinds = {type(module) for module in encoder.network.blocks[1][0].children()}
    assert kinds == {torch.nn.Conv2d, torch.nn.ReLU6, torch.nn.Identity}


def test_timms_own_names_are_read_too(
    network: torch.nn.Module, encoder: NetworkEncoder, tmp_path: Path
) -> None:
    torch.save(network.state_dict(), tmp_path / "timm.pth")
    crops = np.full((1, 224, 224, 3), 77, np.uint8)
    np.testing.assert_array_equal(encoder.embed(crops), load(tmp_path / "timm.pth").embed(crops))


def test_it_has_a_map_of_whole_photos(source: EncoderMap) -> None:
    (head,) = source.heads
    assert (head.stride, head.grid_wh) == (32, (21, 21))


def test_tensors_of_another_network_are_refused(weights: Path, tmp_path: Path) -> None:
    tensors = list(torch.load(weights).values())
    torch.save({f"_{number}.weight": one for number, one in enumerate(reversed(tensors))}, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match="tensors of another shape"):
        load_encoder("efficientnet-lite0", weights=tmp_path / "x.pth")


def test_tensors_are_renamed_where_all_of_them_have_the_package_s_names() -> None:
    """As many as timm has with its classifier, each name with an underscore before it, in timm's order."""
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4))
    names = [*network.state_dict(), "classifier.weight", "classifier.bias"]
    packaged = {f"_{number}": torch.tensor(number) for number in range(len(names))}
    renamed = _renamed(packaged, network)
    assert list(renamed) == names
    assert [int(tensor) for tensor in renamed.values()] == list(range(len(names)))
    one_plain = {("plain" if name == "_3" else name): tensor for name, tensor in packaged.items()}
    one_less = dict(list(packaged.items())[1:])
    for others in (one_plain, one_less, {**packaged, "_more": torch.zeros(1)}):
        assert _renamed(others, network) is others
