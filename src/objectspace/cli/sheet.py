"""``objectspace sheet``: targets and their nearest neighbors, drawn as a grid."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from objectspace.cli.exits import usage_error
from objectspace.cli.options import (
    Cache,
    Device,
    ExcludeSame,
    Json,
    Metric,
    MetricOption,
    NeighborLabel,
    Neighbors,
    SameImage,
    SelectionName,
    Source,
    Space,
    StorePath,
    check_exclusion,
)
from objectspace.cli.output import checked_figure, print_json, write_sheet
from objectspace.cli.progress import end_steps, show_steps
from objectspace.errors import counted

if TYPE_CHECKING:
    from objectspace.analyses.explanation import Explanation
    from objectspace.search import SpaceSearch

Out = Annotated[
    Path, typer.Option(metavar="FILE", help="the picture: .png, .pdf or .svg", show_default=False)
]
Rows = Annotated[int, typer.Option(help="how many targets", min=1)]
Label = Annotated[str | None, typer.Option("--label", help="only targets of this label")]
Explain = Annotated[
    bool, typer.Option("--explain", help="draw over each picture which cells join target and neighbor")
]


def sheet(
    store: StorePath,
    out: Out,
    space: Space = None,
    rows: Rows = 12,
    k: Neighbors = 5,
    label: Label = None,
    neighbor_label: NeighborLabel = None,
    source: Source = None,
    metric: MetricOption = Metric.cosine,
    same_image: SameImage = False,
    exclude_same: ExcludeSame = None,
    selection: SelectionName = None,
    explain: Explain = False,
    device: Device = None,
    cache: Cache = None,
    as_json: Json = False,
) -> None:
    """Draw targets and their nearest neighbors of other photos as a grid: the paper's figures 2 and 5."""
    show_steps(f"finding neighbors in {store}", shown=not as_json)
    from objectspace.search import ONE_QUESTION, SpaceSearch, choose_targets, default_space
    from objectspace.store import open_store

    if label is not None and selection is not None:
        usage_error("give --label or --selection, one of them")
    check_exclusion(same_image, exclude_same)
    checked_figure(out)
    opened = open_store(store, cache=cache)
    chosen_space = space or default_space(opened)
    ready = SpaceSearch(opened, chosen_space, metric=metric.value, in_memory=ONE_QUESTION)
    if label is not None:
        ready.objects.labeled(label)  # raises for an unknown label, with a guess
    if selection is None:
        chosen = choose_targets(ready, rows, label=label, source=source)
    else:
        chosen = _chosen(ready, selection, rows)
    answers = ready.nearest(
        ready.stored(chosen),
        k=k,
        label=neighbor_label,
        source=source,
        same_image=same_image,
        exclude_same=exclude_same,
    )
    why: list[tuple[Explanation, ...]] = []
    if explain:
        from objectspace.search.queries.explanations import explain_neighbors

        why = explain_neighbors(ready, answers, device=device or "cpu")
    write_sheet(opened, answers, out, why)
    end_steps()
    if as_json:
        print_json([answer.to_json() for answer in answers])
        return
    counts = [len(answer.neighbors) for answer in answers]
    each = f"{counted(max(counts), 'neighbor')} each"
    left = "" if same_image or exclude_same else " in other photos (--same-image takes the target's own too)"
    short = sum(count < k for count in counts)
    fewer = f", as there are no more{left}" if short else ""
    if 0 < short < len(counts):
        fewer = f"; {counted(short, 'target has', 'targets have')} fewer{fewer}"
    at_most = "at most " if max(counts) < k else ""
    typer.echo(
        f"{out}: {counted(len(answers), 'target')} of space {ready.space.name}, {at_most}{each}{fewer}"
    )


def _chosen(ready: SpaceSearch, selection: str, rows: int) -> list[str]:
    """Return the first objects of a named selection that the space holds, in its order."""
    chosen, ids = ready.store.selection(selection), ready.space.object_id
    held = set(ids[chosen.rows(ids, f"space {ready.space.name}")].tolist())
    return [name for name in chosen.object_ids.tolist() if name in held][:rows]
