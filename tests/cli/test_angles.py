"""An angle is an angle in every command, and each says why."""

from __future__ import annotations

import json

import pytest

from objectspace.errors import ModelError


def test_an_angle_by_its_name(measured, command):
    done = command("measure", measured, "--factor", "angle", "-k", "2")
    told = "angle is taken as an angle of 360 degrees, by its name; --linear takes it as a length"
    assert done.out.startswith(told)
    document = json.loads(command("measure", measured, "--factor", "angle", "-k", "2", "--json").out)
    assert (document["kind"], document["period"], document["period_by_name"]) == ("circular", 360, True)


@pytest.mark.parametrize(
    ("options", "kind", "period"),
    [(("--linear",), "linear", None), (("--circular", "180"), "circular", 180)],
)
def test_what_is_asked_for_goes_before_the_name(measured, command, options, kind, period):
    asked = ("measure", measured, "--factor", "angle", "-k", "2", *options)
    document = json.loads(command(*asked, "--json").out)
    assert (document["kind"], document["period"], document["period_by_name"]) == (kind, period, False)
    assert "by its name" not in command(*asked).out


@pytest.mark.parametrize("options", [("--linear", "--circular", "360"), ("--linear", "--categorical")])
def test_one_kind_alone(measured, command, options):
    assert command("measure", measured, "--factor", "angle", *options).code == 2


def test_info_lists_the_factor_columns(measured, command):
    document = json.loads(command("info", measured, "--json").out)
    assert document["factors"] == [
        {"name": "angle", "kind": "circular", "values": 4, "unknown": 0},
        {"name": "style", "kind": "categorical", "values": 2, "unknown": 2},
    ]
    assert "angle   circular          4        0\n" in command("info", measured).out


@pytest.mark.parametrize(
    ("options", "told", "period"),
    [
        ((), "angle is taken as an angle of 360 degrees, by its name; --linear takes it as a length", 360.0),
        (("--circular", "180"), "angle is taken as an angle of 180 degrees, as asked for", 180.0),
        (
            ("--linear",),
            "angle is taken as a length, as asked for; --circular 360 takes it as an angle",
            None,
        ),
        (("--orientation", "x"), "x is taken as a length, by its name", None),
    ],
)
def test_a_report_takes_angles_by_the_same_rule(
    measured, command, tmp_path, monkeypatch, options, told, period
):
    def nothing(*_):
        raise ModelError("not in this test")

    monkeypatch.setattr("objectspace.report.html_report._detector", nothing)
    monkeypatch.setattr("objectspace.report.html_report.draw_pictures", lambda _: ([], []))
    monkeypatch.setattr("objectspace.report.html_report.weigh_claims", lambda _: [])
    asked = ("report", measured, "--out", tmp_path / "r", *options)
    assert told in command(*asked).out
    assert json.loads(command(*asked, "--json").out)["period"] == period


def test_a_report_takes_one_kind_alone(measured, command, tmp_path):
    assert command("report", measured, "--out", tmp_path, "--linear", "--circular", "360").code == 2


def test_a_report_says_what_it_is_doing(measured, command, tmp_path, monkeypatch):
    monkeypatch.setattr("objectspace.cli.progress.SILENT", 0.0)
    monkeypatch.setattr("objectspace.report.evidence.STEPS", 4)
    monkeypatch.setattr("objectspace.report.evidence.MOVED", 2)
    done = command("report", measured, "--out", tmp_path / "r")
    lines = done.err.splitlines()
    kinds = ("loading the detector", "zeroing windows: photo 1 of", "claim 12 of 12: In", "drawing Figure 7.")
    rows = [next(row for row, line in enumerate(lines) if kind in line) for kind in kinds]
    assert rows == sorted(rows)
    assert not any(line.startswith("objectspace: ") for line in done.out.splitlines())
