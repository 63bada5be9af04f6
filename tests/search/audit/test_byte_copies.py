"""Files that are copies byte for byte, found in the folders of a store's photos."""

from __future__ import annotations

from pathlib import Path

import pytest

from objectspace.files import content_id
from objectspace.search.audit import byte_copies
from objectspace.search.audit.byte_copies import find_byte_copies
from objectspace.store import ImageRow


def stored(path: Path, data: bytes) -> ImageRow:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return ImageRow(content_id(data), str(path), 8, 8)


def test_copies_in_the_folders_of_photos_are_found(tmp_path: Path) -> None:
    images = [stored(tmp_path / "a" / "1.png", b"one"), stored(tmp_path / "b" / "2.png", b"other")]
    copies = {"a/x.jpg": b"other", "b/y": b"one", "b/z.png": b"one"}
    others = {"a/2.png": b"two", "a/3.png": b"longer", "a/below/4.png": b"one", "elsewhere/5.png": b"one"}
    for name, data in {**copies, **others}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    path_of = {b"one": images[0].path, b"other": images[1].path}
    assert find_byte_copies(images) == {str(tmp_path / name): path_of[data] for name, data in copies.items()}


def test_two_stored_photos_are_no_copies(tmp_path: Path) -> None:
    assert find_byte_copies([stored(tmp_path / f"{name}.png", name.encode()) for name in "ab"]) == {}


def test_only_files_of_a_photos_size_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = stored(tmp_path / "1.png", b"one")
    for name, data in {"2.png": b"two", "3.png": b"three"}.items():
        (tmp_path / name).write_bytes(data)
    read: list[str] = []
    monkeypatch.setattr(byte_copies, "read_file", lambda path: read.append(path.name) or path.read_bytes())
    assert find_byte_copies([image]) == {}
    assert read == ["2.png"]


@pytest.mark.parametrize("path", ["gone/1.png", "s3://bucket/1.png"])
def test_photos_that_are_not_there_have_none(tmp_path: Path, path: str) -> None:
    (tmp_path / "1.png").write_bytes(b"one")
    where = path if "://" in path else str(tmp_path / path)
    assert find_byte_copies([ImageRow(content_id(b"one"), where, 8, 8)]) == {}
