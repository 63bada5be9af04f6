"""A report of what is there, and words for what is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import PIL.Image
import pytest

from objectspace._version import __version__
from objectspace.analyses import probes, projection
from objectspace.errors import InputError, ModelError, QueryError
from objectspace.models.detectors.torchvision_models import TorchvisionDetector
from objectspace.report import claims, html_report, pictures
from objectspace.report.evidence import choose
from objectspace.report.html_report import Choice, write_report
from objectspace.store import Store, open_store, open_writer
from tests.models.detectors.tiny_detectors import BUILDERS, NAMES


@pytest.fixture
def store(small_demo) -> Store:
    return open_store(small_demo.true)


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are drawn and not made pixels of, which takes longer and is what the demo's report is for."""
    monkeypatch.setattr(pictures, "png_of", lambda figure: b"")


@pytest.mark.usefixtures("unrendered")
def test_without_its_detector_a_store_still_has_a_report(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*arguments, **options):
        raise ModelError("the weights are gone")

    monkeypatch.setattr(html_report, "space_detector", gone)
    of_detectors = ("own cell", "location", "place, not phase", "t-SNE")
    monkeypatch.setattr(claims, "CLAIMS", tuple(one for one in claims.CLAIMS if one.key in of_detectors))

    made = write_report(store, tmp_path / "out")

    missing = {heading.split(".")[0] for heading, _ in made.missing}
    assert missing == {"Figure 3", "Figure 6", "Figure 7"}
    assert all(heading in made.path.read_text() for heading, _ in made.missing)
    assert {reason for _, reason in made.missing} == {"the weights are gone"}
    reasons = {finding.key: finding.reason for finding in made.findings if finding.estimate is None}
    assert reasons == dict.fromkeys(of_detectors, "the weights are gone")


@pytest.fixture
def unweighed(monkeypatch: pytest.MonkeyPatch, unrendered: None) -> None:
    """A report without findings and with few permutations of probes, which take most of its time."""
    monkeypatch.setattr(html_report, "weigh_claims", lambda evidence: [])
    monkeypatch.setattr(projection, "measure_probe", partial(probes.measure_probe, permuted=9))


@pytest.mark.usefixtures("unweighed")
def test_windows_in_bfloat16_are_zeroed_and_moved_in_float32(
    indexed: Callable[..., Store], tmp_path: Path
) -> None:
    store = indexed(precision="bfloat16")

    made = write_report(store, tmp_path / "out")

    assert made.recipes[made.choice.window].precision == "bfloat16"
    assert {heading.split(".")[0] for heading, _ in made.missing} == {"Figure 1", "Figure 2"}
    assert [note.split(" rest")[0] for note in made.notes] == ["Zeroing", "Location and t-SNE"]


