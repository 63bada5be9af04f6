"""The main job on the real photos and weights: prints the tables of docs/real-run.md.

python tools/real_run.py ../shared/real > docs/real-run.md
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from objectspace.analyses.factors import FactorSpec, measure_neighbors
from objectspace.analyses.shared_vectors import count_shared, vector_keys
from objectspace.images import find_images
from objectspace.jobs.index import index
from objectspace.models.detectors import Detector, load_detector
from objectspace.models.encoders import Encoder, load_encoder
from objectspace.objects.annotations import open_annotations
from objectspace.objects.labels import read_names
from objectspace.pipeline.job import Job
from objectspace.store import Store, open_store

HEAD = """# The main job on real photographs

Printed by `python tools/real_run.py ../shared/real > docs/real-run.md`: the 128 photos of coco128 (COCO
train2017) with their polygon annotations; ResNet50 and EfficientNet-Lite0 for the crops, the official
YOLOv3-tiny (416 x 416) and Yolo-Fastest 1.1 XL (320 x 320), both of COCO's 80 classes, for the windows.
[real-data.md](real-data.md) says where they come from. The ResNet50 is decoded from a product-quantized
ImageNet model (top-1 72.18 %) and is not the one that `--encoder resnet50` fetches. Both detectors were
trained on photos of this part of COCO, which flatters the window rows.

*Purity at 5* is the share of an object's five nearest objects of **other** photos that have its label; where
more are exactly as far as the fifth than fit, they count by equal shares. *Chance* is the share of its label
among all objects of other photos. The interval (95 %) is of new photos, a jackknife over them
([measures.md](measures.md)). Distances are Euclidean and exact. *Shared* is the number of objects whose
vector is exactly that of another object of their photo, as their centers share a cell; in brackets those that
share it with one of another label. Spaces of different heads hold different objects (each object is in the
space of its own head), so their figures are not comparable with one another; the *deepest* spaces and the
crop spaces hold all objects.
"""

#: The order of the table, by what the names of spaces begin with.
FAMILIES = ("yolov3", "yolo", "resnet50", "efficientnet")
DETECTORS = {"yolov3-tiny": "yolov3-tiny", "yolo-fastest-1.1-xl": "yolo-fastest-1.1-xl.cfg"}


def main(real: Path) -> None:
    """Index, measure, print."""
    weights, photos = real / "weights", find_images([real / "photos" / "coco128"])
    reader = open_annotations(
        real / "photos" / "coco128" / "labels", names=read_names(weights / "coco.names")
    )
    encoders = [
        load_encoder("resnet50", weights=weights / "resnet50-imagenet.pth", precision="float32"),
        load_encoder("efficientnet-lite0", precision="float32"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coco128.osp"
        for job in jobs([load_named(name, weights) for name in DETECTORS], encoders, reader):
            report = index(photos, path, job)
            print(f"{report.objects} objects, {report.seconds:.0f} s", file=sys.stderr)
        print(HEAD)
        print_purity(open_store(path))


def load_named(name: str, weights: Path) -> Detector:
    """Load one of the real detectors, from its cfg where it is not known by name."""
    found = DETECTORS[name]
    return load_detector(
        weights / found if found.endswith(".cfg") else found,
        weights=weights / f"{name}.weights",
        names=weights / "coco.names",
        precision="float32",
    )


def jobs(detectors: list[Detector], encoders: list[Encoder], reader: object) -> list[Job]:
    """The crop spaces; of each detector four windows at each object's own head, and at the deepest."""
    pools = tuple(f"window{size}" for size in (1, 2, 3, 5))
    crops = [Job(encoder=encoder, annotations=reader, pools=()) for encoder in encoders]
    windows = [
        Job(detector=detector, annotations=reader, pools=pools, scale=scale)
        for detector in detectors
        for scale in ("own", "deepest")
    ]
    return [*crops, *windows]


def print_purity(store: Store) -> None:
    """One line a space."""
    held = store.info()
    counts = f"{held.images} photos, {held.objects} objects of {len(held.labels)} labels"
    print(f"{counts}, {len(held.failures)} failures.\n")
    print("| space | numbers | objects | photos | purity at 5 | 95 % interval | chance | shared |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for info in sorted(held.spaces, key=lambda info: (FAMILIES.index(info.name.split("-")[0]), info.name)):
        space = store.space(info.name)
        objects = store.objects(space.object_id)
        purity = measure_neighbors(space, objects, FactorSpec("label"), k=5).overall
        shared = count_shared(vector_keys(space.vectors), objects.image_id, objects.label)
        print(
            f"| {info.name} | {info.dimension} | {purity.n} | {purity.groups} | {purity.value:.3f} "
            f"| {purity.low:.3f} to {purity.high:.3f} | {purity.chance:.3f} "
            f"| {shared.objects} ({shared.labels}) |"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
