"""``search`` and ``sheet`` with limits: none of the same clip, none farther than a distance."""

from __future__ import annotations

import json

import pytest

from objectspace.store import open_store


@pytest.fixture(scope="module")
def clips(world, tmp_path_factory):
    """A store of the labeled objects, each with the color that its photo's file name begins with."""
    from objectspace import Job, factors_from_pattern, index, load_encoder, open_annotations, read_names

    path = tmp_path_factory.mktemp("clips") / "s.osp"
    photos = sorted(world.photos.rglob("*.*"))
    job = Job(
        encoder=load_encoder("test_vit", weights=world.encoder_weights),
        annotations=open_annotations(world.labels, names=read_names(world.names)),
        factors=factors_from_pattern(r"(?P<clip>red|green)", photos),
    )
    index(photos, path, job)
    return path


@pytest.fixture(scope="module")
def apple(clips):
    """The id of an apple."""
    objects = open_store(clips).objects()
    return objects.object_id[objects.label == "apple"][0]


def test_neighbors_of_the_same_clip_are_left_out(clips, search):
    objects = open_store(clips).objects()
    clip = dict(zip(objects.object_id.tolist(), objects.factors["clip"].tolist(), strict=True))
    assert set(clip.values()) == {"red", "green", None}
    for target, mine in clip.items():
        answer = search(clips, "--object", target, "--exclude-same", "clip")
        expected = {other for other in clip if other != target and (mine is None or clip[other] != mine)}
        assert {row["object_id"] for row in answer["neighbors"]} == expected
        assert answer["exclude_same"] == "clip"


def test_a_box_in_a_stored_photo_is_of_its_clip(world, clips, search):
    box = ("--image", world.photos / "red1.png", "--box", "1,1,30,30")
    answer = search(clips, *box, "--exclude-same", "clip")
    assert answer["query"]["object_id"] is None
    assert not any("red" in row["image"] for row in answer["neighbors"])
    assert any("red" in row["image"] for row in search(clips, *box)["neighbors"])


def test_the_photo_itself_is_left_out_unless_asked_for(clips, apple, search):
    first = search(clips, "--object", apple)
    assert first == search(clips, "--object", apple, "--exclude-same", "image")
    assert first["exclude_same"] == "image"
    photo = first["query"]["image"]
    assert photo not in [row["image"] for row in first["neighbors"]]
    whole = search(clips, "--object", apple, "--same-image")
    assert "exclude_same" not in whole
    assert photo in [row["image"] for row in whole["neighbors"]]


def test_neighbors_within_a_distance(clips, apple, search):
    whole = [row["distance"] for row in search(clips, "--object", apple)["neighbors"]]
    answer = search(clips, "--object", apple, "--within", repr(whole[2]))
    assert [row["distance"] for row in answer["neighbors"]] == whole[:3]
    assert answer["within"] == whole[2]
    few = search(clips, "--object", apple, "--within", repr(whole[2]), "-k", 2)
    assert [row["distance"] for row in few["neighbors"]] == whole[:2]


def test_no_neighbor_within_a_distance_is_said(clips, apple, command, search, tmp_path):
    out = tmp_path / "none.svg"
    near = ("--object", apple, "--within", "1e-3")
    done = command("search", clips, *near, "--sheet", out)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[1] == "no object of another photo within 0.001"
    assert done.out.splitlines()[-1] == f"{out}: the answer as a sheet"
    assert "within 0.001" in out.read_text()
    both = command("search", clips, *near, "--same-image")
    assert both.out.splitlines()[1] == "no object within 0.001"
    assert search(clips, *near)["neighbors"] == []


def test_a_sheet_without_the_same_clip(clips, command, sentence, tmp_path):
    out = tmp_path / "s.svg"
    done = command("sheet", clips, "--out", out, "--exclude-same", "clip", "--json")
    for answer in json.loads(done.out):
        mine = next((name for name in ("red", "green") if name in answer["query"]["image"]), None)
        assert mine is None or not any(mine in row["image"] for row in answer["neighbors"])
    assert "none of the target's clip" in out.read_text()
    told = sentence("sheet", clips, "--out", out, "--exclude-same", "clop")
    assert told == "no column 'clop' that objects may share, expected one of image, clip; did you mean clip?"
    assert command("sheet", clips, "--out", out, "--same-image", "--exclude-same", "image").code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("--within", "-1"),
        ("--within", "nan"),
        ("--within", "inf"),
        ("--same-image", "--exclude-same", "clip"),
    ],
)
def test_wrong_limits_are_exit_2(clips, command, arguments):
    done = command("search", clips, "--object", "a", *arguments)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err
