"""From photographs to a searchable space of objects.

The flow, in the order in which it is used::

    find_images                                     files and folders → photos
    load_detector, load_prompter, open_annotations  what finds objects: a network, words, labels
    load_encoder, load_encoder_map                  what embeds them: crop by crop, or in the photo's map
    factors_from_csv, factors_from_pattern          what is known of each photo
    Job, index                                      photos → objects → embeddings by both routes → a store
    open_store                                      the store: its objects, spaces and failures
    add_embeddings                                  vectors of your own for a store's objects
    join_spaces                                     several spaces read as one, such as both routes
    set_default_space                               the space that is searched where none is named
    SpaceSearch                                     nearest objects, exact; approximate after index_space
    query_image, query_point, query_text            queries from outside: a photo, a click, words
    sheet_rows, draw_sheet, write_figure            answers → the paper's figures 2 and 5
    FactorSpec, measure_factor, compare_spaces      what spaces hold, with chance and interval
    audit                                           copies, strangers, wrong labels, leaks: with their recall
    measure_occlusion, project, measure_context     which cells count, where place is, what context does
    vary_object, erase_space                        one object varied; a factor taken out of a space
    export_store                                    objects and vectors as files of other tools
    write_report                                    the paper's claims and figures on a store, in HTML
    draw_scene, write_world                         pictures whose every factor is known

Names are imported when they are first used, so that ``import objectspace`` costs nothing; ``__init__.pyi``
says from where. Errors are drawn as a tree in :mod:`objectspace.errors`.

What a job does is logged at level INFO by the logger ``"objectspace"``: images, commits and failures of
``index``, each step of ``index_space`` and ``write_report``, weights that are fetched. To follow it::

    logging.basicConfig(level=logging.INFO)
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any


def _read_modules() -> dict[str, str]:
    """Return the module of each public name: lines ``from module import name as name`` of the stub."""
    lines = Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8").splitlines()
    words = [line.split() for line in lines if line.startswith("from ")]
    return {name: module for _, module, _, name, *_ in words}


_MODULES = _read_modules()
__all__ = sorted(_MODULES)


#: Names of commands that are tried first, and the functions of these commands.
_INSTEAD = {
    "compare": "compare_spaces",
    "context": "measure_context",
    "erase": "erase_space",
    "export": "export_store",
    "join": "join_spaces",
    "load": "open_store",
    "measure": "measure_factor",
    "occlude": "measure_occlusion",
    "open": "open_store",
    "report": "write_report",
    "search": "SpaceSearch(store).nearest(ID)",
    "sheet": "draw_sheet",
    "vary": "vary_object",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        message = f"module 'objectspace' has no attribute {name!r}"
        if name in _INSTEAD:
            message += f"; it is {_INSTEAD[name]}"
        # With these two Python suggests the public name that is spelled most alike.
        raise AttributeError(message, name=name, obj=sys.modules[__name__])
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
