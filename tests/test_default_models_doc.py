"""docs/default-models.md names the files that are shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from objectspace.models.catalogue import DEMO_ENCODER
from objectspace.models.darknet.architectures import ARCHITECTURES
from objectspace.models.weights import WeightsFile

PAGE = Path(__file__).parents[1] / "docs" / "default-models.md"


@pytest.mark.parametrize("file", [ARCHITECTURES["demo"].weights, DEMO_ENCODER], ids=lambda file: file.name)
def test_the_page_has_the_shipped_file_s_digest_and_length(file: WeightsFile) -> None:
    text = PAGE.read_text()
    assert file.sha256 in text
    assert f"{file.size:,}" in text
