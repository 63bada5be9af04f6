"""The other ways in and out, on real photos: poolings, other detectors, words, annotations, export, indexes.

Networks whose weights lie behind a hub have random ones here: what they find means nothing, but every photo,
size and shape goes through them.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.models.detection import ssdlite320_mobilenet_v3_large

from objectspace.export import export_store
from objectspace.images import find_images, read_image
from objectspace.jobs.index import index
from objectspace.models.encoders import load_encoder
from objectspace.objects.annotations import open_annotations
from objectspace.objects.labels import read_names
from objectspace.pipeline.job import Job
from objectspace.store import Store, open_store

pytestmark = pytest.mark.real


@pytest.fixture
def run(command: Callable[..., Any]) -> Callable[..., Any]:
    """What a command prints with --json."""

    def call(*arguments: str | Path) -> Any:
        done = command(*arguments, "--json")
        assert done.code == 0, done.err
        return json.loads(done.out)

    return call


@pytest.fixture(scope="module")
def yolo(real: Path) -> list[str | Path]:
    weights = real / "weights"
    return [
        *("--detector", weights / "yolo-fastest-1.1-xl.cfg"),
        *("--detector-weights", weights / "yolo-fastest-1.1-xl.weights"),
        *("--names", weights / "coco.names"),
    ]


@pytest.fixture(scope="module")
def scenes(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of coco128's annotated objects in the shipped encoder's crop space."""
    photos = find_images([real / "photos" / "coco128"])
    names = read_names(real / "weights" / "coco.names")
    annotations = open_annotations(real / "photos" / "coco128" / "labels", names=names)
    path = tmp_path_factory.mktemp("scenes") / "scenes.osp"
    index(photos, path, Job(encoder=load_encoder("demo"), annotations=annotations))
    return open_store(path)


def dimensions(store: Path, run: Callable[..., Any]) -> dict[str, tuple[int, int]]:
    return {space["name"]: (space["count"], space["dimension"]) for space in run("info", store)["spaces"]}


def test_every_pooling_of_the_detectors_map(run, real, yolo, tmp_path):
    store = tmp_path / "s.osp"
    pools = [part for name in ("cell", "roi3", "mask") for part in ("--pool", name)]
    photos = real / "photos" / "darknet"
    report = run("index", photos, "--store", store, *yolo, "--route", "window", "--scale", "deepest", *pools)
    count = report["objects"]
    assert count > 20
    assert dimensions(store, run) == {
        "yolo-fastest-1.1-xl-mask-deepest": (count, 96),
        "yolo-fastest-1.1-xl-roi3-deepest": (count, 9 * 96),
        "yolo-fastest-1.1-xl-window1-deepest": (count, 96),
    }


def test_resnets_map_of_the_whole_photo_finds_the_dog_by_its_box(run, real, yolo, tmp_path):
    store, photos = tmp_path / "s.osp", real / "photos" / "darknet"
    encoder = ("--encoder", "resnet50", "--encoder-weights", real / "weights" / "resnet50-imagenet.pth")
    run("index", photos, "--store", store, *yolo, *encoder, "--route", "map", "--pool", "roi3")
    box = ("--box", "131,220,310,540", "--same-image")
    found = run("search", store, "--image", photos / "dog.jpg", *box, "-k", "1")
    assert found["neighbors"][0]["label"] == "dog"
    assert Path(found["neighbors"][0]["image"]).name == "dog.jpg"


def test_a_click_on_the_dog_finds_the_dog(run, real, yolo, tmp_path):
    store, photos = tmp_path / "s.osp", real / "photos" / "darknet"
    run("index", photos, "--store", store, *yolo, "--route", "window", "--scale", "deepest")
    found = run("search", store, "--image", photos / "dog.jpg", "--point", "220,400", "--new", "-k", "1")
    assert found["neighbors"][0]["label"] == "dog"


def test_torchvisions_ssdlite_on_photos_of_every_shape(run, real, tmp_path):
    torch.manual_seed(0)
    network = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None)
    torch.save(network.state_dict(), tmp_path / "random.pth")
    store, photos = tmp_path / "s.osp", real / "photos" / "darknet"
    detector = ("--detector", "ssdlite320_mobilenet_v3_large", "--detector-weights", tmp_path / "random.pth")
    report = run("index", photos, "--store", store, *detector, "--route", "window", "--confidence", "0.01")
    assert (report["indexed"], report["failures"]) == (7, [])
    objects = open_store(store).objects()
    assert len(objects) > 0
    assert (objects.provenance.cell_x >= 0).all()
    assert (objects.provenance.anchor >= 0).all()


def test_words_on_photos_of_every_shape(run, real, prompt_weights, tmp_path):
    store, photos = tmp_path / "s.osp", real / "photos" / "darknet"
    words = ("--prompt", "dog. red car.", "--prompt-weights", prompt_weights, "--box-threshold", "0")
    report = run("index", photos, "--store", store, *words, "--text-threshold", "0", "--encoder", "demo")
    assert (report["indexed"], report["failures"]) == (7, [])
    objects = open_store(store).objects()
    assert set(objects.label) <= {"dog", "red car"}
    sizes = {row.image_id: (row.width, row.height) for row in open_store(store).images()}
    for image_id, mask in zip(objects.image_id, objects.mask, strict=True):
        assert mask is None or (mask.width, mask.height) == sizes[str(image_id)]


def test_words_of_a_random_clip_rank_every_object(run, real, yolo, clip_folder, tmp_path):
    store, clip = tmp_path / "s.osp", f"open_clip:local-dir:{clip_folder}"
    run("index", real / "photos" / "darknet", "--store", store, *yolo, "--route", "crop", "--encoder", clip)
    count = run("info", store)["objects"]
    found = run("search", store, "--text", "a dog beside a bicycle", "-k", str(count))
    assert len({row["object_id"] for row in found["neighbors"]}) == count


def test_exported_coco_is_read_back_object_by_object(scenes, real, tmp_path):
    export_store(scenes, tmp_path / "scenes.json", "coco")
    reader = open_annotations(tmp_path / "scenes.json", format="coco")
    objects = scenes.objects()
    for path in find_images([real / "photos" / "coco128"])[:20]:
        image = read_image(path)
        again = reader.objects_of(image)
        assert again.problems == ()
        own = objects.take(np.flatnonzero(objects.image_id == image.image_id))
        assert Counter(again.objects.label) == Counter(own.label)
        masks = {mask.counts for mask in own.mask if mask is not None}
        assert {mask.counts for mask in again.objects.mask if mask is not None} == masks


@pytest.mark.parametrize("format", ["parquet", "npz", "projector", "atlas", "fiftyone"])
def test_every_format_holds_every_object(scenes, format, tmp_path):
    out = tmp_path / ("out.parquet" if format == "atlas" else "out")
    made = export_store(scenes, out, format)
    assert made.objects == scenes.info().objects == 929
    shutil.rmtree(out) if out.is_dir() else out.unlink()


def test_an_index_of_real_vectors_tells_its_recall(run, scenes):
    told = run("index-space", scenes.path)
    assert (told["count"], told["n"]) == (929, 200)
    assert told["recall_at_10"] > 0.9
