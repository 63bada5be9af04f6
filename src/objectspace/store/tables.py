"""Lance tables at the versions that a manifest names: open, append, roll back, compact, clean up.

The only module that imports Lance.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from objectspace.errors import StoreBusyError, StoreError
from objectspace.files import check_regular, names_in
from objectspace.places import Place, RemotePath, address_of, as_place
from objectspace.store.manifest import BASE_TABLES, SPACES, read_manifest

# Every commit adds a fragment (one file) to a table, and every version lists all fragments; past this many
# they are joined, so that the thousandth commit costs what the first did.
MANY_FRAGMENTS = 64

# A fragment of this many rows is left alone by the next compaction, so that no row is rewritten often.
FULL_FRAGMENT = 16_384

# Reading a key column of n rows costs as much as n / 32 look-ups in its index (measured at a million rows);
# this few are looked up in any case, as a table without an index is small.
_ROWS_PER_LOOKUP = 32
_FEW_VALUES = 256

# Ids are random, so each one that is looked up reads a page of its own; Lance's 4096 rows a page are made for
# ranges, and take 2.4 times as long where pages are not in memory yet.
_INDEX_PAGE = 256

# An index of more parts than this is merged into one; each part of a million ids adds half a millisecond to
# looking up 50 of them.
_MANY_PARTS = 16

# Bytes of vectors that are read in one batch; Lance's 8192 rows are 300 MB of long vectors.
_BATCH = 1 << 23

# The name of a space's index in its table, and Lance's names of the metrics.
_INDEX = "vector"
_METRICS = {"euclidean": "l2", "cosine": "cosine"}

# Lance names the file of a version by its distance to this number, so that the newest comes first.
_LAST_VERSION = 2**64 - 1

# A version stays this long after a newer one was written, for readers that have pinned nothing (yet).
UNPINNED_KEEP = timedelta(minutes=10)

# In object storage no reader can pin a version.
REMOTE_KEEP = timedelta(days=1)


def table_path(folder: Place, name: str) -> Place:
    """Return the folder of a Lance table, such as ``spaces/a.lance`` of the table ``spaces/a``."""
    return folder / f"{name}.lance"


def open_table(folder: Place, name: str, version: int) -> Any:
    """Return the Lance dataset of a table at one version. Raises StoreError where it is not there."""
    import lance

    path = table_path(folder, name)
    if isinstance(path, Path):
        _check_files(folder, path.absolute())
    try:
        return lance.dataset(address_of(path), version=version)
    except (OSError, ValueError, RuntimeError):
        if read_manifest(folder).tables.get(name) != version:
            raise StoreError(
                f"the store at {folder} has changed since it was opened, and what it held then is cleaned "
                f"up; open it again"
            ) from None
        raise StoreError(
            f"the store at {folder} is damaged: table {name}.lance has no version {version}; "
            f"restore the table from a copy, or index the photos into a new store"
        ) from None


def _check_files(folder: Place, table: Path) -> None:
    """Raise StoreError where a FIFO or device is in the place of a table's file: reading it may never end."""
    for place, _, names in os.walk(table):
        for name in names:
            # Of thousands nearly all are, and a Path takes three times as long.
            if os.path.isfile(f"{place}{os.sep}{name}"):  # noqa: PTH113
                continue
            with suppress(FileNotFoundError):  # a writer cleans up meanwhile, or it is a link to nowhere
                try:
                    check_regular(Path(place, name))
                except OSError as error:
                    if isinstance(error, FileNotFoundError):
                        raise
                    file = Path(place, name).relative_to(address_of(folder))
                    raise StoreError(
                        f"the store at {folder} is damaged: {file}: {error.strerror}; objectspace check "
                        f"{folder} lists what is lost"
                    ) from None


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What the metadata of a table's version state of one of its files; None where they state nothing."""

    fragment: int | None = None
    size: int | None = None
    rows: int | None = None
    is_deletion: bool = False


