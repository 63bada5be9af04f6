"""From JPEG to committed vectors, beside what the networks alone can do, in one run.

    python benchmarks/end_to_end.py ../shared/real [--photos 128] [--crop-photos 40] [--rounds 3]

One JSON line a figure. Crop route: objects a second of the whole flow over the encoder alone on crops that
are cut already, and over a straight loop (one photo after the other: PIL, one crop after the other, the plain
torchvision model in float32 on the crops of that photo). Window route: photos a second of the whole flow over
the detector alone (network and decoding, as `Detector.detect` after `prepare`). Memory: peak resident size of
a job of ten times as many photos over that of one. Rounds are interleaved and the best of each is kept.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from torchvision.models import resnet50

from objectspace.embeddings.crops import CropPolicy, cut_crops
from objectspace.images import find_images, read_image
from objectspace.jobs.index import index
from objectspace.models.detectors import Detector, load_detector
from objectspace.models.encoders import Encoder, load_encoder
from objectspace.models.weights import load_state_dict
from objectspace.objects.annotations import AnnotationReader, open_annotations
from objectspace.objects.labels import read_names
from objectspace.objects.masks import decode
from objectspace.pipeline.job import Job

#: Multiplications and additions of ResNet50's forward pass at 224 x 224, counted apart.
GFLOP_A_CROP = 8.2
#: What a child process does whose memory is measured: the window route over a folder.
CHILD = """
import re, sys
from pathlib import Path
from objectspace.jobs.index import index
from objectspace.pipeline.job import Job
from objectspace.images import find_images
from objectspace.models.detectors import load_detector
cfg, photos, store = map(Path, sys.argv[1:])
detector = load_detector(cfg, weights=cfg.with_suffix(".weights"))
report = index(find_images([photos]), store, Job(detector=detector))
# Not getrusage: its peak counts the parent's size at the fork.
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
print(report.indexed, peak)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("real", type=Path, nargs="?", default=Path("../shared/real"))
    parser.add_argument("--photos", type=int, default=128)
    parser.add_argument("--crop-photos", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto")
    options = parser.parse_args()
    real, networks = options.real, {"device": options.device, "precision": options.precision}
    photos = find_images([real / "photos" / "coco128" / "images"])[: options.photos]
    names = read_names(real / "weights" / "coco.names")
    reader = open_annotations(real / "photos" / "coco128" / "labels", names=names)
    cfg = real / "weights" / "yolo-fastest-1.1-xl.cfg"
    detector = load_detector(cfg, weights=cfg.with_suffix(".weights"), **networks)
    weights = real / "weights" / "resnet50-imagenet.pth"
    encoder = load_encoder("resnet50", weights=weights, **networks)
    report(window_route(photos, detector, options.rounds))
    report(memory(photos, cfg))
    report(crop_route(photos[: options.crop_photos], encoder, reader, weights, options.rounds))


def window_route(photos: list[Path], detector: Detector, rounds: int) -> dict[str, Any]:
    """Photos a second of the flow, and of the detector alone: one pass after the other on all cores."""
    images = [read_image(path) for path in photos]
    inputs = np.stack([detector.prepare(image) for image in images])

    def alone() -> None:
        for start in range(0, len(inputs), detector.batch_size):
            run = detector.run(inputs[start : start + detector.batch_size])
            for row, image in enumerate(images[start : start + detector.batch_size]):
                frame = detector.frame((image.width, image.height))
                detector.find_objects(run, row, image.image_id, frame, confidence=0.25, iou=0.45)

    times = interleaved({"flow": lambda: run_flow(photos, Job(detector=detector)), "alone": alone}, rounds)
    return {
        "benchmark": "window_route",
        "photos": len(photos),
        "flow_photos_per_s": len(photos) / times["flow"],
        "detector_photos_per_s": len(photos) / times["alone"],
        "flow_over_detector": times["alone"] / times["flow"],
        "target": 0.7,
    }


def crop_route(
    photos: list[Path], encoder: Encoder, reader: AnnotationReader, weights: Path, rounds: int
) -> dict[str, Any]:
    """Objects a second of the flow, of the encoder alone, and of a straight loop in float32."""
    parts = [(image, reader.objects_of(image).objects) for image in map(read_image, photos)]
    policy = CropPolicy()
    crops = np.concatenate([cut_crops(i, o, policy, encoder.input_size) for i, o in parts if len(o)])
    plain = resnet50()
    plain.load_state_dict({name: value.float() for name, value in load_state_dict(weights).items()})
    plain.fc = torch.nn.Identity()
    plain.eval().to(encoder.device)

    times = interleaved(
        {
            "flow": lambda: run_flow(photos, Job(encoder=encoder, annotations=reader)),
            "alone": lambda: encoder.embed(crops),
            "loop": lambda: straight_loop(photos, reader, plain, encoder.device),
        },
        rounds,
    )
    ceiling = product_tflops(encoder)
    rates = {name: len(crops) / seconds for name, seconds in times.items()}
    return {
        "benchmark": "crop_route",
        "precision": encoder.precision,
        "device": device_name(encoder.device),
        "objects": len(crops),
        "flow_objects_per_s": rates["flow"],
        "encoder_objects_per_s": rates["alone"],
        "loop_objects_per_s": rates["loop"],
        "flow_over_encoder": rates["flow"] / rates["alone"],
        "flow_over_loop": rates["flow"] / rates["loop"],
        "target": [0.8, 3.5],
        "product_tflops": ceiling,
        "encoder_of_ceiling": rates["alone"] * GFLOP_A_CROP / 1000 / ceiling,
    }


@torch.inference_mode()
def straight_loop(photos: list[Path], reader: AnnotationReader, network: Any, device: torch.device) -> None:
    """What one writes in a notebook: PIL, masks, one photo's crops as a batch."""
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    for path in photos:
        image = read_image(path)
        objects = reader.objects_of(image).objects
        crops = []
        for box, mask in zip(objects.xyxy.astype(int), objects.mask, strict=True):
            pixels = image.pixels if mask is None else image.pixels * decode(mask)[..., None]
            left, top, right, bottom = box
            cut = PIL.Image.fromarray(pixels[top : max(bottom, top + 1), left : max(right, left + 1)])
            square = PIL.Image.new("RGB", (max(cut.size),) * 2)
            square.paste(cut, ((square.width - cut.width) // 2, (square.height - cut.height) // 2))
            tensor = torch.from_numpy(np.array(square.resize((224, 224), PIL.Image.Resampling.BILINEAR)))
            crops.append(((tensor / 255 - mean) / deviation).permute(2, 0, 1))
        if crops:
            network(torch.stack(crops).to(device)).cpu()


def memory(photos: list[Path], cfg: Path) -> dict[str, Any]:
    """Peak resident size of a process that indexes the photos, and ten times as many."""
    with tempfile.TemporaryDirectory() as folder:
        peaks = []
        for copies in (1, 10):
            target = Path(folder) / f"photos{copies}"
            target.mkdir()
            for copy in range(copies):
                for path in photos:
                    # Bytes behind a JPEG's end change its content id and nothing else.
                    (target / f"{copy}-{path.name}").write_bytes(path.read_bytes() + bytes([copy]))
            store = Path(folder) / f"{copies}.osp"
            command = [sys.executable, "-c", CHILD, str(cfg), str(target), str(store)]
            output = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            peaks.append((int(output[0]), int(output[1]) / 1024))
    (few, small), (many, large) = peaks
    return {
        "benchmark": "memory",
        "photos": [few, many],
        "peak_rss_mib": [small, large],
        "ratio": large / small,
        "target": 1.1,
    }


def run_flow(photos: list[Path], job: Job) -> None:
    """One job into a store of its own."""
    with tempfile.TemporaryDirectory() as folder:
        index(photos, Path(folder) / "store.osp", job)


def interleaved(work: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """The best seconds of each, all taken in turns so that a busy moment hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, call in work.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: min(values) for name, values in times.items()}


def product_tflops(encoder: Encoder) -> float:
    """The machine's matrix product in the encoder's precision: its ceiling."""
    kind = {"float32": torch.float32, "bfloat16": torch.bfloat16}[encoder.precision]
    side = 2048 if encoder.device.type == "cpu" else 8192
    left, right = (torch.randn(side, side, device=encoder.device).to(kind) for _ in range(2))
    best = np.inf
    for _ in range(10):
        start = time.perf_counter()
        left @ right
        if encoder.device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return float(2 * side**3 / best / 1e12)


def device_name(device: torch.device) -> str:
    """The GPU's name, or cpu with its threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu, {torch.get_num_threads()} threads"


def report(figures: dict[str, Any]) -> None:
    """One JSON line, numbers to four digits."""
    plain = {
        key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in figures.items()
    }
    print(json.dumps(plain), flush=True)


if __name__ == "__main__":
    main()
