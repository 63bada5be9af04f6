"""The demo: the whole flow on the drawn world (both routes, sheets, report). Nothing is fetched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from objectspace.errors import InputError
from objectspace.figures.sheet import draw_space
from objectspace.figures.style import write_figure
from objectspace.files import names_in
from objectspace.images import find_images
from objectspace.jobs.index import index
from objectspace.models.detectors import load_detector
from objectspace.models.encoders import load_encoder
from objectspace.pipeline.job import Job
from objectspace.pipeline.specs import AnnotationSpec
from objectspace.report.html_report import Report, write_report
from objectspace.scenes.world.world_files import ANNOTATIONS, PICTURES, write_world
from objectspace.store import Store, open_store

WORLD, FOUND, TRUE, REPORT = "world", "found.osp", "true.osp", "report"
COUNT, SEED = 400, 7
QUICK_COUNT = 60  # drawn, found and looked up in half a minute on two cores

Progress = Callable[[str, int], None]  # stage, and how many of its pictures were finished since


@dataclass(frozen=True, slots=True)
class Demo:
    """The results of a demo.

    world: the folder of pictures; found: the store of the detected objects, with a sheet for each of its
    spaces; true: the store of the drawn objects, with their masks and factors; report: on these, or None
    """

    world: Path
    found: Path
    true: Path
    sheets: dict[str, Path]
    report: Report | None


def make_demo(
    out: Path,
    *,
    count: int = COUNT,
    quick: bool = False,
    progress: Progress = lambda stage, pictures: None,
) -> Demo:
    """Draw a world into ``out``, index it twice by both routes with the shipped models, and report on it.

    The objects are once those that the detector finds, once those that were drawn. The finished parts of an
    earlier demo in the same folder are kept. A quick one draws one sheet, of the default space, and writes
    no report. Raises InputError for a folder that holds something else, or a demo of another number of
    pictures, and for one that cannot be written.
    """
    world = out / WORLD
    held = names_in(out)
    if held and (world / ANNOTATIONS).is_file():
        _check_count(out, len(names_in(world / PICTURES)), count)
    else:
        if held:
            raise InputError(f"{out} holds something that is no demo; give a new folder as out=")
        write_world(world, count=count, seed=SEED, progress=lambda pictures: progress("draw", pictures))
    photos = find_images([world / PICTURES])
    finding = Job(detector=load_detector("demo"), encoder=load_encoder("demo"))
    # As in the paper, windows of the drawn objects are cut from the deepest map: one space holds them all.
    labels = AnnotationSpec(world / ANNOTATIONS, "coco")
    drawn = replace(finding, annotations=labels, scale="deepest")
    for stage, job, store in (("find", finding, out / FOUND), ("look up", drawn, out / TRUE)):
        index(photos, store, job, progress=_of_stage(progress, stage))
    found = open_store(out / FOUND)
    shown = [name for name in found.space_names if not quick or name == found.default_space]
    sheets = {name: _sheet(found, name, out) for name in shown}
    report = None if quick else write_report(open_store(out / TRUE), out / REPORT)
    return Demo(world, out / FOUND, out / TRUE, sheets, report)


def _check_count(out: Path, pictures: int, count: int) -> None:
    """Raise InputError for a demo of another number of pictures."""
    if pictures != count:
        raise InputError(
            f"{out} holds a demo of {pictures} pictures, expected {count}; give a new folder as out="
        )


def _of_stage(progress: Progress, stage: str) -> Callable[[int, int], None]:
    return lambda pictures, objects: progress(stage, pictures)


def _sheet(store: Store, space: str, folder: Path) -> Path:
    """Draw the paper's figure 2 or 5 of one space."""
    path = folder / f"sheet-{space}.png"
    write_figure(draw_space(store, space), path)
    return path
