"""Targets of a sheet."""

from __future__ import annotations

import heapq

import numpy as np

from objectspace.arguments import typed
from objectspace.search.filters import of_source
from objectspace.search.space_search import SpaceSearch


@typed
def choose_targets(
    search: SpaceSearch, count: int, *, label: str | None = None, source: str | None = None
) -> list[str]:
    """Return ids of ``count`` objects for a sheet, a label after another, the most frequent first.

    ``label`` and ``source`` (a finder) keep only objects of these. Within a label
    objects come in the order of their ids, which are hashes: a fixed but arbitrary choice.

    >>> search = osp.SpaceSearch(store, "demo-crop")
    >>> store.objects(osp.choose_targets(search, 3)).label.tolist()
    ['person', 'potted plant', 'chair']
    """
    ids, labels = search.space.object_id, search.objects.column("label")
    kept = np.ones(len(ids), np.bool_) if label is None else labels == label
    if source is not None:
        kept &= of_source(search.objects.column("source"), source)
    rows = np.flatnonzero(kept)
    number = np.unique(labels[rows].astype(np.str_), return_inverse=True)[1]
    size = np.bincount(number)
    parts = np.split(rows[np.argsort(number, kind="stable")], np.cumsum(size)[:-1])
    largest = np.argsort(-size, kind="stable")[:count]
    queues = [heapq.nsmallest(count, ids[parts[one]].tolist()) for one in largest.tolist()]
    rounds = max(map(len, queues), default=0)
    chosen = [queue[turn] for turn in range(rounds) for queue in queues if turn < len(queue)]
    return chosen[:count]
