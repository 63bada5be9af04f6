from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objectspace.errors import CfgError
from objectspace.models.darknet.cfg import parse_cfg, read_cfg
from objectspace.models.darknet.layers import read_layers

TEXT = """\
# a comment
[net]
width = 32
height=32

[convolutional]
filters = 4 ; 5
; another comment
size=3  # and one more
size=5
"""


def test_sections_have_their_kind_line_and_number() -> None:
    cfg = parse_cfg("[net]\n\n[convolutional]\nsize=1\n[maxpool]\n", path="x.cfg")
    assert (cfg.net.kind, cfg.net.line, cfg.net.number) == ("net", 1, -1)
    assert [(s.kind, s.line, s.number) for s in cfg.layers] == [("convolutional", 3, 0), ("maxpool", 5, 1)]
    assert cfg.layers[0].where == "x.cfg, line 3, layer 0 [convolutional]"


def test_blanks_and_comments_do_not_count_and_the_first_of_two_options_holds() -> None:
    cfg = parse_cfg(TEXT, path="x.cfg")
    assert cfg.net.options == {"width": "32", "height": "32"}
    assert cfg.layers[0].options == {"filters": "4;5", "size": "3"}


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_line_ends_of_any_system(ending: str) -> None:
    assert parse_cfg(ending.join(["[net]", "width=8", ""]), path="").net.options == {"width": "8"}


def test_the_file_may_start_with_a_byte_order_mark_and_hold_other_encodings(tmp_path: Path) -> None:
    path = tmp_path / "x.cfg"
    path.write_bytes(b"\xef\xbb\xbf[net]\n# gr\xfc\xdfe\nwidth=8\n")
    assert read_cfg(path).net.options == {"width": "8"}


def test_the_digest_is_of_the_text(tmp_path: Path) -> None:
    texts = ("[net]\nwidth=8", "[net]\nwidth=8", "[net]\nwidth=9")
    first, same, other = (parse_cfg(text, path=name).sha256 for text, name in zip(texts, "abc", strict=True))
    assert first == same != other


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "x.cfg: no section, expected a Darknet cfg that starts with"),
        ("[convolutional]", r"x.cfg: \[convolutional\], expected a Darknet cfg that starts with \[net\]"),
        ("width=3", "x.cfg, line 1: 'width=3' before any section"),
        ("[net]\n[maxpool", r"line 2: '\[maxpool' has no closing bracket"),
        ("[net]\nwidth", "line 2: 'width', expected option=value"),
        ("[net]\n=3", "line 2: '=3', expected option=value"),
        ("<!DOCTYPE html>\n<html>", "line 1: '<!DOCTYPEhtml>' before any section"),
    ],
)
def test_what_is_no_cfg_is_named_with_its_line(text: str, words: str) -> None:
    with pytest.raises(CfgError, match=words):
        parse_cfg(text, path="x.cfg")


@pytest.mark.parametrize("path", ["missing.cfg", ".", "a\0b.cfg"])
def test_a_file_that_cannot_be_read_is_a_cfg_error(path: str) -> None:
    with pytest.raises(CfgError, match="expected a Darknet cfg file, but"):
        read_cfg(path)


def test_a_file_of_endless_length_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(CfgError, match="it is a device, expected a regular file"):
        read_cfg("/dev/zero")
    (tmp_path / "x.cfg").write_bytes(b"[net]\n" * 700_000)
    with pytest.raises(CfgError, match="longer than 4,000,000 bytes"):
        read_cfg(tmp_path / "x.cfg")


@pytest.mark.parametrize("value", ["", "a", "1.5", "1_0", "٣", "-1", "17", "9" * 5000])
def test_whole_numbers_are_checked(value: str) -> None:
    section = parse_cfg(f"[net]\n[maxpool]\nsize={value}", path="x.cfg").layers[0]
    with pytest.raises(
        CfgError, match=r"x.cfg, line 2, layer 0 \[maxpool\]: size=.*, expected a whole number from 0 to 16"
    ):
        section.integer("size", 1, low=0, high=16)


