"""What ``audit --approximate`` lists of what the exact audit does, with the seconds and memory of both.

    python -m benchmarks.audit_approximate FOLDER [--objects 100000] [--dimension 512] [--within 32]
        [--proposed 205 105 65 45]

Makes the store that FOLDER lacks: the photos of ``tools/big_store.py``, whose objects vary within their label
in some directions alone (``--within 0``: in all). Each object has a thumbnail of its own, one photo in forty
is the one before it saved again, and one label in fifty is another one's. Prints for each list the share of
the exact audit's first 1, 5 and 10 % that is in the approximate one's, and the share of the copies and wrong
labels in the first 10 % of either. One thread of BLAS each. ``--proposed`` prints instead, for so many
candidates, the share of 20 true nearest that the index proposes, of 1,500 objects drawn at random and of the
60 among them that are the farthest from theirs, and the CPU ms an object of the index alone.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from benchmarks.scale import finished
from objectspace.neighbors import StreamedIndex
from objectspace.store import Batch, SpaceRows, open_store, open_writer
from tools.big_store import LABELS, PER_PHOTO, RECIPE, batches

#: One photo in so many is a copy of the one before it, one label in so many is wrong.
COPIED, SWAPPED = 40, 50

#: Length of the noise beside what varies within a label, and how far a copy is moved beside it.
NOISE, MOVED = 0.1, 0.05

#: Shares of a list that are compared.
FIRST = (0.01, 0.05, 0.10)

#: Objects for which the index is asked, how many of them are farthest from their neighbors, and how many
#: true neighbors of each are looked for.
DRAWN, FARTHEST, NEAREST = 1500, 60, 20

SPACE = "random-crop"
LISTS = ("duplicates", "outliers", "labels")


def main() -> None:
    """Print what it took, and a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--within", type=int, default=32)
    parser.add_argument("--proposed", type=int, nargs="+", metavar="CANDIDATES")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    store = asked.folder / f"audit-{asked.objects}x{asked.dimension}-{asked.within}.osp"
    if not store.exists():
        write_store(store, asked.objects, asked.dimension, asked.within)
    command = [sys.executable, "-m", "objectspace"]
    if open_store(store).stored_space(SPACE).index is None:
        print_cost("index-space", [*command, "index-space", str(store), "--space", SPACE])
    if asked.proposed:
        print_proposed(store, asked.proposed)
        return
    made = {}
    for name, options in (("exact", []), ("approximate", ["--approximate"])):
        path = store.with_suffix(f".{name}.csv")
        lists = ["--only", ",".join(LISTS), "--uncalibrated", "--csv", str(path)]
        print_cost(name, [*command, "audit", str(store), "--space", SPACE, *lists, *options])
        made[name] = read_lists(path)
    print(open_store(store).stored_space(SPACE).index)
    planted = json.loads(planted_path(store).read_text(encoding="utf-8"))
    for name in LISTS:
        print(row_of(name, made["exact"][name], made["approximate"][name], set(planted.get(name, []))))


def print_proposed(path: Path, counts: Sequence[int]) -> None:
    """Print for each number of candidates the shares of the nearest that the index proposes, and its cost."""
    space = open_store(path).stored_space(SPACE)
    assert space.index is not None
    drawn = np.sort(np.random.default_rng(0).choice(len(space), DRAWN, replace=False))
    vectors = space.vectors[drawn]
    # An object is its own nearest.
    near = StreamedIndex(space.vectors, np.arange(len(space)).astype(np.str_)).nearest(vectors, k=NEAREST + 1)
    farthest = np.argsort(near.distance[:, -1])[-FARTHEST:]
    print("| candidates | random | farthest | CPU ms |")
    print("| ---: | ---: | ---: | ---: |")
    for count in counts:
        start = time.process_time()
        query, row = space.vectors.propose_rows(vectors, count, space.index)
        milliseconds = 1000 * (time.process_time() - start) / DRAWN
        proposed = [set(row[query == number].tolist()) for number in range(DRAWN)]
        share = np.array(
            [len(proposed[one] & set(near.index[one, 1:].tolist())) / NEAREST for one in range(DRAWN)]
        )
        print(f"| {count} | {share.mean():.3f} | {share[farthest].mean():.3f} | {milliseconds:.1f} |")