@pytest.mark.usefixtures("unweighed")
def test_of_another_family_only_the_zeroing_is_left_out(
    indexed: Callable[..., Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = BUILDERS["ssd"]().eval()
    detector = TorchvisionDetector("ssd", network, weights="0" * 64, names=NAMES, precision="float32")
    store = indexed(detector=detector)
    monkeypatch.setattr(html_report, "space_detector", lambda *_, **options: detector)

    made = write_report(store, tmp_path / "out")

    missing = {heading.split(".")[0]: reason for heading, reason in made.missing}
    assert set(missing) == {"Figure 1", "Figure 2", "Figure 3"}
    assert "is no Darknet network" in missing["Figure 3"]
    assert "is no Darknet network" in made.path.read_text()


@pytest.mark.usefixtures("unweighed")
def test_objects_that_fill_their_photos_are_not_moved(
    indexed: Callable[..., Store], world, tmp_path: Path
) -> None:
    labels = tmp_path / "labels"
    for label in world.labels.rglob("*.txt"):
        filling = labels / label.relative_to(world.labels)
        filling.parent.mkdir(parents=True, exist_ok=True)
        filling.write_text("0 0.5 0.5 0.98 0.98")
    store = indexed(labels=labels)

    made = write_report(store, tmp_path / "out")

    missing = {heading.split(".")[0]: reason for heading, reason in made.missing}
    assert "has no room to move" in missing["Figure 6"]
    assert missing["Figure 7"] == missing["Figure 6"]
    assert "Figure 3" not in missing


def test_json_and_page_say_what_made_them(store: Store, small_demo) -> None:
    made = small_demo.report
    told = json.loads(json.dumps(made.to_json(), allow_nan=False))

    assert told["version"] == __version__
    assert told["recipe"]["crop"] == store.recipe("demo-crop").to_json()
    assert told["recipe"]["window"]["weights"] == store.recipe(told["spaces"]["window"]).weights
    foot = made.path.read_text().split("<footer>")[1]
    assert told["recipe"]["crop"]["weights"] in foot
    assert told["recipe"]["window"]["weights"] in foot
    assert f"<dd>{__version__}</dd>" in foot


def test_page_and_json_say_how_little_some_findings_rest_on(small_demo) -> None:
    made = small_demo.report

    assert any("2 objects" in note and "16 places" in note for note in made.to_json()["notes"])
    assert all(note in made.path.read_text() for note in made.notes)


def test_an_unknown_space_is_refused_before_anything_is_written(store: Store, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="no space nowhere"):
        write_report(store, tmp_path / "out", Choice(crop="nowhere"))
    assert not (tmp_path / "out" / "report.html").exists()


@pytest.mark.parametrize("column", ["orientation", "style", "group"])
def test_an_unknown_column_is_refused_before_any_photo_is_read(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: str
) -> None:
    monkeypatch.setattr(html_report, "_material", lambda *_: pytest.fail("the work began"))
    with pytest.raises(InputError, match="no factor 'azimth'"):
        write_report(store, tmp_path / "out", Choice(**{column: "azimth"}))


def test_a_folder_that_cannot_be_made_is_one_sentence(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(InputError, match="cannot be written"):
        write_report(store, tmp_path / "file" / "out")


@pytest.mark.usefixtures("unweighed")
def test_without_a_group_columns_that_could_be_one_come_first(
    indexed: Callable[..., Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight photos, two of each street; the number is one of each photo, and the maker unknown."""

    def none(*arguments):
        raise ModelError("not in this test")

    monkeypatch.setattr(html_report, "_detector", none)
    photos, labels = tmp_path / "photos", tmp_path / "labels"
    for number in range(8):
        photos.mkdir(exist_ok=True)
        labels.mkdir(exist_ok=True)
        PIL.Image.new("RGB", (96, 96), (20 * number, 90, 90)).save(photos / f"{number}.png")
        (labels / f"{number}.txt").write_text("0 0.5 0.5 0.4 0.4\n1 0.3 0.3 0.2 0.2\n")
    store = indexed(photos, labels)
    with open_writer(store.path) as writer:
        writer.set_factors(
            {
                row.image_id: {"street": f"s{place % 2}", "number": float(place)}
                for place, row in enumerate(store.images())
            }
        )
    store = open_store(store.path)

    warned = write_report(store, tmp_path / "out")

    (warning,) = warned.warnings
    assert "a value of street." in warning
    assert "number" not in warning
    text = warned.path.read_text()
    assert text.index("a value of street") < text.index("the paper’s claim</th>")
    assert warned.to_json()["warnings"] == [warning]
    assert html_report._warnings(store, choose(store, Choice(group="street"))) == []


def test_recipes_can_be_read(small_demo) -> None:
    foot = small_demo.report.path.read_text().split("<footer>")[1]

    assert "<h3>both</h3>" in foot
    assert '{"' not in foot
    assert "&quot;" not in foot


def test_the_store_has_a_joint_space_and_so_a_column(small_demo) -> None:
    told = small_demo.report.to_json()

    assert told["spaces"]["both"] == "both"
    by_key = {finding.key: finding for finding in small_demo.report.findings}
    assert by_key["classes"].both.estimate.n == by_key["classes"].estimate.n
    assert told["claims"][5]["both"]["value"] == by_key["classes"].both.estimate.value
    assert "both routes" in small_demo.report.path.read_text()


def test_what_the_layer_before_a_head_makes_so_is_said(small_demo) -> None:
    (own_cell,) = (finding for finding in small_demo.report.findings if finding.key == "own cell")

    assert "only single cells are read" in own_cell.by_construction
    assert own_cell.by_construction in small_demo.report.path.read_text()
