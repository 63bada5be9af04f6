"""Both routes together on real photos: purer neighbors than either alone, each similarity split exactly."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.commands import objectspace

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture(scope="module")
def store(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Coco128 by ResNet50 and the official YOLOv3-tiny, with the mask that its finer head learned."""
    folder, weights, photos = tmp_path_factory.mktemp("joint"), real / "weights", real / "photos" / "coco128"
    cfg = (weights / "yolov3-tiny.cfg").read_text()
    assert cfg.count("mask = 0,1,2") == 1
    (folder / "yolov3-tiny.cfg").write_text(cfg.replace("mask = 0,1,2", "mask = 1,2,3"))
    networks = [
        *("--detector", folder / "yolov3-tiny.cfg", "--detector-weights", weights / "yolov3-tiny.weights"),
        *("--names", weights / "coco.names", "--encoder-weights", weights / "resnet50-imagenet.pth"),
    ]
    labels = ["--annotations", photos / "labels", "--window", "3"]
    path = folder / "coco.osp"
    assert objectspace("index", photos / "images", "--store", path, *networks, *labels)["objects"] == 929
    return path


def purity(store: Path, space: str) -> float:
    value: float = objectspace("measure", store, "--space", space, "--factor", "label", "-k", "5")[
        "neighbors"
    ]["value"]
    print(f"{space}: purity at 5 {value:.3f}")
    return value


def test_both_routes_together_are_purer_than_the_crops(store: Path) -> None:
    assert purity(store, "both") >= 0.44
    assert purity(store, "resnet50-crop") < 0.36


def test_swapped_labels_are_found_in_the_first_tenth(store: Path) -> None:
    """Of 5 % swapped evenly k-NN alone finds .46, ranks of k-NN and logistic regression .61."""
    kinds = objectspace("audit", store, "--space", "both", "--only", "labels")["labels"]["calibration"][
        "kinds"
    ]
    found = {one["kind"]: one["first"]["0.1"]["value"] for one in kinds}
    print(f"found in the first tenth: {found}")
    assert found["uniform"] > 0.61
