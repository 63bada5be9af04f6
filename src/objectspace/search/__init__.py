"""Search in a store, exact by default: the nearest objects of stored ones and of vectors from outside."""

from __future__ import annotations

from objectspace.search.answers import UNLABELED, Answer, AnswerParts, Approximation, Queries, distance_text
from objectspace.search.choices import choose_targets
from objectspace.search.default_space import default_space
from objectspace.search.filters import IMAGE, SearchFilters
from objectspace.search.space_search import ONE_QUESTION, SpaceSearch

__all__ = [
    "IMAGE",
    "ONE_QUESTION",
    "UNLABELED",
    "Answer",
    "AnswerParts",
    "Approximation",
    "Queries",
    "SearchFilters",
    "SpaceSearch",
    "choose_targets",
    "default_space",
    "distance_text",
]
