"""The Embedding Projector's files: read as text and as a picture, and served by TensorBoard itself."""

from __future__ import annotations

import csv
import io
import json
import re
import time
import urllib.request

import numpy as np
import PIL.Image
import pytest

from objectspace.export import export_store, projector
from objectspace.export.projector import sprite_side


@pytest.fixture
def folder(store, tmp_path, small_blocks):
    export_store(store, tmp_path / "o", "projector")
    return tmp_path / "o"


@pytest.fixture
def rows(folder):
    """The metadata as a reader without quotes cuts it: lines at newlines, cells at tabs."""
    text = (folder / "metadata.tsv").read_text(encoding="utf-8")
    header, *rows = (line.split("\t") for line in text.removesuffix("\n").split("\n"))
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_tensors_are_the_vectors_bit_for_bit(store, folder, rows):
    read = np.loadtxt(folder / "tensors.tsv", np.float32, delimiter="\t")
    space = store.space("crop")
    row = dict(zip(space.object_id, space.vectors, strict=True))
    np.testing.assert_array_equal(read, [row[entry["object_id"]] for entry in rows])


def test_metadata_have_one_line_an_object_whatever_its_label(store, rows):
    objects = store.objects([entry["object_id"] for entry in rows])
    assert len(rows) == 12
    assert [entry["label"] for entry in rows][:2] == ["chair", 'a b, "<b>ü</b>"  ☃']
    assert [entry["yaw"] for entry in rows] == [
        "" if np.isnan(yaw) else f"{yaw}" for yaw in objects.factors["yaw"]
    ]


def test_metadata_have_lines_for_every_reader(folder):
    text = (folder / "metadata.tsv").read_text(encoding="utf-8")
    assert len(text.splitlines()) == 13
    reader = csv.reader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    assert {len(row) for row in reader} == {11}


def test_each_thumbnail_stands_at_its_place_in_the_sprite(store, folder, rows):
    sprite = np.asarray(PIL.Image.open(folder / "sprite.png"), int)
    assert sprite.shape == (3 * 64, 4 * 64, 3)
    for number, (row, entry) in enumerate(zip(np.repeat(range(3), 4), rows, strict=True)):
        (jpeg,) = store.thumbnails([entry["object_id"]])
        shade = PIL.Image.open(io.BytesIO(jpeg)).getpixel((15, 10))
        column = number % 4
        assert np.abs(sprite[64 * row + 32, 64 * column + 32] - shade).max() <= 2
        assert sprite[64 * row + 2, 64 * column + 32].tolist() == [255, 255, 255]


def test_the_config_names_the_files(folder):
    text = (folder / "projector_config.pbtxt").read_text()
    told = dict(re.findall(r"(\w+): (\[.*?\]|\".*?\")", text))
    assert json.loads(told["tensor_shape"]) == [12, 6]
    assert json.loads(told["single_image_dim"]) == [64, 64]
    for key in ("tensor_path", "metadata_path", "image_path"):
        assert (folder / json.loads(told[key])).is_file()


@pytest.mark.parametrize(
    ("count", "side"), [(1, 64), (16_384, 64), (16_385, 63), (100_000, 25), (262_144, 16), (262_145, 0)]
)
def test_thumbnails_are_as_large_as_the_sprite_allows(count, side):
    assert sprite_side(count) == side


def test_a_sprite_that_does_not_fit_is_left_out_in_one_warning(store, tmp_path, monkeypatch):
    monkeypatch.setattr(projector, "SPRITE_SIDE", 60)
    made = export_store(store, tmp_path / "o", "projector")
    assert made.notes == ("no sprite was drawn: 12 thumbnails do not fit into 60 x 60 pixels",)
    assert not (tmp_path / "o" / "sprite.png").exists()
    assert "sprite" not in (tmp_path / "o" / "projector_config.pbtxt").read_text()


def test_a_smaller_sprite_is_told(store, tmp_path, monkeypatch):
    monkeypatch.setattr(projector, "SPRITE_SIDE", 128)
    made = export_store(store, tmp_path / "o", "projector")
    assert made.notes == ("thumbnails are 32 pixels a side: 12 of them must fit into 128 x 128 pixels",)


def test_tensorboard_serves_it(folder, store):
    program = pytest.importorskip("tensorboard.program")
    board = program.TensorBoard()
    board.configure(argv=[None, "--logdir", str(folder), "--host", "127.0.0.1", "--port", "0"])
    address = f"{board.launch()}data/plugin/projector"

    def ask(what: str) -> bytes:
        return urllib.request.urlopen(f"{address}/{what}").read()

    deadline = time.monotonic() + 20
    while json.loads(ask("runs")) != ["."] and time.monotonic() < deadline:
        time.sleep(0.2)
    (embedding,) = json.loads(ask("info?run=."))["embeddings"]
    assert (embedding["tensorName"], embedding["tensorShape"]) == ("crop", [12, 6])
    tensor = np.frombuffer(ask("tensor?run=.&name=crop"), np.float32).reshape(12, 6)
    np.testing.assert_array_equal(tensor, np.loadtxt(folder / "tensors.tsv", np.float32))
    assert ask("metadata?run=.&name=crop") == (folder / "metadata.tsv").read_bytes()
    assert ask("sprite_image?run=.&name=crop") == (folder / "sprite.png").read_bytes()
