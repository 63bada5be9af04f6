"""Whatever a stranger has put into a store: right values or one sentence, soon and in little memory.

A sample of all cases runs; OBJECTSPACE_WHOLE_MATRIX=1 runs all, which takes half an hour or more, so with
``-o faulthandler_timeout=0``; -s prints each fault as it is found, and how all ended.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from objectspace.analyses import factors, probes, projection
from objectspace.analyses.factors import FactorSpec, measure_neighbors
from objectspace.analyses.projection import project
from objectspace.embeddings.joint import JOINT
from objectspace.errors import ImageError, ObjectspaceError, RecipeError, StoreError
from objectspace.export import FORMATS, export_store
from objectspace.images import encode_thumbnail
from objectspace.jobs.join import join_spaces
from objectspace.search import SpaceSearch, space_search
from objectspace.search.tiles import sheet_rows
from objectspace.store import Store, open_store, open_writer
from objectspace.store.examination import examine_store
from objectspace.store.repair import repair_store
from tests.store.tampering import column_changes, manifest_changes, rewrite, tamper

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="alarms and limits are Unix's")

#: Seconds that one command may take, and bytes by which the process may grow over all of them.
SECONDS = 60
GROWTH = 1 << 30


@pytest.fixture(scope="module")
def pristine(tmp_path_factory, make_batch) -> Path:
    path = tmp_path_factory.mktemp("tampered") / "dogs.osp"
    jpegs = [encode_thumbnail(np.full((30, 40, 3), 60 * row, np.uint8)) for row in range(4)]
    with open_writer(path) as writer:
        for number in range(6):
            batch = make_batch(number)
            objects = batch.objects.with_factors({"angle": np.array([30.0 * number, 10, 100, np.nan])})
            writer.commit(replace(batch, objects=objects, thumbnails=jpegs))
    join_spaces(path, ["resnet50-crop", "yolo-window"], name="joint")
    return path


# ---------------------------------------------------------------------------------------- what is read


def read_records(store: Store, folder: Path) -> None:
    info = store.info()
    assert sum(info.labels.values()) == info.objects
    images = store.images()
    assert len({row.image_id for row in images}) == len(images)
    assert all(width > 0 and height > 0 for width, height in store.image_wh().values())
    store.failures()
    store.indexed()


def read_objects(store: Store, folder: Path) -> None:
    objects = store.objects()
    assert len(set(objects.object_id.tolist())) == len(objects)
    x1, y1, x2, y2 = objects.xyxy.T
    assert np.isfinite(objects.xyxy).all()
    assert ((x1 < x2) & (y1 < y2)).all()
    assert not (objects.score > 1).any()
    assert not (objects.score < 0).any()
    assert store.objects(objects.object_id[:2]).object_id.tolist() == objects.object_id[:2].tolist()
    store.object_columns(["label", "xyxy", *store.factor_names])
    assert len(store.image_rows()) == len(objects)
    store.objects_of_images(objects.image_id[:1])
    assert len(store.thumbnails(objects.object_id)) == len(objects)


def read_vectors(store: Store, folder: Path) -> None:
    for name in store.space_names:
        space = store.space(name)
        assert np.isfinite(space.vectors).all()
        assert store.members(name) == space.object_id.tolist()
        assert store.stored_space(name).vectors.rows(space.object_id).tolist() == list(range(len(space)))
        assert np.isfinite(np.asarray(store.vectors(name, [0]) if len(space) else [])).all()
        store.object_rows(name)
        store.object_columns(["label"], name)
        store.cells(name)


def search(store: Store, folder: Path) -> None:
    for name in store.space_names:
        metrics = ("cosine",) if store.recipe(name).route == JOINT else ("euclidean", "cosine")
        for metric in metrics:
            opened = SpaceSearch(store, name, metric=metric)
            queries = opened.stored(
                [str(one) for one in opened.objects.take(np.arange(min(2, len(opened)))).object_id]
            )
            answers = opened.nearest(queries, k=3)
            for answer in answers:
                assert np.isfinite(answer.distance).all()
                assert (np.diff(answer.distance) >= 0).all()
            sheet_rows(store, answers)


def search_on_disk(store: Store, folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(space_search, "IN_MEMORY", 0)
        search(store, folder)


def measure(store: Store, folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # What the values are is tested elsewhere.
        patch.setattr(factors, "permutation_count", lambda objects, most: 19)
        patch.setattr(projection, "measure_probe", partial(probes.measure_probe, permuted=19))
        measure_all(store)


def measure_all(store: Store) -> None:
    for name in store.space_names:
        space = store.space(name)
        objects = store.objects(space.object_id)
        projected = project(space, objects, {"x": objects.xyxy[:, 0].astype(float)})
        assert np.isfinite(projected.coordinates).all()
    space = store.space("resnet50-crop")
    measured = measure_neighbors(space, store.objects(space.object_id), FactorSpec("angle"), k=2)
    assert np.isfinite(measured.overall.value)


def exporting(format: str) -> Callable[[Store, Path], None]:
    def export(store: Store, folder: Path) -> None:
        path = folder / f"out{FORMATS[format].suffix}"
        try:
            export_store(store, path, format)
        finally:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)

    return export


COMMANDS: dict[str, Callable[[Store, Path], None]] = {
    "records": read_records,
    "objects": read_objects,
    "vectors": read_vectors,
    "search": search,
    "search on disk": search_on_disk,
    "measure": measure,
    **{f"export {format}": exporting(format) for format in FORMATS},
}


@contextmanager
def soon() -> Iterator[None]:
    """A block that must end within SECONDS, also where it is stuck in a system call."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"took more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome(command: Callable[[], Any]) -> str:
    """How a command ended: "read", "refused", "damaged", or what is wrong with that."""
    try:
        with soon():
            command()
    except ObjectspaceError as error:
        if "\n" in str(error) or len(str(error)) > 2000:
            return f"wrong: not one sentence: {error}"
        # A joint space of spaces that were made anew is whole, and of no use.
        damaged = isinstance(error, StoreError | ImageError) and not isinstance(error, RecipeError)
        return "damaged" if damaged else "refused"
    except BaseException as error:  # a panic of Lance is no Exception
        return f"wrong: {type(error).__name__}: {str(error)[:300]}"
    return "read"


