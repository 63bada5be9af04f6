from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from objectspace.errors import AnnotationError, InputError
from objectspace.objects.annotations.image_factors import (
    FactorTable,
    factors_from_csv,
    factors_from_pattern,
    merge_factors,
)
from objectspace.objects.records import no_objects

PATHS = ["photos/a/1.jpg", "photos/a/2.jpg", "photos/b/3.jpg"]
Join = Callable[..., FactorTable]


@pytest.fixture
def join(tmp_path: Path) -> Join:
    """Joins a table, given as text or bytes, to photos."""

    def read(text: str | bytes, paths: Sequence[str] = PATHS) -> FactorTable:
        (tmp_path / "table.csv").write_bytes(text.encode() if isinstance(text, str) else text)
        return factors_from_csv(tmp_path / "table.csv", paths)

    return read


# From the file name


def test_named_groups_become_columns() -> None:
    table = factors_from_pattern(
        r"apple(?P<apple>\d+)-(?P<elevation>\d+)-(?P<azimuth>\d+)",
        ["x/apple1-000-045.png", "x/apple10-090-338.png"],
    )
    assert {name: column.tolist() for name, column in table.columns.items()} == {
        "apple": [1.0, 10.0],
        "elevation": [0.0, 90.0],
        "azimuth": [45.0, 338.0],
    }
    assert table.of("x/apple10-090-338.png") == {"apple": 10.0, "elevation": 90.0, "azimuth": 338.0}
    assert table.unmatched == ()


def test_the_pattern_sees_the_name_with_its_suffix_and_without_its_folders() -> None:
    table = factors_from_pattern(r"^(?P<stem>\w+)\.(?P<kind>\w+)$", PATHS)
    assert table.of("photos/b/3.jpg") == {"stem": 3.0, "kind": "jpg"}


def test_a_column_with_one_word_is_text() -> None:
    table = factors_from_pattern(r"(?P<who>\w+)-", ["1-.jpg", "two-.jpg"])
    assert table.columns["who"].tolist() == ["1", "two"]


def test_photos_that_do_not_match_are_unknown_and_told() -> None:
    table = factors_from_pattern(r"(?P<n>[12])(?P<x>z)?", PATHS)
    assert table.unmatched == ("photos/b/3.jpg",)
    assert table.of("photos/b/3.jpg") == {}
    assert table.of(PATHS[0]) == {"n": 1, "x": None}
    assert table.silent_on("photos/b/3.jpg") == {"n", "x"}
    np.testing.assert_array_equal(table.columns["n"], [1, 2, np.nan])
    assert table.columns["x"].tolist() == [None] * 3


def test_a_label_is_always_text_and_no_factor() -> None:
    table = factors_from_pattern(r"(?P<label>\d)", PATHS)
    assert table.label_of("photos/a/2.jpg") == "2"
    assert table.for_objects("photos/a/2.jpg", 3) == {}


