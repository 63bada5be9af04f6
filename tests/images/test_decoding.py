from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objectspace.errors import ImageError, InputError
from objectspace.images import (
    decode_image,
    decode_thumbnail,
    decoding,
    encode_thumbnail,
    halved,
    image_from_array,
    read_image,
)


def encoded(picture: PIL.Image.Image, format_name: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format_name, **options)
    return stream.getvalue()


def scene(width: int = 48, height: int = 32) -> PIL.Image.Image:
    """Smooth colors, different in every corner."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return PIL.Image.fromarray(np.stack([x, y, 255 - x], 2).astype(np.uint8))


def pixels_of(data: bytes) -> np.ndarray:
    return decode_image(data, path="test").pixels


def reason_of(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        decode_image(data, path="photos/broken.jpg")
    assert caught.value.path == "photos/broken.jpg"
    return caught.value.reason


# What an image is


def test_the_id_is_the_sha256_of_the_files_bytes(tmp_path: Path) -> None:
    data = encoded(scene(), "PNG")
    (tmp_path / "a.png").write_bytes(data)
    assert read_image(tmp_path / "a.png").image_id == hashlib.sha256(data).hexdigest()[:32]


def test_an_image_keeps_the_name_its_caller_used_and_its_frame(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(scene(48, 32), "PNG"))
    image = read_image(tmp_path / "a.png")
    assert (image.path, image.width, image.height) == (str(tmp_path / "a.png"), 48, 32)
    assert image.pixels.shape == (32, 48, 3)
    assert image.pixels.dtype == np.uint8


@pytest.mark.parametrize("format_name", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_give_their_pixels(format_name: str) -> None:
    np.testing.assert_array_equal(pixels_of(encoded(scene(), format_name)), np.asarray(scene()))


@pytest.mark.parametrize("pixels", [1, 100, 10**6])
@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_pixels_are_copied_by_strips(monkeypatch: pytest.MonkeyPatch, pixels: int, mode: str) -> None:
    """Of one row, narrower than the picture; of several, the last of fewer; of all."""
    monkeypatch.setattr(decoding, "_BLOCK", pixels)
    picture = scene(width=17, height=13).convert(mode)
    expected = np.array(picture.convert("RGB"))
    decoded = decode_image(encoded(picture, "PNG"), path="a.png").pixels
    np.testing.assert_array_equal(decoded, expected)
    assert decoded.flags.writeable
    assert decoded.flags.c_contiguous


def test_a_picture_of_one_pixel() -> None:
    assert pixels_of(encoded(PIL.Image.new("RGB", (1, 1), (7, 8, 9)), "PNG")).tolist() == [[[7, 8, 9]]]


def test_a_name_that_is_not_utf8_is_escaped_in_errors(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    path.write_bytes(b"")
    with pytest.raises(ImageError) as caught:
        read_image(path)
    assert caught.value.path == str(tmp_path / r"caf\xe9.png")


def test_an_image_from_an_array_is_named_by_shape_and_pixels() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    image = image_from_array(pixels)
    assert (image.width, image.height) == (4, 2)
    assert image.image_id == image_from_array(pixels.copy()).image_id
    assert image.image_id != image_from_array(pixels.reshape(4, 2, 3)).image_id


@pytest.mark.parametrize(
    "pixels", [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 3), np.float32), np.zeros((0, 2, 3), np.uint8)]
)
def test_an_array_of_another_shape_or_type_is_refused(pixels: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"expected \(h, w, 3\) uint8"):
        image_from_array(pixels)


# Every mode becomes RGB


def test_alpha_lies_over_black() -> None:
    rgba = np.random.default_rng(0).integers(0, 256, (16, 16, 4), np.uint8)
    expected = np.rint(rgba[:, :, :3] * (rgba[:, :, 3:] / 255.0))
    np.testing.assert_array_equal(pixels_of(encoded(PIL.Image.fromarray(rgba), "PNG")), expected)


def test_gray_with_alpha_lies_over_black() -> None:
    la = np.array([[[200, 255], [200, 0]]], np.uint8)
    assert pixels_of(encoded(PIL.Image.fromarray(la, "LA"), "PNG"))[:, :, 0].tolist() == [[200, 0]]


def test_a_palette_color_marked_transparent_is_black() -> None:
    picture = PIL.Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putpixel((1, 0), 1)
    assert pixels_of(encoded(picture, "PNG", transparency=0)).tolist() == [[[0, 0, 0], [40, 50, 60]]]


def test_a_palette_with_partial_alpha_is_shaded() -> None:
    picture = PIL.Image.new("P", (2, 1))
    picture.putpalette([200, 100, 50, 40, 50, 60])
    picture.putpixel((1, 0), 1)
    data = encoded(picture, "PNG", transparency=bytes([51, 255]))
    assert pixels_of(data).tolist() == [[[40, 20, 10], [40, 50, 60]]]


def test_black_and_white() -> None:
    picture = PIL.Image.new("1", (2, 1))
    picture.putpixel((0, 0), 1)
    assert pixels_of(encoded(picture, "PNG")).tolist() == [[[255] * 3, [0] * 3]]


def test_cmyk_inks_darken() -> None:
    pixels = pixels_of(encoded(PIL.Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG"))
    assert pixels[8, 8, 0] < 10
    assert pixels[8, 8, 1:].min() > 245


@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
def test_sixteen_bits_become_eight(format_name: str) -> None:
    levels = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    expected = np.rint(levels / 257)[0]
    assert pixels_of(encoded(PIL.Image.fromarray(levels), format_name))[0, :, 1].tolist() == expected.tolist()


def test_sixteen_bits_big_endian() -> None:
    data = b"P5 3 1 65535\n" + np.array([0, 257, 65535], ">u2").tobytes()
    assert pixels_of(data)[0, :, 0].tolist() == [0, 1, 255]


def test_floats_in_zero_to_one_are_scaled_by_255() -> None:
    data = encoded(PIL.Image.fromarray(np.array([[0.0, 0.5, 0.25]], np.float32)), "TIFF")
    assert pixels_of(data)[0, :, 0].tolist() == [0, 128, 64]


def test_other_floats_are_stretched_and_the_unknown_is_black() -> None:
    data = encoded(PIL.Image.fromarray(np.array([[-10.0, np.nan, 30.0, np.inf, 10.0]], np.float32)), "TIFF")
    assert pixels_of(data)[0, :, 0].tolist() == [0, 0, 255, 0, 128]


@pytest.mark.parametrize("value", [np.nan, 7.0])
def test_floats_without_a_range_are_black(value: float) -> None:
    data = encoded(PIL.Image.fromarray(np.full((2, 2), value, np.float32)), "TIFF")
    assert not pixels_of(data).any()


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        (np.array([[7000, 7765, 8530]], np.uint16), [0, 128, 255]),
        (np.array([[51241, 52181]], np.uint16), [0, 255]),
        (np.array([[0, 2048, 4095]], np.uint16), [0, 128, 255]),  # 12 bits
        (np.array([[0, 100, 255]], np.int32), [0, 100, 255]),
        (np.array([[0.1, 0.11, 0.12]], np.float32), [0, 128, 255]),
        (np.array([[20000, 40000]], np.uint16), [78, 156]),  # more than a quarter of the range: as it is
        (np.array([[65535, 65535]], np.uint16), [255, 255]),  # one level says nothing of a range
    ],
)
def test_pictures_that_fill_little_of_their_range_are_stretched(
    levels: np.ndarray, expected: list[int]
) -> None:
    assert pixels_of(encoded(PIL.Image.fromarray(levels), "TIFF"))[0, :, 0].tolist() == expected


def test_a_dark_thermal_picture_keeps_its_gray_levels() -> None:
    gray = np.arange(256, dtype=np.uint16).reshape(16, 16)
    pixels = pixels_of(encoded(PIL.Image.fromarray(7000 + 6 * gray), "TIFF"))
    np.testing.assert_array_equal(pixels[:, :, 0], gray)


def test_an_animation_gives_its_first_frame() -> None:
    frames = [PIL.Image.new("RGB", (8, 8), color) for color in ("red", "lime")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert pixels_of(data)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "CMYK", "I;16", "F"])
@pytest.mark.parametrize("size", [(1, 1), (3, 2)])
def test_pixels_are_contiguous_and_writable_as_torch_wants_them(mode: str, size: tuple[int, int]) -> None:
    pixels = pixels_of(encoded(PIL.Image.new(mode, size), "TIFF"))
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
def test_exif_turns_the_picture_upright(orientation: int, format_name: str) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    data = encoded(scene(5, 3), format_name, exif=exif)
    expected = np.asarray(PIL.ImageOps.exif_transpose(PIL.Image.open(io.BytesIO(data))))
    image = decode_image(data, path="turned")
    np.testing.assert_array_equal(image.pixels, expected)
    assert (image.height, image.width) == expected.shape[:2]


def test_exif_that_means_nothing_leaves_the_picture_upright() -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 9
    np.testing.assert_array_equal(pixels_of(encoded(scene(), "PNG", exif=exif)), np.asarray(scene()))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_exif_does_not_lose_the_photo() -> None:
    data = encoded(scene(), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    np.testing.assert_array_equal(pixels_of(data), np.asarray(scene()))


# Reduced scale


@pytest.mark.parametrize(
    ("at_least", "expected_wh"),
    [
        ((640, 480), (640, 480)),
        ((321, 240), (640, 480)),
        ((320, 240), (320, 240)),
        ((80, 60), (80, 60)),
        ((1, 1), (80, 60)),
    ],
)
def test_a_jpeg_is_decoded_as_small_as_both_sides_allow(
    at_least: tuple[int, int], expected_wh: tuple[int, int]
) -> None:
    image = decode_image(encoded(scene(640, 480), "JPEG"), path="", at_least=at_least)
    assert image.pixels.shape[1::-1] == expected_wh
    assert (image.width, image.height) == (640, 480)


def test_the_sides_asked_for_are_those_of_the_upright_photo() -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    data = encoded(scene(640, 480), "JPEG", exif=exif)
    image = decode_image(data, path="", at_least=(240, 320))
    assert image.pixels.shape == (320, 240, 3)
    assert (image.width, image.height) == (480, 640)


def test_a_png_keeps_its_scale() -> None:
    assert decode_image(encoded(scene(), "PNG"), path="", at_least=(4, 4)).pixels.shape == (32, 48, 3)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 60), st.integers(1, 60))
def test_halving_ends_at_one_size_whether_or_not_the_jpeg_was_reduced(
    width: int, height: int, least_width: int, least_height: int
) -> None:
    data = encoded(PIL.Image.new("RGB", (width, height)), "JPEG")
    at_least = (least_width, least_height)
    full = halved(decode_image(data, path="").pixels, at_least=at_least)
    reduced = halved(decode_image(data, path="", at_least=at_least).pixels, at_least=at_least)
    assert full.shape == reduced.shape
    assert full.shape[1] >= min(width, least_width)
    assert full.shape[0] >= min(height, least_height)


def test_halving_averages_blocks() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (8, 12, 3), np.uint8)
    means = pixels.reshape(2, 4, 3, 4, 3).mean((1, 3))
    np.testing.assert_allclose(halved(pixels, at_least=(3, 2)), means, atol=0.5)


def test_reduced_decoding_differs_little_from_halving() -> None:
    data = encoded(scene(1280, 960), "JPEG", quality=90)
    reduced = decode_image(data, path="", at_least=(320, 240)).pixels
    full = halved(decode_image(data, path="").pixels, at_least=(320, 240))
    assert np.abs(reduced.astype(int) - full).mean() < 1


# Files that are no images


def test_an_empty_file() -> None:
    assert reason_of(b"") == "is empty (0 bytes)"


def test_text_named_jpg() -> None:
    assert reason_of(b"Dear diary, this is no photo.\n" * 9).startswith(
        "is no photo in a known format (AVIF,"
    )


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\0\0\0\x24ftypheic", "HEIC"),
        (b"\0\0\0\x24ftypmif1", "HEIC"),
        (b"\0\0\0\x24ftypqt  ", "a video or picture of the ISO media format"),
        (b"\xff\x0a", "JPEG XL"),
        (b"8BPS", "PSD"),
    ],
)
def test_a_known_format_that_is_not_read_is_named(start: bytes, kind: str) -> None:
    told = f"is {kind} whatever its name says, which is not read; convert it to JPEG first"
    assert reason_of(start + b"." * 99) == told


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "TIFF", "BMP", "JPEG2000"])
def test_a_truncated_photo(format_name: str) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (64, 64, 3), np.uint8)
    data = encoded(PIL.Image.fromarray(noise), format_name)
    assert reason_of(data[: len(data) // 2]).startswith(("is truncated", "is broken", "is no photo"))


def test_a_truncated_jpeg_is_called_so() -> None:
    data = encoded(scene(256, 256), "JPEG")
    assert reason_of(data[: len(data) // 2]) == "is truncated: the file ends before the picture does"


def huge_png(side: int) -> bytes:
    """A valid header of a side x side PNG with hardly any data behind it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)

    header = chunk(b"IHDR", side.to_bytes(4) * 2 + bytes([8, 2, 0, 0, 0]))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def test_a_png_of_30000_by_30000_is_refused_from_its_header() -> None:
    assert reason_of(huge_png(30_000)) == (
        "has more than 179 megapixels, the limit; make it smaller, or set OBJECTSPACE_MAX_MEGAPIXELS to "
        "raise it"
    )


