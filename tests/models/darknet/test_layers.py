from __future__ import annotations

import tracemalloc

import pytest

from objectspace.errors import CfgError, InputError
from objectspace.models.darknet.cfg import parse_cfg
from objectspace.models.darknet.layers import Layers, read_layers


def read(*sections: str, net: str = "width=32\nheight=24") -> Layers:
    """The layers of a cfg, each section given as its kind and its options after blanks."""
    parts = (
        f"[{kind}]\n" + options.replace(" ", "\n")
        for kind, _, options in (s.partition(" ") for s in sections)
    )
    return read_layers(parse_cfg("\n".join([f"[net]\n{net}", *parts]), path="x.cfg"))


CONV = "convolutional filters=8 size=3 stride=1 pad=1 activation=leaky"
HEAD = "convolutional filters=14 size=1 activation=linear"
YOLO = "yolo anchors=10,12,20,24 classes=2"


@pytest.mark.parametrize(
    ("options", "shape", "stride"),
    [
        ("filters=8 size=3 stride=1 pad=1", (8, 24, 32), 1),
        ("filters=8 size=3 stride=2 pad=1", (8, 12, 16), 2),
        ("filters=8 size=5 stride=1 pad=1", (8, 24, 32), 1),
        ("filters=8 size=3 stride=1", (8, 22, 30), 1),
        ("filters=8 size=3 stride=1 padding=2", (8, 26, 34), 1),
        ("filters=6 size=1 groups=3", (6, 24, 32), 1),
        ("filters=8 size=3 stride=1 pad=1 dilation=3", (8, 24, 32), 1),
        ("filters=8 size=5 stride=2 pad=1 dilation=2", (8, 12, 16), 2),
        ("filters=8 size=1 dilation=2", (8, 24, 32), 1),
    ],
)
def test_shapes_of_convolutions(options: str, shape: tuple[int, int, int], stride: int) -> None:
    layer = read(f"convolutional {options}").layers[0]
    assert (layer.shape, layer.stride) == (shape, stride)


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ("size=2 stride=2", (8, 12, 16)),
        ("size=2 stride=1", (8, 24, 32)),
        ("size=5 stride=1", (8, 24, 32)),
        ("size=3 stride=2", (8, 12, 16)),
        ("size=2 stride=2 padding=0", (8, 12, 16)),
        ("stride=3", (8, 8, 11)),
    ],
)
def test_shapes_of_maxima(options: str, shape: tuple[int, int, int]) -> None:
    for kind in ("maxpool", "local_avgpool"):
        assert read(CONV, f"{kind} {options}").layers[1].shape == shape


def test_a_route_adds_up_channels_and_takes_parts() -> None:
    layers = read(
        CONV, "convolutional filters=4", "route layers=-1,0", "route layers=-1 groups=4 group_id=3"
    ).layers
    assert layers[2].inputs == (1, 0)
    assert layers[2].shape == (12, 24, 32)
    assert layers[3].shape == (3, 24, 32)


def test_upsampling_takes_the_stride_back() -> None:
    layers = read(CONV, "maxpool stride=2", "maxpool stride=2", "upsample stride=2").layers
    assert [layer.stride for layer in layers] == [1, 2, 4, 2]
    assert layers[3].shape == (8, 12, 16)


def test_a_shortcut_reads_the_layer_before_and_the_one_it_names() -> None:
    assert read(CONV, CONV, "shortcut from=-2 activation=linear").layers[2].inputs == (1, 0)
    assert read(CONV, CONV, CONV, "shortcut from=0 activation=linear").layers[3].inputs == (2, 0)


def test_a_head_without_a_mask_has_all_anchors() -> None:
    layers = read(HEAD, YOLO)
    assert layers.heads[0].settings.mask == (0, 1)
    assert layers.heads[0].settings.anchors == ((10.0, 12.0), (20.0, 24.0))


def test_a_loss_of_training_is_passed_over():
    layers = read(HEAD, YOLO, "route layers=0", "contrastive classes=1 yolo_layer=-2")
    assert [head.number for head in layers.heads] == [1]
    assert layers.layers[3].shape == layers.layers[2].shape


