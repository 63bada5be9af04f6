"""Objects from a mask image beside each image: one of bright pixels, or one for each number in it."""

from __future__ import annotations

import fnmatch
import glob
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.arguments import typed
from objectspace.errors import AnnotationError, ImageError
from objectspace.files import guess_path, printable_path, recipe_digest
from objectspace.images import Image, Pixels, read_image
from objectspace.objects.annotations import Annotated, AnnotationSet, Problem
from objectspace.objects.annotations.annotation_reader import (
    Coverage,
    companion,
    coverage_by_files,
    file_digest,
)
from objectspace.objects.annotations.image_factors import FactorTable
from objectspace.objects.annotations.matching import ImageNames, files_by_name
from objectspace.objects.masks import encode, mask_box
from objectspace.objects.records import make_objects, no_objects

#: Numbers of objects in one mask; a smoothed shape has more levels.
_MOST_NUMBERS = 64

#: Images, and names in the folder, that a pattern is looked for with where the given one fits none.
_TRIED, _MOST_NAMES = 20, 20_000


@typed
def open_mask_images(
    folder: Path | str,
    *,
    pattern: str = "{stem}.png",
    label: str = "object",
    factors: FactorTable | None = None,
) -> AnnotationSet:
    """Open the mask images in a folder, named by ``pattern`` from the image's ``{stem}`` or ``{name}``.

    An object's label is its image's in the ``label`` column of ``factors``, else ``label``. Raises
    AnnotationError for a folder that is missing and a pattern without a place for the image's name.

    >>> Path("masks").mkdir()
    >>> osp.open_mask_images("masks", label="apple").recipe
    {'format': 'mask image', 'threshold': 'half of the brightest, or a number for each object'}
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise AnnotationError(
            str(folder), f"is not a folder, expected the folder of the mask images{guess_path(folder)}"
        )
    if "{stem}" not in pattern and "{name}" not in pattern:
        raise AnnotationError(
            str(folder), f"mask pattern {pattern!r} has no {{stem}}; expected one such as '{{stem}}-map.png'"
        )
    files = files_by_name(folder, (path for path in folder.rglob(f"*{Path(pattern).suffix}")))
    return MaskImages(folder, pattern, label, files, factors)


@dataclass(frozen=True, slots=True)
class MaskImages(AnnotationSet):
    """Mask images, each of its image's size, bright where the object is.

    A pixel is the object's when its brightest channel is above half of the brightest one of the whole
    mask, so masks drawn in 0 and 1 work as those in 0 and 255 do. A mask of several numbers or colors
    (:func:`_numbers`) has an object for each, in their order. The box is the mask's.
    """

    folder: Path
    pattern: str
    label: str
    by_name: ImageNames[Path]
    factors: FactorTable | None = None

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The format and its threshold."""
        return {"format": "mask image", "threshold": "half of the brightest, or a number for each object"}

    @property
    def source(self) -> str:
        """``mask-image@`` and the recipe's digest."""
        return f"mask-image@{recipe_digest(self.recipe)}"

    @property
    def factor_names(self) -> Collection[str]:
        """No factors: a mask is a shape."""
        return ()

    def contents(self, image_path: Path | str) -> str:
        """Return a digest of the image's mask and label."""
        mask = file_digest(self._mask(image_path))
        return recipe_digest({"label": self._label(str(image_path)), "mask": mask})

    def files(self, image_path: Path | str) -> Sequence[Path]:
        """Return the image's mask, and the path at which it was expected."""
        name = self._name(image_path)
        path = self._mask(image_path)
        return (self.folder / name,) if path is None else (path, self.folder / name)

    def coverage(self, image_paths: Sequence[Path | str]) -> Coverage:
        """Return the masks without an image; an image without a mask is a problem of its own, unless all are.

        Then the notes say what the pattern expects, and which one would fit.
        """
        shape = glob.escape(Path(self.pattern).name).replace("{stem}", "*").replace("{name}", "*")
        masks = self.folder.rglob(f"*{Path(self.pattern).suffix}")
        files = (path for path in masks if fnmatch.fnmatchcase(path.name, shape))
        claims = {str(image_path): self._mask(image_path) for image_path in image_paths}
        coverage = coverage_by_files(files, claims)
        if any(claims.values()) or not claims:
            return coverage._replace(unnamed=())
        first = Path(image_paths[0]).name
        expected = f"by the mask pattern {self.pattern!r} the mask of {first} is {self._name(first)}"
        fitting = self._fitting_pattern(image_paths)
        note = f"{expected}; {fitting!r} would fit" if fitting else expected
        return coverage._replace(notes=(note,))

    def _fitting_pattern(self, image_paths: Sequence[Path | str]) -> str | None:
        """Return the pattern by which most of some images have a mask in the folder; None where none has."""
        names = [path.name for path, _ in zip(self.folder.rglob("*.*"), range(_MOST_NAMES), strict=False)]
        stems = [Path(path).stem for path in image_paths[:_TRIED]]
        fitting = Counter(name.replace(stem, "{stem}") for stem in stems for name in names if stem in name)
        return fitting.most_common(1)[0][0] if fitting else None

    def objects_of(self, image: Image) -> Annotated:
        """Return the image's objects, or the problem with its mask."""
        image_path = Path(image.path)
        name = self._name(image_path)
        path = self._mask(image_path)
        if path is None:
            return _problem(self.folder / name, f"there is no such mask image for {image.path}")
        try:
            mask_image = read_image(path)
        except ImageError as error:
            return _problem(path, error.reason)
        if (mask_image.width, mask_image.height) != (image.width, image.height):
            return _problem(
                path,
                f"is {mask_image.width} x {mask_image.height} pixels, "
                f"its photo {image.width} x {image.height}",
            )
        if not mask_image.pixels.any():
            return _problem(path, "is an empty mask, expected bright pixels where the object is")
        masks = [encode(pixels) for pixels in _object_pixels(mask_image.pixels)]
        objects = make_objects(
            image_id=image.image_id,
            xyxy=np.array([mask_box(mask) for mask in masks], np.float32),
            label=[self._label(image.path)] * len(masks),
            mask=masks,
            source=self.source,
        )
        return Annotated(objects)

    def _mask(self, image_path: Path | str) -> Path | None:
        return companion(self.folder, image_path, self._name(image_path), self.by_name)

    def _name(self, image_path: Path | str) -> str:
        image_path = Path(image_path)
        return self.pattern.replace("{stem}", image_path.stem).replace("{name}", image_path.name)

    def _label(self, image_path: str) -> str:
        own = None if self.factors is None else self.factors.label_of(image_path)
        return self.label if own is None else own


