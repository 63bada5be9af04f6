"""Joint search against a slow double loop in float64."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from objectspace.errors import InputError, QueryError
from objectspace.neighbors import NO_NEIGHBOR, Block, ExactIndex, JointIndex, JointVectors, Part
from objectspace.neighbors.joint import _error, _product
from objectspace.neighbors.joint_vectors import combine
from tests.neighbors.test_exact import check_same

RNG = np.random.default_rng(5)


def make_joint(count: int = 60, *, missing: float = 0.25, weights: tuple[float, float] = (1.0, 1.0)):
    """Crops of most rows and windows at one of two strides, with copies, a zero vector and long vectors."""
    crops = np.arange(count)[np.arange(count) % 7 != 3]
    fine, coarse = np.arange(0, count, 2), np.arange(1, count, 2)[:-1]
    blocks = []
    for rows, dimension in ((crops, 24), (fine, 18), (coarse, 36)):
        vectors = RNG.normal(size=(len(rows), dimension)) + 0.5
        vectors[4] = vectors[1]
        vectors[7] = 4 * vectors[1]
        vectors[2] = 0
        vectors *= RNG.choice([0.125, 1, 32], size=(len(rows), 1))
        blocks.append(Block(vectors.astype(np.float32), rows.astype(np.int64)))
    crop = Part("crop", weights[0], missing, (blocks[0],))
    return JointVectors([crop, Part("window", weights[1], missing, tuple(blocks[1:]))], count)


def slow_cosine(part: Part, one: int, other: int) -> float:
    for block in part.blocks:
        rows = block.rows.tolist()
        if one in rows and other in rows:
            first, second = (block.source[rows.index(row)].astype(np.float64) for row in (one, other))
            lengths = math.sqrt(first @ first) * math.sqrt(second @ second)
            return float(first @ second) / lengths if lengths else 0.0
    return part.missing


def slow_distances(joint: JointVectors) -> np.ndarray:
    total = sum(part.weight for part in joint.parts)
    pairs = [
        [sum(p.weight * slow_cosine(p, a, b) for p in joint.parts) / total for b in range(len(joint))]
        for a in range(len(joint))
    ]
    # Copies differ by their last digits in this formula.
    return np.round(1 - np.array(pairs), 12)


def ids_of(count: int) -> np.ndarray:
    return np.array([f"{row * 7919 % 1000:03d}" for row in range(count)])


@pytest.mark.parametrize("missing", [0.0, 0.25])
@pytest.mark.parametrize("weights", [(1.0, 1.0), (3.0, 0.5)])
def test_the_neighbors_are_those_of_a_double_loop(missing, weights):
    joint = make_joint(missing=missing, weights=weights)
    ids, slow = ids_of(len(joint)), slow_distances(joint)
    found = JointIndex(joint, ids).nearest(joint[:], k=9)
    for row, near in enumerate(found.index):
        order = sorted(range(len(joint)), key=lambda other: (slow[row, other], ids[other]))
        assert near.tolist() == order[:9]
        np.testing.assert_allclose(found.distance[row], slow[row, near], atol=1e-11)


def test_many_blocks_of_rows_give_the_answers_of_one(monkeypatch):
    joint = make_joint(200)
    whole = JointIndex(joint, ids_of(200)).nearest(joint[:], k=5)
    monkeypatch.setattr("objectspace.neighbors.joint._TABLE", 200 * 11)
    parts = JointIndex(joint, ids_of(200)).nearest(joint[:], k=5)
    check_same(whole, parts)


def test_euclidean_ranks_as_cosine():
    joint = make_joint()
    cosine, euclidean = (
        JointIndex(joint, ids_of(60), metric=metric).nearest(joint[:], k=60)
        for metric in ("cosine", "euclidean")
    )
    np.testing.assert_array_equal(np.sort(cosine.index), np.sort(euclidean.index))
    np.testing.assert_allclose(euclidean.distance, np.sqrt(2 * cosine.distance), rtol=1e-12)


def test_one_part_is_its_space():
    vectors = RNG.normal(size=(80, 30)).astype(np.float32)
    joint = JointVectors([Part("crop", 1.0, 0.0, (Block(vectors, np.arange(80)),))], 80)
    alone = ExactIndex(vectors, ids_of(80), metric="cosine").nearest(vectors, k=6)
    found = JointIndex(joint, ids_of(80)).nearest(joint[:], k=6)
    check_same(found, alone)


def test_no_row_of_the_own_group_and_none_that_is_not_allowed():
    joint = make_joint()
    groups, allowed = np.arange(60) // 3, np.arange(60) % 5 != 0
    index = JointIndex(joint, ids_of(60), groups=groups)
    found = index.nearest(joint[:], k=60, allowed=allowed, query_groups=groups)
    for row, near in enumerate(found.index):
        expected = {other for other in range(60) if allowed[other] and groups[other] != groups[row]}
        assert set(near[near != NO_NEIGHBOR].tolist()) == expected


def test_the_cosines_of_the_parts_add_up_to_the_answer():
    joint = make_joint(weights=(3.0, 0.5))
    index = JointIndex(joint, ids_of(60))
    found = index.nearest(joint[:4], k=5)
    query, place = np.nonzero(found.index >= 0)
    cosines = index.cosines(joint[:4], query, found.index[query, place])
    np.testing.assert_allclose(cosines @ joint.shares, 1 - found.distance[query, place], atol=1e-14)


def test_written_out_vectors_have_the_products_of_the_parts():
    joint = make_joint(missing=0.0)
    written = np.asarray(joint)
    assert written.shape == joint.shape
    np.testing.assert_allclose(1 - written @ written.T, slow_distances(joint), atol=1e-5)


def test_a_query_in_two_blocks_is_of_unit_length_in_all():
    joint = make_joint()
    both = [Block(block.source[:1], np.array([0])).take(np.array([0])) for block in joint.parts[1].blocks]
    crop = joint.parts[0].blocks[0]
    query = JointVectors(
        [
            Part("crop", 1.0, 0.25, (Block(crop.source[:1], np.array([0])).take(np.array([0])),)),
            Part("window", 1.0, 0.25, tuple(both)),
        ],
        1,
    )
    index = JointIndex(joint, ids_of(60))
    zero = np.zeros(2, np.int64)
    cosines = index.cosines(query, zero, np.array([0, 1]))[:, 1]
    squares = [float((block.source[0].astype(np.float64) ** 2).sum()) for block in joint.parts[1].blocks]
    np.testing.assert_allclose(cosines, np.sqrt(np.array(squares) / sum(squares)), rtol=1e-9)


def test_vectors_of_any_length_are_compared():
    vectors = (RNG.normal(size=(40, 16)) * 10.0 ** RNG.integers(-36, 36, size=(40, 1))).astype(np.float32)
    joint = JointVectors([Part("crop", 1.0, 0.0, (Block(vectors, np.arange(40)),))], 40)
    alone = ExactIndex(vectors, ids_of(40), metric="cosine").nearest(vectors, k=6)
    np.testing.assert_array_equal(JointIndex(joint, ids_of(40)).nearest(joint[:], k=6).index, alone.index)


def test_a_search_takes_no_memory_beside_the_parts():
    count = 4000
    blocks = [
        Block(RNG.normal(size=(count, d)).astype(np.float32), np.arange(count)).take(np.arange(count))
        for d in (512, 1024)
    ]
    joint = JointVectors([Part(n, 1.0, 0.0, (b,)) for n, b in zip("ab", blocks, strict=True)], count)
    query = joint[:1]
    tracemalloc.start()
    JointIndex(joint, np.arange(count)).nearest(query, k=10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.1 * joint.nbytes


def test_what_is_not_finite_is_refused_by_its_id():
    vectors = np.ones((3, 4), np.float32)
    vectors[1, 2] = np.nan
    joint = JointVectors([Part("crop", 1.0, 0.0, (Block(vectors, np.arange(3)),))], 3)
    with pytest.raises(InputError, match="the vector of b has a NaN"):
        JointIndex(joint, list("abc")).nearest(joint[:1], k=1)
    with pytest.raises(QueryError, match="a query has a NaN or an infinity in its part crop"):
        JointIndex(joint, list("abc")).nearest(joint[1:2], k=1)


@pytest.mark.parametrize("weight", [0.0, -1.0, math.nan, math.inf])
def test_a_weight_is_above_zero(weight):
    with pytest.raises(InputError, match=r"part crop has the weight .*expected a number above 0"):
        make_joint(weights=(weight, 1.0))


@pytest.mark.parametrize("rows", [[0, 3, 9], [-1, 3, 5]], ids=["beyond", "before"])
def test_rows_outside_the_space_are_refused(rows):
    block = Block(np.ones((3, 4), np.float32), np.array(rows))
    with pytest.raises(InputError, match="part crop: vectors of rows outside 0 to 8"):
        JointVectors([Part("crop", 1.0, 0.0, (block,))], 9)


def test_queries_of_other_parts_are_refused():
    joint = make_joint()
    other = JointVectors(joint.parts[:1], 60)
    with pytest.raises(QueryError, match="queries have the parts"):
        JointIndex(joint, ids_of(60)).nearest(other[:1], k=1)


# ------------------------------------------------------------------------------------------- sums of rows


def slow_part(part: Part, row: int) -> np.ndarray:
    """The vector of one row in all blocks of a part, of unit length, or zeros."""
    pieces = []
    for block in part.blocks:
        rows = block.rows.tolist()
        pieces.append(np.zeros(block.dimension))
        if row in rows:
            pieces[-1] = np.asarray(block.source[rows.index(row)], np.float64)
    whole = np.concatenate(pieces)
    length = np.linalg.norm(whole)
    return whole / length if length else whole


def test_sums_of_rows_are_those_of_a_loop():
    """Three sums of rows of two sides: a row of fine windows with one of coarse, none of a part, a zero."""
    first, second = make_joint(30), make_joint(20)
    factors = np.zeros((3, 30)), np.zeros((3, 20))
    factors[0][0, [0, 1, 11]] = [1.0, 0.5, -2.0]
    factors[1][0, 5] = 0.25
    factors[0][1, 3] = 1.0  # no crop
    factors[1][2, [4, 5]] = [2.0, -1.0]
    sums = combine([(first, factors[0]), (second, factors[1])])
    assert len(sums) == 3
    for place, part in enumerate(sums.parts):
        assert (part.name, part.weight, part.missing) == (
            first.parts[place].name,
            first.parts[place].weight,
            first.parts[place].missing,
        )
        for row in range(3):
            expected = sum(
                factor[row, other] * slow_part(joint.parts[place], other)
                for joint, factor in zip((first, second), factors, strict=True)
                for other in range(len(joint))
            )
            length = np.linalg.norm(expected)
            np.testing.assert_allclose(
                slow_part(part, row), expected / length if length else expected, atol=1e-6
            )
    # The second has no crop at all: its part is missing, which is no zero vector.
    assert sums.parts[0].blocks[0].rows.tolist() == [0, 2]
    assert sums.parts[1].blocks[0].rows.tolist() == [0, 2]
    assert sums.parts[1].blocks[1].rows.tolist() == [0, 1, 2]


def test_a_sum_of_rows_of_one_side_is_that_row():
    joint = make_joint(20)
    factors = np.zeros((3, 20))
    factors[[0, 1, 2], [6, 2, 11]] = [1.0, 0.5, 7.0]
    sums = combine([(joint, factors)])
    for place, part in enumerate(sums.parts):
        for row, other in enumerate((6, 2, 11)):
            np.testing.assert_allclose(slow_part(part, row), slow_part(joint.parts[place], other), atol=1e-6)


def test_a_joint_space_knows_its_size():
    """Crops and windows of two strides, of 18, 9 and 8 rows; the bytes are those of float32."""
    joint = make_joint(20)
    rows = [len(block.rows) for block in joint.blocks]
    assert joint.shape == (20, 24 + 18 + 36)
    assert joint.nbytes == sum(4 * count * size for count, size in zip(rows, (24, 18, 36), strict=True))
    assert len(set(rows)) == 3


def test_a_similarity_is_as_wrong_as_its_parts_and_their_sums_may_be():
    """Of three blocks of unequal dimensions and two weights, by Higham's bound and three roundings a sum."""
    joint, unit = make_joint(weights=(1.0, 3.0)), 2.0**-24
    expected = 9 * unit
    for dimension, share in ((24, 0.25), (18, 0.75), (36, 0.75)):
        units = (dimension + 16) * unit
        expected += share * units / (1 - units) + 9 * unit
    assert _error(joint) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("width", [1, 5, 24, 100])
