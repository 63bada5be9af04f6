"""index, info, sheet and search with detectors of torchvision and transformers, random and small."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.models.detectors.tiny_detectors import normalize, picture, save_detr, spread

LITE = "ssdlite320_mobilenet_v3_large"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for name, size in {"a.png": (200, 150), "b.png": (150, 210), "c.png": (320, 240)}.items():
        Image.fromarray(picture(*size, seed=len(name) + size[0])).save(folder / name)
    return folder


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The options of torchvision's smallest detector with random weights of three classes."""
    from torchvision.models.detection import ssdlite320_mobilenet_v3_large

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("lite")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=4).eval()
    pixels = picture(320, 320)
    normalize(
        network, [torch.from_numpy(one.copy()).permute(2, 0, 1) / 255 for one in (pixels, pixels[::-1])]
    )
    spread(network, pixels)
    torch.save(network.state_dict(), folder / "lite.pth")
    (folder / "names.txt").write_text("apple\npear\nplum\n")
    options = {"--detector": LITE, "--detector-weights": folder / "lite.pth", "--names": folder / "names.txt"}
    return [str(part) for option in options.items() for part in option]


@pytest.fixture(scope="module")
def d_fine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("hub") / "tiny-d_fine"
    save_detr("d_fine", folder)
    return folder


def test_torchvision_from_photos_to_neighbors(
    command: Callable, photos: Path, lite: list[str], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    poolings = ["--window", 3, "--pool", "roi2", "--pool", "mask"]
    options = ["--store", store, "--route", "window", *poolings, "--confidence", 0.6, *lite]
    done = command("index", photos, *options, "--precision", "float32", "--json")
    assert (done.code, json.loads(done.out)["indexed"]) == (0, 3), done

    held = json.loads(command("info", store, "--json").out)
    assert set(held["labels"]) <= {"apple", "pear", "plum"}
    windows = [space for space in held["spaces"] if "-window3-stride" in space["name"]]
    assert sum(space["count"] for space in windows) == held["objects"] > 20
    assert {space["recipe"]["stride"] for space in windows} <= {16, 32, 64, 107, 160, 320}
    largest = max(windows, key=lambda space: space["count"])["name"]
    assert f"{LITE}-roi2-stride" in "".join(space["name"] for space in held["spaces"])

    assert command("sheet", store, "--out", tmp_path / "s.png", "--space", largest, "--rows", 2).code == 0
    assert Image.open(tmp_path / "s.png").width > 100

    done = command("search", store, "--image", photos / "c.png", "--space", largest, "-k", 1, "--json")
    assert done.code == 0


def test_a_box_at_the_deepest_map(command: Callable, photos: Path, lite: list[str], tmp_path: Path) -> None:
    store = tmp_path / "store"
    options = ["--store", store, "--route", "window", "--scale", "deepest", "--confidence", 0.6, *lite]
    assert command("index", photos, *options, "--precision", "float32").code == 0
    space = f"{LITE}-window3-deepest"
    done = command(
        "search",
        store,
        "--image",
        photos / "a.png",
        "--box",
        "20,20,120,120",
        "--space",
        space,
        "-k",
        2,
        "--json",
    )
    answer = json.loads(done.out)
    assert answer["space"] == space
    assert len(answer["neighbors"]) == 2


def test_queries_of_a_detr(
    command: Callable, sentence: Callable, photos: Path, d_fine: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    options = [
        "--store",
        store,
        "--route",
        "window",
        "--window",
        1,
        "--detector",
        d_fine,
        "--confidence",
        0.3,
    ]
    assert command("index", photos, *options).code == 0
    held = json.loads(command("info", store, "--json").out)
    (queries,) = (space for space in held["spaces"] if space["name"] == "tiny-d_fine-query")
    assert (queries["count"], queries["dimension"]) == (held["objects"], 16)
    assert queries["recipe"]["route"] == "query"

    from objectspace.store import open_store

    assert len(np.unique(open_store(store).objects().provenance.anchor)) > 3

    # A copy of a photo under another content: what is found in it has the same queries.
    copy = tmp_path / "copy.png"
    Image.open(photos / "c.png").save(copy, compress_level=0)
    asked = ["search", store, "--image", copy, "--space", "tiny-d_fine-query", "-k", 1, "--json"]
    answers = json.loads(command(*asked).out)
    answers = answers if isinstance(answers, list) else [answers]
    assert len(answers) > 0
    assert max(answer["neighbors"][0]["distance"] for answer in answers) < 1e-3
    assert "without --box" in sentence(*asked[:-1], "--box", "1,1,90,90")


def test_occlusion_is_of_darknet_networks(sentence: Callable, photos: Path, lite: list[str]) -> None:
    said = sentence("occlude", photos / "a.png", *lite)
    assert said == f"{LITE} is no Darknet network, and only those can be run on from a tap"


def test_models_and_their_taps(command: Callable, sentence: Callable) -> None:
    listed = {row["name"]: row for row in json.loads(command("models", "--json").out)}
    assert listed["fcos_resnet50_fpn"]["kind"] == "detector"
    assert listed["fcos_resnet50_fpn"]["size"] == 129_612_099
    assert "those of Darknet networks are" in sentence("models", "--taps", "fcos_resnet50_fpn")


def test_an_unknown_detector(sentence: Callable, photos: Path, tmp_path: Path) -> None:
    said = sentence("index", photos, "--store", tmp_path / "s", "--detector", "retinanet_resnet_fpn")
    assert said.endswith("or the folder or hub id of a DETR; did you mean retinanet_resnet50_fpn?")


def test_spaces_of_two_maps_with_one_stride_have_names_of_their_own() -> None:
    from types import SimpleNamespace
    from typing import Any

    from objectspace.embeddings.pooling import Pooling
    from objectspace.pipeline.job import Job

    heads: list[Any] = [
        SimpleNamespace(stride=stride, tap=tap) for stride, tap in ((32, "a.0"), (32, "a.1"), (64, "a.pool"))
    ]
    source: Any = SimpleNamespace(name="net", heads=heads, query_dimension=0)
    job = Job(detector=source).load()
    names = [job.map_name(source, Pooling("window", 3), head) for head in heads]
    assert names == ["net-window3-stride32-a.0", "net-window3-stride32-a.1", "net-window3-stride64"]


def test_models_names_detrs_of_the_hub(command) -> None:
    listed = {model["name"]: model for model in json.loads(command("models", "--json").out)}
    assert listed["facebook/detr-resnet-50"]["kind"] == "detector"
    assert listed["PekingU/rtdetr_v2_r50vd"]["source"].endswith(
        "on the Hugging Face hub, through transformers"
    )
