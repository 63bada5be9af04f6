"""Vectors that others write into the store's place: nothing until a commit names them, once each after it."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from objectspace.embeddings.spaces import WrittenRows
from objectspace.errors import InputError, RecipeError, StoreError
from objectspace.objects.records import no_objects
from objectspace.store import Batch, SpaceRows, Writer, open_store, open_writer, tables
from objectspace.store.fragments import FragmentWriter

MakeBatch = Callable[..., Batch]
ReadAll = Callable[[Path], dict[str, Any]]


def written(fragments: FragmentWriter, vectors: Mapping[str, SpaceRows]) -> dict[str, list[WrittenRows]]:
    """Write each space's vectors as one file; its rows come in two parts, the second one first."""
    parts = {}
    for name, rows in vectors.items():
        copy = pickle.loads(pickle.dumps(fragments))  # noqa: S301 - our own bytes
        fragment = copy.write(name, rows)
        ids, dimension = rows.object_id, rows.vectors.shape[1]
        parts[name] = [
            WrittenRows(rows.recipe, ids[start:stop], dimension, fragment, start)
            for start, stop in ((1, len(ids)), (0, 1))
        ]
    return parts


def by_workers(writer: Writer, batch: Batch) -> Batch:
    """Return the batch with its vectors in files."""
    return replace(batch, vectors={}, written=written(writer.fragments(), batch.vectors))


def data_files(store: Path, space: str) -> set[str]:
    return {path.name for path in (store / "spaces" / f"{space}.lance" / "data").iterdir()}


def named_files(store: Path, space: str) -> set[str]:
    files = json.loads((store / "manifest.json").read_text())["files"].get(f"spaces/{space}", {})
    return {Path(file).name for file in files if file.startswith("data/")}


def test_written_vectors_are_those_of_a_plain_commit(
    tmp_path: Path, make_batch: MakeBatch, read_all: ReadAll
) -> None:
    with open_writer(tmp_path / "plain.osp") as plain, open_writer(tmp_path / "workers.osp") as workers:
        for number in range(3):
            plain.commit(make_batch(number))
            workers.commit(by_workers(workers, make_batch(number)))
        plain.finish()
        workers.finish()
    assert read_all(tmp_path / "workers.osp") == read_all(tmp_path / "plain.osp")
    # Files were taken as they are: one for each commit, and no other.
    assert len(named_files(tmp_path / "workers.osp", "resnet50-crop")) == 3
    assert data_files(tmp_path / "workers.osp", "resnet50-crop") == named_files(
        tmp_path / "workers.osp", "resnet50-crop"
    )
    # A writer that opens the store reads every key back.
    with open_writer(tmp_path / "workers.osp") as writer:
        writer.commit(make_batch(1))
    assert read_all(tmp_path / "workers.osp") == read_all(tmp_path / "plain.osp")


def test_checksums_are_those_of_the_files(tmp_path: Path, make_batch: MakeBatch) -> None:
    with open_writer(tmp_path / "a.osp") as writer:
        writer.commit(by_workers(writer, make_batch(1)))
    files = json.loads((tmp_path / "a.osp" / "manifest.json").read_text())["files"]
    for table, checksums in files.items():
        for file, checksum in checksums.items():
            data = (tmp_path / "a.osp" / f"{table}.lance" / file).read_bytes()
            assert hashlib.sha256(data).hexdigest()[:16] == checksum


