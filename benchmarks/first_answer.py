"""Seconds and memory of one `objectspace search --object`, exact and approximate, in a fresh process.

    python tools/big_store.py big.osp --objects 1000000 --dimension 32
    objectspace index-space big.osp
    python benchmarks/first_answer.py big.osp

One JSON line each: the best of three, from the end of the imports until the answer is printed, and the
peak memory of the process (Linux and macOS). Asked for: under a second at a million objects by the index.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from objectspace.search import default_space
from objectspace.store import open_store

ROUNDS = 3

CHILD = """
import contextlib, io, json, resource, sys, time
import lance, pyarrow.compute
import objectspace.search
from objectspace.cli import main
sys.argv = ["objectspace", *sys.argv[1:]]
start = time.perf_counter()
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    main()
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
print(json.dumps({"seconds": round(seconds, 2), "peak_mb": round(peak), "torch": "torch" in sys.modules}))
"""


def main() -> None:
    """Print a line for exact and one for approximate search."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    options = parser.parse_args()
    store = open_store(options.store)
    space = store.stored_space(default_space(store))
    object_id = str(space.vectors.object_ids([len(space) // 2])[0])
    for how in ("exact", *([] if space.index is None else ["approximate"])):
        command = ["search", str(options.store), "--object", object_id]
        command += ["--approximate"] if how == "approximate" else []
        runs = [first_answer(command) for _ in range(ROUNDS)]
        best = min(runs, key=lambda run: run["seconds"])
        print(json.dumps({"benchmark": "first_answer", "objects": len(space), "search": how, **best}))


def first_answer(command: list[str]) -> dict[str, float]:
    """Return what one run of a command measured."""
    run = subprocess.run([sys.executable, "-c", CHILD, *command], capture_output=True, text=True, check=True)
    measured: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return measured


if __name__ == "__main__":
    main()
