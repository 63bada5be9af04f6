"""The outcome of an index job."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from objectspace.images import Failure


@dataclass(frozen=True, slots=True)
class IndexSummary:
    """The outcome of an index job.

    photos: files that were named; indexed: images that were processed; known: images that this job had
    finished before, and copies; objects: found in the images that were processed; failures: files that could
    not be used, or a part of them; seconds: that it took; forgotten: the paths of images that were gone and
    were removed; copies: of files that are alike byte for byte all but the first, each with that first one
    """

    photos: int
    indexed: int
    known: int
    objects: int
    failures: tuple[Failure, ...] = field(repr=False)
    seconds: float
    forgotten: tuple[str, ...] = field(default=(), repr=False)
    copies: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def nothing_usable(self) -> bool:
        """Whether there were images and every one of them failed."""
        return bool(self.failures) and not (self.indexed or self.known)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "photos": self.photos,
            "indexed": self.indexed,
            "known": self.known,
            "objects": self.objects,
            "failures": [failure._asdict() for failure in self.failures],
            "seconds": round(self.seconds, 3),
            "forgotten": list(self.forgotten),
            "copies": [{"path": path, "of": first} for path, first in self.copies],
        }