def test_columns_of_some_rows_are_those_of_the_written_out_vectors(width):
    joint = make_joint(weights=(1.0, 3.0))
    rows = np.random.default_rng(51).permutation(60)[:37]
    found = np.zeros((37, joint.shape[1]), np.float32)
    ends = [24, 24 + 18, 24 + 18 + 36]
    column = 0
    for there, numbers in joint.columns(rows, width):
        assert (np.diff(there) > 0).all()
        found[there, column : column + numbers.shape[1]] = numbers
        column += numbers.shape[1]
        # A block of columns ends with that of the vectors.
        assert numbers.shape[1] == width or column in ends
    assert column == ends[-1]
    np.testing.assert_allclose(found, np.asarray(joint)[rows], rtol=1e-6)
    assert (np.asarray(joint)[rows] != 0).any(axis=0).all()


@pytest.mark.parametrize("length", [1e-41, 1e-38, 1e-9, 1.0, 1e9, 1e38])
def test_products_are_cosines_however_short_or_long_the_vectors_are(length):
    """Also where float32 has few digits left, or the sum of their squares is beyond it; one has no length."""
    random = np.random.default_rng(11)
    vectors = (random.uniform(-1, 1, (9, 4)) * length).astype(np.float32)
    vectors[3] = 0
    directions = random.standard_normal((5, 4))
    directions = (directions / np.linalg.norm(directions, axis=1, keepdims=True)).astype(np.float32)
    lengths = np.sqrt((vectors.astype(np.float64) ** 2).sum(axis=1))
    units = np.divide(vectors, lengths[:, None], where=lengths[:, None] > 0, out=np.zeros((9, 4)))
    found = _product(vectors, lengths, directions)
    np.testing.assert_allclose(found, units @ directions.T.astype(np.float64), atol=1e-6)
