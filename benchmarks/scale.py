"""CPU seconds and peak memory of each command as a store grows, beside scikit-learn doing the same by hand.

    python benchmarks/scale.py FOLDER [--objects 10000 100000] [--dimension 512] [--vectors float16]
        [--only measure project …]

Makes the stores that FOLDER lacks (``tools/big_store.py``) and prints the table of docs/scale.md: a row for
each command, and for each store the CPU seconds (user and system, imports included) and the peak memory of
the process. One thread of BLAS each: threads that wait for each other count as CPU time too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from objectspace.embeddings.spaces import VECTOR_TYPES
from objectspace.store import open_store

BIG_STORE = Path(__file__).parents[1] / "tools/big_store.py"

#: Command lines; STORE, ID and OUT stand for the store, one of its objects, and a folder.
COMMANDS = {
    "info": "info STORE",
    "search": "search STORE --object ID --space random-crop",
    "sheet": "sheet STORE --space random-crop --out OUT/sheet.png",
    "export": "export STORE --format parquet --out OUT/objects.parquet",
    "project": "project STORE --space random-crop",
    "measure --sample": "measure STORE --space random-crop --factor label --sample 1000",
    "measure": "measure STORE --space random-crop --factor label",
    "compare --sample": "compare STORE --spaces random-crop random-crop-2 --sample 1000",
    "compare": "compare STORE --spaces random-crop random-crop-2",
    "audit": "audit STORE --space random-crop --uncalibrated",
    "by hand": "",
}

#: Six neighbors of every object and a ridge regression on the label, in scikit-learn, which knows no groups.
BY_HAND = """
import sys
import numpy as np
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.neighbors import NearestNeighbors
from objectspace.store import open_store

store = open_store(sys.argv[1])
space = store.space("random-crop")
columns = store.object_columns(["label", "image_id"], "random-crop")
label, image = columns["label"].astype(str), columns["image_id"]
near = NearestNeighbors(n_neighbors=6, algorithm="brute").fit(space.vectors).kneighbors(return_distance=False)
print("purity", (label[near] == label[:, None]).mean())
held_out = dict(groups=image, cv=GroupKFold(5))
print("accuracy", cross_val_score(RidgeClassifier(), space.vectors, label, **held_out).mean())
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--objects", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--vectors", choices=VECTOR_TYPES, default="float32")
    parser.add_argument("--only", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    stores = [options.folder / f"{count}x{options.dimension}.osp" for count in options.objects]
    for store, count in zip(stores, options.objects, strict=True):
        if not store.exists():
            sizes = f"--objects {count} --dimension {options.dimension} 64 --vectors {options.vectors}"
            subprocess.run([sys.executable, str(BIG_STORE), str(store), *sizes.split()], check=True)
    print("| command | " + " | ".join(f"{count:,}: CPU s, MB" for count in options.objects) + " |")
    print("| --- |" + " ---: |" * len(stores))
    for name in options.only:
        cells = [run(name, store, options.folder) for store in stores]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def run(name: str, store: Path, out: Path) -> str:
    """Run one command on a store in a process of its own; return its CPU seconds and peak memory."""
    space = open_store(store).stored_space("random-crop")
    names = {"STORE": str(store), "ID": str(space.vectors.object_ids([len(space) // 2])[0])}
    words = [names.get(word, word).replace("OUT", str(out)) for word in COMMANDS[name].split()]
    command = ["-m", "objectspace", *words] if words else ["-c", BY_HAND, str(store)]
    seconds, megabytes, status = finished([sys.executable, *command])
    return f"{seconds:.1f}, {megabytes:.0f}" if status == 0 else f"failed ({status})"


#: Runs a command and prints its figures, in a small process: Linux counts what started it as its own peak.
SMALL = """
import json, resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss, status]))
"""


def finished(command: Sequence[str]) -> tuple[float, float, int]:
    """Return CPU seconds, peak memory in MB and exit status of a command."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    small = [sys.executable, "-S", "-c", SMALL, *command]
    printed = subprocess.run(small, env=environment, stdout=subprocess.PIPE, check=True).stdout
    seconds, peak, status = json.loads(printed)
    return seconds, peak / (1e6 if sys.platform == "darwin" else 1e3), status


if __name__ == "__main__":
    main()
