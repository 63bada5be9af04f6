"""Marks: what a person says of objects, in JSON that needs no package."""

from __future__ import annotations

import json

import pytest

from objectspace.errors import InputError, StoreError
from objectspace.store.marks import MARKS, ObjectMark, new_mark, read_marks, save_marks


def test_marks_come_back(tmp_path):
    saved = save_marks(tmp_path, {"b": new_mark("wrong"), "a": new_mark("relabeled", "cat")})
    assert read_marks(tmp_path) == saved
    assert (saved["a"].label, saved["b"].verdict) == ("cat", "wrong")


def test_a_mark_is_replaced_and_taken_away_the_others_stay(tmp_path):
    save_marks(tmp_path, {"a": new_mark("wrong"), "b": new_mark("right"), "c": new_mark("skipped")})
    save_marks(tmp_path, {"a": new_mark("right"), "c": None, "d": None})
    assert {name: mark.verdict for name, mark in read_marks(tmp_path).items()} == {"a": "right", "b": "right"}


def test_the_file_is_plain_json(tmp_path):
    save_marks(tmp_path, {"a": ObjectMark("relabeled", "cat", "2026-01-02T03:04:05+00:00")})
    assert json.loads((tmp_path / MARKS).read_text()) == {
        "format": "objectspace-marks",
        "version": 1,
        "marks": {"a": {"verdict": "relabeled", "label": "cat", "made": "2026-01-02T03:04:05+00:00"}},
    }


def test_a_store_without_marks_has_none(tmp_path):
    assert read_marks(tmp_path) == {}


@pytest.mark.parametrize(
    ("verdict", "label"),
    [("bad", None), ("wrong", "cat"), ("relabeled", None), ("relabeled", " "), ("relabeled", "x" * 201)],
)
def test_a_mark_that_says_nothing_is_refused(verdict, label):
    with pytest.raises(InputError):
        new_mark(verdict, label)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"format": "objectspace-marks", "marks": []}',
        '{"format": "objectspace-marks", "marks": {"a": {"verdict": "bad"}}}',
        '{"format": "objectspace-marks", "marks": {"a": {"word": 1}}}',
        '{"format": "objectspace-marks", "marks": {"a": 3}}',
        "[" * 100_000,
    ],
)
def test_a_damaged_file_is_named(tmp_path, text):
    (tmp_path / MARKS).write_text(text)
    with pytest.raises(StoreError, match=MARKS):
        read_marks(tmp_path)
