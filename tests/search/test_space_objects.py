"""Rows and objects of a space, the first row and the last among them, and what is read to know them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from objectspace.errors import QueryError
from objectspace.search.space_objects import SpaceObjects, no_vector_text, spaces_of

IDS = ["aa1", "ab2", "bc3", "cd4", "ce5"]


class Vectors:
    """The ids of a space; which of them were asked for."""

    def __init__(self, ids: list[str]) -> None:
        self.ids, self.asked = ids, list[Any]()

    def rows(self, ids: Any) -> np.ndarray:
        self.asked.append(list(ids))
        return np.array([self.ids.index(name) if name in self.ids else -1 for name in ids], np.int64)

    def object_ids(self, rows: np.ndarray) -> np.ndarray:
        return np.array(self.ids)[rows]


def whole_ids(ids: Any) -> list[str]:
    given = [ids] if isinstance(ids, str) else ids
    return [next((one for one in [*IDS, "zz9"] if one.startswith(name)), name) for name in given]


@pytest.fixture
def store() -> Any:
    spaces = {"all": Vectors(IDS), "first": Vectors(IDS[:1]), "none": Vectors([])}
    return SimpleNamespace(
        space_names=tuple(spaces),
        stored_space=lambda name: SimpleNamespace(vectors=spaces[name], name=name),
        whole_ids=whole_ids,
        factor_names=("when", "clip"),
        objects=lambda ids: ids.tolist(),
    )


@pytest.mark.parametrize(
    ("names", "rows"),
    [
        ([], []),
        (["aa1"], [0]),
        (["ce5", "aa1", "ce5"], [4, 0, 4]),
        (["aa"], [0]),
        (["ab", "aa1", "cd4"], [1, 0, 3]),
    ],
)
def test_rows_are_those_of_ids_or_of_their_first_digits(
    store: Any, names: list[str], rows: list[int]
) -> None:
    vectors = store.stored_space("all")
    objects = SpaceObjects(store, vectors)
    for _ in range(2):
        found = objects.rows_of(names)
        assert (found.tolist(), found.dtype) == (rows, np.int64)
    # What is known is not asked for again.
    assert vectors.vectors.asked[-1] == []
    assert objects.take(np.array([4, 0])) == ["ce5", "aa1"]


@pytest.mark.parametrize(
    ("names", "missing", "there"),
    [
        (["bc3"], "bc3", "; search in all"),
        (["aa1", "ab"], "ab2", "; search in all"),
        (["aa1", "zz", "ab"], "zz9", ""),
        (["qq"], "qq", ""),
    ],
)
def test_what_the_space_does_not_hold_is_named_with_the_spaces_that_do(
    store: Any, names: list[str], missing: str, there: str
) -> None:
    objects = SpaceObjects(store, store.stored_space("first"))
    with pytest.raises(QueryError, match=f"^object {missing} has no vector in space first{there}$"):
        objects.rows_of(names)


def test_the_first_row_of_a_space_is_one(store: Any) -> None:
    assert spaces_of(store, "aa1") == ["all", "first"]
    assert spaces_of(store, "ce5") == ["all"]
    assert spaces_of(store, "zz9") == []
    assert (
        no_vector_text(store, "aa1", "none") == "object aa1 has no vector in space none; search in all, first"
    )
    assert no_vector_text(store, "zz9", "all") == "object zz9 has no vector in space all"


def test_columns_are_read_once_and_images_by_their_ids(store: Any) -> None:
    asked: list[Any] = []
    columns = {
        "image_id": np.array(["i", "j", "i", "k", "j"], object),
        "clip": np.array(["north", None, "south", "north", None], object),
        "label": np.array(["cat", "dog", "cat", "cat", "cat"], object),
    }

    def read(names: list[str], space: str) -> dict[str, np.ndarray]:
        asked.append((names, space))
        return {name: columns[name] for name in names}

    store.object_columns = read
    store.image_rows = lambda: np.array([7, 8, 7, 9, 8, 5])
    store.object_rows = lambda space: np.array([0, 1, 2, 3, 5])
    objects = SpaceObjects(store, store.stored_space("all"))
    for _ in range(2):
        assert objects.column("image") is columns["image_id"]
    assert asked == [(["image_id"], "all")]
    assert objects.groups_of("image").tolist() == [7, 8, 7, 9, 5]
    groups = objects.groups_of("clip")
    assert (groups[:, None] == groups).tolist() == [
        [a == b or (a in (0, 3) and b in (0, 3)) for b in range(5)] for a in range(5)
    ]
    assert objects.labeled("cat").tolist() == [True, False, True, True, True]
    with pytest.raises(QueryError, match=r"^no object of space all has the label 'cta'; did you mean cat"):
        objects.labeled("cta")
    with pytest.raises(
        QueryError, match=r"^no column 'label' that objects may share, expected one of image, clip, when"
    ):
        objects.groups_of("label")


@pytest.mark.parametrize(("more", "in_memory"), [(-1, False), (0, True), (1, True)])
def test_vectors_are_read_into_memory_where_they_fit(
    more: int, in_memory: bool, tmp_path: Any, add_objects: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many bytes as there are fit."""
    from objectspace.embeddings.spaces import Space
    from objectspace.search import SpaceSearch, space_search
    from objectspace.store import open_store

    add_objects(tmp_path / "s.osp", np.ones((20, 3), np.float32))
    store = open_store(tmp_path / "s.osp")
    given = SpaceSearch(store, "a-crop", in_memory=4 * 20 * 3 + more)
    assert isinstance(given.space, Space) is in_memory
    monkeypatch.setattr(space_search, "IN_MEMORY", 4 * 20 * 3 + more)
    assert isinstance(SpaceSearch(store, "a-crop").space, Space) is in_memory
    assert not isinstance(SpaceSearch(store, "a-crop", in_memory=0).space, Space)
