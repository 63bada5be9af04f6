"""``objectspace search``, ``sheet`` and ``models``."""

from __future__ import annotations

import json
import shutil

import pytest
from PIL import Image

from objectspace.store import open_store


@pytest.fixture(scope="module")
def annotated(world, tmp_path_factory):
    """A store of the labelled objects, crops and windows, made by the Python API."""
    from objectspace import Job, index, load_detector, load_encoder, open_annotations, read_names

    path = tmp_path_factory.mktemp("annotated") / "s.osp"
    job = Job(
        detector=load_detector(world.cfg, weights=world.weights, names=world.names),
        encoder=load_encoder("test_vit", weights=world.encoder_weights),
        annotations=open_annotations(world.labels, names=read_names(world.names)),
        scale="deepest",
    )
    index(sorted(path for path in world.photos.rglob("*.*")), path, job)
    return path


@pytest.fixture(scope="module")
def detected(world, tmp_path_factory):
    """A store of detected objects."""
    from objectspace import Job, index, load_detector, load_encoder

    path = tmp_path_factory.mktemp("detected") / "s.osp"
    job = Job(
        detector=load_detector(world.cfg, weights=world.weights, names=world.names),
        encoder=load_encoder("test_vit", weights=world.encoder_weights),
    )
    index([world.photos / "red1.png", world.photos / "red2.png"], path, job)
    return path


def ids(store, label):
    objects = open_store(store).objects()
    return objects.object_id[objects.label == label].tolist()


def test_a_stored_object(annotated, search):
    apple = ids(annotated, "apple")[0]
    answer = search(annotated, "--object", apple, "-k", 3)
    assert set(answer) == {"space", "metric", "query", "neighbours"}
    assert (answer["space"], answer["metric"]) == ("test_vit-crop", "euclidean")
    assert set(answer["query"]) == {"object_id", "image", "label", "score", "xyxy"}
    assert answer["query"]["object_id"] == apple
    keys = ["rank", "object_id", "image", "label", "score", "xyxy", "distance"]
    assert [list(row) for row in answer["neighbours"]] == [keys] * 3
    assert [row["rank"] for row in answer["neighbours"]] == [1, 2, 3]
    assert apple not in [row["object_id"] for row in answer["neighbours"]]


def test_k_larger_than_the_space(annotated, search):
    answer = search(annotated, "--object", ids(annotated, "plum")[0], "-k", 1000)
    assert len(answer["neighbours"]) == 5


def test_several_objects_make_a_list(annotated, search):
    first, second, _ = ids(annotated, "apple")
    answers = search(annotated, "--object", first, "--object", second)
    assert [answer["query"]["object_id"] for answer in answers] == [first, second]


def test_label_metric_space_and_other_photos(annotated, search):
    plum = ids(annotated, "plum")[0]
    arguments = (
        "--metric",
        "cosine",
        "--space",
        "tiny-window3-deepest",
        "--label",
        "apple",
        "--exclude-same-image",
    )
    answer = search(annotated, "--object", plum, *arguments)
    assert (answer["metric"], answer["space"]) == ("cosine", "tiny-window3-deepest")
    assert [row["label"] for row in answer["neighbours"]] == ["apple", "apple"]
    assert answer["query"]["image"] not in [row["image"] for row in answer["neighbours"]]


def test_a_stored_photo_answers_for_its_stored_objects(world, annotated, search):
    answers = search(annotated, "--image", world.photos / "red1.png")
    assert {answer["query"]["label"] for answer in answers} == {"apple", "pear"}
    assert all(answer["query"]["object_id"] for answer in answers)


def test_a_photo_that_is_not_stored_is_detected(world, detected, search):
    answers = search(detected, "--image", world.photos / "sub" / "green.jpg")
    assert all(answer["query"]["object_id"] is None for answer in answers)
    assert all(answer["query"]["image"].endswith("green.jpg") for answer in answers)


def test_a_box_of_a_photo_that_is_not_stored(world, detected, search):
    answer = search(detected, "--image", world.photos / "sub" / "blue.jpg", "--box", "30,16,70,56", "-k", 1)
    assert (answer["query"]["label"], answer["query"]["score"]) == ("query", None)
    assert answer["query"]["xyxy"] == [30, 16, 70, 56]
    assert len(answer["neighbours"]) == 1


def test_a_table_for_people(annotated, command):
    done = command("search", annotated, "--object", ids(annotated, "plum")[0], "-k", 2)
    lines = done.out.splitlines()
    assert lines[0].startswith("plum at 30,16,70,56 of ")
    assert f"blue.jpg, object {ids(annotated, 'plum')[0]}  (" in lines[0]
    assert lines[1].split() == ["rank", "distance", "label", "object", "image"]
    assert len(lines) == 4


def test_search_draws_its_answer(world, detected, command, tmp_path):
    box = ("--image", world.photos / "sub" / "blue.jpg", "--box", "30,16,70,56")
    done = command("search", detected, *box, "-k", 2, "--sheet", tmp_path / "q.png")
    assert (done.code, done.err) == (0, "")
    with Image.open(tmp_path / "q.png") as picture:
        # The query's own picture is blue; nothing else on the sheet is as blue as that.
        colours = picture.convert("RGB").getcolors(1 << 24)
    assert any(blue > 190 and red < 60 and green < 70 for _, (red, green, blue) in colours)


