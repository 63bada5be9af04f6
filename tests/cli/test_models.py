"""``objectspace models``."""

from __future__ import annotations

import json


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
