"""Pascal VOC's object masks: images whose pixels are the numbers of objects and classes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from objectspace.errors import AnnotationError
from objectspace.files import printable_path
from objectspace.objects.masks import encode
from objectspace.objects.records import Mask

#: Border and void: pixels of no object.
VOID = 255

#: The classes of ``SegmentationClass``, numbered from 1, as VOC spells them.
VOC_NAMES = tuple(
    """\
aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, diningtable, dog, horse, motorbike, person,
pottedplant, sheep, sofa, train, tvmonitor""".replace("\n", " ").split(", ")
)


def read_object_masks(path: Path, image_wh: tuple[int, int]) -> dict[int, Mask]:
    """Read the masks of an image of ``SegmentationObject`` by the objects' numbers, from 1 up.

    Raises AnnotationError for another kind of file or another size than the image's.
    """
    numbers = _read_numbers(path, image_wh)
    present = [int(number) for number in np.unique(numbers) if number not in (0, VOID)]
    return {number: encode(numbers == number) for number in present}


def read_classes(objects: Path, classes: Path, image_wh: tuple[int, int]) -> Mapping[int, str]:
    """Return the class of most of each object's pixels, as VOC spells it: object number -> name.

    Objects most of whose pixels have no class of VOC's are left out. Raises AnnotationError as
    :func:`read_object_masks` does.
    """
    numbers, kinds = _read_numbers(objects, image_wh), _read_numbers(classes, image_wh)
    named: dict[int, str] = {}
    for number in np.unique(numbers):
        most = int(np.bincount(kinds[numbers == number]).argmax())
        if number not in (0, VOID) and 1 <= most <= len(VOC_NAMES):
            named[int(number)] = VOC_NAMES[most - 1]
    return named


def _read_numbers(path: Path, image_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """Read the number (h, w) of each pixel: its palette index, or its place in VOC's color map."""
    try:
        with PIL.Image.open(path, formats=("PNG",)) as mask_image:
            if mask_image.size != image_wh:
                sizes = "{} x {} pixels, its photo {} x {}".format(*mask_image.size, *image_wh)
                raise AnnotationError(printable_path(path), f"is {sizes}")
            if mask_image.mode in ("P", "L"):
                return np.array(mask_image)
            if mask_image.mode == "RGB":
                return _numbers_of_colors(np.array(mask_image), path)
            reason = f"is a picture of mode {mask_image.mode}, expected a palette (P), L or RGB"
            raise AnnotationError(printable_path(path), reason)
    except AnnotationError:
        raise
    except Exception as error:  # Pillow's plugins raise nearly every type there is on broken files
        words = " ".join(str(error).split()) or type(error).__name__
        raise AnnotationError(printable_path(path), f"is no PNG that can be read: {words}") from None


def _numbers_of_colors(rgb: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
    """Return the numbers (h, w) of colors (h, w, 3) in the color map of VOC's development kit.

    It deals a number's bits, lowest first, to red, green and blue in turn, into their highest bits first.
    """
    numbers = np.zeros(rgb.shape[:2], np.uint8)
    for bit in range(8):
        numbers |= ((rgb[:, :, bit % 3] >> (7 - bit // 3)) & 1) << bit
    if (rgb & np.array([0b00011111, 0b00011111, 0b00111111], np.uint8)).any():
        raise AnnotationError(printable_path(path), "has colors that are not of VOC's color map")
    return numbers
