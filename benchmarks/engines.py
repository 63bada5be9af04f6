"""What ``index --engine ray`` with one worker costs beside threads, in CPU seconds of all processes.

    python benchmarks/engines.py PHOTOS [PHOTOS ...] [--rounds 1] [--index "--detector yolov3-tiny …"]

Indexes each folder by threads and with one worker of a cluster that starts and ends with the command, by
turns, into stores that are gone afterwards; the options of ``index`` are the light pair where none are given.
Prints a row for each folder: its objects, the CPU seconds (user and system) of either, the median of all
rounds, and their ratio. Linux, with psutil.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shlex
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil

from objectspace.store import open_store

#: Linux's number for "descendants whose parents ended are mine", and seconds between looks at all of them.
SUBREAPER, EVERY = 36, 0.05

ENGINES = {"threads": "", "Ray": "--engine ray --workers 1"}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", nargs="+")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--index", default="--detector yolov3-tiny --encoder efficientnet-lite0")
    asked = parser.parse_args()
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    print("| photos | objects | " + " | ".join(ENGINES) + " | |")
    print("| ---: |" + " ---: |" * (2 + len(ENGINES)))
    for folder in asked.photos:
        print(row_of(folder, asked.index, asked.rounds), flush=True)


def row_of(photos: str, options: str, rounds: int) -> str:
    """Return the row of one folder."""
    seconds = {name: list[float]() for name in ENGINES}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            for name, engine in ENGINES.items():
                store = Path(folder) / f"{name}{number}.osp"
                words = ["index", photos, "--store", str(store), *shlex.split(options), *engine.split()]
                seconds[name].append(cpu_seconds([sys.executable, "-m", "objectspace", *words]))
        info = open_store(store).info()
    threads, ray = (float(np.median(each)) for each in seconds.values())
    return f"| {info.images:,} | {info.objects:,} | {threads:.1f} | {ray:.1f} | {ray / threads:.2f} x |"


def cpu_seconds(command: list[str]) -> float:
    """Return the CPU seconds of a command and of all that it started, which ends with it.

    They are looked at while they run: what Ray starts is no part of what its parents were waited for.
    Raises CalledProcessError.
    """
    used: dict[psutil.Process, float] = {}
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while left := psutil.Process().children(recursive=True):
        for one in left:
            with suppress(psutil.NoSuchProcess):
                times = one.cpu_times()
                used[one] = times.user + times.system
        time.sleep(EVERY)
        if started.poll() is not None:
            collect_ended()
    if started.returncode:
        raise subprocess.CalledProcessError(started.returncode, command)
    return sum(used.values())


def collect_ended() -> None:
    """Let the descendants go that ended after their parents."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    main()
