"""Defaults of a search: the space, and the targets of a sheet."""

from __future__ import annotations

import heapq

import numpy as np

from objectspace.embeddings.joint import JOINT
from objectspace.errors import QueryError
from objectspace.search.filters import of_source
from objectspace.search.space_objects import spaces_of
from objectspace.search.space_search import SpaceSearch
from objectspace.store import Store


def default_space(store: Store, object_id: str | None = None) -> str:
    """Return the space to search where none is named: the store's default, else the first crop space.

    Without either it is the first by name, joint spaces last. A space from which something was erased must be
    named, or made the default. With ``object_id`` only spaces that hold that object count. Raises QueryError
    where there is none.
    """
    spaces = first_spaces(store)
    if store.default_space is not None:
        spaces = list(dict.fromkeys([store.default_space, *spaces]))
    held = spaces if object_id is None else spaces_of(store, object_id)
    for space in spaces:
        if space in held:
            return space
    if object_id is not None and spaces:
        store.objects([object_id])  # raises for an unknown id
        raise QueryError(f"object {object_id} has no vector in any space of {store.path}")
    raise QueryError(f"no space in {store.path} yet; index photos first")


def first_spaces(store: Store) -> list[str]:
    """Return the spaces from which nothing was erased: crops first, joint ones last, by name."""
    recipes = {name: store.recipe(name) for name in store.space_names}
    whole = [name for name in recipes if recipes[name].erasure is None]
    return sorted(whole, key=lambda name: (recipes[name].route != "crop", recipes[name].route == JOINT, name))


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