def files_of(table: Any) -> dict[str, FileFacts]:
    """Return the files that the table's version is made of, by their path within the table."""
    files = {f"_versions/{_LAST_VERSION - int(table.version):020}.manifest": FileFacts()}
    for fragment in table.get_fragments():
        known, number = fragment.metadata, fragment.fragment_id
        files |= _data_files(known, number)
        if known.deletion_file is not None:
            files[known.deletion_file.path(number)] = FileFacts(number, is_deletion=True)
    for index in table.describe_indices():
        for segment in index.segments:
            folder = as_place(table.uri) / "_indices" / str(segment.uuid)
            names = sorted(names_in(folder))
            files |= {f"_indices/{folder.name}/{name}": FileFacts() for name in names}
    return files


def _data_files(fragment: Any, number: int | None = None) -> dict[str, FileFacts]:
    """Return the files of a fragment's rows, by their path within the table."""
    return {
        f"data/{data.path}": FileFacts(number, data.file_size_bytes, fragment.physical_rows)
        for data in fragment.files
    }


def fragment_files(metadata: str) -> dict[str, FileFacts]:
    """Return the files of a fragment that no version names yet, by their path within the table."""
    return _data_files(_fragment(metadata))


def reopened(table: Any) -> Any:
    """Return the table's version as the disk has it, nothing taken from memory."""
    import lance

    return lance.dataset(table.uri, version=table.version)


def check_fragments(table: Any, fragments: Collection[int | None]) -> None:
    """Raise OSError, ValueError or RuntimeError where the deletions of some fragments cannot be read."""
    for fragment in table.get_fragments():
        if fragment.fragment_id in fragments:
            rows, expected = len(fragment.to_table(columns=[], with_row_id=True)), fragment.metadata.num_rows
            if rows != expected:
                raise ValueError(f"fragment {fragment.fragment_id} has {rows} rows, expected {expected}")


def file_rows(path: Place) -> int:
    """Return the rows of a data file, as its footer says."""
    from lance.file import LanceFileReader

    return int(LanceFileReader(str(path)).metadata().num_rows)


def read_rows(table: Any, columns: Sequence[str]) -> pa.Table:
    """Return all rows of some columns."""
    with _read_errors(table):
        return table.to_table(columns=list(columns))


