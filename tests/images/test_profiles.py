"""Color profiles against the matrices that define their color spaces."""

from __future__ import annotations

import io
import struct

import numpy as np
import PIL.Image
import pytest
from PIL import ImageCms

from objectspace.images import decode_image

#: Display P3's primaries in XYZ, adapted to D50, as its ICC profile holds them.
P3 = np.array([[0.51512, 0.24120, -0.00105], [0.29198, 0.69225, 0.04189], [0.15710, 0.06657, 0.78407]])
SRGB = np.array([[0.43607, 0.22249, 0.01392], [0.38515, 0.71687, 0.09708], [0.14307, 0.06061, 0.71410]])


def fixed(number: float) -> bytes:
    return struct.pack(">i", round(number * 65536))


def matrix_profile(primaries: np.ndarray, gamma: float) -> bytes:
    """An ICC profile (version 2) of three primaries and a gamma, made by hand."""
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 6) + b"wide\0\0" + bytes(78),
        b"wtpt": b"XYZ " + bytes(4) + fixed(0.9642) + fixed(1) + fixed(0.8249),
        b"cprt": b"text" + bytes(4) + b"none\0",
    }
    for color, xyz in zip(b"rgb", primaries, strict=True):
        tags[bytes([color]) + b"XYZ"] = b"XYZ " + bytes(4) + b"".join(map(fixed, xyz))
        tags[bytes([color]) + b"TRC"] = (
            b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
        )
    body, table, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += name + struct.pack(">II", at + len(body), len(content))
        body += content
    header = bytearray(128)
    header[:4] = struct.pack(">I", at + len(body))
    header[8:12], header[12:24], header[36:40] = b"\2\x20\0\0", b"mntrRGB XYZ ", b"acsp"
    header[68:80] = fixed(0.9642) + fixed(1) + fixed(0.8249)
    return bytes(header) + struct.pack(">I", len(tags)) + table + body


def expected(rgb: np.ndarray, primaries: np.ndarray, gamma: float) -> np.ndarray:
    """sRGB of colors (n, 3) by matrices in float64."""
    linear = (rgb / 255) ** gamma @ primaries @ np.linalg.inv(SRGB)
    linear = np.clip(linear, 0, 1)
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(curve * 255)


def decoded(picture: PIL.Image.Image, format_name: str = "PNG", **options: object) -> np.ndarray:
    stream = io.BytesIO()
    picture.save(stream, format_name, **options)
    return decode_image(stream.getvalue(), path="p").pixels


COLORS = np.array([[128, 128, 128], [200, 100, 50], [30, 160, 90], [90, 60, 180], [250, 250, 250]], np.uint8)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_wide_profile_becomes_srgb(mode: str) -> None:
    picture = PIL.Image.fromarray(COLORS[None]).convert(mode)
    pixels = decoded(picture, icc_profile=matrix_profile(P3, 2.2))
    np.testing.assert_allclose(pixels[0].astype(int), expected(COLORS, P3, 2.2), atol=1)


def test_the_same_colors_without_a_profile_stay() -> None:
    np.testing.assert_array_equal(decoded(PIL.Image.fromarray(COLORS[None]))[0], COLORS)


def test_srgb_stays_bit_for_bit() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    np.testing.assert_array_equal(decoded(PIL.Image.fromarray(COLORS[None]), icc_profile=profile)[0], COLORS)


@pytest.mark.parametrize("profile", [b"no profile at all", matrix_profile(P3, 2.2)[:200]])
def test_a_broken_profile_costs_no_photo(profile: bytes) -> None:
    np.testing.assert_array_equal(decoded(PIL.Image.fromarray(COLORS[None]), icc_profile=profile)[0], COLORS)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_profile_of_another_mode_costs_no_photo(mode: str) -> None:
    picture = PIL.Image.new(mode, (16, 16))
    pixels = decoded(picture, "JPEG", icc_profile=matrix_profile(P3, 2.2))
    np.testing.assert_array_equal(pixels, decoded(picture, "JPEG"))


def test_alpha_still_lies_over_black() -> None:
    picture = PIL.Image.new("RGBA", (1, 1), (200, 100, 50, 0))
    assert decoded(picture, icc_profile=matrix_profile(P3, 2.2)).tolist() == [[[0, 0, 0]]]
