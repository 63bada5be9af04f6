"""JPEG files that a GPU decodes: which they are, and, where there is a GPU, what comes out."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest
import torch

from objectspace.models.device_decoding import DeviceJpegDecoder, jpeg_size


def saved(mode: str = "RGB", kind: str = "JPEG", **options: Any) -> bytes:
    stream = io.BytesIO()
    ramp = np.add.outer(np.arange(48), 2 * np.arange(64)).astype(np.uint8)
    PIL.Image.fromarray(ramp).convert(mode).save(stream, kind, **options)
    return stream.getvalue()


def turned(orientation: int) -> bytes:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    return saved(exif=exif.tobytes())


@pytest.mark.parametrize(
    "data", [saved(), saved(progressive=True), turned(1)], ids=["plain", "progressive", "upright"]
)
def test_an_upright_rgb_jpeg_is_decoded_there(data: bytes) -> None:
    assert jpeg_size(data) == (64, 48)


@pytest.mark.parametrize(
    "data",
    [
        turned(6),
        saved("L"),
        saved("CMYK"),
        saved(kind="PNG"),
        saved(icc_profile=PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()),
        saved()[:10],
        b"",
    ],
    ids=["turned", "gray", "cmyk", "png", "profile", "cut off", "empty"],
)
def test_any_other_file_is_left_to_the_processor(data: bytes) -> None:
    assert jpeg_size(data) is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_smooth_photo_is_nearly_what_pillow_decodes() -> None:
    (pixels,) = DeviceJpegDecoder(torch.device("cuda")).decode([saved()])
    expected = np.asarray(PIL.Image.open(io.BytesIO(saved())))
    assert np.abs(pixels.cpu().numpy().astype(int) - expected).max() <= 3
