"""The whole `objectspace index` on a GPU: threads of one process, or several Ray workers on one card.

    python benchmarks/gpu_index.py FOLDER                                        # a CUDA GPU, 16 cores
    python benchmarks/gpu_index.py FOLDER --device cpu --workers 1 --drawn 2 --copies 4   # the same anywhere

Draws photos into the folder: those of benchmarks/gpu.py, eight objects each, every second with a mask, which
a COCO file holds. Each copy has a comment of its own in its JPEG, as the same bytes would be indexed once.
Then does what the command does, in a new process for each number of workers; the rate is that between the
first fifth of the photos and nine tenths of them, so that neither imports nor the start of workers count; the
time of the first photo says what those take. ResNet50 has random numbers.

One JSON line for each number of workers; 0 are the threads of one process.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torchvision.models import resnet50

import objectspace as osp
from gpu import OBJECTS_A_PHOTO, Photo, draw_photo


def write_photos(folder: Path, photos: Sequence[Photo], copies: int) -> None:
    """Write the folder ``photos`` and the annotations of all as JSON."""
    numbered = list(enumerate(photo for _ in range(copies) for photo in photos))
    (folder / "photos").mkdir(parents=True)
    for number, photo in numbered:
        (folder / "photos" / f"{number:06d}.jpg").write_bytes(commented(photo.data, f"{number:08d}"))
    (folder / "annotations.json").write_text(json.dumps(coco(numbered)))


def commented(jpeg: bytes, comment: str) -> bytes:
    """Return a JPEG with a comment, the first segment of the file."""
    text = comment.encode()
    return jpeg[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + jpeg[2:]


def coco(numbered: Sequence[tuple[int, Photo]]) -> dict[str, Any]:
    """Return the photos' objects in COCO's format."""
    annotations: list[dict[str, Any]] = []
    for number, photo in numbered:
        for (left, top, right, bottom), mask in zip(
            photo.objects.xyxy.tolist(), photo.objects.mask, strict=True
        ):
            one = {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": 1,
                "bbox": [left, top, right - left, bottom - top],
            }
            if mask is not None:
                one["segmentation"] = {"size": [mask.height, mask.width], "counts": mask.counts.decode()}
            annotations.append(one)
    images = [
        {"id": number, "file_name": f"{number:06d}.jpg", "width": photo.width, "height": photo.height}
        for number, photo in numbered
    ]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "thing"}]}


@dataclass(frozen=True)
class Course:
    """When the photos of a run were done, in seconds from its start: (photos,), rising; and when it ended."""

    done: list[float]
    end: float

    def rate(self) -> float:
        """Photos a second, from the first fifth of the photos to nine tenths of them."""
        first, last = len(self.done) // 5, len(self.done) * 9 // 10
        return (last - first) / (self.done[last] - self.done[first])


def run_index(folder: Path, device: str, workers: int) -> Course:
    """Index the folder's photos into a new store."""
    start, done = time.perf_counter(), list[float]()
    job = osp.Job(
        annotations=osp.AnnotationSpec(folder / "annotations.json", "coco"),
        encoder=osp.EncoderSpec("resnet50", folder / "resnet50.pth"),
        device=device,
    )
    share = 1 / workers if workers and device != "cpu" else 0
    engine = osp.RayEngine(workers=workers, gpus_per_worker=share) if workers else None
    with tempfile.TemporaryDirectory(dir=folder) as store:
        osp.index(
            folder / "photos",
            Path(store) / "it.osp",
            job,
            engine=engine,
            progress=lambda photos, _: done.extend([time.perf_counter() - start] * photos),
        )
        return Course(done, time.perf_counter() - start)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="new; photos and stores are made there")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 8, 16])
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 960), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--drawn", type=int, default=64)
    parser.add_argument("--copies", type=int, default=64)
    options = parser.parse_args()
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        photos = list(pool.map(partial(draw_photo, *options.size), range(options.drawn)))
    write_photos(options.folder, photos, options.copies)
    torch.manual_seed(0)
    torch.save(resnet50().state_dict(), options.folder / "resnet50.pth")
    named = torch.cuda.get_device_name() if options.device.startswith("cuda") else options.device
    for workers in options.workers:
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            course = process.submit(run_index, options.folder, options.device, workers).result()
        line = {
            "device": named,
            "workers": workers,
            "photos": len(course.done),
            "first_photo_s": round(course.done[0], 1),
            "whole_s": round(course.end, 1),
            "photos_per_s": round(course.rate(), 1),
            "objects_per_s": round(course.rate() * OBJECTS_A_PHOTO),
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
