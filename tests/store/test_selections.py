"""Selections: named objects beside the tables, in JSON that needs no package."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from objectspace.errors import InputError, QueryError, StoreError
from objectspace.store import Batch, Store, open_store, open_writer, selections


@pytest.fixture
def store(tmp_path: Path, make_batch: Callable[..., Batch]) -> Store:
    with open_writer(tmp_path / "s.osp") as writer:
        writer.commit(make_batch(1))
        writer.commit(make_batch(2))
    return open_store(tmp_path / "s.osp")


def test_a_selection_keeps_ids_order_time_and_origin(store: Store) -> None:
    ids = store.objects().object_id[[3, 0, 3, 2]].tolist()
    before = datetime.now(UTC).replace(microsecond=0)
    store.save_selection("odd chairs", ids, how={"command": "audit", "list": "labels"})
    found = open_store(store.path).selection("odd chairs")
    assert found.object_ids.tolist() == [ids[0], ids[1], ids[3]]
    assert found.how == {"command": "audit", "list": "labels"}
    assert before <= datetime.fromisoformat(found.made) <= datetime.now(UTC)
    assert store.selection_names == ["odd chairs"]


def test_the_file_is_plain_json(store: Store) -> None:
    ids = store.objects().object_id[:2].tolist()
    store.save_selection("two", ids, how={"k": 5})
    value = json.loads((store.path / "selections" / "two.json").read_text())
    assert value.pop("made").endswith("+00:00")
    assert value == {
        "format": "objectspace-selection",
        "version": 1,
        "name": "two",
        "how": {"k": 5},
        "object_ids": ids,
    }


def test_a_selection_of_the_same_name_is_replaced(store: Store) -> None:
    ids = store.objects().object_id
    store.save_selection("one", ids[:3])
    store.save_selection("one", ids[5:6])
    assert store.selection("one").object_ids.tolist() == [ids[5]]
    assert [path.name for path in (store.path / "selections").iterdir()] == ["one.json"]


def test_a_store_without_selections_has_none(store: Store) -> None:
    assert store.selection_names == []
    with pytest.raises(QueryError, match=r"no selection 'mine' in .*; it has none"):
        store.selection("mine")


def test_an_unknown_name_is_guessed(store: Store) -> None:
    store.save_selection("chairs", store.objects().object_id[:1])
    with pytest.raises(QueryError, match="did you mean chairs"):
        store.selection("chars")


def test_objects_that_are_gone_are_one_sentence(store: Store) -> None:
    ids = store.objects().object_id[:3].tolist()
    store.save_selection("three", ids)
    path = store.path / "selections" / "three.json"
    path.write_text(path.read_text().replace(ids[1], "0" * 32))
    with pytest.raises(
        QueryError, match=f"1 of 3 objects of selection three are not in .* such as {'0' * 32}; select"
    ):
        store.selection("three")


def test_an_unknown_object_is_refused(store: Store) -> None:
    with pytest.raises(QueryError, match=r"no object abc \(an id, or 4 of its first digits\) in"):
        store.save_selection("bad", [store.objects().object_id[0], "abc"])
    assert store.selection_names == []


@pytest.mark.parametrize("name", ["", ".hidden", "../out", "a/b", "x" * 101])
def test_a_name_that_no_file_can_have(store: Store, name: str) -> None:
    with pytest.raises(InputError, match="selection name"):
        store.save_selection(name, store.objects().object_id[:1])


def test_no_objects_are_no_selection(store: Store) -> None:
    with pytest.raises(InputError, match="selection empty would hold no objects"):
        store.save_selection("empty", [])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "it is not JSON"),
        ("[]", 'it does not say "format"'),
        ('{"format": "objectspace-selection", "how": {}}', "it lists no object_ids"),
        ('{"format": "objectspace-selection", "object_ids": ["a"], "how": 3}', "it has no how"),
    ],
)
def test_a_damaged_file_is_named(store: Store, text: str, why: str) -> None:
    store.save_selection("one", store.objects().object_id[:1])
    (store.path / "selections" / "one.json").write_text(text)
    with pytest.raises(StoreError, match=f"one.json is damaged: {why}"):
        store.selection("one")


def test_rows_of_a_selection_come_in_the_order_of_the_objects(store: Store) -> None:
    ids = store.objects().object_id
    chosen = selections.save_selection(store.path, "some", [ids[3], "gone", ids[1]], {})
    assert chosen.rows(ids[::-1], "it").tolist() == sorted([len(ids) - 2, len(ids) - 4])
    with pytest.raises(QueryError, match="space x holds none of the 3 objects of selection some; choose"):
        chosen.rows(ids[[0, 2]], "space x")
