"""A report of what is there, and words for what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from objectspace import report
from objectspace.errors import InputError, ModelError, QueryError
from objectspace.report import Choice, make_report
from objectspace.store import Store, open_store


@pytest.fixture
def store(small_demo) -> Store:
    return open_store(small_demo.true)


def test_without_its_detector_a_store_still_has_a_report(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*arguments, **options):
        raise ModelError("the weights are gone")

    monkeypatch.setattr(report, "space_detector", gone)

    made = make_report(store, tmp_path / "out")

    missing = {heading.split(".")[0] for heading, _ in made.missing}
    assert missing == {"Figure 3", "Figure 4", "Figure 6", "Figure 7"}
    assert all(heading in made.path.read_text() for heading, _ in made.missing)
    unseen = {finding.key for finding in made.findings if finding.estimate is None}
    assert unseen >= {"own cell", "location", "place, not phase", "t-SNE"}


def test_an_unknown_space_is_refused_before_anything_is_written(store: Store, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="no space nowhere"):
        make_report(store, tmp_path / "out", Choice(crop="nowhere"))
    assert not (tmp_path / "out" / "report.html").exists()


def test_an_unknown_column_shows_nothing_and_says_so(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "_detector", lambda *arguments: None)

    made = make_report(store, tmp_path / "out", Choice(orientation="azimth"))

    reasons = {finding.key: finding.reason for finding in made.findings}
    assert "no factor 'azimth'" in reasons["orientation"]


def test_a_folder_that_cannot_be_made_is_one_sentence(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(InputError, match="cannot be written"):
        make_report(store, tmp_path / "file" / "out")
