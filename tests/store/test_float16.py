"""Spaces that keep float16: read back as numpy rounds, computed with in float32 and float64, never mixed."""

from __future__ import annotations

import json
from dataclasses import replace

import lance
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import objectspace as osp
from objectspace.embeddings.spaces import Recipe
from objectspace.errors import Float16Error, InputError, RecipeError, StoreError
from objectspace.images import encode_thumbnail
from objectspace.jobs.build_index import index_space
from objectspace.jobs.join import join_spaces
from objectspace.search import SpaceSearch
from objectspace.store import SpaceRows, open_store, open_writer
from objectspace.store.examination import examine_store
from objectspace.store.float16 import widen
from objectspace.store.repair import repair_store
from tests.store.conftest import CROP, WINDOW
from tests.store.tampering import tamper

HALF = replace(CROP, vectors="float16")


def halved(batch):
    """The batch with its crops kept as float16; the windows stay float32."""
    crop = batch.vectors["resnet50-crop"]
    return replace(batch, vectors={**batch.vectors, "resnet50-crop": replace(crop, recipe=HALF)})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s.osp"


@pytest.fixture(scope="module")
def many(tmp_path_factory, make_batch):
    """Forty-eight vectors of float16 in twelve commits, some of them twice; and the same as given."""
    path, given = tmp_path_factory.mktemp("half") / "s.osp", {}
    with open_writer(path) as writer:
        for number in range(12):
            batch = make_batch(number)
            rows = batch.vectors["resnet50-crop"]
            rows = replace(rows, vectors=np.round(rows.vectors * 2) / 2 if number % 3 == 0 else rows.vectors)
            given |= dict(zip(rows.object_id.tolist(), rows.vectors, strict=True))
            batch = replace(batch, vectors={**batch.vectors, "resnet50-crop": replace(rows, recipe=HALF)})
            writer.commit(batch)
        writer.finish()
    return path, given


# ------------------------------------------------------------------------------------------ the conversion


def test_every_finite_float16_becomes_the_same_float32():
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = np.tile(halves[np.isfinite(halves)], 3)  # more than are converted at once
    numbers = np.empty(len(halves), np.float32)
    assert widen(halves, numbers)
    np.testing.assert_array_equal(numbers.view(np.uint32), halves.astype(np.float32).view(np.uint32))


@pytest.mark.parametrize("bits", [0x7C00, 0xFC00, 0x7C01, 0x7E00, 0xFFFF])
@pytest.mark.parametrize("place", [0, 70_000, 99_999])
def test_what_is_not_finite_is_found_wherever_it_is(bits, place):
    halves = np.ones((100, 1000), np.float16)
    halves.reshape(-1).view(np.uint16)[place] = bits
    assert not widen(halves, np.empty(halves.shape, np.float32))


# ------------------------------------------------------------------------------------------- what is read


@settings(max_examples=15)
@given(
    st.lists(
        st.lists(st.floats(-65504, 65504, width=32), min_size=3, max_size=3), min_size=1, max_size=6
    ).map(lambda rows: np.array(rows, np.float32))
)
def test_what_is_read_is_what_numpy_rounds(tmp_path_factory, make_batch, vectors):
    path, batch = tmp_path_factory.mktemp("round") / "s.osp", make_batch(1)
    ids = batch.objects.object_id[: len(vectors)]
    rows = SpaceRows(HALF, ids, vectors[: len(ids)])
    with open_writer(path) as writer:
        writer.commit(replace(batch, vectors={"a": rows}))
    expected = rows.vectors.astype(np.float16)
    raw = lance.dataset(str(path / "spaces" / "a.lance")).to_table()["vector"].combine_chunks().flatten()
    assert raw.type == pa.float16()
    np.testing.assert_array_equal(raw.to_numpy().view(np.uint16), expected.ravel().view(np.uint16))
    exact, store = expected.astype(np.float32).view(np.uint32), open_store(path)
    for read in (store.space("a").vectors, store.stored_space("a").vectors[:]):
        np.testing.assert_array_equal(read.view(np.uint32), exact)
    last = store.vectors("a", [len(ids) - 1, 0])
    np.testing.assert_array_equal(last.view(np.uint32), exact[[len(ids) - 1, 0]])


