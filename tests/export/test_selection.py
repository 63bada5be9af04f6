"""What is exported, in which order, and in which pieces."""

from __future__ import annotations

import numpy as np
import pytest

from objectspace.export import selection
from objectspace.export.selection import factor_names, select


def test_objects_of_a_photo_stand_together_in_the_photos_order(store):
    (block,) = select(store, None, vectors="all").blocks()
    counts = [4, 0, 5, 3]
    np.testing.assert_array_equal(block.image_row, np.repeat(range(4), counts))
    assert set(block.objects.source[2:4]) == {"other@2"}
    assert block.paths == [
        photo.path for photo, n in zip(store.images(), counts, strict=True) for _ in range(n)
    ]


def test_blocks_together_are_the_whole(store, small_blocks):
    chosen = select(store, None, vectors="all")
    blocks = list(chosen.blocks())
    assert len(blocks) == 3
    assert [photo for block in blocks for photo in block.images] == store.images()
    ids = np.concatenate([block.objects.object_id for block in blocks])
    assert set(ids) == set(store.objects().object_id)
    assert [block.start for block in blocks] == np.cumsum([0, *map(len, blocks)])[:-1].tolist()


def test_many_photos_without_objects_are_more_than_one_block(store, monkeypatch):
    monkeypatch.setattr(selection, "BLOCK", 1)
    assert [len(block.images) for block in select(store, None, vectors="all").blocks()] == [1, 1, 1, 1]


def test_vectors_are_those_of_the_store_and_nan_where_there_is_none(store, small_blocks):
    chosen = select(store, None, vectors="all")
    window = dict(zip(*_space(store, "win.3"), strict=True))
    info = next(space for space in chosen.spaces if space.name == "win.3")
    for block in chosen.blocks():
        expected = [window.get(name, np.full(3, np.nan)) for name in block.objects.object_id]
        np.testing.assert_array_equal(chosen.vectors(info, block), np.array(expected).reshape(-1, 3))


def test_a_named_space_chooses_its_objects(store):
    chosen = select(store, "win.3", vectors="all")
    assert [space.name for space in chosen.spaces] == ["win.3"]
    ids = {name for block in chosen.blocks() for name in block.objects.object_id}
    assert ids == set(store.members("win.3"))


@pytest.mark.parametrize(("vectors", "spaces"), [("all", ["crop", "win.3"]), ("one", ["crop"]), ("none", [])])
def test_spaces_where_none_is_named(store, vectors, spaces):
    assert [space.name for space in select(store, None, vectors=vectors).spaces] == spaces


def test_a_factor_with_a_name_that_is_taken():
    assert factor_names(["yaw", "x1"], ["x1"]) == {"yaw": "yaw", "x1": "factor/x1"}


def _space(store, name):
    space = store.space(name)
    return space.object_id, space.vectors
