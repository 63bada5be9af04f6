"""``objectspace join``: several spaces read as one."""

from __future__ import annotations

from typing import Annotated

import typer

from objectspace.cli.exits import usage_error
from objectspace.cli.options import Json, StorePath
from objectspace.cli.output import print_json
from objectspace.cli.progress import end_steps, show_steps

JoinedParts = Annotated[
    list[str],
    typer.Argument(
        metavar="PART...",
        help="spaces; of windows at several strides the beginning of their names, such as yolov3-window3",
        show_default=False,
    ),
]
JointName = Annotated[
    str, typer.Option("--space-name", metavar="NAME", help="the joint space", show_default=False)
]
Weights = Annotated[
    list[str] | None,
    typer.Option("--weight", metavar="PART=NUMBER", help="a part's weight, 1 by default; repeatable"),
]


def join(
    store: StorePath,
    parts: JoinedParts,
    name: JointName,
    weight: Weights = None,
    as_json: Json = False,
) -> None:
    """Read several spaces as one: each part of unit length, cosines added; nothing is copied.

    Two objects that have no vectors in one space of a part are counted at that part's mean between photos.
    """
    show_steps(f"joining spaces of {store}", shown=not as_json)
    from objectspace.embeddings.joint import joint_parts
    from objectspace.jobs.join import join_spaces

    recipe = join_spaces(store, parts, name=name, weights=_weights(weight or []))
    end_steps()
    if as_json:
        print_json({"space": name, "recipe": recipe.to_json()})
        return
    typer.echo(f"{store}: joint space {name}")
    for part in joint_parts(recipe):
        spaces = ", ".join(part.spaces)
        typer.echo(f"  {part.name}: {spaces}; weight {part.weight:g}, {part.missing:g} where it is missing")


def _weights(given: list[str]) -> dict[str, float]:
    """Return the weights of --weight PART=NUMBER; anything else is wrong usage."""
    weights = {}
    for text in given:
        part, _, number = text.partition("=")
        try:
            weights[part] = float(number)
        except ValueError:
            usage_error(f"--weight {text}: expected PART=NUMBER, such as resnet50-crop=2")
    return weights
