"""Whether neighbors agree in style before orientation, by plain loops over groups of unequal size."""

from __future__ import annotations

import numpy as np
import pytest

from objectspace.analyses.groups import make_groups
from objectspace.analyses.statistics import p_value, permutations
from objectspace.objects.records import Objects, concatenate, make_objects
from objectspace.report.claims import CLAIMS, Column, Evidence, SpaceWithObjects, neighbors
from tests.crop_spaces import make_space

K, PERMUTED = 5, 99


@pytest.fixture(scope="module")
def crops() -> SpaceWithObjects:
    """60 crops of two labels, in photos of one to four, whose vectors hold some of their style and yaw."""
    random = np.random.default_rng(5)
    photo = np.sort(random.integers(24, size=60))
    style = np.array(["red", "blue", "green"], object)[random.choice(3, 60, p=[0.6, 0.3, 0.1])]
    yaw = random.uniform(0, 360, 60)
    parts = [
        make_objects(
            image_id=f"{photo[row]:032x}",
            xyxy=np.array([[row, 0, row + 10, 10]], np.float32),
            label=[("cat", "dog")[row % 5 == 0]],
            source="test",
            factors={"style": style[[row]], "yaw": yaw[[row]]},
        )
        for row in range(60)
    ]
    turned = np.deg2rad(yaw)
    vectors = np.column_stack([style == "red", style == "blue", np.cos(turned), np.sin(turned)]).astype(float)
    vectors += 0.8 * random.standard_normal(vectors.shape)
    objects = concatenate(parts)
    return SpaceWithObjects(make_space("test", objects, vectors), objects)


def leads(
    objects: Objects, near: dict[int, np.ndarray], there: dict[int, np.ndarray], rows: np.ndarray
) -> float:
    """The mean gain in style less that in yaw when the objects take the values of these rows."""
    style, yaw = objects.factors["style"][rows], objects.factors["yaw"][rows]
    found = []
    for one in near:
        same, chance = (np.mean(style[among] == style[one]) for among in (near[one], there[one]))
        angle, random = (
            np.mean(np.abs((yaw[among] - yaw[one] + 180) % 360 - 180)) for among in (near[one], there[one])
        )
        found.append((same - chance) / (1 - chance) - (random - angle) / random)
    return float(np.mean(found))


def test_value_and_p_by_plain_loops(crops: SpaceWithObjects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbors, "PERMUTED", PERMUTED)
    # The test of signs is made sure, so the larger p of the two is that of the permutations.
    monkeypatch.setattr(neighbors, "sign_flips", lambda *_, seed: (1.0, np.zeros(10_000)))
    claim = next(one for one in CLAIMS if one.key == "color first")
    evidence = Evidence(crop=crops, orientation=Column("yaw", 360.0), style=Column("style"))
    estimate = claim.estimate(evidence, 3)

    objects, vectors = crops.objects, crops.space.vectors.astype(np.float64)
    label, photo, near, there = objects.label, objects.image_id, {}, {}
    for one in range(len(vectors)):
        there[one] = np.flatnonzero((label == label[one]) & (photo != photo[one]))
        distances = np.linalg.norm(vectors[there[one]] - vectors[one], axis=1)
        near[one] = there[one][distances.argsort()[:K]]
    value = leads(objects, near, there, np.arange(len(vectors)))
    drawn = permutations(make_groups(photo, level=label), PERMUTED, values=objects.factors["yaw"], seed=3)
    null = np.array([leads(objects, near, there, rows) for rows in drawn])

    assert estimate.value == pytest.approx(value)
    assert estimate.p == pytest.approx(p_value(value, null))
