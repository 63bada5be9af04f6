"""A store as it is served: opened anew after each commit, and what is costly to read kept in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import QueryError
from objectspace.explorer.columns import object_columns
from objectspace.explorer.doubtful_labels import DoubtfulLabels
from objectspace.explorer.maps import MapMethod, StoredMaps
from objectspace.explorer.occlusions import Occlusions
from objectspace.explorer.selection_measures import (
    SpaceAgreement,
    kept_neighbors,
    measure_space,
    shared_neighbors,
)
from objectspace.places import Place, RemotePath
from objectspace.search import SpaceSearch, default_space
from objectspace.store import ImageRow, Store, StoreInfo, open_store
from objectspace.store.manifest import MANIFEST

Value = TypeVar("Value")

#: Seconds for which a request waits for its turn to run networks.
PATIENCE = 30


class ServedStore:
    """A store's folder; :meth:`state` is its last commit.

    photos: folder in which image files are looked for first, as a store holds the paths that it was given
    own_map: a parquet file of a map of the user's own
    """

    def __init__(self, path: Place, *, photos: Place | None = None, own_map: Path | None = None) -> None:
        self.path, self.photos, self._own_map = path, photos, own_map
        self._lock = threading.Lock()
        #: Held while marks or selections are written, so that two pages lose none.
        self.writing = threading.Lock()
        self._state = StoreState(open_store(path), own_map)
        self._seen = self._stamp()

    def state(self) -> StoreState:
        """Return the store's last commit. Raises StoreError where the store is gone or damaged."""
        with self._lock:
            if (stamp := self._stamp()) != self._seen:
                self._state, self._seen = StoreState(open_store(self.path), self._own_map), stamp
            return self._state

    def _stamp(self) -> tuple[int, int] | str | None:
        manifest = self.path / MANIFEST
        try:
            if isinstance(manifest, RemotePath):
                return manifest.tag()
            status = manifest.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino


class StoreState:
    """One commit of a store; columns, searches, maps and neighbors are read or computed once each."""

    def __init__(self, store: Store, own_map: Path | None = None) -> None:
        self.store = store
        self.maps = StoredMaps(store, own_map)
        self.occlusions = Occlusions(store)
        self.doubtful = DoubtfulLabels(store)
        self._lock, self._networks = threading.Lock(), threading.Lock()
        self._locks: dict[tuple[str, ...], threading.Lock] = {}
        self._kept: dict[tuple[str, ...], Any] = {}

    @property
    def version(self) -> str:
        """The commit, as text that changes with each."""
        return self.store.version

    @cached_property
    def images(self) -> list[ImageRow]:
        """The images, in the order of :meth:`image_rows`."""
        return self.store.images()

    @cached_property
    def image_rows(self) -> NDArray[np.int64]:
        """The image of each row of the objects table (n,), as its place in ``images``."""
        return self.store.image_rows()

    @cached_property
    def rows_by_id(self) -> dict[str, int]:
        """The row of the objects table of each object, by its id."""
        names = self.store.object_columns(["object_id"])["object_id"].tolist()
        return {name: row for row, name in enumerate(names)}

    def object_rows(self, space: str) -> NDArray[np.int64]:
        """Return the row of the objects table of each vector of a space (m,). Raises QueryError."""
        return self._once(("rows", space), lambda: self.store.object_rows(space))

    def columns(self) -> bytes:
        """Return the columns of all objects as an Arrow stream, made once."""
        return self._once(("columns",), lambda: object_columns(self.store, self.image_rows))

    def info(self) -> StoreInfo:
        """Return what is in the store: counts, labels and spaces, read once."""
        return self._once(("info",), self.store.info)

    def prepare(self) -> None:
        """Read what the page asks for first, so that it need not wait for it."""
        self.columns()
        self.info()
        if self.store.space_names:
            space = default_space(self.store)
            self.object_rows(space)
            self.maps.points(space, self.maps.methods[-1] if self.maps.methods[-1] == "own" else "pca")

    def row_of(self, space: str, table_row: int) -> int:
        """Return an object's row in a space. Raises QueryError where the space has no vector of it."""
        rows = self.object_rows(space)
        places = np.flatnonzero(rows == table_row)
        if not len(places):
            held = [name for name in self.store.space_names if table_row in self.object_rows(name)]
            raise QueryError(
                f"space {space} has no vector of this object; spaces that have one: {', '.join(held)}"
            )
        return int(places[0])

    def search(self, space: str, metric: str) -> SpaceSearch:
        """Return the search of a space, opened once. Raises QueryError for an unknown space or metric."""
        return self._once(("search", space, metric), lambda: SpaceSearch(self.store, space, metric=metric))

    def searching(self, space: str) -> threading.Lock:
        """Return the lock under which a space is searched: one search at a time, the others wait."""
        with self._lock:
            return self._locks.setdefault(("searching", space), threading.Lock())

    @contextmanager
    def networks(self) -> Iterator[None]:
        """Hold the only turn to load and run networks. Raises QueryError where others take too long."""
        if not self._networks.acquire(timeout=PATIENCE):
            raise QueryError(f"other requests have kept the networks busy for {PATIENCE} s; try again")
        try:
            yield
        finally:
            self._networks.release()

    def agreement(self, space: str, metric: str) -> SpaceAgreement:
        """Return whether the nearest objects share their labels, of all objects of a space."""
        return self._once(("agreement", space, metric), lambda: measure_space(self.store, space, metric))

    def kept_neighbors(self, space: str, metric: str, method: MapMethod) -> NDArray[np.float32]:
        """Return the share of each object's nearest that a map keeps near, of all objects of a space."""
        points = self.maps.points(space, method)
        return self._once(
            ("kept", space, metric, method), lambda: kept_neighbors(self.store, space, metric, points)
        )

    def shared_neighbors(self, space: str, other: str, metric: str) -> NDArray[np.float32]:
        """Return the share of each object's nearest that another space has too, of all objects of a space."""
        return self._once(
            ("shared", space, other, metric), lambda: shared_neighbors(self.store, space, other, metric)
        )

    def _once(self, key: tuple[str, ...], compute: Callable[[], Value]) -> Value:
        """Return what is kept under a key, computed by the first who asks; others wait for it."""
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._kept:
                self._kept[key] = compute()
            value: Value = self._kept[key]
            return value
