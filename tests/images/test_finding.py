from __future__ import annotations

import os
from pathlib import Path

import pytest

from objectspace.errors import ImageError, InputError
from objectspace.images import find_images, passed_over_text, read_image, search_images


@pytest.fixture
def album(tmp_path: Path) -> Path:
    for name in ("b.jpg", "a.PNG", "deep/er/c.webp", "notes.txt", ".hidden.jpg", ".cache/d.jpg", "raw"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def test_folders_are_searched_for_photos_by_suffix(album: Path) -> None:
    assert find_images([album]) == [album / "a.PNG", album / "b.jpg", album / "deep/er/c.webp"]


def test_a_named_file_is_taken_whatever_its_suffix(album: Path) -> None:
    assert find_images([album / "raw"]) == [album / "raw"]


def test_a_photo_named_twice_is_found_once(album: Path) -> None:
    assert find_images([album / "b.jpg", album, str(album / "deep" / ".." / "b.jpg")]) == find_images([album])


def test_linked_folders_are_not_followed(album: Path) -> None:
    (album / "deep" / "loop").symlink_to(album, target_is_directory=True)
    assert len(find_images([album])) == 3


def test_a_linked_photo_is_taken(album: Path) -> None:
    (album / "link.jpg").symlink_to(album / "b.jpg")
    assert album / "link.jpg" in find_images([album])


def test_a_folder_without_photos(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a folder without photos"):
        find_images([tmp_path])


def test_pictures_that_are_not_read_are_counted(album: Path) -> None:
    for name in ("1.HEIC", "2.heic", "deep/3.cr2", "b.nef", ".4.heic", "5.mov"):
        (album / name).write_bytes(b"x")
    search = search_images([album, album / "deep"])
    assert search.images == find_images([album])
    assert search.passed_over == {".heic": 2, ".cr2": 1}  # the photo of b.nef is there as b.jpg
    text = "2 .heic and 1 .cr2 files passed over: convert them to JPEG first"
    assert passed_over_text(search.passed_over) == text


def test_a_folder_of_pictures_that_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "1.heic").write_bytes(b"x")
    with pytest.raises(InputError, match=r"without photos, 1 \.heic file passed over: convert it to JPEG"):
        find_images([tmp_path])


def test_a_missing_path_names_its_neighbors(album: Path) -> None:
    with pytest.raises(InputError, match=r"there is no such file or folder; did you mean .*b\.jpg"):
        find_images([album / "bb.jpg"])


def test_a_missing_folder_is_not_taken_for_a_table_beside_it(tmp_path: Path) -> None:
    (tmp_path / "photos.csv").touch()
    with pytest.raises(InputError, match=r"there is no such file or folder$"):
        find_images([tmp_path / "photo"])
    (tmp_path / "photos").mkdir()
    with pytest.raises(InputError, match=r"there is no such file or folder; did you mean [^ ]*photos\?$"):
        find_images([tmp_path / "photo"])


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no such file or folder$"):
        find_images([tmp_path / "no" / "where"])


def test_a_photo_that_may_not_be_looked_at_is_taken_as_one(
    album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, stat = album / "hidden" / "7.jpg", Path.stat

    def refuse(self: Path, **options: bool) -> os.stat_result:
        if self == path:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(self, **options)

    monkeypatch.setattr(Path, "stat", refuse)
    assert find_images([path]) == [path]


def test_a_subfolder_that_may_not_be_read_is_reported_when_read(
    album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir

    def refuse(path: str) -> object:
        if Path(path).name == "er":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = find_images([album])
    assert album / "deep" / "er" in found
    with pytest.raises(ImageError, match="is a folder that may not be read"):
        read_image(album / "deep" / "er")


@pytest.mark.parametrize("name", ["@eaDir", "#recycle", "__MACOSX", "$RECYCLE.BIN"])
def test_thumbnails_and_deleted_files_of_network_drives_are_no_photos(album: Path, name: str) -> None:
    before = find_images([album])
    (album / "deep" / name / "b.jpg").mkdir(parents=True)
    (album / "deep" / name / "b.jpg" / "SYNOPHOTO_THUMB_XL.jpg").write_bytes(b"x")
    assert find_images([album]) == before


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        (["deep"], ["a.PNG", "b.jpg"]),
        (["er"], ["a.PNG", "b.jpg"]),
        (["*.jpg"], ["a.PNG", "deep/er/c.webp"]),
        (["deep/er/*"], ["a.PNG", "b.jpg"]),
        (["er/*"], ["a.PNG", "b.jpg", "deep/er/c.webp"]),
        (["a.*", "c.*"], ["b.jpg"]),
    ],
)
def test_files_and_folders_can_be_left_out(album: Path, exclude: list[str], left: list[str]) -> None:
    assert find_images([album], exclude=exclude) == [album / name for name in left]


def test_the_folder_itself_and_named_files_are_not_left_out(album: Path) -> None:
    assert len(find_images([album], exclude=[album.name])) == 3
    assert find_images([album / "b.jpg"], exclude=["*.jpg"]) == [album / "b.jpg"]