def find_rows(table: Any, column: str, values: Iterable[str], columns: Sequence[str]) -> pa.Table:
    """Return some columns of the rows whose text ``column`` is one of ``values``, in no promised order.

    A few values are looked up in the column's index, so the time does not grow with the table; for many, the
    column is read once.
    """
    wanted = list(values)
    if len(wanted) <= max(_FEW_VALUES, table.count_rows() // _ROWS_PER_LOOKUP):
        with _read_errors(table):
            return table.to_table(columns=list(columns), filter=_is_one_of(column, wanted))
    keys = read_rows(table, [column])[column]
    rows = np.flatnonzero(pc.is_in(keys, value_set=pa.array(wanted, pa.string())))
    return read_rows(table, columns) if len(rows) == len(keys) else take_rows(table, rows.tolist(), columns)


def read_batches(table: Any, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield all rows of some columns, a few thousand at a time."""
    with _read_errors(table):
        yield from table.to_batches(columns=list(columns))


def take_rows(table: Any, rows: Sequence[int], columns: Sequence[str]) -> pa.Table:
    """Return rows by their position in the table, in the order asked for."""
    with _read_errors(table):
        return table.take(list(rows), columns=list(columns))


def read_slice(table: Any, column: str, start: int, stop: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows of one column of vectors from ``start`` up to ``stop``, 8 MB at a time, two ahead."""
    if stop <= start:
        return
    vector = table.schema.field(column).type
    row = max(1, vector.list_size * vector.value_type.bit_width // 8)
    with _read_errors(table):
        yield from table.to_batches(
            columns=[column],
            offset=start,
            limit=stop - start,
            batch_size=max(1, _BATCH // row),
            batch_readahead=2,
            fragment_readahead=1,
        )


def build_index(table: Any, kind: str, *, metric: str, partition_size: int, sub_vectors: int | None) -> None:
    """Index the column ``vector`` anew, which makes one more version; ``kind`` is Lance's name."""
    options = {} if sub_vectors is None else {"num_sub_vectors": sub_vectors}
    table.create_index(
        "vector",
        kind,
        name=_INDEX,
        metric=_METRICS[metric],
        replace=True,
        target_partition_size=partition_size,
        **options,
    )


def train_codes(table: Any, metric: str, partition_size: int, sub_vectors: int | None) -> dict[str, Any]:
    """Return the partitions and codes that segments of one index share; nothing for graphs. It pickles."""
    from lance.indices import IndicesBuilder

    if sub_vectors is None:
        return {}
    count = int(table.count_rows())
    builder, partitions = IndicesBuilder(table, "vector"), max(1, count // partition_size)
    ivf = builder.train_ivf(partitions, distance_type=_METRICS[metric])
    # Lance asks for so many vectors of a sample for each of 256 codes.
    pq = builder.train_pq(ivf, sub_vectors, sample_rate=max(1, min(256, count // 256)))
    return {
        "ivf_centroids": ivf.centroids,
        "pq_codebook": pq.codebook,
        "num_partitions": partitions,
        "num_sub_vectors": sub_vectors,
    }


def rows_by_fragment(table: Any) -> dict[int, int]:
    """Return the rows of each fragment, by its number."""
    return {fragment.fragment_id: fragment.count_rows() for fragment in table.get_fragments()}


def index_segment(
    table: Any,
    kind: str,
    fragments: Sequence[int],
    *,
    metric: str,
    partition_size: int,
    codes: Mapping[str, Any],
) -> Any:
    """Index the vectors of some fragments, which makes no version; return Lance's record of it, to pickle."""
    return table.create_index_uncommitted(
        "vector",
        kind,
        name=_INDEX,
        metric=_METRICS[metric],
        replace=True,
        fragment_ids=list(fragments),
        **(codes or {"target_partition_size": partition_size}),
    )


def commit_segments(table: Any, segments: Sequence[Any], *, merged: bool) -> None:
    """Make segments the index of the column ``vector``, which makes one more version.

    merged: joined into one first, which those of the same codes can be
    """
    if merged:
        segments = [table.merge_existing_index_segments(list(segments))]
    with _alone(table):
        table.commit_existing_index_segments(_INDEX, "vector", list(segments))


def indexed_rows(table: Any) -> int:
    """Return how many rows the index of the column ``vector`` knows; 0 without one."""
    with _read_errors(table):
        return sum(index.num_rows_indexed for index in table.describe_indices() if index.name == _INDEX)


def nearest_rows(
    table: Any,
    queries: Any,
    count: int,
    columns: Sequence[str],
    *,
    metric: str,
    probes: int,
    only: Any = None,
    without: Any = None,
) -> pa.Table:
    """Return the rows that the index of ``vector`` proposes as the nearest: query_index, _rowid, ``columns``.

    Rows that the index does not know are compared one by one. ``only`` and ``without`` (row ids) restrict
    the rows before anything is compared; where ``probes`` partitions hold too few, more are looked into.
    """
    from lance.dataset import serialize_row_addrs

    nearest = {"column": "vector", "q": queries, "k": count, "metric": _METRICS[metric]}
    with _read_errors(table):
        return table.scanner(
            # Without _distance, Lance warns that it adds it.
            columns=["_rowid", *columns, "_distance"],
            nearest={**nearest, "minimum_nprobes": probes},
            prefilter=True,
            row_addr_allowlist=None if only is None else serialize_row_addrs(only.tolist()),
            row_addr_blocklist=None if without is None else serialize_row_addrs(without.tolist()),
        ).to_table()


@contextmanager
def _read_errors(table: Any) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, RuntimeError, pa.ArrowException) as error:
        raise StoreError(
            f"table {table.uri} could not be read ({_reason(error)}); open the store again if a job "
            f"has ended meanwhile, otherwise restore the table from a copy"
        ) from error


def create_table(folder: Place, name: str, rows: pa.Table) -> Any:
    """Return a new Lance table that holds ``rows``."""
    import lance

    path = table_path(folder, name)
    if isinstance(path, RemotePath):
        # What a killed writer left there is never removed, as it may be what another has just committed.
        return lance.write_dataset(rows, str(path), mode="overwrite" if path.names() else "create")
    path.parent.mkdir(exist_ok=True)
    return lance.write_dataset(rows, str(path.absolute()), mode="create")


@contextmanager
def _alone(table: Any) -> Iterator[None]:
    """Raise StoreBusyError where a block that makes one version of a table finds another one in between.

    Lance joins the writes of two processes, and what the other one wrote was never checked.
    """
    before = int(table.version)
    yield
    if int(table.version) > before + 1:
        raise _busy(table)


def _busy(table: Any) -> StoreBusyError:
    return StoreBusyError(
        f"another process writes to {table.uri} at the same time; wait until it has ended and run the "
        f"same command again"
    )


def append_rows(table: Any, rows: pa.Table) -> None:
    """Add rows as one more fragment; columns that ``rows`` has and the table lacks become null above them."""
    known = set(table.schema.names)
    if new := [field for field in rows.schema if field.name not in known]:
        with _alone(table):
            table.add_columns(new)
    with _alone(table):
        table.insert(rows.select(table.schema.names))


def write_fragment(folder: Place, name: str, rows: pa.Table) -> str:
    """Write rows as a file of a table, which need not be there and stays as it is; return its metadata."""
    from lance.fragment import write_fragments

    address = address_of(table_path(folder, name))
    (fragment,) = write_fragments(rows, address, rows.schema, max_rows_per_file=len(rows))
    return json.dumps(fragment.to_json())


def append_fragments(table: Any, fragments: Sequence[str]) -> None:
    """Add fragments that were written before, as one more version."""
    import lance

    added = lance.LanceOperation.Append([_fragment(metadata) for metadata in fragments])
    with _alone(table):
        lance.LanceDataset.commit(table.uri, added, read_version=table.version)
        table.checkout_latest()


def read_fragment(folder: Place, name: str, metadata: str, rows: Sequence[int]) -> pa.Table:
    """Return some rows of a fragment that no version names yet, in ascending order."""
    from lance.file import LanceFileReader

    (path,) = fragment_files(metadata)
    reader = LanceFileReader(address_of(table_path(folder, name) / path))
    return reader.take_rows(list(rows)).to_table()


def _fragment(metadata: str) -> Any:
    from lance.fragment import FragmentMetadata

    return FragmentMetadata.from_json(metadata)


def update_rows(table: Any, key: str, rows: pa.Table) -> None:
    """Set the other columns of ``rows`` in the rows that have the same ``key``, and new columns likewise."""
    known = set(table.schema.names)
    if new := [field for field in rows.schema if field.name not in known]:
        with _alone(table):
            table.add_columns(new)
    with _alone(table):
        table.merge_insert(key).when_matched_update_all().execute(rows)


def delete_rows(table: Any, column: str, values: Sequence[str]) -> None:
    """Remove the rows whose text ``column`` is one of ``values``."""
    with _alone(table):
        table.delete(_is_one_of(column, values))


def delete_at(table: Any, row_ids: Sequence[int]) -> None:
    """Remove the rows of these ids (``_rowid``): nothing is looked up, so it costs the same in any table."""
    with _alone(table):
        table.delete(f"_rowid IN ({', '.join(map(str, row_ids))})" if row_ids else "false")


def drop_fragments(table: Any, fragments: Collection[int]) -> Any:
    """Return the table without some fragments, whose files are not read: one more version."""
    import lance

    gone = lance.LanceOperation.Delete([], sorted(fragments), "false")
    return lance.LanceDataset.commit(table.uri, gone, read_version=table.version)


def drop_index(table: Any, name: str) -> None:
    """Remove an index: one more version."""
    table.drop_index(name)


def _is_one_of(column: str, values: Collection[str]) -> str:
    if not values:
        return "false"
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"{column} IN ({quoted})"


def roll_back(folder: Place, versions: Mapping[str, int]) -> dict[str, int]:
    """Undo what a killed writer wrote past its last commit; return the versions that hold its state now.

    A table whose newest version is ahead of ``versions`` gets one more that equals the committed one (Lance
    appends to the newest). A table that ``versions`` does not know is removed from a disk, and written over
    in object storage.
    """
    now = dict(versions)
    if isinstance(folder, Path):
        for name in _tables_on_disk(folder):
            if name not in versions:
                shutil.rmtree(folder / f"{name}.lance")
    for name, version in versions.items():
        table = open_table(folder, name, version)
        if table.latest_version != version:
            table.restore()
            now[name] = int(table.version)
    return now


def _tables_on_disk(folder: Path) -> Iterator[str]:
    yield from (name for name in BASE_TABLES if (folder / f"{name}.lance").exists())
    yield from (SPACES + path.stem for path in (folder / SPACES).glob("*.lance"))


def has_many_fragments(table: Any) -> bool:
    """Return whether so many small fragments are in the table that joining them pays."""
    small = [part for part in table.get_fragments() if part.physical_rows < FULL_FRAGMENT]
    return len(small) > MANY_FRAGMENTS


def compact(table: Any, *, everything: bool = False) -> None:
    """Join small fragments; the rows stay as they are.

    Fragments that an index covers are left alone unless ``everything`` is to be joined: rewriting them
    rewrites the whole index, which takes as long as the table is.
    """
    before = table.count_rows()
    covered = set[int]().union(*(part for parts in _index_parts(table).values() for part in parts))
    table.optimize.compact_files(
        target_rows_per_fragment=FULL_FRAGMENT, excluded_fragment_ids=[] if everything else sorted(covered)
    )
    if table.count_rows() != before:
        raise _busy(table)


def index_keys(table: Any, columns: Sequence[str]) -> None:
    """Update the scalar indices of text columns where they miss more rows than one fragment has.

    Each index that is made or extended makes one more version. A smaller table needs none: reading it is as
    fast. An index grows by parts, which are merged when they are many: merging takes as long as the table is.
    """
    from lance.indices import IndexConfig

    parts = _index_parts(table)
    for column in columns:
        known = set[int]().union(*parts.get(column, []))
        missed = sum(part.count_rows() for part in table.get_fragments() if part.fragment_id not in known)
        if missed <= FULL_FRAGMENT:
            continue
        if column in parts:
            merged = len(parts[column]) if len(parts[column]) >= _MANY_PARTS else 0
            table.optimize.optimize_indices(index_names=[column], num_indices_to_merge=merged)
        else:
            kind = IndexConfig("btree", parameters={"zone_size": _INDEX_PAGE})
            table.create_scalar_index(column, kind, name=column)


def _index_parts(table: Any) -> dict[str, list[set[int]]]:
    """Return the fragments that each part of each index covers, by the index's name."""
    with _read_errors(table):
        return {
            index.name: [set(segment.fragment_ids) for segment in index.segments]
            for index in table.describe_indices()
        }


def clean_up(table: Any, keep: Collection[int], *, others_write: bool) -> None:
    """Delete versions that no reader can still hold: those whose successor is older than UNPINNED_KEEP.

    The newest version always stays, and so do those to ``keep``. Files of writers that were killed go too:
    the caller holds the lock, so no writer's file can be in the making unless ``others_write`` fragments. In
    object storage no lock and no pin says so: versions stay for REMOTE_KEEP there, and such files for a week,
    as Lance has it.
    """
    remote = isinstance(as_place(table.uri), RemotePath)
    horizon = datetime.now(UTC) - (REMOTE_KEEP if remote else UNPINNED_KEEP)
    superseded = [
        old["version"]
        for old, new in pairwise(table.versions())
        if old["version"] not in keep and _in_utc(new["timestamp"]) < horizon
    ]
    if superseded:
        table.cleanup_old_versions(versions=superseded, delete_unverified=not (remote or others_write))


def _in_utc(local: datetime) -> datetime:
    """Return Lance's local time in UTC; of the hour that a clock goes through twice, the later one."""
    return local.replace(fold=1).astimezone(UTC)


@contextmanager
def plain_errors(folder: Place) -> Iterator[None]:
    """Turn what Lance and the system raise while writing into one clear StoreError."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, pa.ArrowException) as error:
        full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
        if full:
            message = f"the disk is full: the store at {folder} keeps what it had; free some space and "
        else:
            message = f"the store at {folder} could not be written ({_reason(error)}) and keeps what it had; "
        raise StoreError(message + "run the same command again") from error


def _reason(error: Exception) -> str:
    """Return the system's or Lance's message, without the place in Lance's own source."""
    return getattr(error, "strerror", None) or str(error).split(", /")[0]
