"""Darknet's weight files: a header of integers, then the float32 numbers of each convolution in order.

Of a convolution there stand its biases, with batch norm then its scales, rolling means and rolling
variances, and last its kernel (filters, channels a group, height, width). All little-endian, without names or
lengths, so only the length of the whole file shows that it belongs to the network.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import WeightsError
from objectspace.files import open_regular
from objectspace.models.darknet.layers import Convolution, Layer, Layers

Float32 = NDArray[np.float32]

_NUMBER = np.dtype("<f4")


@dataclass(frozen=True, slots=True)
class Header:
    """Darknet's version that wrote the file, and the number of images it was trained on.

    Versions from 0.2 on store ``seen`` in 64 bits, earlier ones in 32.
    """

    major: int = 0
    minor: int = 2
    revision: int = 5
    seen: int = 0

    def pack(self) -> bytes:
        """Return the header's bytes in a file."""
        return struct.pack(f"<iii{_seen_format(self.major, self.minor)}", *self._values())

    def _values(self) -> tuple[int, int, int, int]:
        return self.major, self.minor, self.revision, self.seen


@dataclass(frozen=True, slots=True, eq=False)
class ConvolutionWeights:
    """The numbers of one convolution: float32 (filters,), and ``kernel`` (filters, channels, size, size).

    ``scale``, ``mean`` and ``variance`` are None without batch norm.
    """

    bias: Float32
    scale: Float32 | None
    mean: Float32 | None
    variance: Float32 | None
    kernel: Float32

    def arrays(self) -> tuple[Float32, ...]:
        """Return the arrays that are present, in the file's order."""
        parts = (self.bias, self.scale, self.mean, self.variance, self.kernel)
        return tuple(part for part in parts if part is not None)


@dataclass(frozen=True, slots=True)
class Weights:
    """The contents of a weight file: its header and the weights of each convolution by layer number."""

    header: Header
    convolutions: Mapping[int, ConvolutionWeights]


def read_weight_file(path: Path | str, layers: Layers) -> Weights:
    """Read the weights of a file, which must fit the layers exactly.

    Raises WeightsError for a file that is missing, too short (naming the layer where it ends), too long, or
    holds numbers that no trained network has: NaN, infinities, variances below zero.
    """
    path = Path(path)
    try:
        with open_regular(path) as stream:
            header, numbers = _read_numbers(stream, path, layers)
    except (OSError, ValueError) as problem:  # ValueError: a zero byte in the path
        reason = getattr(problem, "strerror", None) or str(problem)
        raise WeightsError(f"{path}: expected a Darknet weight file, but: {reason}") from None
    convolutions = {}
    start = 0
    for layer in layers.layers:
        if isinstance(layer.settings, Convolution):
            part = numbers[start : start + layer.settings.count]
            convolutions[layer.number] = _checked(_split(part, layer.settings), layer, path)
            start += layer.settings.count
    return Weights(header, convolutions)


def write_weight_file(weights: Weights, path: Path | str) -> None:
    """Write the weights to a file, whole or not at all. Raises WeightsError."""
    path = Path(path)
    # In the same folder, because a rename is atomic only within one file system.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            with temporary.open("wb") as stream:
                _write_numbers(stream, weights)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as problem:
        raise WeightsError(f"{path} could not be written: {problem.strerror or problem}") from None


def _read_numbers(stream: BinaryIO, path: Path, layers: Layers) -> tuple[Header, Float32]:
    status = os.fstat(stream.fileno())
    header = _read_header(stream, path)
    found, odd = divmod(status.st_size - stream.tell(), _NUMBER.itemsize)
    _check_length(found, odd, path, layers)
    return header, np.fromfile(stream, _NUMBER, found).astype(np.float32, copy=False)


def _read_header(stream: BinaryIO, path: Path) -> Header:
    version = stream.read(12)
    if len(version) == 12:
        major, minor, revision = struct.unpack("<iii", version)
        seen = f"<{_seen_format(major, minor)}"
        rest = stream.read(struct.calcsize(seen))
        if len(rest) == struct.calcsize(seen):
            return Header(major, minor, revision, *struct.unpack(seen, rest))
    raise WeightsError(f"{path} is too short to be a Darknet weight file: it ends in its header")


def _seen_format(major: int, minor: int) -> str:
    return "q" if major * 10 + minor >= 2 and abs(major) < 1000 and abs(minor) < 1000 else "i"


def _check_length(found: int, odd: int, path: Path, layers: Layers) -> None:
    needed = 0
    for layer in layers.layers:
        if not isinstance(layer.settings, Convolution):
            continue
        needed += layer.settings.count
        if needed > found:
            raise WeightsError(
                f"{path} is too short: its {found:,} numbers end in {layer.where}, which needs them up to "
                f"{needed:,}; is it the weight file of this cfg, and whole?"
            )
    if found > needed or odd:
        raise WeightsError(
            f"{path} is too long: it holds {found:,} numbers{' and a part' if odd else ''}, but "
            f"{layers.path} needs {needed:,}; is it the weight file of this cfg?"
        )


def _split(numbers: Float32, settings: Convolution) -> ConvolutionWeights:
    filters = settings.filters
    vectors = 4 if settings.batch_normalize else 1
    rows = numbers[: vectors * filters].reshape(vectors, filters)
    kernel = numbers[vectors * filters :].reshape(settings.weight_shape)
    if settings.batch_normalize:
        return ConvolutionWeights(rows[0], rows[1], rows[2], rows[3], kernel)
    return ConvolutionWeights(rows[0], None, None, None, kernel)


def _checked(weights: ConvolutionWeights, layer: Layer, path: Path) -> ConvolutionWeights:
    if not all(np.isfinite(part).all() for part in weights.arrays()):
        raise WeightsError(
            f"{path} holds NaN or infinity for {layer.where}: it is damaged or of another network"
        )
    if weights.variance is not None and (weights.variance < 0).any():
        raise WeightsError(f"{path} holds variances below zero for {layer.where}: it is of another network")
    return weights


def _write_numbers(stream: BinaryIO, weights: Weights) -> None:
    stream.write(weights.header.pack())
    for number in sorted(weights.convolutions):
        for part in weights.convolutions[number].arrays():
            stream.write(np.ascontiguousarray(part, _NUMBER).tobytes())
    stream.flush()
    os.fsync(stream.fileno())
