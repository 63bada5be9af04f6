"""Numbers that docs/store-format.md, docs/cluster.md and the docstrings state."""

from __future__ import annotations

from datetime import timedelta

import pytest

from objectspace.store import border, lease, manifest, marks, reader, segments, selections, tables


@pytest.mark.parametrize(
    ("stated", "number"),
    [
        (manifest.FORMAT_VERSION, 2),
        (marks.FORMAT_VERSION, 1),
        (selections.FORMAT_VERSION, 1),
        (tables.FULL_FRAGMENT, 16_384),
        (tables.UNPINNED_KEEP, timedelta(minutes=10)),
        (tables.REMOTE_KEEP, timedelta(days=1)),
        (lease.TAKEN_OVER_AFTER, timedelta(minutes=2)),
        (border.THUMBNAIL_LIMIT, 65_536),
        (border.MASK_LIMIT, 1_073_741_824),
        (marks._LONGEST_LABEL, 200),
        (reader.FEWEST_DIGITS, 4),
        (segments.FEWEST, 512),
    ],
)
def test_a_number_is_what_is_stated(stated: object, number: object) -> None:
    assert stated == number
