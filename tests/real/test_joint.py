"""Both routes together on real photos: purer neighbors than either alone, each similarity split exactly."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.commands import objectspace

pytestmark = [pytest.mark.real, pytest.mark.slow]


def purity(store: Path, space: str) -> float:
    value: float = objectspace("measure", store, "--space", space, "--factor", "label", "-k", "5")[
        "neighbors"
    ]["value"]
    print(f"{space}: purity at 5 {value:.3f}")
    return value


def test_both_routes_together_are_purer_than_the_crops(coco: Path) -> None:
    assert purity(coco, "both") >= 0.44
    assert purity(coco, "resnet50-crop") < 0.36


def test_swapped_labels_are_found_in_the_first_tenth(coco: Path) -> None:
    """Of 5 % swapped evenly k-NN alone finds .46, ranks of k-NN and logistic regression .61."""
    kinds = objectspace("audit", coco, "--space", "both", "--only", "labels")["labels"]["calibration"][
        "kinds"
    ]
    found = {one["kind"]: one["first"]["0.1"]["value"] for one in kinds}
    print(f"found in the first tenth: {found}")
    assert found["uniform"] > 0.61
