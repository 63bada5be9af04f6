"""What crops and windows hold of the direction from which an apple was seen: docs/paper.md's table.

python tools/apples_study.py ../shared/real FOLDER

The store is kept in FOLDER; a run that was stopped goes on where it was.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.factors import FactorSpec, align
from objectspace.analyses.statistics import Estimate, bootstrap, ratio
from objectspace.embeddings.spaces import Space
from objectspace.images import find_images
from objectspace.jobs.index import index
from objectspace.models.detectors import load_detector
from objectspace.models.encoders import load_encoder
from objectspace.objects.annotations.image_factors import factors_from_pattern
from objectspace.objects.annotations.mask_images import open_mask_images
from objectspace.objects.records import Objects
from objectspace.pipeline.job import Job
from objectspace.store import open_store

NAMES = r"apple(?P<apple>\d+)-(?P<elevation>\d+)-(?P<azimuth>\d+)"

K = 5
AZIMUTH: dict[str, Any] = {"factor": "azimuth", "circular": 360.0}
QUESTIONS = {
    "which apple, purity at 5": FactorSpec("apple", categorical=True),
    "azimuth of one apple, degrees": FactorSpec(**AZIMUTH, control="apple"),
    "azimuth between apples, degrees": FactorSpec(**AZIMUTH, group="apple", control="elevation"),
    "elevation between apples, degrees": FactorSpec("elevation", group="apple"),
}


def main(real: Path, folder: Path) -> None:
    """Index the apples by each route, then print a line for each space and question."""
    folder.mkdir(parents=True, exist_ok=True)
    photos, weights = find_images([real / "apples" / "photos"]), real / "weights"
    masks = open_mask_images(real / "apples" / "masks", pattern="{stem}-map.png", label="apple")
    given: Any = {"annotations": masks, "factors": factors_from_pattern(NAMES, photos)}
    tiny = load_detector("yolov3-tiny", weights=weights / "yolov3-tiny.weights", precision="bfloat16")
    resnet = load_encoder("resnet50", weights=weights / "resnet50-imagenet.pth", precision="bfloat16")
    light = load_encoder("efficientnet-lite0", precision="bfloat16")
    jobs = [
        Job(detector=tiny, pools=("window1", "window3"), scale="deepest", **given),
        Job(encoder=light, pools=(), **given),
        Job(encoder=resnet, pools=(), **given),
    ]
    for job in jobs:
        print(index(photos, folder / "apples.osp", job), file=sys.stderr)
    store = open_store(folder / "apples.osp")
    print(
        "| space | question | value | chance | 95 % interval | p |\n| --- | --- | ---: | ---: | ---: | ---: |"
    )
    for name in (one.name for one in store.info().spaces):
        space = store.space(name)
        objects = store.objects(space.object_id)
        for question, spec in QUESTIONS.items():
            sample = align(space, objects, spec)
            _print(name, question, sample.agreement(sample.neighbors(K)).overall)
            geometry = sample.geometry() if spec.circular else None
            if geometry is not None:
                _print(name, f"{question}: the opposite view is farthest", geometry.opposite)
        print_arc(space, objects)


def _print(name: str, question: str, one: Estimate) -> None:
    interval = f"{one.low:.3g} to {one.high:.3g}"
    print(
        f"| {name} | {question} | {one.value:.3g} | {one.chance:.3g} | {interval} | {one.p:.3f} |", flush=True
    )


def print_arc(space: Space, objects: Objects) -> None:
    """Print how much of an unseen apple's way from above to the side a line, an arc, any curve predicts.

    The means of each apple's views at an elevation, less the mean of these means, are predicted from the
    other apples: by their regression on the elevation, on its cosine and sine, or by their own means there.
    An arc of a circle has a cosine's and a sine's vector of one length and at right angles.
    """
    apple = np.asarray(objects.factors["apple"], np.float64)
    elevation = np.asarray(objects.factors["elevation"], np.float64)
    apples, levels = np.unique(apple), np.unique(elevation)
    means = np.stack(
        [[space.vectors[(apple == a) & (elevation == e)].mean(0) for e in levels] for a in apples]
    ).astype(np.float64)
    means -= means.mean(1, keepdims=True)
    angle = np.radians(levels)
    bases = {"line": angle[:, None], "arc": np.stack([np.cos(angle), np.sin(angle)], axis=1)}
    hats = {name: _projector(basis) for name, basis in bases.items()} | {"any curve": np.eye(len(levels))}
    spread = (means**2).sum((1, 2))
    errors = np.stack([_errors(means, hat) for hat in hats.values()], axis=1)

    def shares(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        predicted = 1 - ratio(sums[:-1], sums[-1:])
        return np.concatenate([predicted, predicted[1:2] - predicted[:1]])

    columns = np.concatenate([errors, spread[:, None]], axis=1)
    intervals = bootstrap(columns, np.arange(len(apples)), shares)
    values = shares(columns.sum(0)[:, None])[:, 0]
    names = [*hats, "arc more than line"]
    for name, value, (low, high) in zip(names, values, intervals, strict=True):
        print(f"| {space.name} | elevation: {name}, R2 | {value:.3f} | 0 | {low:.3f} to {high:.3f} | |")
    basis = bases["arc"] - bases["arc"].mean(0)
    cosine, sine = np.linalg.lstsq(basis, means.mean(0), rcond=None)[0]
    lengths = np.linalg.norm(sine) / np.linalg.norm(cosine)
    between = np.degrees(np.arccos(cosine @ sine / np.linalg.norm(cosine) / np.linalg.norm(sine)))
    circle = f"sine's length / cosine's, and their angle | {lengths:.2f}, {between:.0f} | 1, 90"
    print(f"| {space.name} | elevation: {circle} | | |")


def _projector(basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix (l, l) of the regression on a centered basis (l, b)."""
    centered = basis - basis.mean(0)
    hat: NDArray[np.float64] = centered @ np.linalg.pinv(centered)
    return hat


def _errors(means: NDArray[np.float64], hat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the squared error (a,) of each apple's means (l, d), predicted from those of the others."""
    others = (means.sum(0) - means) / (len(means) - 1)
    errors: NDArray[np.float64] = ((means - hat @ others) ** 2).sum((1, 2))
    return errors


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
