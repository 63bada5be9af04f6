"""Writing a store: one process at a time, each commit whole or not at all."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import filelock
import pyarrow as pa

from objectspace.embeddings.spaces import Recipe
from objectspace.errors import QueryError, StoreBusyError, StoreError
from objectspace.store import columns, tables
from objectspace.store.additions import (
    Stored,
    additions,
    changed_factors,
    check_recipe,
    factor_types,
    known_factors,
)
from objectspace.store.indexes import KINDS, Recall, SpaceIndex
from objectspace.store.keys import Keys
from objectspace.store.manifest import (
    KEYS,
    KEYS_OF_A_SPACE,
    MANIFEST,
    SPACES,
    Manifest,
    SpaceEntry,
    read_manifest,
    write_manifest,
)
from objectspace.store.records import Batch, Failure, indexed_key
from objectspace.store.tables import plain_errors
from objectspace.store.vectors import StoredVectors

LOCK = "write.lock"


def open_writer(path: Path | str) -> Writer:
    """The writer of the store at ``path``, which is made if there is none; close it, or use it in ``with``.

    What a killed writer left half-written is undone first. Raises StoreBusyError at once where another
    process writes, StoreError where the path is something else than a store or the store is damaged,
    StoreVersionError where it was written in another version of the format.
    """
    folder = Path(path)
    _check_folder(folder)
    # The system releases the lock when the process ends, however it ends.
    lock = filelock.FileLock(folder / LOCK, timeout=0, thread_local=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout:
        raise StoreBusyError(
            f"another process is writing to {folder} (it holds {folder / LOCK}); wait until it has ended"
        ) from None
    except OSError as error:
        raise StoreError(f"no store can be made or written at {folder}: {error.strerror}") from None
    try:
        return Writer(folder, lock)
    except BaseException:
        lock.release()
        raise


def _check_folder(folder: Path) -> None:
    """Refuse to make a store in a place that holds something else, or that Lance cannot name."""
    try:
        str(folder.absolute()).encode()
    except UnicodeEncodeError:
        raise StoreError(f"{folder} can be no store, as its path is not UTF-8 text; choose another") from None
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder} is a file and a store is a folder; give the store another name")
    if not folder.exists() or (folder / MANIFEST).exists():
        return
    # A writer that was killed while it made the store leaves these two.
    if foreign := sorted({p.name for p in folder.iterdir()} - {LOCK, f"{MANIFEST}.new"}):
        raise StoreError(
            f"{folder} is not a store (it has no {MANIFEST}) and is not empty (it holds {foreign[0]}); "
            f"give the store a folder of its own"
        )


class Writer:
    """Adds to one store; rows that are already there are dropped, so adding twice is adding once.

    After a commit that failed, the next one starts from what the store holds.
    """

    def __init__(self, path: Path, lock: filelock.BaseFileLock) -> None:
        self.path = path
        self._lock = lock
        self._tables: dict[str, Any] = {}
        self._appended = Counter[str]()
        self._cleaned = time.monotonic()
        with plain_errors(path):
            if not (path / MANIFEST).exists():
                write_manifest(path, Manifest())
        self._load()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let other processes write."""
        self._lock.release()

    def finished(self) -> Keys:
        """The photos that are finished, those without an object too, each under its names.

        :func:`objectspace.store.indexed_key` makes the keys; what is committed later is not among them.
        """
        rows = self._read("indexed", ["image_id", "job"]).to_pylist()
        return Keys(indexed_key(row["image_id"], row["job"]) for row in rows)

    def object_ids(self, sources: Collection[str]) -> dict[str, list[str]]:
        """The stored objects that these sources found: image id -> object ids."""
        found: dict[str, list[str]] = {}
        for row in self._read("objects", ["object_id", "image_id", "source"]).to_pylist():
            if row["source"] in sources:
                found.setdefault(row["image_id"], []).append(row["object_id"])
        return found

    def check_recipes(self, recipes: Mapping[str, Recipe]) -> None:
        """Raise RecipeError for a space that holds vectors of another recipe, before any are made."""
        for name, recipe in recipes.items():
            check_recipe(name, recipe, self._stored)

    def commit(self, batch: Batch) -> None:
        """Add a batch, all of it or none.

        Rows whose key is there already (image; object; object within its space; image within its job; path
        and reason of a failure) are dropped, but for an object's factors: those that the batch names are
        the batch's from now on. With ``batch.replaces`` outdated objects of the photos that are done are
        removed. A photo in ``batch.images`` loses the failures of earlier runs.
        Raises RecipeError for vectors of another recipe than the space's, InputError for a vector whose
        object is unknown or a factor of another type than the stored one, StoreError where writing failed:
        the store then keeps what it had.
        """
        self._make_whole()
        outdated = self._outdated(batch) if batch.replaces else {}
        new = additions(batch, self._stored, outdated)
        edited = self._changed("object_id", known_factors(batch, self._stored))
        if not new and not outdated and not len(edited):
            return
        with self._publishing(new.spaces, new.sources, new.models):
            if new.healed:
                tables.delete_rows(self._tables["failures"], "path", sorted(new.healed))
            if len(edited):
                tables.update_rows(self._tables["objects"], "object_id", edited)
            self._remove(outdated)
            for name, rows in new.rows.items():
                self._append(name, rows)
        if outdated:
            self._load()
            return
        for name, keys in new.keys.items():
            self._stored.keys.setdefault(name, Keys()).add(keys)
        kept = {f for f in self._stored.failures if f.path not in new.healed}
        self._stored.failures = kept | new.failures
        self._compact([name for name in new.rows if self._appended[name] > tables.MANY_FRAGMENTS])

    def set_factors(self, by_image: Mapping[str, Mapping[str, float | str | None]]) -> None:
        """Set factors of all stored objects of the given images: image id -> factor -> value.

        None and NaN stand for unknown. Factors that are not named keep their values. Raises InputError for a
        factor of another type than the stored one, StoreError where writing failed.
        """
        self._make_whole()
        rows = self._changed("image_id", by_image)
        if not len(rows):
            return
        with self._publishing():
            tables.update_rows(self._tables["objects"], "object_id", rows)

    def paths(self) -> dict[str, str]:
        """Where each photo lay when a job saw it last: image id -> path."""
        rows = self._read("images", ["image_id", "path"])
        return dict(zip(rows["image_id"].to_pylist(), rows["path"].to_pylist(), strict=True))

    def set_paths(self, paths: Mapping[str, str]) -> None:
        """Say where photos of the store lie now: image id -> path. Raises StoreError where writing failed."""
        self._make_whole()
        if not paths:
            return
        rows = pa.table(
            {"image_id": list(paths), "path": [columns.storable(path) for path in paths.values()]}
        )
        with self._publishing():
            tables.update_rows(self._tables["images"], "image_id", rows)

    def failures(self) -> set[Failure]:
        """The files that could not be used, and why."""
        return set(self._stored.failures)

    def heal(self, paths: Iterable[str], failures: Iterable[Failure]) -> None:
        """Drop the failures of files that have been used since, but for ``failures``, which came again.

        Raises StoreError where writing failed.
        """
        self._make_whole()
        used = {columns.storable(path) for path in paths}
        again = {columns.storable_failure(failure) for failure in failures}
        healed = {f for f in self._stored.failures if f.path in used and f not in again}
        if not healed:
            return
        touched = {failure.path for failure in healed}
        kept = self._stored.failures - healed
        with self._publishing():
            tables.delete_rows(self._tables["failures"], "path", sorted(touched))
            if rest := sorted(failure for failure in kept if failure.path in touched):
                self._append("failures", columns.failures_table(rest))
        self._stored.failures = kept

    def _changed(self, key: str, by_key: Mapping[str, Mapping[str, float | str | None]]) -> pa.Table:
        """Stored objects whose factors change, with the new ones; ``by_key``: value of ``key`` -> factors."""
        if not by_key or "objects" not in self._tables:
            return pa.table({"object_id": pa.array([], pa.string())})
        names = dict.fromkeys(name for factors in by_key.values() for name in factors)
        values = {name: [factors.get(name) for factors in by_key.values()] for name in names}
        types = factor_types(values, self._stored)
        stored = [name for name in types if name in self._stored.factors]
        wanted = list(dict.fromkeys(["object_id", key, *stored]))
        rows = tables.find_rows(self._tables["objects"], key, by_key, wanted)
        return changed_factors(rows, key, by_key, types)

    def index_space(
        self,
        name: str,
        *,
        kind: str,
        metric: str,
        settings: Mapping[str, int],
        measure: Callable[[StoredVectors], Recall],
    ) -> SpaceIndex:
        """Build the approximate index of a space anew, and publish it together with its recall.

        kind, metric, settings: as in :class:`SpaceIndex`
        measure: a function of the vectors, with the new index, that tells its recall
        Raises QueryError for an unknown space, StoreError where writing failed, and whatever ``measure``
        raises: the store then keeps the index that it had.
        """
        self._make_whole()
        entry = self._stored.manifest.spaces.get(name)
        if entry is None:
            known = ", ".join(sorted(self._stored.manifest.spaces)) or "none yet"
            raise QueryError(f"no space {name} in {self.path}; its spaces: {known}")
        published: dict[str, SpaceEntry] = {}
        with self._publishing(published):
            table = self._tables[SPACES + name]
            tables.build_index(
                table,
                KINDS[kind],
                metric=metric,
                partition_size=settings["partition_size"],
                sub_vectors=settings.get("sub_vectors"),
            )
            vectors = StoredVectors(table, entry.dimension)
            index = SpaceIndex(kind, metric, len(vectors), dict(settings), measure(vectors))
            published[name] = replace(entry, index=index)
        return index

    def finish(self) -> None:
        """Join small fragments, bring the indices up to date and delete old versions; no row changes."""
        self._make_whole()
        many = [name for name, table in self._tables.items() if tables.has_many_fragments(table)]
        with self._publishing():
            for name in many:
                tables.compact(self._tables[name], everything=True)
            for name in self._tables:
                self._index_keys(name)
        self._clean_up()

    def _load(self) -> None:
        """Take in the state of the last commit, undoing what was written past it."""
        self._whole = False
        manifest = read_manifest(self.path)
        with plain_errors(self.path):
            versions = tables.put_back(self.path, manifest.tables)
        self._tables = {name: tables.open_table(self.path, name, at) for name, at in versions.items()}
        self._stored = Stored(self.path, manifest, self._factors())
        if versions != manifest.tables:
            with self._publishing():
                pass
        self._stored.keys = {
            "images": self._keys("images", "image_id"),
            "objects": self._keys("objects", "object_id"),
            "indexed": self.finished(),
            **{SPACES + name: self._keys(SPACES + name, "object_id") for name in manifest.spaces},
        }
        failures = self._read("failures", ["path", "reason"]).to_pylist()
        self._stored.failures = {Failure(**row) for row in failures}
        self._whole = True

    def _outdated(self, batch: Batch) -> dict[str, str]:
        """Stored objects of photos that are done, of its sources, that the batch has not: id -> image id."""
        photos = {image_id for image_id in batch.finished if self._stored.has("images", image_id)}
        if not photos:
            return {}
        found = set(batch.objects.object_id.tolist())
        stored = self._read("objects", ["object_id", "image_id", "source"]).to_pylist()
        return {
            row["object_id"]: row["image_id"]
            for row in stored
            if row["image_id"] in photos and row["source"] in batch.sources and row["object_id"] not in found
        }

    def _remove(self, outdated: Mapping[str, str]) -> None:
        """Remove objects and their vectors; no job has finished their photos any more."""
        if not outdated:
            return
        for name, table in self._tables.items():
            if name == "objects" or name.startswith(SPACES):
                tables.delete_rows(table, "object_id", sorted(outdated))
        tables.delete_rows(self._tables["indexed"], "image_id", sorted(set(outdated.values())))

    def _make_whole(self) -> None:
        """Undo what a commit wrote before it failed."""
        if not self._lock.is_locked:
            raise StoreError(f"the writer of {self.path} is closed; open another one")
        if not self._whole:
            self._load()

    @contextmanager
    def _publishing(
        self,
        spaces: Mapping[str, SpaceEntry] | None = None,
        sources: Mapping[str, Mapping[str, Any]] | None = None,
        models: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Iterator[None]:
        """Make what is written inside visible at the end, in one step; what ends it early leaves no trace."""
        self._whole = False
        before = self._stored.manifest
        with plain_errors(self.path):
            yield
            manifest = Manifest(
                tables={name: int(table.version) for name, table in self._tables.items()},
                spaces={**before.spaces, **(spaces or {})},
                sources={**before.sources, **(sources or {})},
                models={**before.models, **(models or {})},
            )
            if manifest != before:
                write_manifest(self.path, manifest)
        self._stored.manifest = manifest
        self._stored.factors = self._factors()
        self._whole = True

    def _append(self, name: str, rows: pa.Table) -> None:
        if name in self._tables:
            tables.append_rows(self._tables[name], rows)
        else:
            self._tables[name] = tables.create_table(self.path, name, rows)
        self._appended[name] += 1

    def _index_keys(self, name: str) -> None:
        columns = KEYS_OF_A_SPACE if name.startswith(SPACES) else KEYS.get(name, ())
        tables.index_keys(self._tables[name], columns)

    def _compact(self, names: Sequence[str]) -> None:
        if not names:
            return
        with self._publishing():
            for name in names:
                tables.compact(self._tables[name])
                self._index_keys(name)
                self._appended[name] = 0
        # Nothing can be deleted earlier, and listing the versions of a long job takes time.
        if time.monotonic() - self._cleaned > tables.READERS_KEEP.total_seconds():
            self._clean_up()

    def _clean_up(self) -> None:
        with plain_errors(self.path):
            for table in self._tables.values():
                tables.clean_up(table)
        self._cleaned = time.monotonic()

    def _factors(self) -> dict[str, pa.DataType]:
        if "objects" not in self._tables:
            return {}
        own = set(columns.OBJECTS.names)
        return {field.name: field.type for field in self._tables["objects"].schema if field.name not in own}

    def _read(self, name: str, wanted: list[str]) -> pa.Table:
        if name in self._tables:
            return tables.read_rows(self._tables[name], wanted)
        return pa.table({column: pa.array([], pa.string()) for column in wanted})

    def _keys(self, name: str, column: str) -> Keys:
        return Keys(self._read(name, [column])[column].to_pylist())
