"""``objectspace audit`` on a small store."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from objectspace.store import open_store


def test_json_has_each_list_with_its_figures(command: Callable, annotated: Path, tmp_path: Path) -> None:
    done = command("audit", annotated, "--json", "--csv", tmp_path / "a.csv", "--sheet", tmp_path / "a.png")
    assert (done.code, done.err.count("Traceback")) == (0, 0), done.err
    document = json.loads(done.out)
    assert [name for name in ("photos", "duplicates", "outliers", "labels", "leaks") if name in document] == [
        "photos", "duplicates", "outliers", "labels"
    ]  # fmt: skip
    assert document["skipped"] == {"leaks": "no column says which split an object is in; give split="}
    for name in ("photos", "duplicates", "outliers", "labels"):
        one = document[name]
        assert {"n", "listed", "score", "threshold", "calibration", "objects"} <= set(one)
        assert {"planted", "threshold_from", "kinds", "false_alarms"} == set(one["calibration"])
        kind = one["calibration"]["kinds"][0]
        assert kind["kind"] == "all"
        assert set(kind["first"]) == {"0.01", "0.05", "0.1"}
        assert {"value", "low", "high", "n"} == set(kind["found"])
    rows = list(csv.DictReader((tmp_path / "a.csv").open(newline="")))
    assert {row["list"] for row in rows} == {"photos", "duplicates", "outliers", "labels"}
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"


def test_text_says_how_good_a_list_is(command: Callable, annotated: Path) -> None:
    out = command("audit", annotated, "--only", "labels").out
    assert "found of" in out
    assert "first 10%" in out
    assert "listed of the unplanted" in out
    assert re.search(r"how good it is: of \d+ planted cases \d+% are listed .*\d+% in the first 10%", out)
    assert "1 object left out: their label is in no other photo" in out


def test_after_a_short_list_its_ranking_goes_on(command: Callable, annotated: Path) -> None:
    document = json.loads(command("audit", annotated, "--only", "labels", "--json").out)
    listed = len(document["labels"]["objects"])
    lines = command("audit", annotated, "--only", "labels").out.splitlines()
    rows = [line for line in lines if re.match(r"[0-9a-f]{32} ", line)]
    assert len(rows) == min(20, document["labels"]["n"]) > listed
    assert lines.index("next in the ranking (--csv has all of it):") == lines.index(rows[listed]) - 2


def test_what_is_listed_comes_before_how_good_it_is_and_names_its_photo(
    command: Callable, annotated: Path
) -> None:
    lines = command("audit", annotated, "--only", "outliers,duplicates", "--uncalibrated").out.splitlines()
    headers = [line.split() for line in lines if line.startswith("object id")]
    assert headers == [
        ["object", "id", "difference", "image", "other", "image"],
        ["object", "id", "local", "outlier", "factor", "label", "image"],
    ]
    photos = {Path(row.path).name for row in open_store(annotated).images()}
    rows = [line.split() for line in lines if re.match(r"[0-9a-f]{32} ", line)]
    assert rows
    assert {row[-1] for row in rows} <= photos
    lines = command("audit", annotated, "--only", "labels").out.splitlines()
    starts = [line.split()[:2] for line in lines]
    assert starts.index(["found", "of"]) == len(lines) - 5


def test_copies_byte_for_byte_are_named_long_after_the_index(command: Callable, annotated: Path) -> None:
    photo = Path(open_store(annotated).images()[0].path)
    copy = photo.with_name(f"again{photo.suffix}")
    copy.write_bytes(photo.read_bytes())
    try:
        out = command("audit", annotated, "--only", "photos", "--uncalibrated").out
        document = json.loads(command("audit", annotated, "--only", "photos", "--uncalibrated", "--json").out)
    finally:
        copy.unlink()
    assert f"1 photo is a copy of another, byte for byte: {copy} of {photo}" in out
    assert document["byte_copies"] == [{"path": str(copy), "of": str(photo)}]


def test_uncalibrated_lists_say_so(command: Callable, annotated: Path) -> None:
    done = command("audit", annotated, "--only", "outliers,duplicates", "--uncalibrated")
    assert done.code == 0
    assert done.out.count("not calibrated: nothing says how good it is") == 2
    assert "found of" not in done.out


def test_listed_objects_are_kept_as_a_selection(command: Callable, annotated: Path) -> None:
    done = command(
        "audit", annotated, "--only", "outliers", "--uncalibrated", "--select", "odd ones", "--json"
    )
    assert json.loads(done.out)["selection"] == {"name": "odd ones", "objects": 1}
    kept = open_store(annotated).selection("odd ones")
    assert kept.object_ids.tolist() == [
        one["object_id"] for one in json.loads(done.out)["outliers"]["objects"]
    ]
    assert kept.how["command"] == "audit"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--only", "copies"],
            "no list 'copies', expected some of photos, duplicates, outliers, labels, leaks as --only",
        ),
        (["--split", "fold"], "no column 'fold' of your own"),
        (["--space", "nowhere"], "no space nowhere"),
        (["--sheet", "a.txt"], "a.txt: a figure is written as .png"),
        (["--select", "../out"], "selection name '../out'"),
    ],
)
def test_what_cannot_be_audited_is_one_sentence(
    sentence: Callable, annotated: Path, arguments: list[str], message: str
) -> None:
    assert message in sentence("audit", annotated, *arguments)


def test_leaks_need_a_split(command: Callable, annotated: Path) -> None:
    done = command("audit", annotated, "--only", "leaks")
    assert done.code == 2
    assert "--split" in done.err
