"""The world of known factors: pictures drawn from a seed, with the truth about every object in them.

``plan_scene`` decides everything with a random generator of its own for each picture; ``draw_plan`` draws
what was decided and decides nothing. So one picture can be drawn without the others, and again without one of
its objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.arguments import typed
from objectspace.scenes.scene import Scene
from objectspace.scenes.world.backgrounds import BACKGROUNDS, draw_background
from objectspace.scenes.world.kinds import SEAT_HEIGHT, crate, model_of
from objectspace.scenes.world.painting import Wear, paint_sight
from objectspace.scenes.world.solids import Matrix, Model, View, extent, look_at, turn_x, turn_y, turn_z
from objectspace.scenes.world.styles import HAIRS, SKINS, STYLES, Style, plain

KINDS = ("person", "chair", "couch", "potted plant", "cat", "dog", "airplane", "apple")
SIZE = 416  # pixels, both sides of a picture

_FREE_TO_ROLL = ("airplane", "apple")  # any in-plane angle; the others lean by 20 degrees at most
_PAIR_SHARE = 0.4  # of the pictures with room for two: a person on or beside a chair
_SIZES, _PAIR_SIZES = (90, 270), (140, 300)  # pixels: the diameter of an object, of the larger of a pair
_NOTHING = -1  # owner of a pixel that shows no object


@dataclass(frozen=True, slots=True)
class Placed:
    """One thing in a picture; ``kind`` is empty for scenery, which is drawn but is no object.

    ``yaw``, ``angle`` and ``elevation`` in degrees: about the vertical, in the picture (counterclockwise),
    and of the camera above the floor. ``companion``: the number of the person's chair or the chair's
    person, or -1.
    """

    kind: str
    model: Model
    view: View
    wear: Wear
    yaw: float = 0.0
    angle: float = 0.0
    elevation: float = 0.0
    pose: str = "none"
    company: str = "alone"
    companion: int = -1


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of one picture; ``groups`` from far to near, things in one group by their depth."""

    background: str
    background_seed: tuple[int, ...]
    light: Matrix
    groups: tuple[tuple[Placed, ...], ...]

    @property
    def objects(self) -> tuple[Placed, ...]:
        """The objects, in the order in which a scene numbers them."""
        return tuple(placed for group in self.groups for placed in group if placed.kind)


@typed
def draw_scene(seed: int, index: int) -> Scene:
    """Draw picture number ``index`` of the world with this seed; the same two numbers give the same bytes.

    >>> osp.draw_scene(seed=7, index=0)
    Scene(416 x 416 pixels: couch)
    """
    return draw_plan(plan_scene(seed, index))


# Planning


def plan_scene(seed: int, index: int) -> Plan:
    """Decide one picture: one to six objects, whole inside it, boxes overlapping by a quarter at most."""
    random = np.random.default_rng([seed, index])
    light = np.array([random.uniform(-0.7, 0.7), random.uniform(0.3, 0.9), random.uniform(0.5, 1.0)])
    elevation = float(random.uniform(6, 32))
    placed: list[tuple[Matrix, tuple[Placed, ...]]] = []
    wanted = int(random.integers(1, 7))
    if wanted >= 2 and random.random() < _PAIR_SHARE:
        placed += _fitted(_pair(elevation, random), placed, random)
        wanted -= 2
    for _ in range(wanted):
        placed += _fitted(_single(elevation, random), placed, random)
    # What stands lower in the picture stands nearer.
    placed.sort(key=lambda item: float(item[0][3]))
    groups = _numbered([group for _, group in placed])
    background = BACKGROUNDS[random.integers(len(BACKGROUNDS))]
    return Plan(background, (seed, index, 1), light / np.linalg.norm(light), groups)


def _single(elevation: float, random: np.random.Generator) -> tuple[Placed, ...]:
    kind = KINDS[random.integers(len(KINDS))]
    pose = "none"
    if kind == "person":
        pose = ("standing", "sitting")[random.integers(2)]
    return _together([(kind, pose, (0.0, 0.0, 0.0), "alone")], elevation, _roll(kind, random), random)


