"""Trains the demo detector on the drawn world and writes its Darknet weights.

python -m tools.demo_models.train_detector --work FOLDER

Run from the repository's root. Stopped at any moment, the same command goes on from the last whole epoch.
"""

from __future__ import annotations

import argparse
import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from objectspace.models.darknet.architectures import ARCHITECTURES
from objectspace.models.darknet.network import DarknetNetwork, load_network, write_weights
from tools.demo_models.loss import Truths, grids, yolo_loss
from tools.demo_models.pictures import JITTER, SIDE, Pictures, load_pictures
from tools.demo_models.training import Course, Training

#: The first objectness of every slot: about as rare as objects are, so that training starts calmly.
_START_OBJECTNESS = -5.0


@dataclass(frozen=True)
class Settings:
    """A detector's training.

    coarse, fine: epochs at each of ``sizes`` by turns of the batches (faster, and of all scales), then at 416
    """

    seed: int = 1
    pictures: int = 12_000
    coarse: int = 8
    fine: int = 2
    batch: int = 32
    threads: int = 2
    peak: float = 2e-3
    sizes: tuple[int, ...] = (256, 288, 320, 352)

    @property
    def epochs(self) -> int:
        """All of them."""
        return self.coarse + self.fine


def main() -> None:
    """Draw, train, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder of the drawn pictures and the state")
    parser.add_argument("--pictures", type=int, default=Settings.pictures)
    parser.add_argument("--coarse", type=int, default=Settings.coarse)
    parser.add_argument("--fine", type=int, default=Settings.fine)
    given = parser.parse_args()
    settings = Settings(pictures=given.pictures, coarse=given.coarse, fine=given.fine)
    pictures = load_pictures(given.work, settings.seed, settings.pictures, jitter=JITTER)
    network = train_detector(pictures, settings, given.work / "detector")
    write_weights(network, given.work / "demo.weights")


def train_detector(pictures: Pictures, settings: Settings, folder: Path) -> DarknetNetwork:
    """The averaged network after all epochs; goes on from the state in ``folder``, if there is one."""
    torch.manual_seed(settings.seed)
    network = load_network(ARCHITECTURES["demo"].cfg(), None)
    _calm(network)
    batches = len(pictures.pixels) // settings.batch
    course = Course(settings.peak, warm_up=min(300, batches), steps=batches * settings.epochs)
    training = Training(network, course, folder, threads=settings.threads)
    for _ in training.run(settings.epochs, lambda epoch: _run_epoch(training, pictures, settings, epoch)):
        pass
    averaged = training.averaged
    assert isinstance(averaged, DarknetNetwork)
    return averaged


def _run_epoch(training: Training, pictures: Pictures, settings: Settings, epoch: int) -> dict[str, Any]:
    """One pass over the pictures; what happens depends on the seed and the epoch alone."""
    generator = np.random.default_rng((settings.seed, epoch))
    order = generator.permutation(len(pictures.pixels))
    losses = []
    for start in range(0, len(order) - settings.batch + 1, settings.batch):
        size = SIDE if epoch >= settings.coarse else int(generator.choice(settings.sizes))
        rows = order[start : start + settings.batch]
        shards = [
            functools.partial(_loss, pictures, np.sort(part), size, shard_generator)
            for part, shard_generator in zip(
                np.array_split(rows, training.threads), generator.spawn(training.threads), strict=True
            )
        ]
        losses.append(training.take_step(shards))
    return {"loss": round(float(np.mean(losses)), 4)}


def _loss(
    pictures: Pictures,
    rows: NDArray[np.int64],
    size: int,
    generator: np.random.Generator,
    network: torch.nn.Module,
) -> Tensor:
    assert isinstance(network, DarknetNetwork)
    batch, truths = make_batch(pictures, rows, size, generator)
    return yolo_loss(network(batch), grids(network.layers), truths)


def make_batch(
    pictures: Pictures, rows: NDArray[np.int64], size: int, generator: np.random.Generator
) -> tuple[Tensor, Truths]:
    """The pictures of some rows at ``size`` pixels, each maybe mirrored and of another brightness.

    Returns (b, 3, size, size) float32 in [0, 1] and the objects with boxes in pixels of it.
    """
    pixels = torch.from_numpy(pictures.pixels[rows]).permute(0, 3, 1, 2)
    if size != SIDE:
        pixels = functional.interpolate(pixels, size=(size, size), mode="bilinear", antialias=True)
    mirrored = generator.random(len(rows)) < 0.5
    pixels = torch.where(torch.from_numpy(mirrored)[:, None, None, None], pixels.flip(3), pixels)
    contrast = generator.uniform(0.8, 1.25, (len(rows), 1, 1, 1)) * generator.uniform(
        0.95, 1.05, (len(rows), 3, 1, 1)
    )
    shift = generator.uniform(-0.1, 0.1, (len(rows), 1, 1, 1)) + 0.5 * (1 - contrast)
    batch = torch.addcmul(
        torch.from_numpy(shift).float(), pixels.float(), torch.from_numpy(contrast / 255).float()
    ).clamp_(0, 1)
    return batch.contiguous(memory_format=torch.channels_last), _truths(pictures, rows, size, mirrored)


def _truths(pictures: Pictures, rows: NDArray[np.int64], size: int, mirrored: NDArray[np.bool_]) -> Truths:
    first = np.searchsorted(pictures.picture, rows)
    last = np.searchsorted(pictures.picture, rows, side="right")
    objects = np.concatenate([np.arange(start, stop) for start, stop in zip(first, last, strict=True)])
    place = np.repeat(np.arange(len(rows)), last - first)
    xyxy = pictures.xyxy[objects].copy()
    turned = mirrored[place]
    xyxy[turned, 0], xyxy[turned, 2] = SIDE - xyxy[turned, 2], SIDE - xyxy[turned, 0]
    return Truths(place, pictures.kind[objects], xyxy * np.float32(size / SIDE))


@torch.no_grad()
def _calm(network: DarknetNetwork) -> None:
    """Start every head near zero, with little objectness anywhere."""
    for head in network.layers.heads:
        block = network.convolutions[str(head.inputs[0])]
        convolution = block.convolution
        assert isinstance(convolution, torch.nn.Conv2d)
        assert convolution.bias is not None
        torch.nn.init.normal_(convolution.weight, 0, 0.01)
        bias = convolution.bias.view(3, -1)
        bias.zero_()
        bias[:, 4] = _START_OBJECTNESS
        bias[:, 5:] = -math.log(bias.shape[1] - 6)


if __name__ == "__main__":
    main()