def test_a_table_without_labels() -> None:
    assert factors_from_pattern(r"(?P<n>\d)", PATHS).label_of(PATHS[0]) is None


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"(?P<n>\d", "is no regular expression: "),
        (r"(\d+)", r"has no named group; write each factor as \(\?P<name>...\)"),
        (r"(?P<n>zebra)", "matches no photo's file name, such as 1.jpg"),
        (r"(?P<xyxy>\d)", "column 'xyxy' is one of the objects' own; choose another name"),
        (r"(?P<thumbnail>\d)", "column 'thumbnail' is one of the objects' own"),
    ],
)
def test_patterns_that_cannot_be_used(pattern: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        factors_from_pattern(pattern, PATHS)


@pytest.mark.parametrize("name", sorted({*no_objects().columns} - {"label"}))
def test_no_column_of_the_objects_can_be_a_factor(name: str) -> None:
    with pytest.raises(InputError, match="one of the objects' own"):
        factors_from_pattern(f"(?P<{name}>.)", PATHS)


# From a table


def test_a_table_is_joined_by_file_name(join: Join) -> None:
    table = join("file,angle,side\n2.jpg,20,left\n1.jpg,10.5,right\n9.jpg,1,none\n")
    assert table.of("photos/a/1.jpg") == {"angle": 10.5, "side": "right"}
    assert table.of("photos/b/3.jpg") == {}
    assert table.unmatched == ("photos/b/3.jpg",)
    assert table.columns["angle"].dtype == np.float64


def test_the_file_column_is_the_first_where_none_is_called_file(join: Join) -> None:
    assert join("photo,angle\n1.jpg,10\n").of(PATHS[0]) == {"angle": 10.0}
    assert join("angle,file\n10,1.jpg\n").of(PATHS[0]) == {"angle": 10.0}


def test_files_can_be_named_by_part_of_their_path(join: Join) -> None:
    table = join("file,n\na/1.jpg,1\nb/1.jpg,2\n1.jpg,3\n", ["p/a/1.jpg", "p/b/1.jpg", "p/c/1.jpg"])
    assert table.columns["n"].tolist() == [1, 2, 3]


def test_absolute_paths_and_windows_paths(join: Join) -> None:
    table = join(
        "file,n\n/d/a/1.jpg,1\nb\\2.jpg,2\n./b/3.jpg,3\n", ["/d/a/1.jpg", "/d/b/2.jpg", "/d/b/3.jpg"]
    )
    assert table.columns["n"].tolist() == [1, 2, 3]


def test_byte_order_mark_windows_line_ends_quotes_and_blank_rows(join: Join) -> None:
    table = join(b'\xef\xbb\xbf"file","note"\r\n"1.jpg","left, ""half"""\r\n,\r\n\r\n2.jpg, plain \r\n')
    assert table.columns["note"].tolist() == ['left, "half"', "plain", None]


def test_empty_cells_and_nan_are_unknown(join: Join) -> None:
    table = join("file,n,m\n1.jpg,,NaN\n2.jpg,4,nan\n3.jpg,5,\n")
    np.testing.assert_array_equal(table.columns["n"], [np.nan, 4, 5])
    assert table.columns["m"].tolist() == [None, None, None]


@pytest.mark.parametrize("text", ["inf", "1_000", "1e999", "0x10", "٣", "1,5"])
def test_what_is_no_plain_finite_number_makes_a_column_of_text(join: Join, text: str) -> None:
    table = join(f'file,n\n1.jpg,"{text}"\n2.jpg,2\n')
    assert table.columns["n"].tolist() == [text, "2", None]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty, expected a header and a row per photo"),
        ("file\n1.jpg\n", "has one column, expected a file column and factors, separated by commas"),
        ("file;n\n1.jpg;3\n", "has one column, expected a file column and factors, separated by commas"),
        ("file,n\n1.jpg\n", "line 2 has 1 cells, expected 2 as in the header"),
        ("file,n\n1.jpg,2,3\n", "line 2 has 3 cells, expected 2 as in the header"),
        ("file,n\n1.jpg,1\n2.jpg,2\n1.jpg,1\n", r"line 4 names 1.jpg again \(line 2\)"),
        ("file,n,n\n1.jpg,1,2\n", "column 'n' stands twice"),
        ("file,\n1.jpg,1\n", "'' is no column name"),
        (
            "file,my.angle\n1.jpg,1\n",
            "'my.angle' is no column name, expected letters, digits, spaces, dashes",
        ),
        ("file,score\n1.jpg,1\n", "column 'score' is one of the objects' own"),
        ("file,n\nx.jpg,1\n", "has no row for any of the 3 photos, such as 1.jpg"),
        ("file,n\n", "has no row for any of the 3 photos"),
        ('file,n\n1.jpg,"1\n', "is no comma-separated row"),
        ('file,n\n1.jpg,"1"x\n', "line 2 is no comma-separated row"),
        (b"file,n\n1.jpg,\xff\n", "is not UTF-8 text"),
    ],
)
def test_tables_that_cannot_be_used(join: Join, text: str | bytes, reason: str) -> None:
    with pytest.raises(AnnotationError, match=reason):
        join(text)


