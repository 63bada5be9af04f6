"""CITATION.cff names the release that it lies beside."""

from __future__ import annotations

from pathlib import Path

import yaml

from objectspace import __version__


def test_the_citation_is_of_this_version() -> None:
    cited = yaml.safe_load((Path(__file__).parents[1] / "CITATION.cff").read_text())
    assert (cited["version"], cited["license"]) == (__version__, "Apache-2.0")
