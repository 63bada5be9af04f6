"""The command line: one command for each arrow of the flow.

Answers go to stdout, progress and warnings to stderr; ``--json`` prints one JSON document and nothing else.
Exit 0: done; 1: failed, with one sentence; 2: wrong usage; 130: stopped with Ctrl-C. Nothing heavy is
imported before a command needs it.
"""

from __future__ import annotations

from objectspace.cli import (  # noqa: F401  register their commands
    context,
    demo,
    erase,
    export,
    index_space,
    join,
    measure,
    occlude,
    project,
    report,
    search,
    vary,
)
from objectspace.cli.commands import app, main

__all__ = ["app", "main"]

#: The commands as the help lists them: in the order of the flow, not of the modules.
ORDER = (
    "demo",
    "index",
    "info",
    "search",
    "sheet",
    "index-space",
    "join",
    "measure",
    "compare",
    "occlude",
    "vary",
    "project",
    "erase",
    "context",
    "report",
    "export",
    "world",
    "models",
)

app.registered_commands.sort(
    key=lambda command: ORDER.index(command.name or getattr(command.callback, "__name__", ""))
)
