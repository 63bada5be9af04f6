"""Color profiles: pictures in Display P3, Adobe RGB or a printer's inks become sRGB, as viewers show them."""

from __future__ import annotations

import functools
import io

import PIL.Image
from PIL import ImageCms

#: The modes that a profile can be of.
_MODES = ("RGB", "RGBA", "L", "CMYK")


def in_srgb(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Return a loaded picture converted from its color profile to sRGB.

    It is returned as it is where it has no profile, that of sRGB, or one that cannot be read or is of another
    mode: viewers take such pictures for sRGB as well.
    """
    profile = picture.info.get("icc_profile")
    if not isinstance(profile, bytes) or not profile:
        return picture
    if picture.mode == "P" and "transparency" not in picture.info:
        picture = picture.convert("RGB")
    if picture.mode not in _MODES or (picture.mode != "RGBA" and "transparency" in picture.info):
        return picture
    transform = _to_srgb(profile, picture.mode)
    if transform is None:
        return picture
    try:
        return ImageCms.applyTransform(picture, transform) or picture
    except (ImageCms.PyCMSError, ValueError):
        return picture


@functools.lru_cache(maxsize=16)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the transform of a profile and mode to sRGB; None where there is none to do or it is broken."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return None
        output = "RGBA" if mode == "RGBA" else "RGB"
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, output)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
