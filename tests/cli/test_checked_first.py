"""What can be known to be wrong before a network is fetched or loaded is said before."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from objectspace.store import open_writer


@pytest.fixture
def refused(world, sentence, tmp_path, monkeypatch):
    """Runs an index that must fail before it loads a network; its sentence."""

    def load(*_: object, **__: object) -> None:
        raise AssertionError("a network was loaded")

    for name in ("load_detector", "load_encoder", "load_encoder_map"):
        monkeypatch.setattr(f"objectspace.pipeline.specs.{name}", load)

    def run(*arguments, store=tmp_path / "s.osp"):
        return sentence("index", world.photos, "--store", store, *arguments)

    return run


@pytest.mark.parametrize("pattern", ["{stem}.png", "{stem}.bmp"])
def test_a_mask_pattern_that_fits_no_photo_is_told_with_one_that_would(world, refused, tmp_path, pattern):
    told = refused("--masks", world.masks, "--mask-pattern", pattern, *world.encoder)
    assert told.startswith(f"{world.masks}: none of its images is among the photos")
    assert f"by the mask pattern {pattern!r} the mask of " in told
    assert told.endswith("'{stem}-map.png' would fit")
    assert not (tmp_path / "s.osp").exists()


def test_masks_that_no_pattern_fits(world, refused, tmp_path):
    (tmp_path / "masks").mkdir()
    shutil.copy(world.masks / "red1-map.png", tmp_path / "masks" / "other.png")
    told = refused("--masks", tmp_path / "masks", *world.encoder)
    assert "would fit" not in told
    assert told.endswith(".png")


def test_both_networks_are_told_in_one_sentence(world, refused, tmp_path):
    (weights := tmp_path / "tiny-net.weights").touch()
    wrong = (world.cfg, "--detector-weights", tmp_path / "tiny-nat.weights")
    told = refused("--detector", *wrong, "--encoder", "resnet50", "--encoder-weights", tmp_path / "x" / "y")
    assert f"no weight file at {tmp_path / 'tiny-nat.weights'}; did you mean {weights}?" in told
    assert f"no weight file at {tmp_path / 'x' / 'y'}" in told
    told = refused("--detector", "yolov33", "--encoder", "resnet5O")
    assert "did you mean yolov3?" in told
    assert "encoder resnet5O is not known" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--detector", "yolov3", "--encoder", "resnet5O"), "encoder resnet5O is not known"),
        (("--detector", "yolov3", "--encoder", "local-dir:gone"), "gone is no folder with timm's config"),
        (("--route", "map", "--encoder", "resnet5O", "--detector", "demo"), "encoder resnet5O is not known"),
        (("--detector", "gone.cfg"), "gone.cfg: expected a Darknet cfg file, but: No such file"),
        (("--detector", "demo", "--names", "gone.txt"), "gone.txt: there is no such file"),
        (("--detector", "demo", "--encoder", "demo", "--pool", "mean"), "pooling 'mean' is not known"),
    ],
)
def test_names_and_files(refused, arguments, told):
    assert told in refused(*arguments)


def test_a_cfg_without_weights(world, refused):
    assert "needs its weight file: give the detector's as --detector-weights" in refused(
        "--detector", world.cfg, "--encoder", "demo"
    )


def test_a_file_spelled_alike_is_suggested(refused, tmp_path):
    for name in ("annotations.json", "factors.csv", "classes.txt", "tiny.cfg"):
        (tmp_path / name).touch()
    for option, name, other in (
        ("--annotations", "anotations.json", ("--annotation-format", "coco")),
        ("--factors", "factor.csv", ()),
        ("--names", "clases.txt", ()),
        ("--detector", "tinny.cfg", ()),
    ):
        told = refused(option, tmp_path / name, *other, "--encoder", "demo")
        assert "did you mean" in told, name


def test_places_where_no_store_can_be(refused, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    model = ("--detector", "demo", "--encoder", "demo")
    assert "is a file and a store is a folder" in refused(*model, store=tmp_path / "file")
    assert "is not a store" in refused(*model, store=tmp_path / "other")
    assert "Not a directory" in refused(*model, store=tmp_path / "file" / "s.osp")
    with open_writer(tmp_path / "old.osp"):
        pass
    manifest: Path = tmp_path / "old.osp" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"version": ', '"version": 9'))
    assert "has format version 9" in refused(*model, store=tmp_path / "old.osp")


def test_another_writer_is_told_before_a_network_is_loaded(world, refused, tmp_path):
    with open_writer(tmp_path / "s.osp"):
        told = refused("--annotations", world.labels, *world.encoder)
    assert told.startswith(f"another process is writing to {tmp_path / 's.osp'}")
