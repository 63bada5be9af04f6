"""The nearest objects of other photos, of vectors in memory and on disk, against sorted distances."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import PIL.Image
import pytest

import objectspace as osp
from objectspace.images import read_image
from objectspace.neighbors import NO_NEIGHBOR, Block, JointVectors, Neighbors, Part
from objectspace.objects.records import concatenate, make_objects
from objectspace.search.audit import neighborhood
from objectspace.search.audit.copies import least_unlike
from objectspace.search.audit.equal_pixels import equal_boxes
from objectspace.search.audit.neighborhood import K, Neighborhood
from objectspace.store import open_store

COUNT, NUMBERS = 70, 5


class OnDisk:
    """Vectors that are read on demand, and what was read."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors, self.shape, self.read = vectors, vectors.shape, []

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, rows: Any) -> np.ndarray:
        self.read.append(len(self.vectors[rows]))
        return self.vectors[rows]


@pytest.fixture(params=["all", "some"])
def rows(request: pytest.FixtureRequest) -> np.ndarray:
    kept = np.random.default_rng(52).random(COUNT) < 0.7
    return np.arange(COUNT) if request.param == "all" else np.flatnonzero(kept)


def make_space() -> SimpleNamespace:
    vectors = np.random.default_rng(51).standard_normal((COUNT, NUMBERS)).astype(np.float32)
    ids = np.array([f"{row * 37 % COUNT:03d}" for row in range(COUNT)])
    return SimpleNamespace(vectors=OnDisk(vectors), object_id=ids)


def check(found: Neighbors, queries: np.ndarray, vectors: np.ndarray, k: int, left_out: np.ndarray) -> None:
    """The k smallest of 1 - cosine among the rows that are not left out (q, n)."""
    units = [some.astype(float) / np.linalg.norm(some, axis=1, keepdims=True) for some in (queries, vectors)]
    distances = np.where(left_out, np.inf, 1 - units[0] @ units[1].T)
    for row, own in enumerate(distances):
        near = np.argsort(own, kind="stable")[: min(k, int((~left_out[row]).sum()))]
        assert found.index[row].tolist() == near.tolist() + [NO_NEIGHBOR] * (k - len(near))
        np.testing.assert_allclose(found.distance[row, : len(near)], own[near], atol=1e-6)


@pytest.mark.parametrize("most", [1 << 40, 0], ids=["in memory", "on disk"])
@pytest.mark.parametrize("at_once", [1 << 28, 4 * NUMBERS * 7, 1])
def test_neighbors_are_those_of_all_distances(
    monkeypatch: pytest.MonkeyPatch, rows: np.ndarray, most: int, at_once: int
) -> None:
    """Of unequal photos, by themselves, of some rows, in photos that are copies, and from outside."""
    monkeypatch.setattr(neighborhood, "IN_MEMORY", most)
    monkeypatch.setattr(neighborhood, "_QUERIES", at_once)
    space, random = make_space(), np.random.default_rng(53)
    image = np.array([f"photo{number**2}" for number in random.integers(0, 6, len(rows))])
    near = Neighborhood(space, rows, image)  # type: ignore[arg-type]
    vectors = space.vectors.vectors[rows]
    assert isinstance(near.vectors, np.ndarray) is (most > 0)
    assert len(near) == len(rows)
    assert near.approximate is None
    check(near.near, vectors, vectors, K, image[:, None] == image)
    asked = random.permutation(len(rows))[:23]
    check(near.nearest_of(asked, 4), vectors[asked], vectors, 4, image[asked][:, None] == image)
    photo = random.integers(0, 3, len(rows))
    found = near.nearest_of(asked, len(rows), photo)
    check(found, vectors[asked], vectors, len(rows), photo[asked][:, None] == photo)
    outside = random.standard_normal((9, NUMBERS)).astype(np.float32)
    check(near.nearest(outside), outside, vectors, K, np.zeros((9, len(rows)), bool))
    own = np.array(["photo4", "elsewhere", "photo25"] * 3)
    check(near.nearest(outside, own), outside, vectors, K, own[:, None] == image)
    nobody = near.nearest_of(np.empty(0, np.int64), 3)
    assert nobody.index.shape == nobody.distance.shape == (0, 3)


def test_vectors_stay_on_disk_where_they_are_larger_than_what_fits(
    monkeypatch: pytest.MonkeyPatch, rows: np.ndarray
) -> None:
    size = 4 * len(rows) * NUMBERS
    for most, in_memory in ((size, True), (size - 1, False)):
        monkeypatch.setattr(neighborhood, "IN_MEMORY", most)
        space = make_space()
        found = neighborhood._read(space.vectors, rows)
        assert isinstance(found, np.ndarray) is in_memory
        assert found.shape == (len(rows), NUMBERS)
        np.testing.assert_array_equal(found[3:9], space.vectors.vectors[rows[3:9]])