def test_an_annotated_store_wants_a_box(world, annotated, sentence, tmp_path):
    other = tmp_path / "other.png"
    Image.new("RGB", (50, 50), "red").save(other)
    assert "the objects of this store come from annotations" in sentence(
        "search", annotated, "--image", other
    )


def test_several_objects_as_one_query_away_from_another(annotated, search):
    first, second, third = ids(annotated, "apple")
    plum = ids(annotated, "plum")[0]
    arguments = ("--object", first, "--object", second, "--mean", "--unlike", plum)
    answer = search(annotated, *arguments)
    assert [row["object_id"] for row in answer["query"]["objects"]] == [first, second]
    assert [row["object_id"] for row in answer["query"]["unlike"]] == [plum]
    found = [row["object_id"] for row in answer["neighbours"]]
    assert third in found
    assert not {first, second, plum} & set(found)


def test_a_click_on_a_photo(world, annotated, search):
    photo = world.photos / "red1.png"
    answer = search(annotated, "--image", photo, "--point", "20,20")
    assert (answer["query"]["label"], answer["query"]["point"]) == ("apple", [20, 20])
    cell = search(annotated, "--image", photo, "--point", "20,20", "--space", "tiny-window3-deepest")
    assert (cell["query"]["object_id"], cell["query"]["point"]) == (None, [20, 20])


@pytest.fixture(scope="module")
def worded(world, clip_folder, tmp_path_factory):
    """A store whose space has a text tower."""
    from objectspace import Job, index, load_encoder, open_annotations, read_names

    path = tmp_path_factory.mktemp("worded") / "s.osp"
    job = Job(
        encoder=load_encoder(f"open_clip:local-dir:{clip_folder}"),
        annotations=open_annotations(world.labels, names=read_names(world.names)),
    )
    index(sorted(world.photos.rglob("*.*")), path, job)
    return path


def test_words(worded, search):
    answer = search(worded, "--text", "a red leather chair", "-k", 2)
    assert (answer["metric"], answer["space"]) == ("cosine", "tiny-clip-crop")
    assert answer["query"]["text"] == "a red leather chair"
    assert answer["query"]["object_id"] is None
    assert len(answer["neighbours"]) == 2
    both = search(worded, "--text", "chair", "--text", "dog")
    assert [one["query"]["text"] for one in both] == ["chair", "dog"]
    assert search(worded, "--text", "chair", "--text", "dog", "--mean")["query"]["texts"] == ["chair", "dog"]


def test_words_for_people_and_on_a_sheet(worded, command, tmp_path):
    done = command("search", worded, "--text", "a red chair", "-k", 2, "--sheet", tmp_path / "w.svg")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0] == "'a red chair'  (tiny-clip-crop, cosine)"
    assert "a red chair" in (tmp_path / "w.svg").read_text()


def test_wrong_words_and_points_are_one_sentence(world, annotated, worded, sentence):
    photo = world.photos / "red1.png"
    apple = ids(annotated, "apple")[0]
    assert "a text to search for is empty" in sentence("search", worded, "--text", " ")
    assert "longer than the 12 tokens" in sentence("search", worded, "--text", "chair " * 20)
    assert "no space of" in sentence("search", annotated, "--text", "a chair")
    told = sentence("search", annotated, "--text", "a chair", "--space", "test_vit-crop")
    assert "was made without a text tower" in told
    told = sentence("search", worded, "--text", "a chair", "--unlike", ids(worded, "apple")[0])
    assert "unlike moves the query of an object" in told
    assert "is outside" in sentence("search", annotated, "--image", photo, "--point", "96,0")
    assert "lies at 50,60" in sentence("search", annotated, "--image", photo, "--point", "50,60")
    assert "object zzz" in sentence("search", annotated, "--object", apple, "--unlike", "zzz")
    assert "like and unlike" in sentence("search", annotated, "--object", apple, "--unlike", apple)


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_sheet(annotated, command, tmp_path, suffix, start):
    out = tmp_path / f"sheet.{suffix}"
    done = command("sheet", annotated, "--out", out, "--rows", 3, "-k", 2)
    assert done.out == f"{out}: 3 targets of space test_vit-crop, 2 neighbours each\n"
    assert done.err == ""
    assert out.read_bytes().startswith(start)


def test_a_sheet_makes_its_folder(annotated, command, tmp_path):
    assert command("sheet", annotated, "--out", tmp_path / "new" / "s.png", "--rows", 1).code == 0
    assert (tmp_path / "new" / "s.png").is_file()


def test_a_sheet_as_json_holds_its_answers(annotated, command, tmp_path):
    done = command("sheet", annotated, "--out", tmp_path / "s.svg", "--rows", 2, "-k", 3, "--json")
    assert (done.code, done.err) == (0, "")
    answers = json.loads(done.out)
    assert [len(answer["neighbours"]) for answer in answers] == [3, 3]
    target = answers[0]["query"]["object_id"]
    found = json.loads(command("search", annotated, "--object", target, "-k", 3, "--json").out)
    assert found == answers[0]


