"""One object per image from a mask image beside it (the ETH-80 apples)."""

from __future__ import annotations

import fnmatch
import glob
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from objectspace.errors import AnnotationError, ImageError
from objectspace.files import printable_path, recipe_digest
from objectspace.images import Image, read_image
from objectspace.objects.annotations import Annotated, AnnotationSet, Problem
from objectspace.objects.annotations.annotation_reader import (
    Coverage,
    companion,
    coverage_by_files,
    file_digest,
)
from objectspace.objects.annotations.image_factors import FactorTable
from objectspace.objects.masks import encode, mask_box
from objectspace.objects.records import make_objects, no_objects


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
    {'format': 'mask image', 'threshold': 'half of the brightest'}
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise AnnotationError(str(folder), "is not a folder, expected the folder of the mask images")
    if "{stem}" not in pattern and "{name}" not in pattern:
        raise AnnotationError(
            str(folder), f"mask pattern {pattern!r} has no {{stem}}; expected one such as '{{stem}}-map.png'"
        )
    return MaskImages(folder, pattern, label, factors)


@dataclass(frozen=True, slots=True)
class MaskImages(AnnotationSet):
    """Mask images, each of its image's size, bright where the object is.

    A pixel is the object's when its brightest channel is above half of the brightest one of the whole
    mask, so masks drawn in 0 and 1 work as those in 0 and 255 do. The box is the mask's.
    """

    folder: Path
    pattern: str
    label: str
    factors: FactorTable | None = None

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The format and its threshold."""
        return {"format": "mask image", "threshold": "half of the brightest"}

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
        mask = file_digest(companion(self.folder, image_path, self._name(image_path)))
        return recipe_digest({"label": self._label(str(image_path)), "mask": mask})

    def files(self, image_path: Path | str) -> Sequence[Path]:
        """Return the image's mask, and the path at which it was expected."""
        name = self._name(image_path)
        path = companion(self.folder, image_path, name)
        return (self.folder / name,) if path is None else (path, self.folder / name)

    def coverage(self, image_paths: Sequence[Path | str]) -> Coverage:
        """Return the masks without an image; an image without a mask is a problem of its own."""
        shape = glob.escape(Path(self.pattern).name).replace("{stem}", "*").replace("{name}", "*")
        masks = self.folder.rglob(f"*{Path(self.pattern).suffix}")
        files = (path for path in masks if fnmatch.fnmatchcase(path.name, shape))
        claims = {
            str(image_path): companion(self.folder, image_path, self._name(image_path))
            for image_path in image_paths
        }
        return coverage_by_files(files, claims)._replace(unnamed=())

    def objects_of(self, image: Image) -> Annotated:
        """Return the image's one object, or the problem with its mask."""
        image_path = Path(image.path)
        name = self._name(image_path)
        path = companion(self.folder, image_path, name)
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
        brightness = mask_image.pixels.max(2)
        if not brightness.any():
            return _problem(path, "is an empty mask, expected bright pixels where the object is")
        mask = encode(brightness > brightness.max() / 2)
        objects = make_objects(
            image_id=image.image_id,
            xyxy=mask_box(mask)[None],
            label=[self._label(image.path)],
            mask=[mask],
            source=self.source,
        )
        return Annotated(objects)

    def _name(self, image_path: Path | str) -> str:
        image_path = Path(image_path)
        return self.pattern.replace("{stem}", image_path.stem).replace("{name}", image_path.name)

    def _label(self, image_path: str) -> str:
        own = None if self.factors is None else self.factors.label_of(image_path)
        return self.label if own is None else own


def _problem(path: Path, reason: str) -> Annotated:
    return Annotated(no_objects(), (Problem(printable_path(path), reason),))
