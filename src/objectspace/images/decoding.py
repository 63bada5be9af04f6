"""Decode files into images with content ids, and make thumbnails.

Every mode that Pillow reads becomes RGB; a file that cannot be read becomes an ImageError with its reason.
"""

from __future__ import annotations

import functools
import io
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile

from objectspace.arguments import typed
from objectspace.errors import ImageError, InputError
from objectspace.files import content_id, guess_path, printable_path
from objectspace.images.profiles import in_srgb
from objectspace.places import Place, RemotePath, as_place

Pixels = NDArray[np.uint8]

#: Pictures with more pixels are refused from their header, undecoded: files of a few kilobytes can unpack to
#: gigabytes. It is Pillow's own limit; :data:`LIMIT_VARIABLE` raises it.
PIXEL_LIMIT = 178_956_970

#: The environment variable that raises the limit, in megapixels.
LIMIT_VARIABLE = "OBJECTSPACE_MAX_MEGAPIXELS"

#: Larger files are refused unread: no picture within the pixel limit needs more.
FILE_LIMIT = 4 << 30

#: The raster formats that are read. Left out on purpose: EPS and WMF (they run other programs) and formats
#: without a signature, which take arbitrary bytes for a picture.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP")

#: How files begin that people take for photos and that are not read; of ISO media files the brand says more.
_STARTS = {
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"8BPS": "PSD",
    b"%PDF": "PDF",
    b"<svg": "SVG",
}
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
}

#: The longest side of a thumbnail in pixels.
THUMBNAIL_SIDE = 128

_ORIENTATION = 0x0112
_BLOCK = 1 << 20

#: EXIF orientation → how the stored pixels are turned upright.
_UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels.swapaxes(0, 1)[:, ::-1],
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels.swapaxes(0, 1)[::-1],
}


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """The pixels of one file.

    image_id: 32 hex digits, the sha256 of the file's bytes
    path: the file as the caller named it
    pixels: (h, w, 3) uint8 RGB, upright; smaller than the frame where the file was decoded at reduced scale
    width, height: the frame, in pixels of the original upright image; boxes are in it
    """

    image_id: str
    path: str
    pixels: Pixels
    width: int
    height: int

    def __repr__(self) -> str:
        return f"Image({self.path!r}, {self.width} x {self.height} pixels)"


@typed
def read_image(
    path: Place | str, *, at_least: tuple[int, int] | None = None, image_id: str | None = None
) -> Image:
    """Return the image in a file; see :func:`decode_image`. Raises ImageError.

    image_id: what the file held when its boxes and masks were made; another photo there is an error

    >>> osp.read_image("world/images/000000.png")
    Image('world/images/000000.png', 416 x 416 pixels)
    """
    image = decode_image(read_file(as_place(path)), path=str(path), at_least=at_least)
    if image_id is not None and image.image_id != image_id:
        raise ImageError(
            printable_path(str(path)),
            "holds another photo than the one that was indexed; put that one back, or make a new store",
        )
    return image


def decode_image(data: bytes, *, path: str, at_least: tuple[int, int] | None = None) -> Image:
    """Return the image in the bytes of a file; ``path`` is only its name.

    Alpha is composited over black, an animation gives its first frame, the EXIF orientation is applied and a
    color profile converted to sRGB. 16 bits are scaled to 8 (65535 → 255), 32-bit integers that fit 16 bits
    like them, and floats that fit [0, 1] by 255. Pictures that fill less than a quarter of that range (12 or
    14 bits in 16, thermal images), or are wider, are stretched from their own least to their own greatest
    value: they would be left with a few gray levels. What is not finite is black.

    With ``at_least=(width, height)`` a JPEG may be decoded at 1/2, 1/4 or 1/8 as long as both sides of the
    upright image stay at least that large. That is several times faster than decoding all of it and halving
    (:func:`halved`), and nearly the same: on photos enlarged to JPEGs (quality 90, 4:2:0) of 2, 4 and 8
    times the size asked for, the two differ by 0.65, 0.43 and 0.31 of 255 levels on average (the worst photo
    by 3.3, 1.4 and 0.6; the worst pixel, on a sharp colored edge, by 57, 28 and 10).

    Raises ImageError, and InputError for a limit (:func:`pixel_limit`) that is no number.
    """
    if not data:
        raise ImageError(printable_path(path), "is empty (0 bytes)")
    if (limit := pixel_limit()) > PIXEL_LIMIT and PIL.Image.MAX_IMAGE_PIXELS is not None:
        # Pillow refuses twice its own limit when it opens a file, before ours can be asked.
        PIL.Image.MAX_IMAGE_PIXELS = max(PIL.Image.MAX_IMAGE_PIXELS, limit)
    try:
        with PIL.Image.open(io.BytesIO(data), formats=readable_formats()) as picture:
            return _decode(picture, data, path, at_least)
    except ImageError:
        raise
    except Exception as error:  # Pillow's plugins raise nearly every type there is on broken files
        raise ImageError(printable_path(path), _reason(error, data)) from error


