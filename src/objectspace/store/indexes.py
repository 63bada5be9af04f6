"""The approximate index of a space: how it was built, and the recall that was measured when it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

#: The kinds of index, by the names that users type, and Lance's names for them.
KINDS = {"ivf-hnsw-sq": "IVF_HNSW_SQ", "ivf-pq": "IVF_PQ"}

#: The metrics that an index may have.
METRICS = ("euclidean", "cosine")


@dataclass(frozen=True, slots=True)
class Recall:
    """The mean share of the true 10 nearest that was found, with its 95 % interval, over ``n`` objects."""

    recall_at_10: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class SpaceIndex:
    """An approximate index of a space.

    kind: a key of KINDS; metric: "euclidean" or "cosine"; count: the vectors that were there at its making
    settings: what it was built and is searched with: ``partition_size`` vectors in a partition on average,
        ``sub_vectors`` in a vector (ivf-pq), partitions looked into (``probes``), ``candidates`` measured for
        each neighbor asked for

    >>> osp.index_space("many.osp", "a-crop", kind="ivf-pq").settings["sub_vectors"]
    16
    """

    kind: str
    metric: str
    count: int
    settings: Mapping[str, int]
    recall: Recall

    def __repr__(self) -> str:
        recall = f"recall at 10 {self.recall.recall_at_10:.3f}"
        return f"SpaceIndex({self.kind}, {self.metric}, {self.count} vectors, {recall})"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, the recall's beside the others."""
        return {
            "kind": self.kind,
            "metric": self.metric,
            "count": self.count,
            "settings": dict(self.settings),
            **asdict(self.recall),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SpaceIndex:
        """Return the index that :meth:`to_json` wrote. Others raise ValueError, TypeError or KeyError."""
        settings = {str(name): int(number) for name, number in value["settings"].items()}
        share, low, high = (float(value[name]) for name in ("recall_at_10", "low", "high"))
        if not 0 <= low <= share <= high <= 1 or not {"probes", "candidates"} <= set(settings):
            raise ValueError("a recall is no share, or settings are missing")
        if value["kind"] not in KINDS or value["metric"] not in METRICS or min(settings.values()) < 1:
            raise ValueError("an unknown kind or metric, or a setting below 1")
        recall = Recall(share, low, high, int(value["n"]))
        return cls(str(value["kind"]), str(value["metric"]), int(value["count"]), settings, recall)


@dataclass(frozen=True, slots=True)
class JointSpaceIndex:
    """The approximate index of a joint space: those of its parts' spaces, with a recall of their own.

    recipe: digest of the joint space's recipe
    parts: the index of each space when the recall was measured; None where it had too few vectors for one
    """

    index: SpaceIndex
    recipe: str
    parts: Mapping[str, SpaceIndex | None]

    def __repr__(self) -> str:
        return f"JointSpaceIndex({self.index!r} by {', '.join(self.parts)})"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        parts = {name: None if index is None else index.to_json() for name, index in self.parts.items()}
        return {"index": self.index.to_json(), "recipe": self.recipe, "parts": parts}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> JointSpaceIndex:
        """Return what :meth:`to_json` wrote. Others raise as :meth:`SpaceIndex.from_json`."""
        parts = {
            str(name): None if index is None else SpaceIndex.from_json(index)
            for name, index in value["parts"].items()
        }
        return cls(SpaceIndex.from_json(value["index"]), str(value["recipe"]), parts)
