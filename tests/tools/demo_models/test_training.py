from __future__ import annotations

import functools
import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tools.demo_models.training import Course, Training


def make_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.LazyLinear(1))


def loss(seed: int, network: nn.Module) -> Tensor:
    batch = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    return (network(batch) - batch.mean()).square().mean()


def train(folder: Path, epochs: int) -> Training:
    network = make_network()
    network(torch.zeros(2, 3, 8, 8))
    training = Training(network, Course(1e-2, warm_up=2, steps=6), folder)

    def run_epoch(epoch: int) -> dict[str, float]:
        return {"loss": training.take_step([functools.partial(loss, 2 * epoch + i) for i in range(2)])}

    for _ in training.run(epochs, run_epoch):
        pass
    return training


def test_stopped_and_gone_on_it_ends_as_undisturbed(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", 6)
    train(tmp_path / "parts", 3)
    parts = train(tmp_path / "parts", 6)
    for module in ("network", "averaged"):
        ours, theirs = (getattr(t, module).state_dict() for t in (whole, parts))
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_each_epoch_has_a_line_of_json(tmp_path: Path) -> None:
    train(tmp_path, 3)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]


def test_a_finished_training_is_not_run_again(tmp_path: Path) -> None:
    train(tmp_path, 2)
    assert train(tmp_path, 2).step == 2


def test_the_gradient_is_that_of_the_mean_of_the_shards(tmp_path: Path) -> None:
    network = nn.Linear(2, 1)
    batch = torch.randn(6, 2)
    network(batch).square().mean().backward()
    expected = network.weight.grad.clone()
    training = Training(network, Course(0.0, warm_up=0, steps=1), tmp_path)
    training.take_step([lambda net, part=part: net(part).square().mean() for part in batch.split(3)])
    assert torch.allclose(network.weight.grad, expected)


def test_a_loss_that_is_not_finite_stops_the_training(tmp_path: Path) -> None:
    training = Training(nn.Linear(1, 1), Course(1.0, warm_up=0, steps=1), tmp_path)
    with pytest.raises(FloatingPointError, match="the loss is nan at step 0"):
        training.take_step([lambda net: net(torch.full((1, 1), math.nan)).sum() for _ in range(2)])


def test_the_rate_rises_to_its_peak_and_falls_to_nothing() -> None:
    course = Course(peak=1.0, warm_up=4, steps=14)
    assert [course.rate(step) for step in (0, 3, 4, 9, 14)] == pytest.approx([0.25, 1, 1, 0.5, 0])