def test_taps_are_all_layers_but_heads() -> None:
    layers = read(HEAD, YOLO, "route layers=0", CONV)
    assert [tap.name for tap in layers.taps] == ["0", "2", "3"]
    assert layers.tap("3").shape == (8, 24, 32)
    for name in ("1", "4", "x", "-1"):
        with pytest.raises(InputError, match=r"is no tap of x.cfg, expected a layer's number up to 3"):
            layers.tap(name)


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        (
            ("crnn anchors=1,1",),
            r"layer 0 \[crnn\]: unknown section, expected one of convolutional, maxpool",
        ),
        ((), "no layer after"),
        (
            (CONV, "convolutional filters=6 groups=4"),
            "groups=4 divides not both its 8 channels and 6 filters",
        ),
        (
            (CONV, "convolutional filters=8 activation=tanh"),
            "activation=tanh is unknown, expected one of leaky",
        ),
        (
            (CONV, "convolutional filters=8 size=3 dilation=2"),
            "dilation=2 with size=3 and 0 cells of padding; expected an odd size and pad=1",
        ),
        ((CONV, "convolutional filters=8 share_index=0"), "share_index is not supported, a convolution has"),
        ((CONV, "convolutional filters=8 size=4 pad=1 dilation=2"), "expected an odd size and pad=1"),
        ((CONV, "convolutional filters=8 size=3 dilation=0"), "dilation=0, expected a whole number from 1"),
        (
            (CONV, "convolutional filters=8 stride=2 stride_x=1"),
            "stride_x=1 is not supported, only stride_x=2",
        ),
        ((CONV, "convolutional filters=8 size=33"), "its output would be 8 x -8 x 0 numbers"),
        (
            ("convolutional filters=1000000000",),
            "filters=1000000000, expected a whole number from 1 to 65536",
        ),
        (("convolutional filters=65536 size=1024",), "its output would be 65536 x"),
        (("convolutional filters=60000 padding=1000",), "its output would be 60000 x"),
        ((CONV, "maxpool size=2 padding=3"), "padding=3, expected a whole number from 0 to 2"),
        ((CONV, "route layers=1"), "layers=1 names layer 1, expected one from 0 to 0"),
        ((CONV, "route layers=-2"), "layers=-2 names layer -1, expected one from 0 to 0"),
        (("route layers=-1",), "layers=-1 names layer -1"),
        ((CONV, "maxpool stride=2", "route layers=0,1"), "layer 0 is 24 x 32 cells and layer 1 is 12 x 16"),
        ((CONV, "route layers=0 groups=3"), "groups=3 does not divide the 8 channels of layer 0"),
        ((CONV, "route layers=0 groups=2 group_id=2"), "group_id=2, expected a whole number from 0 to 1"),
        (
            (CONV, "maxpool stride=2", "shortcut from=0"),
            r"adds layer 0 of shape \(8, 24, 32\) to layer 1 of",
        ),
        (
            (CONV, CONV, "shortcut from=-2 weights_type=per_feature"),
            "weights_type=per_feature is not supported",
        ),
        ((CONV, YOLO), r"2 anchors of 5 \+ 2 numbers need 14 channels, but layer 0 has 8"),
        ((HEAD, "yolo anchors=10,12,20 classes=2"), "anchors are expected as pairs"),
        ((HEAD, "yolo anchors=10,12,-20,3 classes=2"), "anchors are expected as pairs"),
        ((HEAD, YOLO + " mask=0,2"), "is expected to name each of the 2 anchors at most once"),
        ((HEAD, YOLO + " mask=0,0"), "is expected to name each of the 2 anchors at most once"),
        ((HEAD, YOLO + " num=3"), "num=3, expected a whole number from 1 to 2"),
        ((HEAD, "region anchors=1,2,3,4 classes=2 softmax=0"), "softmax=0 is not supported"),
        (
            (CONV, "reorg stride=5"),
            "stride=5 divides not the sides and, squared, the channels of 8 x 24 x 32",
        ),
        (
            (CONV, "maxpool stride=2", "sam from=0"),
            r"multiplies layer 0 of shape \(8, 24, 32\) by layer 1 of",
        ),
        ((CONV, "scale_channels from=0"), r"by layer 0 of|names layer|multiplies"),
        ((HEAD, YOLO, CONV), r"reads layer 1, a \[yolo\] head"),
        ((HEAD, YOLO, "route layers=1"), r"reads layer 1, a \[yolo\] head"),
        (
            (CONV, *16 * ("maxpool size=1 stride=1024",)),
            "its cells would be 1048576 pixels of the input apart",
        ),
        ((CONV, *4 * ("upsample stride=64",)), "its output would be"),
    ],
)
def test_an_impossible_layer_is_named_with_its_line(sections: tuple[str, ...], words: str) -> None:
    with pytest.raises(CfgError, match=words) as caught:
        read(*sections)
    if sections:
        assert ", line " in str(caught.value)


