"""Lists of an audit as they are printed, shown and written."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from objectspace.errors import InputError
from objectspace.search.audit import lists
from objectspace.search.audit.lists import Audit, AuditList, write_csv


def make_list(name: str, count: int, **changes: Any) -> AuditList:
    """Objects ``name``0, ``name``1 and so on, each a half less suspicious than the one before."""
    values: dict[str, Any] = {
        "object_id": np.array([f"{name}{place}" for place in range(count)]),
        "score": 2.0 ** -np.arange(count),
        "score_name": "probability",
        "columns": {
            "label": np.array(["a", "b", None] * count, object)[:count],
            "x1": np.arange(count) * 1.5,
        },
        **changes,
    }
    return AuditList(name, **values)


@pytest.mark.parametrize(("count", "first"), [(0, 0), (1, 1), (10, 1), (11, 2), (20, 2), (21, 3)])
def test_without_a_figure_the_first_tenth_is_listed(count: int, first: int) -> None:
    found = make_list("labels", count)
    assert found.first.tolist() == [f"labels{place}" for place in range(first)]
    assert len(found.to_json()["objects"]) == first
    assert (found.to_json()["n"], found.to_json()["listed"], found.to_json()["threshold"]) == (
        count,
        None,
        None,
    )


@pytest.mark.parametrize("listed", [0, 3, 12])
def test_with_a_figure_those_within_the_threshold_are(listed: int) -> None:
    found = make_list("labels", 12, listed=listed, threshold=0.25, left_out=5, note="why")
    assert found.first.tolist() == [f"labels{place}" for place in range(listed)]
    shown = found.to_json()
    assert shown == {
        "n": 12,
        "listed": listed,
        "score": "probability",
        "threshold": 0.25,
        "left_out": 5,
        "note": "why",
        "calibration": None,
        "objects": [
            {
                "object_id": f"labels{p}",
                "probability": 2.0**-p,
                "label": ["a", "b", None][p % 3],
                "x1": p * 1.5,
            }
            for p in range(listed)
        ],
    }


def test_rows_are_plain_values_by_name() -> None:
    found = make_list("photos", 4, id_name="image_id", score=np.array([np.inf, 1, np.nan, 0]))
    assert [list(row) for row in found.iter_rows()] == [["image_id", "probability", "label", "x1"]] * 4
    assert [row["probability"] for row in found.iter_rows()] == [None, 1, None, 0]
    assert [row["x1"] for row in found.iter_rows()] == [0, 1.5, 3, 4.5]
    frame = found.to_pandas()
    assert list(frame) == ["image_id", "probability", "label", "x1"]
    assert frame["image_id"].tolist() == ["photos0", "photos1", "photos2", "photos3"]


@pytest.mark.parametrize("count", [0, 1, 3, 4, 9, 10])
def test_rows_are_made_in_blocks_and_all_of_them(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "_BLOCK", 3)
    found = make_list("labels", count)
    assert [row["object_id"] for row in found.iter_rows()] == found.object_id.tolist()
    assert [row["x1"] for row in found.iter_rows()] == found.columns["x1"].tolist()


def test_nothing_is_left_out_of_a_list_that_does_not_say_so() -> None:
    shown = make_list("labels", 3).to_json()
    assert (shown["left_out"], shown["note"], shown["calibration"]) == (0, None, None)


def test_lists_are_of_objects_or_of_photos() -> None:
    one = make_list("labels", 1)
    photos = make_list("photos", 3, listed=2, id_name="image_id")
    assert (one.noun, photos.noun) == ("object", "photo")
    assert repr(one) == "AuditList('labels', 1 object, no figure)"
    assert repr(photos) == "AuditList('photos', 3 photos, 2 listed)"


@pytest.fixture
def audit() -> Audit:
    lists = {
        "photos": make_list(
            "photos", 3, listed=2, id_name="image_id", columns={"other": np.array(["x"] * 3)}
        ),
        "labels": make_list("labels", 100),
        "outliers": make_list("outliers", 5, listed=0),
    }
    return Audit("a-crop", 7, 3, lists, {"leaks": "there is no split"}, byte_copies={"b.jpg": "a.jpg"})


def test_an_audit_is_its_lists(audit: Audit) -> None:
    assert repr(audit) == "Audit('a-crop', 7 objects: photos 2, labels 10, outliers 0)"
    assert repr(Audit("a-crop", 1, 1, {})) == "Audit('a-crop', 1 object: no list)"
    assert audit.photos is audit.lists["photos"]
    assert audit.labels is audit.lists["labels"]
    assert audit.outliers is audit.lists["outliers"]
    with pytest.raises(InputError, match="this audit has no list of leaks: there is no split"):
        _ = audit.leaks
    with pytest.raises(InputError, match="this audit has no list of duplicates: it was not asked for"):
        _ = audit.duplicates
    shown = audit.to_json()
    assert {name: shown[name] for name in ("space", "metric", "n", "images", "byte_copies", "skipped")} == {
        "space": "a-crop",
        "metric": "cosine",
        "n": 7,
        "images": 3,
        "byte_copies": [{"path": "b.jpg", "of": "a.jpg"}],
        "skipped": {"leaks": "there is no split"},
    }
    assert "approximate" not in shown
    assert [len(shown[name]["objects"]) for name in audit.lists] == [2, 10, 0]


def test_a_notebook_shows_the_first_eight_of_each_list(audit: Audit) -> None:
    shown = audit._repr_html_()
    tables = shown.split("<table>")[1:]
    assert len(tables) == 4
    captions = [re.search("<caption>(.*?)</caption>", table)[1] for table in tables]
    assert captions == ["photos: 2 of 3 listed", "labels: no figure", "outliers: 0 of 5 listed", "not made"]
    # The header is a row as well.
    assert [table.count("<tr>") - 1 for table in tables] == [2, 8, 0, 1]
    assert "not made" not in Audit("a-crop", 7, 3, audit.lists)._repr_html_()


def test_all_lists_are_written_whole(audit: Audit, tmp_path: Path) -> None:
    write_csv(audit, tmp_path / "audit.csv")
    with (tmp_path / "audit.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 3 + 100 + 5
    assert [row["rank"] for row in rows] == [*map(str, range(1, 4)), *map(str, range(1, 101)), *"12345"]
    assert [row["listed"] for row in rows] == ["True", "True", "False", *["False"] * 105]
    assert list(rows[0]) == [
        *("list", "rank", "listed", "image_id", "probability", "other", "object_id", "label", "x1")
    ]
    assert (rows[4]["list"], rows[4]["object_id"], rows[4]["x1"]) == ("labels", "labels1", "1.5")
    assert (rows[1]["image_id"], rows[1]["other"], rows[1]["object_id"]) == ("photos1", "x", "")
