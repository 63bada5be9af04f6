"""Approximate search in a joint space: by the parts' indexes, with true distances and a recall of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from objectspace.embeddings.spaces import Recipe
from objectspace.errors import InputError, QueryError
from objectspace.jobs.build_index import index_space
from objectspace.jobs.join import join_spaces
from objectspace.objects.records import concatenate, make_objects
from objectspace.search import SpaceSearch, approximate, approximate_joint
from objectspace.store import Batch, ImageRow, SpaceRows, StoredJointVectors, Writer, open_store, open_writer
from objectspace.store.manifest import MANIFEST

CROP = Recipe("crop", "resnet50", "aa", "pooled", {}, "float32", "0.1.0", crop={"margin": 0.0})
FINE = Recipe("window", "tiny", "bb", "21", {}, "float32", "0.1.0", 3, "own", 16)
COARSE = Recipe("window", "tiny", "bb", "14", {}, "float32", "0.1.0", 3, "own", 32)
NAMES = ("resnet50-crop", "tiny-window3-stride16", "tiny-window3-stride32")
IMAGES, EACH = 250, 4  # 1000 objects, of which 900 have a window, 300 a fine one


def add(path: Path, first: int, images: int) -> None:
    """Add images of four objects each: classes of 20, windows at two strides, in another order than crops."""
    rows = [ImageRow(f"{number:032x}", f"{number}.jpg", 64, 48) for number in range(first, first + images)]
    boxes = np.array([[0, 0, 10 + side, 10] for side in range(EACH)], np.float32)
    objects = concatenate(
        [
            make_objects(
                image_id=row.image_id, xyxy=boxes, label=["dog", "cat", "dog", "owl"], source="mine@1"
            )
            for row in rows
        ]
    )
    count = len(objects)
    some = np.arange(count)
    members = (some, some[some % 10 < 3][::-1], some[some % 10 > 3])
    vectors = {}
    for number, (name, of, recipe, dimension) in enumerate(
        zip(NAMES, members, (CROP, FINE, COARSE), (24, 16, 32), strict=True)
    ):
        classes = np.random.default_rng(number).normal(size=(50, dimension))
        noise = np.random.default_rng([first, number]).normal(size=(len(of), dimension))
        given = (classes[(of + first) % 50] + 0.4 * noise).astype(np.float32)
        given[1] = given[2]
        vectors[name] = SpaceRows(recipe, objects.object_id[of], given)
    batch = Batch(images=rows, objects=objects, thumbnails=[b"jpeg"] * count, job="job", vectors=vectors)
    with open_writer(path) as writer:
        writer.commit(batch)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plain") / "dogs.osp"
    add(path, 0, IMAGES)
    join_spaces(path, ("resnet50-crop", "tiny-window3"), name="both", weights={"resnet50-crop": 2})
    return path


@pytest.fixture(scope="module")
def indexed(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(shutil.copytree(plain, tmp_path_factory.mktemp("indexed") / "dogs.osp"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(approximate, "_SAMPLE", 60)
        index_space(path, "both")
    return path


@pytest.fixture
def path(plain: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(plain, tmp_path / "dogs.osp"))


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that leaves up to 250 rows is answered exactly; so cats are few and dogs many."""
    monkeypatch.setattr(approximate, "FEW", 250)
    monkeypatch.setattr(approximate_joint, "FEW", 250)