def _object_pixels(rgb: Pixels) -> Iterator[NDArray[np.bool_]]:
    """Yield the pixels (h, w) of each object in a mask (h, w, 3) that is not black."""
    red, green, blue = (rgb[:, :, channel].astype(np.int32) for channel in range(3))
    colors = red << 16 | green << 8 | blue
    numbers = _numbers(colors)
    if numbers:
        yield from (colors == number for number in numbers)
    else:
        brightness = rgb.max(2)
        yield brightness > brightness.max() / 2


def _numbers(colors: NDArray[np.int32]) -> list[int]:
    """Return the colors (h, w) of a mask that number its objects; none where it is one bright shape.

    1, 2, 3 … do. Others do when they are few and two of them fill a block of pixels:
    the gray levels along the smoothed edge of a shape are many, or fill none.
    """
    found = [int(color) for color in np.unique(colors) if color]
    if len(found) < 2 or len(found) > _MOST_NUMBERS:
        return []
    if [color & 0xFF for color in found] == list(range(1, len(found) + 1)):
        return found
    solid = sum(_fills_a_block(colors == color) for color in found)
    return found if solid > 1 else []


def _fills_a_block(pixels: NDArray[np.bool_]) -> bool:
    """Tell whether pixels (h, w) hold a block of 3 x 3."""
    if min(pixels.shape) < 3:
        return False
    rows = pixels[2:] & pixels[1:-1] & pixels[:-2]
    return bool((rows[:, 2:] & rows[:, 1:-1] & rows[:, :-2]).any())


def _problem(path: Path, reason: str) -> Annotated:
    return Annotated(no_objects(), (Problem(printable_path(path), reason),))
