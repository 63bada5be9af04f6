"""Tables as Lance keeps them: what is checked of deletions, and which fragments are joined."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from objectspace.store import tables


@pytest.fixture
def table(tmp_path: Path) -> Any:
    """Three fragments of five rows each."""
    rows = [pa.table({"name": [f"{number}{letter}" for letter in "abcde"]}) for number in range(3)]
    made = tables.create_table(tmp_path, "things", rows[0])
    for more in rows[1:]:
        tables.append_rows(made, more)
    return made


def test_deletions_are_checked_of_the_fragments_that_are_asked_for(table: Any, tmp_path: Path) -> None:
    """The first fragment's file of deletions becomes that of the second, which deletes one more."""
    tables.delete_rows(table, "name", ["0b", "1a", "1d"])
    tables.check_fragments(tables.reopened(table), {0, 1, 2})
    first, second = sorted((tmp_path / "things.lance" / "_deletions").iterdir())
    shutil.copy(second, first)
    changed = tables.reopened(table)
    tables.check_fragments(changed, {1, 2})
    with pytest.raises(ValueError, match="fragment 0 has 3 rows, expected 4"):
        tables.check_fragments(changed, {0, 2})


@pytest.mark.parametrize("few", [1, 99])
@pytest.mark.parametrize("names", [["1a", "0c", "9z"], ["9z", "9y"], ["2e"], []])
def test_found_are_the_rows_of_these_values_whether_they_are_few_or_many(
    table: Any, monkeypatch: pytest.MonkeyPatch, names: list[str], few: int
) -> None:
    """Few are looked up, for many the column is read."""
    monkeypatch.setattr(tables, "_FEW_VALUES", few)
    everything = tables.read_rows(table, ["name"])["name"].to_pylist()
    for values in (names, [*names, *everything]):
        found = tables.find_rows(table, "name", values, ["name"])["name"].to_pylist()
        assert sorted(found) == sorted(set(values) & set(everything))


@pytest.mark.parametrize(("most", "full", "many"), [(3, 6, False), (2, 6, True), (2, 5, False)])
def test_more_small_fragments_than_that_are_many(
    table: Any, monkeypatch: pytest.MonkeyPatch, most: int, full: int, many: bool
) -> None:
    monkeypatch.setattr(tables, "MANY_FRAGMENTS", most)
    monkeypatch.setattr(tables, "FULL_FRAGMENT", full)
    assert tables.has_many_fragments(table) == many


def test_fragments_that_an_index_covers_are_joined_only_with_everything(
    table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "FULL_FRAGMENT", 14)
    tables.index_keys(table, ["name"])
    for number in (3, 4):
        tables.append_rows(table, pa.table({"name": [f"{number}a"]}))
    tables.compact(table)
    assert [part.count_rows() for part in table.get_fragments()] == [5, 5, 5, 2]
    tables.compact(table, everything=True)
    assert sorted(part.count_rows() for part in table.get_fragments()) == [2, 15]
