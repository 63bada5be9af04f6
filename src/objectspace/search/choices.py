"""Targets of a sheet."""

from __future__ import annotations

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
    by_label: dict[str, list[str]] = {}
    ids, labels = search.space.object_id, search.objects.column("label")
    if source is not None:
        mask = of_source(search.objects.column("source"), source)
        ids, labels = ids[mask], labels[mask]
    for name, object_id in sorted(zip(labels.tolist(), ids.tolist(), strict=True)):
        if label is None or name == label:
            by_label.setdefault(name, []).append(object_id)
    queues = sorted(by_label.values(), key=len, reverse=True)
    rounds = max(map(len, queues), default=0)
    chosen = [queue[turn] for turn in range(rounds) for queue in queues if turn < len(queue)]
    return chosen[:count]
