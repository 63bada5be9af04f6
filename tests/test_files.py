"""Files and folders that are whole or not there, made with the user's own permissions."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from objectspace.errors import InputError
from objectspace.files import TEMPORARY_PREFIX, atomic_path, check_writable, guess_path, names_in


def write_folder(path, name):
    path.mkdir()
    (path / name).touch()


def test_missing_folders_are_made(tmp_path):
    with atomic_path(tmp_path / "a" / "b" / "c.txt") as temporary:
        temporary.write_text("whole")
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "whole"
    assert len(list((tmp_path / "a" / "b").iterdir())) == 1


def test_nothing_appears_before_the_block_ends(tmp_path):
    with atomic_path(tmp_path / "c.txt") as temporary:
        temporary.write_text("whole")
        assert names_in(tmp_path) == set()


def test_a_file_is_replaced_a_folder_and_a_device_are_not(tmp_path):
    (tmp_path / "c.txt").write_text("old")
    with atomic_path(tmp_path / "c.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "c.txt").read_text() == "new"
    (tmp_path / "link").symlink_to("c.txt")
    check_writable(tmp_path / "link")
    write_folder(tmp_path / "f", "old")
    os.mkfifo(tmp_path / "pipe")
    for path, told in (
        (tmp_path / "f", "f is a folder, which is not overwritten; give another path, or remove it first"),
        (tmp_path / "pipe", "pipe is no file that could be overwritten; give the path of a file"),
        (Path(os.devnull), f"{os.devnull} is no file that could be overwritten"),
    ):
        for call in (check_writable, lambda path: atomic_path(path).__enter__()):
            with pytest.raises(InputError, match=told):
                call(path)
    assert names_in(tmp_path / "f") == {"old"}


@pytest.mark.parametrize("error", [InputError("no room"), KeyboardInterrupt()])
def test_a_failure_keeps_the_folder_before(tmp_path, error):
    write_folder(tmp_path / "f", "old")

    def fail(temporary):
        write_folder(temporary, "new")
        raise error

    with pytest.raises(type(error)), atomic_path(tmp_path / "f", replaces_folder=True) as temporary:
        fail(temporary)
    assert names_in(tmp_path / "f") == {"old"}
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_folder_replaces_a_full_one(tmp_path):
    write_folder(tmp_path / "f", "old")
    with atomic_path(tmp_path / "f", replaces_folder=True) as temporary:
        write_folder(temporary, "new")
    assert names_in(tmp_path / "f") == {"new"}
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize(("mask", "file", "folder"), [(0o077, 0o600, 0o700), (0o022, 0o644, 0o755)])
def test_permissions_follow_the_umask(tmp_path, mask, file, folder):
    before = os.umask(mask)
    try:
        with atomic_path(tmp_path / "f") as temporary:
            write_folder(temporary, "c.txt")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == folder
    assert stat.S_IMODE((tmp_path / "f" / "c.txt").stat().st_mode) == file


def test_a_name_as_long_as_names_may_be(tmp_path):
    with atomic_path(tmp_path / ("n" * 255)) as temporary:
        temporary.touch()
    assert names_in(tmp_path) == {"n" * 255}


def test_a_name_that_is_too_long_is_one_sentence(tmp_path):
    path = tmp_path / ("n" * 300)
    for call in (check_writable, names_in, lambda path: atomic_path(path).__enter__()):
        with pytest.raises(InputError, match="cannot be written: File name too long"):
            call(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(InputError, match="permission denied"):
        check_writable(tmp_path / "locked" / "new" / "c.txt")


def test_temporary_folders_of_a_killed_process_do_not_count(tmp_path):
    (tmp_path / f"{TEMPORARY_PREFIX}x").mkdir()
    assert names_in(tmp_path) == set()


def test_a_missing_path_is_guessed_from_what_is_beside_it(tmp_path):
    for name in ("dogs.osp", "labels", "other"):
        (tmp_path / name).mkdir()
    assert guess_path(tmp_path / "dog.osp") == f"; did you mean {tmp_path / 'dogs.osp'}?"
    assert guess_path(tmp_path / "lables") == f"; did you mean {tmp_path / 'labels'}?"
    assert guess_path(tmp_path / "dog.osp", meant=Path.is_file) == ""
    assert guess_path(tmp_path / "zebra") == guess_path(tmp_path / "labels") == ""
    assert guess_path(tmp_path / "none" / "dogs.osp") == ""