@pytest.fixture
def small_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recall, which takes longer than the index, of 20 objects, where it is not what is tested."""
    monkeypatch.setattr(approximate, "_SAMPLE", 20)


def searches(path: Path, metric: str = "cosine") -> tuple[SpaceSearch, SpaceSearch]:
    nearly = SpaceSearch(open_store(path), "both", metric=metric, approximate=True)
    return nearly, SpaceSearch(open_store(path), "both", metric=metric)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("filters", [{}, {"same_image": True}, {"label": "dog"}, {"label": "owl"}])
def test_the_answers_are_those_of_exact_search(indexed: Path, metric: str, filters: dict) -> None:
    """Classes are far apart, so the candidates hold the nearest, and ties go by id as they do exactly."""
    nearly, exact = searches(indexed, metric)
    ids = exact.space.object_id[::53].tolist()
    for one, other in zip(
        nearly.nearest(nearly.stored(ids), k=8, **filters),
        exact.nearest(exact.stored(ids), k=8, **filters),
        strict=True,
    ):
        assert one.neighbors.object_id.tolist() == other.neighbors.object_id.tolist()
        assert one.distance.tolist() == other.distance.tolist()
        assert [n["parts"] for n in one.to_json()["neighbors"]] == [
            n["parts"] for n in other.to_json()["neighbors"]
        ]


@pytest.mark.parametrize("label", [None, "owl"])
def test_candidates_of_several_queries_are_read_at_once_up_to_so_many_bytes(
    indexed: Path, monkeypatch: pytest.MonkeyPatch, label: str | None
) -> None:
    """By the index, and as a filter leaves few: whose candidates are read together changes no answer."""
    nearly, _ = searches(indexed)
    queries = nearly.stored(nearly.space.object_id[::90].tolist())
    reads, of_rows = 0, StoredJointVectors.object_ids

    def counted(vectors: StoredJointVectors, rows: Any = None) -> Any:
        nonlocal reads
        reads += 1
        return of_rows(vectors, rows)

    monkeypatch.setattr(StoredJointVectors, "object_ids", counted)
    answers, counts = [], []
    # The candidates of all, of a few, and of one.
    for rows in (1e6, 700, 1):
        monkeypatch.setattr(approximate_joint, "PROPOSED", int(rows * 4 * nearly.space.dimension))
        reads = 0
        found = nearly.nearest(queries, k=6, label=label, same_image=True)
        answers.append([answer.to_json() for answer in found])
        counts.append(reads)
    assert answers[0] == answers[1] == answers[2]
    assert counts[0] < counts[1] < counts[2] == counts[0] + len(queries.vectors) - 1


def test_its_recall_is_measured_and_kept(indexed: Path) -> None:
    index = open_store(indexed).stored_space("both").index
    assert index is not None
    assert (index.metric, index.count) == ("cosine", IMAGES * EACH)
    assert index.recall.n == 60
    assert index.recall.recall_at_10 > 0.95
    info = next(space for space in open_store(indexed).info().spaces if space.name == "both")
    assert (info.index, info.unindexed) == (index, 0)


def test_a_poor_index_has_a_poor_recall(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("objectspace.jobs.build_index._CANDIDATES", 1)
    monkeypatch.setattr(approximate, "_SAMPLE", 40)
    told = index_space(path, "both", kind="ivf-pq").recall
    nearly, exact = searches(path)
    drawn = np.sort(np.random.default_rng(0).choice(IMAGES * EACH, 40, replace=False))
    ids = exact.space.object_id[drawn].tolist()
    found = []
    for one, other in zip(nearly.nearest(nearly.stored(ids)), exact.nearest(exact.stored(ids)), strict=True):
        found += (one.distance <= other.distance[-1]).tolist()
    assert told.recall_at_10 == pytest.approx(np.mean(found), abs=0.02)
    assert told.recall_at_10 < 1


@pytest.mark.usefixtures("small_sample")
def test_a_space_too_small_for_an_index_proposes_all(tmp_path: Path) -> None:
    path = tmp_path / "small.osp"
    add(path, 0, 100)  # 120 fine windows, 240 coarse ones, 400 crops
    join_spaces(path, ("resnet50-crop", "tiny-window3"), name="both")
    index_space(path, "both")
    assert open_store(path).stored_space("resnet50-crop").index is not None
    assert open_store(path).stored_space("tiny-window3-stride16").index is None
    nearly, exact = searches(path)
    ids = exact.space.object_id[::19].tolist()
    for one, other in zip(
        nearly.nearest(nearly.stored(ids), k=5), exact.nearest(exact.stored(ids), k=5), strict=True
    ):
        assert one.neighbors.object_id.tolist() == other.neighbors.object_id.tolist()


@pytest.mark.usefixtures("small_sample")
def test_objects_that_came_later_are_found_and_counted(indexed: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(indexed, tmp_path / "later.osp"))
    add(path, IMAGES, 5)
    nearly, exact = searches(path)
    assert nearly.approximate is not None
    assert nearly.approximate.unindexed == 20
    before = set(open_store(indexed).members("both"))
    ids = [name for name in exact.space.object_id.tolist() if name not in before]
    for one, other in zip(
        nearly.nearest(nearly.stored(ids), k=5), exact.nearest(exact.stored(ids), k=5), strict=True
    ):
        assert one.neighbors.object_id.tolist() == other.neighbors.object_id.tolist()
    index_space(path, "both")
    again = searches(path)[0].approximate
    assert again is not None
    assert again.unindexed == 0


@pytest.mark.usefixtures("small_sample")
def test_a_part_that_was_indexed_anew_needs_a_new_recall(indexed: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(indexed, tmp_path / "anew.osp"))
    index_space(path, "resnet50-crop", kind="ivf-pq", metric="cosine")
    with pytest.raises(QueryError, match="space both has no approximate index; build it with: objectspace"):
        SpaceSearch(open_store(path), "both", approximate=True)
    assert next(s for s in open_store(path).info().spaces if s.name == "both").index is None


@pytest.mark.usefixtures("small_sample")
def test_an_index_of_a_part_is_not_replaced_unasked(path: Path) -> None:
    index_space(path, "resnet50-crop", metric="euclidean")
    before = (path / MANIFEST).read_bytes()
    with pytest.raises(InputError, match=r"resnet50-crop, a part of joint space both, has an index .*needed"):
        index_space(path, "both")
    assert (path / MANIFEST).read_bytes() == before


@pytest.mark.usefixtures("small_sample")
def test_the_index_of_a_part_that_fits_is_taken(path: Path) -> None:
    index_space(path, "resnet50-crop", metric="cosine")
    before = json.loads((path / MANIFEST).read_text())["tables"]["spaces/resnet50-crop"]
    index_space(path, "both")
    assert json.loads((path / MANIFEST).read_text())["tables"]["spaces/resnet50-crop"] == before


@pytest.mark.usefixtures("small_sample")
def test_a_build_that_is_cut_short_leaves_a_whole_store(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Writer, "index_joint", die)
    with pytest.raises(KeyboardInterrupt):
        index_space(path, "both")
    monkeypatch.undo()
    assert len(open_store(path).space("both")) == IMAGES * EACH
    assert open_store(path).stored_space("both").index is None
    assert index_space(path, "both").count == IMAGES * EACH
