"""Measures of a joint space: those of its written-out vectors, without a copy of them."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from objectspace.analyses.comparison import compare_spaces
from objectspace.analyses.factors import FactorSpec, align, measure_factor
from objectspace.analyses.projection import project
from objectspace.analyses.ridge import Columns, FoldedRidge
from objectspace.embeddings.spaces import Recipe, Space
from objectspace.neighbors import Block, JointVectors, Part
from objectspace.objects.records import concatenate, make_objects

RECIPE = Recipe("joint", "fake", "", "", {}, "float32", "0")
RNG = np.random.default_rng(8)


def make(count: int, dimensions: tuple[int, ...] = (12, 20), *, missing: float = 0.0, lacking: bool = False):
    """A joint space, the same written out, and its objects: two an image, in an order of their own."""
    rows = np.arange(count)
    parts = []
    for number, dimension in enumerate(dimensions):
        own = rows[rows % 3 > 0] if lacking and number else rows
        vectors = (RNG.normal(size=(len(own), dimension)) + 0.5).astype(np.float32)
        vectors[3] = vectors[2]
        block = Block(vectors, np.arange(len(own))).take(np.arange(len(own)))
        parts.append(Part(f"part{number}", 1.0 + number, missing, (Block(block.source, own, block.lengths),)))
    joint = JointVectors(parts, count)
    boxes = np.array([[0, 0, 9, 9], [0, 0, 8, 8]], np.float32)
    objects = concatenate(
        [
            make_objects(
                image_id=f"{image:032x}",
                xyxy=boxes,
                label=["cat", "dog"][:: 1 if image % 3 else -1],
                source="s@1",
            )
            for image in range(count // 2)
        ]
    ).with_factors({"yaw": RNG.uniform(0, 360, count)})
    return (
        Space("both", RECIPE, objects.object_id, joint),
        Space("written", RECIPE, objects.object_id, np.asarray(joint)),
        objects,
    )


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("spec", [FactorSpec("label"), FactorSpec("yaw", circular=360.0)])
def test_a_factor_is_measured_as_in_the_written_out_vectors(metric: str, spec: FactorSpec) -> None:
    joint, written, objects = make(80)
    one, other = (measure_factor(space, objects, spec, metric=metric) for space in (joint, written))
    np.testing.assert_allclose(one.neighbors.values, other.neighbors.values, atol=1e-9)
    assert one.probe is not None
    assert other.probe is not None
    assert one.probe.score == other.probe.score
    assert one.shared == other.shared
    if spec.circular:
        assert one.geometry is not None
        assert other.geometry is not None
        np.testing.assert_allclose(one.geometry.distance, other.geometry.distance, rtol=1e-5)


def test_distances_by_angle_count_a_missing_part_as_neighbors_do() -> None:
    joint, written, objects = make(80, missing=0.4, lacking=True)
    spec = FactorSpec("yaw", circular=360.0)
    one, other = (align(space, objects, spec).geometry("cosine") for space in (joint, written))
    assert one is not None
    assert other is not None
    assert not np.allclose(one.distance, other.distance, rtol=1e-3)
    full, same, objects = make(80, missing=0.4)
    one, other = (align(space, objects, spec).geometry("cosine") for space in (full, same))
    assert one is not None
    assert other is not None
    np.testing.assert_allclose(one.distance, other.distance, rtol=1e-5)


def test_spaces_are_compared_and_projected_as_the_written_out_vectors() -> None:
    joint, written, objects = make(80)
    (pair,) = compare_spaces([joint, written], objects).pairs
    assert pair.overlap.value == pytest.approx(1)
    assert pair.cka.value == pytest.approx(1)
    one, other = (project(space, objects, {"yaw": objects.factors["yaw"]}) for space in (joint, written))
    np.testing.assert_allclose(one.coordinates, other.coordinates, atol=1e-6)


def test_neighbors_and_shared_vectors_take_no_more_than_the_parts() -> None:
    joint, _, objects = make(2500, (1024, 2048))
    blocks = 4 * 2500 * 3072
    sample = align(joint, objects, FactorSpec("label"))
    tracemalloc.start()
    sample.neighbors(5, "cosine")
    sample.shared_vectors()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Written out they would take as much again before anything is computed.
    assert peak < blocks


def test_a_regression_takes_no_more_than_the_parts() -> None:
    count, rows = 60_000, np.arange(60_000)
    blocks = [Block(RNG.normal(size=(count, size)).astype(np.float32), rows).take(rows) for size in (48, 80)]
    joint = JointVectors([Part(f"part{n}", 1.0, 0.0, (block,)) for n, block in enumerate(blocks)], count)
    target = RNG.normal(size=(count, 1))
    tracemalloc.start()
    ridge = FoldedRidge(joint, rows % 5, np.zeros_like(rows))
    chosen = ridge.choose_penalties(target, 1)
    for _ in ridge.predictions_without(Columns(target, 1), chosen, rows % 3):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # In float64 they would take twice as much, and nearly as much again without some rows.
    assert peak < joint.nbytes
