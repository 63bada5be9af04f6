"""What ResNet50's crops of the real apples hold: elevation, azimuth, which apple it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.real.commands import objectspace

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def apples(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of every view of four apples: 164 crops."""
    store = tmp_path_factory.mktemp("apples") / "apples.osp"
    photos = [
        path for k in (1, 4, 7, 10) for path in sorted((real / "apples/photos").glob(f"apple{k}-*.png"))
    ]
    options = [
        *("--masks", real / "apples" / "masks", "--mask-pattern", "{stem}-map.png", "--mask-label", "apple"),
        *("--pattern", r"apple(?P<apple>\d+)-(?P<elevation>\d+)-(?P<azimuth>\d+)"),
        *("--encoder", "resnet50", "--encoder-weights", real / "weights" / "resnet50-imagenet.pth"),
    ]
    assert objectspace("index", *photos, "--store", store, "--route", "crop", *options)["objects"] == 164
    return store


def show(name: str, found: dict[str, Any]) -> None:
    value, chance, low, high = (found[key] for key in ("value", "chance", "low", "high"))
    interval = "no interval" if low is None else f"{low:.3f} to {high:.3f}"
    print(f"{name}: {value:.3f} ({interval}), chance {chance:.3f}")


def test_elevation_is_read_off_apples_never_seen(apples: Path) -> None:
    found = objectspace("measure", apples, "--factor", "elevation", "--group", "apple")
    show("elevation, neighbors", found["neighbors"])
    show("elevation, R2", found["probe"])
    # Four apples are too few for an interval of new ones, and the answer says so.
    assert found["neighbors"]["value"] < 0.6 * found["neighbors"]["chance"]
    assert (found["neighbors"]["high"], found["neighbors"]["direction"]) == (None, "below")
    assert found["probe"]["value"] > 0.7


def test_views_of_one_apple_are_farther_apart_the_more_it_is_turned(apples: Path) -> None:
    azimuth = ["--factor", "azimuth", "--circular", "360", "--group", "apple", "--control", "elevation"]
    found = objectspace("measure", apples, *azimuth)
    curve = {one["angle"]: one["value"] for one in found["geometry"]["distance"] if one["pairs"]}
    show("the opposite view is the farthest", found["geometry"]["opposite"])
    assert curve[22.5] < curve[45] < curve[90] < curve[135]
    assert found["geometry"]["opposite"]["p"] < 0.05


def test_which_apple_it_is_comes_before_how_it_lies(apples: Path) -> None:
    found = objectspace("measure", apples, "--factor", "apple", "--categorical")
    show("which apple, purity", found["neighbors"])
    assert found["neighbors"]["low"] > 3 * found["neighbors"]["chance"]
