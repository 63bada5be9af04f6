"""Explanations on real photos: they sum to the distance in every space, and covering cells bears them out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import objectspace as osp
from objectspace.store import open_store
from tests.real.commands import objectspace

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture(scope="module")
def store(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty photos of coco128: crops by ResNet50, windows, RoIs and masks on the maps of two detectors."""
    folder, weights = tmp_path_factory.mktemp("explained"), real / "weights"
    photos = sorted((real / "photos" / "coco128" / "images").glob("*.jpg"))[:40]
    path = folder / "coco.osp"
    labels = ["--annotations", real / "photos" / "coco128" / "labels", "--names", weights / "coco.names"]
    pools = ("--pool", "window3", "--pool", "roi4", "--pool", "mask")
    for detector in ("yolov3-tiny", "yolo-fastest-1.1-xl"):
        files = (
            "--detector",
            weights / f"{detector}.cfg",
            "--detector-weights",
            weights / f"{detector}.weights",
        )
        route = ("--route", "window", *pools, "--scale", "deepest")
        objectspace("index", *photos, "--store", path, *labels, *files, *route)
    encoder = ("--encoder-weights", weights / "resnet50-imagenet.pth", "--route", "crop")
    objectspace("index", *photos, "--store", path, *labels, *encoder)
    return path


def test_heat_sums_to_the_distance_in_every_space(store: Path) -> None:
    spaces = [info.name for info in open_store(store).info().spaces]
    assert {"resnet50-crop", "yolov3-tiny-mask-deepest", "yolo-fastest-1.1-xl-roi4-deepest"} <= set(spaces)
    for space in spaces:
        for metric in ("cosine", "euclidean"):
            search = osp.SpaceSearch(open_store(store), space, metric=metric)
            (target,) = osp.choose_targets(search, 1)
            first = search.stored([target])
            for answer in search.nearest(first, k=3):
                for name, distance in zip(answer.neighbors.object_id, answer.distance, strict=True):
                    why = osp.explain(search, first, search.stored([str(name)]))
                    parts = [one for part in (why.parts or {"": why}).values() for one in part.cells]
                    heat = sum(one.heat.sum() for one in parts)
                    # A joint space's euclidean distance is that of unit vectors.
                    half = 2 if why.parts else 1
                    total = distance if metric == "cosine" else distance**2 / half
                    assert heat == pytest.approx(total, rel=1e-5), (space, metric)


def test_covering_cells_bears_resnet50_out_and_not_shuffled_heat(store: Path) -> None:
    checked = objectspace("explain", store, "--space", "resnet50-crop", "--check", "--pairs", "30")
    print({name: checked[name] for name in ("apart", "together", "shuffled_apart", "shuffled_together")})
    assert (checked["passed"], checked["method"]) == (True, "sum")
    for name in ("shuffled_apart", "shuffled_together"):
        one = checked[name]
        assert abs(one["value"] - one["chance"]) < 0.5 * abs(
            checked["together"]["value"] - checked["together"]["chance"]
        )
    assert np.isfinite(checked["apart"]["value"])
