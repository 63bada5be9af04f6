"""Read all of a store once: what is damaged, and what the next run of the same job would make again."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from objectspace.errors import ImageError, InputError, StoreError, counted
from objectspace.images import decode_thumbnail
from objectspace.objects.masks import mask_from_counts
from objectspace.places import Place, as_place
from objectspace.store import tables
from objectspace.store.border import bad_rows, schema_problem
from objectspace.store.checksums import check_file, file_checksum
from objectspace.store.columns import INDEXED
from objectspace.store.manifest import SPACES, Manifest, read_manifest
from objectspace.store.store_records import objects_digest

#: What may go wrong while a damaged file is read.
READ_ERRORS = (OSError, ValueError, RuntimeError, pa.ArrowException, StoreError)

#: Columns that are kept of the rows that are whole.
_KEPT = {
    "images": ("image_id",),
    "objects": ("object_id", "image_id", "source"),
    "indexed": tuple(INDEXED.names),
    "failures": ("path",),
}
_KEYS = {"images": "image_id", "objects": "object_id", "indexed": None, "failures": None}


_NO_MEMBERS = pa.table({name: pa.array([], pa.string()) for name in _KEPT["objects"]})


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is wrong with a table: a file of it, or rows.

    rows: how many are lost by it; of a table that cannot be opened, None
    """

    table: str
    what: str
    rows: int | None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"table": self.table, "what": self.what, "rows": self.rows}


@dataclass
class Losses:
    """What has to go from one table.

    whole: the table cannot be opened; fragments: those with a damaged file; keys: rows by their first column
    indices: damaged ones, by name; stale: the table's metadata are not those that were written
    """

    whole: bool = False
    fragments: set[int] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    indices: set[str] = field(default_factory=set)
    stale: bool = False

    def __bool__(self) -> bool:
        return bool(self.whole or self.fragments or self.keys or self.indices or self.stale)


@dataclass(frozen=True, eq=False)
class Examination:
    """All that is wrong with a store.

    losses: table -> what has to go, so that the rest is a store
    redone: images that the same ``index`` command makes again once that has gone
    handed_in: spaces that have lost vectors which no ``index`` makes -> how many
    """

    path: Place
    manifest: Manifest
    damages: tuple[Damage, ...]
    losses: Mapping[str, Losses]
    redone: frozenset[str]
    handed_in: Mapping[str, int]

    def __repr__(self) -> str:
        return f"Examination({str(self.path)!r}, {counted(len(self.damages), 'damage')})"

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.damages

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "damages": [damage.to_json() for damage in self.damages],
            "redone": len(self.redone),
            "handed_in": dict(self.handed_in),
        }


def examine_store(path: os.PathLike[str] | str) -> Examination:
    """Read every file, row and value of a store once, and return what is wrong; nothing is changed.

    Raises StoreError where there is no store, or its manifest is damaged, StoreVersionError for another
    version of the format.
    """
    folder = as_place(path)
    manifest = read_manifest(folder)
    return _Examiner(folder, manifest).examine()


