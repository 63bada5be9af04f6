"""What goes into a store comes out of it, once."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, replace

import lance
import numpy as np
import pytest

from objectspace.embeddings.spaces import Recipe
from objectspace.errors import InputError, QueryError, RecipeError, StoreError
from objectspace.objects.records import make_objects, no_objects
from objectspace.store import (
    Batch,
    Failure,
    ImageRow,
    SpaceRows,
    indexed_key,
    open_store,
    open_writer,
    tables,
)
from objectspace.store.purity import LabelPurity

RECIPE = Recipe("crop", "m", "w", "t", {}, "float32", "0.1.0")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "dogs.osp"


def write(path, *batches):
    with open_writer(path) as writer:
        for batch in batches:
            writer.commit(batch)


def test_objects_come_back_column_by_column(path, make_batch):
    batch = make_batch(1)
    write(path, batch)
    stored = open_store(path).objects()
    for name, column in batch.objects.columns.items():
        assert repr(stored.columns[name].tolist()) == repr(column.tolist()), name
    for name in ("xyxy", "score", "head", "objectness", "angle"):
        assert stored.columns[name].dtype == batch.objects.columns[name].dtype, name


def test_photos_thumbnails_and_failures_come_back(path, make_batch):
    batch = make_batch(1)
    write(path, batch)
    store = open_store(path)
    assert store.images() == batch.images
    assert store.failures() == batch.failures
    ids = batch.objects.object_id[[3, 0]]
    assert store.thumbnails(ids) == [batch.thumbnails[3], batch.thumbnails[0]]
    assert store.sources == {"yolo@1": {"cfg": "cc", "size": [320, 320]}}


def test_vectors_and_cells_come_back_bit_for_bit(path, make_batch):
    batch = make_batch(1)
    write(path, batch)
    store = open_store(path)
    for name, rows in batch.vectors.items():
        space = store.space(name)
        assert space.vectors.tobytes() == rows.vectors.tobytes()
        assert space.object_id.tolist() == list(rows.object_id)
        assert space.recipe.to_json() == rows.recipe.to_json()
    assert store.cells("yolo-window")["cell_x"].tolist() == [0, 1]
    assert store.cells("yolo-window")["anchor"].tolist() == [-1, -1]
    assert store.cells("resnet50-crop")["head"].tolist() == [-1] * 4


def test_cells_that_are_not_known_are_null(path, make_batch):
    batch = make_batch(1)
    rows = batch.vectors["yolo-window"]
    nobody = {"cell_x": np.array([3, -1]), "anchor": np.array([-1, -1])}
    write(path, replace(batch, vectors={"yolo-window": replace(rows, cells=nobody)}))
    stored = lance.dataset(path / "spaces" / "yolo-window.lance").to_table()
    assert stored["cell_x"].to_pylist() == [3, None]
    assert stored["anchor"].to_pylist() == [None, None]
    assert open_store(path).cells("yolo-window")["cell_x"].tolist() == [3, -1]


def test_objects_by_id_in_the_order_asked_for(path, make_batch):
    batches = [make_batch(number) for number in range(3)]
    write(path, *batches)
    wanted = [batches[2].objects.object_id[1], batches[0].objects.object_id[3]]
    assert open_store(path).objects(wanted).object_id.tolist() == wanted


def test_info_counts(path, make_batch):
    write(path, make_batch(1), make_batch(2))
    info = open_store(path).info()
    assert (info.images, info.objects) == (4, 8)
    assert info.labels == {"dog": 4, "potted plant": 4}
    assert [(space.name, space.count, space.dimension) for space in info.spaces] == [
        ("resnet50-crop", 8, 8),
        ("yolo-window", 4, 3),
    ]
    assert info.to_json()["failures"][0] == {"path": "photos/broken 1.jpg", "reason": "the file is empty"}
    assert info.to_json()["spaces"][1]["recipe"]["stride"] == 32


def test_adding_twice_is_adding_once(path, make_batch, read_all):
    write(path, make_batch(1), make_batch(2))
    before = read_all(path)
    write(path, make_batch(2), make_batch(1), make_batch(2))
    assert read_all(path) == before


def test_a_row_that_stands_twice_in_a_batch_is_added_once(path, make_batch):
    batch = make_batch(1)
    twice = np.repeat(np.arange(4), 2)
    crop = batch.vectors["resnet50-crop"]
    doubled = replace(
        batch,
        images=[*batch.images, *batch.images],
        objects=batch.objects.take(twice),
        thumbnails=[batch.thumbnails[row] for row in twice],
        vectors={"resnet50-crop": SpaceRows(crop.recipe, crop.object_id[twice], crop.vectors[twice])},
        failures=[*batch.failures, *batch.failures],
    )
    write(path, doubled)
    store = open_store(path)
    assert len(store.images()) == 2
    assert store.objects().object_id.tolist() == batch.objects.object_id.tolist()
    assert store.thumbnails(batch.objects.object_id) == batch.thumbnails
    assert store.space("resnet50-crop").vectors.tolist() == crop.vectors.tolist()
    assert len(store.failures()) == 1


def test_done_knows_the_job_and_photos_without_objects(path, make_batch):
    empty = Batch([ImageRow("e" * 32, "empty.jpg", 2, 2)], no_objects(), [], job="other")
    with open_writer(path) as writer:
        writer.commit(make_batch(1, job="one"))
        writer.commit(empty)
        finished = writer.finished()
        for image_id in ("e" * 32, *(row.image_id for row in make_batch(1).images)):
            jobs = [job for job in ("one", "other", "neither") if indexed_key(image_id, job) in finished]
            assert jobs == ["other" if image_id == "e" * 32 else "one"]


def test_a_later_job_adds_a_space_to_objects_that_are_there(path, make_batch):
    batch = make_batch(1)
    write(path, replace(batch, vectors={}))
    late = Batch([], no_objects(), [], job="later", vectors=batch.vectors)
    write(path, late)
    assert len(open_store(path).space("resnet50-crop")) == 4


def test_a_photo_that_succeeds_loses_its_failures(path, make_batch):
    broken = [
        Failure("a.jpg", "the file is empty"),
        Failure("a.jpg", "no image"),
        Failure("b.jpg", "no image"),
    ]
    write(path, make_batch(1, failures=broken))
    healed = Batch([ImageRow("a" * 32, "a.jpg", 2, 2)], no_objects(), [], job="job")
    write(path, healed)
    assert open_store(path).failures() == [Failure("b.jpg", "no image")]


def test_file_names_that_are_not_text(path):
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    failed = Batch([], no_objects(), [], job="job", failures=[Failure(name, f"cannot read {name}")])
    write(path, failed, failed)
    assert open_store(path).failures() == [Failure("caf\\udce9.jpg", "cannot read caf\\udce9.jpg")]
    write(path, Batch([ImageRow("a" * 32, name, 2, 2)], no_objects(), [], job="job"))
    assert open_store(path).failures() == []
    assert open_store(path).images()[0].path == "caf\\udce9.jpg"


def test_a_reader_keeps_the_state_that_it_opened(path, make_batch):
    with open_writer(path) as writer:
        writer.commit(make_batch(1))
        store = open_store(path)
        writer.commit(make_batch(2))
        writer.finish()
        assert len(store.images()) == 2
        assert len(store.objects()) == 4
        assert len(open_store(path).objects()) == 8


def test_an_empty_store_answers(path):
    open_writer(path).close()
    store = open_store(path)
    assert store.info().to_json() == {
        "images": 0,
        "objects": 0,
        "labels": {},
        "sources": {},
        "default_space": None,
        "spaces": [],
        "failures": [],
    }
    assert len(store.objects()) == len(store) == 0
    assert store.thumbnails([]) == []
    assert store.objects([]).object_id.tolist() == []
    with pytest.raises(QueryError, match=r"no space a in .*dogs.osp; its spaces: none yet"):
        store.space("a")


def test_a_default_space_and_purities_stay_until_others_are_set(path, make_batch):
    first, second = LabelPurity(0.5, 0.25, 0.375, 0.625, 12, 13), LabelPurity(0.75, 0.5, 0.5, 0.875, 12, 13)
    with open_writer(path) as writer:
        writer.commit(make_batch(1))
        writer.set_default_space("yolo-window")
        writer.set_purities({"yolo-window": first, "resnet50-crop": first})
        writer.commit(make_batch(2))
        writer.set_purities({"resnet50-crop": second})
        store = open_store(path)
        assert store.default_space == "yolo-window"
        assert store.purities == {"yolo-window": first, "resnet50-crop": second}
        writer.set_default_space("resnet50-crop")
        assert open_store(path).default_space == "resnet50-crop"
        assert open_store(path).purities == store.purities


def test_unknown_names_are_named(path, make_batch):
    write(path, make_batch(1))
    store = open_store(path)
    with pytest.raises(QueryError, match=r"no space vgg in .*; its spaces: resnet50-crop, yolo-window"):
        store.space("vgg")
    with pytest.raises(QueryError, match="no object beef in"):
        store.objects(["beef"])
    with pytest.raises(QueryError, match="no object beef in"):
        store.thumbnails(["beef"])


def test_first_digits_that_one_id_alone_has_stand_for_it(path, make_batch):
    batch = make_batch(1)
    ids = np.array(["aaaa1", "aaaa2", "aaaab", "bbbbb"])
    batch = replace(batch, objects=replace(batch.objects, object_id=ids), vectors={})
    write(path, batch)
    store = open_store(path)
    assert store.whole_ids(["aaaa2", "bbbb"]) == ["aaaa2", "bbbbb"]
    assert store.objects(["bbbb", "aaaa1"]).object_id.tolist() == ["bbbbb", "aaaa1"]
    assert store.thumbnails(["bbbb"]) == store.thumbnails(["bbbbb"])
    assert store.save_selection("one", ["bbbb"]).object_ids.tolist() == ["bbbbb"]
    with pytest.raises(
        QueryError, match=r"^3 objects of .* begins with aaaa: aaaa1, aaaa2, aaaab; give more"
    ):
        store.objects("aaaa")
    for few in ("bbb", ""):
        with pytest.raises(QueryError, match=rf"no object {few} \(an id, or 4 of its first digits\) in "):
            store.whole_ids(few)


# Factors.


def some_objects(name, **factors):
    image = name * 32
    objects = make_objects(image_id=image, xyxy=np.float32([[0, 0, 1, 1]]), label=["dog"], source="s@1")
    columns = {
        key: np.array([value], float if isinstance(value, float) else object)
        for key, value in factors.items()
    }
    return Batch([ImageRow(image, f"{name}.jpg", 2, 2)], objects.with_factors(columns), [b""], job="job")


def factor(path, name):
    return open_store(path).objects().factors[name].tolist()


def test_new_factors_are_unknown_in_older_rows(path):
    write(path, some_objects("a"), some_objects("b", angle=30.0), some_objects("c", color="red"))
    assert repr(factor(path, "angle")) == "[nan, 30.0, nan]"
    assert factor(path, "color") == [None, None, "red"]


def test_a_factor_nobody_knows_makes_no_column(path):
    write(path, some_objects("a", angle=None), some_objects("b", angle=30.0), some_objects("c", angle=None))
    assert repr(factor(path, "angle")) == "[nan, 30.0, nan]"


def test_a_factor_of_another_type_is_refused(path):
    write(path, some_objects("a", angle=30.0))
    with pytest.raises(InputError, match=r"factor angle: .*dogs.osp holds numbers and this job gives text"):
        write(path, some_objects("b", angle="thirty"))
    assert len(open_store(path).objects()) == 1


def test_a_factor_of_two_types_is_refused(path, make_batch):
    mixed = make_batch(1).objects.with_factors({"shade": np.array([1.0, "x", None, 2], object)})
    with pytest.raises(InputError, match="factor shade: expected all numbers or all text, found both"):
        write(path, make_batch(1, objects=mixed))


@pytest.mark.parametrize("name", ["a.b", "`a`", "", "label", "thumbnail", "image_id"])
def test_factor_names_that_cannot_be_columns(path, name):
    with pytest.raises(InputError, match="factor"):
        write(path, some_objects("a", **{name: 1.0}))


@pytest.mark.parametrize("name", ["Angle", "a b", "größe", "1st", "select"])
def test_factor_names_that_can(path, name):
    write(path, some_objects("a", angle=1.0), some_objects("b", **{name: 2.0}))
    assert repr(factor(path, name)) == "[nan, 2.0]"


def test_factors_of_stored_objects_can_be_set(path):
    write(path, some_objects("a", angle=1.0, color="red"), some_objects("b", angle=2.0), some_objects("c"))
    before = open_store(path).objects()
    with open_writer(path) as writer:
        writer.set_factors({"a" * 32: {"angle": 9.0, "size": "big"}, "b" * 32: {"angle": None}, "x" * 32: {}})
    after = open_store(path).objects(before.object_id)
    assert repr(after.factors["angle"].tolist()) == "[9.0, nan, nan]"
    assert after.factors["color"].tolist() == ["red", None, None]
    assert after.factors["size"].tolist() == ["big", None, None]
    for name in ("label", "xyxy", "image_id", "source"):
        assert after.columns[name].tolist() == before.columns[name].tolist()
    assert open_store(path).thumbnails(before.object_id) == [b""] * 3


def test_setting_the_same_factors_writes_nothing(path):
    write(path, some_objects("a", angle=1.0))
    with open_writer(path) as writer:
        before = (path / "manifest.json").read_bytes()
        writer.set_factors({"a" * 32: {"angle": 1.0, "color": None}})
        writer.set_factors({})
        assert (path / "manifest.json").read_bytes() == before


def test_setting_a_factor_of_another_type_is_refused(path):
    write(path, some_objects("a", angle=1.0))
    with (
        open_writer(path) as writer,
        pytest.raises(InputError, match="holds numbers and this job gives text"),
    ):
        writer.set_factors({"a" * 32: {"angle": "one"}})
    assert factor(path, "angle") == [1.0]


def test_setting_factors_of_an_empty_store(path):
    with open_writer(path) as writer:
        writer.set_factors({"a" * 32: {"angle": 1.0}})
    assert len(open_store(path).objects()) == 0


# What is refused, and that nothing of the batch is added then.


def refused(path, batch, error, sentence):
    with open_writer(path) as writer:
        before = (path / "manifest.json").read_bytes()
        with pytest.raises(error, match=sentence):
            writer.commit(batch)
        assert (path / "manifest.json").read_bytes() == before


def test_another_recipe_is_refused_by_name(path, make_batch):
    write(path, make_batch(1))
    batch = make_batch(2)
    crop = batch.vectors["resnet50-crop"]
    other = SpaceRows(replace(crop.recipe, precision="bfloat16", weights="ab"), crop.object_id, crop.vectors)
    sentence = (
        r"space resnet50-crop of .*dogs.osp was made by another recipe "
        r"\(weights 'aa', now 'ab'; precision 'float32', now 'bfloat16'\); use another store, or "
        r".*\(suffix=\)"
    )
    refused(path, replace(batch, vectors={"resnet50-crop": other}), RecipeError, sentence)


def test_recipes_are_checked_before_vectors_are_made(path, make_batch):
    write(path, make_batch(1))
    recipes = {name: rows.recipe for name, rows in make_batch(2).vectors.items()}
    with open_writer(path) as writer:
        writer.check_recipes({**recipes, "new": replace(RECIPE, weights="x")})
        with pytest.raises(
            RecipeError, match=r"space yolo-window of .* \(weights 'bb', now 'x'\); use another"
        ):
            writer.check_recipes({**recipes, "yolo-window": replace(recipes["yolo-window"], weights="x")})


def test_a_space_of_an_earlier_release_goes_on(path, make_batch, monkeypatch):
    def without_method(recipe):
        return {name: value for name, value in asdict(recipe).items() if name != "method"}

    with monkeypatch.context() as patch:
        patch.setattr(Recipe, "to_json", without_method)
        write(path, make_batch(1))
    second = make_batch(2)
    now = {n: replace(r, recipe=replace(r.recipe, version="9.9")) for n, r in second.vectors.items()}
    write(path, replace(second, vectors=now))
    store = open_store(path)
    assert len(store.space("resnet50-crop")) == 8
    assert store.recipe("resnet50-crop").version == "0.1.0"


def test_another_dimension_is_refused(path, make_batch):
    write(path, make_batch(1))
    batch = make_batch(2)
    crop = batch.vectors["resnet50-crop"]
    other = SpaceRows(crop.recipe, crop.object_id, crop.vectors[:, :5])
    refused(path, replace(batch, vectors={"resnet50-crop": other}), RecipeError, r"\(dimension 8, now 5\)")


def test_another_recipe_of_a_source_is_refused(path, make_batch):
    write(path, make_batch(1))
    sources = {"yolo@1": {"cfg": "another"}}
    refused(path, replace(make_batch(2), sources=sources), RecipeError, "source yolo@1 of")


def test_a_vector_without_its_object_is_refused(path, make_batch):
    rows = SpaceRows(RECIPE, ["f" * 32], np.zeros((1, 2), np.float32))
    refused(path, replace(make_batch(1), vectors={"s": rows}), InputError, "object f{32}, which is not in")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_vectors_that_are_not_finite_are_refused(value):
    with pytest.raises(InputError, match="the vector of object b has a NaN or an infinity in it"):
        SpaceRows(RECIPE, ["a", "b"], np.array([[0, 0], [0, value]], np.float32))


def test_vectors_of_another_shape_are_refused():
    with pytest.raises(InputError, match=r"vectors of shape \(2, 3\) for 1 objects"):
        SpaceRows(RECIPE, ["a"], np.zeros((2, 3), np.float32))
    with pytest.raises(InputError, match=r"vectors of shape \(1, 0\)"):
        SpaceRows(RECIPE, ["a"], np.zeros((1, 0), np.float32))
    with pytest.raises(InputError, match="unknown column row; expected head"):
        SpaceRows(RECIPE, ["a"], np.zeros((1, 1), np.float32), {"row": np.zeros(1)})
    with pytest.raises(InputError, match="column head has 2 rows, expected 1"):
        SpaceRows(RECIPE, ["a"], np.zeros((1, 1), np.float32), {"head": np.zeros(2)})


def test_thumbnails_one_each(make_batch):
    with pytest.raises(InputError, match="1 thumbnails for 4 objects"):
        make_batch(1, thumbnails=[b""])


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "a b", "é", "a" * 201, "a\n"])
def test_space_names_that_cannot_be_files(make_batch, name):
    with pytest.raises(InputError, match="use letters, digits, dots, dashes and underscores"):
        make_batch(1, vectors={name: SpaceRows(RECIPE, [], np.zeros((0, 2), np.float32))})


def test_a_closed_writer_writes_no_more(path, make_batch):
    writer = open_writer(path)
    writer.close()
    with pytest.raises(StoreError, match=r"the writer of .* is closed"):
        writer.commit(make_batch(1))


def test_importing_the_store_leaves_lance_alone():
    code = "import sys, objectspace.store; print(*({'torch', 'lance'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_last_word_on_where_a_model_lies_counts(path, make_batch):
    write(path, make_batch(1, models={"yolo@1": {"weights": "a.weights", "size": (320, 320)}}))
    write(path, make_batch(1, models={"yolo@1": {"weights": "b.weights"}, "resnet50": {}}))
    assert open_store(path).models == {"yolo@1": {"weights": "b.weights"}, "resnet50": {}}


def test_recipe_and_members_of_a_space(tmp_path, make_batch):
    with open_writer(tmp_path / "s.osp") as writer:
        writer.commit(make_batch(1))
    store = open_store(tmp_path / "s.osp")
    for name in store.space_names:
        assert store.recipe(name) == store.space(name).recipe
        assert store.members(name) == store.space(name).object_id.tolist()


def test_some_vectors_of_a_space_in_any_order(path, make_batch):
    write(path, make_batch(0), make_batch(1))
    store = open_store(path)
    whole = store.space("resnet50-crop").vectors
    np.testing.assert_array_equal(store.vectors("resnet50-crop", [7, 0, 3]), whole[[7, 0, 3]])
    assert store.vectors("yolo-window", []).shape == (0, 3)


# A few rows of many.


def test_images_by_id(path, make_batch):
    batches = [make_batch(number) for number in range(3)]
    write(path, *batches)
    wanted = [batches[2].images[1], batches[0].images[0]]
    found = open_store(path).images_by_id([*(row.image_id for row in wanted), "f" * 32])
    assert found == {row.image_id: row for row in wanted}


def test_objects_of_images(path, make_batch):
    batches = [make_batch(number) for number in range(3)]
    write(path, *batches)
    store = open_store(path)
    found = store.objects_of_images([batches[1].images[1].image_id, "f" * 32])
    assert found.object_id.tolist() == batches[1].objects.object_id[2:].tolist()
    assert len(store.objects_of_images([])) == 0


@pytest.mark.parametrize("space", [None, "resnet50-crop", "yolo-window"])
def test_columns_of_objects_are_those_of_the_records(path, make_batch, space):
    # The later job's vectors come in another order than their objects.
    batches = [make_batch(number) for number in range(3)]
    late = Batch([], no_objects(), [], job="later", vectors=batches[0].vectors)
    write(path, replace(batches[0], vectors={}), *batches[1:], late)
    store = open_store(path)
    objects = store.objects(None if space is None else store.members(space))
    names = [name for name in objects.columns if name != "mask"]
    columns = store.object_columns(names, space)
    for name in names:
        assert columns[name].dtype == objects.columns[name].dtype, name
        assert repr(columns[name].tolist()) == repr(objects.columns[name].tolist()), name


def test_columns_that_objects_do_not_have(path, make_batch):
    write(path, make_batch(1))
    sentence = "objects have no column mask; their columns: object_id, image_id, .*objectness, angle, apple$"
    with pytest.raises(QueryError, match=sentence):
        open_store(path).object_columns(["label", "mask"])


def test_columns_of_an_empty_store(path):
    open_writer(path).close()
    assert open_store(path).object_columns(["xyxy"])["xyxy"].shape == (0, 4)


@pytest.mark.parametrize("few", [0, 1000])
def test_rows_of_objects_in_a_space(path, make_batch, monkeypatch, few):
    """Looked up one by one, or by reading the column once: the same."""
    monkeypatch.setattr(tables, "_FEW_VALUES", few)
    write(path, *(make_batch(number) for number in range(3)))
    store = open_store(path)
    vectors, members = store.stored_space("yolo-window").vectors, store.members("yolo-window")
    wanted = [members[4], "f" * 32, members[0], members[4]]
    assert vectors.rows(wanted).tolist() == [4, -1, 0, 4]
    assert vectors.rows(["f" * 32]).tolist() == [-1]
    assert vectors.rows([members[2], "f" * 32]).tolist() == [2, -1]
    assert vectors.rows([]).tolist() == []
    assert vectors.object_ids([4, 0]).tolist() == [members[4], members[0]]
    assert store.objects([members[4], members[0]]).object_id.tolist() == [members[4], members[0]]


def test_every_record_is_one_line(path, make_batch):
    batch = make_batch(1)
    with open_writer(path) as writer:
        writer.commit(batch)
        assert repr(writer) == f"Writer({str(path)!r})"
        assert repr(writer.finished()) == "Keys(2 keys)"
    store = open_store(path)
    assert repr(store) == f"Store({str(path)!r}, spaces: resnet50-crop, yolo-window)"
    assert repr(store.space("yolo-window")) == "Space('yolo-window', 2 vectors of 3 numbers)"
    stored = store.stored_space("yolo-window")
    assert repr(stored) == "StoredSpace('yolo-window', 2 x 3 vectors on disk, no index)"
    assert repr(stored.vectors) == "StoredVectors(2 x 3, on disk)"
    assert repr(batch) == "Batch(2 images, 4 objects, spaces: resnet50-crop, yolo-window)"
    assert repr(batch.vectors["yolo-window"]) == "SpaceRows(2 x 3 vectors of yolo, window route)"
    assert repr(batch.objects) == "Objects(4 in 2 images: dog 2, potted plant 2; factors angle, apple)"
    assert repr(no_objects()) == "Objects(0)"