def pixel_limit() -> int:
    """The most pixels that a picture may have: :data:`PIXEL_LIMIT`, or more where the user has raised it."""
    text = os.environ.get(LIMIT_VARIABLE, "0")
    if re.fullmatch(r"[0-9]{1,6}", text.strip()) is None:
        raise InputError(f"{LIMIT_VARIABLE} is {text!r}, expected a number of megapixels")
    return max(PIXEL_LIMIT, int(text) * 1_000_000)


def image_from_array(pixels: Pixels, *, path: str = "") -> Image:
    """Return an image of pixels (h, w, 3) uint8 RGB in memory; its id hashes their shape and values."""
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or 0 in pixels.shape:
        raise InputError(f"pixels of shape {pixels.shape} and type {pixels.dtype}, expected (h, w, 3) uint8")
    height, width = pixels.shape[:2]
    data = f"{width}x{height}\n".encode() + np.ascontiguousarray(pixels).tobytes()
    return Image(content_id(data), path, pixels, width, height)


def halved(pixels: Pixels, *, at_least: tuple[int, int]) -> Pixels:
    """Average pixels (h, w, 3) over 2 x 2 blocks, again while both sides stay ≥ ``at_least`` (w, h).

    Sides are rounded up, as a JPEG's are at reduced scale, so the size that comes out is the same whether or
    not the image was decoded at reduced scale before.
    """
    height, width = pixels.shape[:2]
    least_width, least_height = max(1, at_least[0]), max(1, at_least[1])
    factor = 1
    while width >= 2 * least_width and height >= 2 * least_height:
        width, height, factor = -(-width // 2), -(-height // 2), factor * 2
    return pixels if factor == 1 else np.array(PIL.Image.fromarray(pixels).reduce(factor))


def encode_thumbnail(pixels: Pixels, *, side: int = THUMBNAIL_SIDE) -> bytes:
    """Return a JPEG of pixels (h, w, 3), reduced to fit ``side`` x ``side`` with its aspect kept."""
    picture = PIL.Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((side, side), PIL.Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def decode_thumbnail(data: bytes) -> Pixels:
    """Return the pixels (h, w, 3) uint8 of a thumbnail. Raises ImageError, also for a large picture."""
    check_thumbnail(data)
    return decode_image(data, path="thumbnail").pixels


def check_thumbnail(data: bytes) -> None:
    """Raise ImageError where a thumbnail is no JPEG, or too large, by its header; no pixel is decoded."""
    try:
        # Not PIL.Image.open, which warns of a picture that is refused here anyway.
        with JpegImageFile(io.BytesIO(data)) as picture:
            width, height = picture.size
    except Exception as error:  # as in decode_image
        raise ImageError("thumbnail", "is no JPEG that can be read; objectspace check lists it") from error
    if max(width, height) > THUMBNAIL_SIDE:
        reason = f"has {width} x {height} pixels, expected {THUMBNAIL_SIDE} at most"
        raise ImageError("thumbnail", f"{reason}; objectspace check lists it")


def read_file(path: Place) -> bytes:
    """Return the bytes of an ordinary file within the size limit of an image. Raises ImageError."""
    try:
        if isinstance(path, RemotePath):
            return path.read_bytes(FILE_LIMIT)
        reason = _unfit(path, path.stat())
        if reason is None:
            return path.read_bytes()
    except FileNotFoundError:
        reason = f"there is no such file{guess_path(path)}"
    except PermissionError:
        reason = "may not be read (permission denied)"
    except MemoryError as error:
        reason = _reason(error)
    except (OSError, ValueError) as error:
        reason = f"cannot be read: {error}"
    raise ImageError(printable_path(path), reason)


def _unfit(path: Path, status: os.stat_result) -> str | None:
    """Return why the file at a path is not even opened; None for an ordinary file."""
    if stat.S_ISDIR(status.st_mode):
        readable = os.access(path, os.R_OK | os.X_OK)
        return "is a folder, not a photo" if readable else "is a folder that may not be read"
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    if status.st_size > FILE_LIMIT:
        return f"is larger than {FILE_LIMIT >> 30} GiB, the limit for a photo"
    return None


def _decode(picture: PIL.Image.Image, data: bytes, path: str, at_least: tuple[int, int] | None) -> Image:
    if picture.width * picture.height > pixel_limit():
        raise PIL.Image.DecompressionBombError
    full = picture.size
    if at_least is not None:
        turned = _orientation(picture) >= 5
        picture.draft(picture.mode, at_least[::-1] if turned else at_least)
    drafted = picture.size
    picture.load()
    if picture.size != drafted:  # Pillow turns a TIFF upright by itself
        full = picture.size
    orientation = _orientation(picture)
    pixels = _rgb(picture)
    if orientation in _UPRIGHT:
        pixels = np.ascontiguousarray(_UPRIGHT[orientation](pixels))
    width, height = full[::-1] if orientation >= 5 else full
    return Image(content_id(data), path, pixels, width, height)


def _orientation(picture: PIL.Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 (upright) if missing or unreadable."""
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # broken EXIF data is no reason to lose a photo whose pixels are whole
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _rgb(picture: PIL.Image.Image) -> Pixels:
    """Return the pixels of a loaded Pillow image of any mode as (h, w, 3) uint8, in sRGB."""
    picture = in_srgb(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        gray = _eight_bits(np.asarray(picture))
        return np.repeat(gray[:, :, None], 3, axis=2)
    if picture.has_transparency_data:
        over_black = picture.convert("RGBA").convert("RGBa")  # colors times alpha
        return np.asarray(over_black)[:, :, :3].copy()
    return _pixels(picture if picture.mode == "RGB" else picture.convert("RGB"))


def _pixels(picture: PIL.Image.Image) -> Pixels:
    """Return the pixels (h, w, 3) of an RGB picture, copied a strip at a time.

    At once, Pillow would hold two more copies on the way, and take longer.
    """
    width, height = picture.size
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, _BLOCK // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        pixels[top:bottom] = np.asarray(picture.crop((0, top, width, bottom)))
    return pixels


def _eight_bits(values: NDArray[np.generic]) -> Pixels:
    """Return 8-bit levels (h, w) of 16 or 32 bit or float ones; the ranges are :func:`decode_image`'s."""
    finite = np.isfinite(values)
    known = values[finite]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    widest = 1.0 if values.dtype.kind == "f" else 65535.0
    within = low >= 0 and high <= widest
    if within and (low == high or high - low >= widest / 4):
        low, high = 0.0, widest
    gray = np.zeros(values.size, np.uint8)
    if low < high:
        # In blocks, because the whole picture in doubles would be eight times its size.
        for start in range(0, values.size, _BLOCK):
            block = slice(start, start + _BLOCK)
            levels = np.where(finite.reshape(-1)[block], values.reshape(-1)[block], low).astype(np.float64)
            gray[block] = np.rint((levels - low) / (high - low) * 255)
    return gray.reshape(values.shape)


def _reason(error: Exception, data: bytes = b"") -> str:
    """Return why a file of these bytes is no image, as a sentence without its path."""
    words = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, PIL.Image.DecompressionBombError | PIL.Image.DecompressionBombWarning):
        return (
            f"has more than {pixel_limit() / 1e6:.0f} megapixels, the limit; make it smaller, or set "
            f"{LIMIT_VARIABLE} to raise it"
        )
    if isinstance(error, PIL.UnidentifiedImageError):
        if kind := _unread_kind(data):
            return f"is {kind} whatever its name says, which is not read; convert it to JPEG first"
        return f"is no photo in a known format ({', '.join(readable_formats())})"
    if isinstance(error, MemoryError):
        return "needs more memory than is free"
    if "truncated" in words.lower():
        return "is truncated: the file ends before the picture does"
    return f"is broken: {words}"


def _unread_kind(data: bytes) -> str | None:
    """The format of a picture or video that is not read, by its first bytes; None for an unknown one."""
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "a video or picture of the ISO media format")
    return next((kind for start, kind in _STARTS.items() if data.startswith(start)), None)


@functools.cache
def readable_formats() -> tuple[str, ...]:
    """Return those of :data:`FORMATS` that this build of Pillow knows."""
    PIL.Image.init()
    return tuple(name for name in FORMATS if name in PIL.Image.OPEN)
