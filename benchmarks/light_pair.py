"""EfficientNet-Lite0 beside ResNet50: crops a second of one thread, the processor's own seconds, in turns.

python benchmarks/light_pair.py

Needs no photos; the weights do not matter for the time, so ResNet50's are random.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torchvision.models import resnet50

from objectspace.models.encoders import Encoder, load_encoder

CROPS, ROUNDS = 32, 5


def main() -> None:
    """Time both encoders in turns; print one JSON line each, and their ratio."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        torch.save(resnet50().state_dict(), Path(folder) / "resnet50.pth")
        encoders = {
            "resnet50": load_encoder(weights=Path(folder) / "resnet50.pth", precision="float32"),
            "efficientnet-lite0": load_encoder("efficientnet-lite0", precision="float32"),
        }
    crops = np.random.default_rng(0).integers(0, 256, (CROPS, 224, 224, 3), np.uint8)
    rates: dict[str, list[float]] = {name: [] for name in encoders}
    for _ in range(ROUNDS):
        for name, encoder in encoders.items():
            rates[name].append(rate(encoder, crops))
    for name, measured in rates.items():
        print(
            json.dumps(
                {"figure": f"{name}, objects a second of one core", "value": round(median(measured), 1)}
            )
        )
    ratio = median(
        one / other for one, other in zip(rates["efficientnet-lite0"], rates["resnet50"], strict=True)
    )
    print(json.dumps({"figure": "efficientnet-lite0 / resnet50", "value": round(ratio, 2)}))


def rate(encoder: Encoder, crops: np.ndarray) -> float:
    """Return the crops that one second of the processor embeds."""
    start = time.process_time()
    encoder.embed(crops)
    return len(crops) / (time.process_time() - start)


if __name__ == "__main__":
    main()
