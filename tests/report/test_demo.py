"""The whole job on a small world with the shipped models: what was drawn is found, embedded and reported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from objectspace.errors import InputError
from objectspace.files import TEMPORARY_PREFIX
from objectspace.report import demo
from objectspace.report.demo import Demo, make_demo
from objectspace.store import open_store


def test_the_detector_finds_what_was_drawn(small_demo: Demo) -> None:
    found, drawn = open_store(small_demo.found).objects(), open_store(small_demo.true).objects()
    hits = 0
    for image_id in set(drawn.image_id.tolist()):
        truth, seen = drawn.take(drawn.image_id == image_id), found.take(found.image_id == image_id)
        overlap = box_iou(torch.from_numpy(truth.xyxy), torch.from_numpy(seen.xyxy)).numpy()
        same = truth.label[:, None] == seen.label[None]
        hits += int(((overlap >= 0.5) & same).any(axis=1).sum())

    assert hits >= 0.9 * len(drawn)
    assert len(found) <= 1.25 * len(drawn)


def test_both_stores_have_both_routes(small_demo: Demo) -> None:
    for store in (small_demo.found, small_demo.true):
        routes = {space.recipe.route for space in open_store(store).info().spaces}
        assert routes == {"crop", "window", "joint"}


def test_drawn_objects_keep_masks_and_factors(small_demo: Demo) -> None:
    drawn = open_store(small_demo.true).objects()

    assert all(mask is not None for mask in drawn.mask)
    assert {"style", "yaw", "angle", "size", "company", "visible"} <= set(drawn.factors)
    assert np.isfinite(drawn.factors["yaw"]).all()


def test_there_is_a_sheet_for_each_space(small_demo: Demo) -> None:
    assert set(small_demo.sheets) == set(open_store(small_demo.found).space_names)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in small_demo.sheets.values())


def test_the_report_has_all_seven_figures(small_demo: Demo) -> None:
    text = small_demo.report.path.read_text()

    assert small_demo.report.missing == []
    assert [f'id="figure{number}"' in text for number in range(1, 8)] == [True] * 7


def test_once_more_keeps_what_is_there(small_demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(demo, "_sheet", lambda store, space, folder: small_demo.sheets[space])
    monkeypatch.setattr(demo, "write_report", lambda store, out: small_demo.report)

    again = make_demo(small_demo.world.parent, count=24, progress=lambda stage, pictures: told.append(stage))

    assert "draw" not in told
    assert len(open_store(again.true)) == len(open_store(small_demo.true))


@pytest.mark.slow
def test_a_quick_demo_has_one_sheet_and_no_report(tmp_path: Path) -> None:
    made = make_demo(tmp_path / "demo", count=6, quick=True)

    assert list(made.sheets) == [open_store(made.found).default_space]
    assert made.report is None
    assert len(open_store(made.true)) > 6
    assert {path.name for path in (tmp_path / "demo").iterdir()} == {
        "world",
        "found.osp",
        "true.osp",
        f"sheet-{next(iter(made.sheets))}.png",
    }


def test_a_demo_of_another_number_of_pictures_is_refused(small_demo: Demo) -> None:
    with pytest.raises(
        InputError, match="holds a demo of 24 pictures, expected 60; give a new folder as out="
    ):
        make_demo(small_demo.world.parent, count=60, quick=True)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")

    with pytest.raises(InputError, match="holds something that is no demo"):
        make_demo(tmp_path, count=1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_what_a_killed_demo_left_does_not_stop_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / f"{TEMPORARY_PREFIX}x").mkdir()
    monkeypatch.setattr(demo, "write_world", stop)
    with pytest.raises(KeyboardInterrupt):
        make_demo(tmp_path)


def test_a_file_is_no_place_for_a_demo(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")

    with pytest.raises(InputError, match=r"mine.txt cannot be written: Not a directory"):
        make_demo(tmp_path / "mine.txt")
