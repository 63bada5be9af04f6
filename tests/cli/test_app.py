"""The commands together: help, version, and how errors end them."""

from __future__ import annotations

import errno
import os
import sys

import pytest

import objectspace
import objectspace.__main__
from objectspace.cli.app import _ELSEWHERE, app


def test_each_command_has_the_file_of_its_name():
    for command in app.registered_commands:
        assert command.callback.__module__ == f"objectspace.cli.{command.callback.__name__}"


def test_the_help_follows_the_flow(command):
    text = command("--help").out
    places = [text.index(f"│ {name} ") for name in ("demo", "index", "search", "measure", "report", "export")]
    assert places == sorted(places)


def test_no_arguments(command):
    assert command().code == 2
    assert "Missing argument 'PHOTOS'" in command("index").err


@pytest.mark.parametrize(("word", "meant"), [("find", "search"), ("embed", "index"), ("duplicates", "audit")])
def test_a_command_by_its_name_in_other_tools(command, word, meant):
    done = command(word, "s.osp")
    assert done.code == 2
    assert f"No such command '{word}'. It is '{meant}'." in done.err


def test_names_of_other_tools_are_no_commands_and_mean_one():
    names = {command.callback.__name__ for command in app.registered_commands}
    assert names >= set(_ELSEWHERE.values())
    assert not names & set(_ELSEWHERE)


def test_the_version(command):
    assert command("--version").out == f"objectspace {objectspace.__version__}\n"


@pytest.mark.parametrize("name", ["index", "info", "sheet", "project", "world", "demo", "report", "export"])
def test_a_name_that_is_too_long(world, sentence, tmp_path, name):
    path = tmp_path / ("n" * 300)
    (tmp_path / "s.osp").mkdir()
    arguments = {
        "index": (world.photos, "--store", path, "--route", "window", *world.network),
        "info": (path,),
        "sheet": (tmp_path / "s.osp", "--out", f"{path}.png"),
        "project": (tmp_path / "s.osp", "--figure", f"{path}.png"),
        "world": ("--out", path),
        "demo": ("--out", path),
        "report": (path, "--out", tmp_path / "report"),
        "export": (path, "--format", "npz", "--out", tmp_path / "o.npz"),
    }
    assert "File name too long" in sentence(name, *arguments[name])


def test_ctrl_c_while_the_commands_are_imported(monkeypatch, capsys):
    class Interrupted:
        def __getattr__(self, name):
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "objectspace.cli", Interrupted())
    with pytest.raises(SystemExit) as ended:
        objectspace.__main__.main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "objectspace: stopped; nothing was written\n"


def test_an_answer_that_finds_no_room(sentence, monkeypatch):
    def full(rows):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("objectspace.cli.models._print_models", full)
    assert sentence("models").startswith("the answer could not be written: No space left on device; ")


def test_a_reader_that_stops_listening(start):
    process = start("models", "--taps", "yolov3")
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=60)
    assert err == ""


def test_a_name_that_is_no_text_is_printed_with_escapes(annotated, start, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8:strict")  # as in a locale that is not C's
    out = os.fsencode(tmp_path) + b"/caf\xe9.npz"
    process = start("export", annotated, "--format", "npz", "--out", os.fsdecode(out))
    told, err = process.communicate(timeout=60)
    # A busy machine takes so long that it is told what is done.
    others = [line for line in err.splitlines() if not line.startswith("objectspace: writing ")]
    assert (process.returncode, others) == (0, [])
    assert told.startswith(f"{tmp_path}/caf\\udce9.npz: ")


@pytest.mark.parametrize(("word", "end"), [("cvs", "'page'; did you mean csv?"), ("zzz", "'page'")])
def test_a_word_that_an_option_does_not_take(command, tmp_path, word, end):
    done = command("export", tmp_path / "s.osp", "--format", word, "--out", tmp_path / "o")
    told = " ".join(done.err.replace("│", "").split())
    assert done.code == 2
    assert f"Invalid value for '--format': '{word}' is not one of 'csv', " in told
    assert end in told
