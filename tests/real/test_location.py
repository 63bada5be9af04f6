"""Vary a real object in a real detector's maps: what follows its place, and what its phase inside a cell."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.real

SPACE = "yolo-fastest-1.1-xl-window{}-stride32"
#: Its id is a hash of the photo, the label and the polygon.
BEAR = "25ef9223551fda1ab72dbaa8510b281a"


@pytest.fixture(scope="module")
def place(real, tmp_path_factory):
    """A bear at 16 x 16 places, cut out by its labeled polygon, in windows of three and five cells."""
    from objectspace.cli.app import app

    folder = tmp_path_factory.mktemp("location")
    photo = real / "photos/coco128/images/000000000309.jpg"
    labels = f"--annotations {real}/photos/coco128/labels --names {real}/weights/coco.names"
    weights = real / "weights/yolo-fastest-1.1-xl"
    network = f"--detector {weights}.cfg --detector-weights {weights}.weights -q"
    options = "--factor position --steps 16 --background gray --window 3 --window 5 --from"
    for line in (
        f"index {photo} --store {folder}/labeled.osp --route window {labels} {network}",
        f"vary {photo} --object {BEAR} {options} {folder}/labeled.osp --store {folder}/place.osp {network}",
    ):
        app(line.split(), standalone_mode=False)
    return folder / "place.osp"


@pytest.fixture
def projected(place, command):
    def run(window):
        return json.loads(command("project", place, "--space", SPACE.format(window), "--json").out)

    return run


def test_the_first_components_of_three_cells_follow_the_phase_and_not_the_place(projected):
    found = projected(3)
    first = found["variance"]["components"][:2]
    assert all(one["phase"] > 0.8 > 0.4 > one["place"] for one in first)
    assert found["r2"]["phase_x"]["first_2"] > 0.8
    assert found["r2"]["x1"]["first_2"] < 0.3


def test_the_place_is_there_all_the_same(projected):
    found = projected(3)
    for name in ("x1", "y1"):
        assert found["r2"][name]["first_50"] > 0.8
        assert found["r2"][name]["estimates"]["50"]["chance"] < 0.05


def test_five_cells_reach_the_border_and_follow_the_place(projected):
    found = projected(5)
    assert found["variance"]["place"] > 2 * found["variance"]["phase"]
    assert all(one["place"] > 0.6 > one["phase"] for one in found["variance"]["components"][:2])
