"""``objectspace erase``: factors taken out of a space."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from objectspace.cli.exits import resumable
from objectspace.cli.options import Json, Seed, StorePath
from objectspace.cli.output import interval_text, print_json, print_table
from objectspace.cli.progress import end_steps, show_steps
from objectspace.errors import counted

SpaceToErase = Annotated[
    str, typer.Option(metavar="SPACE", help="the space to erase from", show_default=False)
]
FitStore = Annotated[
    Path,
    typer.Option(
        "--fit", metavar="STORE", help="varied pictures to learn the factors from", show_default=False
    ),
]
ErasedFactors = Annotated[
    list[str], typer.Option("--factor", metavar="NAME", help="what to erase; repeatable", show_default=False)
]
NewSpace = Annotated[
    str, typer.Option("--space-name", metavar="NAME", help="the new space", show_default=False)
]


def erase(
    store: StorePath,
    space: SpaceToErase,
    fit: FitStore,
    factor: ErasedFactors,
    name: NewSpace,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Erase factors from a space, as learned from varied pictures, into a new space (LEACE).

    Shows probes of each factor before and after, on held-out varied pictures, and the neighbors' purity.
    """
    show_steps("fitting an eraser, and probes before and after", shown=not as_json)
    from objectspace.jobs.erase import erase_space

    factors = tuple(dict.fromkeys(factor))
    with resumable(f"space {name} may be written; the same command goes on"):
        erased = erase_space(store, space, fit=fit, factors=factors, name=name, seed=seed)
    end_steps()
    if as_json:
        print_json(erased.to_json())
        return
    without = f"{', '.join(erased.factors)} ({counted(erased.rank, 'dimension')})"
    typer.echo(f"{name}: {counted(erased.n, 'vector')} without {without}")
    typer.echo(f"  {erased.change:.1%} of their variance is gone")
    if erased.purity is not None:
        before, after = map(interval_text, erased.purity)
        typer.echo(f"  purity at 5: {before} before, {after} after")
    pairs = [
        (factor, f"{kind}, varied", pair)
        for factor, found in erased.probes.items()
        for kind, pair in (("linear", found.linear), ("non-linear", found.nonlinear))
    ]
    pairs += [(factor, "linear, here", pair) for factor, pair in erased.here.items()]
    rows = [[factor, probe, *map(interval_text, pair)] for factor, probe, pair in pairs]
    print_table(["R2 of", "probe", "before", "after"], rows)
