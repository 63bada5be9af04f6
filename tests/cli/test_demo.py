from __future__ import annotations

import json
from dataclasses import replace

import pytest

from objectspace.cli.output import print_findings
from objectspace.report import demo
from objectspace.report.claims import Judgment


@pytest.fixture
def few(small_demo: demo.Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command finds a demo already made."""
    monkeypatch.setattr(demo, "make_demo", lambda out, count, quick, progress: small_demo)


def test_demo_says_what_it_made_and_what_to_try(few, command, tmp_path):
    done = command("demo", "--out", tmp_path / "d")

    assert done.code == 0, done.err
    assert "24 pictures" in done.out
    assert "report.html" in done.out
    assert "try next" in done.out
    assert "objectspace serve" in done.out.splitlines()[-1]
    assert done.err == ""


def test_a_quick_demo_says_what_it_made(small_demo, command, tmp_path, monkeypatch):
    asked = {}

    def make(out, progress, **options):
        asked.update(options)
        return replace(small_demo, report=None)

    monkeypatch.setattr(demo, "make_demo", make)
    done = command("demo", "--quick", "--out", tmp_path / "d")

    assert done.code == 0, done.err
    assert asked == {"count": 60, "quick": True}
    assert "24 pictures" in done.out
    assert "claims" not in done.out


def test_demo_as_json(few, command, tmp_path):
    done = command("demo", "--out", tmp_path / "d", "--json")

    answer = json.loads(done.out)
    assert {"world", "found", "true", "sheets", "report", "claims"} <= set(answer)


def test_ctrl_c_says_how_to_go_on(command, tmp_path, monkeypatch):
    def stop(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "make_demo", stop)
    done = command("demo", "--out", tmp_path / "d")

    assert (done.code, done.out, done.err) == (130, "", "objectspace: stopped; the same command goes on\n")


def test_a_folder_of_something_else_is_one_sentence(sentence, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")

    assert "no demo" in sentence("demo", "--out", tmp_path)


def test_the_findings_say_what_they_are_and_what_a_claim_needs(small_demo, capsys):
    finding = small_demo.report.findings[0]
    needs = replace(finding, judged=Judgment(None, "not tested", "needs a column of x"))
    print_findings(replace(small_demo.report, findings=[needs, *small_demo.report.findings[1:]]))

    first, _, untested, *_ = capsys.readouterr().out.splitlines()
    told = "the paper's findings, measured anew here; 'does not hold' is a result and not an error"
    assert first == told
    assert untested.startswith("not tested ")
    assert untested.endswith(f"{finding.claim[:-1]}: needs a column of x")
