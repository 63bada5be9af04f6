"""Jobs that cannot be done: one sentence, exit 1, no traceback, and a store that is whole."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time

import pytest
from PIL import Image

from objectspace.store import open_store, open_writer


@pytest.fixture
def refused(world, sentence, tmp_path):
    """Runs an index that must fail; its sentence. Options given replace those that work."""

    def run(*arguments, photos=world.photos, model=world.network):
        job = ("--route", "window", *model)
        return sentence("index", photos, "--store", tmp_path / "s.osp", *job, *arguments)

    return run


def test_photos_that_are_not_there(refused, tmp_path):
    assert "there is no such file or folder" in refused(photos=tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    assert "a folder without photos" in refused(photos=tmp_path / "empty")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--confidence", 2), "confidence is 2.0, expected a number from 0 to 1"),
        (("--iou", "nan"), "iou is nan, expected a number from 0 to 1"),
        (("--margin", -1), "crop margin -1.0 is not between 0 and 10"),
        (("--device", "gpu"), "device is 'gpu', expected auto, cpu, cuda or cuda:N"),
        (("--suffix", "a/b"), "space name 'space-a/b': use letters"),
        (("--pattern", "("), "pattern '(' is no regular expression"),
        (("--pattern", "x(?P<n>y)z"), "matches no photo's file name"),
        (("--factors", "none.csv"), "none.csv: there is no such file"),
        (("--annotations", "none"), "none: is not a folder, expected the folder of the label files"),
        (("--masks", "none"), "none: is not a folder, expected the folder of the mask images"),
    ],
)
def test_options_that_cannot_be_used(refused, tmp_path, arguments, told):
    assert told in refused(*arguments)
    assert not (tmp_path / "s.osp").exists()


@pytest.mark.parametrize(
    "arguments",
    [("--window", "0"), ("--route", "sideways"), ("--annotations", "a", "--masks", "b"), ("--typo",)],
)
def test_wrong_usage_is_exit_2(world, command, tmp_path, arguments):
    done = command("index", world.photos, "--store", tmp_path / "s.osp", *world.model, *arguments)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err


def test_misspelled_networks(world, refused):
    assert refused(model=("--detector", "yolov33")).endswith("did you mean yolov3?")
    told = refused("--route", "crop", model=(*world.network, "--encoder", "resnet5O"))
    assert told.startswith("encoder resnet5O is not known; near names are resnet50")


def test_weights_of_another_length_or_network(world, refused, tmp_path):
    data = world.weights.read_bytes()
    for name, content in {"short": data[:-40], "long": data + b"1234", "none": None}.items():
        path = tmp_path / f"{name}.weights"
        if content is not None:
            path.write_bytes(content)
        assert str(path) in refused(model=("--detector", world.cfg, "--detector-weights", path))
    told = refused(
        "--route", "crop", model=(*world.network, "--encoder", "test_vit", "--encoder-weights", world.weights)
    )
    assert "is no plain state dict" in told
    told = refused("--route", "crop", model=(*world.network, "--encoder", "test_resnet", *world.encoder[2:]))
    assert str(world.encoder_weights) in told


def test_a_cfg_with_an_unknown_section(world, refused, tmp_path):
    (tmp_path / "x.cfg").write_text(world.cfg.read_text() + "[telepathy]\nrange=9\n")
    told = refused(model=("--detector", tmp_path / "x.cfg", "--detector-weights", world.weights))
    assert "telepathy" in told


def test_weights_that_cannot_be_fetched(world, command, tmp_path, monkeypatch):
    def offline(self, url, output_file, pooch, check_only=False):
        raise ConnectionError

    monkeypatch.setenv("OBJECTSPACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("pooch.HTTPDownloader.__call__", offline)
    done = command("index", world.photos, "--store", tmp_path / "s.osp")
    *_, last = done.err.splitlines()
    assert (done.code, done.out) == (1, "")
    assert last.startswith("objectspace: yolov3.weights could not be fetched: https://")
    assert f"at {tmp_path / 'cache' / 'yolov3.weights'}, or load the detector or encoder from a copy" in last
    assert "as --detector-weights or --encoder-weights; or take the detector yolov3-tiny with" in last


def test_places_where_no_store_can_be(refused, tmp_path):
    (tmp_path / "s.osp").write_text("a file")
    assert "is a file and a store is a folder" in refused()
    (tmp_path / "s.osp").unlink()
    (tmp_path / "s.osp").mkdir()
    (tmp_path / "s.osp" / "thesis.tex").touch()
    assert "is not a store" in refused()
    assert "its path is not UTF-8 text" in refused("--store", tmp_path / os.fsdecode(b"caf\xe9.osp"))


def test_two_writers_at_once(refused, tmp_path):
    with open_writer(tmp_path / "s.osp"):
        assert "another process is writing to" in refused()


def test_another_recipe_under_the_same_name(world, command, refused, tmp_path):
    assert (
        command(
            "index", world.photos, "--store", tmp_path / "s.osp", "--route", "window", *world.network
        ).code
        == 0
    )
    before = open_store(tmp_path / "s.osp").info().to_json()
    told = refused("--resize", "letterbox")
    assert "tiny-window3-stride" in told
    assert "resize" in told
    assert open_store(tmp_path / "s.osp").info().to_json() == before


def test_a_full_disk(world, command, sentence, small_disk):
    job = ("--store", small_disk / "s.osp", *world.network, "--route", "window")
    assert command("index", world.photos / "red1.png", *job).code == 0
    before = open_store(small_disk / "s.osp").info().to_json()
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as stream:
        while True:
            stream.write(b"\0" * 4096)
    assert "the disk is full" in sentence("index", world.photos, *job)
    assert open_store(small_disk / "s.osp").info().to_json() == before
    assert "cannot be written: No space left on device" in sentence(
        "sheet", small_disk / "s.osp", "--out", small_disk / "x.png"
    )
    assert not (small_disk / "x.png").exists()
    filler.unlink()
    assert command("index", world.photos, *job).code == 0
    assert open_store(small_disk / "s.osp").info().images == 4


@pytest.mark.slow
def test_ctrl_c_leaves_a_store_that_can_be_resumed(world, command, start, tmp_path):
    photos, store = tmp_path / "many", tmp_path / "s.osp"
    manifest = store / "manifest.json"
    photos.mkdir()
    for number in range(150):
        Image.new("RGB", (40, 30), (number % 256, number // 256, 90)).save(photos / f"{number}.bmp")
    job = ("index", photos, "--store", store, *world.network, "--route", "window", "--json")
    process = start(*job)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (manifest.exists() and '"images"' in manifest.read_text()):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert (
        err
        == f"objectspace: stopped; the same command goes on from the photos that are finished in {store}\n"
    )
    kept = open_store(store).info().images
    assert 0 < kept < 150
    report = json.loads(command(*job).out)
    assert (report["known"], report["indexed"]) == (kept, 150 - kept)
