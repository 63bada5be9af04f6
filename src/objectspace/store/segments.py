"""An index of vectors built by fragments of a table: each worker indexes some, and one commit names them all.

A worker writes its segment beside the table's files and returns what Lance has to know of it. Until the
commit it is no part of the store, and goes as what a killed writer left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from objectspace.errors import StoreError
from objectspace.places import Place
from objectspace.store import tables
from objectspace.store.fragments import FragmentWriter

#: Fewer vectors are indexed by one process: from so few Lance learns no codes for others to share.
FEWEST = 512


class Workers(Protocol):
    """Processes, on this machine or on many, that share a piece of work; ``size``: how many."""

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    def map(self, work: Callable[[Any], Any], arguments: Sequence[Any]) -> list[Any]:
        """Return what ``work``, which pickles, returns for each argument, in their order."""
        ...


@dataclass(frozen=True, slots=True)
class SegmentBuilder:
    """Indexes some fragments of a space's table at one version, in any process; it pickles.

    store: where the table is; kind: Lance's name; codes: what all segments share (:func:`tables.train_codes`)
    """

    store: FragmentWriter
    table: str
    version: int
    kind: str
    metric: str
    partition_size: int
    codes: Mapping[str, Any]

    def __call__(self, fragments: Sequence[int]) -> Any:
        """Return the segment of some fragments, by their numbers. Raises StoreError where that failed."""
        if not self.store.reaches_store():
            raise StoreError(
                f"a worker does not see the store at {self.store.path}; keep it where every machine reaches "
                f"it, or build the index on this one"
            )
        with tables.plain_errors(self.store.path):
            return tables.index_segment(
                tables.open_table(self.store.path, self.table, self.version),
                self.kind,
                fragments,
                metric=self.metric,
                partition_size=self.partition_size,
                codes=self.codes,
            )


def build_segments(
    folder: Place,
    name: str,
    table: Any,
    kind: str,
    workers: Workers,
    *,
    metric: str,
    settings: Mapping[str, int],
) -> None:
    """Index the vectors of a space's table anew by workers, which makes one more version of it.

    Codes (ivf-pq) are learned here, once, so that the segments are merged into one index; graphs
    (ivf-hnsw-sq) do not cross fragments of different workers, and each is searched.
    """
    partition_size = settings["partition_size"]
    codes = tables.train_codes(table, metric, partition_size, settings.get("sub_vectors"))
    builder = SegmentBuilder(
        FragmentWriter.of(folder), name, int(table.version), kind, metric, partition_size, codes
    )
    groups = even_groups(tables.rows_by_fragment(table), workers.size)
    tables.commit_segments(table, workers.map(builder, groups), merged=bool(codes))


def even_groups(rows: Mapping[int, int], count: int) -> list[list[int]]:
    """Return fragments in at most ``count`` groups of about as many rows; ``rows``: fragment -> its rows.

    >>> even_groups({0: 5, 1: 9, 2: 4, 3: 1}, 2)
    [[1, 3], [0, 2]]
    """
    groups: list[list[int]] = [[] for _ in range(min(count, len(rows)))]
    filled = [0] * len(groups)
    for fragment in sorted(rows, key=lambda one: (-rows[one], one)):
        least = filled.index(min(filled))
        groups[least].append(fragment)
        filled[least] += rows[fragment]
    return [sorted(group) for group in groups]
