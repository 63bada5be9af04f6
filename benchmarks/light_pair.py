"""The light pair: its encoder beside ResNet50, and the whole flow beside its networks alone.

    python benchmarks/light_pair.py ../shared/real [--photos 40] [--rounds 3]

One JSON line a figure. The command: `objectspace index` of 128 photos in a new process. The flow, from JPEG
to committed vectors: what share of its time the networks alone take, on the same crops and inputs, by the
clock and by the processor's own seconds, in turns. The stages: each one's share of the processor's seconds,
one photo after the other. The encoders: crops a second of one thread, the processor's own seconds, in turns;
the weights do not matter for the time, so those of ResNet50, and of EfficientNet-Lite0 as timm builds it, are
random.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import timm
import torch
from torchvision.models import resnet50

from end_to_end import report, run_flow
from objectspace.embeddings.crops import CropPolicy, cut_crops
from objectspace.images import Image, find_images, read_image
from objectspace.models.detectors import Detector, load_detector
from objectspace.models.encoders import Encoder, load_encoder
from objectspace.models.encoders.network_encoder import NetworkEncoder, Preprocessing
from objectspace.objects.annotations import open_annotations
from objectspace.objects.labels import read_names
from objectspace.objects.records import Objects
from objectspace.pipeline.job import Job
from objectspace.pipeline.stages import cut, decode, encode, find, read_image_file
from objectspace.threads import compute_ahead

CROPS = 32


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("real", type=Path, nargs="?", default=Path("../shared/real"))
    parser.add_argument("--photos", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    real: Path = options.real
    report(command(real))
    encoder = load_encoder("efficientnet-lite0", precision="float32")
    detector = load_detector(
        "yolov3-tiny", weights=real / "weights" / "yolov3-tiny.weights", precision="float32"
    )
    photos = find_images([real / "photos" / "coco128" / "images"])[: options.photos]
    report(crop_route(photos, encoder, real, options.rounds))
    report(both_routes(photos, encoder, detector, options.rounds))
    torch.set_num_threads(1)
    report(stages(photos, encoder, detector))
    report(encoders(encoder, options.rounds))


def command(real: Path) -> dict[str, Any]:
    """Seconds of the command on 128 photos, imports and loading included."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["index", str(real / "photos" / "coco128" / "images"), "--store", f"{folder}/S", "--quiet"]
        networks = ["--detector", "yolov3-tiny", "--encoder", "efficientnet-lite0", "--precision", "float32"]
        weights = ["--detector-weights", str(real / "weights" / "yolov3-tiny.weights")]
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "objectspace", *words, *networks, *weights], check=True)
        clock, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "figure": "index of 128 photos, cold, s",
        "clock": clock,
        "processor": processor,
        "processor_per_core": processor / (os.cpu_count() or 1),
        "target": 60,
    }


def crop_route(photos: list[Path], encoder: Encoder, real: Path, rounds: int) -> dict[str, Any]:
    """The crops of annotated objects."""
    labels = real / "photos" / "coco128" / "labels"
    reader = open_annotations(labels, names=read_names(real / "weights" / "coco.names"))
    images = [read_image(path) for path in photos]
    crops = crops_of(images, [reader.objects_of(image).objects for image in images], encoder)
    flow = Job(encoder=encoder, annotations=reader, pools=())
    return {
        "figure": "crop route: encoder alone / flow",
        "objects": len(crops),
        **shares({"flow": lambda: run_flow(photos, flow), "alone": lambda: embed(crops, encoder)}, rounds),
        "target": 0.7,
    }


def both_routes(photos: list[Path], encoder: Encoder, detector: Detector, rounds: int) -> dict[str, Any]:
    """The crops and windows of detected objects."""
    images = [read_image(path) for path in photos]
    crops = crops_of(images, detector.detect(images), encoder)
    inputs = [detector.prepare(image) for image in images]

    def alone() -> None:
        for _ in compute_ahead(inputs, lambda one: detector.run([one])):
            pass
        embed(crops, encoder)

    flow = Job(detector=detector, encoder=encoder)
    return {
        "figure": "both routes: detector and encoder alone / flow",
        "photos": len(photos),
        "objects": len(crops),
        **shares({"flow": lambda: run_flow(photos, flow), "alone": alone}, rounds),
        "target": 0.7,
    }


