"""Whatever stands in manifest.json, a reader gets the state or one clear sentence."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from objectspace.embeddings.joint import JointPart, joint_recipe
from objectspace.embeddings.spaces import Recipe
from objectspace.errors import StoreError, StoreVersionError
from objectspace.store import open_store, open_writer
from objectspace.store.indexes import JointSpaceIndex, Recall, SpaceIndex
from objectspace.store.manifest import Manifest, SpaceEntry, parse_manifest, read_manifest, write_manifest
from objectspace.store.purity import LabelPurity

RECIPE = Recipe("window", "yolo", "ab", "119", {"size": [320, 320]}, "float32", "0.1.0", 3, "own", 32)
FILES = {
    "images": {},
    "objects": {"data/0.lance": "0" * 16},
    "spaces/a": {"_deletions/0-1-2.arrow": "1" * 16},
}
JOINT = joint_recipe(
    [JointPart("one", ("a",)), JointPart("other", ("b",), 2.0, 0.25)], {"a": RECIPE, "b": RECIPE}
)
INDEX = SpaceIndex("ivf-pq", "cosine", 300, {"probes": 20, "candidates": 10}, Recall(0.5, 0.25, 0.75, 200))
PURITY = LabelPurity(0.5, 0.25, 0.375, 0.625, 12, 13).to_json()
MANIFEST = Manifest(
    {"images": 2, "objects": 3, "spaces/a": 7},
    {"a": SpaceEntry(RECIPE, 9)},
    {"s@1": {"x": None}},
    files=FILES,
    joint_spaces={"both": JOINT},
    joint_indexes={"both": JointSpaceIndex(INDEX, JOINT.digest, {"a": INDEX, "b": None})},
    default_space="both",
    purities={"a": LabelPurity(0.5, 0.25, 0.375, 0.625, 12, 13)},
)


def test_a_manifest_comes_back(tmp_path):
    write_manifest(tmp_path, MANIFEST)
    assert read_manifest(tmp_path) == MANIFEST
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_no_store(tmp_path):
    with pytest.raises(StoreError, match=r"no store at .*here; make one with objectspace index"):
        open_store(tmp_path / "here")
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(StoreError, match="no store at"):
        open_store(tmp_path / "photo.jpg")


def test_a_store_beside_is_meant(tmp_path):
    for name in ("dogs.osp", "dogs.txt"):
        (tmp_path / name).mkdir()
    write_manifest(tmp_path / "dogs.osp", MANIFEST)
    told = rf"no store at .*dog.osp; did you mean {tmp_path / 'dogs.osp'}\?; make one with"
    with pytest.raises(StoreError, match=told):
        open_store(tmp_path / "dog.osp")


@pytest.mark.parametrize(
    ("share", "low", "high", "taken"),
    [
        (0, 0, 0, True),
        (1, 1, 1, True),
        (0, 0, 0.1, True),
        (0.5, 0.5, 1, True),
        (0.5, -0.1, 1, False),
        (0.5, 0.6, 1, False),
        (0.5, 0.2, 0.4, False),
        (0.5, 0.2, 1.1, False),
        (float("nan"), 0, 1, False),
    ],
)
def test_a_recall_is_a_share_in_its_interval(share, low, high, taken):
    document = {**INDEX.to_json(), "recall_at_10": share, "low": low, "high": high}
    with contextlib.nullcontext() if taken else pytest.raises(ValueError, match="a recall is no share"):
        assert SpaceIndex.from_json(document).recall == Recall(share, low, high, 200)


def test_another_format_version(tmp_path):
    value = {**MANIFEST.to_json(), "version": 1, "package": "9.1"}
    (tmp_path / "manifest.json").write_text(json.dumps(value))
    sentence = r"has format version 1 and this objectspace \(.*\) reads version 2; open it with .*\(9.1\)"
    with pytest.raises(StoreVersionError, match=sentence):
        open_store(tmp_path)
    with pytest.raises(StoreVersionError, match=sentence):
        open_writer(tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": "zarr"}, "does not say"),
        ({"tables": []}, "it has no tables"),
        ({"spaces": None}, "it has no spaces"),
        ({"sources": {"a": 1}}, "a source has no recipe"),
        ({"tables": {"objects": True, "spaces/a": 1}}, "table objects has no version number"),
        ({"tables": {"objects": 0, "spaces/a": 1}}, "table objects has no version number"),
        ({"tables": {"objects": 2**64, "spaces/a": 1}}, "table objects has no version number"),
        ({"tables": {"../../etc": 1, "spaces/a": 1}}, "unknown table"),
        ({"tables": {"objects": 1, "spaces/a": 1}}, "it names objects and no table images"),
        ({"tables": {"images": 1}}, "its tables and its spaces disagree"),
        ({"files": {"images": {}}}, "its tables and its files disagree"),
        ({"files": {**FILES, "spaces/a": {"data/../../x": "0"}}}, "spaces/a has no checksums"),
        ({"files": {**FILES, "spaces/a": {"data/x.lance": 1}}}, "spaces/a has no checksums"),
        ({"tables": {"spaces/../x": 1}, "spaces": {"../x": {}}}, "space name"),
        ({"spaces": {"a": {"dimension": 3}}}, "space a has no recipe"),
        ({"spaces": {"a": {"recipe": {}, "dimension": 3}}}, "space a has no recipe"),
        ({"spaces": {"a": {"recipe": {**RECIPE.to_json(), "q": 1}, "dimension": 3}}}, "unknown keys q"),
        ({"spaces": {"a": {"recipe": RECIPE.to_json(), "dimension": "3"}}}, "space a has no dimension"),
        ({"spaces": {"a": {"recipe": RECIPE.to_json(), "dimension": 0}}}, "space a has no dimension"),
        ({"spaces": {"a": {"recipe": RECIPE.to_json(), "dimension": 2**31}}}, "space a has no dimension"),
        (
            {"spaces": {"a": {"recipe": {**RECIPE.to_json(), "window": 0}, "dimension": 3}}},
            "window is 0, exp",
        ),
        ({"spaces": {"a": {"recipe": {**RECIPE.to_json(), "stride": -8}, "dimension": 3}}}, "stride is -8"),
        ({"spaces": {"a": {"recipe": {**RECIPE.to_json(), "method": 10**9}, "dimension": 3}}}, "method is 1"),
        (
            {
                "tables": {"images": 1, "spaces/a": 1},
                "files": {name: {} for name in ("images", "spaces/a")},
                "joint_spaces": {"both": JOINT.to_json()},
            },
            "it names joint spaces and no table objects",
        ),
        ({"joint_spaces": []}, "it has no joint_spaces"),
        ({"joint_spaces": {"both": RECIPE.to_json()}}, "joint space both has no parts"),
        ({"joint_spaces": {"both": {**JOINT.to_json(), "parts": [{"name": "one"}]}}}, "has no parts"),
        ({"joint_spaces": {"a": JOINT.to_json()}}, "a is a space and a joint space"),
        ({"joint_spaces": {}}, "it has an index of both, which is no joint space"),
        ({"joint_indexes": []}, "it has no joint_indexes"),
        ({"joint_indexes": {"both": {"parts": {}}}}, "the index of joint space both has no kind"),
        ({"default_space": "none"}, "its default space 'none' is no space of it"),
        ({"default_space": ["a"]}, "its default space .*is no space of it"),
        ({"purities": []}, "it has no purities"),
        ({"purities": {"a": []}}, "the purity of a space has no value"),
        ({"purities": {"a": {**PURITY, "value": float("nan")}}}, "the purity of a space has no value"),
        ({"purities": {"a": {**PURITY, "n": True}}}, "the purity of a space has no value"),
        ({"joint_indexes": {"both": []}}, "the index of joint space both has no kind"),
    ],
)
def test_damage_is_named(tmp_path, change, sentence):
    (tmp_path / "manifest.json").write_text(json.dumps({**MANIFEST.to_json(), **change}))
    with pytest.raises(StoreError, match=sentence):
        open_store(tmp_path)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"1" * 10_000, b"null", b"\x00"])
def test_what_is_not_json(tmp_path, data):
    (tmp_path / "manifest.json").write_bytes(data)
    with pytest.raises(StoreError, match="is damaged"):
        open_store(tmp_path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(value=json_values)
def test_any_json_is_a_state_or_a_store_error(value):
    with pytest.raises(StoreError):
        parse_manifest(value, Path("x"))


@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_any_change_of_one_value_is_a_state_or_a_store_error(data):
    value = MANIFEST.to_json()
    place = value
    while True:
        key = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(json_values)
    try:
        parse_manifest(value, Path("x"))
    except StoreError:
        return


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(length=st.integers(0, 400))
def test_any_truncation_is_a_store_error(tmp_path, length):
    write_manifest(tmp_path, MANIFEST)
    data = (tmp_path / "manifest.json").read_bytes()
    (tmp_path / "manifest.json").write_bytes(data[: min(length, len(data) - 1)])
    with pytest.raises(StoreError):
        read_manifest(tmp_path)


# Damage beside the manifest.


@pytest.fixture
def store(tmp_path, make_batch):
    path = tmp_path / "dogs.osp"
    with open_writer(path) as writer:
        writer.commit(make_batch(1))
    return path


def test_a_table_deleted_by_hand(store):
    shutil.rmtree(store / "spaces" / "yolo-window.lance")
    sentence = "is damaged: table spaces/yolo-window.lance has no version 1; restore the table from a copy"
    with pytest.raises(StoreError, match=sentence):
        open_store(store).space("yolo-window")
    with pytest.raises(StoreError, match=sentence):
        open_writer(store)
    assert len(open_store(store).space("resnet50-crop")) == 4


def test_a_data_file_deleted_by_hand(store):
    for path in (store / "objects.lance" / "data").iterdir():
        path.unlink()
    with pytest.raises(
        StoreError, match=r"table .*objects.lance could not be read \(.*\); open the store again if"
    ):
        open_store(store).objects()


def test_a_manifest_deleted_by_hand(store):
    (store / "manifest.json").unlink()
    with pytest.raises(StoreError, match="no store at"):
        open_store(store)
    with pytest.raises(StoreError, match=r"is not a store \(it has no manifest.json\) and is not empty"):
        open_writer(store)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(StoreError, match=r"is not empty \(it holds holiday.jpg\); give the store a folder"):
        open_writer(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_file_is_no_store(tmp_path):
    (tmp_path / "dogs.osp").write_bytes(b"x")
    with pytest.raises(StoreError, match="is a file and a store is a folder"):
        open_writer(tmp_path / "dogs.osp")
    with pytest.raises(StoreError, match=r"no store can be made or written at .*: Not a directory"):
        open_writer(tmp_path / "dogs.osp" / "inner")


def test_an_empty_folder_becomes_a_store(tmp_path):
    open_writer(tmp_path).close()
    assert open_store(tmp_path).info().objects == 0
