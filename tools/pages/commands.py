"""The page of all commands, made from what ``--help`` prints."""

from __future__ import annotations

import re
from typing import Any

import typer

from objectspace.cli.app import app


def commands_page() -> str:
    """Return the page: each command's usage, text, arguments and options."""
    group = typer.main.get_command(app)
    commands: dict[str, Any] = group.commands  # type: ignore[attr-defined]
    head = [
        "# Commands",
        "",
        "Answers go to stdout, progress and warnings to stderr. Exit code 0: done (skipped files",
        "are reported); 1: failed, with one sentence; 2: wrong usage.",
        "With `--json` a command prints one JSON document.",
        "",
        "| command | |",
        "| --- | --- |",
        *(f"| [`{name}`](#{name}) | {_first(command)} |" for name, command in commands.items()),
    ]
    return (
        "\n\n".join(["\n".join(head), *(_section(name, command) for name, command in commands.items())])
        + "\n"
    )


def _section(name: str, command: Any) -> str:
    context = command.make_context(name, [], resilient_parsing=True)
    usage = " ".join(command.collect_usage_pieces(context))
    records = [parameter.get_help_record(context) for parameter in command.params]
    rows = [_row(*record) for record in records if record]
    return "\n\n".join(
        [
            f"## {name}",
            f"```text\nobjectspace {name} {usage}\n```",
            _text(command),
            "\n".join(["| option | meaning | default |", "| --- | --- | --- |", *rows]),
        ]
    )


def _text(command: Any) -> str:
    return _escaped((command.help or "").replace("\b\n", "").replace("\f", "").strip())


def _first(command: Any) -> str:
    return " ".join(_text(command).split("\n\n")[0].split())


def _row(option: str, meaning: str) -> str:
    """Return a row; the help ends in ``[default: …; required]``, of which either may be missing."""
    text, _, notes = meaning.partition("  [")
    default = re.sub(r"^default: ", "", notes.removesuffix("]"))
    option = re.sub(r" <[^>]*>", "", option).replace("|", "\\|")
    return f"| `{option}` | {_cell(text)} | {_cell(default)} |"


def _cell(text: str) -> str:
    return _escaped(" ".join(text.split())).replace("|", "\\|")


def _escaped(text: str) -> str:
    """Return text in which Markdown finds no tags and no emphasis."""
    return text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
