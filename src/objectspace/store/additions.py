"""The rows that a batch adds to a store, which lacks them; all are checked before any write."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from objectspace.embeddings.spaces import Recipe, SpaceRows, WrittenFragment, WrittenRows
from objectspace.errors import InputError, RecipeError
from objectspace.files import plain_json
from objectspace.images import Failure
from objectspace.places import Place
from objectspace.store import columns, tables
from objectspace.store.border import check_new
from objectspace.store.keys import Keys
from objectspace.store.manifest import SPACES, Manifest, SpaceEntry
from objectspace.store.store_records import Batch, objects_digest

_NO_KEYS = Keys()


@dataclass
class Stored:
    """The state of the store in memory, so that a commit need not read it again.

    keys: those of each table's rows; failures: the files that could not be used, by path
    """

    path: Place
    manifest: Manifest
    factors: Mapping[str, pa.DataType]
    keys: dict[str, Keys] = field(default_factory=dict)
    failures: dict[str, set[Failure]] = field(default_factory=dict)

    def holds(self, table: str, keys: Sequence[str]) -> list[bool]:
        """Return whether a row of each key is in the table."""
        return self.keys.get(table, _NO_KEYS).holds(keys)

    def unseen(self, table: str, keys: Iterable[str]) -> list[int]:
        """Return the positions of the keys that are neither in the table nor earlier in the list."""
        wanted, first = list(keys), dict[str, int]()
        for place, there in enumerate(self.holds(table, wanted)):
            if not there:
                first.setdefault(wanted[place], place)
        return list(first.values())

    def forget(
        self, objects: Collection[str], indexed: Collection[str], images: Collection[str] = ()
    ) -> None:
        """Forget objects that were removed with their vectors, rows of ``indexed``, and images."""
        for table, keys in self.keys.items():
            if table == "objects" or table.startswith(SPACES):
                keys.discard(objects)
        self.keys["indexed"].discard(indexed)
        self.keys["images"].discard(images)

    def remember(self, new: Additions) -> None:
        """Record what a commit has added."""
        for table, keys in new.keys.items():
            self.keys.setdefault(table, Keys()).add(keys)
        self.replace_failures({path: set() for path in new.cleared})
        self.add_failures(new.failures)

    def add_failures(self, failures: Iterable[Failure]) -> None:
        """Record failures of files."""
        for failure in failures:
            self.failures.setdefault(failure.path, set()).add(failure)

    def replace_failures(self, by_path: Mapping[str, set[Failure]]) -> None:
        """Replace the failures of some paths."""
        for path, failures in by_path.items():
            self.failures.pop(path, None)
            self.add_failures(failures)


@dataclass
class Additions:
    """New rows by table with their keys, new spaces, sources and models, new and cleared failures.

    fragments: by table, files all of whose rows are new
    """

    rows: dict[str, pa.Table] = field(default_factory=dict)
    fragments: dict[str, list[WrittenFragment]] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)
    spaces: dict[str, SpaceEntry] = field(default_factory=dict)
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: set[Failure] = field(default_factory=set)
    cleared: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.rows or self.fragments or self.sources or self.models or self.cleared)

    def add(self, table: str, rows: pa.Table, keys: list[str]) -> None:
        """Add rows to a table unless there are none. Raises InputError for values that no store holds."""
        if len(rows):
            check_new(table, rows)
            before = [self.rows[table]] if table in self.rows else []
            self.rows[table] = pa.concat_tables([*before, rows])
            self.keys.setdefault(table, []).extend(keys)

    def add_fragment(self, table: str, fragment: WrittenFragment, keys: list[str]) -> None:
        """Add all rows of a file, which whoever wrote it has checked."""
        self.fragments.setdefault(table, []).append(fragment)
        self.keys.setdefault(table, []).extend(keys)


def additions(batch: Batch, stored: Stored, redone: Collection[str]) -> Additions:
    """Return what ``batch`` adds; the images ``redone`` lose objects, and count as finished by it alone.

    Raises InputError and RecipeError as ``Writer.commit`` says.
    """
    new = Additions()
    _add_images(batch, stored, new)
    _add_finished(batch, stored, redone, new)
    _add_objects(batch, stored, new)
    for name, rows in batch.vectors.items():
        _add_vectors(name, rows, stored, new)
    for name, parts in batch.written.items():
        _add_written(name, parts, stored, new)
    _add_failures(batch, stored, new)
    _add_sources(batch, stored, new)
    _add_models(batch, stored, new)
    return new


def _add_images(batch: Batch, stored: Stored, new: Additions) -> None:
    rows = [batch.images[row] for row in stored.unseen("images", (row.image_id for row in batch.images))]
    new.add("images", columns.images_table(rows), [row.image_id for row in rows])


def _add_finished(batch: Batch, stored: Stored, redone: Collection[str], new: Additions) -> None:
    """Add the finished images; those that are ``redone`` lose their rows, and are added in any case."""
    found = _objects_by_image(batch)
    finished = [
        (image_id, job, objects_digest(found.get(image_id, ()))) for image_id, job in batch.finished.items()
    ]
    keys = [" ".join(row) for row in finished]
    unseen = set(stored.unseen("indexed", keys))
    fresh = [row for row, (image_id, *_) in enumerate(finished) if row in unseen or image_id in redone]
    new.add("indexed", columns.indexed_table([finished[row] for row in fresh]), [keys[row] for row in fresh])


def _objects_by_image(batch: Batch) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for object_id, image_id in zip(
        batch.objects.object_id.tolist(), batch.objects.image_id.tolist(), strict=True
    ):
        found.setdefault(image_id, []).append(object_id)
    return found


def _add_objects(batch: Batch, stored: Stored, new: Additions) -> None:
    types = {**stored.factors, **factor_types(batch.objects.factors, stored)}
    places = stored.unseen("objects", batch.objects.object_id.tolist())
    objects = batch.objects.take(places)
    rows = columns.objects_table(objects, [batch.thumbnails[place] for place in places], types)
    new.add("objects", rows, objects.object_id.tolist())


def factor_types(factors: Mapping[str, Iterable[Any]], stored: Stored) -> dict[str, pa.DataType]:
    """Return Arrow types of factor columns, the stored one where there is one; unknown factors are left out.

    Raises InputError where the values are of another type than the stored ones, or the name is not usable.
    """
    types = {}
    for name, values in factors.items():
        columns.check_factor_name(name)
        offered, held = columns.factor_type(values, name), stored.factors.get(name)
        if held is not None and offered not in (held, pa.null()):
            words = {pa.float64(): "numbers", pa.string(): "text"}
            raise InputError(
                f"factor {name}: {stored.path} holds {words[held]} and this job gives {words[offered]}; "
                f"give the factor another name"
            )
        if held is not None or offered != pa.null():
            types[name] = held or offered
    return types


def _add_vectors(name: str, rows: SpaceRows, stored: Stored, new: Additions) -> None:
    ids = [str(object_id) for object_id in rows.object_id]
    if not ids:
        return
    places = _unseen_vectors(name, ids, rows.recipe, rows.vectors.shape[1], stored, new)
    keep = np.array(places, np.intp)
    new.add(SPACES + name, columns.space_table(name, rows, keep), [ids[row] for row in keep])


def _add_written(name: str, parts: Sequence[WrittenRows], stored: Stored, new: Additions) -> None:
    """Add rows of files: the files in which all rows are new as they are, of the others the new rows."""
    by_fragment: dict[WrittenFragment, list[WrittenRows]] = {}
    for part in parts:
        by_fragment.setdefault(part.fragment, []).append(part)
    for fragment, unsorted in by_fragment.items():
        held = sorted(unsorted, key=lambda part: part.start)
        ids = [object_id for part in held for object_id in part.object_id.tolist()]
        rows = [part.start + row for part in held for row in range(len(part.object_id))]
        places = _unseen_vectors(name, ids, held[0].recipe, held[0].dimension, stored, new)
        keys = [ids[place] for place in places]
        if len(places) == fragment.rows:
            new.add_fragment(SPACES + name, fragment, keys)
        elif places:
            kept = [rows[place] for place in places]
            with tables.plain_errors(stored.path):
                read = tables.read_fragment(stored.path, SPACES + name, fragment.metadata, kept)
            new.add(SPACES + name, read, keys)


def _unseen_vectors(
    name: str, ids: list[str], recipe: Recipe, dimension: int, stored: Stored, new: Additions
) -> list[int]:
    """Return the positions of the objects that have no vector in a space yet, which is new itself perhaps.

    Raises RecipeError for another recipe than the space's, InputError for an object that is unknown.
    """
    check_recipe(name, recipe, stored, dimension)
    if name not in stored.manifest.spaces:
        new.spaces[name] = SpaceEntry(recipe, dimension)
    batched = set(new.keys.get("objects", ()))
    others = [object_id for object_id in ids if object_id not in batched]
    for object_id, there in zip(others, stored.holds("objects", others), strict=True):
        if not there:
            raise InputError(f"space {name}: a vector of object {object_id}, which is not in the store")
    added = set(new.keys.get(SPACES + name, ()))
    return [place for place in stored.unseen(SPACES + name, ids) if ids[place] not in added]


def known_factors(batch: Batch, stored: Stored) -> dict[str, dict[str, Any]]:
    """Return the factors that the batch gives to objects of the store: object id -> factors."""
    factors = batch.objects.factors
    if not factors:
        return {}
    ids = batch.objects.object_id.tolist()
    objects = zip(ids, batch.objects.image_id.tolist(), stored.holds("objects", ids), strict=True)
    return {
        object_id: {
            name: column[row]
            for name, column in factors.items()
            if name not in batch.unnamed.get(image_id, ())
        }
        for row, (object_id, image_id, there) in enumerate(objects)
        if there
    }


def check_recipe(name: str, recipe: Recipe, stored: Stored, dimension: int | None = None) -> None:
    """Raise RecipeError where the store has a space of that name and vectors of another recipe in it."""
    if name in stored.manifest.joint_spaces:
        raise RecipeError(
            f"{name} of {stored.path} is a joint space, which holds no vectors; give these another name"
        )
    held = stored.manifest.spaces.get(name)
    if held is None:
        return
    differences = held.recipe.differences(recipe)
    if dimension not in (None, held.dimension):
        differences["dimension"] = (held.dimension, dimension)
    if differences:
        keys = "; ".join(f"{key} {mine!r}, now {yours!r}" for key, (mine, yours) in differences.items())
        raise RecipeError(
            f"space {name} of {stored.path} was made by another recipe ({keys}); "
            "use another store, or give the new space a name of its own (suffix=)"
        )


def _add_failures(batch: Batch, stored: Stored, new: Additions) -> None:
    succeeded = {columns.storable(row.path) for row in batch.images}
    new.cleared = {path for path in succeeded if path in stored.failures}
    offered = set(map(columns.storable_failure, batch.failures))
    # What failed in the very batch in which it succeeded (its mask file, say) is kept.
    new.failures = {f for f in offered if f.path in new.cleared or f not in stored.failures.get(f.path, ())}
    new.add("failures", columns.failures_table(sorted(new.failures)), [])


def _add_sources(batch: Batch, stored: Stored, new: Additions) -> None:
    for name, recipe in batch.sources.items():
        held, plain = stored.manifest.sources.get(name), plain_json(recipe, f"the recipe of source {name}")
        if held is None:
            new.sources[name] = plain
        elif held != plain:
            raise RecipeError(f"source {name} of {stored.path} was made by another recipe; use another store")


def _add_models(batch: Batch, stored: Stored, new: Additions) -> None:
    """Add how models are loaded; paths of their files may change, and the last job's count."""
    for name, arguments in batch.models.items():
        plain = plain_json(arguments, f"loaded_from of {name}")
        if stored.manifest.models.get(name) != plain:
            new.models[name] = plain


def changed_factors(
    rows: pa.Table,
    key: str,
    by_key: Mapping[str, Mapping[str, Any]],
    types: Mapping[str, pa.DataType],
) -> pa.Table:
    """Return the rows whose factors change, with every factor of ``types``; the others keep their values.

    ``rows`` has object_id, the column ``key`` and those of the factors that the store has already.
    """
    ids, keys = rows["object_id"].to_pylist(), rows[key].to_pylist()
    before = {name: _values(rows, name) for name in types}
    after = {
        name: columns.factor_array(
            [by_key.get(value, {}).get(name, old) for value, old in zip(keys, before[name], strict=True)],
            kind,
        )
        for name, kind in types.items()
    }
    changed = [row for row in range(len(ids)) if any(after[n][row].as_py() != before[n][row] for n in types)]
    return pa.table({"object_id": ids, **after}).take(pa.array(changed, pa.int64()))


def _values(rows: pa.Table, name: str) -> Sequence[Any]:
    values: list[Any] = rows[name].to_pylist() if name in rows.column_names else [None] * len(rows)
    return values
