"""An index built by fragments is as good as that of one process; workers run one after another here."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from objectspace.errors import StoreError
from objectspace.jobs.add_embeddings import add_embeddings
from objectspace.jobs.build_index import index_space
from objectspace.jobs.join import join_spaces
from objectspace.pipeline.engine_ray import RayEngine
from objectspace.search import SpaceSearch, approximate
from objectspace.store import open_store, open_writer, segments, tables
from objectspace.store.segments import SegmentBuilder, even_groups


class InThisProcess(RayEngine):
    """Workers that run here one after another; what they are given and what they return is pickled."""

    @contextmanager
    def connect(self) -> Iterator[Any]:
        yield self

    @property
    def size(self) -> int:
        return self.workers or 1

    def map(self, work: Callable[[Any], Any], arguments: Sequence[Any]) -> list[Any]:
        copies = pickle.loads(pickle.dumps([(work, one) for one in arguments]))  # noqa: S301 - our own bytes
        return [pickle.loads(pickle.dumps(run(one))) for run, one in copies]  # noqa: S301


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, add_objects: Any, noise: np.ndarray) -> Path:
    """780 vectors in five files of unequal size, twenty of them removed from the second."""
    path: Path = tmp_path_factory.mktemp("store") / "plain.osp"
    start = 0
    for size in (600, 40, 20, 50, 70):
        add_objects(path, noise[start : start + size], first=start // 10)
        start += size
    with open_writer(path) as writer:
        writer.remove_images([row.image_id for row in open_store(path).images()[61:63]])
    return path


@pytest.fixture
def store(tmp_path: Path, plain: Path) -> Path:
    return Path(shutil.copytree(plain, tmp_path / "s.osp"))


def test_groups_hold_about_as_many_rows() -> None:
    assert even_groups({0: 5, 1: 9, 2: 4, 3: 1}, 2) == [[1, 3], [0, 2]]
    assert even_groups({7: 1, 3: 1}, 5) == [[3], [7]]
    rows = {number: int(size) for number, size in enumerate(np.random.default_rng(1).integers(1, 900, 40))}
    groups = even_groups(rows, 6)
    assert sorted(number for group in groups for number in group) == list(rows)
    sums = [sum(rows[number] for number in group) for group in groups]
    assert max(sums) - min(sums) <= max(rows.values())


@pytest.mark.parametrize(
    ("kind", "parts", "metric", "kept"),
    [
        ("ivf-pq", 1, "euclidean", "float32"),
        ("ivf-pq", 1, "cosine", "float16"),
        ("ivf-hnsw-sq", 3, "euclidean", "float16"),
        ("ivf-hnsw-sq", 3, "cosine", "float32"),
    ],
)
def test_answers_and_recall_are_those_of_one_index(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    add_objects: Any,
    noise: np.ndarray,
    kind: str,
    parts: int,
    metric: str,
    kept: str,
) -> None:
    monkeypatch.setattr(approximate, "_SAMPLE", 60)
    path = tmp_path / "s.osp"
    for start in range(0, 600, 120):
        add_objects(path, noise[start : start + 120], first=start // 10, kept=kept)
    whole = index_space(path, "a-crop", kind=kind, metric=metric)
    built = index_space(path, "a-crop", kind=kind, metric=metric, engine=InThisProcess(workers=3))
    assert (built.kind, built.metric, built.count, built.settings) == (kind, metric, 600, whole.settings)
    assert built.recall.n == 60
    assert built.recall.recall_at_10 >= whole.recall.recall_at_10 - 0.05
    held = open_store(path).stored_space("a-crop")
    assert held.index == built
    assert held.vectors.unindexed == 0
    (index,) = (one for one in table_of(path).describe_indices() if one.name == "vector")
    assert len(index.segments) == parts
    covered = sorted(number for part in index.segments for number in part.fragment_ids)
    assert covered == sorted(tables.rows_by_fragment(table_of(path)))
    ids = held.object_id[:30].tolist()
    nearly, exact = (
        SpaceSearch(open_store(path), "a-crop", metric=metric, approximate=one).nearest(
            ids, k=1, same_image=True
        )
        for one in (True, False)
    )
    alike = [
        one.distance[0] for one, other in zip(nearly, exact, strict=True) if one.distance == other.distance
    ]
    assert len(alike) >= 27


def table_of(path: Path) -> Any:
    return open_store(path)._table("spaces/a-crop")


@pytest.mark.usefixtures("small_sample")
def test_files_with_removed_rows_and_an_index_before(store: Path) -> None:
    index_space(store, "a-crop", kind="ivf-hnsw-sq")
    built = index_space(store, "a-crop", kind="ivf-pq", engine=InThisProcess(workers=4))
    assert (built.count, open_store(store).stored_space("a-crop").vectors.unindexed) == (760, 0)
    search = SpaceSearch(open_store(store), "a-crop", approximate=True)
    found = {
        name
        for answer in search.nearest(open_store(store).members("a-crop")[::4], k=20, same_image=True)
        for name in answer.neighbors.object_id
    }
    assert found <= set(open_store(store).members("a-crop"))
    # Another one of the other kind takes its place again.
    index_space(store, "a-crop", kind="ivf-hnsw-sq", engine=InThisProcess(workers=2))
    assert [one.index_type for one in table_of(store).describe_indices() if one.name == "vector"] == [
        "IVF_HNSW_SQ"
    ]


@pytest.mark.usefixtures("small_sample")
def test_vectors_that_come_later_are_compared_one_by_one(
    store: Path, add_objects: Any, noise: np.ndarray
) -> None:
    index_space(store, "a-crop", kind="ivf-pq", engine=InThisProcess(workers=2))
    add_objects(store, noise[780:800], first=78)
    assert open_store(store).stored_space("a-crop").vectors.unindexed == 20


def test_the_parts_of_a_joint_space(store: Path, noise: np.ndarray) -> None:
    ids = open_store(store).members("a-crop")
    add_embeddings(store, "b", ids, noise[-len(ids) :], model="mine")
    join_spaces(store, ("a-crop", "b"), name="both")
    built = index_space(store, "both", kind="ivf-pq", engine=InThisProcess(workers=2))
    assert built.recall.recall_at_10 > 0.8
    assert [open_store(store).stored_space(name).index is None for name in ("a-crop", "b")] == [False, False]


@pytest.mark.usefixtures("small_sample")
def test_few_vectors_are_indexed_here(tmp_path: Path, add_objects: Any, noise: np.ndarray) -> None:
    add_objects(tmp_path / "s.osp", noise[:510])
    engine = InThisProcess(workers=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InThisProcess, "map", None)
        assert index_space(tmp_path / "s.osp", "a-crop", kind="ivf-pq", engine=engine).count == 510


@pytest.mark.usefixtures("small_sample")
@pytest.mark.parametrize("moment", ["a segment", "the commit"])
def test_what_fails_leaves_the_store_as_it_was(
    store: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    before = index_space(store, "a-crop", kind="ivf-pq", metric="euclidean")
    name = {"a segment": "index_segment", "the commit": "commit_segments"}[moment]
    function, calls = getattr(tables, name), []

    def fail(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        if moment == "a segment" and len(calls) < 2:
            return function(*arguments, **options)
        raise OSError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(tables, name, fail)
        with pytest.raises(
            StoreError, match=r"could not be written \(the disk is gone\) and keeps what it had"
        ):
            index_space(store, "a-crop", kind="ivf-hnsw-sq", engine=InThisProcess(workers=2))
    assert open_store(store).stored_space("a-crop").index == before
    search = SpaceSearch(open_store(store), "a-crop", metric="euclidean", approximate=True)
    assert len(search.nearest(open_store(store).members("a-crop")[:3], k=5, same_image=True)) == 3
    index_space(store, "a-crop", kind="ivf-hnsw-sq", engine=InThisProcess(workers=2))


def test_a_worker_that_does_not_see_the_store_says_so(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments.FragmentWriter, "reaches_store", lambda self: False)
    builder = SegmentBuilder(
        segments.FragmentWriter.of(store), "spaces/a-crop", 1, "IVF_PQ", "cosine", 256, {}
    )
    with pytest.raises(StoreError, match=r"a worker does not see the store at .*s.osp; keep it where every"):
        builder([0])
