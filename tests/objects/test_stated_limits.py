"""Limits of what is read, as docs/annotations.md and the messages state them, on both sides."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from objectspace.errors import AnnotationError
from objectspace.objects.annotations.annotation_reader import FormError
from objectspace.objects.annotations.image_factors import factors_from_csv
from objectspace.objects.annotations.voc_xml import read_voc_file


@pytest.mark.parametrize(
    ("stated", "number"),
    [
        ("masks.OUTLINE_LIMIT", 10_000_000),
        ("masks.LONGEST_COUNT", 7),
        ("annotations.mask_images._MOST_NUMBERS", 64),
        ("annotations.voc_masks.VOID", 255),
        ("annotations.voc_xml._FILE_LIMIT", 16 * 1024**2),
        ("annotations.yolo_names._YAML_LIMIT", 4 * 1024**2),
        ("annotations.yolo_names._DEPTH_LIMIT", 32),
        ("annotations.yolo_names._EVENT_LIMIT", 60_000),
        ("labels._NAMES_LIMIT", 4 * 1024**2),
        ("annotations.yolo._SAMPLE", 1000),
        ("annotations.yolo_lines._ENOUGH", 5),
        ("records.UNKNOWN", -1),
    ],
)
def test_a_limit_is_what_is_stated(stated: str, number: int) -> None:
    """stated: its module and name, not the number, by which a test would be named."""
    module, _, name = stated.rpartition(".")
    assert getattr(importlib.import_module(f"objectspace.objects.{module}"), name) == number


@pytest.mark.parametrize(("columns", "fits"), [(1000, True), (1001, False)])
def test_a_table_has_a_thousand_columns_at_most(tmp_path: Path, columns: int, fits: bool) -> None:
    path = tmp_path / "table.csv"
    names = ["file", *(f"c{number}" for number in range(columns - 1))]
    path.write_text(",".join(names) + "\n" + ",".join(["a.jpg", *["1"] * (columns - 1)]) + "\n")
    if fits:
        assert len(factors_from_csv(path, ["a.jpg"]).columns) == columns - 1
    else:
        with pytest.raises(
            AnnotationError, match="has 1001 columns in its first line, expected 1000 at most"
        ):
            factors_from_csv(path, ["a.jpg"])


@pytest.mark.parametrize(("depth", "fits"), [(32, True), (33, False)])
def test_xml_is_nested_32_deep_at_most(tmp_path: Path, depth: int, fits: bool) -> None:
    path = tmp_path / "a.xml"
    inner = depth - 1
    path.write_text("<annotation>" + "<x>" * inner + "</x>" * inner + "</annotation>")
    if fits:
        assert read_voc_file(path).objects == ()
    else:
        with pytest.raises(FormError, match="is nested more than 32 deep"):
            read_voc_file(path)
