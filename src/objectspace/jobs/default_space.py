"""The default space of a store: measured when it is first finished, kept, and changed on request."""

from __future__ import annotations

from collections.abc import Mapping

from objectspace.arguments import typed
from objectspace.embeddings.joint import JOINT
from objectspace.errors import QueryError, RecipeError
from objectspace.places import Place
from objectspace.search.default_space import first_spaces
from objectspace.search.purity import ObjectPurities, object_purities
from objectspace.store import Store, Writer, open_store, open_writer

#: A default space holds at least this share of what the fullest one does.
_SHARE = 0.9

#: A space is measured again when it has this share more objects, or fewer.
_CHANGED = 0.1


@typed
def set_default_space(path: Place | str, space: str) -> None:
    """Make ``space`` the one that is searched in the store at ``path`` where none is named.

    Raises QueryError for an unknown space, StoreError where there is no store, StoreBusyError where another
    process writes.

    >>> osp.set_default_space("photos.osp", "demo-crop")
    >>> osp.open_store("photos.osp").default_space
    'demo-crop'
    """
    open_store(path).recipe(space)  # raises; and a writer would make a store where there is none
    with open_writer(path) as writer:
        writer.set_default_space(space)


def settle_default(writer: Writer) -> None:
    """Measure the spaces that are new or have grown; fix the default space where a store has none.

    It is the joint space of both routes, or else the purest; a space of one route goes before the joint one
    only where it is purer by more than chance would make it (:meth:`ObjectPurities.exceeds`).
    """
    store = open_store(writer.path)
    if not store.space_names:
        return
    measured = _measure(store, all_of_them=store.default_space is None)
    if measured:
        writer.set_purities({name: one.summary() for name, one in measured.items()})
    if store.default_space is None and (chosen := _choose(store, measured)) is not None:
        writer.set_default_space(chosen)


def _measure(store: Store, *, all_of_them: bool) -> dict[str, ObjectPurities]:
    measured = {}
    for name in store.space_names:
        try:
            if all_of_them or _has_changed(store, name):
                found = object_purities(store, name)
                if found is not None:
                    measured[name] = found
        except (RecipeError, QueryError):
            continue  # a joint space whose parts are gone or were made anew
    return measured


def _has_changed(store: Store, name: str) -> bool:
    known = store.purities.get(name)
    return known is None or abs(len(store.stored_space(name)) - known.objects) > _CHANGED * known.objects


def _choose(store: Store, measured: Mapping[str, ObjectPurities]) -> str | None:
    spaces = first_spaces(store)
    counts = {
        name: measured[name].objects if name in measured else len(store.stored_space(name)) for name in spaces
    }
    full = [name for name in spaces if counts[name] >= _SHARE * max(counts.values())]
    joints = [name for name in full if store.recipe(name).route == JOINT]
    plain = [name for name in full if name not in joints]
    if not plain and not joints:
        return None

    def purest(names: list[str]) -> str:
        return max(names, key=lambda name: measured[name].values.mean() if name in measured else -1)

    if not joints or not plain:
        return purest(joints or plain)
    joint, other = purest(joints), purest(plain)
    return other if {joint, other} <= measured.keys() and measured[other].exceeds(measured[joint]) else joint
