"""Columns of ids against Arrow's own values: letters of one and of several bytes, slices, uneven chunks."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from objectspace.store.columns import byte_array, text_array


@pytest.mark.parametrize(
    "chunks",
    [
        [["ab", "cd"], [], ["ef"]],  # of one width, ASCII: no value is decoded by itself
        [["éa", "bß"], ["zzz"]],  # of one width in bytes, in no other
        [["日本", "ab"], ["a"], ["éé"]],
        [["", ""]],
        [[""], ["a", ""]],
        [[]],
        [],
    ],
)
@pytest.mark.parametrize("start", [0, 1])
def test_ids_are_those_of_arrow(chunks: list[list[str]], start: int) -> None:
    column = pa.chunked_array([pa.array(chunk, pa.string()) for chunk in chunks], pa.string()).slice(start)
    expected = column.to_pylist()
    texts = text_array(column)
    assert texts.dtype.kind == "U"
    assert texts.tolist() == expected
    assert byte_array(column).tolist() == [text.encode() for text in expected]
    assert byte_array(column).dtype == np.array([text.encode() for text in expected] or [b""]).dtype


@pytest.mark.parametrize(
    "ids", [["aa", "bb", "cc", "dd", "ee"], ["a", "bbb", "", "dd", "é"], ["é", "ü", "ö", "ä", "ß"]]
)
def test_ids_of_a_part_of_a_column_are_those_of_that_part(ids: list[str]) -> None:
    """Of equal widths, whose bytes are one array beside those of the others, and of unequal ones."""
    column = pa.array(ids)
    for start in range(6):
        for stop in range(start, 6):
            part = pa.chunked_array([column.slice(start, stop - start)], pa.string())
            assert text_array(part).tolist() == ids[start:stop]
            assert byte_array(part).tolist() == [name.encode() for name in ids[start:stop]]
    assert text_array(pa.chunked_array([column.slice(3), column.slice(0, 2)])).tolist() == ids[3:] + ids[:2]
