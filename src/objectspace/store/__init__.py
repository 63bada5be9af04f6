"""The store: images, objects and spaces in one folder, and nothing half-written ever visible.

::

    with open_writer("dogs.osp") as writer:          # one process at a time
        writer.commit(Batch(...))                    # all of it, or none of it
        writer.finish()

    store = open_store("dogs.osp")                   # any number of readers, also while a writer works
    store.info(), store.objects(), store.space("resnet50-crop")

The tables are Lance datasets; ``docs/store-format.md`` has every column. Importing this package does not
import Lance: opening a table does.
"""

from __future__ import annotations

from objectspace.embeddings.spaces import SpaceRows
from objectspace.images import Failure
from objectspace.store.indexes import Recall, SpaceIndex
from objectspace.store.purity import LabelPurity
from objectspace.store.reader import Store, as_store, open_store
from objectspace.store.selections import NamedSelection
from objectspace.store.store_records import (
    Batch,
    ImageRow,
    SpaceInfo,
    StoreInfo,
    indexed_key,
)
from objectspace.store.vectors import StoredJointVectors, StoredSpace, StoredVectors
from objectspace.store.writer import Writer, check_store_place, open_writer

__all__ = [
    "Batch",
    "Failure",
    "ImageRow",
    "LabelPurity",
    "NamedSelection",
    "Recall",
    "SpaceIndex",
    "SpaceInfo",
    "SpaceRows",
    "Store",
    "StoreInfo",
    "StoredJointVectors",
    "StoredSpace",
    "StoredVectors",
    "Writer",
    "as_store",
    "check_store_place",
    "indexed_key",
    "open_store",
    "open_writer",
]