@pytest.mark.parametrize(
    "net", ["height=3", "width=0\nheight=3", "width=65536\nheight=65536", "width=1e3\nheight=3"]
)
def test_an_impossible_input_is_refused(net: str) -> None:
    with pytest.raises(CfgError, match=r"x.cfg, line 1, \[net\]: "):
        read(CONV, net=net)


def test_more_weights_than_memory_are_refused_unallocated() -> None:
    tracemalloc.start()
    with pytest.raises(CfgError, match="more than 1,073,741,824 weights"):
        read(*9 * ("convolutional filters=8192 size=3 stride=1 pad=1",))
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def problem_of(*sections: str) -> str:
    """Return what is wrong with a cfg; nothing of one that can be read."""
    try:
        read(*sections)
    except CfgError as problem:
        return str(problem)
    return ""


@pytest.mark.parametrize(
    ("sections", "option", "lowest", "highest", "default"),
    [
        ((), "convolutional filters", 1, 65_536, 1),
        ((), "convolutional size", 1, 1024, 1),
        ((), "convolutional stride", 1, 1024, 1),
        ((), "convolutional groups", 1, 65_536, 1),
        ((), "convolutional padding", 0, 1024, 0),
        ((), "convolutional size=3 pad=1 dilation", 1, 1024, 1),
        ((), "convolutional pad", 0, 1, 0),
        ((), "convolutional batch_normalize", 0, 1, 0),
        ((CONV,), "maxpool stride", 1, 1024, 1),
        ((CONV,), "local_avgpool stride=2 size", 1, 1024, 2),
        ((CONV,), "maxpool size=4 padding", 0, 6, 3),
        ((CONV,), "upsample stride", 1, 1024, 2),
        ((CONV,), "route layers=0 groups", 1, 65_536, 1),
        ((CONV,), "route layers=0 groups=4 group_id", 0, 3, 0),
        ((CONV, CONV), "shortcut from", -65_536, 65_536, None),
        ((CONV, CONV), "sam from", -65_536, 65_536, None),
        ((CONV,), "reorg stride", 1, 1024, 1),
        (("convolutional filters=25",), "yolo anchors=10,12 classes", 1, 65_536, 20),
        ((HEAD,), "yolo anchors=10,12,20,24 classes=2 num", 1, 2, 2),
        ((HEAD,), "yolo anchors=10,12,20,24 classes=2 new_coords", 0, 1, 0),
        ((HEAD,), "region anchors=1,2,3,4 classes=2 num", 1, 2, 2),
    ],
)
def test_whole_numbers_have_darknets_defaults_and_bounds(
    sections: tuple[str, ...], option: str, lowest: int, highest: int, default: int | None
) -> None:
    """The defaults are those of Darknet's parser.c; a number within the bounds may break another rule."""
    before, _, name = option.rpartition(" ")
    for beyond in (lowest - 1, highest + 1):
        told = problem_of(*sections, f"{option}={beyond}")
        assert told.endswith(f": {name}={beyond}, expected a whole number from {lowest} to {highest}")
    for bound in (lowest, highest):
        assert "expected a whole number" not in problem_of(*sections, f"{option}={bound}")
    if default is None:
        assert problem_of(*sections, before).endswith(f": {name} is missing")
    else:
        left_out, named = read(*sections, before), read(*sections, f"{option}={default}")
        assert left_out.layers[-1] == named.layers[-1]


@pytest.mark.parametrize(("side", "other"), [("width", "height"), ("height", "width")])
def test_a_side_of_the_input_has_bounds(side: str, other: str) -> None:
    for beyond in (0, 65_537):
        words = rf"\[net\]: {side}={beyond}, expected a whole number from 1 to 65536$"
        with pytest.raises(CfgError, match=words):
            read(CONV, net=f"{other}=8\n{side}={beyond}")
    read("convolutional stride=4", net=f"{other}=8\n{side}=1")
    assert 65_536 in read("dropout", net=f"{other}=8\n{side}=65536").input_shape


