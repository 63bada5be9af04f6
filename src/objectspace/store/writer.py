"""Writing a store: one process at a time, each commit whole or not at all."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any

import filelock
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from objectspace.arguments import typed
from objectspace.embeddings.spaces import Recipe
from objectspace.errors import InputError, QueryError, RecipeError, StoreBusyError, StoreError
from objectspace.files import check_writable, flush_to_disk
from objectspace.images import Failure
from objectspace.places import Place, RemotePath, as_place
from objectspace.store import columns, tables
from objectspace.store.additions import (
    Stored,
    additions,
    changed_factors,
    check_recipe,
    factor_types,
    known_factors,
)
from objectspace.store.border import check_schema, checked
from objectspace.store.checksums import check_replaced, checksums, flush_files
from objectspace.store.fragments import FragmentWriter, told_checksums
from objectspace.store.indexes import KINDS, JointSpaceIndex, Recall, SpaceIndex
from objectspace.store.keys import Keys
from objectspace.store.lease import Lease
from objectspace.store.manifest import (
    KEYS,
    KEYS_OF_A_SPACE,
    MANIFEST,
    SPACES,
    Manifest,
    SpaceEntry,
    read_manifest,
    read_tagged_manifest,
    write_manifest,
)
from objectspace.store.pins import READERS, pinned_versions
from objectspace.store.purity import LabelPurity
from objectspace.store.segments import FEWEST, Workers, build_segments
from objectspace.store.store_records import Batch, check_space_name, objects_digest
from objectspace.store.tables import plain_errors
from objectspace.store.vectors import StoredVectors

LOCK = "write.lock"


@typed
def open_writer(path: Place | str) -> Writer:
    """Return the writer of the store at ``path``, which is made if there is none; use it in ``with``.

    What a killed writer left half-written is undone first. Raises StoreBusyError at once where another
    process writes, StoreError where the path is something else than a store or the store is damaged,
    StoreVersionError where it was written in another version of the format.

    >>> with osp.open_writer("new.osp") as writer:
    ...     writer.failures()
    set()
    """
    folder = as_place(path)
    _check_folder(folder)
    lock = write_lock(folder)
    try:
        return Writer(folder, lock)
    except BaseException:
        lock.release()
        raise


def check_store_place(path: Place | str) -> None:
    """Raise StoreError where :func:`open_writer` could open or make no store; before the work, not after it.

    Nothing is written. A store of another version raises StoreVersionError, one that another process writes
    to StoreBusyError.
    """
    folder = as_place(path)
    _check_folder(folder)
    if isinstance(folder, RemotePath):
        return
    try:
        check_writable(folder / LOCK if folder.exists() else folder)
    except InputError as problem:
        raise StoreError(f"no store can be made or written here: {problem}") from None
    if (folder / MANIFEST).exists():
        read_manifest(folder)
        write_lock(folder).release()


def write_lock(folder: Place) -> filelock.BaseFileLock | Lease:
    """Return the lock of a store's writer, held; the folder is made if there is none.

    The system releases it when the process ends, however it ends; in object storage it is a lease. Raises
    StoreBusyError where another process holds it, StoreError where the folder cannot be written.
    """
    if isinstance(folder, RemotePath):
        with plain_errors(folder):
            return Lease(folder / LOCK)
    lock = filelock.FileLock(folder / LOCK, timeout=0, thread_local=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        (folder / READERS).mkdir(exist_ok=True)
    except filelock.Timeout:
        raise StoreBusyError(
            f"another process is writing to {folder} (it holds {folder / LOCK}); wait until it has ended"
        ) from None
    except OSError as error:
        raise StoreError(f"no store can be made or written at {folder}: {error.strerror}") from None
    return lock


def _check_folder(folder: Place) -> None:
    """Raise StoreError for a folder that holds something else, or that Lance cannot name."""
    if isinstance(folder, RemotePath):
        _check_names(folder, folder.names())
        return
    try:
        str(folder.absolute()).encode()
    except UnicodeEncodeError:
        raise StoreError(f"{folder} can be no store, as its path is not UTF-8 text; choose another") from None
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder} is a file and a store is a folder; give the store another name")
    if folder.exists():
        _check_names(folder, {path.name for path in folder.iterdir()})


def _check_names(folder: Place, names: Collection[str]) -> None:
    if MANIFEST in names:
        return
    # A writer that was killed while it made the store leaves these.
    own = {LOCK, READERS, f"{MANIFEST}.new"}
    if foreign := sorted(name for name in names if name not in own and not name.startswith("write.probe-")):
        raise StoreError(
            f"{folder} is not a store (it has no {MANIFEST}) and is not empty (it holds {foreign[0]}); "
            f"give the store a folder of its own"
        )


class Writer:
    """Adds to one store; rows that are already there are dropped, so adding twice is adding once.

    After a commit that failed, the next one starts from what the store holds.

    >>> with osp.open_writer("photos.osp") as writer:
    ...     len(writer.paths())
    12
    """

    def __init__(self, path: Place, lock: filelock.BaseFileLock | Lease) -> None:
        self.path = path
        self._lock = lock
        self._tables: dict[str, Any] = {}
        self._added = Counter[str]()
        self._cleaned = time.monotonic()
        self._others_write = False
        with plain_errors(path):
            if isinstance(path, RemotePath):
                if not (path / MANIFEST).is_file():
                    write_manifest(path, Manifest())
            elif not (path / MANIFEST).exists():
                write_manifest(path, Manifest())
                flush_to_disk(path.absolute().parent)
        self._load()

    def __repr__(self) -> str:
        return f"Writer({str(self.path)!r})"

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the store to other writers."""
        self._lock.release()

    @typed
    def finished(self, sources: Collection[str] = ()) -> Keys:
        """Return the images that are finished, those without an object too, each under its names.

        :func:`objectspace.store.indexed_key` makes the keys; what is committed later is not among them.

        sources: leave out the images that hold other objects of these sources than the job found in them, as
            another job added or removed some
        """
        rows = self._read("indexed", columns.INDEXED.names)
        if sources:
            digests = self._object_digests(sources)
            none = objects_digest(())
            found = zip(rows["image_id"].to_pylist(), rows["objects"].to_pylist(), strict=True)
            rows = rows.filter(
                pa.array([digests.get(image, none) == left for image, left in found], pa.bool_())
            )
        return Keys(columns.byte_array(columns.indexed_keys(rows, ["image_id", "job"])))

    def _object_digests(self, sources: Collection[str]) -> dict[str, str]:
        """Return the digest of the stored objects of these sources, by image id."""
        rows = self._read("objects", ["object_id", "image_id", "source"])
        rows = rows.filter(pc.is_in(rows["source"], value_set=pa.array(list(sources), pa.string())))
        rows = rows.sort_by("image_id")
        ids = rows["object_id"].to_pylist()
        images, counts = np.unique_counts(columns.text_array(rows["image_id"]))
        ends = np.cumsum(counts)
        parts = zip(images.tolist(), (ends - counts).tolist(), ends.tolist(), strict=True)
        return {image: objects_digest(ids[start:end]) for image, start, end in parts}

    @typed
    def check_recipes(self, recipes: Mapping[str, Recipe]) -> None:
        """Raise RecipeError for a space that holds vectors of another recipe, before any are made."""
        for name, recipe in recipes.items():
            check_recipe(name, recipe, self._stored)

    def fragments(self) -> FragmentWriter:
        """Return what writes vectors in other processes, which ``Batch.written`` then names.

        Until :meth:`finish`, files that no version names are left alone, as one may be in the making.
        """
        self._others_write = True
        return FragmentWriter.of(self.path)

    @typed
    def commit(self, batch: Batch) -> None:
        """Add a batch, all of it or none.

        Rows whose key is there already are dropped (an image; an object; an object within its space; an image
        with its job and what it found; the path and reason of a failure), but for an object's factors: those
        that the batch names are the batch's from now on. With ``batch.replaces`` outdated objects of the
        finished images are removed. An image in ``batch.images`` loses the failures of earlier runs.

        Raises RecipeError for vectors of another recipe than the space's, InputError for a vector whose
        object is unknown or a factor of another type than the stored one, StoreError where writing failed:
        the store then keeps what it had.
        """
        self._recover()
        outdated = self._outdated(batch) if batch.replaces else columns.OUTDATED.empty_table()
        new = additions(batch, self._stored, set(outdated["image_id"].to_pylist()))
        edited = self._changed("object_id", known_factors(batch, self._stored))
        if not new and not len(outdated) and not len(edited):
            return
        with self._publishing(new.spaces, new.sources, new.models, told=told_checksums(new.fragments)):
            if new.cleared:
                tables.delete_rows(self._tables["failures"], "path", sorted(new.cleared))
            # Before anything is updated, which moves rows: what is outdated goes by where it lies.
            redone = self._remove(outdated)
            if len(edited):
                self._update("objects", "object_id", edited)
            for name, rows in new.rows.items():
                self._append(name, rows)
            for name, fragments in new.fragments.items():
                self._append_fragments(name, [fragment.metadata for fragment in fragments], new.spaces)
        self._stored.forget(outdated["object_id"].to_pylist(), redone)
        self._stored.remember(new)
        self._compact([name for name, count in self._added.items() if count > tables.MANY_FRAGMENTS])

    @typed
    def set_factors(self, by_image: Mapping[str, Mapping[str, float | str | None]]) -> None:
        """Set factors of all stored objects of the given images: image id -> factor -> value.

        None and NaN stand for unknown. Factors that are not named keep their values. Raises InputError for a
        factor of another type than the stored one, StoreError where writing failed.
        """
        self._recover()
        rows = self._changed("image_id", by_image)
        if not len(rows):
            return
        with self._publishing():
            self._update("objects", "object_id", rows)

    def paths(self) -> dict[str, str]:
        """Return the path at which a job found each image last: image id -> path."""
        rows = self._read("images", ["image_id", "path"])
        return dict(zip(rows["image_id"].to_pylist(), rows["path"].to_pylist(), strict=True))

    @typed
    def set_paths(self, paths: Mapping[str, str]) -> None:
        """Set the paths of images: image id -> path. Raises StoreError where writing failed."""
        self._recover()
        if not paths:
            return
        rows = pa.table(
            {"image_id": list(paths), "path": [columns.storable(path) for path in paths.values()]}
        )
        with self._publishing():
            self._update("images", "image_id", rows)

    @typed
    def remove_images(self, image_ids: Collection[str]) -> None:
        """Remove images with their objects and vectors; ids that the store does not hold change nothing.

        Raises StoreError where writing failed.
        """
        self._recover()
        wanted = list(image_ids)
        held = self._stored.holds("images", wanted)
        images = [image_id for image_id, there in zip(wanted, held, strict=True) if there]
        if not images:
            return
        objects = self._find("objects", "image_id", images, columns.OUTDATED)
        with self._publishing():
            tables.delete_rows(self._tables["images"], "image_id", images)
            self._remove_objects(objects)
            finished = self._remove_finished(images)
        self._stored.forget(objects["object_id"].to_pylist(), finished, images)

    def failures(self) -> set[Failure]:
        """Return the files that could not be used, and why."""
        return set[Failure]().union(*self._stored.failures.values())

    @typed
    def clear_failures(self, paths: Iterable[str], failures: Iterable[Failure]) -> None:
        """Remove the failures of files that have been used since, except ``failures``, which came again.

        Raises StoreError where writing failed.
        """
        self._recover()
        used = {columns.storable(path) for path in paths}
        again = {columns.storable_failure(failure) for failure in failures}
        before = {path: self._stored.failures[path] for path in used if path in self._stored.failures}
        changed = {path: failures & again for path, failures in before.items() if failures - again}
        if not changed:
            return
        with self._publishing():
            tables.delete_rows(self._tables["failures"], "path", sorted(changed))
            if kept := sorted(set[Failure]().union(*changed.values())):
                self._append("failures", columns.failures_table(kept))
        self._stored.replace_failures(changed)

    def _changed(self, key: str, by_key: Mapping[str, Mapping[str, float | str | None]]) -> pa.Table:
        """Return stored objects whose factors change, with these; ``by_key``: value of ``key`` -> factors."""
        if not by_key or "objects" not in self._tables:
            return pa.table({"object_id": pa.array([], pa.string())})
        names = dict.fromkeys(name for factors in by_key.values() for name in factors)
        values = {name: [factors.get(name) for factors in by_key.values()] for name in names}
        types = factor_types(values, self._stored)
        stored = [name for name in types if name in self._stored.factors]
        wanted = list(dict.fromkeys(["object_id", key, *stored]))
        rows = tables.find_rows(self._tables["objects"], key, by_key, wanted)
        return changed_factors(rows, key, by_key, types)

    @typed
    def index_space(
        self,
        name: str,
        *,
        kind: str,
        metric: str,
        settings: Mapping[str, int],
        measure: Callable[[StoredVectors], Recall],
        workers: Workers | None = None,
    ) -> SpaceIndex:
        """Build the approximate index of a space anew, and publish it together with its recall.

        kind, metric, settings: as in :class:`SpaceIndex`
        measure: returns the recall of the new index, given the vectors
        workers: build it, each of some fragments; None for this process
        Raises QueryError for an unknown space, StoreError where writing failed, and whatever ``measure``
        raises: the store then keeps the index that it had.
        """
        self._recover()
        entry = self._stored.manifest.spaces.get(name)
        if entry is None:
            known = ", ".join(sorted(self._stored.manifest.spaces)) or "none yet"
            raise QueryError(f"no space {name} in {self.path}; its spaces: {known}")
        published: dict[str, SpaceEntry] = {}
        with self._publishing(published):
            table = self._tables[SPACES + name]
            if workers is None or table.count_rows() < FEWEST:
                tables.build_index(
                    table,
                    KINDS[kind],
                    metric=metric,
                    partition_size=settings["partition_size"],
                    sub_vectors=settings.get("sub_vectors"),
                )
            else:
                where = self.path, SPACES + name
                build_segments(*where, table, KINDS[kind], workers, metric=metric, settings=settings)
            vectors = StoredVectors(table, entry.dimension)
            index = SpaceIndex(kind, metric, len(vectors), dict(settings), measure(vectors))
            published[name] = replace(entry, index=index)
        return index

    @typed
    def declare_joint(self, name: str, recipe: Recipe, *, replaces: bool = False) -> None:
        """Declare a joint space of spaces of this store, in one step; one that is there already stays.

        replaces: whether a joint space of that name and another recipe is replaced
        Raises RecipeError where ``name`` is another space, or a joint space of another recipe that is not
        replaced; InputError for a name that no space can have; StoreError where writing failed.
        """
        self._recover()
        check_space_name(name)
        manifest = self._stored.manifest
        if name in manifest.spaces:
            raise RecipeError(
                f"{name} of {self.path} is a space of its own; give the joint space another name"
            )
        held = manifest.joint_spaces.get(name)
        if held == recipe:
            return
        if held is not None and not replaces:
            raise RecipeError(
                f"joint space {name} of {self.path} has other parts, weights or recipes; "
                f"give the new one another name"
            )
        with self._publishing(joint_spaces={name: recipe}):
            pass

    @typed
    def set_default_space(self, name: str) -> None:
        """Make a space of this store the default one. Raises StoreError where writing failed."""
        self._recover()
        with self._publishing(default_space=name):
            pass

    @typed
    def set_purities(self, purities: Mapping[str, LabelPurity]) -> None:
        """Keep the measured purity of some spaces of this store. Raises StoreError where writing failed."""
        self._recover()
        with self._publishing(purities=purities):
            pass

    @typed
    def index_joint(self, name: str, index: JointSpaceIndex) -> None:
        """Publish the index of a joint space, which is those of its parts' spaces.

        Raises StoreError where writing failed.
        """
        self._recover()
        with self._publishing(joint_indexes={name: index}):
            pass

    def finish(self) -> None:
        """Join small fragments, bring the indices up to date and delete old versions; no row changes."""
        self._recover()
        self._others_write = False
        many = [name for name, table in self._tables.items() if tables.has_many_fragments(table)]
        with self._publishing():
            for name in many:
                tables.compact(self._tables[name], everything=True)
            for name in self._tables:
                self._index_keys(name)
        self._clean_up()

    def _load(self) -> None:
        """Load the state of the last commit, undoing what was written past it."""
        self._whole = False
        manifest, self._tag = read_tagged_manifest(self.path)
        with plain_errors(self.path):
            versions = tables.roll_back(self.path, manifest.tables)
        self._tables = {name: tables.open_table(self.path, name, at) for name, at in versions.items()}
        for name, table in self._tables.items():
            entry = manifest.spaces.get(name.removeprefix(SPACES))
            check_schema(self.path, name, table.schema, entry)
        self._stored = Stored(self.path, manifest, self._factors())
        if versions != manifest.tables:
            with self._publishing():
                pass
        self._stored.keys = {
            "images": self._keys("images", "image_id"),
            "objects": self._keys("objects", "object_id"),
            "indexed": self._indexed_keys(),
            **{SPACES + name: self._keys(SPACES + name, "object_id") for name in manifest.spaces},
        }
        self._stored.add_failures(
            Failure(**row) for row in self._read("failures", list(Failure._fields)).to_pylist()
        )
        self._whole = True

    def _outdated(self, batch: Batch) -> pa.Table:
        """Return the objects that the batch's sources found in its images and do not now."""
        finished = list(batch.finished)
        held = self._stored.holds("images", finished)
        images = {image_id for image_id, there in zip(finished, held, strict=True) if there}
        if not images or "objects" not in self._tables:
            return columns.OUTDATED.empty_table()
        wanted = [*columns.OUTDATED.names, "source"]
        rows = tables.find_rows(self._tables["objects"], "image_id", images, wanted)
        ours = pc.is_in(rows["source"], value_set=pa.array(list(batch.sources), pa.string()))
        found = pc.is_in(rows["object_id"], value_set=pa.array(batch.objects.object_id.tolist(), pa.string()))
        return rows.filter(pc.and_(ours, pc.invert(found))).select(columns.OUTDATED.names)

    def _remove(self, outdated: pa.Table) -> list[str]:
        """Remove objects and their vectors, and that their images are finished; return the keys of that."""
        self._remove_objects(outdated)
        return self._remove_finished(set(outdated["image_id"].to_pylist()))

    def _remove_objects(self, rows: pa.Table) -> None:
        """Remove objects, rows of :data:`columns.OUTDATED`, and their vectors."""
        if not len(rows):
            return
        tables.delete_at(self._tables["objects"], rows["_rowid"].to_pylist())
        object_ids = rows["object_id"].to_pylist()
        for name, table in self._tables.items():
            if name.startswith(SPACES):
                held = self._stored.holds(name, object_ids)
                gone = [object_id for object_id, there in zip(object_ids, held, strict=True) if there]
                tables.delete_rows(table, "object_id", gone)

    def _remove_finished(self, images: Collection[str]) -> list[str]:
        """Remove that images are finished, under any name; return the keys of that."""
        rows = self._find("indexed", "image_id", images, columns.FINISHED)
        if len(rows):
            tables.delete_at(self._tables["indexed"], rows["_rowid"].to_pylist())
        keys: list[str] = columns.indexed_keys(rows).to_pylist()
        return keys

    def _find(self, name: str, column: str, values: Collection[str], schema: pa.Schema) -> pa.Table:
        """Return the rows of a table whose ``column`` is one of ``values``; none where there is no table."""
        if not values or name not in self._tables:
            return schema.empty_table()
        return tables.find_rows(self._tables[name], column, values, schema.names)

    def _recover(self) -> None:
        """Undo what a commit wrote before it failed."""
        if not self._lock.is_locked:
            raise StoreError(
                f"the writer of {self.path} is closed, or another process has taken the store over; open "
                f"another one"
            )
        if not self._whole:
            if isinstance(self.path, RemotePath) and (self.path / MANIFEST).tag() != self._tag:
                self._lose()
                raise StoreBusyError(
                    f"another process has taken over {self.path}; wait until it has ended and run the same "
                    f"command again"
                )
            self._load()

    @contextmanager
    def _publishing(
        self,
        spaces: Mapping[str, SpaceEntry] | None = None,
        sources: Mapping[str, Mapping[str, Any]] | None = None,
        models: Mapping[str, Mapping[str, Any]] | None = None,
        joint_spaces: Mapping[str, Recipe] | None = None,
        joint_indexes: Mapping[str, JointSpaceIndex] | None = None,
        default_space: str | None = None,
        purities: Mapping[str, LabelPurity] | None = None,
        told: Mapping[str, Mapping[str, str]] | None = None,
    ) -> Iterator[None]:
        """Publish what is written in the block in one step at its end; an exception leaves no trace.

        told: table -> files that others wrote -> their checksums
        """
        self._whole = False
        before = self._stored.manifest
        with plain_errors(self.path):
            yield
            manifest = Manifest(
                tables={name: int(table.version) for name, table in self._tables.items()},
                spaces={**before.spaces, **(spaces or {})},
                sources={**before.sources, **(sources or {})},
                models={**before.models, **(models or {})},
                files=self._checked_files(before, told or {}),
                joint_spaces={**before.joint_spaces, **(joint_spaces or {})},
                joint_indexes={**before.joint_indexes, **(joint_indexes or {})},
                default_space=default_space or before.default_space,
                purities={**before.purities, **(purities or {})},
            )
            if manifest != before:
                self._tag = self._replaced(manifest)
        self._stored.manifest = manifest
        self._stored.factors = self._factors()
        self._whole = True

    def _replaced(self, manifest: Manifest) -> str | None:
        try:
            return write_manifest(self.path, manifest, self._tag)
        except StoreBusyError:
            self._lose()
            raise

    def _lose(self) -> None:
        """Leave the store as it is: undoing here what was written would disturb who has taken it over."""
        if isinstance(self._lock, Lease):
            self._lock.lose()

    def _checked_files(
        self, before: Manifest, told: Mapping[str, Mapping[str, str]]
    ) -> dict[str, Mapping[str, str]]:
        """Return the checksums of all files, after checking and flushing those that are new.

        Raises StoreError where a file that is replaced has changed since it was written.
        """
        files, fresh = dict(before.files), {}
        for name, table in self._tables.items():
            if before.tables.get(name) == int(table.version):
                continue
            known = before.files.get(name, {})
            files[name] = checksums(table, known, told.get(name, {}))
            fresh[name] = files[name].keys() - known.keys()
            gone = known.keys() - files[name].keys()
            check_replaced(self.path, name, {path: known[path] for path in gone})
        if fresh:
            flush_files(self.path, fresh)
        return files

    def _append(self, name: str, rows: pa.Table) -> None:
        if name in self._tables:
            tables.append_rows(self._tables[name], rows)
        else:
            self._tables[name] = tables.create_table(self.path, name, rows)
        self._added[name] += 1

    def _append_fragments(
        self, name: str, fragments: Sequence[str], spaces: Mapping[str, SpaceEntry]
    ) -> None:
        if name not in self._tables:
            space = name.removeprefix(SPACES)
            entry = spaces[space]
            empty = columns.space_schema(space, entry.recipe, entry.dimension).empty_table()
            self._tables[name] = tables.create_table(self.path, name, empty)
        tables.append_fragments(self._tables[name], fragments)
        self._added[name] += len(fragments)

    def _update(self, name: str, key: str, rows: pa.Table) -> None:
        tables.update_rows(self._tables[name], key, rows)
        self._added[name] += 1

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
                self._added[name] = 0
        # Nothing can be deleted earlier, and listing the versions of a long job takes time.
        if time.monotonic() - self._cleaned > tables.UNPINNED_KEEP.total_seconds():
            self._clean_up()

    def _clean_up(self) -> None:
        with plain_errors(self.path):
            pinned = pinned_versions(self.path)
            for name, table in self._tables.items():
                keep = {int(table.version), *pinned.get(name, set())}
                tables.clean_up(table, keep, others_write=self._others_write)
        self._cleaned = time.monotonic()

    def _factors(self) -> dict[str, pa.DataType]:
        if "objects" not in self._tables:
            return {}
        own = set(columns.OBJECTS.names)
        return {field.name: field.type for field in self._tables["objects"].schema if field.name not in own}

    def _read(self, name: str, wanted: Sequence[str]) -> pa.Table:
        if name in self._tables:
            return checked(self.path, name, tables.read_rows(self._tables[name], wanted))
        return pa.table({column: pa.array([], pa.string()) for column in wanted})

    def _keys(self, name: str, column: str) -> Keys:
        return Keys(columns.byte_array(self._read(name, [column])[column]))

    def _indexed_keys(self) -> Keys:
        return Keys(columns.byte_array(columns.indexed_keys(self._read("indexed", columns.INDEXED.names))))
