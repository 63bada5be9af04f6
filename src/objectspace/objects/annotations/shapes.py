"""One annotated object of any format, and the objects made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectspace.objects.annotations.attributes import attribute_column
from objectspace.objects.records import Mask, Objects, make_objects

_NONE: Mapping[str, Any] = MappingProxyType({})


class Shape(NamedTuple):
    """One object: its box (4,) in pixels of the image, label, mask, attributes where the format has any."""

    box: NDArray[np.float32]
    label: str
    mask: Mask | None
    attributes: Mapping[str, Any] = _NONE


def objects_of_shapes(
    image_id: str, source: str, shapes: Sequence[Shape], attributes: Mapping[str, bool] = _NONE
) -> Objects:
    """Make the objects of one image, in order, duplicates once.

    attributes: the factor columns, name -> whether they are numbers
    """
    return make_objects(
        image_id=image_id,
        xyxy=np.array([shape.box for shape in shapes], np.float32).reshape(-1, 4),
        label=[shape.label for shape in shapes],
        mask=[shape.mask for shape in shapes],
        source=source,
        factors={
            name: attribute_column([shape.attributes.get(name) for shape in shapes], numeric=numeric)
            for name, numeric in attributes.items()
        },
    )
