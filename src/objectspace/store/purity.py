"""The purity of a space: how often the nearest of other photos have an object's label, as last measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class LabelPurity:
    """The purity at 5 of labels among other photos in one space, by cosine.

    value, chance: the mean share of an object's label among its five nearest, and among all it could have
    low, high: 95 % interval of the value, by bootstrap over photos
    n: objects that were asked for; objects: those that the space held then

    >>> osp.open_store("photos.osp").info().spaces[1].purity.n
    39
    """

    value: float
    chance: float
    low: float
    high: float
    n: int
    objects: int

    def __repr__(self) -> str:
        interval = f"95 % {self.low:.3f} to {self.high:.3f}"
        return f"LabelPurity({self.value:.3f}, {interval}, chance {self.chance:.3f}, n {self.n})"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> LabelPurity:
        """Return the purity of plain JSON values. Raises TypeError, KeyError or ValueError for others."""
        figures = [value[name] for name in ("value", "chance", "low", "high")]
        counts = [value[name] for name in ("n", "objects")]
        if not all(type(one) in (int, float) and math.isfinite(one) for one in figures):
            raise ValueError("a figure is no finite number")
        if not all(type(one) is int and one > 0 for one in counts):
            raise ValueError("a count is no whole number above 0")
        own, chance, low, high = map(float, figures)
        return cls(own, chance, low, high, *counts)
