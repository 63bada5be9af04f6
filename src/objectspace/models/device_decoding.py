"""JPEG files decoded on a CUDA GPU (nvJPEG, through torchvision).

Its pixels are not Pillow's: chroma is enlarged otherwise, so colored edges differ, in one photo by 1.2 gray
levels on average and by 119 at most (docs/speed-notes.md). Vectors of such photos need a recipe that says so.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

import PIL.Image
import torch
from torch import Tensor
from torchvision.io import ImageReadMode, decode_jpeg

#: EXIF's tag of how the picture is to be turned.
_ORIENTATION = 0x0112


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a file that :class:`DeviceJpegDecoder` decodes; None for any other.

    It decodes an upright RGB JPEG without a color profile, the processor all others. Reads the header alone.
    """
    try:
        with PIL.Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
            plain = picture.mode == "RGB" and "icc_profile" not in picture.info
            turned = "exif" in picture.info and picture.getexif().get(_ORIENTATION, 1) != 1
            return picture.size if plain and not turned else None
    except Exception:
        # Pillow raises nearly every type there is on broken files; the processor says what is wrong.
        return None


class DeviceJpegDecoder:
    """Decodes JPEG files on a GPU, on a CUDA stream of its own; for one thread at a time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def decode(self, files: Sequence[bytes]) -> list[Tensor]:
        """Return the pixels (h, w, 3) uint8 of each file on the device, colors one after another in memory.

        They are there when the function returns: it waits, without the interpreter's lock. Raises
        RuntimeError for a file that nvJPEG cannot decode.
        """
        if not files:
            return []
        with warnings.catch_warnings():
            # The decoder only reads them, so that they need no copy that could be written.
            warnings.filterwarnings("ignore", message="The given buffer is not writable")
            data = [torch.frombuffer(file, dtype=torch.uint8) for file in files]
        with torch.cuda.stream(self._stream):
            planes: list[Tensor] = decode_jpeg(data, mode=ImageReadMode.RGB, device=self._device)
        self._stream.synchronize()
        return [plane.permute(1, 2, 0) for plane in planes]
