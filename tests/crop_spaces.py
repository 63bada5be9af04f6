"""Crop spaces of given vectors."""

from __future__ import annotations

import numpy as np

from objectspace.embeddings.spaces import Recipe, Space
from objectspace.objects.records import Objects


def make_space(name: str, objects: Objects, vectors: np.ndarray, **crop: object) -> Space:
    policy = {"background": "black", "margin": 0.5, "fit": "pad", **crop}
    recipe = Recipe("crop", "e", "0" * 64, "tap", {}, "float32", "0", crop=policy)
    return Space(name, recipe, objects.object_id, vectors.astype(np.float32))
