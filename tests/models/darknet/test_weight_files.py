from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from objectspace.errors import WeightsError
from objectspace.models.darknet.cfg import parse_cfg
from objectspace.models.darknet.layers import Layers, read_layers
from objectspace.models.darknet.weight_files import Header, read_weight_file, write_weight_file

# 2 filters on 3 channels with batch norm: 4 * 2 + 2 * 3 * 9 = 62 numbers; 1 on 2 in one group: 1 + 2 = 3.
CFG = """\
[net]
width=8
height=8
[convolutional]
batch_normalize=1
filters=2
size=3
pad=1
activation=leaky
[maxpool]
size=2
stride=2
[convolutional]
filters=1
size=1
activation=linear
"""
COUNT = 65
NUMBERS = np.arange(1, COUNT + 1, dtype=np.float32)


@pytest.fixture
def layers() -> Layers:
    return read_layers(parse_cfg(CFG, path="x.cfg"))


def file_of(folder: Path, numbers: np.ndarray, header: bytes = struct.pack("<iiiq", 0, 2, 5, 7)) -> Path:
    path = folder / "x.weights"
    path.write_bytes(header + numbers.astype("<f4").tobytes())
    return path


def test_numbers_stand_in_darknets_order(tmp_path: Path, layers: Layers) -> None:
    weights = read_weight_file(file_of(tmp_path, NUMBERS), layers)
    first, second = weights.convolutions[0], weights.convolutions[2]
    assert [part.tolist() for part in first.arrays()[:4]] == [[1, 2], [3, 4], [5, 6], [7, 8]]
    assert first.mean is not None
    assert first.mean.tolist() == [5, 6]
    assert first.kernel[0, 0].ravel().tolist() == list(range(9, 18))
    assert first.kernel[1, 2, 2, 2] == 62
    assert (second.bias.tolist(), second.scale, second.kernel.ravel().tolist()) == ([63], None, [64, 65])


@pytest.mark.parametrize(
    ("packed", "header"),
    [
        (struct.pack("<iiiq", 0, 2, 5, 2**40), Header(0, 2, 5, 2**40)),
        (struct.pack("<iiiq", 1, 0, 0, 3), Header(1, 0, 0, 3)),
        (struct.pack("<iiii", 0, 1, 0, 123), Header(0, 1, 0, 123)),
        (struct.pack("<iiii", 2000, 2, 0, 1), Header(2000, 2, 0, 1)),
    ],
)
def test_both_kinds_of_header_are_read_and_written_again(
    tmp_path: Path, layers: Layers, packed: bytes, header: Header
) -> None:
    path = file_of(tmp_path, NUMBERS, packed)
    weights = read_weight_file(path, layers)
    assert weights.header == header
    write_weight_file(weights, tmp_path / "again.weights")
    assert (tmp_path / "again.weights").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (
            0,
            r"too short: its 0 numbers end in x.cfg, line 4, layer 0 .*, which needs them up to 62",
        ),
        (61, r"too short: its 61 numbers end in x.cfg, line 4, layer 0 \[convolutional\]"),
        (62, r"too short: its 62 numbers end in x.cfg, line 13, layer 2 \[convolutional\].* up to 65"),
        (66, "too long: it holds 66 numbers, but x.cfg needs 65"),
    ],
)
def test_a_file_of_another_length_is_refused(tmp_path: Path, layers: Layers, length: int, words: str) -> None:
    with pytest.raises(WeightsError, match=words):
        read_weight_file(file_of(tmp_path, np.ones(length)), layers)


def test_a_part_of_a_number_is_refused(tmp_path: Path, layers: Layers) -> None:
    path = file_of(tmp_path, NUMBERS)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(WeightsError, match="65 numbers and a part"):
        read_weight_file(path, layers)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (0, np.nan, "NaN or infinity for x.cfg, line 4, layer 0"),
        (40, np.inf, "NaN or infinity for x.cfg, line 4, layer 0"),
        (64, -np.inf, "NaN or infinity for x.cfg, line 13, layer 2"),
        (7, -1.0, "variances below zero for x.cfg, line 4, layer 0"),
    ],
)
def test_numbers_that_no_network_has_are_refused(
    tmp_path: Path, layers: Layers, place: int, value: float, words: str
) -> None:
    numbers = NUMBERS.copy()
    numbers[place] = value
    with pytest.raises(WeightsError, match=words):
        read_weight_file(file_of(tmp_path, numbers), layers)


@pytest.mark.parametrize(
    "content", [b"", b"1234", struct.pack("<iii", 0, 2, 5), struct.pack("<iiii", 0, 2, 5, 0)]
)
def test_a_file_that_ends_in_its_header_is_refused(tmp_path: Path, layers: Layers, content: bytes) -> None:
    (tmp_path / "x.weights").write_bytes(content)
    with pytest.raises(WeightsError, match="ends in its header"):
        read_weight_file(tmp_path / "x.weights", layers)


@pytest.mark.parametrize("path", ["missing.weights", ".", "a\0b", "/dev/zero"])
def test_what_is_no_file_is_refused(layers: Layers, path: str) -> None:
    with pytest.raises(WeightsError, match="expected a Darknet weight file"):
        read_weight_file(path, layers)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400))
def test_any_bytes_are_weights_or_a_weights_error(tmp_path: Path, layers: Layers, data: bytes) -> None:
    path = tmp_path / "x.weights"
    path.write_bytes(data)
    with pytest.raises(WeightsError):
        read_weight_file(path, layers)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, layers: Layers, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file_of(tmp_path, NUMBERS)
    before = path.read_bytes()
    weights = read_weight_file(path, layers)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WeightsError, match="could not be written: No space left on device"):
        write_weight_file(weights, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, layers: Layers) -> None:
    weights = read_weight_file(file_of(tmp_path, NUMBERS), layers)
    with pytest.raises(WeightsError, match=r"gone/x\.weights could not be written: No such file"):
        write_weight_file(weights, tmp_path / "gone" / "x.weights")
