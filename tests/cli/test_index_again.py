"""The same ``index`` command again: it ends before a network is loaded, unless something changed."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from objectspace.jobs.unchanged import FINISHED, command_digest


@pytest.fixture
def folders(world, tmp_path):
    """Copies of the photos and labels, which a test may change."""
    shutil.copytree(world.photos, tmp_path / "photos")
    shutil.copytree(world.labels, tmp_path / "labels")
    return tmp_path


@pytest.fixture
def index(world, command, folders, monkeypatch):
    """Indexes the copies; the document, and whether a network was loaded."""
    from objectspace.pipeline.specs import EncoderSpec

    loads, load = [], EncoderSpec.load
    monkeypatch.setattr(EncoderSpec, "load", lambda self, *where: loads.append(self) or load(self, *where))

    def run(*arguments):
        loads.clear()
        job = ("--annotations", folders / "labels", "--names", world.names, *world.encoder)
        done = command("index", folders / "photos", "--store", folders / "s.osp", *job, *arguments, "--json")
        assert done.code == 0
        return json.loads(done.out), bool(loads)

    return run


def test_a_finished_command_loads_nothing(index):
    first, loaded = index()
    assert (first["indexed"], loaded) == (4, True)
    again, loaded = index()
    assert (again["photos"], again["indexed"], again["known"], loaded) == (4, 0, 4, False)
    assert set(again) == set(first)


def test_what_changed_is_looked_at_anew(index, folders):
    index()
    photo, labels = folders / "photos" / "red1.png", folders / "labels"
    later = photo.stat().st_mtime_ns + 10**9
    os.utime(photo, ns=(later, later))
    assert index()[1]
    assert not index()[1]
    (labels / "new.txt").write_text("")
    assert index()[1]
    assert index("--margin", "0.5")[1]
    assert index()[1]  # of the store as another command left it, it is not known any more
    assert not index()[1]
    (folders / "s.osp" / FINISHED).write_text("{")
    assert index()[1]


def test_a_file_that_an_option_names_is_looked_at_anew(index, folders):
    table = folders / "angles.csv"
    table.write_text("image,angle\nred1.png,10\n")
    index("--factors", table)
    assert not index("--factors", table)[1]
    table.write_text("image,angle\nred1.png,200\n")
    assert index("--factors", table)[1]


def test_a_photo_that_failed_is_tried_again(index, folders):
    (folders / "photos" / "broken.png").write_bytes(b"no picture")
    for _ in range(2):
        done, loaded = index()
        assert ([failure["path"].split("/")[-1] for failure in done["failures"]], loaded) == (
            ["broken.png"],
            True,
        )


def test_a_digest_is_of_options_and_of_each_file(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    first = command_digest({"k": 1}, [tmp_path])
    assert first == command_digest({"k": 1}, [tmp_path])
    assert first != command_digest({"k": 2}, [tmp_path])
    (tmp_path / "b").write_text("bb")
    assert first != command_digest({"k": 1}, [tmp_path])
    assert command_digest({}, [tmp_path / "gone"]) is None
