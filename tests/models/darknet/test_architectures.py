from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from objectspace.models.darknet.architectures import ARCHITECTURES
from objectspace.models.darknet.cfg import read_cfg
from objectspace.models.darknet.layers import Convolution, Yolo, read_layers
from objectspace.models.darknet.network import DarknetNetwork, load_network, write_weights

OpenCV = Callable[[Path, Path, NDArray[np.float32], Sequence[str]], dict[str, NDArray[np.float32]]]
Randomized = Callable[[DarknetNetwork, int], DarknetNetwork]

HEADER_BYTES = 20


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_published_weights_have_the_length_of_the_architecture(name: str) -> None:
    architecture = ARCHITECTURES[name]
    layers = read_layers(architecture.cfg()).layers
    count = sum(layer.settings.count for layer in layers if isinstance(layer.settings, Convolution))
    assert architecture.weights.size == HEADER_BYTES + 4 * count
    assert architecture.weights.name == f"{name}.weights"
    assert len(architecture.weights.sha256) == 64


@pytest.mark.parametrize(
    ("name", "heads"),
    [
        ("yolov3", [(82, 32, (6, 7, 8)), (94, 16, (3, 4, 5)), (106, 8, (0, 1, 2))]),
        ("yolov3-spp", [(89, 32, (6, 7, 8)), (101, 16, (3, 4, 5)), (113, 8, (0, 1, 2))]),
        ("yolov3-tiny", [(16, 32, (3, 4, 5)), (23, 16, (1, 2, 3))]),
        ("demo", [(28, 32, (3, 4, 5)), (36, 16, (0, 1, 2))]),
    ],
)
def test_heads_have_darknets_numbers_strides_and_anchors(
    name: str, heads: list[tuple[int, int, tuple[int, ...]]]
) -> None:
    layers = read_layers(ARCHITECTURES[name].cfg())
    found = [(h.number, h.stride, h.settings.mask) for h in layers.heads if isinstance(h.settings, Yolo)]
    assert found == heads


def test_the_deepest_map_of_yolov3_is_the_papers() -> None:
    layers = read_layers(ARCHITECTURES["yolov3"].cfg())
    assert layers.input_wh == (416, 416)
    assert layers.layers[80].shape == (1024, 13, 13)
    assert layers.layers[81].shape == (255, 13, 13)


@pytest.mark.parametrize(
    ("name", "narrowed", "taps", "heads"),
    [
        ("yolov3-tiny", 1, ["11", "14", "21"], ["15", "22"]),
        ("yolov3", 4, ["36", "74", "80", "92", "104"], ["81", "93", "105"]),
        ("demo", 1, ["14", "24", "26", "32", "34"], ["27", "35"]),
    ],
)
def test_with_random_weights_it_agrees_with_opencv(
    tmp_path: Path,
    opencv: OpenCV,
    randomized: Randomized,
    name: str,
    narrowed: int,
    taps: list[str],
    heads: list[str],
) -> None:
    """narrowed: by how much maps have fewer channels than published, but for those of the heads"""
    architecture = ARCHITECTURES[name]
    cfg, weights = tmp_path / f"{name}.cfg", tmp_path / f"{name}.weights"
    # A quarter of the pixels: 7 x 7 cells of the deepest map, as odd as its 13 x 13.
    text, resized = re.subn(r"^(width|height)=416$", r"\1=224", architecture.cfg_text(), flags=re.MULTILINE)
    assert resized == 2
    text = re.sub(
        r"(?<=^filters=)(?!255$)\d+$", lambda found: str(int(found[0]) // narrowed), text, flags=re.M
    )
    cfg.write_text(text)
    write_weights(randomized(load_network(read_cfg(cfg), None), 3), weights)
    assert narrowed > 1 or weights.stat().st_size == architecture.weights.size
    batch = np.random.default_rng(4).random((1, 3, 224, 224), np.float32)
    expected = opencv(cfg, weights, batch, [*taps, *heads])

    network = load_network(read_cfg(cfg), weights)
    network.fold()
    run = network.run(torch.from_numpy(batch), taps)
    outputs = {**run.taps, **dict(zip(heads, run.heads, strict=True))}
    for layer, other in expected.items():
        assert np.abs(outputs[layer].numpy() - other).max() <= 1e-3 * np.abs(other).max(), layer
        assert np.abs(other).max() > 0.1, layer
