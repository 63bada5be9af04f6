from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tools.demo_models import train_detector as trainer
from tools.demo_models.pictures import SIDE, Pictures

SETTINGS = trainer.Settings(pictures=4, coarse=2, fine=0, batch=4, sizes=(64,))


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    """Four black pictures with a white rectangle each."""
    pixels = np.zeros((4, SIDE, SIDE, 3), np.uint8)
    xyxy = np.array(
        [[16, 32, 116, 232], [216, 32, 416, 132], [0, 0, 60, 60], [300, 300, 400, 400]], np.float32
    )
    for picture, (left, top, right, bottom) in zip(pixels, xyxy.astype(int), strict=True):
        picture[top:bottom, left:right] = 255
    return Pictures(pixels, np.arange(4), np.arange(4), xyxy, np.empty((0, 96, 96, 3), np.uint8))


@pytest.mark.parametrize("size", [SIDE, 208])
def test_the_boxes_of_a_batch_lie_where_its_objects_are(pictures: Pictures, size: int) -> None:
    for seed in range(4):  # some mirrored, some not
        batch, truths = trainer.make_batch(pictures, np.array([0, 1, 3]), size, np.random.default_rng(seed))
        assert batch.shape == (3, 3, size, size)
        assert truths.kind.tolist() == [0, 1, 3]
        for picture, box in zip(batch, truths.xyxy, strict=True):
            row, column = torch.nonzero(picture[0] > picture[0].mean(), as_tuple=True)
            edges = [column.min(), row.min(), column.max() + 1, row.max() + 1]
            assert np.abs(np.array(edges) - box).max() <= 1


def test_mirrored_and_not_both_come(pictures: Pictures) -> None:
    batches = [trainer.make_batch(pictures, np.array([0]), SIDE, np.random.default_rng(s)) for s in range(8)]
    assert {float(truths.xyxy[0, 0]) for _, truths in batches} == {16.0, 300.0}


def test_stopped_between_epochs_it_ends_as_undisturbed(
    pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trainer.train_detector(pictures, SETTINGS, tmp_path / "whole").state_dict()
    run_epoch = trainer._run_epoch

    def stop_in_the_second(*arguments: Any) -> dict[str, Any]:
        if arguments[-1] == 1:
            raise KeyboardInterrupt
        return run_epoch(*arguments)

    monkeypatch.setattr(trainer, "_run_epoch", stop_in_the_second)
    with pytest.raises(KeyboardInterrupt):
        trainer.train_detector(pictures, SETTINGS, tmp_path / "parts")
    monkeypatch.undo()
    parts = trainer.train_detector(pictures, SETTINGS, tmp_path / "parts").state_dict()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_it_learns(pictures: Pictures, tmp_path: Path) -> None:
    settings = trainer.Settings(pictures=4, coarse=10, fine=0, batch=4, sizes=(64,))
    trainer.train_detector(pictures, settings, tmp_path)
    losses = [json.loads(line)["loss"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert losses[-1] < losses[0] * 0.8
