"""Places: addresses are joined and split as paths, and object storage says what is wrong in one sentence."""

from __future__ import annotations

import pickle
from pathlib import Path, PurePosixPath

import pytest

from objectspace.errors import InputError
from objectspace.images import find_images
from objectspace.places import RemotePath, as_place


def test_addresses_are_told_from_paths(tmp_path: Path) -> None:
    assert as_place("s3://bucket/a/b.jpg") == RemotePath("s3://bucket/a/b.jpg")
    assert as_place(Path("gs://bucket/a")) == RemotePath("gs://bucket/a")
    assert as_place(f"file://{tmp_path}/a%20b") == tmp_path / "a b"
    assert as_place("photos/s3.jpg") == Path("photos/s3.jpg")
    with pytest.raises(InputError, match="az:// names no bucket; expected az://BUCKET/FOLDER"):
        as_place("az://")


def test_an_address_keeps_its_slashes() -> None:
    place = RemotePath("s3://bucket/dogs.osp")
    assert str(place / "spaces" / "a.lance") == "s3://bucket/dogs.osp/spaces/a.lance"
    assert str(place.parent) == "s3://bucket"
    assert (place.name, place.key) == ("dogs.osp", "dogs.osp")
    assert str((place / "a/b").relative_to(place)) == "a/b"
    assert pickle.loads(pickle.dumps(place)) == place  # noqa: S301


def test_objects_are_written_read_and_listed(bucket: str) -> None:
    folder = RemotePath(bucket) / "folder"
    tag = (folder / "a.bin").create(b"123456")
    assert (folder / "a.bin").read_tagged() == (b"123456", tag)
    assert ((folder / "a.bin").size(), (folder / "a.bin").tail(4)) == (6, b"3456")
    (folder / "below" / "b.bin").write_bytes(b"")
    assert folder.names() == {"a.bin", "below"}
    assert {str(path.relative_to(folder)) for path in folder.objects_below()} == {"a.bin", "below/b.bin"}
    (folder / "a.bin").unlink()
    assert not (folder / "a.bin").is_file()
    with pytest.raises(FileNotFoundError):
        (folder / "a.bin").read_bytes()


def test_an_object_is_replaced_only_by_who_read_it(bucket: str) -> None:
    place = RemotePath(bucket) / "one"
    first = place.create(b"1")
    with pytest.raises(FileExistsError):
        place.create(b"2")
    second = place.replace_tagged(b"2", first)
    with pytest.raises(FileExistsError):
        place.replace_tagged(b"3", first)
    assert place.read_tagged() == (b"2", second)


def test_photos_are_found_as_in_a_folder(bucket: str, tmp_path: Path) -> None:
    names = ["b.png", "a.JPG", "sub/c.webp", ".hidden.png", "@eaDir/t.png", "thumbs/s.png", "notes.txt"]
    for name in names:
        (RemotePath(bucket) / "photos" / name).write_bytes(b"x")
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    there = find_images([f"{bucket}/photos"], exclude=["thumbs"])
    here = find_images([tmp_path], exclude=["thumbs"])
    assert [str(path).removeprefix(f"{bucket}/photos/") for path in there] == [
        PurePosixPath(path).relative_to(tmp_path).as_posix() for path in here
    ]
    with pytest.raises(InputError, match="nowhere: there is no such file or folder"):
        find_images([f"{bucket}/nowhere"])


def test_a_bucket_that_is_not_there_is_named(bucket: str) -> None:
    with pytest.raises(InputError, match="there is no bucket s3://no-such-bucket-at-all; make it"):
        (RemotePath("s3://no-such-bucket-at-all") / "a").read_bytes()


def test_missing_credentials_are_named(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    # Where there are none, a machine of the service is asked; nobody answers at this address.
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="no credentials for s3://without-any; set those of its service"):
        (RemotePath("s3://without-any") / "a").read_bytes()


def test_a_service_that_does_not_answer_is_named(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="s3://nobody-here cannot be reached"):
        (RemotePath("s3://nobody-here") / "a").read_bytes()
