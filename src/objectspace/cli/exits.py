"""How a command ends before it is done: wrong usage (2), a failure (1), Ctrl-C (130)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from objectspace.cli.output import warn

#: An argument as the library's messages name it: ``weights=``, without a value.
_ARGUMENT = re.compile(r"\b([a-z_]+)=(?=[\s,;:.)]|$)")


def usage_error(text: str) -> NoReturn:
    """End with exit 2 and the usage of the command."""
    raise typer.BadParameter(text)


def fail(text: str) -> NoReturn:
    """End with exit 1 and one line on stderr."""
    warn(" ".join(text.split("\n")))
    raise SystemExit(1)


@contextmanager
def resumable(how: str) -> Iterator[None]:
    """End with exit 130 on Ctrl-C and say how to go on; other commands end with :func:`stopped`."""
    try:
        yield
    except KeyboardInterrupt:
        stopped(how)


def stopped(kept: str = "nothing was written") -> NoReturn:
    """End with exit 130 on Ctrl-C, and say what was kept."""
    warn(f"stopped; {kept}")
    raise SystemExit(130) from None


def with_options(text: str, options: Collection[str]) -> str:
    """Return a message of the library with the options of a command for the arguments that it names.

    An argument is the option of its name (``box=``, --box), else those that end in it: ``weights=`` may be
    --detector-weights or --encoder-weights; of these the one whose other word is in the message, or all. An
    argument that the command has no option for stays as it is.

    >>> with_options("encoder x needs a file: give it as weights=", ["--encoder-weights", "--prompt-weights"])
    'encoder x needs a file: give it as --encoder-weights'
    """

    def option(argument: re.Match[str]) -> str:
        name = argument[1].replace("_", "-")
        if f"--{name}" in options:
            return f"--{name}"
        ending = [one for one in options if one.endswith(f"-{name}")]
        named = [one for one in ending if one[2:].removesuffix(f"-{name}") in text]
        return " or ".join(named or ending) or argument[0]

    return _ARGUMENT.sub(option, text)
