"""Objects of one image that have exactly the same vector: a window of a map belongs to a cell."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.files import content_id
from objectspace.neighbors import BlockSource, JointVectors

# Numbers in the vectors that are read, or of a joint space written out, at a time (4 MB).
_NUMBERS = 1 << 20


@dataclass(frozen=True, slots=True)
class SharedVectors:
    """How many objects share their vector, number for number, with another object of their image.

    objects: those that do; labels: those of them that share it with an object of another label
    """

    objects: int
    labels: int

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"objects": self.objects, "of_another_label": self.labels}


def count_shared(keys: Iterable[Hashable], image_id: NDArray[Any], label: NDArray[Any]) -> SharedVectors:
    """Return how many objects (n,) have the key of another object of their image.

    keys: (n,) what two objects have in common that share a vector, such as :func:`vector_keys`

    >>> count_shared([(3, 4), (3, 4), (5, 5)], np.array(["photo"] * 3), np.array(["cup", "fork", "cup"]))
    SharedVectors(objects=2, labels=2)

    Two objects share one where their centers lie in one cell and windows are taken around it, or where one
    object is in the store twice. RoIs, masks and crops are of an object's own box or mask, and tell the first
    apart.
    """
    pairs = zip(keys, image_id.tolist(), strict=True)
    # 64 bits each, so that a million objects take 8 MB.
    alike = np.fromiter(map(hash, pairs), np.int64, len(image_id))
    number, count = np.unique(alike, return_inverse=True, return_counts=True)[1:]
    rows = np.flatnonzero(count[number] > 1)
    labels: dict[int, set[str]] = {}
    for one, name in zip(number[rows].tolist(), label[rows].tolist(), strict=True):
        labels.setdefault(one, set()).add(name)
    differing = sum(len(labels[one]) > 1 for one in number[rows].tolist())
    return SharedVectors(len(rows), differing)


def vector_keys(vectors: NDArray[np.float32] | JointVectors | BlockSource) -> Iterator[str]:
    """Yield a digest of each vector (n, d), the same for equal ones."""
    size = max(1, _NUMBERS // max(1, vectors.shape[1]))
    for start in range(0, vectors.shape[0], size):
        for vector in np.asarray(vectors[start : start + size]):
            # Adding 0 makes -0 the same as 0.
            yield content_id((vector + 0.0).tobytes())
