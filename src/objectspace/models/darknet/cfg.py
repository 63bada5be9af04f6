"""The grammar of Darknet's cfg files: sections of ``key=value`` lines.

As Darknet reads them: blanks count nowhere, lines that start with ``#`` or ``;`` are comments, and where an
option is given twice in a section the first one counts. A ``#`` later in a line starts a comment, too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from objectspace.errors import CfgError
from objectspace.files import guess_path, open_regular

#: A cfg of a thousand layers has about 100 kB; what is much longer is no cfg.
_LARGEST_FILE = 4_000_000

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class Section:
    """One section of a cfg: ``kind`` is the word in brackets, ``line`` its line (from 1).

    ``number`` is the layer's number as Darknet prints it, -1 for the first section, ``[net]``.
    """

    path: str
    line: int
    number: int
    kind: str
    options: Mapping[str, str]

    @property
    def where(self) -> str:
        """The place in words, as every error about the section starts."""
        layer = f"layer {self.number} " if self.number >= 0 else ""
        return f"{self.path}, line {self.line}, {layer}[{self.kind}]"

    def error(self, problem: str) -> CfgError:
        """Return a CfgError that names this section and states ``problem``."""
        return CfgError(f"{self.where}: {problem}")

    def integer(self, name: str, default: int | None = None, *, low: int, high: int) -> int:
        """Return a whole number from ``low`` to ``high``; the option is required without ``default``."""
        text = self._text(name, default)
        if _WHOLE.fullmatch(text) is None or not low <= int(text) <= high:
            raise self.error(f"{name}={_short(text)}, expected a whole number from {low} to {high}")
        return int(text)

    def flag(self, name: str) -> bool:
        """Return whether an option is 1 rather than 0 or missing."""
        return self.integer(name, 0, low=0, high=1) == 1

    def decimal(self, name: str, default: float, *, low: float, high: float) -> float:
        """Return a decimal number from ``low`` to ``high``."""
        text = self._text(name, default)
        if _DECIMAL.fullmatch(text) is None or not low <= float(text) <= high:
            raise self.error(f"{name}={_short(text)}, expected a number from {low:g} to {high:g}")
        return float(text)

    def integers(self, name: str) -> tuple[int, ...]:
        """Return whole numbers separated by commas, at least one."""
        return tuple(int(part) for part in self._parts(name, _WHOLE, "whole numbers"))

    def numbers(self, name: str) -> tuple[float, ...]:
        """Return decimal numbers separated by commas, at least one."""
        return tuple(float(part) for part in self._parts(name, _DECIMAL, "numbers"))

    def refuse(self, **plain: str) -> None:
        """Raise CfgError for options that change what the layer computes and are not implemented.

        Each is given with the value that means nothing, which may stand.
        """
        for name, value in plain.items():
            if self.options.get(name, value) != value:
                raise self.error(f"{name}={_short(self.options[name])} is not supported, only {name}={value}")

    def _text(self, name: str, default: float | None) -> str:
        text = self.options.get(name)
        if text is None:
            if default is None:
                raise self.error(f"{name} is missing")
            return str(default)
        return text

    def _parts(self, name: str, pattern: re.Pattern[str], kind: str) -> list[str]:
        text = self._text(name, None)
        parts = text.removesuffix(",").split(",")
        if any(pattern.fullmatch(part) is None for part in parts):
            raise self.error(f"{name}={_short(text)}, expected {kind} with commas between them")
        return parts


@dataclass(frozen=True, slots=True)
class Cfg:
    """A cfg: its ``[net]`` section, one section a layer, and the sha256 of its text."""

    path: str
    net: Section
    layers: tuple[Section, ...]
    sha256: str


def read_cfg(path: Path | str) -> Cfg:
    """Read a cfg file. Raises CfgError, also where the file cannot be read."""
    try:
        with open_regular(Path(path)) as stream:
            data = stream.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as problem:  # ValueError: a zero byte in the path
        reason = getattr(problem, "strerror", None) or str(problem)
        raise CfgError(
            f"{path}: expected a Darknet cfg file, but: {reason}{guess_path(Path(path))}"
        ) from None
    if len(data) > _LARGEST_FILE:
        raise CfgError(f"{path}: longer than {_LARGEST_FILE:,} bytes, expected a Darknet cfg file")
    return parse_cfg(data.decode("utf-8-sig", errors="replace"), path=str(path))


def parse_cfg(text: str, *, path: str) -> Cfg:
    """Parse the text of a cfg; ``path`` is used in messages only. Raises CfgError."""
    sections: list[tuple[int, str, dict[str, str]]] = []
    for line, raw in enumerate(text.split("\n"), start=1):
        content = "".join(raw.partition("#")[0].split())
        if not content or content.startswith(";"):
            continue
        if content.startswith("["):
            sections.append((line, _kind(content, f"{path}, line {line}"), {}))
        elif not sections:
            raise CfgError(
                f"{path}, line {line}: {_short(content)!r} before any section, expected [net] first"
            )
        else:
            name, value = _option(content, f"{path}, line {line}")
            sections[-1][2].setdefault(name, value)
    if not sections or sections[0][1] not in ("net", "network"):
        found = f"[{sections[0][1]}]" if sections else "no section"
        raise CfgError(f"{path}: {found}, expected a Darknet cfg that starts with [net]")
    net, *layers = (
        Section(path, line, number, kind, options)
        for number, (line, kind, options) in enumerate(sections, start=-1)
    )
    digest = hashlib.sha256(text.encode("utf-8", errors="replace")).hexdigest()
    return Cfg(path, net, tuple(layers), digest)


def _kind(content: str, where: str) -> str:
    if not content.endswith("]"):
        raise CfgError(f"{where}: {_short(content)!r} has no closing bracket")
    return _short(content[1:-1])


def _option(content: str, where: str) -> tuple[str, str]:
    name, equals, value = content.partition("=")
    if not (name and equals):
        raise CfgError(f"{where}: {_short(content)!r}, expected option=value")
    return name, value


def _short(text: str) -> str:
    """Return the start of a text from the file, for a message."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in text[:41])
    return plain if len(plain) <= 40 else plain[:40] + "…"
