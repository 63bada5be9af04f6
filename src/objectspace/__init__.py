"""From photographs to a searchable space of objects.

The flow, in the order in which it is used::

    find_photos                                     files and folders → photos
    load_detector, load_prompter, open_annotations  what finds objects: a network, words, labels
    load_encoder, load_encoder_map                  what embeds them: crop by crop, or in the photo's map
    factors_from_csv, factors_from_pattern          what is known of each photo
    Job, index                                      photos → objects → embeddings by both routes → a store
    open_store                                      the store: its objects, spaces and failures
    add_embeddings                                  vectors of your own for a store's objects
    join_spaces                                     several spaces read as one, such as both routes
    SpaceSearch                                     nearest objects, exact; approximate after index_space
    query_photo, query_point, query_text            queries from outside: a photo, a click, words
    sheet_rows, draw_sheet, write_figure            answers → the paper's figures 2 and 5
    FactorSpec, measure_factor, compare_spaces      what spaces hold, with chance and interval
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
    from objectspace.analyses.factors import FactorSpec, measure_factor
    from objectspace.analyses.occlusion import measure_occlusion
    from objectspace.analyses.projection import project
    from objectspace.embeddings.crops import CropPolicy
    from objectspace.embeddings.spaces import Recipe, Space
    from objectspace.errors import (
        AnnotationError,
        CfgError,
        DownloadError,
        ImageError,
        InputError,
        ModelError,
        ObjectspaceError,
        QueryError,
        RecipeError,
        StoreBusyError,
        StoreError,
        StoreVersionError,
        WeightsError,
    )
    from objectspace.export import Exported, export_store
    from objectspace.figures.comparison import draw_comparison
    from objectspace.figures.context import draw_context
    from objectspace.figures.factors import draw_factor
    from objectspace.figures.occlusion import draw_occlusion
    from objectspace.figures.projection import draw_projection
    from objectspace.figures.sheet import draw_sheet
    from objectspace.figures.style import write_figure
    from objectspace.images import Image, find_photos, read_image
    from objectspace.jobs.add_embeddings import add_embeddings
    from objectspace.jobs.build_index import index_space
    from objectspace.jobs.commits import IndexSummary
    from objectspace.jobs.erase import erase_space
    from objectspace.jobs.index import index
    from objectspace.jobs.join import join_spaces
    from objectspace.jobs.vary import vary_object
    from objectspace.models.detectors import load_detector
    from objectspace.models.encoders import Encoder, load_encoder
    from objectspace.models.encoders.encoder_maps import load_encoder_map
    from objectspace.models.prompts import load_prompter
    from objectspace.neighbors import ExactIndex, StreamedIndex, nearest
    from objectspace.objects.annotations import objects_reader, open_annotations
    from objectspace.objects.annotations.mask_images import open_mask_images
    from objectspace.objects.annotations.photo_factors import factors_from_csv, factors_from_pattern
    from objectspace.objects.annotations.supervision import from_supervision, to_supervision
    from objectspace.objects.labels import COCO_NAMES, read_names
    from objectspace.objects.records import Objects, make_objects
    from objectspace.pipeline.job import Job
    from objectspace.pipeline.loaded_job import LoadedJob
    from objectspace.pipeline.specs import (
        AnnotationSpec,
        DetectorSpec,
        EncoderSpec,
        FactorTableSpec,
        MaskSpec,
        PromptSpec,
    )
    from objectspace.report import write_report
    from objectspace.scenes.variation_files import draw_variation
    from objectspace.scenes.world import draw_scene
    from objectspace.scenes.world.world_files import write_world
    from objectspace.search import Answer, SpaceSearch, choose_targets
    from objectspace.search.queries.joint import joint_queries
    from objectspace.search.queries.photos import query_photo
    from objectspace.search.queries.points import query_point
    from objectspace.search.queries.texts import query_text
    from objectspace.search.tiles import sheet_rows
    from objectspace.store import Store, open_store, open_writer

_ADDRESSES = {
    "COCO_NAMES": "objects.labels",
    "AnnotationError": "errors",
    "AnnotationSpec": "pipeline.specs",
    "Answer": "search",
    "CfgError": "errors",
    "CropPolicy": "embeddings.crops",
    "DownloadError": "errors",
    "DetectorSpec": "pipeline.specs",
    "Encoder": "models.encoders",
    "EncoderSpec": "pipeline.specs",
    "ExactIndex": "neighbors",
    "Exported": "export",
    "FactorTableSpec": "pipeline.specs",
    "FactorSpec": "analyses.factors",
    "Image": "images",
    "ImageError": "errors",
    "InputError": "errors",
    "ModelError": "errors",
    "IndexSummary": "jobs.commits",
    "Job": "pipeline.job",
    "LoadedJob": "pipeline.loaded_job",
    "MaskSpec": "pipeline.specs",
    "Objects": "objects.records",
    "ObjectspaceError": "errors",
    "QueryError": "errors",
    "PromptSpec": "pipeline.specs",
    "Recipe": "embeddings.spaces",
    "RecipeError": "errors",
    "Space": "embeddings.spaces",
    "SpaceSearch": "search",
    "Store": "store",
    "StoreBusyError": "errors",
    "StoreError": "errors",
    "StoreVersionError": "errors",
    "StreamedIndex": "neighbors",
    "WeightsError": "errors",
    "add_embeddings": "jobs.add_embeddings",
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
    "erase_space": "jobs.erase",
    "export_store": "export",
    "factors_from_csv": "objects.annotations.photo_factors",
    "factors_from_pattern": "objects.annotations.photo_factors",
    "find_photos": "images",
    "from_supervision": "objects.annotations.supervision",
    "index": "jobs.index",
    "index_space": "jobs.build_index",
    "join_spaces": "jobs.join",
    "joint_queries": "search.queries.joint",
    "load_detector": "models.detectors",
    "load_encoder": "models.encoders",
    "load_encoder_map": "models.encoders.encoder_maps",
    "load_prompter": "models.prompts",
    "make_objects": "objects.records",
    "write_report": "report",
    "measure_context": "analyses.context",
    "measure_factor": "analyses.factors",
    "measure_occlusion": "analyses.occlusion",
    "nearest": "neighbors",
    "objects_reader": "objects.annotations",
    "open_annotations": "objects.annotations",
    "open_mask_images": "objects.annotations.mask_images",
    "open_store": "store",
    "open_writer": "store",
    "project": "analyses.projection",
    "query_photo": "search.queries.photos",
    "query_point": "search.queries.points",
    "query_text": "search.queries.texts",
    "read_image": "images",
    "read_names": "objects.labels",
    "sheet_rows": "search.tiles",
    "to_supervision": "objects.annotations.supervision",
    "vary_object": "jobs.vary",
    "view_objects": "analyses.context",
    "write_figure": "figures.style",
    "write_world": "scenes.world.world_files",
}

__all__ = [
    "COCO_NAMES",
    "AnnotationError",
    "AnnotationSpec",
    "Answer",
    "CfgError",
    "CropPolicy",
    "DetectorSpec",
    "DownloadError",
    "Encoder",
    "EncoderSpec",
    "ExactIndex",
    "Exported",
    "FactorSpec",
    "FactorTableSpec",
    "Image",
    "ImageError",
    "IndexSummary",
    "InputError",
    "Job",
    "LoadedJob",
    "MaskSpec",
    "ModelError",
    "Objects",
    "ObjectspaceError",
    "PromptSpec",
    "QueryError",
    "Recipe",
    "RecipeError",
    "Space",
    "SpaceSearch",
    "Store",
    "StoreBusyError",
    "StoreError",
    "StoreVersionError",
    "StreamedIndex",
    "WeightsError",
    "__version__",
    "add_embeddings",
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
    "join_spaces",
    "joint_queries",
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
