"""From photographs to a searchable space of objects.

The flow, in the order in which it is used::

    find_photos                                     files and folders → photos
    load_detector, load_prompter, open_annotations  what finds objects: a network, words, labels
    load_encoder, load_encoder_map                  what embeds them: crop by crop, or in the photo's map
    factors_from_csv, factors_from_pattern          what is known of each photo
    Job, index                                      photos → objects → embeddings by both routes → a store
    open_store                                      the store: its objects, spaces and failures
    add_vectors                                     vectors of your own for a store's objects
    SpaceSearch                                     nearest objects, exact; approximate after index_space
    query_photo, query_point, query_text            queries from outside: a photo, a click, words
    sheet_rows, draw_sheet, write_figure            answers → the paper's figures 2 and 5
    Question, measure_factor, compare_spaces        what spaces hold, with chance and interval
    measure_occlusion, project, measure_context     which cells count, where place is, what context does
    vary_object, erase_space                        one object varied; a factor taken out of a space
    export_store                                    objects and vectors as files of other tools
    write_report                                     the paper's claims and figures on a store, in HTML
    draw_scene, write_world                         pictures whose every factor is known

Names are imported when they are first used, so that ``import objectspace`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from objectspace._version import __version__

if TYPE_CHECKING:
    from objectspace.analyses.comparison import compare_spaces
    from objectspace.analyses.context import measure_context, view_objects
    from objectspace.analyses.factors import Question, measure_factor
    from objectspace.analyses.occlusion import measure_occlusion
    from objectspace.analyses.projection import project
    from objectspace.embeddings.crops import CropPolicy
    from objectspace.embeddings.encoders import Encoder, load_encoder
    from objectspace.embeddings.encoders.maps import load_encoder_map
    from objectspace.embeddings.spaces import Recipe, Space
    from objectspace.erasures import erase_space
    from objectspace.errors import ObjectspaceError
    from objectspace.export import Exported, export_store
    from objectspace.figures.comparison import draw_comparison
    from objectspace.figures.context import draw_context
    from objectspace.figures.factors import draw_factor
    from objectspace.figures.occlusion import draw_occlusion
    from objectspace.figures.projection import draw_projection
    from objectspace.figures.sheet import draw_sheet
    from objectspace.figures.style import write_figure
    from objectspace.flow import index
    from objectspace.images import Image, find_photos, read_image
    from objectspace.jobs import Job
    from objectspace.neighbours import ExactIndex, StreamedIndex, nearest
    from objectspace.neighbours.approximate import index_space
    from objectspace.objects.annotations import objects_reader, open_annotations
    from objectspace.objects.detectors import load_detector
    from objectspace.objects.factors import factors_from_csv, factors_from_pattern
    from objectspace.objects.labels import COCO_NAMES, read_names
    from objectspace.objects.mask_images import open_mask_images
    from objectspace.objects.prompts import load_prompter
    from objectspace.objects.records import Objects, make_objects
    from objectspace.objects.supervision import from_supervision, to_supervision
    from objectspace.own_vectors import add_vectors
    from objectspace.queries import query_photo, query_point, query_text
    from objectspace.report import write_report
    from objectspace.scenes.variation_files import draw_variation
    from objectspace.scenes.world import draw_scene
    from objectspace.scenes.world.world_files import write_world
    from objectspace.search import Answer, SpaceSearch, choose_targets
    from objectspace.sheets import sheet_rows
    from objectspace.store import Store, open_store, open_writer
    from objectspace.tally import Report
    from objectspace.vary import vary_object

_ADDRESSES = {
    "COCO_NAMES": "objects.labels",
    "Answer": "search",
    "CropPolicy": "embeddings.crops",
    "Encoder": "embeddings.encoders",
    "ExactIndex": "neighbours",
    "Exported": "export",
    "Image": "images",
    "Job": "jobs",
    "Objects": "objects.records",
    "ObjectspaceError": "errors",
    "Question": "analyses.factors",
    "Recipe": "embeddings.spaces",
    "Report": "tally",
    "Space": "embeddings.spaces",
    "SpaceSearch": "search",
    "Store": "store",
    "StreamedIndex": "neighbours",
    "add_vectors": "own_vectors",
    "choose_targets": "search",
    "compare_spaces": "analyses.comparison",
    "draw_comparison": "figures.comparison",
    "draw_context": "figures.context",
    "draw_factor": "figures.factors",
    "draw_occlusion": "figures.occlusion",
    "draw_projection": "figures.projection",
    "draw_scene": "scenes.world",
    "draw_sheet": "figures.sheet",
    "draw_variation": "scenes.variation_files",
    "erase_space": "erasures",
    "export_store": "export",
    "factors_from_csv": "objects.factors",
    "factors_from_pattern": "objects.factors",
    "find_photos": "images",
    "from_supervision": "objects.supervision",
    "index": "flow",
    "index_space": "neighbours.approximate",
    "load_detector": "objects.detectors",
    "load_encoder": "embeddings.encoders",
    "load_encoder_map": "embeddings.encoders.maps",
    "load_prompter": "objects.prompts",
    "make_objects": "objects.records",
    "write_report": "report",
    "measure_context": "analyses.context",
    "measure_factor": "analyses.factors",
    "measure_occlusion": "analyses.occlusion",
    "nearest": "neighbours",
    "objects_reader": "objects.annotations",
    "open_annotations": "objects.annotations",
    "open_mask_images": "objects.mask_images",
    "open_store": "store",
    "open_writer": "store",
    "project": "analyses.projection",
    "query_photo": "queries",
    "query_point": "queries",
    "query_text": "queries",
    "read_image": "images",
    "read_names": "objects.labels",
    "sheet_rows": "sheets",
    "to_supervision": "objects.supervision",
    "vary_object": "vary",
    "view_objects": "analyses.context",
    "write_figure": "figures.style",
    "write_world": "scenes.world.world_files",
}

__all__ = [
    "COCO_NAMES",
    "Answer",
    "CropPolicy",
    "Encoder",
    "ExactIndex",
    "Exported",
    "Image",
    "Job",
    "Objects",
    "ObjectspaceError",
    "Question",
    "Recipe",
    "Report",
    "Space",
    "SpaceSearch",
    "Store",
    "StreamedIndex",
    "__version__",
    "add_vectors",
    "choose_targets",
    "compare_spaces",
    "draw_comparison",
    "draw_context",
    "draw_factor",
    "draw_occlusion",
    "draw_projection",
    "draw_scene",
    "draw_sheet",
    "draw_variation",
    "erase_space",
    "export_store",
    "factors_from_csv",
    "factors_from_pattern",
    "find_photos",
    "from_supervision",
    "index",
    "index_space",
    "load_detector",
    "load_encoder",
    "load_encoder_map",
    "load_prompter",
    "make_objects",
    "measure_context",
    "measure_factor",
    "measure_occlusion",
    "nearest",
    "objects_reader",
    "open_annotations",
    "open_mask_images",
    "open_store",
    "open_writer",
    "project",
    "query_photo",
    "query_point",
    "query_text",
    "read_image",
    "read_names",
    "sheet_rows",
    "to_supervision",
    "vary_object",
    "view_objects",
    "write_figure",
    "write_report",
    "write_world",
]


def __getattr__(name: str) -> Any:
    if name not in _ADDRESSES:
        raise AttributeError(f"module 'objectspace' has no attribute {name!r}")
    return getattr(import_module(f"objectspace.{_ADDRESSES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
