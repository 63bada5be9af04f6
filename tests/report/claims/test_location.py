"""Claims about moved objects, whose maps were built so that the answer is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from objectspace.analyses import probes
from objectspace.analyses.factor_values import Factor
from objectspace.analyses.groups import make_groups
from objectspace.analyses.projection import Projection
from objectspace.report.claims import Evidence, Finding, MovedObject, location, weigh_claims
from objectspace.report.claims.sign_flips import sign_flips


@pytest.fixture(autouse=True)
def fewer_permutations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer permutations: the least p, 1 in 200, is below .05 also when corrected for three claims."""
    monkeypatch.setattr(location, "PERMUTED", 199)


def moved(seed: int, *, place: float = 0.0, phase: float = 0.0, noise: float = 1.0) -> MovedObject:
    """An object at 49 places, whose maps are its place and its phase with these weights, and noise."""
    random = np.random.default_rng(seed)
    at, within = random.uniform(0, 300, (49, 2)), random.uniform(-0.5, 0.5, (49, 2))
    factors = dict(zip(("x1", "y1", "phase_x", "phase_y"), (*at.T, *within.T), strict=True))
    points = place * at / 300 + phase * within + noise * random.normal(size=(49, 2))
    pca, tsne = (
        Projection("test", method, points, np.empty(0), None, factors, {}, None, np.arange(len(points)))
        for method in ("pca", "tsne")
    )
    return MovedObject("spoon", pca, tsne)


def found(objects: list[MovedObject]) -> dict[str, Finding]:
    return {finding.key: finding for finding in weigh_claims(Evidence(moved=objects))}


def test_maps_that_are_the_place() -> None:
    told = found([moved(seed, place=1, noise=0.02) for seed in range(11)])

    assert {told[key].verdict for key in ("location", "place, not phase", "t-SNE")} == {"holds"}
    assert told["location"].estimate.groups == 11


def test_a_trace_of_the_place_is_above_chance_and_does_not_hold() -> None:
    told = found([moved(seed, place=1, noise=0.4) for seed in range(11)])

    assert told["location"].verdict == told["t-SNE"].verdict == "better than chance"


def test_maps_that_are_the_phase() -> None:
    told = found([moved(seed, phase=1, noise=0.02) for seed in range(11)])

    assert told["place, not phase"].verdict == "does not hold"
    assert told["location"].verdict == told["t-SNE"].verdict == "not shown here"


def test_r2_is_that_of_the_probe_and_the_mean_over_objects_of_unlike_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probes, "FEW_BLOCKS", 2)  # of the interval, which is not compared
    objects = [moved(seed, place=0.5 * seed, noise=0.5) for seed in range(3)]
    scores = []
    for one in objects:
        groups = make_groups(np.arange(49))
        points = one.pca.coordinates.astype(np.float32)
        for name in ("x1", "y1"):
            factor = Factor(name, "linear", one.pca.factors[name])
            probe = probes.measure_probe(points, factor, groups, permuted=9)
            scores.append(probe.score.value)

    assert found(objects)["location"].estimate.value == pytest.approx(np.mean(scores))


def test_neighbors_in_the_map_by_a_plain_loop() -> None:
    objects = [moved(seed, place=0.3 * seed) for seed in range(2)]
    shares = []
    for one in objects:
        points = one.tsne.coordinates.astype(np.float32)
        for name in ("x1", "y1"):
            values, near, every = one.tsne.factors[name], [], []
            for row in range(49):
                others = np.delete(np.arange(49), row)
                order = others[np.linalg.norm(points[others] - points[row], axis=1).argsort()[:5]]
                near.append(np.abs(values[order] - values[row]).mean())
                every.append(np.abs(values[others] - values[row]).mean())
            shares.append(np.mean(near) / np.mean(every))

    assert found(objects)["t-SNE"].estimate.value == pytest.approx(np.mean(shares))


def test_signs_of_whole_groups_by_all_their_flips() -> None:
    differences, group = np.array([1.0, 2.0, -0.5, 4.0]), np.array([0, 1, 0, 2])

    observed, flipped = sign_flips(differences, group)

    every = {sum(signs) for signs in itertools.product((0.5, -0.5), (2, -2), (4, -4))}
    assert observed == 6.5
    assert set(flipped.tolist()) == every