def ends_of(path: Path, names: Sequence[str]) -> dict[str, str]:
    """How some commands ended on a store, by their names."""
    opened: list[Store] = []
    ends = {"open": outcome(lambda: opened.append(open_store(path)))}
    for name in names if opened else ():
        ends[name] = outcome(partial(COMMANDS[name], opened[0], path.parent))
    return ends


def faults(path: Path, ends: Counter[str]) -> list[str]:
    """What is wrong with how the commands end on a store; ``ends`` counts how they did."""
    before = ends_of(path, list(COMMANDS))
    ends.update(before.values())
    found = [f"{name}: {end}" for name, end in before.items() if end.startswith("wrong")]
    if before["open"] != "read":
        return found
    whole: list[bool] = []
    for name, job in (("check", examine_store), ("repair", repair_store), ("check again", examine_store)):
        end = outcome(lambda job=job: whole.append(job(path).whole))
        ends[end] += 1
        if end != "read":
            return [*found, f"{name}: {end}"]
    if whole[0] and "damaged" in before.values():
        found.append("check finds nothing where a command refuses the store")
    if not whole[2]:
        found.append("repair leaves damage")
    after = ends_of(path, ["records", "objects", "vectors", "search", "export parquet"])
    return [
        *found,
        *(f"{name}, repaired: {end}" for name, end in after.items() if end not in ("read", "refused")),
    ]


# ------------------------------------------------------------------------------------------- the matrix


Case = tuple[str, Callable[[Path], Path]]


def check(
    cases: Sequence[Case],
    folder: Path,
    every: int,
    find: Callable[[Path, Counter[str]], list[str]] = faults,
) -> None:
    """Try every so many of the cases, each a function that makes a store at a path; all where asked to."""
    step = 1 if os.environ.get("OBJECTSPACE_WHOLE_MATRIX") else every
    ends: Counter[str] = Counter()
    wrong = {}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for what, make in cases[::step]:
        path = make(folder / "dogs.osp")
        if found := find(path, ends):
            wrong[what] = found
            print(f"{what}: {found}", flush=True)
        shutil.rmtree(path)
    print(f"{len(cases[::step])} of {len(cases)} cases: {dict(ends)}")
    assert not wrong
    assert ends["read"]
    assert ends["damaged"]
    if sys.platform == "linux":  # elsewhere the unit is another
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < GROWTH


def test_what_no_one_tampered_with(pristine):
    assert set(ends_of(pristine, list(COMMANDS)).values()) == {"read"}
    assert examine_store(pristine).whole


@pytest.fixture(scope="module")
def table_cases(pristine) -> list[Case]:
    changes = column_changes(pristine)
    return [
        (f"{one}: {what}", partial(tamper, pristine, table=one, change=change))
        for one, what, change in changes
    ]


@pytest.fixture(scope="module")
def manifest_cases(pristine) -> list[Case]:
    changes = manifest_changes(json.loads((pristine / "manifest.json").read_text()))
    return [(what, partial(rewrite, pristine, make=make)) for what, make in changes]


@pytest.mark.slow
def test_tampered_tables(table_cases, tmp_path):
    assert len(table_cases) > 900
    check(table_cases, tmp_path, every=307)


@pytest.mark.slow
def test_tampered_manifests(manifest_cases, tmp_path):
    assert len(manifest_cases) > 2000
    check(manifest_cases, tmp_path, every=797)


@pytest.mark.slow
def test_a_job_on_a_tampered_store(table_cases, manifest_cases, make_batch, tmp_path):
    """It adds and replaces what it is given, or ends with one sentence."""

    def commit(path: Path) -> None:
        with open_writer(path) as writer:
            writer.finished()
            writer.commit(make_batch(9))
            writer.commit(make_batch(2, job="again", replaces=True))
            writer.finish()

    def find(path: Path, ends: Counter[str]) -> list[str]:
        end = outcome(partial(commit, path))
        ends[end] += 1
        return [end] if end.startswith("wrong") else []

    check(table_cases + manifest_cases, tmp_path, every=149, find=find)
