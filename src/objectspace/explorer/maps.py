"""Maps of a space: two coordinates for each object, computed once and kept beside the store."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from objectspace.analyses.projection import principal_components
from objectspace.errors import InputError, QueryError
from objectspace.files import atomic_path, open_regular, recipe_digest
from objectspace.neighbors import JointVectors
from objectspace.places import Place
from objectspace.store import Store

MapMethod = Literal["pca", "tsne", "own"]

#: The folder of a store's maps, inside the store's; it may be deleted at any time.
MAPS = "explorer/maps"

#: The principal axes are those of at most so many objects, drawn once.
_AXES_FROM = 2000

#: t-SNE is computed of at most so many objects, from their first principal components.
_TSNE_MOST = 50_000
_TSNE_COMPONENTS = 50

#: Its iterations with and without early exaggeration, openTSNE's own, and how often they are reported.
_TSNE_STEPS = (250, 500)
_TSNE_EVERY = 25
_TSNE_REPORTS = sum(_TSNE_STEPS) // _TSNE_EVERY

#: Columns of a user's own map.
_OWN_COLUMNS = ("object_id", "x", "y")

#: Raised when a map of the same vectors changes.
_METHOD_NUMBER = 2

_BLOCK = 8192


class StoredMaps:
    """The maps of one commit of a store. A map is computed once, and kept in the store where that can be.

    own: (path) a table of the user's own map: columns object_id, x, y; None for none
    """

    def __init__(self, store: Store, own: Path | None = None) -> None:
        self._store, self._own = store, own
        self._lock = threading.Lock()
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._maps: dict[tuple[str, str], NDArray[np.float32]] = {}
        self._done: dict[tuple[str, str], float] = {}

    @property
    def methods(self) -> tuple[MapMethod, ...]:
        """The maps that there are."""
        return get_args(MapMethod)[: 2 if self._own is None else 3]

    def done(self, space: str, method: MapMethod) -> float:
        """Return which share of a map is computed, 0 to 1."""
        return 1.0 if (space, method) in self._maps else self._done.get((space, method), 0.0)

    def points(self, space: str, method: MapMethod = "pca") -> NDArray[np.float32]:
        """Return the map of a space (n, 2), row for row with its vectors, about its center.

        NaN for objects that an own map leaves out. Raises QueryError for an unknown space or method, and for
        t-SNE of more objects than it is for.
        """
        if method not in self.methods:
            raise QueryError(f"map {method!r} is not known, expected {' or '.join(self.methods)}")
        with self._lock:
            lock = self._locks.setdefault((space, method), threading.Lock())
        with lock:
            if (space, method) not in self._maps:
                self._maps[space, method] = self._made(space, method)
            return self._maps[space, method]

    def _made(self, space: str, method: MapMethod) -> NDArray[np.float32]:
        if method == "own":
            assert self._own is not None
            return own_points(self._own, self._store.stored_space(space).object_id)
        if (kept := self._read(space, method)) is not None:
            return kept
        vectors = self._store.stored_space(space).vectors

        def progress(share: float) -> None:
            self._done[space, method] = share

        points = pca_points(vectors, 2) if method == "pca" else _tsne_points(vectors, progress)
        self._keep(space, method, points)
        return points

    def _file(self, space: str, method: MapMethod) -> Place:
        made_of = {"space": space, "version": self._store.version, "method": method, "made": _METHOD_NUMBER}
        return self._store.path / MAPS / f"{recipe_digest(made_of)}.npy"

    def _read(self, space: str, method: MapMethod) -> NDArray[np.float32] | None:
        try:
            with open_regular(self._file(space, method)) as stream:
                points: NDArray[np.float32] = np.load(stream, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        count = len(self._store.stored_space(space).vectors)
        return points if points.shape == (count, 2) and points.dtype == np.float32 else None

    def _keep(self, space: str, method: MapMethod, points: NDArray[np.float32]) -> None:
        """Write a map beside the store; a store that cannot be written is served all the same."""
        file = self._file(space, method)
        try:
            with atomic_path(file) as temporary, temporary.open("wb") as stream:
                np.save(stream, points, allow_pickle=False)
        except (OSError, InputError):
            return


def own_points(path: Path, object_id: NDArray[np.str_]) -> NDArray[np.float32]:
    """Return the map (n, 2) of some objects from a parquet table, about its center; NaN for those not in it.

    Raises InputError for a table that cannot be read or lacks object_id, x or y, and where it has none of the
    objects.
    """
    try:
        table = pq.read_table(path, columns=list(_OWN_COLUMNS))
        x, y = (table[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in "xy")
        names = table["object_id"].cast(pa.string()).combine_chunks()
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise InputError(
            f"{path} is no map: {error}; expected a parquet file with columns {', '.join(_OWN_COLUMNS)}"
        ) from None
    found = pc.index_in(pa.array(object_id), value_set=names)
    rows = found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    if not (rows >= 0).any():
        raise InputError(f"{path} has none of the {len(object_id)} objects; expected their object_id")
    points = np.where((rows >= 0)[:, None], np.stack([x, y], axis=1)[rows], np.nan)
    centered: NDArray[np.float32] = (points - np.nanmean(points, axis=0)).astype(np.float32)
    return centered


def pca_points(vectors: Any, count: int) -> NDArray[np.float32]:
    """Return the first principal components (n, count) of vectors (n, d) that may be on disk.

    The axes are those of 2,000 vectors drawn once (all where there are fewer), and every vector is placed on
    them, a few thousand in memory at a time. Each axis has its largest weight positive.
    In a joint space each block of a part (windows of one stride) is taken about its own mean: two rows of
    different blocks are then as far apart as their parts' common mean says, which is what the recipe's cosine
    of a missing part stands for, and not two islands.
    """
    total = len(vectors)
    if not total:
        return np.empty((0, count), np.float32)
    drawn = np.sort(np.random.default_rng(0).permutation(total)[:_AXES_FROM])
    sample, held = _written(vectors[drawn])
    sums = np.add.reduce(np.where(held, sample, 0.0), axis=0, dtype=np.float64)
    counts = np.broadcast_to(held, sample.shape).sum(axis=0)
    center = (sums / np.maximum(counts, 1)).astype(np.float32)
    axes = principal_components(np.where(held, sample - center, 0.0).astype(np.float64), count).axes
    points = np.zeros((total, count), np.float32)
    for start in range(0, total, _BLOCK):
        block, held = _written(vectors[start : start + _BLOCK])
        points[start : start + len(block), : len(axes)] = (
            np.where(held, block - center, np.float32(0)) @ axes.astype(np.float32).T
        )
    return points


def _written(vectors: Any) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return vectors (n, d) and which numbers are of blocks that the row has: (n, d), or (1, 1) for all."""
    written = np.asarray(vectors, np.float32)
    if not isinstance(vectors, JointVectors):
        return written, np.ones((1, 1), np.bool_)
    held, column = np.zeros(written.shape, np.bool_), 0
    for block in vectors.blocks:
        held[block.rows, column : column + block.dimension] = True
        column += block.dimension
    return written, held


def _tsne_points(vectors: Any, progress: Callable[[float], None]) -> NDArray[np.float32]:
    """Return the t-SNE of the first principal components of vectors (van der Maaten and Hinton, 2008)."""
    import openTSNE

    if len(vectors) > _TSNE_MOST:
        raise QueryError(f"t-SNE is for at most {_TSNE_MOST} objects, there are {len(vectors)}; take PCA")
    components = pca_points(vectors, _TSNE_COMPONENTS).astype(np.float64)
    perplexity = min(30.0, max(1.0, (len(components) - 1) / 3))
    steps = iter(range(1, _TSNE_REPORTS + 1))

    def report(iteration: int, error: float, embedding: Any) -> bool:
        progress(next(steps, _TSNE_REPORTS) / (_TSNE_REPORTS + 1))
        return False

    points = openTSNE.TSNE(
        perplexity=perplexity,
        random_state=0,
        n_jobs=1,
        early_exaggeration_iter=_TSNE_STEPS[0],
        n_iter=_TSNE_STEPS[1],
        callbacks=report,
        callbacks_every_iters=_TSNE_EVERY,
    ).fit(components)
    centered: NDArray[np.float32] = (np.asarray(points) - np.mean(points, axis=0)).astype(np.float32)
    return centered