def test_the_limit_can_be_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 500)
    monkeypatch.setattr(decoding, "PIXEL_LIMIT", 1000)
    assert "megapixels, the limit" in reason_of(encoded(scene(48, 32), "PNG"))
    monkeypatch.setenv(decoding.LIMIT_VARIABLE, "1")
    assert pixels_of(encoded(scene(48, 32), "PNG")).shape == (32, 48, 3)
    assert reason_of(huge_png(1500)).startswith("has more than 1 megapixels, the limit")


def test_the_limit_cannot_be_lowered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(decoding.LIMIT_VARIABLE, "0")
    assert pixels_of(encoded(scene(), "PNG")).shape == (32, 48, 3)


def test_a_limit_that_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(decoding.LIMIT_VARIABLE, "many")
    with pytest.raises(InputError, match="OBJECTSPACE_MAX_MEGAPIXELS is 'many', expected a number"):
        pixels_of(encoded(scene(), "PNG"))


def test_one_pixel_above_the_limit_is_refused_and_the_limit_itself_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoding, "PIXEL_LIMIT", 48 * 32)
    assert pixels_of(encoded(scene(48, 32), "PNG")).shape == (32, 48, 3)
    assert "megapixels, the limit" in reason_of(encoded(scene(49, 32), "PNG"))