def test_what_no_commit_names_is_no_part_of_the_store(
    tmp_path: Path, make_batch: MakeBatch, read_all: ReadAll, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.osp"
    with open_writer(path) as writer:
        written(writer.fragments(), make_batch(7).vectors)  # by a worker that died before it told
        assert not open_store(path).space_names
        writer.commit(by_workers(writer, make_batch(1)))
        written(writer.fragments(), make_batch(8).vectors)
        before = read_all(path)
        assert len(data_files(path, "resnet50-crop")) == 3
    # As any leftover: it goes with the next clean-up that finds an old version.
    monkeypatch.setattr(tables, "UNPINNED_KEEP", timedelta(0))
    with open_writer(path) as writer:
        writer.finish()
    assert data_files(path, "resnet50-crop") == named_files(path, "resnet50-crop")
    assert read_all(path) == before


def test_a_clean_up_in_the_middle_leaves_files_that_are_to_be_named(
    tmp_path: Path, make_batch: MakeBatch, read_all: ReadAll, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "UNPINNED_KEEP", timedelta(0))
    monkeypatch.setattr(tables, "MANY_FRAGMENTS", 1)
    with open_writer(tmp_path / "a.osp") as writer, open_writer(tmp_path / "plain.osp") as plain:
        late = by_workers(writer, make_batch(9))
        for number in range(4):
            writer.commit(by_workers(writer, make_batch(number)))  # joins fragments, and cleans up
            plain.commit(make_batch(number))
        writer.commit(late)
        plain.commit(make_batch(9))
        writer.finish()
    assert read_all(tmp_path / "a.osp") == read_all(tmp_path / "plain.osp")


def test_the_same_file_twice_counts_once(tmp_path: Path, make_batch: MakeBatch, read_all: ReadAll) -> None:
    path = tmp_path / "a.osp"
    with open_writer(path) as writer:
        batch = by_workers(writer, make_batch(1))
        writer.commit(batch)
        before = read_all(path)
        writer.commit(batch)
        writer.commit(by_workers(writer, make_batch(1)))  # the chunk was done again, into another file
    assert read_all(path) == before
    assert len(named_files(path, "resnet50-crop")) == 1


def test_of_a_file_some_of_whose_rows_are_there_the_others_are_added(
    tmp_path: Path, make_batch: MakeBatch, read_all: ReadAll
) -> None:
    batch = make_batch(1)
    first = {
        name: SpaceRows(rows.recipe, rows.object_id[1:2], rows.vectors[1:2], taken(rows.cells, 1))
        for name, rows in batch.vectors.items()
    }
    with open_writer(tmp_path / "a.osp") as writer, open_writer(tmp_path / "plain.osp") as plain:
        writer.commit(replace(batch, vectors=first))
        writer.commit(by_workers(writer, batch))
        plain.commit(batch)
    assert read_all(tmp_path / "a.osp") == read_all(tmp_path / "plain.osp")


def taken(cells: Mapping[str, Any], row: int) -> dict[str, Any]:
    return {name: column[row : row + 1] for name, column in cells.items()}


def test_a_file_is_shared_by_two_commits(tmp_path: Path, make_batch: MakeBatch, read_all: ReadAll) -> None:
    batch = make_batch(1)
    with open_writer(tmp_path / "a.osp") as writer, open_writer(tmp_path / "plain.osp") as plain:
        whole = by_workers(writer, batch)
        writer.commit(replace(whole, written={name: parts[:1] for name, parts in whole.written.items()}))
        writer.commit(
            Batch(
                images=[],
                objects=no_objects(),
                thumbnails=[],
                job="job",
                written={name: parts[1:] for name, parts in whole.written.items()},
            )
        )
        plain.commit(batch)
    assert read_all(tmp_path / "a.osp") == read_all(tmp_path / "plain.osp")


@pytest.mark.parametrize("harm", ["cut short", "gone", "another"])
def test_a_file_that_is_not_as_it_was_told_is_refused(
    tmp_path: Path, make_batch: MakeBatch, read_all: ReadAll, harm: str
) -> None:
    path = tmp_path / "a.osp"
    with open_writer(path) as writer:
        writer.commit(by_workers(writer, make_batch(1)))
        before, there = read_all(path), data_files(path, "resnet50-crop")
        batch = by_workers(writer, make_batch(2))
        (name,) = data_files(path, "resnet50-crop") - there
        file = path / "spaces" / "resnet50-crop.lance" / "data" / name
        if harm == "cut short":
            file.write_bytes(file.read_bytes()[:-40])
        elif harm == "another":
            file.write_bytes(b"x" * file.stat().st_size)
        else:
            file.unlink()
        with pytest.raises(StoreError, match=r"could not be written .* and keeps what it had"):
            writer.commit(batch)
        assert read_all(path) == before
        writer.commit(by_workers(writer, make_batch(2)))
    with open_writer(tmp_path / "plain.osp") as plain:
        plain.commit(make_batch(1))
        plain.commit(make_batch(2))
    assert read_all(path) == read_all(tmp_path / "plain.osp")


def test_another_recipe_and_an_unknown_object_are_refused(tmp_path: Path, make_batch: MakeBatch) -> None:
    with open_writer(tmp_path / "a.osp") as writer:
        writer.commit(make_batch(1))
        batch = make_batch(2)
        rows = batch.vectors["resnet50-crop"]
        other = SpaceRows(replace(rows.recipe, weights="zz"), rows.object_id, rows.vectors)
        parts = written(writer.fragments(), {"resnet50-crop": other})
        with pytest.raises(RecipeError, match="weights 'aa', now 'zz'"):
            writer.commit(replace(batch, vectors={}, written=parts))
        strangers = written(writer.fragments(), {"resnet50-crop": rows})
        nothing = Batch(images=[], objects=no_objects(), thumbnails=[], job="job", written=strangers)
        with pytest.raises(InputError, match=r"a vector of object .*, which is not in the store"):
            writer.commit(nothing)


def test_another_folder_of_the_same_name_is_not_the_store(tmp_path: Path) -> None:
    path = tmp_path / "a.osp"
    with open_writer(path) as writer:
        fragments = writer.fragments()
        assert fragments.reaches_store()
    path.rename(tmp_path / "elsewhere.osp")
    assert not fragments.reaches_store()
    path.mkdir()
    assert not fragments.reaches_store()
