"""What README.md and docs/ name is there: commands with their options, public names, linked files."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest
import typer

import objectspace
from objectspace.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

#: Pages of the site that are made when it is built.
MADE = {"tutorial.md", "tutorial-photos.md", "commands.md", "reference/index.md"}


def commands_of(text: str) -> list[str]:
    """The indented command lines of a page; one that ends in a backslash goes on, a comment ends it."""
    whole = re.sub(r"\\\n\s*", "", text)
    lines = re.findall(r"^ +objectspace (.+?)(?:\s{2,}#.*)?$", whole, re.MULTILINE)
    return [re.sub(r"'[^']*'|\"[^\"]*\"", "TEXT", line).split(" #")[0].split(" > ")[0] for line in lines]


@functools.cache
def options_of(command: str) -> set[str]:
    """Every option that a command takes."""
    group = typer.main.get_command(app)
    found = getattr(group, "commands", {})[command]
    return {name for parameter in found.params for name in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_have_the_options_that_a_page_gives_them(page: Path) -> None:
    unknown = []
    for line in commands_of(page.read_text()):
        command, *words = re.split(r"[\s\[\]|=]+", line)
        given = {word for word in words if re.fullmatch(r"--?[a-z][a-z-]*", word)}
        unknown += [f"{command} {name}" for name in sorted(given - options_of(command) - {"--help"})]
    assert not unknown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_linked_files_are_there(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text())
    missing = [link for link in links if not (page.parent / link).exists()]
    assert [link for link in missing if link.removeprefix("../") not in MADE] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_names_what_is_public(page: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    nodes = [node for block in blocks for node in ast.walk(ast.parse(block))]
    used = {n.attr for n in nodes if isinstance(n, ast.Attribute) and getattr(n.value, "id", "") == "osp"}
    assert used <= set(objectspace.__all__)


def test_what_differs_in_silence_between_versions_has_its_test() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", page)
    assert len(named) == 6
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), test
