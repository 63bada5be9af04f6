"""Maps of a space: two coordinates for each object, computed once and kept beside the store."""

from __future__ import annotations

import threading
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.projection import principal_components
from objectspace.errors import InputError, QueryError
from objectspace.files import atomic_path, open_regular, recipe_digest
from objectspace.places import Place
from objectspace.store import Store

MapMethod = Literal["pca", "tsne"]

#: The folder of a store's maps, inside the store's; it may be deleted at any time.
MAPS = "explorer/maps"

#: The principal axes are those of at most so many objects, drawn once.
_AXES_FROM = 2000

#: t-SNE is computed of at most so many objects, from their first principal components.
_TSNE_MOST = 50_000
_TSNE_COMPONENTS = 50

_BLOCK = 8192


class StoredMaps:
    """The maps of one commit of a store. A map is computed once, and kept in the store where that can be."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._maps: dict[tuple[str, str], NDArray[np.float32]] = {}
        self._running: set[tuple[str, str]] = set()

    def ready(self, space: str, method: MapMethod) -> bool:
        """Return whether a map need not be computed."""
        return (space, method) in self._maps or self._file(space, method).is_file()

    def points(self, space: str, method: MapMethod = "pca") -> NDArray[np.float32]:
        """Return the map of a space (n, 2), row for row with its vectors, about its center.

        Raises QueryError for an unknown space or method, and for t-SNE of more objects than it is for.
        """
        if method not in get_args(MapMethod):
            raise QueryError(f"map {method!r} is not known, expected {' or '.join(get_args(MapMethod))}")
        with self._lock:
            if (space, method) not in self._maps:
                kept = self._read(space, method)
                self._maps[space, method] = self._computed(space, method) if kept is None else kept
            return self._maps[space, method]

    def _computed(self, space: str, method: MapMethod) -> NDArray[np.float32]:
        vectors = self._store.stored_space(space).vectors
        points = pca_points(vectors, 2) if method == "pca" else _tsne_points(vectors)
        self._keep(space, method, points)
        return points

    def _file(self, space: str, method: MapMethod) -> Place:
        made_of = {"space": space, "version": self._store.version, "method": method}
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
            with atomic_path(file, replace=True) as temporary, temporary.open("wb") as stream:
                np.save(stream, points, allow_pickle=False)
        except (OSError, InputError):
            return


def pca_points(vectors: Any, count: int) -> NDArray[np.float32]:
    """Return the first principal components (n, count) of vectors (n, d) that may be on disk.

    The axes are those of 2,000 vectors drawn once (all where there are fewer), and every vector is placed on
    them, a few thousand in memory at a time. Each axis has its largest weight positive.
    """
    total = len(vectors)
    if not total:
        return np.empty((0, count), np.float32)
    drawn = np.sort(np.random.default_rng(0).permutation(total)[:_AXES_FROM])
    sample = np.asarray(vectors[drawn], np.float64)
    center = sample.mean(axis=0)
    axes = principal_components(sample, count).axes.astype(np.float32)
    points = np.zeros((total, count), np.float32)
    for start in range(0, total, _BLOCK):
        block = np.asarray(vectors[start : start + _BLOCK], np.float32) - center.astype(np.float32)
        points[start : start + len(block), : len(axes)] = block @ axes.T
    return points


def _tsne_points(vectors: Any) -> NDArray[np.float32]:
    """Return the t-SNE of the first principal components of vectors (van der Maaten and Hinton, 2008)."""
    import openTSNE

    if len(vectors) > _TSNE_MOST:
        raise QueryError(f"t-SNE is for at most {_TSNE_MOST} objects, there are {len(vectors)}; take PCA")
    components = pca_points(vectors, _TSNE_COMPONENTS).astype(np.float64)
    perplexity = min(30.0, max(1.0, (len(components) - 1) / 3))
    points = openTSNE.TSNE(perplexity=perplexity, random_state=0, n_jobs=1).fit(components)
    centered: NDArray[np.float32] = (np.asarray(points) - np.mean(points, axis=0)).astype(np.float32)
    return centered
