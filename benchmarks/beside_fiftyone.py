"""Object embeddings beside FiftyOne's, from JPEG to what is stored: same photos, boxes, network and weights.

    pip install fiftyone
    python benchmarks/beside_fiftyone.py ../shared/real [--photos 60] [--rounds 3]

One JSON line for each way to ask FiftyOne: `compute_patch_embeddings` with its zoo's settings for ResNet50 (a
crop keeps its own size, at least 224 pixels a side, so that no two share a pass) and with crops of 224 x 224
in batches, which is the same work as ours. Both read the photos, cut the boxes of the same annotations,
embed them in float32 and write the vectors (into Lance, into MongoDB); FiftyOne's samples exist beforehand,
ours are written on the way. Rounds are taken in turns and the best of each is kept. Also how alike the
vectors are (the least and the median cosine): ours stretch the box with its surroundings, as FiftyOne's do.
Without FiftyOne the script says so and ends. $FIFTYONE_DATABASE_URI names a MongoDB that runs.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision.models import resnet50

from objectspace.embeddings.crops import CropPolicy
from objectspace.images import find_images, read_image
from objectspace.jobs.index import index
from objectspace.models.encoders import Encoder, load_encoder
from objectspace.models.weights import load_state_dict
from objectspace.objects.annotations import AnnotationReader, open_annotations
from objectspace.objects.labels import read_names
from objectspace.pipeline.job import Job
from objectspace.store import open_store

try:
    import fiftyone as fo
    from fiftyone.utils.torch import TorchImageModel, TorchImageModelConfig
except ImportError:
    print("beside_fiftyone: left out, since FiftyOne is not installed", file=sys.stderr)
    raise SystemExit(0) from None

#: What FiftyOne is asked for: settings of its model, crops in a batch.
WAYS = {
    "zoo": ({"image_min_dim": 224, "image_max_dim": 2048}, None),
    "batched": ({"image_size": [224, 224]}, 8),
}
FIELD = "vector"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("real", type=Path, nargs="?", default=Path("../shared/real"))
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    photos = find_images([options.real / "photos" / "coco128" / "images"])[: options.photos]
    names = read_names(options.real / "weights" / "coco.names")
    reader = open_annotations(options.real / "photos" / "coco128" / "labels", names=names)
    weights = options.real / "weights" / "resnet50-imagenet.pth"
    encoder = load_encoder("resnet50", weights=weights, precision="float32")
    dataset = samples_of(photos, reader)
    try:
        for way in WAYS:
            print(
                json.dumps(compare(way, photos, reader, encoder, dataset, weights, options.rounds)),
                flush=True,
            )
    finally:
        dataset.delete()


def samples_of(photos: list[Path], reader: AnnotationReader) -> fo.Dataset:
    """FiftyOne's samples of the photos, with the boxes as detections that know our object ids."""
    dataset = fo.Dataset()
    for path in photos:
        image = read_image(path)
        size = np.array([image.width, image.height] * 2)
        objects = reader.objects_of(image).objects
        corners = objects.xyxy / size
        boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
        found = [
            fo.Detection(label=str(label), bounding_box=box.tolist(), object_id=str(object_id))
            for label, box, object_id in zip(objects.label, boxes, objects.object_id, strict=True)
        ]
        dataset.add_sample(fo.Sample(filepath=str(path.resolve()), objects=fo.Detections(detections=found)))
    return dataset


def fiftyone_model(settings: dict[str, Any], weights: Path) -> TorchImageModel:
    """FiftyOne's ResNet50 with the given weights, before its classifier."""
    network = resnet50()
    network.load_state_dict({name: value.float() for name, value in load_state_dict(weights).items()})
    return TorchImageModel(
        TorchImageModelConfig(
            {
                "model": network,
                "output_processor_cls": "fiftyone.utils.torch.ClassifierOutputProcessor",
                "classes": [str(number) for number in range(1000)],
                "image_mean": [0.485, 0.456, 0.406],
                "image_std": [0.229, 0.224, 0.225],
                "embeddings_layer": "<fc",
                **settings,
            }
        )
    )


def compare(
    way: str,
    photos: list[Path],
    reader: AnnotationReader,
    encoder: Encoder,
    dataset: fo.Dataset,
    weights: Path,
    rounds: int,
) -> dict[str, Any]:
    """Objects a second of both, and how alike their vectors are."""
    settings, batch = WAYS[way]
    model = fiftyone_model(settings, weights)
    job = Job(encoder=encoder, annotations=reader, crop=CropPolicy(background="keep", fit="stretch"))
    times: dict[str, list[float]] = {"ours": [], "fiftyone": []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            index(photos, Path(folder) / "store.osp", job)
            times["ours"].append(time.perf_counter() - start)
            store = open_store(Path(folder) / "store.osp")
            space = store.space(store.space_names[0])
            ours = dict(zip(space.object_id, space.vectors, strict=True))
        start = time.perf_counter()
        dataset.compute_patch_embeddings(
            model, "objects", embeddings_field=FIELD, batch_size=batch, progress=False
        )
        times["fiftyone"].append(time.perf_counter() - start)
    theirs = {
        found.object_id: np.asarray(found[FIELD])
        for sample in dataset
        for found in sample.objects.detections
        if found[FIELD] is not None
    }
    alike = [cosine(ours[object_id], theirs[object_id]) for object_id in ours if object_id in theirs]
    best = {name: min(seconds) for name, seconds in times.items()}
    return {
        "benchmark": "beside_fiftyone",
        "way": way,
        "fiftyone": fo.__version__,
        "photos": len(photos),
        "objects": len(ours),
        "embedded_by_fiftyone": len(theirs),
        "threads": torch.get_num_threads(),
        "fiftyone_over_ours_s": round(best["fiftyone"] / best["ours"], 2),
        "median_ratio": round(float(np.median(np.divide(times["fiftyone"], times["ours"]))), 2),
        "cosine_least": round(min(alike), 4),
        "cosine_median": round(float(np.median(alike)), 4),
    }


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    """The cosine of two vectors."""
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


if __name__ == "__main__":
    main()
