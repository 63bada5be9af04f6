"""The vectors of workers, which write them into the store's place themselves and return where they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from objectspace.embeddings.spaces import WrittenRows
from objectspace.jobs.commits import joined_rows
from objectspace.pipeline.results import ImageResult, Outcome
from objectspace.store.fragments import FragmentWriter


def write_vectors(outcomes: Sequence[Outcome], writer: FragmentWriter) -> list[Outcome]:
    """Write the vectors of some images, one file a space; return the outcomes without them.

    On a machine that does not have the store's folder the outcomes keep their vectors. Raises StoreError
    where writing failed.
    """
    results = [outcome for outcome in outcomes if isinstance(outcome, ImageResult)]
    if not writer.reaches_store():
        return list(outcomes)
    written: list[dict[str, WrittenRows]] = [{} for _ in results]
    for name, rows in joined_rows(result.vectors for result in results).items():
        fragment, dimension = writer.write(name, rows), rows.vectors.shape[1]
        start = 0
        for result, places in zip(results, written, strict=True):
            if (own := result.vectors.get(name)) is not None:
                ids = np.asarray(own.object_id)
                places[name] = WrittenRows(rows.recipe, ids, dimension, fragment, start)
                start += len(ids)
    places_of = iter(written)
    return [
        replace(outcome, vectors={}, written=next(places_of)) if isinstance(outcome, ImageResult) else outcome
        for outcome in outcomes
    ]