def test_a_column_may_have_any_name_that_an_attribute_may_have(join: Join) -> None:
    assert list(join("file,viewing angle,2nd-hand\n1.jpg,1,2\n").columns) == ["viewing angle", "2nd-hand"]


def test_a_row_that_names_two_photos_is_refused(join: Join) -> None:
    with pytest.raises(
        AnnotationError, match=r"line 2 names both p/a/1\.jpg and p/b/1\.jpg; write more of their paths"
    ):
        join("file,n\n1.jpg,1\n", ["p/a/1.jpg", "p/b/1.jpg"])


def test_a_missing_table(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="there is no such file"):
        factors_from_csv(tmp_path / "none.csv", PATHS)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(alphabet='fileab1.jpg,"\n\r;\\ \0é', max_size=60).map("file,n\n1.jpg,".__add__)
    | st.text(max_size=60)
)
def test_any_text_is_a_table_or_an_annotation_error(join: Join, text: str) -> None:
    try:
        table = join(text.encode("utf-8", "surrogatepass"))
    except AnnotationError:
        return
    assert all(len(column) == len(PATHS) for column in table.columns.values())


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_numbers_come_back_as_they_were_written(values: list[float]) -> None:
    paths = [f"{number}_{value!r}_.jpg" for number, value in enumerate(values)]
    table = factors_from_pattern(r"_(?P<value>[^_]+)_", paths)
    assert table.columns["value"].tolist() == values


# For objects


def test_the_columns_of_one_photos_objects_are_typed_even_where_unknown(join: Join) -> None:
    table = join("file,n,side\n1.jpg,4,left\n")
    known = table.for_objects(PATHS[0], 2)
    assert (known["n"].tolist(), known["side"].tolist()) == ([4.0, 4.0], ["left", "left"])
    unknown = table.for_objects(PATHS[2], 1)
    assert unknown["n"].dtype == np.float64
    assert math.isnan(unknown["n"][0])
    assert unknown["side"].tolist() == [None]


def test_a_photo_that_the_table_was_not_read_for(join: Join) -> None:
    with pytest.raises(InputError, match=r"9\.jpg is not among the photos they were read for"):
        join("file,n\n1.jpg,1\n").of("9.jpg")


def test_two_tables_become_one(join: Join) -> None:
    merged = merge_factors(factors_from_pattern(r"(?P<n>[12])", PATHS), join("file,m\n2.jpg,5\n3.jpg,6\n"))
    assert merged.of(PATHS[0]) == {"n": 1.0}
    assert merged.of(PATHS[1]) == {"n": 2.0, "m": 5.0}
    assert merged.unmatched == (PATHS[0], PATHS[2])


def test_a_column_in_both_tables_is_refused(join: Join) -> None:
    with pytest.raises(InputError, match="factor n comes from the pattern and from the table; rename one"):
        merge_factors(factors_from_pattern(r"(?P<n>\d)", PATHS), join("file,n\n2.jpg,5\n"))


def test_a_table_finds_photos_under_names_of_other_machines(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "café.jpg") for form in ("NFC", "NFD"))
    table = tmp_path / "t.csv"
    table.write_text(f"file,angle\nC:\\p\\7.jpg,1\n{composed},2\nb%20c.jpg,3\n")
    paths = ["/photos/7.jpg", f"/photos/{decomposed}", "/photos/b c.jpg"]
    assert factors_from_csv(table, paths).columns["angle"].tolist() == [1, 2, 3]


def test_a_pattern_with_an_accent_matches_its_other_spelling() -> None:
    name = unicodedata.normalize("NFD", "café7.jpg")
    assert factors_from_pattern(r"café(?P<number>\d)", [name]).columns["number"].tolist() == [7]
