"""The whole `objectspace index` on a GPU: threads of one process, or several Ray workers on one card.

    python benchmarks/gpu_index.py FOLDER                                        # a CUDA GPU, 16 cores
    python benchmarks/gpu_index.py FOLDER --device cpu --workers 1 --drawn 2 --copies 4   # the same anywhere

Draws photos into the folder: those of benchmarks/gpu.py, eight objects each, every second with a mask, which
a COCO file holds. Each copy has a comment of its own in its JPEG, as the same bytes would be indexed once.
Then runs the command on a quarter of them and on all; what the rest took makes the rate, so that neither
imports nor the start of workers count; the quarter's time says what those take. ResNet50 has random numbers.

One JSON line for each number of workers; 0 are the threads of one process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torchvision.models import resnet50

from gpu import OBJECTS_A_PHOTO, Photo, draw_photo


def write_photos(folder: Path, photos: Sequence[Photo], copies: int) -> None:
    """Write the folders ``whole`` and ``quarter``, and the annotations of each as JSON."""
    numbered = list(enumerate(photo for _ in range(copies) for photo in photos))
    for name, part in (("whole", numbered), ("quarter", numbered[: len(numbered) // 4])):
        (folder / name).mkdir(parents=True)
        for number, photo in part:
            (folder / name / f"{number:06d}.jpg").write_bytes(commented(photo.data, f"{number:08d}"))
        (folder / f"{name}.json").write_text(json.dumps(coco(part)))


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


def seconds_of_index(folder: Path, name: str, device: str, workers: int) -> float:
    """Run the command on one of the folders, into a new store; return the wall time."""
    argv = [sys.executable, "-m", "objectspace", "index", str(folder / name), "--quiet"]
    argv += ["--annotations", str(folder / f"{name}.json"), "--annotation-format", "coco"]
    argv += ["--encoder", "resnet50", "--encoder-weights", str(folder / "resnet50.pth"), "--device", device]
    if workers:
        argv += ["--engine", "ray", "--workers", str(workers)]
        if device != "cpu":
            argv += ["--gpus-per-worker", str(1 / workers)]
    with tempfile.TemporaryDirectory(dir=folder) as store:
        start = time.perf_counter()
        subprocess.run([*argv, "--store", f"{store}/it.osp"], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="new; photos and stores are made there")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 8])
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
        quarter, whole = (
            seconds_of_index(options.folder, name, options.device, workers) for name in ("quarter", "whole")
        )
        count = options.drawn * options.copies
        rate = (count - count // 4) / (whole - quarter)
        print(
            json.dumps(
                {
                    "device": named,
                    "workers": workers,
                    "photos": count,
                    "quarter_s": quarter,
                    "whole_s": whole,
                    "photos_per_s": rate,
                    "objects_per_s": rate * OBJECTS_A_PHOTO,
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
