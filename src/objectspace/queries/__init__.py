"""Queries from outside the store: what a photo shows, what lies under a click on it, and words.

Each is embedded by the recipe of a space, as indexing would have done.
"""

from __future__ import annotations

from objectspace.queries.networks import space_detector
from objectspace.queries.photos import BoxReader, query_photo, stored_objects_of
from objectspace.queries.points import query_point
from objectspace.queries.texts import default_text_space, query_text, text_spaces

__all__ = [
    "BoxReader",
    "default_text_space",
    "query_photo",
    "query_point",
    "query_text",
    "space_detector",
    "stored_objects_of",
    "text_spaces",
]
