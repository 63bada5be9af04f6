"""The whole job on a world that is drawn: pictures, objects by both routes, sheets. Nothing is fetched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from objectspace.embeddings.encoders import Encoder, load_encoder
from objectspace.errors import InputError
from objectspace.figures.sheet import draw_space
from objectspace.figures.style import write_figure
from objectspace.flow import index
from objectspace.images import find_photos
from objectspace.jobs import Job
from objectspace.objects.detectors import Detector, load_detector
from objectspace.scenes.world_files import ANNOTATIONS, PICTURES, write_world
from objectspace.store import Store, open_store

WORLD, STORE = "world", "world.osp"
COUNT, SEED = 400, 7

Told = Callable[[str, int], None]  # stage and how many pictures of it were finished since


@dataclass(frozen=True, slots=True)
class Demo:
    """What a demo made: the folder of pictures, the store, and a sheet for each of its spaces."""

    world: Path
    store: Path
    sheets: dict[str, Path]


def make_demo(
    out: Path,
    *,
    count: int = COUNT,
    detector: Detector | None = None,
    encoder: Encoder | None = None,
    told: Told = lambda stage, pictures: None,
) -> Demo:
    """Draw a world into ``out``, index it by both routes with the shipped models, draw a sheet of each space.

    What an earlier demo in the same folder has finished is kept. Raises InputError for a folder that holds
    something else.
    """
    world, store = out / WORLD, out / STORE
    if out.exists() and not (world / ANNOTATIONS).is_file() and any(out.iterdir()):
        raise InputError(f"{out} holds something that is no demo; give a new folder with --out")
    if not (world / ANNOTATIONS).is_file():
        write_world(world, count=count, seed=SEED, progress=lambda pictures: told("draw", pictures))
    job = Job(
        detector=detector or load_detector("demo"), encoder=encoder or load_encoder("demo"), windows=(3,)
    )
    photos = find_photos([world / PICTURES])
    index(photos, store, job, progress=lambda pictures, objects: told("index", pictures))
    opened = open_store(store)
    return Demo(world, store, {name: _sheet(opened, name, out) for name in job.recipes()})


def _sheet(store: Store, space: str, folder: Path) -> Path:
    """The paper's figure 2 or 5 of one space."""
    path = folder / f"sheet-{space}.png"
    write_figure(draw_space(store, space), path)
    return path
