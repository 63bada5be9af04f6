"""The command line: one command for each arrow of the flow, each in the file of its name.

Answers go to stdout, progress and warnings to stderr; ``--json`` prints one JSON document and nothing else.
Exit 0: done; 1: failed, with one sentence; 2: wrong usage; 130: stopped with Ctrl-C. Nothing heavy is
imported before a command needs it.

An option that several commands take is declared in ``options``, an option of one command beside it; the same
holds for what is printed (``output``).
"""

from __future__ import annotations

from objectspace.cli.app import main

__all__ = ["main"]
