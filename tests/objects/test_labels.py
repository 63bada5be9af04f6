from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectspace.errors import AnnotationError
from objectspace.objects.labels import COCO_NAMES, coco_spelling, read_names


def names_in(path: Path, data: bytes) -> tuple[str, ...]:
    path.write_bytes(data)
    return read_names(path)


def test_the_eighty_classes() -> None:
    assert len(set(COCO_NAMES)) == 80
    assert (COCO_NAMES[0], COCO_NAMES[57], COCO_NAMES[79]) == ("person", "couch", "toothbrush")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sofa", "couch"),
        ("pottedplant", "potted plant"),
        ("aeroplane", "airplane"),
        ("tvmonitor", "tv"),
        ("diningtable", "dining table"),
        ("motorbike", "motorcycle"),
        ("couch", "couch"),
        ("axolotl", "axolotl"),
    ],
)
def test_old_spellings_become_cocos(old: str, new: str) -> None:
    assert coco_spelling(old) == new


def test_a_names_file_is_read_in_order_and_in_cocos_spelling(tmp_path: Path) -> None:
    assert names_in(tmp_path / "n", b"person\nsofa\ntraffic light\n") == ("person", "couch", "traffic light")


def test_byte_order_mark_windows_line_ends_and_empty_last_lines_do_not_count(tmp_path: Path) -> None:
    assert names_in(tmp_path / "n", b"\xef\xbb\xbfcat \r\ndog\r\n\r\n\n") == ("cat", "dog")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "holds no class names"),
        (b"\n \n", "holds no class names"),
        (b"cat\n\ndog\n", "line 2 is empty, expected a class name"),
        (b"cat\ndog\ncat\n", r"line 3 names 'cat' again \(line 1\)"),
        (b"cat\n\xff\xfe\n", "is not UTF-8 text"),
    ],
)
def test_names_files_that_cannot_be_used(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(AnnotationError, match=reason):
        names_in(tmp_path / "n", data)


def test_a_missing_names_file(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="there is no such file"):
        read_names(tmp_path / "none.names")


def test_a_folder_is_no_names_file(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="is a folder, expected a text file"):
        read_names(tmp_path)


@given(st.binary(max_size=60))
def test_any_bytes_are_names_or_an_annotation_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.names"
    try:
        names = names_in(path, data)
    except AnnotationError:
        return
    assert names
    assert all(names)
    assert len(set(names)) == len(names)
