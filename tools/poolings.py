"""Every way to take a vector from a map, and the crop beside them, on real photos: docs/poolings.md's tables.

python tools/poolings.py ../shared/real FOLDER

The stores are kept in FOLDER; a run that was stopped goes on where it was.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from objectspace.analyses.factors import FactorMeasure, FactorSpec, measure_factor
from objectspace.images import find_images
from objectspace.jobs.index import index
from objectspace.models.detectors import load_detector
from objectspace.models.encoders import load_encoder
from objectspace.models.encoders.encoder_maps import load_encoder_map
from objectspace.objects.annotations import open_annotations
from objectspace.objects.annotations.image_factors import factors_from_pattern
from objectspace.objects.annotations.mask_images import open_mask_images
from objectspace.objects.labels import read_names
from objectspace.pipeline.job import Job
from objectspace.store import Store, open_store

POOLS = ("cell", "window3", "roi3", "mask")
NAMES = r"apple(?P<apple>\d+)-(?P<elevation>\d+)-(?P<azimuth>\d+)"

#: What is asked, with the figure to print of it: neighbors' or probe's.
SCENES = {
    "label, purity at 5": (FactorSpec("label"), "neighbors"),
    "x, R2 of the probe": (FactorSpec("x"), "probe"),
    "size, R2 of the probe": (FactorSpec("size"), "probe"),
}
APPLES = {
    "which apple, purity at 5": (FactorSpec("apple", categorical=True), "neighbors"),
    "azimuth within an apple, degrees": (
        FactorSpec("azimuth", circular=360.0, control="apple"),
        "neighbors",
    ),
}


def main(real: Path, folder: Path) -> None:
    """Index both sets of photos by every route and pooling, measure, print."""
    folder.mkdir(parents=True, exist_ok=True)
    scenes, apples = real / "photos" / "coco128", real / "apples"
    labels = open_annotations(scenes / "labels", names=read_names(real / "weights" / "coco.names"))
    masks = open_mask_images(apples / "masks", pattern="{stem}-map.png", label="apple")
    factors = factors_from_pattern(NAMES, find_images([apples / "photos"]))
    for photos, given, asked in (
        (scenes, {"annotations": labels}, SCENES),
        (apples / "photos", {"annotations": masks, "factors": factors}, APPLES),
    ):
        store = folder / f"{photos.name}.osp"
        jobs = [job.load() for job in routes(real / "weights", given)]
        for job in jobs:
            report = index(find_images([photos]), store, job)
            print(f"{photos}: {report.objects} objects, {report.seconds:.0f} s", file=sys.stderr)
        print_table(open_store(store), [name for job in jobs for name in job.recipes], asked)


def routes(weights: Path, given: dict[str, Any]) -> list[Job]:
    """The crops, every pooling of an encoder's map of the whole photo, and of two detectors' deepest maps."""
    cfg, resnet = weights / "yolo-fastest-1.1-xl.cfg", weights / "resnet50-imagenet.pth"
    in_float32: dict[str, Any] = {"precision": "float32"}
    tiny = load_detector("yolov3-tiny", weights=weights / "yolov3-tiny.weights", **in_float32)
    fastest = load_detector(cfg, weights=cfg.with_suffix(".weights"), **in_float32)
    return [
        Job(encoder=load_encoder("efficientnet-lite0", **in_float32), pools=(), **given),
        *(Job(detector=one, pools=POOLS, scale="deepest", **given) for one in (tiny, fastest)),
        Job(encoder=load_encoder("resnet50", weights=resnet, **in_float32), pools=(), **given),
        Job(encoder_map=load_encoder_map("resnet50", weights=resnet, **in_float32), pools=POOLS, **given),
    ]


def print_table(store: Store, spaces: list[str], asked: dict[str, tuple[FactorSpec, str]]) -> None:
    """One line a space: a figure of each question with its interval and its chance level."""
    print(f"\n{store.info().images} photos, {store.info().objects} objects\n")
    print("| space | numbers | " + " | ".join(asked) + " |")
    print("| --- | ---: |" + " --- |" * len(asked))
    for name in spaces:
        space = store.space(name)
        objects = store.objects(space.object_id)
        figures = [_figure(measure_factor(space, objects, question), of) for question, of in asked.values()]
        print(f"| {name} | {space.dimension} | " + " | ".join(figures) + " |", flush=True)


def _figure(measured: FactorMeasure, of: str) -> str:
    if of == "probe" and measured.probe is None:
        return "no probe"
    one = measured.probe.score if measured.probe and of == "probe" else measured.neighbors.overall
    return f"{one.value:.3g} ({one.low:.3g} to {one.high:.3g}; chance {one.chance:.3g})"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
