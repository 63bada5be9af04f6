"""One pass of an encoder over the whole photo, or one a crop: which is faster, and from how many objects on.

    python benchmarks/encoder_map.py ../shared/real [--photos 40] [--rounds 2]

ResNet50 on annotated photos of coco128, from JPEG to committed vectors by both routes, in turns; the best
round of each counts. One JSON line: the ratio of the two times, the objects a photo, and the number of
objects a photo at which both take as long, if a photo's map costs always the same and a crop too.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from objectspace.images import find_images
from objectspace.jobs.index import index
from objectspace.jobs.index_summary import IndexSummary
from objectspace.models.encoders import load_encoder
from objectspace.models.encoders.encoder_maps import load_encoder_map
from objectspace.objects.annotations import open_annotations
from objectspace.objects.labels import read_names
from objectspace.pipeline.job import Job


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("real", type=Path)
    parser.add_argument("--photos", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    real = arguments.real
    photos = find_images([real / "photos" / "coco128"])[: arguments.photos]
    labels = open_annotations(
        real / "photos" / "coco128" / "labels", names=read_names(real / "weights" / "coco.names")
    )
    weights = real / "weights" / "resnet50-imagenet.pth"
    jobs = {
        "crop": Job(encoder=load_encoder("resnet50", weights=weights), annotations=labels),
        "map": Job(
            encoder_map=load_encoder_map("resnet50", weights=weights), annotations=labels, pools=("mask",)
        ),
    }
    best: dict[str, IndexSummary] = {}
    for _ in range(arguments.rounds):
        for name, job in jobs.items():
            with tempfile.TemporaryDirectory() as folder:
                report = index(photos, Path(folder) / "s.osp", job)
            if name not in best or report.seconds < best[name].seconds:
                best[name] = report
    ratio = best["map"].seconds / best["crop"].seconds
    a_photo = best["crop"].objects / best["crop"].photos
    figures = {
        "figure": "time of the map route / time of the crop route",
        "value": round(ratio, 3),
        "objects_a_photo": round(a_photo, 2),
        "as_fast_at_objects_a_photo": round(ratio * a_photo, 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
