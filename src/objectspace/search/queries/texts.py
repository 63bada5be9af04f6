"""Queries from words: embedded by the text tower of the encoder that made a space of crops."""

from __future__ import annotations

from collections.abc import Sequence

from objectspace.arguments import typed
from objectspace.errors import QueryError
from objectspace.models.catalogue import has_text_tower
from objectspace.objects.records import no_objects
from objectspace.places import Place
from objectspace.search import Queries
from objectspace.search.queries.stored import loading_arguments
from objectspace.store import Store, as_store

#: The command that makes a space to be searched by words, for error messages.
_RECIPE = "objectspace index PHOTOS --store STORE --encoder open_clip:ViT-B-32/laion2b_s34b_b79k"


@typed
def query_text(
    store: Store | Place | str, texts: Sequence[str], space: str, *, device: str = "cpu"
) -> Queries:
    """Return texts as queries of a space, a vector each, to be searched with ``metric="cosine"``.

    They are embedded by the very weights that embedded the crops, in the same precision. Raises QueryError
    for a space without a text tower, naming those of the store that have one, and for a text that is empty or
    too long; ModelError and RecipeError where the weights cannot be loaded again or have changed.

    >>> osp.query_text(store, ["a red chair"], "open_clip:ViT-B-32/openai-crop")  # doctest: +SKIP
    Queries(1 vector of 1 text, stored=False)
    """
    # They import torch, which the names of spaces are told without.
    from objectspace.models.encoders import TextEncoder
    from objectspace.search.queries.images import BoxReader
    from objectspace.search.queries.networks import space_job

    store = as_store(store)
    if space not in (able := text_spaces(store)):
        store.recipe(space)  # raises for an unknown space
        where = f"search {', '.join(able)}" if able else f"make a space that has one with: {_RECIPE}"
        raise QueryError(f"space {space} was made without a text tower, so no text can be compared; {where}")
    # No image is read, so any reader of objects will do.
    encoder = space_job(store, space, annotations=BoxReader((0, 0, 1, 1)), device=device).encoder
    if not isinstance(encoder, TextEncoder):
        raise QueryError(f"the encoder of space {space} embeds no texts")
    return Queries(no_objects(), encoder.embed_text(texts), (), stored=False, texts=tuple(texts))


def default_text_space(store: Store) -> str:
    """Return the first space by name that can be searched by words. Raises QueryError where there is none."""
    if able := text_spaces(store):
        return able[0]
    raise QueryError(f"no space of {store.path} has a text tower; make one with: {_RECIPE}")


def text_spaces(store: Store) -> list[str]:
    """Return the spaces that can be searched by words, by name: crops of an encoder with a text tower."""
    recipes = {name: store.recipe(name) for name in store.space_names}
    return [
        name
        for name, recipe in recipes.items()
        if recipe.route == "crop"
        and recipe.erasure is None
        and has_text_tower(str(loading_arguments(store, recipe).get("name", "")))
    ]
