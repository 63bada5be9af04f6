"""``objectspace index-space``: the approximate index of a space, with its recall."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated

import typer

from objectspace.cli.exits import resumable
from objectspace.cli.options import (
    Address,
    Engine,
    EngineOption,
    Json,
    Metric,
    MetricOption,
    Space,
    StorePath,
    Workers,
    check_engine,
)
from objectspace.cli.output import print_json, recall_text
from objectspace.cli.progress import end_steps, show_steps
from objectspace.errors import counted


class Kind(StrEnum):
    """How the index finds candidates."""

    ivf_hnsw_sq = "ivf-hnsw-sq"
    ivf_pq = "ivf-pq"


KindOption = Annotated[Kind, typer.Option(help="a graph of 8-bit vectors, or short codes: a smaller index")]


def index_space(
    store: StorePath,
    space: Space = None,
    kind: KindOption = Kind.ivf_hnsw_sq,
    metric: MetricOption = Metric.cosine,
    engine: EngineOption = Engine.threads,
    address: Address = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Build the approximate index of a large space, for search --approximate, and measure its recall."""
    check_engine(engine, address=address, workers=workers)
    show_steps("indexing the space, and measuring its recall", shown=not as_json)
    from objectspace.jobs.build_index import index_space as build
    from objectspace.search import default_space
    from objectspace.store import open_store

    chosen = space or default_space(open_store(store))
    start = time.perf_counter()
    cluster = None
    if engine is Engine.ray:
        from objectspace.pipeline.engine_ray import RayEngine

        cluster = RayEngine(address=address, workers=workers)
    with resumable("the same command goes on"):
        built = build(store, chosen, kind=kind.value, metric=metric.value, engine=cluster)
    end_steps()
    if as_json:
        print_json({"space": chosen, **built.to_json()})
    else:
        seconds = time.perf_counter() - start
        typer.echo(f"{store}: {counted(built.count, 'vector')} of space {chosen} indexed in {seconds:.1f} s")
        typer.echo(recall_text(built))
