"""``objectspace project``: spaces as maps, and what each holds of two factors."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from objectspace.cli.options import AllObjects, Cache, FigurePath, Json, Seed, StorePath, most_objects
from objectspace.cli.output import checked_figure, drawn_text, interval_text, print_json, print_table
from objectspace.cli.progress import end_steps, show_steps
from objectspace.errors import QueryError, counted, number_text

if TYPE_CHECKING:
    from objectspace.analyses.projection import Projection
    from objectspace.store import Store


class Method(StrEnum):
    """How a space becomes a map."""

    pca = "pca"
    tsne = "tsne"


ProjectedSpaces = Annotated[
    list[str] | None,
    typer.Option(
        "--space",
        metavar="SPACE",
        help="a space; repeatable, drawn side by side",
        show_default="every window, or every space",
    ),
]
MethodOption = Annotated[Method, typer.Option(help="principal components, or t-SNE")]
Red = Annotated[str, typer.Option(metavar="FACTOR", help="the factor shown as red")]
Blue = Annotated[str, typer.Option(metavar="FACTOR", help="the factor shown as blue")]


def project(
    store: StorePath,
    space: ProjectedSpaces = None,
    method: MethodOption = Method.pca,
    red: Red = "x1",
    blue: Blue = "y1",
    figure: FigurePath = None,
    all_objects: AllObjects = False,
    seed: Seed = 0,
    cache: Cache = None,
    as_json: Json = False,
) -> None:
    """Map spaces to their first components, and show what each holds of two factors (figure 7).

    For windows also the phase: the position of the box's center in its window. R2 is on held-out photos.
    """
    show_steps(f"opening {store}", shown=not as_json)
    from objectspace.store import open_store

    checked_figure(figure)
    opened = open_store(store, cache=cache)
    windows = [name for name in opened.space_names if opened.recipe(name).route == "window"]
    names = space or windows or opened.space_names
    if not names:
        raise QueryError(f"no space in {opened.path} yet; index photos first")
    most = most_objects(all_objects)
    found = []
    for name in names:
        show_steps(f"{name}: components, and R2 of {red} and {blue}", shown=not as_json)
        found.append(_projected(opened, name, method, (red, blue), most, seed))
    end_steps()
    if as_json:
        documents = [one.to_json() for one in found]
        print_json(documents[0] if len(documents) == 1 else documents)
    else:
        for one in found:
            _print_projection(one)
    if figure is not None:
        from objectspace.figures.projection import draw_projection
        from objectspace.figures.style import write_figure

        write_figure(draw_projection(found, red=red, blue=blue), figure)


def _projected(
    store: Store, name: str, method: Method, factors: tuple[str, str], most: int | None, seed: int
) -> Projection:
    from objectspace.analyses.grid_positions import grid_positions, numeric_factor
    from objectspace.analyses.projection import project

    space = store.stored_space(name).to_space()
    objects = space.objects
    positions = None
    if space.recipe.route == "window":
        positions = grid_positions(space, objects, store.cells(name), store.image_wh())
    values = {factor: numeric_factor(objects, positions, factor) for factor in factors}
    return project(space, objects, values, positions=positions, method=method.value, most=most, seed=seed)


def _print_projection(one: Projection) -> None:
    typer.echo(f"{one.space}: {counted(len(one.coordinates), 'object')}, {one.method}")
    if one.shares is not None:
        shares = (one.shares.phase, one.shares.place, one.shares.both)
        parts = "phase {:z.0%}, place {:z.0%}, both {:z.0%}".format(*shares)
        typer.echo(f"  of the variance: {parts}")
    header = ["R2 of", *(f"first {count}" for count in _counts(one)), "component 1", "component 2"]
    rows = [
        [
            name,
            *map(interval_text, reading.first.values()),
            *map(number_text, reading.components[:2]),
        ]
        for name, reading in one.readings.items()
    ]
    print_table(header, rows)
    if text := drawn_text("R2 is", len(one.rows), len(one.coordinates), "photos"):
        typer.echo(f"  {text}")


def _counts(one: Projection) -> list[int]:
    return list(next(iter(one.readings.values())).first)
