"""What the world says of its pictures is what they show."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from objectspace.scenes.world import KINDS, SIZE, Plan, Scene, draw_plan, draw_scene, plan_scene
from objectspace.scenes.world.backgrounds import BACKGROUNDS
from objectspace.scenes.world.solids import turn_x, turn_y, turn_z
from objectspace.scenes.world.styles import STYLES

SEED = 11


@pytest.fixture(scope="module")
def plans() -> list[Plan]:
    return [plan_scene(SEED, index) for index in range(900)]


@functools.cache
def drawn(index: int) -> Scene:
    """The picture of a plan of this seed, drawn once for all tests."""
    return draw_scene(SEED, index)


def turned(plan: Plan, number: int, yaw: float = 0.0, angle: float = 0.0) -> Plan:
    """The same plan with one object turned."""
    chosen = plan.objects[number]
    turn = turn_z(chosen.angle + angle) @ turn_x(chosen.elevation) @ turn_y(chosen.yaw + yaw)
    moved = replace(chosen, view=replace(chosen.view, turn=turn))
    groups = tuple(tuple(moved if p is chosen else p for p in group) for group in plan.groups)
    return replace(plan, groups=groups)


@pytest.mark.parametrize("index", range(12))
def test_the_mask_is_the_pixels_that_change_when_the_object_is_left_out(index: int) -> None:
    plan, scene = plan_scene(SEED, index), drawn(index)

    for number in range(len(scene.kinds)):
        left_out = draw_plan(plan, without=number)
        changed = (scene.pixels != left_out.pixels).any(axis=2)
        assert np.array_equal(changed, scene.masks[number])


@pytest.mark.parametrize("index", range(12))
def test_the_box_is_the_masks(index: int) -> None:
    scene = drawn(index)

    for mask, box in zip(scene.masks, scene.xyxy, strict=True):
        rows, columns = np.nonzero(mask)
        assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_visible_is_the_share_of_the_object_that_nothing_hides() -> None:
    shares = []
    for index in range(20):
        plan, scene = plan_scene(SEED, index), drawn(index)
        for number, chosen in enumerate(plan.objects):
            alone = draw_plan(replace(plan, groups=((chosen,),), background="plain"))
            shares.append(scene.masks[number].sum() / alone.masks[0].sum())
            assert scene.factors["visible"][number] == pytest.approx(shares[-1])
    assert min(shares) < 0.9  # some are hidden in part


def test_turning_by_360_degrees_gives_the_same_picture() -> None:
    plan = plan_scene(SEED, 3)

    for yaw, angle in ((360.0, 0.0), (0.0, 360.0)):
        again = draw_plan(turned(plan, 0, yaw, angle))
        assert np.array_equal(again.pixels, drawn(3).pixels)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("yaw", "angle"), [(45, 0), (180, 0), (0, 45), (0, 180)])
def test_every_kind_looks_another_way_when_it_turns(kind: str, yaw: float, angle: float, plans) -> None:
    plan = next(plan for plan in plans if plan.objects and plan.objects[0].kind == kind)
    alone = replace(plan, groups=((plan.objects[0],),), background="plain")

    before, after = draw_plan(alone), draw_plan(turned(alone, 0, yaw, angle))

    changed = (before.pixels != after.pixels).any(axis=2)
    assert changed.sum() > 0.2 * before.masks[0].sum()


def test_the_same_seed_draws_the_same_bytes_in_another_process() -> None:
    code = (
        "import hashlib; from objectspace.scenes.world import draw_scene; "
        f"print(hashlib.sha256(draw_scene({SEED}, 5).pixels.tobytes()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    import hashlib

    assert other.stdout.strip() == hashlib.sha256(draw_scene(SEED, 5).pixels.tobytes()).hexdigest()


def test_other_seeds_and_numbers_draw_other_pictures() -> None:
    first = drawn(0).pixels

    assert not np.array_equal(first, drawn(1).pixels)
    assert not np.array_equal(first, draw_scene(SEED + 1, 0).pixels)


def test_one_to_six_objects_whole_inside_the_picture(plans) -> None:
    assert {len(plan.objects) for plan in plans} == set(range(1, 7))
    for index in range(60):
        scene = drawn(index)
        assert scene.pixels.shape == (SIZE, SIZE, 3)
        assert scene.masks.any(axis=(1, 2)).all()
        assert scene.xyxy.min() > 0
        assert scene.xyxy.max() < SIZE


def test_every_kind_wears_every_style(plans) -> None:
    worn = {(placed.kind, placed.wear.style.name) for plan in plans for placed in plan.objects}

    assert len(STYLES) >= 4
    assert worn == {(kind, style.name) for kind in KINDS for style in STYLES}


def test_every_background_is_drawn(plans) -> None:
    counts = Counter(plan.background for plan in plans)

    assert set(counts) == set(BACKGROUNDS)
    assert min(counts.values()) > 0.2 * len(plans)


def test_people_on_and_beside_chairs_are_equally_many_and_their_pose_tells_nothing(plans) -> None:
    counts = Counter(
        (placed.company, placed.pose)
        for plan in plans
        for placed in plan.objects
        if placed.kind == "person" and placed.company != "alone"
    )

    assert len(counts) == 4
    total = sum(counts.values())
    # Four equally likely cells: each within four standard deviations of a quarter.
    assert max(abs(count - total / 4) for count in counts.values()) < 4 * (total * 3 / 16) ** 0.5


def test_companions_name_each_other(plans) -> None:
    pairs = 0
    for plan in plans:
        for number, placed in enumerate(plan.objects):
            if placed.companion < 0:
                assert placed.company == "alone"
                continue
            other = plan.objects[placed.companion]
            assert other.companion == number
            assert {placed.kind, other.kind} == {"person", "chair"}
            assert placed.company.split()[0] in ("on", "under", "beside")
            pairs += 1
    assert pairs > 100


def test_someone_on_a_chair_touches_it_and_someone_beside_does_not(plans) -> None:
    for plan in plans[:400]:
        for placed in plan.objects:
            if placed.kind != "person" or placed.companion < 0:
                continue
            chair = plan.objects[placed.companion]
            aside = abs(float((placed.model.middle - chair.model.middle)[0]))
            assert (aside < 0.05) == (placed.company == "on chair")


def test_factors_have_a_value_for_each_object_and_the_ranges_that_are_promised() -> None:
    for index in range(40):
        scene = drawn(index)
        factors = scene.factors
        assert {len(column) for column in factors.values()} <= {len(scene.kinds)}
        for name in ("yaw", "angle"):
            assert ((factors[name] >= 0) & (factors[name] < 360)).all()
        assert ((factors["visible"] > 0) & (factors["visible"] <= 1)).all()
        middle = (scene.xyxy[:, :2] + scene.xyxy[:, 2:]) / 2
        whole = factors["visible"] > 0.99
        offset = np.hypot(factors["x"] - middle[:, 0], factors["y"] - middle[:, 1])
        assert (offset[whole] < 0.3 * factors["size"][whole]).all()
