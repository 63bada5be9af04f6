"""The index of a space that workers of a cluster build, whatever dies meanwhile."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import objectspace as osp
from objectspace.errors import InputError, ModelError, StoreError
from objectspace.places import Place
from objectspace.store import open_store, tables
from tests.cluster.conftest import MEMORY, Machines

pytestmark = pytest.mark.slow


def check_index(store: Place | str, built: osp.SpaceIndex, count: int) -> None:
    """The index knows all vectors, is in the store with its recall, and finds what is near."""
    assert (built.count, built.recall.n) == (count, 200)
    assert built.recall.recall_at_10 > 0.9
    held = open_store(store).stored_space("a-crop")
    assert held.index == built
    assert held.vectors.unindexed == 0
    search = osp.SpaceSearch(open_store(store), "a-crop", approximate=True)
    assert len(search.nearest(held.object_id[:3].tolist(), k=5)) == 3


def add(store: Any, add_objects: Any, noise: np.ndarray) -> None:
    for start in range(0, 800, 200):
        add_objects(store, noise[start : start + 200], first=start // 10)


@pytest.mark.parametrize("kind", ["ivf-pq", "ivf-hnsw-sq"])
def test_two_workers_of_this_machine(
    one_machine: Any, tmp_path: Path, add_objects: Any, noise: np.ndarray, kind: str
) -> None:
    store = tmp_path / "s.osp"
    add(store, add_objects, noise)
    built = osp.index_space(store, "a-crop", kind=kind, engine=osp.RayEngine(workers=2))
    check_index(store, built, 800)
    segments = [
        len(one.segments)
        for one in open_store(store)._table("spaces/a-crop").describe_indices()
        if one.name == "vector"
    ]
    assert segments == [1 if kind == "ivf-pq" else 2]


def test_a_store_in_a_bucket(ray: Any, bucket: str, add_objects: Any, noise: np.ndarray) -> None:
    ray.init(num_cpus=2, object_store_memory=MEMORY, include_dashboard=False, log_to_driver=False)
    store = f"{bucket}/s.osp"
    add(store, add_objects, noise)
    built = osp.index_space(store, "a-crop", kind="ivf-pq", engine=osp.RayEngine(workers=2))
    check_index(store, built, 800)


def test_two_machines_of_which_one_is_lost_at_work(
    ray: Any,
    two_machines: Machines,
    tmp_path: Path,
    add_objects: Any,
    noise: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = tmp_path / "s.osp"
    add(store, add_objects, noise)
    wait, waited = ray.wait, []

    def lose(promises: Any, **options: Any) -> Any:
        if not waited:
            two_machines.lose_one()
        waited.append(promises)
        return wait(promises, **options)

    monkeypatch.setattr(ray, "wait", lose)
    built = osp.index_space(store, "a-crop", kind="ivf-pq", engine=osp.RayEngine(workers=2))
    assert (len(waited), len(two_machines.nodes)) == (2, 1)
    check_index(store, built, 800)


# ------------------------------------------------------------------------------------------- work of any kind


def test_results_come_in_the_order_of_the_arguments(one_machine: Any) -> None:
    with osp.RayEngine(workers=2).connect() as workers:
        assert (workers.size, workers.cores) == (2, 1)
        assert workers.map(lambda number: number**2, range(7)) == [0, 1, 4, 9, 16, 25, 36]
        assert workers.map(lambda number: number, []) == []


def test_what_a_dead_worker_did_is_done_by_another(one_machine: Any, tmp_path: Path) -> None:
    def work(number: int) -> int:
        with (tmp_path / str(number)).open("a") as stream:
            stream.write("x")
        if number == 1 and (tmp_path / "1").stat().st_size < 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    with osp.RayEngine(workers=2).connect() as workers:
        assert workers.map(work, range(4)) == [0, 1, 2, 3]
    assert (tmp_path / "1").read_text() == "xxx"


def test_work_that_ends_every_worker_is_one_sentence(one_machine: Any) -> None:
    def work(number: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with (
        osp.RayEngine(workers=1).connect() as workers,
        pytest.raises(
            ModelError, match=r"3 workers ended over the same part of the work: .*give fewer worker"
        ),
    ):
        workers.map(work, [1])


def test_what_work_raises_is_raised_here(one_machine: Any) -> None:
    def work(number: int) -> None:
        raise StoreError("the store is on fire") if number else KeyError("oh")

    with osp.RayEngine(workers=1).connect() as workers:
        with pytest.raises(StoreError, match="the store is on fire"):
            workers.map(work, [1])
        with pytest.raises(ModelError, match="a worker failed: KeyError: 'oh'"):
            workers.map(work, [0])


def test_a_failed_build_leaves_the_store_as_it_was(
    one_machine: Any, tmp_path: Path, add_objects: Any, noise: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "s.osp"
    add(store, add_objects, noise)
    monkeypatch.setattr(tables, "train_codes", lambda *_: {"pq_codebook": "no codes"})
    with pytest.raises((StoreError, ModelError)):
        osp.index_space(store, "a-crop", kind="ivf-pq", engine=osp.RayEngine(workers=2))
    assert open_store(store).stored_space("a-crop").index is None


def test_no_cluster_at_an_address_is_one_sentence(
    ray: Any, tmp_path: Path, add_objects: Any, noise: np.ndarray
) -> None:
    store = tmp_path / "s.osp"
    add(store, add_objects, noise)
    with pytest.raises(InputError, match=r"no Ray cluster can be used at 127.0.0.1:9: .*; start one"):
        osp.index_space(store, "a-crop", engine=osp.RayEngine(address="127.0.0.1:9"))
