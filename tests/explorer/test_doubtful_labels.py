"""The queue of doubtful labels is judged once for a commit, and says how far it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import objectspace as osp
from objectspace.explorer import doubtful_labels
from objectspace.explorer.doubtful_labels import LABELS, DoubtfulLabels

SPACE = "demo-crop"


@pytest.fixture(scope="module")
def judged_once(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose labels were judged."""
    path = tmp_path_factory.mktemp("judged") / "photos.osp"
    shutil.copytree(drawn / "photos.osp", path)
    DoubtfulLabels(osp.open_store(path)).of(SPACE)
    return path


@pytest.fixture
def judged(judged_once: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(judged_once, tmp_path / "judged.osp"))


def test_the_list_is_the_audit_s(folder: Path) -> None:
    store = osp.open_store(folder)
    expected = osp.audit(store, space=SPACE, only=["labels"]).labels
    found = DoubtfulLabels(store).of(SPACE)
    assert [one["object_id"] for one in found["objects"]] == expected.object_id.tolist()
    assert [one["score"] for one in found["objects"]] == pytest.approx(expected.score)
    assert (found["n"], found["listed"]) == (len(expected), expected.listed)
    assert found["calibration"] == expected.calibration.to_json()


def test_labels_are_judged_once_for_a_commit(judged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = osp.open_store(judged)
    first = DoubtfulLabels(store).of(SPACE)
    monkeypatch.setattr(doubtful_labels, "audit", None)
    assert DoubtfulLabels(store).of(SPACE) == first


def test_another_commit_is_judged_anew(judged: Path) -> None:
    with osp.open_writer(judged) as writer:
        writer.remove_images([osp.open_store(judged).images()[0].image_id])
    store = osp.open_store(judged)
    assert DoubtfulLabels(store).of(SPACE)["n"] <= len(store) < 39


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_a_damaged_list_is_made_anew(judged: Path, text: str) -> None:
    store = osp.open_store(judged)
    first = DoubtfulLabels(store).of(SPACE)
    (file,) = (judged / LABELS).iterdir()
    file.write_text(text)
    assert DoubtfulLabels(store).of(SPACE) == first


def test_a_store_that_cannot_be_written_is_judged_all_the_same(folder: Path) -> None:
    (folder / "explorer").mkdir(exist_ok=True)
    (folder / LABELS).write_text("a file where the folder would be")
    assert DoubtfulLabels(osp.open_store(folder)).of(SPACE)["objects"]


def test_how_much_is_done_grows_to_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels, seen = DoubtfulLabels(osp.open_store(folder)), []

    def audit(*arguments, judging, **options):
        def heard(share: float) -> None:
            judging(share)
            seen.append(labels.done(SPACE))

        return osp.audit(*arguments, judging=heard, **options)

    monkeypatch.setattr(doubtful_labels, "audit", audit)
    before = labels.done(SPACE)
    labels.of(SPACE)
    assert before == 0
    assert seen == sorted(set(seen))
    assert (seen[0], seen[-1], labels.done(SPACE)) == (0.5, 1, 1)