def test_channels_of_the_input_and_the_scale_of_a_head_have_bounds() -> None:
    for channels in (0, 1025):
        words = f"channels={channels}, expected a whole number from 1 to 1024$"
        with pytest.raises(CfgError, match=words):
            read(CONV, net=f"width=8\nheight=8\nchannels={channels}")
    shapes = [read("dropout", net=f"width=8\nheight=6{more}").input_shape for more in ("", "\nchannels=1024")]
    assert shapes == [(3, 6, 8), (1024, 6, 8)]
    for scale in ("0.49", "4.01"):
        with pytest.raises(CfgError, match=f"scale_x_y={scale}, expected a number from 0.5 to 4$"):
            read(HEAD, f"{YOLO} scale_x_y={scale}")
    heads = [read(HEAD, YOLO + more).heads[0] for more in ("", " scale_x_y=0.5", " scale_x_y=4")]
    assert [head.settings.scale_xy for head in heads] == [1.0, 0.5, 4.0]


@pytest.mark.parametrize(
    ("sections", "plain", "names"),
    [
        ((), "convolutional antialiasing=0 binary=0 xnor=0 deform=0", "antialiasing binary xnor deform"),
        ((), "convolutional stride=2 stride_x=2 stride_y=2", "stride_x stride_y"),
        ((CONV,), "maxpool maxpool_depth=0 antialiasing=0", "maxpool_depth antialiasing"),
        ((CONV,), "maxpool stride=3 stride_x=3 stride_y=3", "stride_x stride_y"),
        ((CONV,), "upsample scale=1", "scale"),
        ((CONV, CONV), "shortcut from=0 weights_type=none", "weights_type"),
        ((CONV, CONV), "sam from=0 scale_wh=0", "scale_wh"),
        ((CONV,), "reorg3d stride=2 reverse=0 flatten=0 extra=0", "reverse flatten extra"),
        ((HEAD,), "region anchors=1,2,3,4 classes=2 coords=4 softmax=1", "coords softmax tree"),
    ],
)
def test_what_is_not_computed_is_refused_and_its_plain_value_is_not(
    sections: tuple[str, ...], plain: str, names: str
) -> None:
    read(*sections, plain)
    for name in names.split():
        others = [part for part in plain.split() if not part.startswith(f"{name}=")]
        with pytest.raises(CfgError, match=f"{name}=7 is not supported, only {name}="):
            read(*sections, " ".join([*others, f"{name}=7"]))


def test_shapes_and_strides_of_layers_of_several_inputs() -> None:
    """Inputs of unequal strides and channels, named from the front and from the back."""
    layers = read(
        "convolutional filters=4 size=3 stride=2 pad=1",
        "convolutional filters=6 size=3 stride=2 pad=1",
        "upsample",
        "route layers=-1,0 groups=2 group_id=1",
        "convolutional filters=9 size=1 activation=relu",
        "shortcut from=-2 activation=mish",
        "avgpool",
        "scale_channels from=4 activation=logistic",
        "reorg stride=3",
        "reorg3d stride=2",
        net="width=48\nheight=24",
    ).layers
    assert [(layer.inputs, layer.stride, layer.shape) for layer in layers] == [
        ((-1,), 2, (4, 12, 24)),
        ((0,), 4, (6, 6, 12)),
        ((1,), 2, (6, 12, 24)),
        ((2, 0), 2, (5, 12, 24)),
        ((3,), 2, (9, 12, 24)),
        ((4, 3), 2, (9, 12, 24)),
        ((5,), 48, (9, 1, 1)),
        ((4, 6), 2, (9, 12, 24)),
        ((7,), 6, (81, 4, 8)),
        ((8,), 12, (324, 2, 4)),
    ]
    assert (layers[5].settings.activation, layers[5].settings.channels) == ("mish", 5)
    assert layers[7].settings.activation == "logistic"
    assert [layers[number].settings.scrambled for number in (8, 9)] == [True, False]


def test_the_largest_output_and_the_most_weights() -> None:
    """2**28 numbers of an output, of the input too, and 2**30 weights: one step beyond is refused."""
    read("dropout", net="width=512\nheight=512\nchannels=1024")
    with pytest.raises(CfgError, match="an input of 512 x 513 pixels is too large"):
        read("dropout", net="width=512\nheight=513\nchannels=1024")
    read("convolutional filters=1024", net="width=512\nheight=512")
    with pytest.raises(CfgError, match="its output would be 1025 x 512 x 512 numbers"):
        read("convolutional filters=1025", net="width=512\nheight=512")
    many = "convolutional filters=1024 pad=1 size={}"
    read(many.format(31), net="width=32\nheight=32\nchannels=1024")
    # The biases alone are beyond.
    with pytest.raises(CfgError, match="more than 1,073,741,824 weights"):
        read(many.format(32), net="width=32\nheight=32\nchannels=1024")
