"""The commands in the order of the flow, and what becomes of errors."""

from __future__ import annotations

import errno
import functools
import io
import logging
import os
import re
import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from objectspace._version import __version__
from objectspace.cli.audit import audit
from objectspace.cli.check import check
from objectspace.cli.compare import compare
from objectspace.cli.context import context
from objectspace.cli.default_space import default_space
from objectspace.cli.demo import demo
from objectspace.cli.erase import erase
from objectspace.cli.exits import fail, stopped, usage_error, with_options
from objectspace.cli.explain import explain
from objectspace.cli.export import export
from objectspace.cli.index import index
from objectspace.cli.index_space import index_space
from objectspace.cli.info import info
from objectspace.cli.join import join
from objectspace.cli.measure import measure
from objectspace.cli.models import models
from objectspace.cli.occlude import occlude
from objectspace.cli.output import warn
from objectspace.cli.progress import end_steps
from objectspace.cli.project import project
from objectspace.cli.report import report
from objectspace.cli.search import search
from objectspace.cli.select import select
from objectspace.cli.serve import serve
from objectspace.cli.sheet import sheet
from objectspace.cli.vary import vary
from objectspace.cli.world import world
from objectspace.errors import ModelWarning, ObjectspaceError, guess

#: ``--box 10 20 30 40``.
_BOX_IN_WORDS = re.compile(r"--box[ =]([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+)\b")

#: What typer says of a word that an option does not take; newer ones begin it with "Value error, ".
_NOT_ONE_OF = re.compile(r"(?:Value error, )?('(.*)' is not one of (.*?))\.?")

#: Commands by what other tools call them.
_ELSEWHERE = {
    "add": "index",
    "browse": "serve",
    "dedup": "audit",
    "duplicates": "audit",
    "embed": "index",
    "evaluate": "measure",
    "explore": "serve",
    "find": "search",
    "neighbors": "search",
    "outliers": "audit",
    "query": "search",
    "show": "serve",
    "similar": "search",
    "stats": "info",
    "view": "serve",
    "visualize": "serve",
}


class Commands(TyperGroup):
    """All commands; an error of the library ends them with exit 1 and its message, in words of options.

    Ctrl-C ends them with 130 and a sentence on what was kept: files and spaces are written whole or not at
    all, and commands that keep a part say so themselves (``resumable``).
    """

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Read the words of the command line; a box in four of them, as other tools take it, is told."""
        if found := _BOX_IN_WORDS.search(" ".join(args)):
            usage_error(f"--box takes its numbers with commas: --box {','.join(found.groups())}")
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        """Return the command that was named, or end with the one that other tools call so."""
        if meant := _ELSEWHERE.get(args[0]):
            ctx.fail(f"No such command '{args[0]}'. It is '{meant}'.")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            if found := _NOT_ONE_OF.fullmatch(error.message):
                text, word, choices = found.groups()
                error.message = text + guess(word, re.findall("'(.*?)'", choices))
            raise
        except ObjectspaceError as error:
            command = self.commands[ctx.invoked_subcommand or ""]
            fail(with_options(str(error), [name for option in command.params for name in option.opts]))
        except KeyboardInterrupt:
            stopped()
        finally:
            end_steps()


app = typer.Typer(
    cls=Commands,
    help="From photographs to a searchable space of objects: find them, embed each, search exactly, measure "
    "what the vectors encode.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# The help lists them in this order.
app.command()(demo)
app.command()(index)
app.command()(info)
app.command()(check)
app.command()(search)
app.command()(sheet)
app.command()(index_space)
app.command()(join)
app.command()(default_space)
app.command()(measure)
app.command()(compare)
app.command()(audit)
app.command()(occlude)
app.command()(vary)
app.command()(project)
app.command()(erase)
app.command()(context)
app.command()(explain)
app.command()(select)
app.command()(report)
app.command()(export)
app.command()(serve)
app.command()(world)
app.command()(models)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"objectspace {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool,
        typer.Option("--version", help="print the version and end", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Take the options that stand before the command."""


def main() -> None:
    """Run the command line."""
    # Pillow warns of huge and odd files; what cannot be read is reported by name anyway.
    warnings.filterwarnings("ignore", module="PIL")
    _print_own_warnings()
    _print_own_log()
    _print_any_path()
    try:
        _commands()()
    except OSError as error:
        if error.filename is not None:
            fail(f"{error.filename} cannot be used: {error.strerror or error}")
        # Of what the commands write only stdout can still be full here; the files' errors are our own.
        if error.errno != errno.ENOSPC:
            raise
        fail(f"the answer could not be written: {os.strerror(errno.ENOSPC)}; make room and try again")


@functools.cache
def _commands() -> Any:
    """Return what runs a command line, built of all functions above: it takes longer than many a command."""
    return get_command(app)


def _print_own_warnings() -> None:
    """Print this package's warnings as one line each, the others as Python does."""
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **named: Any) -> None:
        if issubclass(category, ModelWarning):
            warn(str(message))
        else:
            usual(message, category, *rest, **named)

    warnings.showwarning = show


class _WarnLine(logging.Handler):
    """Prints what the library logs as a warning, as the command line's own."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        warn(record.getMessage())


def _print_own_log() -> None:
    """Print the library's log from level WARNING on as one line each."""
    logger = logging.getLogger("objectspace")
    if not any(isinstance(handler, _WarnLine) for handler in logger.handlers):
        logger.addHandler(_WarnLine(logging.WARNING))


def _print_any_path() -> None:
    """Print the bytes of a file's name that are no text as escapes, instead of failing when all is done."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
