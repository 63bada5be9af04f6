"""``objectspace info``: what a store holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from objectspace.cli.options import Json, StorePath
from objectspace.cli.output import (
    LISTED,
    print_json,
    print_sources,
    print_spaces,
    print_table,
    recall_text,
    shared_text,
)
from objectspace.errors import counted
from objectspace.places import Place

if TYPE_CHECKING:
    from objectspace.analyses.factor_columns import FactorColumn
    from objectspace.analyses.shared_vectors import SharedVectors
    from objectspace.embeddings.spaces import Recipe
    from objectspace.store import Store, StoreInfo

#: Numbers of so few different values may be names: apples 1 to 10.
_FEW_VALUES = 20


def info(store: StorePath, as_json: Json = False) -> None:
    """Show what a store holds: images, objects by label, spaces with their recipes, failures."""
    from objectspace.analyses.factor_columns import describe_column
    from objectspace.store import open_store

    opened = open_store(store)
    held = opened.info()
    shared = _shared_in_windows(opened, held)
    columns = opened.object_columns(opened.factor_names)
    factors = [describe_column(name, column) for name, column in columns.items()]
    if as_json:
        print_json(_info_json(held, shared) | {"factors": [factor.to_json() for factor in factors]})
    else:
        _print_info(store, held, shared, factors)


def _shared_in_windows(store: Store, held: StoreInfo) -> dict[str, SharedVectors]:
    """Return by space of odd windows, which are around a cell, the objects that share theirs; by cells."""
    from objectspace.analyses.shared_vectors import count_shared

    shared = {}
    for space in held.spaces:
        if space.recipe.route == "window" and space.recipe.window and space.recipe.window % 2:
            cells = store.cells(space.name)
            keys = zip(*(cells[name].tolist() for name in ("head", "cell_x", "cell_y")), strict=True)
            of = store.object_columns(["image_id", "label"], space.name)
            shared[space.name] = count_shared(keys, of["image_id"], of["label"])
    return shared


def _info_json(info: StoreInfo, shared: Mapping[str, SharedVectors]) -> dict[str, Any]:
    """Return the document of ``objectspace info --json``; ``shared`` by space, where it was counted."""
    document = info.to_json()
    for space in document["spaces"]:
        counted_there = shared.get(space["name"])
        space["shared_vectors"] = None if counted_there is None else counted_there.to_json()
    return document


def _print_info(
    store: Place, info: StoreInfo, shared: Mapping[str, SharedVectors], factors: Sequence[FactorColumn]
) -> None:
    """Print what a store holds, failures last."""
    typer.echo(f"{store}: {counted(info.images, 'image')}, {counted(info.objects, 'object')}")
    for name, count in list(info.labels.items())[:LISTED]:
        typer.echo(f"  {count:7d}  {name}")
    if len(info.labels) > LISTED:
        more = counted(len(info.labels) - LISTED, "more label")
        typer.echo(f"           and {more} (--json lists all)")
    if factors:
        rows = [[factor.name, factor.kind, factor.values, factor.unknown] for factor in factors]
        print_table(["factor", "kind", "values", "unknown"], rows)
        if few := [one.name for one in factors if one.kind == "linear" and one.values <= _FEW_VALUES]:
            are = f"{', '.join(few)}: numbers, taken as lengths"
            typer.echo(f"{are}; where they are names: measure --factor {few[0]} --categorical")
    if len(info.sources) > 1:
        print_sources(info)
    print_spaces(info)
    if info.spaces and len(info.labels) == 1:
        other = factors[0].name if factors else "NAME"
        typer.echo(f"one label, so that it has no purity; objectspace measure {store} --factor {other}")
    if info.spaces:
        typer.echo("recipes, in short (--json has them whole)")
    for space in info.spaces:
        typer.echo(f"  {space.name}: {space.problem or _recipe_text(space.recipe)}")
        if space.index is not None:
            typer.echo(f"      {'index':13s}  {recall_text(space.index, space.unindexed)}")
        if space.name in shared and shared[space.name].objects:
            typer.echo(f"      {'shared':13s}  {shared_text(shared[space.name])}")
    if info.failures:
        typer.echo(counted(len(info.failures), "failure"))
        for failure in info.failures:
            typer.echo(f"  {failure.path}: {failure.reason}")


def _recipe_text(recipe: Recipe) -> str:
    """Return how vectors were made in a line; of a joint space, its parts."""
    from objectspace.embeddings.joint import joint_parts

    if parts := joint_parts(recipe):
        spaces = [
            f"{part.name} ({', '.join(part.spaces)}; weight {part.weight:g}, {part.missing:g} where missing)"
            for part in parts
        ]
        return " and ".join(spaces)
    told = [recipe.route, recipe.model, recipe.precision]
    if recipe.window is not None:
        told.append(f"{recipe.window} x {recipe.window} cells")
    if recipe.crop is not None and "background" in recipe.crop:
        told.append(f"background {recipe.crop['background']}")
    if recipe.vectors != "float32":
        told.append(f"kept as {recipe.vectors}")
    if recipe.erasure is not None:
        told.append("erased")
    return ", ".join(told)
