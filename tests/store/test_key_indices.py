"""Rows are found by key in scalar indices, which say what a whole read of the table says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from objectspace.objects.records import concatenate, make_objects
from objectspace.store import Batch, ImageRow, SpaceRows, open_store, open_writer, tables


@pytest.fixture(autouse=True)
def small_fragments(monkeypatch):
    """Few rows are many: compaction, new indices and their merging come every few commits."""
    monkeypatch.setattr(tables, "MANY_FRAGMENTS", 2)
    monkeypatch.setattr(tables, "FULL_FRAGMENT", 16)
    monkeypatch.setattr(tables, "_MANY_PARTS", 3)


def parts_of(path, table):
    dataset = open_store(path)._table(table)
    return {name: len(parts) for name, parts in tables._index_parts(dataset).items()}


def edited(batch, by):
    """The same images with their objects moved, as a job that replaces finds them."""
    parts = [batch.objects.take(batch.objects.image_id == row.image_id) for row in batch.images]
    objects = concatenate(
        [
            make_objects(
                image_id=row.image_id,
                xyxy=part.xyxy + np.float32(by),
                label=part.label.tolist(),
                source="yolo@1",
            )
            for row, part in zip(batch.images, parts, strict=True)
        ]
    )
    crop = batch.vectors["resnet50-crop"]
    vectors = {"resnet50-crop": SpaceRows(crop.recipe, objects.object_id, crop.vectors)}
    return replace(batch, objects=objects, vectors=vectors, replaces=True, job=f"edited by {by}")


def check(path):
    """Look every key up, and compare with what whole reads say."""
    store = open_store(path)
    objects, members = store.objects(), store.members("resnet50-crop")
    assert sorted(members) == sorted(objects.object_id.tolist())
    vectors, space = store.stored_space("resnet50-crop").vectors, store.space("resnet50-crop")
    for row, object_id in enumerate(members):
        found = vectors.rows([object_id])
        assert found.tolist() == [row]
        assert vectors[found].tolist() == space.vectors[[row]].tolist()
    for row, object_id in enumerate(objects.object_id.tolist()):
        assert store.objects([object_id]).xyxy.tolist() == objects.xyxy[[row]].tolist()
    for image in store.images():
        assert store.images_by_id([image.image_id]) == {image.image_id: image}
        own = objects.object_id[objects.image_id == image.image_id]
        assert sorted(store.objects_of_images([image.image_id]).object_id) == sorted(own)


def test_keys_are_found_after_any_commits(tmp_path, make_batch):
    path = tmp_path / "s.osp"
    batches = [make_batch(number) for number in range(12)]
    with open_writer(path) as writer:
        for number, batch in enumerate(batches):
            writer.commit(batch)
            if number % 3 == 2:
                writer.commit(edited(batches[number // 2], by=number + 1))
            writer.set_factors({batches[number // 3].images[0].image_id: {"angle": float(number)}})
        assert parts_of(path, "objects").keys() == {"object_id", "image_id"}
        assert 1 < parts_of(path, "objects")["object_id"] <= 3
        check(path)
        writer.finish()
    check(path)


def test_a_small_table_has_no_index(tmp_path, make_batch):
    with open_writer(tmp_path / "s.osp") as writer:
        writer.commit(make_batch(0))
        writer.finish()
    assert parts_of(tmp_path / "s.osp", "objects") == {}


def test_a_commit_reads_no_whole_table(tmp_path, make_batch, monkeypatch):
    """Its cost must not grow with the store, also where it replaces (benchmarks/commit_cost.py)."""
    path = tmp_path / "s.osp"
    with open_writer(path) as writer:
        writer.commit(make_batch(0))

        def read(table, columns):
            raise AssertionError(f"{table.uri} is read whole")

        with monkeypatch.context() as patch:
            patch.setattr(tables, "read_rows", read)
            writer.commit(make_batch(1))
            writer.commit(edited(make_batch(0), by=1))
            writer.commit(edited(make_batch(0), by=2))
    assert len(open_store(path)) == 8
    check(path)


def test_what_is_removed_can_come_back(tmp_path, make_batch, read_all):
    """The writer remembers what it has removed, without reading the store again."""
    first = replace(make_batch(0), replaces=True, vectors={}, job="first")
    with open_writer(tmp_path / "s.osp") as writer:
        for batch in (first, edited(make_batch(0), by=1), first):
            writer.commit(batch)
        removed = open_store(tmp_path / "s.osp").objects().object_id.tolist()
    assert sorted(removed) == sorted(first.objects.object_id.tolist())
    with open_writer(tmp_path / "once.osp") as writer:
        writer.commit(first)
    assert read_all(tmp_path / "s.osp")["objects"] == read_all(tmp_path / "once.osp")["objects"]


def test_images_whose_objects_another_job_has_changed_are_not_finished(tmp_path):
    image = ImageRow("a" * 32, "a.jpg", 9, 9)

    def batch(side, **changes):
        box = np.float32([[0, 0, side, side]])
        objects = make_objects(image_id=image.image_id, xyxy=box, label=["dog"], source="s@1")
        return Batch([image], objects, [b""], job=f"side {side}", sources={"s@1": {}}, **changes)

    def finished(path, sources=()):
        with open_writer(path) as writer:
            keys = writer.finished(sources)
        return [side for side in (1, 2, 3) if f"{image.image_id} side {side}" in keys]

    path = tmp_path / "s.osp"
    for number, (added, replaces, unchanged) in enumerate(
        [(1, False, [1]), (2, False, []), (3, True, [3]), (1, True, [1])]
    ):
        with open_writer(path) as writer:
            writer.commit(batch(added, replaces=replaces))
        assert finished(path, ["s@1"]) == unchanged, number
        assert finished(path, ["other@1"]) == []
        assert finished(path) == ([1, 2] if number == 1 else unchanged), number
