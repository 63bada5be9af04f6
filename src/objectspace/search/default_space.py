"""The space of a search where none is named."""

from __future__ import annotations

from objectspace.embeddings.joint import JOINT
from objectspace.errors import QueryError
from objectspace.search.space_objects import spaces_of
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
    whole = None if object_id is None or not spaces else store.whole_ids(object_id)[0]
    held = spaces if whole is None else spaces_of(store, whole)
    for space in spaces:
        if space in held:
            return space
    if whole is not None:
        raise QueryError(f"object {whole} has no vector in any space of {store.path}")
    raise QueryError(f"no space in {store.path} yet; index photos first")


def first_spaces(store: Store) -> list[str]:
    """Return the spaces from which nothing was erased: crops first, joint ones last, by name."""
    recipes = {name: store.recipe(name) for name in store.space_names}
    whole = [name for name in recipes if recipes[name].erasure is None]
    return sorted(whole, key=lambda name: (recipes[name].route != "crop", recipes[name].route == JOINT, name))