def test_a_photo_that_does_not_fit_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(decoding, "_rgb", full)
    assert reason_of(encoded(scene(), "PNG")) == "needs more memory than is free"


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="there is no such file"):
        read_image(tmp_path / "none.jpg")


def test_a_folder_is_no_photo(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="is a folder, not a photo"):
        read_image(tmp_path)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(encoded(scene(), "PNG"))
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read anything

        def refuse(self: Path) -> bytes:
            raise PermissionError(13, "Permission denied", str(self))

        monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ImageError, match=r"may not be read \(permission denied\)"):
        read_image(path)


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match="is not a regular file"):
        read_image(tmp_path / "pipe.jpg")


def test_a_file_of_many_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "vast.tif").open("wb") as stream:
        stream.truncate(decoding.FILE_LIMIT + 1)
    with pytest.raises(ImageError, match="larger than 4 GiB"):
        read_image(tmp_path / "vast.tif")


SMALL_PHOTOS = {
    name: encoded(picture, name)
    for name, picture in [
        *((name, scene(24, 16)) for name in ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000")),
        ("GIF", scene(24, 16).quantize(8)),
    ]
}


@pytest.fixture(scope="module")
def small_limit() -> Iterator[None]:
    """Few pixels at most, so that a header flipped to a large size costs no time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "PIXEL_LIMIT", 1_000_000)
        yield


def read_or_refused(data: bytes) -> None:
    try:
        image = decode_image(data, path="fuzz", at_least=(4, 4))
    except ImageError:
        return
    assert image.pixels.dtype == np.uint8
    assert image.pixels.ndim == 3
    assert image.pixels.shape[2] == 3


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["", *SMALL_PHOTOS]), st.binary(max_size=200))
@pytest.mark.usefixtures("small_limit")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_random_bytes_are_an_image_or_an_image_error(kind: str, tail: bytes) -> None:
    read_or_refused(SMALL_PHOTOS.get(kind, b"")[:16] + tail)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(SMALL_PHOTOS)), st.floats(0, 1))
@pytest.mark.usefixtures("small_limit")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_file_cut_anywhere_is_an_image_or_an_image_error(kind: str, share: float) -> None:
    data = SMALL_PHOTOS[kind]
    read_or_refused(data[: int(share * len(data))])


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(list(SMALL_PHOTOS)), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 7)), min_size=1)
)
@pytest.mark.usefixtures("small_limit")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_flipped_bits_give_an_image_or_an_image_error(kind: str, flips: list[tuple[float, int]]) -> None:
    data = bytearray(SMALL_PHOTOS[kind])
    for place, bit in flips:
        data[min(int(place**3 * len(data)), len(data) - 1)] ^= 1 << bit  # mostly in the header
    read_or_refused(bytes(data))


# Thumbnails


def test_a_thumbnail_fits_its_square_with_the_aspect_kept() -> None:
    thumbnail = decode_thumbnail(encode_thumbnail(np.asarray(scene(600, 300))))
    assert thumbnail.shape == (64, 128, 3)


def test_a_small_picture_is_not_enlarged() -> None:
    pixels = np.full((3, 5, 3), 90, np.uint8)
    np.testing.assert_allclose(decode_thumbnail(encode_thumbnail(pixels)), pixels, atol=2)


def test_reading_photos_needs_no_torch() -> None:
    code = "import sys, objectspace.images; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_thumbnail_that_is_none():
    with pytest.raises(ImageError, match="has 129 x 20 pixels, expected 128 at most"):
        decode_thumbnail(encode_thumbnail(np.zeros((20, 129, 3), np.uint8), side=129))
    with pytest.raises(ImageError, match="thumbnail: is no JPEG that can be read"):
        decode_thumbnail(b"x")
