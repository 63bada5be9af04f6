"""How commands end: the library's arguments as options, Ctrl-C, and messages that know no options."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import objectspace
from objectspace.cli.exits import resumable, with_options

INDEX = ("--store", "--detector-weights", "--encoder-weights", "--prompt-weights", "--suffix", "-q")


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        ("name one with box=, or search", ["--box"], "name one with --box, or search"),
        ("a name of its own (suffix=)", INDEX, "a name of its own (--suffix)"),
        ("or box_threshold=", ["--box-threshold"], "or --box-threshold"),
        ("encoder x: give weights=", INDEX, "encoder x: give --encoder-weights"),
        (
            "load the detector or encoder from weights=",
            INDEX,
            "load the detector or encoder from --detector-weights or --encoder-weights",
        ),
        ("x.cfg: give weights=", ["--detector-weights"], "x.cfg: give --detector-weights"),
        ("name one with box=", ["--image"], "name one with box="),
        ("[convolutional] size=3 at line 4", ["--size"], "[convolutional] size=3 at line 4"),
    ],
)
def test_arguments_become_the_options_of_a_command(text, options, told):
    assert with_options(text, options) == told


def test_a_message_is_in_words_of_the_command_that_ran(sentence, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    assert sentence("demo", "--out", tmp_path).endswith("; give a new folder as --out")


def test_ctrl_c_says_how_to_go_on(capsys):
    with pytest.raises(SystemExit) as ended, resumable("the same command goes on"):
        raise KeyboardInterrupt
    assert ended.value.code == 130
    assert capsys.readouterr().err == "objectspace: stopped; the same command goes on\n"


def test_errors_of_the_library_name_no_options():
    """They name arguments, or whole commands."""
    source = Path(objectspace.__file__).parent
    found = [
        f"{path.relative_to(source)}: {text.value}"
        for path in source.rglob("*.py")
        if "cli" not in path.relative_to(source).parts
        for error in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(error, ast.Raise)
        for text in ast.walk(error)
        if isinstance(text, ast.Constant) and isinstance(text.value, str)
        if re.search(r"(^|[ (])--[a-z]", text.value) and not re.search("objectspace |ray start", text.value)
    ]
    assert found == []
