"""The labels of a store that are probably wrong: judged once for a commit, and kept beside the store."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

from objectspace.errors import InputError, StoreError
from objectspace.files import recipe_digest
from objectspace.places import Place
from objectspace.search.audit import audit
from objectspace.search.audit.lists import AuditList
from objectspace.store import Store
from objectspace.store.sidecars import read_sidecar, write_sidecar

#: The folder of judged labels, inside the store's; it may be deleted at any time.
LABELS = "explorer/labels"

FORMAT = "objectspace-doubtful-labels"

#: The most objects that are listed.
MOST_LISTED = 500

#: Raised when the list of the same vectors and labels changes.
_METHOD_NUMBER = 1


class DoubtfulLabels:
    """The doubtful labels of one commit's spaces. Each is judged once, and kept where that can be."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._judged: dict[str, dict[str, Any]] = {}
        self._done: dict[str, float] = {}

    def done(self, space: str) -> float:
        """Return which share of the judging is done, 0 to 1; 0 also while neighbors are looked for."""
        return 1.0 if space in self._judged else self._done.get(space, 0.0)

    def of(self, space: str) -> dict[str, Any]:
        """Return the labels of a space that are most probably wrong, worst first, and how good the list is.

        Plain JSON values: ``objects`` with object_id, label, proposed and score; ``score``, what it is;
        ``listed``, how many are within the threshold; ``n``; ``calibration``.
        Raises InputError where labels cannot be judged, and says why.
        """
        with self._lock:
            lock = self._locks.setdefault(space, threading.Lock())
        with lock:
            if space not in self._judged:
                self._judged[space] = self._made(space)
            return self._judged[space]

    def _made(self, space: str) -> dict[str, Any]:
        # One that is damaged is made again.
        with suppress(StoreError):
            if (kept := read_sidecar(self._file(space), FORMAT)) is not None:
                return kept

        def judging(share: float) -> None:
            self._done[space] = share

        document = _document(audit(self._store, space=space, only=["labels"], judging=judging).labels)
        # A store that cannot be written is served all the same.
        with suppress(OSError, InputError):
            write_sidecar(self._file(space), document, f"the judged labels of {space}")
        return document

    def _file(self, space: str) -> Place:
        made_of = {"space": space, "version": self._store.version, "made": _METHOD_NUMBER}
        return self._store.path / LABELS / f"{recipe_digest(made_of)}.json"


def _document(found: AuditList) -> dict[str, Any]:
    listed = [row for row, _ in zip(found.iter_rows(), range(MOST_LISTED), strict=False)]
    return {
        "format": FORMAT,
        "objects": [
            {
                "object_id": row["object_id"],
                "label": str(row["label"]),
                "proposed": str(row["proposed"]),
                "score": row[found.score_name],
            }
            for row in listed
        ],
        "score": found.score_name,
        "listed": found.listed,
        "n": len(found),
        "calibration": None if found.calibration is None else found.calibration.to_json(),
    }