def _pair(elevation: float, random: np.random.Generator) -> tuple[Placed, ...]:
    """Draw a person on or beside a chair, standing or sitting, all four equally often: pose is no clue."""
    on = random.random() < 0.5
    pose = ("standing", "sitting")[random.integers(2)]
    if on:
        place = (0.0, SEAT_HEIGHT if pose == "standing" else 0.0, 0.0)
    else:
        place = (float(random.choice([-1, 1])) * 0.66, 0.0, 0.05)
    things = [
        ("chair", "none", (0.0, 0.0, 0.0), "under person" if on else "beside person"),
        ("person", pose, place, "on chair" if on else "beside chair"),
    ]
    return _together(things, elevation, _roll("person", random), random)


def _roll(kind: str, random: np.random.Generator) -> float:
    return float(random.uniform(0, 360) if kind in _FREE_TO_ROLL else random.uniform(-20, 20) % 360)


def _together(
    things: Sequence[tuple[str, str, tuple[float, float, float], str]],
    elevation: float,
    angle: float,
    random: np.random.Generator,
) -> tuple[Placed, ...]:
    """Return things (kind, pose, place, company) facing one way, at scale 1 with the origin at pixel 0, 0."""
    yaw = float(random.uniform(0, 360))
    view = View(turn_z(angle) @ turn_x(elevation) @ turn_y(yaw), 1.0, 0.0, 0.0)
    group = []
    for kind, pose, place, company in things:
        name = "sitting person" if pose == "sitting" else kind
        model = model_of(name).moved(place)
        group.append(Placed(kind, model, view, _wear(random), yaw, angle, elevation, pose, company))
        if pose == "sitting" and company != "on chair":
            group.append(Placed("", crate().moved(place), view, Wear(_CARDBOARD)))
    return tuple(group)


_CARDBOARD = Style("cardboard", (176, 142, 104), (176, 142, 104), plain, 0.0)


def _wear(random: np.random.Generator) -> Wear:
    red, green, blue = (float(value) for value in random.uniform(0.88, 1.12, 3))
    style = STYLES[random.integers(len(STYLES))]
    return Wear(
        style, (red, green, blue), SKINS[random.integers(len(SKINS))], HAIRS[random.integers(len(HAIRS))]
    )


def _fitted(
    group: tuple[Placed, ...], others: list[tuple[Matrix, tuple[Placed, ...]]], random: np.random.Generator
) -> list[tuple[Matrix, tuple[Placed, ...]]]:
    """Return the group and its box where it fits and hides little; nothing without such a place.

    Smaller sizes are tried as the picture fills up.
    """
    turn = group[0].view.turn
    bounds = np.array([extent(placed.model, turn) for placed in group])
    left, low = bounds[:, :2].min(axis=0)
    right, high = bounds[:, 2:].max(axis=0)
    diameter = max(placed.model.diameter for placed in group)
    smallest, largest = _PAIR_SIZES if len(group) > 1 else _SIZES
    scale = float(np.exp(random.uniform(np.log(smallest), np.log(largest)))) / diameter
    for attempt in range(48):
        if attempt % 12 == 11:
            scale = max(scale * 0.8, smallest / diameter)
        width, height = (right - left) * scale, (high - low) * scale
        if width > SIZE - 8 or height > SIZE - 8:
            scale *= 0.8
            continue
        x, y = random.uniform(4, SIZE - 4 - width), random.uniform(4, SIZE - 4 - height)
        box = np.array([x, y, x + width, y + height])
        if all(_overlap(box, other) <= 0.25 for other, _ in others):
            view = View(turn, scale, float(x - left * scale), float(y + high * scale))
            return [(box, tuple(replace(placed, view=view) for placed in group))]
    return []


def _overlap(first: Matrix, second: Matrix) -> float:
    """Return the share of the smaller box that the two have in common."""
    shared = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    if (shared <= 0).any():
        return 0.0
    smaller = min(float(np.prod(box[2:] - box[:2])) for box in (first, second))
    return float(np.prod(shared)) / smaller