def test_a_sheet_tells_of_fewer_neighbours_than_asked_for(annotated, command, tmp_path):
    held = len(open_store(annotated).objects())
    told = command("sheet", annotated, "--out", tmp_path / "s.svg", "-k", 1000).out
    assert told.endswith(f" at most {held - 1} neighbours each, as there are no more\n")


def test_a_label_that_is_not_there_is_guessed(annotated, sentence, tmp_path):
    told = sentence("sheet", annotated, "--out", tmp_path / "s.svg", "--label", "aple")
    assert told == "no object of space test_vit-crop has the label 'aple'; did you mean apple?"
    told = sentence("sheet", annotated, "--out", tmp_path / "s.svg", "--label", "zebra")
    assert told.endswith("has the label 'zebra'; objectspace info lists the labels")


def test_a_sheet_of_one_label(annotated, command, tmp_path):
    out = tmp_path / "s.svg"
    assert command("sheet", annotated, "--out", out, "--label", "plum").out.startswith(f"{out}: 1 target of ")


def test_models(command):
    text = command("models").out
    assert all(name in text for name in ("yolov3 ", "yolov3-spp ", "yolov3-tiny ", "resnet50 "))
    rows = json.loads(command("models", "--json").out)
    assert {"name", "kind", "size", "sha256", "license", "source", "path"} <= set(rows[0])


def test_taps_of_a_name_and_of_a_file(world, command):
    header, *rows = command("models", "--taps", "yolov3-tiny").out.splitlines()
    assert header.split() == ["tap", "kind", "channels", "height", "width", "stride"]
    assert rows[0].split() == ["0", "convolutional", "16", "416", "416", "1"]
    taps = json.loads(command("models", "--taps", world.cfg, "--json").out)
    assert taps[4] == {
        "tap": "4",
        "kind": "convolutional",
        "channels": 8,
        "height": 2,
        "width": 2,
        "stride": 32,
    }


# ------------------------------------------------------------------------------------- what cannot be done


def test_wrong_searches_are_one_sentence(world, annotated, sentence, tmp_path):
    apple = ids(annotated, "apple")[0]
    told = sentence("search", annotated, "--object", apple, "--label", "aple")
    assert told == "no object of space test_vit-crop has the label 'aple'; did you mean apple?"
    assert "no space nope" in sentence("search", annotated, "--object", apple, "--space", "nope")
    assert "no object zzz" in sentence("search", annotated, "--object", "zzz")
    assert "there is no such file" in sentence("search", annotated, "--image", tmp_path / "no.jpg")
    assert "no store at" in sentence("search", tmp_path / "none.osp", "--object", apple)
    assert "no store at" in sentence("info", tmp_path)


@pytest.mark.parametrize("box", ["10,10,10,30", "200,200,300,300", "nan,0,9,9", "30,30,5,5"])
def test_a_box_without_area_in_the_photo(world, annotated, sentence, box):
    told = sentence("search", annotated, "--image", world.photos / "red1.png", "--box", box)
    assert told.startswith("box ")
    assert "has no area inside" in told
    assert "96 x 64" in told


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--object", "a", "--image", "b"),
        ("--object", "a", "--box", "1,2,3,4"),
        ("--image", "a", "--box", "1,2,3"),
        ("--object", "a", "--text", "b"),
        ("--image", "a", "--text", "b"),
        ("--object", "a", "--point", "1,2"),
        ("--image", "a", "--point", "1"),
        ("--image", "a", "--point", "1,2", "--box", "1,2,3,4"),
        ("--text", "a", "--metric", "euclidean"),
        ("--object", "a", "-k", "0"),
        ("--object", "a", "--metric", "l1"),
        ("--object", "a", "--typo"),
    ],
)
def test_wrong_usage_is_exit_2(annotated, command, arguments):
    done = command("search", annotated, *arguments)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("sheet.gif", "a figure is written as .png, .pdf, .svg"),
        ("file/sheet.png", "cannot be written: Not a directory"),
        ("folder.png", "is a folder; give the figure another name"),
    ],
)
def test_a_sheet_that_cannot_be_written_fails_before_the_work(
    annotated, sentence, tmp_path, monkeypatch, name, told
):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.setattr("objectspace.store.open_store", None)
    assert told in sentence("sheet", annotated, "--out", tmp_path / name)
    assert told in sentence("search", annotated, "--object", "a", "--sheet", tmp_path / name)


def test_a_store_of_another_format_version(annotated, sentence, tmp_path):
    copy = tmp_path / "copy.osp"
    shutil.copytree(annotated, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "version": 99}))
    assert "has format version 99" in sentence("info", copy)
    assert "has format version 99" in sentence("sheet", copy, "--out", tmp_path / "x.png")


def test_unknown_detector_of_taps(sentence):
    assert sentence("models", "--taps", "yolov").endswith("did you mean yolov3?")