def crops_of(images: list[Image], found: list[Objects], encoder: Encoder) -> np.ndarray:
    """The crops of all objects, cut ahead of time."""
    cut = [
        cut_crops(image, objects, CropPolicy(), encoder.input_size, interpolation=encoder.interpolation)
        for image, objects in zip(images, found, strict=True)
    ]
    return np.concatenate(cut)


def embed(crops: np.ndarray, encoder: Encoder) -> None:
    """The passes of an encoder, side by side and a core each, as they are fastest here."""
    batches = [
        crops[start : start + encoder.batch_size] for start in range(0, len(crops), encoder.batch_size)
    ]
    for _ in compute_ahead(batches, encoder.embed):
        pass


def shares(work: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """What share of the flow's time its networks alone take, by the clock and by the processor's own seconds.

    ``work`` holds ``flow`` and ``alone``, taken in turns; each round gives one ratio, and the median is kept.
    """
    clock, processor = [], []
    for _ in range(rounds):
        seconds = {}
        for name, call in work.items():
            start = time.perf_counter(), time.process_time()
            call()
            seconds[name] = time.perf_counter() - start[0], time.process_time() - start[1]
        clock.append(seconds["alone"][0] / seconds["flow"][0])
        processor.append(seconds["alone"][1] / seconds["flow"][1])
    return {"by_the_clock": median(clock), "by_processor_seconds": median(processor)}


def stages(photos: list[Path], encoder: Encoder, detector: Detector) -> dict[str, Any]:
    """What share of the processor's seconds each stage of both routes takes."""
    job = Job(detector=detector, encoder=encoder).load()
    seconds: Counter[str] = Counter()

    def timed(stage: str, call: Callable[..., Any], *arguments: Any) -> Any:
        start = time.process_time()
        value = call(*arguments)
        seconds[stage] += time.process_time() - start
        return value

    results = []
    for path in photos:
        decoded = timed("read and decode", lambda path: decode(read_image_file(path, job), job), path)
        (found,) = timed("find, and cut windows", find, [decoded], job)
        results.append(timed("cut crops and thumbnails", cut, found, job))
    timed("encode", lambda: list(encode(results, job)))
    total = sum(seconds.values())
    return {
        "figure": "shares of both routes' stages",
        "photos": len(photos),
        "seconds": total,
        **{stage: spent / total for stage, spent in seconds.items()},
    }


def encoders(light: Encoder, rounds: int) -> dict[str, Any]:
    """Crops that one second of the processor embeds, in one thread."""
    with tempfile.TemporaryDirectory() as folder:
        torch.save(resnet50().state_dict(), Path(folder) / "resnet50.pth")
        heavy = load_encoder(weights=Path(folder) / "resnet50.pth", precision="float32")
    as_built = NetworkEncoder(
        timm.create_model("tf_efficientnet_lite0", num_classes=0),
        Preprocessing(224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bicubic"),
        name="as built",
        weights="random",
        tap="pre_logits",
        precision="float32",
    )
    crops = np.random.default_rng(0).integers(0, 256, (CROPS, 224, 224, 3), np.uint8)
    rates = [[rate(encoder, crops) for encoder in (light, heavy, as_built)] for _ in range(rounds)]
    return {
        "figure": "objects a processor second",
        "efficientnet-lite0": median(one for one, _, _ in rates),
        "resnet50": median(one for _, one, _ in rates),
        "efficientnet-lite0 as timm builds it": median(one for _, _, one in rates),
        "efficientnet-lite0 / resnet50": median(one / other for one, other, _ in rates),
        "efficientnet-lite0 / as timm builds it": median(one / other for one, _, other in rates),
    }


def rate(encoder: Encoder, crops: np.ndarray) -> float:
    """Return the crops that one second of the processor embeds."""
    start = time.process_time()
    encoder.embed(crops)
    return len(crops) / (time.process_time() - start)


if __name__ == "__main__":
    main()
