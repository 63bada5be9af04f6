"""What is typed first from Python works, or ends in a sentence that names the argument."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import objectspace as osp
from objectspace.errors import InputError


def test_names_and_paths_are_enough(world, tmp_path):
    photos, weights = world.photos, osp.EncoderSpec("test_vit", world.encoder_weights)
    done = osp.index(str(photos), str(tmp_path / "s.osp"), encoder=weights, annotations=str(world.labels))
    assert (done.photos, done.indexed) == (4, 4)
    again = osp.index(
        [str(path) for path in sorted(photos.rglob("*.*"))],
        tmp_path / "s.osp",
        osp.Job(encoder=weights, annotations=world.labels),
    )
    assert again.known == 4
    store = osp.open_store(tmp_path / "s.osp")
    one = str(store.objects().object_id[0])
    search = osp.SpaceSearch(store, "test_vit-crop")
    assert search.stored(one).objects.object_id.tolist() == [one]
    assert store.objects(one).object_id.tolist() == [one]
    space = store.space("test_vit-crop")
    assert len(search.unlike(search.stored(one), str(space.object_id[-1]))) == 1


@pytest.mark.parametrize("wrong", [3, 2.5, True, b"name", [1], {"a": 1}, None, ...], ids=repr)
def test_a_wrong_type_is_named(wrong):
    job = osp.Job(encoder="demo", annotations="labels")
    for argument, call in {
        "images": lambda: osp.index(wrong, "s.osp", job),
        "store": lambda: osp.index([], wrong, job),
        "path": lambda: osp.open_store(wrong),
    }.items():
        with pytest.raises(InputError, match=f"^{argument} is .* of type .*, expected "):
            call()
    with pytest.raises(InputError, match=r"^store is .*, expected a Store, which open_store gives"):
        osp.SpaceSearch(wrong, "a")


@pytest.mark.parametrize("part", ["detector", "encoder", "encoder_map", "annotations", "prompts", "factors"])
@pytest.mark.parametrize("wrong", [3, True, b"x", ["demo"]], ids=repr)
def test_a_part_of_a_job_is_no_number_and_no_list(part, wrong):
    with pytest.raises(
        InputError, match=f"^{part} is .* of type {type(wrong).__name__}, expected a name, a path"
    ):
        osp.Job(**{"detector": "demo", "encoder": "demo", part: wrong})


def test_a_job_or_its_options(tmp_path):
    with pytest.raises(InputError, match=r"^encoder= is an option of a job, .* give it to the Job$"):
        osp.index([], tmp_path / "s.osp", osp.Job(detector="demo", encoder="demo"), encoder="demo")
    with pytest.raises(InputError, match=r"^job is 'demo' of type str, expected a Job"):
        osp.index([], tmp_path / "s.osp", "demo")


def test_one_id_is_a_query_and_the_default_space_is_searched(world, tmp_path):
    weights = osp.EncoderSpec("test_vit", world.encoder_weights)
    osp.index(str(world.photos), tmp_path / "s.osp", encoder=weights, annotations=world.labels)
    store = osp.open_store(tmp_path / "s.osp")
    one, other = store.objects().object_id[:2].tolist()
    search = osp.SpaceSearch(store)
    assert search.space.name == store.default_space == "test_vit-crop"
    (asked,) = search.nearest(one, k=2)
    (as_before,) = search.nearest(search.stored([one]), k=2)
    assert asked.neighbors.object_id.tolist() == as_before.neighbors.object_id.tolist()
    assert [answer.query.object_id[0] for answer in search.nearest([other, one], k=1)] == [other, one]


@pytest.mark.parametrize(
    ("owner", "name", "told"),
    [
        ("package", "measure", "module 'objectspace' has no attribute 'measure'; it is measure_factor"),
        ("package", "erase", "module 'objectspace' has no attribute 'erase'; it is erase_space"),
        ("store", "spaces", "no attribute 'spaces'; space_names lists the spaces, and space"),
        ("store", "search", "no attribute 'search'; objectspace.SpaceSearch"),
        ("store", "labels", "no attribute 'labels'; info().labels counts them"),
    ],
)
def test_what_is_tried_first_says_what_there_is(world, tmp_path, owner, name, told):
    weights = osp.EncoderSpec("test_vit", world.encoder_weights)
    osp.index(str(world.photos), tmp_path / "s.osp", encoder=weights, annotations=world.labels)
    store = osp.open_store(tmp_path / "s.osp")
    with pytest.raises(AttributeError, match=re.escape(told)):
        getattr({"package": osp, "store": store, "space": store.space()}[owner], name)


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("encodr", "encodr= is no option of a job; did you mean encoder?"),
        ("model", "model= is no option of a job, expected some of annotations, confidence"),
    ],
)
def test_an_option_that_a_job_does_not_have(tmp_path, option, told):
    with pytest.raises(osp.InputError, match=re.escape(told)):
        osp.index("photos", tmp_path / "s.osp", **{option: "demo"})


def test_what_is_a_table_becomes_a_data_frame(world, tmp_path):
    pytest.importorskip("pandas", reason="the extra test has pandas")
    weights = osp.EncoderSpec("test_vit", world.encoder_weights)
    osp.index(str(world.photos), tmp_path / "s.osp", encoder=weights, annotations=world.labels)
    store = osp.open_store(tmp_path / "s.osp")
    objects = store.objects()
    with_paths = store.to_pandas()
    assert with_paths.object_id.tolist() == objects.object_id.tolist()
    assert with_paths.path.tolist() == [image.path for image in store.images_of(objects)]
    frame = objects.to_pandas()
    assert frame[["x1", "y1", "x2", "y2"]].to_numpy().tolist() == objects.xyxy.tolist()
    assert frame.label.tolist() == objects.label.tolist()
    (answer,) = osp.SpaceSearch(store).nearest(str(objects.object_id[0]), k=3)
    rows = answer.to_pandas().to_dict("records")
    assert [(row["rank"], row["object_id"], row["image"], row["distance"]) for row in rows] == [
        (row["rank"], row["object_id"], row["image"], row["distance"])
        for row in answer.to_json()["neighbors"]
    ]


def test_a_path_is_taken_where_a_store_is(world, tmp_path):
    weights = osp.EncoderSpec("test_vit", world.encoder_weights)
    path = tmp_path / "s.osp"
    osp.index(str(world.photos), path, encoder=weights, annotations=world.labels)
    store, name = osp.open_store(path), "test_vit-crop"
    one = str(store.objects().object_id[0])
    photo = store.images_of(store.objects(one))[0].path
    x1, y1, x2, y2 = map(float, store.objects(one).xyxy[0])
    for given in (path, str(path)):
        answers = osp.SpaceSearch(given).nearest(one, k=2)
        assert len(osp.sheet_rows(given, answers)) == 1
        query = osp.query_image(given, photo, name, box=(x1, y1, x2, y2))
        assert query.objects.object_id.tolist() == [one]
        assert len(osp.query_point(given, photo, name, ((x1 + x2) / 2, (y1 + y2) / 2))) == 1
        assert osp.export_store(given, tmp_path / "o.csv", "csv").objects == len(store)
        assert len(osp.audit(given, only=["outliers"], uncalibrated=True).outliers) == len(store)
        assert osp.write_page(given, tmp_path / "p.html") == len(store)
        with pytest.raises(osp.QueryError, match="was made without a text tower"):
            osp.query_text(given, ["a"], name)
    with pytest.raises(osp.StoreError, match="no store at"):
        osp.SpaceSearch(tmp_path / "none.osp")


def test_a_measure_becomes_a_data_frame(world, tmp_path):
    pytest.importorskip("pandas", reason="the extra test has pandas")
    weights = osp.EncoderSpec("test_vit", world.encoder_weights)
    osp.index(str(world.photos), tmp_path / "s.osp", encoder=weights, annotations=world.labels)
    space = osp.open_store(tmp_path / "s.osp").space()
    made = osp.measure_factor(space, space.objects, osp.FactorSpec("label"))
    document, rows = made.to_json(), made.to_pandas().to_dict("records")
    near = {row["label"]: row for row in rows if row["measure"] == made.agreement}
    expected = {"": document["neighbors"], **document["labels"]}
    assert {name: row["value"] for name, row in near.items()} == {
        name: one["value"] for name, one in expected.items()
    }
    assert [row["n"] for row in near.values()] == [one["n"] for one in expected.values()]
    probes = [row["value"] for row in rows if row["measure"].startswith("probe: ")]
    assert probes == ([document["probe"]["value"]] if document["probe"] else [])


def test_the_objects_of_a_space_are_row_for_row_with_its_vectors(world, tmp_path):
    weights = osp.EncoderSpec("test_vit", world.encoder_weights)
    osp.index(str(world.photos), tmp_path / "s.osp", encoder=weights, annotations=world.labels)
    store = osp.open_store(tmp_path / "s.osp")
    space, on_disk = store.space(), store.stored_space("test_vit-crop")
    assert space.objects.object_id.tolist() == space.object_id.tolist()
    some = on_disk.to_space().take(np.array([3, 0]))
    assert some.objects.object_id.tolist() == space.object_id[[3, 0]].tolist()
    made = osp.Space("a", space.recipe, space.object_id, space.vectors)
    with pytest.raises(InputError, match="space a was not read from a store, which would know its objects"):
        made.objects  # noqa: B018


def test_without_pandas_a_sentence_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match=r"^to_pandas needs the package pandas, .*: pip install pandas$"):
        osp.make_objects(
            image_id="a", xyxy=np.array([[0, 0, 1, 1]], np.float32), label=["a"], source="x"
        ).to_pandas()


def handed_in() -> list[Any]:
    """Every argument of every public function, of the methods of handles and of what a user writes down."""
    made = [getattr(osp, name) for name in osp.__all__]
    doors = [(one.__name__, one, False) for one in made if inspect.isfunction(one)]
    for kind in (osp.FactorSpec, osp.CropPolicy, osp.Choice, osp.RayEngine, *SPECS):
        doors.append((kind.__name__, kind, False))
    for kind in HANDLES:
        for name, method in vars(kind).items():
            # open_store and open_writer make the first and the last of these.
            own = name == "__init__" and kind not in (osp.Store, osp.Writer)
            if inspect.isfunction(method) and (own or not name.startswith("_")):
                doors.append((f"{kind.__name__}.{name}", method, True))
    return [
        pytest.param(door, is_method, argument, id=f"{name}-{argument.name}")
        for name, door, is_method in doors
        for argument in list(inspect.signature(door).parameters.values())[is_method:]
        if argument.kind is not inspect.Parameter.VAR_KEYWORD
    ]


HANDLES = (osp.Store, osp.SpaceSearch, osp.ExactIndex, osp.StreamedIndex, osp.Writer)
SPECS = (
    osp.DetectorSpec,
    osp.EncoderSpec,
    osp.PromptSpec,
    osp.AnnotationSpec,
    osp.MaskSpec,
    osp.FactorTableSpec,
)
#: What is wrong wherever the annotation has none of these words, aliases of the source among them.
WRONG = (
    (b"x", ("Any",)),
    (3, ("int", "float", "Any")),
    ("words", ("str", "Path", "Place", "Any", "Method", "Factor", "Scale", "Background", "Fit")),
    (None, ("None", "Any")),
    ({3: 4}, ("Mapping", "Any")),
    ([...], ("NDArray", "Rows", "Float", "Sequence[Any]", "Pixels", "tuple[float", "Any")),
)


def right(argument: inspect.Parameter) -> Any:
    """Return a value of an argument's type: what is asked is whether another one's is refused."""
    text = str(argument.annotation)
    plain = {
        "str": "a",
        "int": 1,
        "float": 1.0,
        "bool": True,
        "Path": Path("p"),
        "Place": Path("p"),
        "None": None,
    }
    for word, value in plain.items():
        if re.match(rf"'?{word}\b", text):
            return value
    if text.startswith(("Sequence", "Collection", "tuple", "Iterable")):
        return []
    if text.startswith("Mapping"):
        return {}
    if text.startswith(("NDArray", "Float", "Pixels")):
        return np.zeros(2)
    if text == "Factor":
        return "position"
    if text == "Figure":
        return Figure()
    if text.startswith("Callable"):
        return len
    kind = getattr(osp, text.partition(" ")[0], None)
    if inspect.isclass(kind) and not getattr(kind, "_is_protocol", False):
        return object.__new__(kind)
    return type(text.partition(" ")[0], (), {})()


@pytest.mark.parametrize(("door", "is_method", "argument"), handed_in())
def test_every_wrong_type_is_named(door, is_method, argument):
    others = {
        name: right(one)
        for name, one in list(inspect.signature(door).parameters.items())[is_method:]
        if one.default is inspect.Parameter.empty and name != argument.name
    }
    text, tried = re.sub(r"\bAny\]", "]", str(argument.annotation)), 0
    for wrong, allowed in WRONG:
        if any(word in text for word in allowed):
            continue
        tried += 1
        with pytest.raises(InputError, match=rf"^{argument.name} is .* of type .*, expected ['\w]"):
            door(*[object()] * is_method, **others, **{argument.name: wrong})
    assert tried


#: Public classes whose constructor nobody is to call, and why: their methods with arguments are few, below.
NOT_MADE_BY_HAND = {
    "what a function gives": (
        *(osp.Answer, osp.Audit, osp.AuditList, osp.Comparison, osp.Context, osp.Contrast, osp.DeletionCheck),
        *(osp.ErasedSpace, osp.Explanation, osp.Explorer, osp.Exported, osp.FactorMeasure, osp.GridPositions),
        *(osp.EncoderMap, osp.Image, osp.IndexSummary, osp.LoadedJob, osp.NamedSelection, osp.Neighbors),
        *(
            osp.Objects,
            osp.Occlusion,
            osp.Projection,
            osp.Queries,
            osp.Recipe,
            osp.Report,
            osp.Scene,
            osp.SheetRow,
        ),
        *(
            osp.Space,
            osp.SpaceIndex,
            osp.Store,
            osp.StoreInfo,
            osp.StoredSpace,
            osp.VariedObject,
            osp.ViewedObject,
        ),
        *(
            osp.Views,
            osp.Writer,
            osp.JointVectors,
            osp.LabelPurity,
            osp.FactorTable,
            osp.ImageRow,
            osp.Failure,
        ),
    ),
    "columns, which check their shapes when they are made": (osp.Mask, osp.Provenance),
    "a protocol, which the user's own class fulfills": (
        *(osp.AnnotationReader, osp.AnnotationSet, osp.Detector, osp.Encoder, osp.MapSource, osp.Prompter),
    ),
    "its parts have a message of their own, its options are tried below": (osp.Job,),
}


def test_no_public_name_is_left_out() -> None:
    """Every public function is tried, and every class is tried or named above with the reason."""
    tried = {one.values[0] for one in handed_in()}
    doors = [getattr(osp, name) for name in osp.__all__ if callable(getattr(osp, name))]
    classes = {one for one in doors if inspect.isclass(one) and not issubclass(one, Exception)}
    assert {one for one in doors if inspect.isfunction(one)} <= tried
    exempt = {one for kinds in NOT_MADE_BY_HAND.values() for one in kinds}
    made = {one for one in classes if one in tried or one.__init__ in tried}
    assert classes == made | exempt
    assert not made & exempt


@pytest.mark.parametrize(
    ("option", "wrong", "expected"),
    [
        ("pools", "window1", "a list"),
        ("confidence", "high", "a number"),
        ("iou", True, "a number"),
        ("suffix", 3, "a text"),
        ("replaces", "yes", "True or False"),
        ("crop", "black", "a CropPolicy"),
        ("scale", 1, "'own' or 'deepest'"),
    ],
)
def test_an_option_of_a_job_has_its_type(option, wrong, expected):
    told = f"^{option} is {wrong!r} of type {type(wrong).__name__}, expected {expected}"
    with pytest.raises(InputError, match=told):
        osp.Job(detector="demo", encoder="demo", **{option: wrong})
    with pytest.raises(InputError, match=told):
        osp.index("photos", "s.osp", detector="demo", encoder="demo", **{option: wrong})


def test_a_missing_argument_is_told_with_the_name_of_the_function():
    with pytest.raises(TypeError, match=r"open_store\(\) missing 1 required positional argument: 'path'"):
        osp.open_store()


def test_the_default_space_and_vectors_that_are_no_ids(world, tmp_path):
    weights = osp.EncoderSpec("test_vit", world.encoder_weights)
    osp.index(str(world.photos), tmp_path / "s.osp", encoder=weights, annotations=world.labels)
    store = osp.open_store(tmp_path / "s.osp")
    space = store.space()
    assert space.name == store.default_space
    with pytest.raises(
        InputError, match=r"^object_ids is an array of float32, expected ids; for .*ExactIndex"
    ):
        osp.SpaceSearch(store).nearest(space.vectors[0])
    with osp.open_writer(tmp_path / "empty.osp"):
        pass
    with pytest.raises(osp.QueryError, match="has no default space; name one of its spaces: none yet"):
        osp.open_store(tmp_path / "empty.osp").space()