class _Examiner:
    def __init__(self, folder: Place, manifest: Manifest) -> None:
        self._folder, self._manifest = folder, manifest
        self._damages: list[Damage] = []
        self._losses = {name: Losses() for name in manifest.tables}
        self._kept: dict[str, pa.Table] = {}
        self._lost: dict[str, list[pa.Table]] = {name: [] for name in manifest.tables}
        self._unknown: set[str] = set()

    def examine(self) -> Examination:
        for name in self._manifest.tables:
            self._examine_table(name)
        lost_members = self._cascade()
        redone = self._redone()
        self._losses_of("indexed").keys |= redone
        handed_in = {
            name: lost_members[SPACES + name]
            for name, entry in self._manifest.spaces.items()
            if lost_members[SPACES + name] and (entry.recipe.route == "external" or entry.recipe.erasure)
        }
        losses = {name: lost for name, lost in self._losses.items() if lost}
        return Examination(
            self._folder, self._manifest, tuple(self._damages), losses, frozenset(redone), handed_in
        )

    def _losses_of(self, name: str) -> Losses:
        return self._losses.setdefault(name, Losses())

    def _report(self, name: str, what: str, rows: int | None) -> None:
        self._damages.append(Damage(name, what, rows))

    # ------------------------------------------------------------------------------------------ one table

    def _examine_table(self, name: str) -> None:
        entry = self._manifest.spaces.get(name.removeprefix(SPACES))
        columns = _kept_columns(name)
        self._kept[name] = pa.table({column: pa.array([], pa.string()) for column in columns})
        try:
            table = tables.open_table(self._folder, name, self._manifest.tables[name])
            facts = tables.files_of(table)
        except READ_ERRORS as error:
            self._lose_table(name, f"cannot be opened: {_brief(error)}")
            return
        if (problem := schema_problem(name, table.schema, entry)) is not None:
            self._lose_table(name, problem)
            return
        self._examine_files(name, table, facts)
        parts = [self._examine_fragment(name, part, columns) for part in table.get_fragments()]
        if parts:
            self._kept[name] = pa.concat_tables(parts)
        self._drop_repeated(name)

    def _lose_table(self, name: str, what: str) -> None:
        self._losses[name].whole = True
        self._unknown.add(name)
        self._report(name, what, None)

    def _examine_files(self, name: str, table: Any, facts: Mapping[str, tables.FileFacts]) -> None:
        """Compare every file with its checksum and with what the table's metadata state of it."""
        checksums, folder = self._manifest.files[name], tables.table_path(self._folder, name)
        segments = {
            str(part.uuid): index.name for index in table.describe_indices() for part in index.segments
        }
        for path in sorted({*facts, *checksums}):
            problem = _file_problem(folder / path, checksums.get(path), facts.get(path))
            if problem is None:
                continue
            fragment = facts[path].fragment if path in facts else None
            if fragment is not None:
                self._losses[name].fragments.add(fragment)
            elif path.startswith("_indices/"):
                self._losses[name].indices |= {segments.get(path.split("/")[1], "")} - {""}
            self._losses[name].stale = True
            rows = 0 if fragment is None else _rows_of(table, fragment)
            self._report(name, f"{path} {problem}", rows)

    def _examine_fragment(self, name: str, part: Any, columns: tuple[str, ...]) -> pa.Table:
        """Return the whole rows of a fragment, of the columns that are kept."""
        losses = self._losses[name]
        try:
            if part.fragment_id not in losses.fragments:
                return self._whole_rows(name, part, columns)
        except READ_ERRORS as error:
            losses.fragments.add(part.fragment_id)
            self._report(
                name, f"fragment {part.fragment_id} cannot be read: {_brief(error)}", part.count_rows()
            )
        try:
            # What still can be read tells which images are to be made again.
            self._lost[name].append(part.to_table(columns=list(columns)))
        except READ_ERRORS:
            self._unknown.add(name)
        return self._kept[name].slice(0, 0)

    def _whole_rows(self, name: str, part: Any, columns: tuple[str, ...]) -> pa.Table:
        kept, lost, reasons = [], [], dict[str, int]()
        for batch in part.to_batches():
            rows = pa.Table.from_batches([batch])
            wrong = np.zeros(len(rows), bool)
            for what, bad in {**bad_rows(name, rows), **_unreadable(name, rows)}.items():
                reasons[what] = reasons.get(what, 0) + int(bad.sum())
                wrong |= bad
            kept.append(rows.select(columns).filter(pa.array(~wrong)))
            lost.append(rows.select(columns).filter(pa.array(wrong)))
        if (rows_read := sum(map(len, (*kept, *lost)))) != part.count_rows():
            raise ValueError(f"it has {rows_read} rows, expected {part.count_rows()}")
        for what, count in reasons.items():
            self._report(name, f"{counted(count, 'row')} whose {what}", count)
        for rows in lost:
            self._lose_rows(name, rows)
        return pa.concat_tables(kept) if kept else self._kept[name].slice(0, 0)

    def _lose_rows(self, name: str, rows: pa.Table) -> None:
        """Mark rows that are to be deleted by their key; where it is missing, with all of their fragment."""
        if not len(rows):
            return
        self._lost[name].append(rows)
        keys = rows[0]
        self._losses[name].keys |= set(keys.drop_null().to_pylist())
        if keys.null_count:
            self._losses[name].stale = True

    def _drop_repeated(self, name: str) -> None:
        key = _KEYS.get(name, "object_id")
        rows = self._kept[name]
        if key is None or pc.count_distinct(rows[key]).as_py() == len(rows):
            return
        counts = pc.value_counts(rows[key].combine_chunks())
        twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
        repeated = pc.is_in(rows[key], value_set=twice)
        self._report(name, f"{counted(len(twice), 'row')} whose {key} another row has", len(twice))
        self._lose_rows(name, rows.filter(repeated))
        self._kept[name] = rows.filter(pc.invert(repeated))

    # -------------------------------------------------------------------------------------- between tables

    def _cascade(self) -> dict[str, int]:
        """Lose the rows of what is lost elsewhere; return how many vectors each space has lost in all."""
        if self._losses_of("images").whole:
            self._losses_of("objects").whole = True
        self._keep_known("objects", "image_id", "images")
        self._keep_known("indexed", "image_id", "images")
        count = dict[str, int]()
        for name in self._manifest.spaces:
            table = SPACES + name
            self._keep_known(table, "object_id", "objects")
            count[table] = sum(map(len, self._lost[table])) or int(self._losses[table].whole)
        return count

    def _keep_known(self, name: str, column: str, among: str) -> None:
        """Keep the rows of a table whose image or object is in another one."""
        if name not in self._kept:
            return
        rows, known = self._kept[name], self._column(among, column)
        there = pc.is_in(rows[column], value_set=known)
        if pc.all(there).as_py() is False:
            lost = rows.filter(pc.invert(there))
            if not self._losses_of(among):
                self._report(name, f"{counted(len(lost), 'row')} whose {column} is not in {among}", len(lost))
            self._lose_rows(name, lost)
            self._kept[name] = rows.filter(there)

    def _column(self, name: str, column: str) -> pa.Array:
        if name not in self._kept:
            return pa.array([], pa.string())
        return self._kept[name][column].combine_chunks()

    def _redone(self) -> set[str]:
        """Return the finished images that have lost something, which no job has finished then."""
        lost = set[str]()
        for name in ("images", "objects", "indexed"):
            for rows in self._lost.get(name, ()):
                lost |= set(rows["image_id"].drop_null().to_pylist())
        for name in map(SPACES.__add__, self._manifest.spaces):
            ids = [self._lost_members(name)] if name in self._unknown else self._lost[name]
            lost.update(*(self._images_of(part["object_id"]) for part in ids))
        if "objects" in self._unknown:
            lost |= self._with_other_objects()
        if "indexed" in self._unknown:
            images = self._column("images", "image_id")
            finished = self._column("indexed", "image_id")
            lost |= set(images.filter(pc.invert(pc.is_in(images, value_set=finished))).to_pylist())
        return lost

    def _lost_members(self, name: str) -> pa.Table:
        """Return the objects that a space does not hold: those that it has lost are among them."""
        objects = self._kept.get("objects", _NO_MEMBERS)
        return objects.filter(
            pc.invert(pc.is_in(objects["object_id"], value_set=self._column(name, "object_id")))
        )

    def _images_of(self, object_ids: pa.ChunkedArray) -> set[str]:
        objects = self._kept.get("objects", _NO_MEMBERS)
        there = pc.is_in(objects["object_id"], value_set=object_ids.combine_chunks())
        return set(objects["image_id"].filter(there).to_pylist())

    def _with_other_objects(self) -> set[str]:
        """Return the finished images that hold objects of no source as a job found them."""
        found: dict[tuple[str, str], list[str]] = {}
        for row in self._kept["objects"].to_pylist():
            found.setdefault((row["image_id"], row["source"]), []).append(row["object_id"])
        digests: dict[str, set[str]] = {}
        for (image_id, _), ids in found.items():
            digests.setdefault(image_id, {objects_digest(())}).add(objects_digest(ids))
        none = {objects_digest(())}
        rows = self._kept["indexed"].to_pylist()
        return {r["image_id"] for r in rows if r["objects"] not in digests.get(r["image_id"], none)}