def test_files_that_others_wrote_round_alike(path, tmp_path, make_batch, read_all):
    from tests.store.test_fragments import by_workers

    with open_writer(path) as plain, open_writer(tmp_path / "workers.osp") as workers:
        for number in range(3):
            plain.commit(halved(make_batch(number)))
            workers.commit(by_workers(workers, halved(make_batch(number))))
        # Some of the rows are there already: the others are read from the file and added.
        more = halved(make_batch(3))
        one = more.vectors["resnet50-crop"]
        first = SpaceRows(HALF, one.object_id[1:2], one.vectors[1:2])
        workers.commit(replace(more, vectors={"resnet50-crop": first}))
        workers.commit(by_workers(workers, more))
        plain.commit(more)
    assert read_all(tmp_path / "workers.osp") == read_all(path)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("in_memory", [0, 1 << 30])
def test_search_is_brute_force_over_what_is_kept(many, metric, in_memory):
    path, given = many
    ids = np.array(list(given))
    kept = np.array(list(given.values())).astype(np.float16).astype(np.float64)
    ends = kept / np.linalg.norm(kept, axis=1, keepdims=True) if metric == "cosine" else kept
    square = ((ends[:, None] - ends[None]) ** 2).sum(axis=2)
    true = square / 2 if metric == "cosine" else np.sqrt(square)
    store = open_store(path)
    search = SpaceSearch(store, "resnet50-crop", metric=metric, in_memory=in_memory)
    image = dict(zip(store.objects().object_id.tolist(), store.objects().image_id.tolist(), strict=True))
    for row, answer in enumerate(search.nearest(ids.tolist(), k=7)):
        others = [other for other in range(len(ids)) if image[ids[other]] != image[ids[row]]]
        order = sorted(others, key=lambda other: (round(true[row, other], 12), ids[other]))[:7]
        assert answer.neighbors.object_id.tolist() == ids[order].tolist()
        np.testing.assert_allclose(answer.distance, true[row, order], atol=1e-12)


@pytest.mark.usefixtures("small_sample")
@pytest.mark.parametrize("kind", ["ivf-hnsw-sq", "ivf-pq"])
def test_an_index_of_float16(tmp_path, add_objects, noise, kind):
    path = tmp_path / "s.osp"
    add_objects(path, noise[:300], kept="float16")
    built = index_space(path, "a-crop", kind=kind)
    assert built.recall.recall_at_10 > 0.9
    search = SpaceSearch(open_store(path), "a-crop", approximate=True)
    exact = SpaceSearch(open_store(path), "a-crop")
    ids = open_store(path).members("a-crop")[:20]
    found, true = (
        {a.neighbors.object_id[0]: a.distance[0] for a in one.nearest(ids, k=1, same_image=True)}
        for one in (search, exact)
    )
    assert len(found.keys() & true.keys()) >= len(true) - 2
    assert all(found[name] == true[name] for name in found.keys() & true.keys())


def test_a_joint_space_of_both_kinds(many):
    path, _ = many
    join_spaces(path, ["resnet50-crop", "yolo-window"], name="joint")
    store = open_store(path)
    recorded = {
        name: recipe.get("vectors")
        for part in store.recipe("joint").parts
        for name, recipe in part["recipes"].items()
    }
    assert recorded == {"resnet50-crop": "float16", "yolo-window": None}
    in_memory, on_disk = (SpaceSearch(store, "joint", in_memory=size) for size in (1 << 30, 0))
    ids = store.members("joint")[:9]
    for one, other in zip(
        in_memory.nearest(ids, k=5, same_image=True), on_disk.nearest(ids, k=5, same_image=True), strict=True
    ):
        assert one.to_json() == other.to_json()


@pytest.fixture(scope="module")
def twins(tmp_path_factory, add_objects, noise):
    """Stores of the same 200 vectors: kept as float16, and as float32 after they were rounded."""
    folder = tmp_path_factory.mktemp("twins")
    add_objects(folder / "half.osp", noise[:200] * 3, kept="float16")
    add_objects(folder / "whole.osp", (noise[:200] * 3).astype(np.float16).astype(np.float32))
    return folder / "half.osp", folder / "whole.osp"


def measured(path):
    store = open_store(path)
    space = store.space("a-crop")
    label = osp.measure_factor(space, store.objects(space.object_id), osp.FactorSpec("label"))
    return label.to_json()


def projected(path):
    store = open_store(path)
    space, objects = store.space("a-crop"), store.objects()
    return osp.project(space, objects, {"x": objects.xyxy[:, 0].astype(float)}).to_json()


def chosen(path):
    return list(osp.select(path, 20, space="a-crop", name="few").object_ids)


def exported(path):
    out = path.with_suffix(".npz")
    osp.export_store(open_store(path), out, "npz")
    return np.load(out)["vector/a-crop"].tolist()


