"""Seconds until `import objectspace` and `objectspace --help` are done, over those of Python alone.

    python benchmarks/start_up.py

One JSON line a figure: the best of ten starts, and that of `python -c pass` in the same turns. Asked for:
0.15 s for the import and 0.4 s for the help, with no torch loaded (tests/test_architecture.py sees to that).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ("-c", "pass"),
    "import objectspace": ("-c", "import objectspace"),
    "objectspace --help": (
        "-c",
        "import sys; sys.argv[1:] = ['--help']; from objectspace.cli import main; main()",
    ),
}


def main() -> None:
    """Measure in turns and print."""
    best = dict.fromkeys(COMMANDS, float("inf"))
    for _ in range(10):
        for name, arguments in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
            best[name] = min(best[name], time.perf_counter() - start)
    for name, seconds in best.items():
        print(json.dumps({"benchmark": "start_up", "command": name, "seconds": round(seconds, 3)}))


if __name__ == "__main__":
    main()
