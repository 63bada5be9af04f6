"""Every family of detectors and prompters on a GPU: whether it finds what a processor finds, and how fast.

    PYTHONPATH=src:. python benchmarks/gpu_detectors.py                # a CUDA GPU
    PYTHONPATH=src:. python benchmarks/gpu_detectors.py --device cpu   # the same anywhere

`agreement`: the tests' small random networks in float32 on both, over photos of two sizes, which make passes
that are full and passes that are not (four photos for words). Of the objects of both, how many have a
counterpart of the same label with an IoU above .99; and the largest differences between counterparts, in
pixels and in score.

`speed`: torchvision's networks at their published sizes with random numbers, on drawn photos of 1.2
megapixels, alone and four to a pass, from the prepared input to raw boxes; and what preparing takes of a
core.

One JSON line a figure.
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision.models import detection

from gpu import draw_photo
from objectspace.images import Image, decode_image, image_from_array
from objectspace.models.detectors import load_detector
from objectspace.models.detectors.torchvision_models import TorchvisionDetector
from objectspace.models.prompts import load_prompter
from objectspace.objects.boxes import iou
from objectspace.objects.records import Objects
from tests.models.detectors.tiny_detectors import BUILDERS, DETR_KINDS, NAMES, picture, save_detr, spread
from tests.models.prompts.tiny_networks import write_networks

#: Finds the objects of each image, on a device.
Find = Callable[[Sequence[Image], str], list[Objects]]

PUBLISHED = ("fasterrcnn_resnet50_fpn_v2", "retinanet_resnet50_fpn_v2", "fcos_resnet50_fpn", "ssd300_vgg16")
CLASSES = 91


def small_networks(folder: Path) -> Iterator[tuple[str, Find]]:
    """Yield each family's name and how it finds objects in float32."""
    for name, build in BUILDERS.items():
        torch.manual_seed(7)
        network = build().eval()
        spread(network, picture(128, 96))
        yield name, partial(_torchvision, name, network)
    for kind in DETR_KINDS:
        save_detr(kind, folder / kind)
        yield kind, partial(_named, folder / kind, confidence=0.3)
    yield "demo (Darknet)", partial(_named, "demo", confidence=0.1)
    (folder / "prompts").mkdir()
    weights = write_networks(folder / "prompts")
    yield "grounded-sam", partial(_prompted, "grounded-sam", weights, box_threshold=0.0, text_threshold=0.0)
    yield "sam3", partial(_prompted, "sam3", weights, box_threshold=0.0)


def _torchvision(name: str, network: Any, images: Sequence[Image], device: str) -> list[Objects]:
    own = copy.deepcopy(network)
    detector = TorchvisionDetector(
        name, own, weights="0" * 64, names=NAMES, precision="float32", device=device
    )
    return detector.detect(images, confidence=0.3, iou=0.5)


def _named(name: str | Path, images: Sequence[Image], device: str, *, confidence: float) -> list[Objects]:
    detector = load_detector(name, device=device, precision="float32")
    return detector.detect(images, confidence=confidence, iou=0.5)


def _prompted(
    name: str, weights: Path, images: Sequence[Image], device: str, **thresholds: float
) -> list[Objects]:
    prompter = load_prompter("Apple. red pineapple", name=name, weights=weights, device=device, **thresholds)
    return prompter.find_objects(images[:4])


def agreement(here: Sequence[Objects], there: Sequence[Objects]) -> dict[str, float]:
    """Return the objects of both, how many have a counterpart, and by how much those differ at most."""
    found = {
        "here": sum(map(len, here)),
        "there": sum(map(len, there)),
        "agree": 0,
        "pixels": 0.0,
        "score": 0.0,
    }
    for ours, theirs in zip(here, there, strict=True):
        if not (len(ours) and len(theirs)):
            continue
        overlap = iou(ours.xyxy, theirs.xyxy) * (ours.label[:, None] == theirs.label[None])
        good, best = overlap.max(1) > 0.99, overlap.argmax(1)
        found["agree"] += int(good.sum())
        pixels, score = np.abs(ours.xyxy - theirs.xyxy[best]), np.abs(ours.score - theirs.score[best])
        found["pixels"] = max(found["pixels"], round(float(pixels[good].max(initial=0)), 6))
        found["score"] = max(found["score"], round(float(score[good].max(initial=0)), 6))
    return found


def speed(name: str, precision: str, device: str, photos: Sequence[Image], rounds: int) -> dict[str, Any]:
    """Return the photos a second, one and all to a pass, and the milliseconds that preparing one takes."""
    torch.manual_seed(0)
    network = getattr(detection, name)(weights=None, weights_backbone=None, num_classes=CLASSES)
    labels = [str(number) for number in range(CLASSES)]
    detector = TorchvisionDetector(
        name, network, weights="0" * 64, names=labels, precision=precision, device=device
    )
    start = time.perf_counter()
    inputs = [detector.prepare(photo) for photo in photos]
    measured: dict[str, Any] = {
        "precision": detector.precision,
        "prepare_ms": round((time.perf_counter() - start) / len(photos) * 1e3, 1),
    }

    def run(each: int) -> None:
        for first in range(0, len(inputs), each):
            detector.run(inputs[first : first + each])
        if detector.device.type == "cuda":
            torch.cuda.synchronize()

    for each in (1, len(inputs)):
        run(each)
        start = time.perf_counter()
        for _ in range(rounds):
            run(each)
        measured[f"photos_per_s_{each}_a_pass"] = round(
            rounds * len(inputs) / (time.perf_counter() - start), 1
        )
    return measured


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--networks", nargs="*", default=PUBLISHED, help="of torchvision, for the speed")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    seeds = [((128, 96), seed) for seed in range(6)] + [((96, 140), seed) for seed in range(3)]
    images = [image_from_array(picture(*size, seed)) for size, seed in seeds]
    with tempfile.TemporaryDirectory() as folder:
        for name, find in small_networks(Path(folder)):
            found = agreement(find(images, "cpu"), find(images, options.device))
            print(json.dumps({"agreement": name, **found}), flush=True)
    drawn = [draw_photo(1280, 960, seed) for seed in range(4)]
    photos = [decode_image(photo.data, path=str(number)) for number, photo in enumerate(drawn)]
    for name in options.networks:
        for precision in ("float32", "auto"):
            measured = speed(name, precision, options.device, photos, options.rounds)
            print(json.dumps({"speed": name, **measured}), flush=True)


if __name__ == "__main__":
    main()
