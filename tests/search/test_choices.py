"""Targets of a sheet: of labels of unequal numbers, out of order, beside a loop that takes turns."""

from __future__ import annotations

import inspect
from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from objectspace.errors import QueryError
from objectspace.search import choose_targets

LABELS = ["owl", "cat", "dog", "cat", "emu", "cat", "dog", "owl", "dog", "cat", "ant", "dog"]
SOURCES = ["yolo@1", "hand@1", "yolo@1", "yolo@2", "yolo@1", "hand@1"] * 2
IDS = [f"{number * 7 % 12:02d}" for number in range(12)]


@pytest.fixture
def search() -> Any:
    """What chooses reads: ids, and two columns."""
    columns = {"label": np.array(LABELS, object), "source": np.array(SOURCES, object)}
    return SimpleNamespace(
        space=SimpleNamespace(object_id=np.array(IDS)), objects=SimpleNamespace(column=columns.__getitem__)
    )


def taking_turns(count: int, rows: list[int]) -> list[str]:
    """One of each label after another, the most frequent label first, equals by name; the first by id."""
    sizes = Counter(LABELS[row] for row in rows)
    order = sorted(sizes, key=lambda label: (-sizes[label], label))
    left = {label: sorted(IDS[row] for row in rows if LABELS[row] == label) for label in order}
    chosen = []
    while any(left.values()):
        chosen += [left[label].pop(0) for label in order if left[label]]
    return chosen[:count]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 8, 12, 40])
def test_labels_take_turns(search: Any, count: int) -> None:
    choose = inspect.unwrap(choose_targets)
    assert choose(search, count) == taking_turns(count, list(range(12)))
    for label in ("cat", "ant"):
        rows = [row for row in range(12) if LABELS[row] == label]
        assert choose(search, count, label=label) == taking_turns(count, rows)
        of_yolo = [row for row in rows if SOURCES[row].startswith("yolo")]
        assert choose(search, count, label=label, source="yolo") == taking_turns(count, of_yolo)
    of_hand = [row for row in range(12) if SOURCES[row] == "hand@1"]
    assert choose(search, count, source="hand@1") == taking_turns(count, of_hand)
    assert choose(search, count, label="elk") == []
    with pytest.raises(QueryError, match="no object is of source 'eye'"):
        choose(search, count, source="eye")