@pytest.mark.parametrize(
    "read",
    [
        measured,
        projected,
        chosen,
        exported,
        lambda path: open_store(path).stored_space("a-crop").vectors[::7].tolist(),
    ],
    ids=["measure", "project", "select", "npz", "every seventh"],
)
def test_readers_find_the_rounded_vectors(twins, read):
    half, whole = map(read, twins)
    assert half == whole


# ------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("number", [65504, -65504, 6e-8, 1e-30])
def test_numbers_that_float16_holds_or_rounds(number):
    SpaceRows(HALF, ["a"], np.float32([[0, number]]))


@pytest.mark.parametrize("number", [65505, -70000, 3e38])
def test_numbers_beyond_float16_are_refused(number):
    told = rf"the vector of object b has {abs(np.float32(number)):g} in it, and float16 holds numbers up to "
    with pytest.raises(Float16Error, match=told.replace("+", r"\+") + r'65504; give vectors="float32"'):
        SpaceRows(HALF, ["a", "b", "c"], np.float32([[1, 2], [3, number], [number, 0]]))
    SpaceRows(CROP, ["a"], np.float32([[number]]))


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_as_ever(number):
    with pytest.raises(InputError, match="the vector of object a has a NaN or an infinity in it"):
        SpaceRows(HALF, ["a"], np.float32([[number]]))


@pytest.mark.parametrize("first", ["float32", "float16"])
def test_a_space_holds_vectors_of_one_kind(path, make_batch, read_all, first):
    kinds = {"float32": lambda batch: batch, "float16": halved}
    (second,) = kinds.keys() - {first}
    with open_writer(path) as writer:
        writer.commit(kinds[first](make_batch(1)))
        before = read_all(path)
        message = rf"space resnet50-crop of .* another recipe \(vectors '{first}', now '{second}'\); use"
        with pytest.raises(RecipeError, match=message):
            writer.commit(kinds[second](make_batch(2)))
        assert read_all(path) == before


def test_the_column_has_to_be_of_the_recipe(path, make_batch):
    with open_writer(path) as writer:
        writer.commit(make_batch(1))
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["spaces"]["resnet50-crop"]["recipe"]["vectors"] = "float16"
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match=r"has fixed_size_list<item: float>.* expected .*halffloat"):
        open_store(path).space("resnet50-crop")
    manifest["spaces"]["resnet50-crop"]["recipe"]["vectors"] = "int8"
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match="recipe: vectors is 'int8', expected float32 or float16"):
        open_store(path)


# ----------------------------------------------------------------------------------------------- the recipe


def test_recipes_of_float32_keep_the_digests_that_they_had_before_there_was_a_choice():
    assert (CROP.digest, WINDOW.digest) == ("45c268b8ec3e", "3b3f052840f1")
    assert "vectors" not in CROP.to_json()
    assert Recipe.from_json(CROP.to_json()) == CROP


def test_float16_is_of_the_recipe():
    assert HALF.to_json()["vectors"] == "float16"
    assert Recipe.from_json(HALF.to_json()) == HALF
    assert HALF.digest != CROP.digest
    assert CROP.differences(HALF) == {"vectors": ("float32", "float16")}
    assert HALF.computed == CROP


# ------------------------------------------------------------------------------------------ a damaged store


def test_check_and_repair(path, tmp_path, make_batch):
    jpegs = [encode_thumbnail(np.full((30, 40, 3), 60 * row, np.uint8)) for row in range(4)]
    batches = [replace(halved(make_batch(number)), thumbnails=jpegs) for number in range(3)]
    with open_writer(path) as writer:
        for batch in batches:
            writer.commit(batch)
    assert examine_store(path).whole

    def spoil(rows):
        vectors = rows["vector"].combine_chunks().flatten().to_numpy().reshape(-1, 8).copy()
        vectors[5, 3] = np.nan
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 8)
        return rows.set_column(1, rows.schema.field("vector"), column)

    bad = tamper(path, tmp_path / "bad.osp", "spaces/resnet50-crop", spoil)
    for read in (lambda held: held.space("resnet50-crop"), lambda held: held.vectors("resnet50-crop", [5])):
        with pytest.raises(StoreError, match="vectors with a NaN or an infinity"):
            read(open_store(bad))
    assert [damage.what for damage in examine_store(bad).damages] == ["1 row whose vector is not finite"]
    repair_store(bad)
    assert len(open_store(bad).space("resnet50-crop")) == 11
    # What is made again is as it was.
    with open_writer(bad) as writer:
        for batch in batches:
            writer.commit(batch)
    one, other = (open_store(folder).space("resnet50-crop") for folder in (path, bad))
    first, second = (space.vectors[np.argsort(space.object_id)] for space in (one, other))
    np.testing.assert_array_equal(first, second)
