"""Patches of zeros run on from every tap give what the whole maps give."""

from __future__ import annotations

import pytest
import torch

from objectspace.models.darknet.cfg import parse_cfg
from objectspace.models.darknet.downstream import downstream
from objectspace.models.darknet.network import load_network
from objectspace.models.darknet.patches import Patches, PatchRunner

CONV = "convolutional batch_normalize=1 filters=6 size=3 stride=1 pad=1 activation=leaky"
HEAD = "convolutional filters=14 size=1 activation=linear"
YOLO = "yolo anchors=10,12,20,24 classes=2 num=2 mask=0,1"

# Every kind of layer; strides, even kernels and padding that is not half the kernel; two heads.
SECTIONS = (
    "net width=46 height=38",
    CONV,
    "convolutional batch_normalize=1 filters=6 size=3 stride=2 pad=1 dilation=2 activation=mish",
    "convolutional filters=6 size=1 activation=swish",
    "shortcut from=-2 activation=relu",
    "dropout probability=.2",
    "maxpool size=2 stride=1",
    "maxpool size=3 stride=2 padding=1",
    "convolutional filters=8 size=4 stride=1 padding=1 activation=linear",
    "convolutional filters=8 size=5 groups=8 pad=1 activation=leaky",
    "route layers=-1,-2",
    HEAD,
    YOLO,
    "route layers=-3 groups=2 group_id=1",
    "upsample stride=2",
    "convolutional filters=8 size=2 stride=2 activation=leaky",
    "route layers=-1,8",
    "convolutional filters=8 size=1 stride=2 activation=logistic",
    HEAD,
    YOLO,
)
HEADS = (11, 18)


# Layers that look at whole maps, a product, and a shortcut to fewer channels.
WHOLE_MAPS = (
    "net width=48 height=32",
    CONV,
    "convolutional filters=6 size=3 stride=2 pad=1 activation=leaky",
    "avgpool",
    "convolutional filters=6 size=1 activation=logistic",
    "scale_channels from=1",
    "local_avgpool size=3 stride=1",
    "convolutional filters=8 size=3 pad=1 activation=logistic",
    "shortcut from=-2 activation=linear",
    "sam from=-2",
    "reorg stride=2",
    "convolutional filters=14 size=1 activation=linear",
    YOLO,
)


@pytest.fixture(scope="module")
def network():
    return build(SECTIONS)


def build(sections):
    torch.set_num_threads(1)
    parts = (section.partition(" ") for section in sections)
    text = "\n".join(f"[{kind}]\n" + options.replace(" ", "\n") for kind, _, options in parts)
    network = load_network(parse_cfg(text, path="x.cfg"), None)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.4, generator=generator)
    return network


@pytest.fixture(scope="module")
def batch():
    return torch.rand(1, 3, 38, 46, generator=torch.Generator().manual_seed(6))


@pytest.mark.parametrize("tap", [number for number in range(-1, 18) if number != 11])
@pytest.mark.parametrize("size", [1, 3])
def test_patches_are_the_whole_run_where_it_changes(network, batch, tap, size) -> None:
    check_patches(network, batch, tap, size, HEADS)


@pytest.mark.parametrize("tap", range(-1, 10))
def test_patches_of_layers_that_look_at_whole_maps(tap) -> None:
    network = build(WHOLE_MAPS)
    check_patches(
        network, torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(6)), tap, 2, (11,)
    )


def check_patches(network, batch, tap, size, heads_of) -> None:
    names = [layer.name for layer in network.layers.taps]
    baseline = {int(name): output for name, output in network.run(batch, names).taps.items()}
    baseline[-1] = batch
    path = downstream(network.layers, tap, heads_of)
    _, channels, rows, columns = baseline[tap].shape
    size = min(size, rows, columns)
    down, right = rows - size, columns - size
    corners = [(0, 0), (down, right), (down // 2, 0), (down // 2, right // 2)]
    y, x = torch.tensor(corners).T
    zeros = torch.zeros(len(corners), channels, size, size)
    heads = PatchRunner(network, tap, path, baseline).run(Patches(zeros, y, x))
    assert sorted(heads) == [layer.number for layer in path if layer.number in heads_of]
    for row, (top, left) in enumerate(corners):
        changed = baseline[tap].clone()
        changed[:, :, top : top + size, left : left + size] = 0
        expected = network.run_layers({**baseline, tap: changed}, path)
        for number, patches in heads.items():
            found = baseline[network.layers.layers[number].inputs[0]].clone()
            place = found[0, :, patches.y[row] :, patches.x[row] :][:, : patches.height, : patches.width]
            place.copy_(patches.values[row])
            torch.testing.assert_close(found, expected[number], rtol=1e-4, atol=1e-5)


def test_whole_maps_of_a_changed_image_hold_its_patches(network, batch) -> None:
    """A tap in the middle of the path and one that is read last, under changes of the pixels."""
    names = [layer.name for layer in network.layers.taps]
    baseline = {int(name): output for name, output in network.run(batch, names).taps.items()}
    baseline[-1] = batch
    y, x = torch.tensor([0, 20]), torch.tensor([3, 38])
    values = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(7))
    changed = batch.repeat(2, 1, 1, 1)
    for image, top, left, patch in zip(changed, y, x, values, strict=True):
        image[:, top : top + 8, left : left + 8] = patch
    expected = network.run(changed, ["6", "16"]).taps
    path = tuple(layer for layer in downstream(network.layers, -1, HEADS) if layer.number <= 16)
    runner = PatchRunner(network, -1, path, baseline)
    found = runner.run(Patches(values, y, x), (6, 16))
    assert sorted(found) == [6, 11, 16]
    for number in (6, 16):
        whole = runner.whole(number, found[number])
        torch.testing.assert_close(whole, expected[str(number)], rtol=1e-4, atol=1e-5)


def test_a_change_in_a_corner_takes_a_small_patch(network, batch) -> None:
    names = [layer.name for layer in network.layers.taps]
    baseline = {int(name): output for name, output in network.run(batch, names).taps.items()}
    path = downstream(network.layers, 7, [11])
    zeros = torch.zeros(1, dtype=torch.int64)
    changed = Patches(torch.zeros(1, 8, 1, 1), zeros, zeros)
    patches = PatchRunner(network, 7, path, baseline).run(changed)[11]
    assert (patches.height, patches.width) == (5, 5)


def test_downstream_is_what_the_tap_reaches_and_the_heads_need(network) -> None:
    def numbers(tap, heads):
        return [layer.number for layer in downstream(network.layers, tap, heads)]

    assert numbers(9, [11]) == [10, 11]
    assert numbers(9, HEADS) == [10, 11, 12, 13, 14, 15, 16, 17, 18]
    assert numbers(8, [18]) == [9, 12, 13, 14, 15, 16, 17, 18]
    assert numbers(16, [11]) == []
    assert numbers(-1, [11]) == list(range(12))
