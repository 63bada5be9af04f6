"""Trains the demo encoder on crops of the drawn world and writes its weights as safetensors.

python -m tools.demo_models.train_encoder --work FOLDER

Run from the repository's root. Stopped at any moment, the same command goes on from the last whole epoch.
"""

from __future__ import annotations

import argparse
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from objectspace.models.encoders.demo_encoder import DIMENSION, PREPROCESSING, DemoResNet
from objectspace.scenes.world import KINDS
from tools.demo_models.pictures import JITTER, Pictures, load_pictures
from tools.demo_models.train_detector import Settings as DetectorSettings
from tools.demo_models.training import Course, Training

#: The most pixels that a crop is shifted, so that an object's exact place in it means less.
_SHIFT = 6


@dataclass(frozen=True)
class Settings:
    """An encoder's training: ``crops`` of all drawn ones are seen in each epoch."""

    seed: int = 1
    crops: int = 20_000
    epochs: int = 7
    batch: int = 64
    threads: int = 1
    peak: float = 2e-3


class Classifier(nn.Module):
    """The encoder with a linear classifier of kinds on its vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = DemoResNet()
        self.fc = nn.Linear(DIMENSION, len(KINDS))

    def forward(self, x: Tensor) -> Tensor:
        """The logits (b, kinds) of crops (b, 3, s, s)."""
        logits: Tensor = self.fc(self.encoder(x))
        return logits


def main() -> None:
    """Draw, train, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder of the drawn pictures and the state")
    parser.add_argument("--epochs", type=int, default=Settings.epochs)
    given = parser.parse_args()
    drawn = DetectorSettings()
    pictures = load_pictures(given.work, drawn.seed, drawn.pictures, jitter=JITTER)
    classifier = train_encoder(pictures, Settings(epochs=given.epochs), given.work / "encoder")
    write_encoder(classifier, given.work / "demo.safetensors")


def train_encoder(pictures: Pictures, settings: Settings, folder: Path) -> Classifier:
    """The averaged network after all epochs; goes on from the state in ``folder``, if there is one."""
    torch.manual_seed(settings.seed)
    steps = min(settings.crops, len(pictures.crops)) // settings.batch
    course = Course(settings.peak, warm_up=min(200, steps), steps=steps * settings.epochs)
    training = Training(Classifier(), course, folder, threads=settings.threads)
    for _ in training.run(settings.epochs, lambda epoch: _run_epoch(training, pictures, settings, epoch)):
        pass
    averaged = training.averaged
    assert isinstance(averaged, Classifier)
    return averaged


def write_encoder(classifier: Classifier, path: Path) -> None:
    """The weights as safetensors: kernels in float16, norms and classifier in float32."""
    tensors = {
        **classifier.encoder.state_dict(),
        **{f"fc.{k}": v for k, v in classifier.fc.state_dict().items()},
    }
    save_file(
        {
            name: (tensor.half() if tensor.ndim == 4 else tensor).contiguous()
            for name, tensor in tensors.items()
            if not name.endswith("num_batches_tracked")
        },
        path,
    )


def _run_epoch(training: Training, pictures: Pictures, settings: Settings, epoch: int) -> dict[str, Any]:
    """One pass over ``settings.crops`` crops; what happens depends on the seed and the epoch alone."""
    generator = np.random.default_rng((settings.seed, epoch))
    order = generator.permutation(len(pictures.crops))[: settings.crops]
    losses = []
    for start in range(0, len(order) - settings.batch + 1, settings.batch):
        rows = order[start : start + settings.batch]
        shards = [
            functools.partial(_loss, pictures, part, shard_generator)
            for part, shard_generator in zip(
                np.array_split(rows, training.threads), generator.spawn(training.threads), strict=True
            )
        ]
        losses.append(training.take_step(shards))
    return {"loss": round(float(np.mean(losses)), 4)}


def _loss(
    pictures: Pictures, rows: NDArray[np.int64], generator: np.random.Generator, network: nn.Module
) -> Tensor:
    kind = torch.from_numpy(pictures.kind[rows // 2])
    loss: Tensor = functional.cross_entropy(network(make_crops(pictures.crops[rows], generator)), kind)
    return loss


def make_crops(crops: NDArray[np.uint8], generator: np.random.Generator) -> Tensor:
    """Crops (b, s, s, 3) as the encoder's input (b, 3, s, s), maybe mirrored, shifted, brighter or darker.

    What the shift uncovers is black, as the crop route's canvas is.
    """
    turned = np.zeros_like(crops)
    size = crops.shape[1]
    for target, crop in zip(turned, crops, strict=True):
        if generator.random() < 0.5:
            crop = crop[:, ::-1]
        (top, bottom), (left, right) = (
            (max(d, 0), size + min(d, 0)) for d in generator.integers(-_SHIFT, _SHIFT + 1, 2)
        )
        target[top:bottom, left:right] = crop[
            size - bottom : size - top or None, size - right : size - left or None
        ]
    factor = generator.uniform(0.75, 1.25, (len(crops), 1, 1, 1)) * generator.uniform(
        0.9, 1.1, (len(crops), 3, 1, 1)
    )
    pixels = torch.from_numpy(turned).permute(0, 3, 1, 2).float() * torch.from_numpy(factor / 255).float()
    mean, std = (torch.tensor(part).reshape(1, 3, 1, 1) for part in (PREPROCESSING.mean, PREPROCESSING.std))
    return ((pixels.clamp_(max=1) - mean) / std).contiguous(memory_format=torch.channels_last)


if __name__ == "__main__":
    main()
