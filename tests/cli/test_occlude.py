"""``objectspace occlude``."""

from __future__ import annotations

import json
import tracemalloc

import PIL.Image
import pytest


@pytest.fixture
def occlude(world, command):
    def run(*arguments):
        return command("occlude", world.photos / "red1.png", *world.network, *arguments)

    return run


def test_the_json_document(world, occlude) -> None:
    done = occlude("--windows", "all", "--json")
    assert (done.code, done.err) == (0, "")
    document = json.loads(done.out)
    assert document["image"].endswith("red1.png")
    assert set(document["predictions"][0]) == {"label", "score", "xyxy", "head", "cell", "anchor"}
    rows, columns = document["grid"]
    sizes = range(1, min(rows, columns) + 1)
    assert len(document["windows"]) == sum((rows - k + 1) * (columns - k + 1) for k in sizes)
    assert document["own_cell_only"] is True


def test_several_photos_make_a_list(world, occlude) -> None:
    done = occlude(world.photos / "red2.png", "--windows", "1", "--tap", "3", "--json")
    documents = json.loads(done.out)
    assert [document["image"].rpartition("/")[2] for document in documents] == ["red1.png", "red2.png"]
    assert {document["tap"] for document in documents} == {"3"}


def test_what_a_person_reads(occlude) -> None:
    done = occlude("--windows", "1-2")
    assert (done.code, done.err) == (0, "")
    first, header, *rows = done.out.splitlines()
    assert "windows of 1 to 2 cells zeroed in layer" in first
    words = "label score cell head disappears under smallest window lowest score under window"
    assert " ".join(header.split()) == words
    assert any(row.startswith(("apple", "pear", "plum")) for row in rows)
    assert "can only fall when its own cell is covered" in rows[-1]


def test_earlier_taps_and_the_pixels_say_nothing_of_own_cells(occlude) -> None:
    for tap, name in (("3", "layer 3"), ("pixels", "the pixels")):
        done = occlude("--windows", "1", "--tap", tap)
        assert f"zeroed in {name}," in done.out
        assert "own cell" not in done.out


def test_without_predictions(occlude) -> None:
    done = occlude("--confidence", "1", "--windows", "1")
    assert done.code == 0
    assert "0 predictions" in done.out
    assert "No prediction appears under any window." in done.out


def test_a_figure(occlude, tmp_path) -> None:
    done = occlude("--windows", "1", "--figure", tmp_path / "out.svg")
    assert done.code == 0
    assert "disappeared" in (tmp_path / "out.svg").read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--windows", "0"), "windows are '0', expected sizes such as 3, 1-5 or 1,2,4, or the word all"),
        (("--tap", "77"), "'77' is no tap of"),
        (("--windows", "50"), "windows of [50] cells do not fit a grid of"),
        (("--figure", "out.gif"), "a figure is written as"),
    ],
)
def test_what_cannot_be_is_one_sentence(world, sentence, options, words) -> None:
    assert words in sentence("occlude", world.photos / "red1.png", *world.network, *options)


def test_a_photo_that_is_not_there(world, sentence, tmp_path) -> None:
    assert "none.jpg" in sentence("occlude", tmp_path / "none.jpg", *world.network)


def test_one_figure_is_of_one_photo(world, occlude, tmp_path) -> None:
    done = occlude(world.photos / "red2.png", "--figure", tmp_path / "out.png")
    assert (done.code, done.out) == (2, "")
    assert "--figure draws one photo" in done.err


def test_photos_are_decoded_one_at_a_time(world, command, tmp_path) -> None:
    """Six photos of 12 megapixels are 216 MB once decoded; one of 36 MB may be held, and worked on."""
    photos = [tmp_path / f"{number}.jpg" for number in range(6)]
    for photo in photos:
        PIL.Image.open(world.photos / "red1.png").convert("RGB").resize((4000, 3000)).save(photo)

    tracemalloc.start()
    try:
        done = command("occlude", *photos, *world.network, "--windows", "1", "--json")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert [document["image"] for document in json.loads(done.out)] == list(map(str, photos))
    assert peak < 150e6


def test_nothing_is_printed_where_a_later_photo_cannot_be_read(world, occlude, tmp_path) -> None:
    done = occlude(tmp_path / "none.jpg", "--windows", "1", "--json")
    assert (done.code, done.out) == (1, "")
