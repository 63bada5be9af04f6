"""The command line as the tests of this folder run it: in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

OBJECTSPACE = (sys.executable, "-c", "from objectspace.cli import main; main()")


def objectspace(*arguments: str | Path) -> Any:
    """What a command prints with --json."""
    run = subprocess.run([*OBJECTSPACE, *map(str, arguments), "--json"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)
