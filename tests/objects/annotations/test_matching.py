from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from objectspace.objects.annotations.matching import ImageNames

COMPOSED = unicodedata.normalize("NFC", "café.jpg")
DECOMPOSED = unicodedata.normalize("NFD", "café.jpg")


@pytest.mark.parametrize(
    "name",
    [
        "dog.jpg",
        "./dog.jpg",
        "p/dog.jpg",
        "/home/me/p/dog.jpg",
        "coco_data/dog.jpg",
        "..\\..\\media\\upload\\4\\dog.jpg",
        "C:\\p\\dog.jpg",
        "..\\label\\dog.jpg",
        "https://host/bucket/dog.jpg?signature=a%2Fb",
        "/data/local-files/?d=p/dog.jpg",
    ],
)
def test_a_photo_is_found_under_every_name_that_tools_give_it(name: str) -> None:
    assert ImageNames({name: "dog", "p/cat.jpg": "cat"}).of("/album/p/dog.jpg") == "dog"


@pytest.mark.parametrize(
    ("name", "photo"),
    [
        (COMPOSED, DECOMPOSED),
        (DECOMPOSED, COMPOSED),
        ("caf%C3%A9.jpg", COMPOSED),
        ("caf%C3%A9.jpg", DECOMPOSED),
        (COMPOSED, "caf%C3%A9.jpg"),
    ],
)
def test_one_name_in_two_spellings_is_one(name: str, photo: str) -> None:
    assert ImageNames({name: 1}).named(f"/album/{photo}") == 1


def test_a_name_with_a_percent_sign_is_first_taken_as_it_is_written() -> None:
    names = ImageNames({"a%20b.jpg": 1, "a b.jpg": 2})
    assert [names.of("/p/a%20b.jpg"), names.of("/p/a b.jpg")] == [1, 2]


def test_the_longest_end_of_the_path_decides() -> None:
    names = ImageNames({"7.jpg": 0, "val/7.jpg": 1, "/d/val/7.jpg": 2})
    assert [names.of(f"{folder}/7.jpg") for folder in ("/d/train", "/e/val", "/d/val")] == [0, 1, 2]


def test_a_name_that_two_entries_end_in_finds_none() -> None:
    names = ImageNames({"train/7.jpg": 0, "val/7.jpg": 1})
    assert names.of("/elsewhere/7.jpg") is None
    assert names.of("/elsewhere/val/7.jpg") == 1


def test_more_shared_folders_decide_between_entries_of_other_folders() -> None:
    names = ImageNames({"old/train/7.jpg": 0, "old/val/7.jpg": 1})
    assert names.of("/new/val/7.jpg") == 1


def test_an_entry_whose_own_file_is_there_is_no_other_photos(tmp_path: Path) -> None:
    for folder in ("train", "val"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "7.jpg").touch()
    names = ImageNames({"train/7.jpg": 0})
    assert names.of(tmp_path / "train/7.jpg") == 0
    assert names.of(tmp_path / "val/7.jpg") is None


def test_the_own_file_of_a_whole_path_is_there_alone(tmp_path: Path) -> None:
    """A whole path is one place; one that begins with ``..`` may be below any folder above the photo."""
    for folder in ("data/train", "photos/train", "photos/val"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "7.jpg").touch()
    photo = tmp_path / "photos/val/7.jpg"
    assert ImageNames({"/data/train/7.jpg": 0}).of(photo) == 0
    assert ImageNames({f"{tmp_path}/data/train/7.jpg": 0}).of(photo) is None
    (tmp_path / "photos/val/test").mkdir()
    (tmp_path / "photos/val/test/7.jpg").touch()
    assert ImageNames({"../test/7.jpg": 0}).of(photo) is None


def test_the_photos_of_a_job_share_no_entry_that_is_named_for_one_of_them() -> None:
    names = ImageNames({"train/7.jpg": 0, "8.jpg": 1})
    assert names.match(["/d/val/7.jpg", "/d/train/7.jpg", "/d/8.jpg"]) == [None, 0, 1]


def test_photos_found_in_other_folders_are_told() -> None:
    names = ImageNames({"old/7.jpg": 0, "8.jpg": 1})
    assert list(names.alike(["/new/7.jpg", "/new/8.jpg", "/new/9.jpg"])) == [("/new/7.jpg", 0)]