def _numbered(groups: Sequence[tuple[Placed, ...]]) -> tuple[tuple[Placed, ...], ...]:
    """Return the same groups, each companion named by its number among the objects of the picture."""
    numbered, first = [], 0
    for group in groups:
        members = [placed for placed in group if placed.kind]
        numbers = {id(placed): first + place for place, placed in enumerate(members)}
        partners = (
            {id(members[0]): numbers[id(members[1])], id(members[1]): first} if len(members) == 2 else {}
        )
        numbered.append(tuple(replace(placed, companion=partners.get(id(placed), -1)) for placed in group))
        first += len(members)
    return tuple(numbered)


# Drawing


def draw_plan(plan: Plan, *, without: int | None = None) -> Scene:
    """Draw a plan; ``without``: the number of an object to leave out, everything else as it would be."""
    random = np.random.default_rng(plan.background_seed)
    pixels = draw_background(plan.background, SIZE, plan.light, random)
    owner = np.full((SIZE, SIZE), _NOTHING, np.int16)
    whole = np.zeros(len(plan.objects), np.int64)
    number = 0
    for group in plan.groups:
        depth = np.full((SIZE, SIZE), -np.inf, np.float32)
        for placed in group:
            mine = _NOTHING
            if placed.kind:
                mine, number = number, number + 1
            if without is not None and mine == without:
                continue
            seen = _draw(placed, plan.light, pixels, depth, owner, mine)
            if placed.kind:
                whole[mine] = seen
    return _scene(plan, pixels, owner, whole, without)


def _draw(
    placed: Placed,
    light: Matrix,
    pixels: NDArray[np.uint8],
    depth: NDArray[np.float32],
    owner: NDArray[np.int16],
    number: int,
) -> int:
    """Draw one thing where it is nearer than its group so far; how many pixels it would have alone."""
    sight = look_at(placed.model, placed.view, (SIZE, SIZE))
    window = sight.window
    seen = sight.seen
    nearer = seen & (sight.depth > depth[window])
    colors = paint_sight(placed.model, placed.view, sight, placed.wear, light)
    pixels[window][nearer] = colors[nearer[seen]]
    depth[window][nearer] = sight.depth[nearer]
    owner[window][nearer] = number
    return int(seen.sum())


def _scene(
    plan: Plan,
    pixels: NDArray[np.uint8],
    owner: NDArray[np.int16],
    whole: NDArray[np.int64],
    without: int | None,
) -> Scene:
    kept = [number for number in range(len(whole)) if number != without]
    masks = np.array([owner == number for number in kept]).reshape(len(kept), SIZE, SIZE)
    objects = [plan.objects[number] for number in kept]
    visible = masks.sum(axis=(1, 2)) / np.maximum(whole[kept], 1)
    boxes = np.array([_box(mask) for mask in masks], np.float32).reshape(-1, 4)
    return Scene(
        pixels, tuple(placed.kind for placed in objects), masks, boxes, _factors(plan, objects, visible)
    )


def _box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return (0, 0, 0, 0)
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _factors(plan: Plan, objects: Sequence[Placed], visible: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    centers = np.array([_center(placed) for placed in objects]).reshape(-1, 2)
    return {
        "style": np.array([placed.wear.style.name for placed in objects]),
        "pose": np.array([placed.pose for placed in objects]),
        "yaw": np.array([placed.yaw for placed in objects]),
        "angle": np.array([placed.angle for placed in objects]),
        "elevation": np.array([placed.elevation for placed in objects]),
        "size": np.array([placed.model.diameter * placed.view.scale for placed in objects]),
        "x": centers[:, 0],
        "y": centers[:, 1],
        "visible": visible,
        "company": np.array([placed.company for placed in objects]),
        "companion": np.array([placed.companion for placed in objects]),
        "background": np.array([plan.background for _ in objects]),
    }


def _center(placed: Placed) -> tuple[float, float]:
    """Return where the middle of the model is seen, in pixels."""
    x, y, _ = placed.view.turn @ placed.model.middle
    return placed.view.x + placed.view.scale * x, placed.view.y - placed.view.scale * y
