"""``objectspace search``."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

from objectspace.store import open_store


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
    spaces = {"space", "default_space", "other_spaces"}
    assert set(answer) == {*spaces, "metric", "exclude_same", "query", "neighbors"}
    assert answer["exclude_same"] == "image"
    assert (answer["space"], answer["default_space"], answer["metric"]) == ("both", "both", "cosine")
    assert answer["other_spaces"] == ["test_vit-crop", "tiny-window3-deepest"]
    assert set(answer["query"]) == {"object_id", "image", "label", "score", "xyxy"}
    assert answer["query"]["object_id"] == apple
    keys = ["rank", "object_id", "image", "label", "score", "xyxy", "distance", "parts"]
    assert [list(row) for row in answer["neighbors"]] == [keys] * 3
    assert [row["rank"] for row in answer["neighbors"]] == [1, 2, 3]
    assert apple not in [row["object_id"] for row in answer["neighbors"]]


def test_a_copy_of_the_vectors_gives_the_same_answer(annotated, search, command, tmp_path):
    apple = ids(annotated, "apple")[0]
    plain = search(annotated, "--object", apple)
    for _ in range(2):
        assert search(annotated, "--object", apple, "--cache", tmp_path / "copies") == plain
    names = {path.name.split("@")[0] for path in (tmp_path / "copies").iterdir()}
    assert names == {"test_vit-crop", "tiny-window3-deepest"}
    for line in ("measure --factor label --space test_vit-crop --json", "project --json"):
        name, *options = line.split()
        done = command(name, annotated, *options, "--cache", tmp_path / "copies")
        assert done == command(name, annotated, *options)


def test_k_larger_than_the_space(annotated, search):
    answer = search(annotated, "--object", ids(annotated, "plum")[0], "-k", 1000, "--same-image")
    assert len(answer["neighbors"]) == 5


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
        "--neighbor-label",
        "apple",
        *("-k", 2),
    )
    answer = search(annotated, "--object", plum, *arguments)
    assert (answer["metric"], answer["space"]) == ("cosine", "tiny-window3-deepest")
    assert [row["label"] for row in answer["neighbors"]] == ["apple", "apple"]
    assert answer["query"]["image"] not in [row["image"] for row in answer["neighbors"]]


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
    assert len(answer["neighbors"]) == 1


def test_a_table_for_people(annotated, command):
    plum = ids(annotated, "plum")[0]
    done = command("search", annotated, "--object", plum, "-k", 2, "--space", "test_vit-crop")
    lines = done.out.splitlines()
    assert lines[0].startswith("plum at 30,16,70,56 of ")
    assert f"blue.jpg, object {ids(annotated, 'plum')[0][:12]}  (" in lines[0]
    assert lines[1].split() == ["rank", "distance", "label", "object", "image"]
    others = "among other photos (--same-image takes this one's too)"
    assert lines[4] == f"searched in test_vit-crop, {others}"
    assert lines[5] == "other spaces (--space): both, tiny-window3-deepest"
    done = command("search", annotated, "--object", plum, "-k", 2, "--same-image")
    assert done.out.splitlines()[-3] == "searched in both, the default, among all photos"


def test_a_table_has_short_ids_and_paths_below_their_folder(annotated, command, search):
    plum = ids(annotated, "plum")[0]
    whole = search(annotated, "--object", plum)
    lines = command("search", annotated, "--object", plum).out.splitlines()
    folder = lines[-1].removeprefix("photos in ")
    assert folder.endswith("/photos/")
    table = [line.split() for line in lines[2 : 2 + len(whole["neighbors"])]]
    assert [(row[-2], folder + row[-1]) for row in table] == [
        (one["object_id"][:12], one["image"]) for one in whole["neighbors"]
    ]
    assert max(map(len, lines[:-1])) <= 120


def test_first_digits_of_an_id_are_enough(annotated, search, sentence):
    plum = ids(annotated, "plum")[0]
    assert search(annotated, "--object", plum[:6]) == search(annotated, "--object", plum)
    told = sentence("search", annotated, "--object", plum[:3])
    assert f"no object {plum[:3]} (an id, or 4 of its first digits) in" in told


def test_a_label_alone_lists_its_objects(world, annotated, command, sentence):
    store = open_store(annotated)
    objects = store.objects()
    apples = objects.take(np.flatnonzero(objects.label == "apple"))
    done = command("search", annotated, "--label", "apple", "--json")
    listed = json.loads(done.out)
    assert [one["object_id"] for one in listed] == apples.object_id.tolist()
    assert [one["xyxy"] for one in listed] == apples.xyxy.tolist()
    assert [one["image"] for one in listed] == [row.path for row in store.images_of(apples)]
    lines = command("search", annotated, "--label", "apple", "-k", 2).out.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == [name[:12] for name in apples.object_id[:2]]
    assert lines[3].startswith("3 objects of label apple, 2 listed (-k); photos in ")
    told = sentence("search", annotated, "--label", "aple")
    assert told.endswith("has the label 'aple'; did you mean apple?")


@pytest.mark.parametrize("more", [("--object", "a"), ("--image", "a.png"), ("--text", "words")])
def test_a_label_is_no_filter_of_a_search(annotated, command, more):
    done = command("search", annotated, "--label", "apple", *more)
    assert done.code == 2
    assert "--neighbor-label" in done.err


def test_a_box_in_four_words_says_how_it_is_written(annotated, command):
    done = command("search", annotated, "--image", "a.png", "--box", "10", "20.5", "30", "40")
    assert (done.code, done.out) == (2, "")
    assert "--box 10,20.5,30,40" in done.err


def test_search_draws_its_answer(world, detected, command, tmp_path):
    box = ("--image", world.photos / "sub" / "blue.jpg", "--box", "30,16,70,56")
    done = command("search", detected, *box, "-k", 2, "--sheet", tmp_path / "q.png")
    assert done.out.endswith(f"{tmp_path / 'q.png'}: the answer as a sheet\n")
    assert (done.code, done.err) == (0, "")
    with Image.open(tmp_path / "q.png") as picture:
        # The query's own picture is blue; nothing else on the sheet is as blue as that.
        colors = picture.convert("RGB").getcolors(1 << 24)
    assert any(blue > 190 and red < 60 and green < 70 for _, (red, green, blue) in colors)


def test_an_annotated_store_wants_a_box(world, annotated, sentence, tmp_path):
    other = tmp_path / "other.png"
    Image.new("RGB", (50, 50), "red").save(other)
    assert "the objects of this store come from annotations" in sentence(
        "search", annotated, "--image", other, "--space", "test_vit-crop"
    )


def test_several_objects_as_one_query_away_from_another(annotated, search):
    first, second, third = ids(annotated, "apple")
    plum = ids(annotated, "plum")[0]
    arguments = ("--object", first, "--object", second, "--mean", "--unlike", plum)
    answer = search(annotated, *arguments)
    assert [row["object_id"] for row in answer["query"]["objects"]] == [first, second]
    assert [row["object_id"] for row in answer["query"]["unlike"]] == [plum]
    found = [row["object_id"] for row in answer["neighbors"]]
    assert third in found
    assert not {first, second, plum} & set(found)


def test_a_click_on_a_photo(world, annotated, search):
    photo = world.photos / "red1.png"
    answer = search(annotated, "--image", photo, "--point", "20,20")
    assert (answer["query"]["label"], answer["query"]["point"]) == ("apple", [20, 20])
    apple = answer["query"]["object_id"]
    places = ("--image", photo, "--space", "tiny-window3-deepest")
    for place in (("--point", "20,20"), ("--box", "8,8,40,40")):
        asked = search(annotated, *places, *place)["query"]
        assert (asked["object_id"], asked["stored"]) == (apple, True)
    cell = search(annotated, *places, "--point", "20,20", "--new")["query"]
    assert (cell["object_id"], cell["point"], cell["stored"]) == (None, [20, 20], False)


def test_a_click_says_that_its_object_is_stored(world, annotated, command):
    done = command("search", annotated, "--image", world.photos / "red1.png", "--point", "20,20")
    assert re.search(
        ", the stored object [0-9a-f]{12} .--new: the pixels alone.  .", done.out.splitlines()[0]
    )
    done = command("search", annotated, "--image", world.photos / "red1.png", "--box", "8,8,20,20")
    assert "stored" not in done.out.splitlines()[0]


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
    assert len(answer["neighbors"]) == 2
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


# ------------------------------------------------------------------------------------- what cannot be done


def test_wrong_searches_are_one_sentence(world, annotated, sentence, tmp_path):
    apple = ids(annotated, "apple")[0]
    told = sentence("search", annotated, "--object", apple, "--neighbor-label", "aple")
    assert told == "no object of space both has the label 'aple'; did you mean apple?"
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
        ("--object", "a", "--new"),
    ],
)
def test_wrong_usage_is_exit_2(annotated, command, arguments):
    done = command("search", annotated, *arguments)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err


def test_more_neighbors_than_a_label_has_is_a_sentence(annotated, command):
    target = open_store(annotated).objects()
    plums = int((target.label == "plum").sum())
    first = target.object_id[target.label != "plum"][0]
    done = command("search", annotated, "--object", first, "--neighbor-label", "plum", "-k", plums + 3)
    assert done.code == 0
    assert f"{plums} neighbor" in done.err
    assert f"and not {plums + 3}: there is no other plum in other photos (--same-image takes" in done.err
    assert command("search", annotated, "--object", first, "--neighbor-label", "plum", "-k", plums).err == ""
