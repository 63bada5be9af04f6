"""The nearest of all objects of a space, found once for all lists."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import objectspace as osp
from objectspace.search.audit import neighborhood
from objectspace.search.audit.neighborhood import Neighborhood
from objectspace.store import open_store


@pytest.mark.parametrize("approximate", [False, True])
def test_blocks_in_threads_are_joined_in_order(
    approximate: bool, tmp_path: Path, add_objects: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside float64 cosines of all with all, three objects to an image: in blocks of 37."""
    monkeypatch.setattr(neighborhood, "_ASKED", 37)
    vectors = np.random.default_rng(3).standard_normal((400, 8)).astype(np.float32)
    add_objects(tmp_path / "s.osp", vectors)
    osp.index_space(tmp_path / "s.osp", "a-crop")
    space = open_store(tmp_path / "s.osp").stored_space("a-crop")
    image = (np.arange(400) // 3).astype(str)
    near = Neighborhood(space, np.arange(400), image, approximate=approximate)
    directions = space.vectors[:].astype(np.float64)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    apart = np.where(image[:, None] == image, np.inf, 1 - directions @ directions.T)
    assert near.near.distance == pytest.approx(np.sort(apart, axis=1)[:, : neighborhood.K], abs=1e-6)
    assert near.near.distance == pytest.approx(np.take_along_axis(apart, near.near.index, 1), abs=1e-6)
    rows = np.array([399, 5, 200, 7])
    some = near.nearest_of(np.tile(rows, 30), 4)
    assert some.index.tolist() == near.near.index[np.tile(rows, 30), :4].tolist()
    assert near.nearest_of(np.empty(0, np.int64), 4).index.shape == (0, 4)
