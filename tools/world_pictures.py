"""The pictures of the world that the docs show.

    python tools/world_pictures.py docs/pictures

``world.jpg``: twelve pictures of seed 0; ``kinds.jpg``: each kind in every style, a little further turned in
each column.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from objectspace.scenes.world import KINDS, draw_scene
from objectspace.scenes.world.kinds import model_of
from objectspace.scenes.world.painting import Wear, paint_sight
from objectspace.scenes.world.solids import View, extent, look_at, turn_x, turn_y
from objectspace.scenes.world.styles import STYLES

Pixels = NDArray[np.uint8]
TILE = 120  # pixels
LIGHT = np.array([-0.4, 0.65, 0.65]) / np.linalg.norm([-0.4, 0.65, 0.65])


def portrait(kind: str, wear: Wear, yaw: float) -> Pixels:
    """One object alone on light gray, as large as the tile allows."""
    model = model_of(kind)
    turn = turn_x(16) @ turn_y(yaw)
    left, low, right, high = extent(model, turn)
    scale = 0.94 * TILE / max(right - left, high - low)
    view = View(turn, scale, TILE / 2 - scale * (left + right) / 2, TILE / 2 + scale * (low + high) / 2)
    pixels = np.full((TILE, TILE, 3), 236, np.uint8)
    sight = look_at(model, view, (TILE, TILE))
    pixels[sight.window][sight.seen] = paint_sight(model, view, sight, wear, LIGHT)
    return pixels


def kinds() -> Pixels:
    """A row for each kind, a column for each of six styles, 60 degrees further in each."""
    rows = []
    for kind in KINDS:
        tiles = [portrait(kind, Wear(style), 20 + 60 * turn) for turn, style in enumerate(STYLES)]
        rows.append(np.concatenate(tiles, axis=1))
    return np.concatenate(rows)


def pictures() -> Pixels:
    """Twelve pictures at half their size."""
    scenes = [draw_scene(0, index).pixels for index in range(12)]
    halves = [np.asarray(PIL.Image.fromarray(pixels).reduce(2)) for pixels in scenes]
    return np.concatenate([np.concatenate(halves[row : row + 4], axis=1) for row in (0, 4, 8)])


def main() -> None:
    """Write both pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for name, pixels in (("world", pictures()), ("kinds", kinds())):
        PIL.Image.fromarray(pixels).save(folder / f"{name}.jpg", quality=88, subsampling=0)


if __name__ == "__main__":
    main()