def print_cost(name: str, command: list[str]) -> None:
    """Run a command, and print its CPU seconds and peak memory."""
    seconds, megabytes, status = finished(command)
    if status:
        raise subprocess.CalledProcessError(status, command)
    print(f"{name}: {seconds:.1f} CPU s, {megabytes:.0f} MB", flush=True)


def read_lists(path: Path) -> dict[str, list[str]]:
    """Return the object ids of each list of ``--csv``, the most suspicious first."""
    found: dict[str, list[str]] = {}
    with path.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            found.setdefault(row["list"], []).append(row["object_id"])
    return found


def row_of(name: str, exact: list[str], approximate: list[str], planted: set[str]) -> str:
    """Return a row: of the exact list's first parts the share in the other's, and what is planted in it."""
    count = len(exact)
    shares = [
        len(set(exact[: round(part * count)]) & set(approximate[: round(part * count)])) / round(part * count)
        for part in FIRST
    ]
    cells = [name, *(f"{share:.3f}" for share in shares)]
    for ranked in (exact, approximate):
        first = set(ranked[: round(FIRST[-1] * count)])
        cells.append(f"{len(first & planted) / len(planted):.3f}" if planted else "")
    return "| " + " | ".join(cells) + " |"


# ---------------------------------------------------------------------------------------------- the store


@dataclass(frozen=True)
class Labels:
    """The labels' centers (LABELS, d), and the directions (w, d) in which objects vary within one."""

    centers: NDArray[np.float32]
    within: NDArray[np.float32]


def write_store(path: Path, objects: int, dimension: int, within: int) -> None:
    """Write the store."""
    random = np.random.default_rng(1)
    width = within or dimension
    directions = random.standard_normal((width, dimension), np.float32) / np.float32(width**0.5)
    labels = Labels(random.standard_normal((LABELS, dimension), np.float32), directions)
    copied: list[str] = []
    wrong: list[str] = []
    with open_writer(path) as writer:
        for batch in batches(objects // PER_PHOTO, [1]):
            ids, rows = batch.objects.object_id, Rows(len(batch.objects))
            copied += [*ids[rows.copied].tolist(), *ids[rows.original[rows.copied]].tolist()]
            wrong += ids[rows.wrong].tolist()
            writer.commit(changed(batch, rows, labels, random))
        writer.finish()
    planted = {"duplicates": copied, "labels": wrong}
    planted_path(path).write_text(json.dumps(planted), encoding="utf-8")


def planted_path(store: Path) -> Path:
    """Return the file of the ids of copies and what they are of, and of wrong labels."""
    return store.with_suffix(".planted.json")


class Rows:
    """Which objects (n,) of a batch are copies, which each is drawn as, and whose label is wrong."""

    def __init__(self, count: int) -> None:
        own = np.arange(count)
        self.copied: NDArray[np.bool_] = (own // PER_PHOTO) % COPIED == COPIED - 1
        self.original = own - PER_PHOTO * self.copied
        self.wrong: NDArray[np.bool_] = (own % SWAPPED == 0) & ~self.copied


def changed(batch: Batch, rows: Rows, labels: Labels, random: np.random.Generator) -> Batch:
    """Return a batch with vectors and thumbnails of its own."""
    count = len(batch.objects)
    number = np.array([int(name.split()[1]) for name in batch.objects.label.tolist()])
    vectors = labels.centers[(number + rows.wrong) % LABELS]
    vectors += random.standard_normal((count, len(labels.within)), np.float32) @ labels.within
    vectors += np.float32(NOISE) * random.standard_normal(vectors.shape, np.float32)
    moved = random.standard_normal((int(rows.copied.sum()), vectors.shape[1]), np.float32)
    vectors[rows.copied] = vectors[rows.original[rows.copied]] + np.float32(MOVED) * moved
    drawn = random.integers(0, 1 << 62, count)[rows.original].tolist()
    qualities = np.where(rows.copied, 75, 90).tolist()
    thumbnails = [thumbnail(seed, quality) for seed, quality in zip(drawn, qualities, strict=True)]
    return replace(
        batch,
        thumbnails=thumbnails,
        vectors={SPACE: SpaceRows(RECIPE, batch.objects.object_id, vectors)},
    )


def thumbnail(seed: int, quality: int) -> bytes:
    """Return a JPEG of 48 x 48 pixels: random colors that vary over a fifth of it."""
    colors = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    stream = io.BytesIO()
    picture = PIL.Image.fromarray(colors).resize((48, 48), PIL.Image.Resampling.BILINEAR)
    picture.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


if __name__ == "__main__":
    main()