def _kept_columns(name: str) -> tuple[str, ...]:
    return _KEPT.get(name, ("object_id",))


def _rows_of(table: Any, fragment: int) -> int:
    return sum(part.count_rows() for part in table.get_fragments() if part.fragment_id == fragment)


def _file_problem(path: Place, checksum: str | None, facts: tables.FileFacts | None) -> str | None:
    """Return what is wrong with a file of a table; None for nothing."""
    if facts is None:
        return "is in the manifest, and the table does not know it"
    if checksum is None:
        return "has no checksum in the manifest"
    try:
        if file_checksum(path) != checksum:
            return "has changed since it was written"
        check_file(path, facts)
    except FileNotFoundError:
        return "is missing"
    except READ_ERRORS as error:
        return f"cannot be read: {_brief(error)}"
    return None


def _unreadable(name: str, rows: pa.Table) -> dict[str, NDArray[np.bool_]]:
    """Return rows (n,) by what of them cannot be used: the vector, the box, the mask, the thumbnail."""
    found: dict[str, NDArray[np.bool_]] = {}
    if name.startswith(SPACES):
        vectors = rows["vector"].combine_chunks()
        filled = vectors.flatten().to_numpy(zero_copy_only=False)
        finite = np.isfinite(filled).reshape(-1, vectors.type.list_size).all(1)
        wrong = np.zeros(len(rows), bool)
        wrong[vectors.is_valid().to_numpy(zero_copy_only=False)] = ~finite
        found["vector is not finite"] = wrong
    elif name == "objects":
        x1, y1, x2, y2 = (_floats(rows[side]) for side in ("x1", "y1", "x2", "y2"))
        box = np.isfinite([x1, y1, x2, y2]).all(0) & (x1 < x2) & (y1 < y2)
        found["box is not finite, or has no area"] = ~box
        found["mask cannot be decoded"] = _failing(rows["mask"], _check_mask)
        found["thumbnail cannot be decoded"] = _failing(rows["thumbnail"], _check_thumbnail)
    return {what: wrong for what, wrong in found.items() if wrong.any()}


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    values: NDArray[np.float64] = column.cast(pa.float64()).fill_null(np.nan).to_numpy()
    return values


def _failing(column: pa.ChunkedArray, check: Any) -> NDArray[np.bool_]:
    return np.fromiter((not check(value) for value in _values(column)), bool, len(column))


def _values(column: pa.ChunkedArray) -> Iterator[Any]:
    chunks: Iterable[Any] = column.chunks
    for chunk in chunks:
        for value in chunk:
            yield value.as_py()


def _check_mask(mask: Mapping[str, Any] | None) -> bool:
    if mask is None or None in mask.values():
        return mask is None
    try:
        mask_from_counts(mask["counts"], (mask["width"], mask["height"]))
    except InputError:
        return False
    return True


def _check_thumbnail(jpeg: bytes | None) -> bool:
    try:
        return jpeg is not None and len(decode_thumbnail(jpeg)) > 0
    except ImageError:
        return False


def _brief(error: BaseException) -> str:
    return str(error).split(", /")[0].split("; restore")[0].replace("\n", " ")