@pytest.mark.parametrize(("at_once", "most"), [(4 * NUMBERS * 7, 7), (4 * NUMBERS * 7 - 1, 6), (1, 1)])
def test_so_many_bytes_of_vectors_are_searched_at_once(
    at_once: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighborhood, "_QUERIES", at_once)
    space, counts = make_space(), []
    near = Neighborhood(space, np.arange(COUNT), np.arange(COUNT).astype(str))  # type: ignore[arg-type]
    nearest = near._index.nearest

    def search(vectors: np.ndarray, **asked: Any) -> Neighbors:
        counts.append(len(vectors))
        return nearest(vectors, **asked)

    monkeypatch.setattr(near._index, "nearest", search)
    near.nearest_of(np.arange(20), 3)
    assert counts == [most] * (20 // most) + [20 % most] * (20 % most > 0)


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_joint_vectors_stay_on_disk_where_all_are_asked_for_and_do_not_fit(
    more: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = Block(np.arange(18, dtype=np.float32).reshape(6, 3), np.arange(6))
    vectors = JointVectors([Part("p", 1.0, 0.0, (block,))], 6)
    monkeypatch.setattr(neighborhood, "IN_MEMORY", vectors.nbytes + more)
    assert (neighborhood._read(vectors, np.arange(6)) is vectors) is (more < 0)  # type: ignore[arg-type]
    some = neighborhood._read(vectors, np.array([5, 1]))  # type: ignore[arg-type]
    assert len(some) == 2
    assert some is not vectors


@pytest.mark.parametrize("count", [1, 5, 11, 12, 13])
def test_so_many_pairs_are_the_least_unlike(count: int) -> None:
    """Of twelve; where there are no more, all of them count."""
    unlike = np.random.default_rng(54).permutation(12).reshape(3, 4) / 10
    expected = sorted(unlike.ravel().tolist())[count - 1] if count < 12 else np.inf
    assert least_unlike(unlike, count) == expected


def test_equal_boxes_hold_the_same_pixels_in_the_same_shape(tmp_path: Path) -> None:
    """Of two photos and one that is gone: equal, moved, turned on their side, a pixel wider."""
    pixels = np.random.default_rng(55).integers(0, 256, (40, 60, 3), np.uint8)
    other = np.random.default_rng(56).integers(0, 256, (40, 60, 3), np.uint8)
    other[20:30, 5:25] = pixels[10:20, 30:50]
    # As many equal pixels in another shape.
    pixels[0:4, 0:6], other[0:6, 0:4] = 9, 9
    parts, paths = [], {}
    boxes = (
        [[30, 10, 50, 20], [0, 0, 6, 4], [0, 0, 2, 2]],
        [[5, 20, 25, 30], [0, 0, 4, 6], [5, 20, 26, 30], [0, 0, 2, 2]],
        [[30, 10, 50, 20]],
    )
    for number, (content, own) in enumerate(zip((pixels, other, pixels[:, ::-1]), boxes, strict=True)):
        path = tmp_path / f"{number}.png"
        PIL.Image.fromarray(np.ascontiguousarray(content)).save(path)
        image_id = read_image(path).image_id
        paths[image_id] = str(path)
        labels = ["a"] * len(own)
        parts.append(make_objects(image_id=image_id, xyxy=np.float32(own), label=labels, source="hand@1"))
    (tmp_path / "2.png").unlink()
    objects = concatenate(parts)
    pairs = {
        (0, 3): True,
        (3, 0): True,
        (0, 5): False,
        (1, 4): False,
        (2, 6): True,
        (7, 0): False,
        (7, 7): False,
    }
    pairs |= {(0, 0): True, (0, 1): False}
    first, second = np.array(list(pairs)).T
    assert equal_boxes(objects, first, second, paths).tolist() == list(pairs.values())


@pytest.mark.parametrize("approximate", [False, True])
def test_blocks_in_threads_are_joined_in_order(
    approximate: bool, tmp_path: Path, add_objects: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside float64 cosines of all with all, three objects to an image: in blocks of 37."""
    monkeypatch.setattr(neighborhood, "_ASKED", 37)
    vectors = np.random.default_rng(3).standard_normal((400, 8)).astype(np.float32)
    add_objects(tmp_path / "s.osp", vectors)
    if approximate:
        monkeypatch.setattr("objectspace.search.approximate._SAMPLE", 20)
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
