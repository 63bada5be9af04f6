"""Docstrings of this package as Markdown, for mkdocstrings: arguments, examples and references to names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import griffe

STUB = Path(__file__).parents[2] / "src" / "objectspace" / "__init__.pyi"
PUBLIC = set(re.findall(r"as (\w+)$", STUB.read_text(encoding="utf-8"), re.MULTILINE))

ARGUMENT = re.compile(r"(\*{0,2}[a-z]\w*(?:, [a-z]\w*)*): (.*)")


class Docstrings(griffe.Extension):
    """Rewrites each docstring when its object has been read."""

    def on_instance(self, *, obj: griffe.Object | griffe.Alias, **_: Any) -> None:
        """Replace the docstring of one object."""
        if not obj.is_alias and obj.docstring:
            obj.docstring.value = to_markdown(obj.docstring.value)


def to_markdown(text: str) -> str:
    """Return a docstring as Markdown; other paragraphs than lists, examples and diagrams stay."""
    parts = re.split(r"\n\s*\n", text.strip("\n"))
    return "\n\n".join(_part(part) for part in parts)


def _part(part: str) -> str:
    if part.lstrip().startswith(">>>"):
        return f"```pycon\n{part}\n```"
    lines = part.splitlines()
    if ARGUMENT.match(lines[0]) and all(ARGUMENT.match(line) or line.startswith("    ") for line in lines):
        return _arguments(lines)
    if part.startswith(" "):
        return part
    return _references(re.sub(r"::$", ":", part))


def _arguments(lines: list[str]) -> str:
    """Return lines ``name: meaning``, each with its continuation, as a list."""
    items: list[str] = []
    for line in lines:
        if line.startswith("    "):
            items[-1] += " " + line.strip()
        else:
            name, meaning = ARGUMENT.fullmatch(line).groups()  # type: ignore[union-attr]
            items.append(f"- `{name}`: {meaning}")
    return _references("\n".join(items))


def _references(text: str) -> str:
    """Return text whose public names are links to their entries."""
    return re.sub(r":(?:class|func|meth|mod):`~?([\w.]+)`", lambda found: _link(found[1]), text)


def _link(name: str) -> str:
    return f"[`{name}`][objectspace.{name}]" if name in PUBLIC else f"`{name}`"
