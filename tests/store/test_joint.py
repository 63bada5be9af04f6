"""Parts of a joint space whose tables are in another order than the store's objects."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from objectspace.jobs.join import join_spaces
from objectspace.neighbors import JointVectors
from objectspace.objects.records import no_objects
from objectspace.store import Batch, SpaceRows, open_store, open_writer
from objectspace.store.indexes import JointSpaceIndex, Recall, SpaceIndex
from objectspace.store.joint import _Reordered


class Table:
    """Stands for vectors on disk: proposes given rows, and keeps what it is asked for."""

    def __init__(self, rows: np.ndarray, vectors: np.ndarray) -> None:
        self.proposed, self.vectors, self.asked = rows, vectors, []
        self.shape, self.unindexed = vectors.shape, 3

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self.vectors[rows]

    def propose_rows(self, queries: Any, count: int, index: Any, allowed: Any) -> Any:
        self.asked.append((queries, count, index, allowed))
        return np.arange(len(self.proposed)) % 2, self.proposed


@pytest.mark.parametrize("limited", [False, True])
def test_what_an_index_proposes_is_told_by_rows_of_the_other_order(limited: bool) -> None:
    random = np.random.default_rng(2)
    order, vectors = random.permutation(9), random.normal(size=(9, 2))
    table = Table(np.array([4, 0, 8, 4]), vectors)
    reordered = _Reordered(table, order)  # type: ignore[arg-type]
    np.testing.assert_array_equal(reordered[[2, 7]], vectors[[order[2], order[7]]])
    assert (reordered.shape, reordered.unindexed) == ((9, 2), 3)
    allowed = random.random(9) < 0.5 if limited else None
    query, rows = reordered.propose_rows("queries", 7, "index", allowed)  # type: ignore[arg-type]
    assert query.tolist() == [0, 1, 0, 1]
    assert [int(order[row]) for row in rows] == [4, 0, 8, 4]
    ((queries, count, index, passed),) = table.asked
    assert (queries, count, index) == ("queries", 7, "index")
    assert (passed is None) == (allowed is None)
    if allowed is not None:
        assert [bool(passed[order[row]]) for row in range(9)] == allowed.tolist()


def test_an_index_counts_while_the_joint_space_and_its_parts_are_those_it_was_built_of(
    tmp_path: Path, make_batch: Any
) -> None:
    path, names = tmp_path / "s.osp", ["resnet50-crop", "yolo-window"]
    index = SpaceIndex("ivf-pq", "cosine", 4, {"probes": 20, "candidates": 10}, Recall(0.5, 0.25, 0.75, 4))
    with open_writer(path) as writer:
        writer.commit(make_batch(1))
    recipe = join_spaces(path, names, name="both")
    own = dict.fromkeys(names)
    cases = [
        (JointSpaceIndex(index, recipe.digest, own), index),
        (JointSpaceIndex(index, "0" * 16, own), None),
        (JointSpaceIndex(index, recipe.digest, {**own, "yolo-window": index}), None),
    ]
    for held, expected in cases:
        with open_writer(path) as writer:
            writer.index_joint("both", held)
        store = open_store(path)
        assert store.stored_space("both").index == expected
        assert [space.index for space in store.info().spaces if space.name == "both"] == [expected]


def test_a_part_that_was_added_in_another_order_has_each_objects_own_vector(
    tmp_path: Path, make_batch: Any
) -> None:
    """Two commits of objects; their windows come later, the last first, and not of all."""
    batches = [make_batch(number) for number in range(2)]
    ids = np.concatenate([batch.objects.object_id for batch in batches])
    recipe = batches[0].vectors["yolo-window"].recipe
    own = {name: np.float32([row, 1, 2]) for row, name in enumerate(ids.tolist())}
    shuffled = ids[[6, 1, 7, 0, 4]]
    late = SpaceRows(recipe, shuffled, np.stack([own[name] for name in shuffled.tolist()]))
    path = tmp_path / "s.osp"
    with open_writer(path) as writer:
        for batch in batches:
            writer.commit(replace(batch, vectors={"resnet50-crop": batch.vectors["resnet50-crop"]}))
        writer.commit(Batch([], no_objects(), [], job="late", vectors={"yolo-window": late}))
    join_spaces(path, ["resnet50-crop", "yolo-window"], name="both")
    store = open_store(path)
    for vectors in (store.joint_vectors("both"), store.joint_vectors("both")[:]):
        assert isinstance(vectors, JointVectors)
        (block,) = vectors.parts[1].blocks
        assert store.members("both") == ids.tolist()
        held = dict(zip(ids[block.rows].tolist(), np.asarray(block.source[:]), strict=True))
        assert held.keys() == set(shuffled.tolist())
        for name, vector in held.items():
            np.testing.assert_array_equal(vector, own[name])
