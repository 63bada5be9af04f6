"""The main job on the real photos and weights: prints the tables of docs/real-run.md.

python tools/real_run.py ../shared/real > docs/real-run.md
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from objectspace.analyses.factors import FactorSpec, measure_neighbors
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
train2017) with their polygon annotations, ResNet50 for the crops, Yolo-Fastest 1.1 XL (80 COCO classes,
320 x 320) for the windows. [real-data.md](real-data.md) says where they come from. The ResNet50 is
decoded from a product-quantized ImageNet model (top-1 72.18 %) and is not the one that `--encoder resnet50`
fetches. The detector was trained on photos of this part of COCO, which may flatter the window rows.

*Purity at 5* is the share of an object's five nearest objects of **other** photos that have its label.
*Chance* is the share of its label among all objects of other photos. The interval (95 %) is a bootstrap over
photos. Distances are Euclidean and exact. Spaces of different heads hold different objects (each object is
in the space of its own head), so their figures are not comparable with one another; the *deepest* spaces and
the crop space hold all objects.
"""


def main(real: Path) -> None:
    """Index, measure, print."""
    weights, photos = real / "weights", find_images([real / "photos" / "coco128"])
    reader = open_annotations(
        real / "photos" / "coco128" / "labels", names=read_names(weights / "coco.names")
    )
    model = weights / "yolo-fastest-1.1-xl.cfg"
    detector = load_detector(model, weights=model.with_suffix(".weights"), names=weights / "coco.names")
    encoder = load_encoder("resnet50", weights=weights / "resnet50-imagenet.pth")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coco128.osp"
        for job in jobs(detector, encoder, reader):
            report = index(photos, path, job)
            print(f"{report.objects} objects, {report.seconds:.0f} s", file=sys.stderr)
        print(HEAD)
        print_purity(open_store(path))


def jobs(detector: Detector, encoder: Encoder, reader: object) -> list[Job]:
    """The crop space and windows of four sizes at each object's own head; then at the deepest head."""
    pools = tuple(f"window{size}" for size in (1, 2, 3, 5))
    own = Job(detector=detector, encoder=encoder, annotations=reader, pools=pools)
    deepest = Job(detector=detector, annotations=reader, pools=pools, scale="deepest")
    return [own, deepest]


def print_purity(store: Store) -> None:
    """One line a space."""
    held = store.info()
    counts = f"{held.images} photos, {held.objects} objects of {len(held.labels)} labels"
    print(f"{counts}, {len(held.failures)} failures.\n")
    print("| space | numbers | objects | photos | purity at 5 | 95 % interval | chance |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for info in held.spaces:
        space = store.space(info.name)
        purity = measure_neighbors(space, store.objects(space.object_id), FactorSpec("label"), k=5).overall
        print(
            f"| {info.name} | {info.dimension} | {purity.n} | {purity.groups} | {purity.value:.3f} "
            f"| {purity.low:.3f} to {purity.high:.3f} | {purity.chance:.3f} |"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
