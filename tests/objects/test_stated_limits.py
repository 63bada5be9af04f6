"""Limits of what is read, as docs/annotations.md and the messages state them, on both sides."""

from __future__ import annotations

from pathlib import Path

import pytest

from objectspace.errors import AnnotationError
from objectspace.objects import labels, masks, records
from objectspace.objects.annotations import mask_images, voc_masks, voc_xml, yolo, yolo_lines, yolo_names
from objectspace.objects.annotations.annotation_reader import FormError
from objectspace.objects.annotations.image_factors import factors_from_csv
from objectspace.objects.annotations.voc_xml import read_voc_file


@pytest.mark.parametrize(
    ("limit", "number"),
    [
        (masks.OUTLINE_LIMIT, 10_000_000),
        (masks.LONGEST_COUNT, 7),
        (mask_images._MOST_NUMBERS, 64),
        (voc_masks.VOID, 255),
        (voc_xml._FILE_LIMIT, 16 * 1024**2),
        (yolo_names._YAML_LIMIT, 4 * 1024**2),
        (yolo_names._DEPTH_LIMIT, 32),
        (yolo_names._EVENT_LIMIT, 60_000),
        (labels._NAMES_LIMIT, 4 * 1024**2),
        (yolo._SAMPLE, 1000),
        (yolo_lines._ENOUGH, 5),
        (records.UNKNOWN, -1),
    ],
)
def test_a_limit_is_what_is_stated(limit: int, number: int) -> None:
    assert limit == number


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
