"""Images removed from a store, in the same writer and a later one, against a store that never had them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from objectspace.objects.records import no_objects
from objectspace.store import Batch, ImageRow, open_store, open_writer


def test_nothing_is_left_of_removed_images(tmp_path: Path, make_batch: Callable[..., Batch]) -> None:
    """Of three batches one whole and a half, out of order, among ids of images that are not there."""
    batches = [make_batch(number) for number in range(3)]
    whole, path = tmp_path / "whole.osp", tmp_path / "removed.osp"
    gone = [batches[2].images[1].image_id, batches[0].images[0].image_id, batches[2].images[0].image_id]
    with open_writer(whole) as writer:
        for batch in batches:
            writer.commit(batch)
    with open_writer(path) as writer:
        for batch in batches[:2]:
            writer.commit(batch)
        writer.remove_images([])
        writer.remove_images([gone[1], "0" * 32])
        # It comes again, and is new.
        writer.commit(batches[0])
        writer.remove_images([gone[1]])
        assert gone[1] not in writer.paths()
        writer.commit(batches[2])
    with open_writer(path) as writer:
        writer.remove_images(["f" * 32, gone[0], gone[2]])
        assert not set(gone) & set(writer.paths())
    before, after = open_store(whole), open_store(path)
    kept = [image for image in before.images() if image.image_id not in gone]
    assert sorted(after.images()) == sorted(kept)
    assert after.indexed() == {"job": {image.image_id for image in kept}}
    objects = before.objects()
    ids = objects.object_id[~np.isin(objects.image_id, gone)]
    assert sorted(after.objects().object_id) == sorted(ids)
    assert after.thumbnails(ids) == before.thumbnails(ids)
    for name in before.space_names:
        spaces = [store.space(name) for store in (before, after)]
        one, other = (dict(zip(s.object_id.tolist(), s.vectors.tolist(), strict=True)) for s in spaces)
        assert other == {key: vector for key, vector in one.items() if key in ids}


def test_images_without_objects_are_removed(tmp_path: Path) -> None:
    """From a store that has no table of objects."""
    path = tmp_path / "empty.osp"
    images = [ImageRow(letter * 32, f"{letter}.jpg", 4, 3) for letter in "abc"]
    with open_writer(path) as writer:
        writer.commit(Batch(images, no_objects(), [], "job"))
        writer.remove_images(["b" * 32, "a" * 32])
    store = open_store(path)
    assert store.images() == [images[2]]
    assert store.indexed() == {"job": {"c" * 32}}
