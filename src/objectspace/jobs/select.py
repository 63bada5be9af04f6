"""Select few objects of a space that stand for the others, and keep them under a name."""

from __future__ import annotations

import numpy as np

from objectspace.analyses.subsets import choose_subset
from objectspace.arguments import typed
from objectspace.places import Place
from objectspace.search import default_space
from objectspace.store import NamedSelection, open_store


@typed
def select(
    store: Place | str,
    count: int,
    *,
    name: str,
    by: str = "diversity",
    space: str | None = None,
    among: str | None = None,
    already: str | None = None,
) -> NamedSelection:
    """Choose objects of a space that stand for the others, and keep them as a selection of the store.

    by: "diversity" (k-center greedy), "density" (facility location) or "label" (balanced), see
        :func:`objectspace.analyses.subsets.choose_subset`
    space: by default that of :func:`default_space`; among: a selection to choose from, by default all objects
    already: a selection that is chosen before: its objects cover others and are not chosen again
    The selection's ``how`` has these, the coverage and that of random choices of the same size.
    Raises QueryError for an unknown space or selection, InputError for more objects than there are.

    >>> osp.select("photos.osp", 5, name="first five", space="demo-crop").how["by"]
    'diversity'
    """
    opened = open_store(store)
    read = opened.space(space or default_space(opened))
    ids = read.object_id
    where = f"space {read.name}"
    before = np.empty(0, np.int64) if already is None else opened.selection(already).rows(ids, where)
    wanted = np.arange(len(ids)) if among is None else opened.selection(among).rows(ids, where)
    rows = np.union1d(wanted, before)
    chosen = choose_subset(
        read.vectors[rows],
        count,
        by,
        labels=opened.objects(ids[rows]).label.astype(np.str_) if by == "label" else None,
        already=np.flatnonzero(np.isin(rows, before)),
    )
    how = {
        "by": by,
        "space": read.name,
        "from": among,
        "already": already,
        "coverage": chosen.coverage,
        "random": chosen.random,
    }
    return opened.save_selection(name, ids[rows[chosen.rows]], how=how)
