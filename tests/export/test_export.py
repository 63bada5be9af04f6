"""The command, and what holds for every format."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

import objectspace as osp
from objectspace.cli.export import Format
from objectspace.errors import ImageError, InputError, QueryError, StoreError
from objectspace.export import FORMATS, export_store, npz
from objectspace.images import encode_thumbnail
from objectspace.store import Store, open_writer


def test_the_command_offers_every_format():
    assert {format.value for format in Format} == {*FORMATS, "page"}


def test_the_command_says_what_it_wrote_and_what_opens_it(store, command, tmp_path):
    out = tmp_path / "new" / "o.npz"
    done = command("export", store.path, "--format", "npz", "--out", out, "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert (told["objects"], told["spaces"]) == (12, ["crop", "win.3"])
    assert told["open"] == f"numpy.load('{out}')"
    assert out.is_file()


def test_the_command_warns_on_stderr(store, command, tmp_path):
    done = command("export", store.path, "--format", "npz", "--out", tmp_path / "o")
    assert done.out.splitlines()[0] == f"{tmp_path / 'o'}: 12 objects with vectors of crop, win.3"
    assert (
        done.err
        == "objectspace: 6 of 12 objects have no vector in win.3: their rows of vector/win.3 are NaN\n"
    )


def test_an_unknown_format_is_wrong_usage(store, command, tmp_path):
    done = command("export", store.path, "--format", "hdf5", "--out", tmp_path / "o")
    assert done.code == 2
    assert "hdf5" in done.err


def test_an_unknown_format_in_python(store, tmp_path):
    with pytest.raises(InputError, match="'hdf5' is not known, expected csv, parquet, npz, coco"):
        osp.export_store(store, tmp_path / "o", "hdf5")


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_is_replaced_and_a_folder_never(store, sentence, command, tmp_path, format):
    """The rule of sheets and other figures."""
    out = tmp_path / "o.parquet"
    out.mkdir()
    told = sentence("export", store.path, "--format", format, "--out", out)
    assert told == f"{out} is a folder, which is not overwritten; give another path, or remove it first"
    out.rmdir()
    if format in ("npz", "parquet", "coco", "atlas"):
        out.write_text("mine")
        assert command("export", store.path, "--format", format, "--out", out).code == 0
        assert out.read_bytes() != b"mine"


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text")
@pytest.mark.parametrize("format", FORMATS)
def test_a_name_that_is_no_text(store, tmp_path, format):
    names = [
        f"{name}{FORMATS[format].suffix}" for name in (b"caf\xe9".decode("utf-8", "surrogateescape"), "a")
    ]
    for name in names:
        export_store(store, tmp_path / name, format)
    made = [
        sorted(one.relative_to(tmp_path / name) for one in (tmp_path / name).rglob("*")) for name in names
    ]
    assert made[0] == made[1]


def test_an_unknown_space(store, sentence, tmp_path):
    told = sentence("export", store.path, "--format", "npz", "--out", tmp_path / "o", "--space", "crpo")
    assert told == f"no space crpo in {store.path}; its spaces: crop, win.3"


def test_a_suffix_that_the_tool_does_not_know(store, sentence, tmp_path):
    told = sentence("export", store.path, "--format", "atlas", "--out", tmp_path / "o.pq")
    assert told == f"{tmp_path / 'o.pq'} does not end in .parquet, which readers of atlas expect"


@pytest.mark.parametrize("format", FORMATS)
def test_an_empty_store(tmp_path, format):
    with open_writer(tmp_path / "empty.osp"):
        pass
    store = osp.open_store(tmp_path / "empty.osp")
    with pytest.raises(InputError, match="holds no objects yet; index photos first"):
        export_store(store, tmp_path / "o.parquet", format)
    assert [path.name for path in tmp_path.iterdir()] == ["empty.osp"]


def test_a_folder_that_cannot_be_made(store, sentence, tmp_path):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "below" / "o.npz"
    told = sentence("export", store.path, "--format", "npz", "--out", out)
    assert told == f"{out} cannot be written: Not a directory"


@pytest.mark.parametrize("error", [StoreError("damaged"), KeyboardInterrupt()])
def test_nothing_half_written_stays(store, tmp_path, monkeypatch, error):
    def broken(selection, path):
        path.write_bytes(b"half")
        raise error

    monkeypatch.setattr(npz, "write", broken)
    with pytest.raises(type(error)):
        export_store(store, tmp_path / "o", "npz")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(store, small_disk):
    space = next(space for space in store.info().spaces if space.name == "crop")
    (small_disk / "filler").write_bytes(bytes(4 * 2**20 - 2**13))
    assert space.count == 12
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        export_store(store, small_disk / "o", "npz")
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_an_unknown_space_in_python(store, tmp_path):
    with pytest.raises(QueryError, match="no space crpo"):
        export_store(store, tmp_path / "o", "coco", space="crpo")


def test_the_order_is_the_same_in_every_block_size(store, tmp_path, monkeypatch):
    export_store(store, tmp_path / "whole", "npz")
    monkeypatch.setattr("objectspace.export.selection.BLOCK", 2)
    export_store(store, tmp_path / "pieces", "npz")
    with np.load(tmp_path / "whole") as whole, np.load(tmp_path / "pieces") as pieces:
        assert whole.files == pieces.files
        for name in whole.files:
            np.testing.assert_array_equal(whole[name], pieces[name])


@pytest.mark.parametrize("format", ["parquet", "npz", "coco", "fiftyone"])
def test_a_mask_that_cannot_be_decoded_is_not_exported(store, tmp_path, monkeypatch, format):
    """The border knows its letters and its size; that its runs are too short shows where it is decoded."""
    read = Store.objects_at

    def tampered(self, rows):
        objects = read(self, rows)
        masks = [mask and replace(mask, counts=b"1") for mask in objects.mask]
        assert any(masks)
        return replace(objects, mask=np.array(masks, object))

    monkeypatch.setattr(Store, "objects_at", tampered)
    with pytest.raises(InputError, match="mask: its runs cover 1 pixels, expected"):
        export_store(store, tmp_path / "out", format)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", ["parquet", "atlas", "projector"])
@pytest.mark.parametrize(
    "picture", [b"no picture", encode_thumbnail(np.zeros((9, 300, 3), np.uint8), side=300)]
)
def test_a_thumbnail_that_is_none_is_not_exported(store, tmp_path, monkeypatch, format, picture):
    read = Store.thumbnails_at
    monkeypatch.setattr(Store, "thumbnails_at", lambda self, rows: [picture, *read(self, rows)[1:]])
    with pytest.raises(ImageError, match=r"thumbnail: .*; objectspace check lists it"):
        export_store(store, tmp_path / f"out{FORMATS[format].suffix}", format, space="crop")
    assert list(tmp_path.iterdir()) == []
