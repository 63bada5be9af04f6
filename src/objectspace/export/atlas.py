"""A parquet file for Embedding Atlas: a map of the objects, their pictures and their exact neighbors.

The columns are those that the ``embedding-atlas`` command documents: pictures as ``{"bytes": ...}``,
neighbors as ``{"ids": [...], "distances": [...]}`` with rows of the file as ids, nearest first.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from objectspace._version import __version__
from objectspace.analyses.projection import COMPONENTS, principal_components, tsne
from objectspace.export.parquet import object_columns
from objectspace.export.selection import BLOCK, Block, Selection
from objectspace.neighbors import ExactIndex, Neighbors

#: Neighbors of each object, as Embedding Atlas itself finds.
NEIGHBORS = 15

#: Objects up to which the map is t-SNE's; its exact neighbors take a minute there.
MOST_IN_TSNE = 10_000

_COLUMNS = ("image", "projection_x", "projection_y", "neighbors", "vector")
_LISTS = pa.struct([("ids", pa.list_(pa.int64())), ("distances", pa.list_(pa.float64()))])
_PICTURE = pa.struct([("bytes", pa.binary())])


def write(selection: Selection, path: Path) -> list[str]:
    """Write a row per object of one space, whose vectors are held in memory once, as float32."""
    (space,) = selection.spaces
    vectors = np.empty((len(selection), space.dimension), np.float32)
    for block in selection.blocks():
        vectors[block.start : block.start + len(block)] = selection.vectors(space, block)
    coordinates, method = plane(vectors)
    index = ExactIndex(vectors, np.arange(len(vectors)))
    metadata = {
        "objectspace": json.dumps({"version": __version__, "projection": method, **selection.recipes()})
    }
    writer: pq.ParquetWriter | None = None
    with path.open("wb") as file:
        try:
            for block in selection.blocks():
                rows = slice(block.start, block.start + len(block))
                columns = {
                    # The most informative columns come first: the order of its table and charts.
                    **dict.fromkeys(("image", "label", "score", *block.objects.factors)),
                    **object_columns(block, taken=list(_COLUMNS)),
                    "image": pa.array([{"bytes": jpeg} for jpeg in block.thumbnails()], _PICTURE),
                    "projection_x": pa.array(coordinates[rows, 0]),
                    "projection_y": pa.array(coordinates[rows, 1]),
                    "neighbors": _neighbors(index, vectors, block),
                    "vector": pa.FixedSizeListArray.from_arrays(vectors[rows].ravel(), vectors.shape[1]),
                }
                table = pa.table(columns).replace_schema_metadata(metadata)
                writer = writer or pq.ParquetWriter(file, table.schema)
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()
    if method == "tsne":
        return []
    return [f"the map is of two principal components: t-SNE is drawn for 10 to {MOST_IN_TSNE} objects"]


def plane(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float64], str]:
    """Return two coordinates (n, 2) of vectors (n, d) and how they were made: "tsne" or "pca".

    A direction that the vectors do not vary in is zero.
    """
    if len(vectors) > max(MOST_IN_TSNE, vectors.shape[1]):
        return first_two_components(vectors), "pca"
    if len(vectors) > 1 and np.ptp(vectors, axis=0).any():
        found = principal_components(vectors.astype(np.float64), COMPONENTS).coordinates
    else:
        found = np.zeros((len(vectors), 0))
    if 10 <= len(vectors) <= MOST_IN_TSNE and found.shape[1] > 1:
        return tsne(found), "tsne"
    padded = np.zeros((len(vectors), 2))
    padded[:, : min(2, found.shape[1])] = found[:, :2]
    return padded, "pca"


def first_two_components(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the first two principal components (n, 2) of more vectors (n, d) than they have numbers.

    The d x d products are summed over blocks of rows, so that no copy of the vectors is made.
    """
    mean = vectors.mean(axis=0, dtype=np.float64)
    products = np.zeros((vectors.shape[1],) * 2)
    parts = [slice(start, start + BLOCK) for start in range(0, len(vectors), BLOCK)]
    for part in parts:
        centered = vectors[part] - mean
        products += centered.T @ centered
    values, axes = np.linalg.eigh(products)
    # Directions without variance are rounding, not components.
    axes = axes[:, ::-1][:, :2] * (values[::-1][:2] > np.trace(products) * 1e-12)
    axes *= np.sign(np.take_along_axis(axes, np.abs(axes).argmax(0)[None], 0))
    coordinates = np.zeros((len(vectors), 2))
    for part in parts:
        coordinates[part, : axes.shape[1]] = (vectors[part] - mean) @ axes
    return coordinates


def _neighbors(index: ExactIndex, vectors: NDArray[np.float32], block: Block) -> pa.Array:
    """Return the nearest of each object of a block, itself left out."""
    own = np.arange(block.start, block.start + len(block))
    # One more than asked for, as an object finds itself first, or among its equals.
    found: Neighbors = index.nearest(vectors[own], k=min(NEIGHBORS + 1, len(vectors)))
    lists = []
    for row, ids, distances in zip(own, found.index, found.distance, strict=True):
        others = ids != row
        near = ids[others][:NEIGHBORS].tolist()
        lists.append({"ids": near, "distances": distances[others][:NEIGHBORS].tolist()})
    return pa.array(lists, _LISTS)