@pytest.mark.parametrize("value", ["", "a", "nan", "inf", "1_0", "9.5", "1e999"])
def test_decimal_numbers_are_checked(value: str) -> None:
    section = parse_cfg(f"[net]\n[yolo]\nscale_x_y={value}", path="x.cfg").layers[0]
    with pytest.raises(CfgError, match="expected a number from 0 to 9"):
        section.decimal("scale_x_y", 1.0, low=0.0, high=9.0)


def test_lists_may_end_in_a_comma() -> None:
    section = parse_cfg("[net]\n[yolo]\nmask=0, 1 ,2,\nanchors=1.5,2, 3,.5", path="x.cfg").layers[0]
    assert section.integers("mask") == (0, 1, 2)
    assert section.numbers("anchors") == (1.5, 2.0, 3.0, 0.5)


@pytest.mark.parametrize("value", ["", ",", "1,,2", "1;2", "1,a"])
def test_lists_are_checked(value: str) -> None:
    section = parse_cfg(f"[net]\n[route]\nlayers={value}", path="x.cfg").layers[0]
    with pytest.raises(CfgError, match=r"layers=.*expected whole numbers with commas between them"):
        section.integers("layers")


def test_a_missing_option_is_named() -> None:
    section = parse_cfg("[net]\n[route]", path="x.cfg").layers[0]
    with pytest.raises(CfgError, match=r"layer 0 \[route\]: layers is missing"):
        section.integers("layers")


KINDS = ("net", "convolutional", "maxpool", "upsample", "route", "shortcut", "dropout", "yolo", "cost")
OPTIONS = (
    *(
        "width",
        "height",
        "channels",
        "filters",
        "size",
        "stride",
        "pad",
        "padding",
        "groups",
        "group_id",
        "layers",
    ),
    *(
        "from",
        "batch_normalize",
        "activation",
        "mask",
        "anchors",
        "classes",
        "scale_x_y",
        "dilation",
        "stride_x",
    ),
)
NUMBERS = st.integers(-5, 70).map(str) | st.sampled_from(["1000000000", "9" * 30, "1e9", "-1", "nan", ""])
VALUES = NUMBERS | st.lists(NUMBERS, max_size=4).map(",".join) | st.sampled_from(["leaky", "mish", "linear"])
LINES = (
    st.sampled_from(KINDS).map("[{}]".format)
    | st.tuples(st.sampled_from(OPTIONS), VALUES).map("=".join)
    | st.text(max_size=8)
)


@settings(max_examples=300, deadline=None)
@given(lines=st.lists(LINES, max_size=30), started=st.booleans())
def test_any_text_gives_layers_or_a_cfg_error(lines: list[str], started: bool) -> None:
    start = ["[net]", "width=64", "height=64"] if started else []
    try:
        layers = read_layers(parse_cfg("\n".join(start + lines), path="x.cfg"))
    except CfgError as error:
        assert str(error).startswith("x.cfg")  # noqa: PT017 - either outcome is right
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert all(min(layer.shape) > 0 for layer in layers.layers)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_give_a_cfg_or_a_cfg_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.cfg"
    path.write_bytes(b"[net]\n" + data)
    try:
        assert read_cfg(path).net.kind == "net"
    except CfgError as error:
        assert "fuzzed.cfg" in str(error)  # noqa: PT017


@pytest.mark.parametrize("length", [39, 40, 41, 42, 90])
def test_long_values_are_cut_in_messages(length: int) -> None:
    shown = "9" * length if length <= 40 else "9" * 40 + "…"
    with pytest.raises(CfgError, match=f"width={shown}, expected a whole number"):
        read_layers(parse_cfg(f"[net]\nheight=8\nwidth={'9' * length}\n[dropout]", path="x.cfg"))
