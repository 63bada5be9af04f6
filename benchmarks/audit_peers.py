"""An audit's lists beside other tools' on the same store, with the same planted cases, in one run.

python benchmarks/audit_peers.py STORE --space S [--objects 100] [--fastdup PYTHON] [--fiftyone PYTHON]

Wrong labels: cleanlab's Datalab with ``features=``, fastdup's label score. Copies: imagededup's hashes and
fastdup's network of the same thumbnails, FiftyOne Brain's near duplicates of the same vectors. Datalab and
imagededup are taken from beside this package (pip install cleanlab imagededup); fastdup and FiftyOne, which
need other versions of what this package needs, from the interpreters that are named, FiftyOne with a MongoDB
that runs ($FIFTYONE_DATABASE_URI). What is not there is left out with a sentence.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import itertools
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from objectspace.analyses.audit.calibration import best_threshold
from objectspace.analyses.audit.labels import audit_labels
from objectspace.images import decode_thumbnail
from objectspace.neighbors import ExactIndex
from objectspace.search.audit.copies import CopyDifferences
from objectspace.search.audit.embedding import PlantEmbedder
from objectspace.search.audit.neighborhood import Neighborhood
from objectspace.search.audit.planting import PlantedVectors, find_copies, planted_pictures, sample_objects
from objectspace.search.audit.plants import copies_of
from objectspace.search.audit.small_pictures import thumbnail_pictures
from objectspace.store import Store, open_store

#: Shares of the labels that are swapped, and how often each.
SWAPPED, DRAWS = (0.02, 0.05, 0.10), 3

#: How labels are swapped: evenly, to that of a neighbor, and all of one label in a photo together.
KINDS = ("even", "confusion", "whole photo")

#: Shares of a list in which swapped labels are counted.
FIRST = (0.01, 0.05, 0.10)

#: The share of unplanted objects that a list of copies may name.
ALARMS = 0.01

#: Scripts of tools in interpreters of their own, and pixels of a thumbnail's shorter side there: fastdup
#: refuses those of less than ten.
PEERS, SIDE = Path(__file__).parent / "peers", 32

Columns = tuple[NDArray[np.str_], NDArray[np.str_], NDArray[np.str_]]


def main() -> None:
    """Print a table of wrong labels and a table of copies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("--space", required=True)
    parser.add_argument("--objects", type=int, default=100)
    parser.add_argument("--fastdup", metavar="PYTHON")
    parser.add_argument("--fiftyone", metavar="PYTHON")
    asked = parser.parse_args()
    store = open_store(asked.store)
    opened = store.stored_space(asked.space)
    columns = store.object_columns(["image_id", "label"], asked.space)
    image, label = (columns[name].astype(np.str_) for name in ("image_id", "label"))
    ids = np.asarray(opened.object_id, np.str_)
    near = Neighborhood(opened, np.arange(len(ids)), image)
    if len(np.unique(label)) > 1:
        compare_labels(store.thumbnails(ids), near, label, asked.fastdup)
    compare_copies(store, asked.space, near, ids, asked)


def installed(tool: str) -> bool:
    """Return whether a tool is beside this package, and print a sentence where it is not."""
    found = importlib.util.find_spec(tool) is not None
    if not found:
        print(f"{tool} is not installed, and left out: pip install {tool}")
    return found


# --------------------------------------------------------------------------------------------- wrong labels


def compare_labels(
    thumbnails: list[bytes], near: Neighborhood, label: NDArray[np.str_], fastdup: str | None
) -> None:
    """Print the share of swapped labels in the first parts of each tool's list, means of draws."""
    tools: dict[str, Callable[[Neighborhood, NDArray[np.str_]], NDArray[np.int64]]] = {"audit": rank_by_audit}
    if installed("cleanlab"):
        tools["Datalab"] = rank_by_datalab
    tools["fastdup's score by our vectors"] = partial(rank_by_label_score, nearest_pairs(near))
    if fastdup is not None:
        pairs = fastdup_pairs(fastdup, {str(row): data for row, data in enumerate(thumbnails)})
        own = [near.image[int(one)] == near.image[int(other)] for one, other, _ in pairs]
        tools["fastdup"] = partial(rank_by_label_score, pairs)
        others = [pair for pair, same in zip(pairs, own, strict=True) if not same]
        tools["fastdup, of other photos"] = partial(rank_by_label_score, others)
    for kind, share in itertools.product(KINDS, SWAPPED):
        found: dict[str, list[list[float]]] = {tool: [] for tool in tools}
        seconds, count = dict.fromkeys(found, 0.0), 0
        for draw in range(DRAWS):
            random = np.random.default_rng([draw, round(1000 * share)])
            given, swapped = swap(kind, share, label, near, random)
            count += int(swapped.sum())
            for tool, rank in tools.items():
                start = time.process_time()
                order = rank(near, given)
                seconds[tool] += time.process_time() - start
                tops = [order[: round(part * len(label))] for part in FIRST]
                found[tool].append([swapped[top].sum() / swapped.sum() for top in tops])
        for tool, shares in found.items():
            cells = " | ".join(f"{value:.2f}" for value in np.mean(shares, axis=0))
            what = f"| {share:.0%} {kind}, {count} in all | {tool}"
            print(f"{what} | {cells} | {seconds[tool] / DRAWS:.1f} s |", flush=True)


def swap(
    kind: str, share: float, label: NDArray[np.str_], near: Neighborhood, random: np.random.Generator
) -> tuple[NDArray[np.str_], NDArray[np.bool_]]:
    """Return labels (n,) of which a share is wrong, and which: any, those of a neighbor, or of whole photos.

    Of whole photos, all objects of one label get another one, until the share is reached.
    """
    names, own = np.unique(label, return_inverse=True)
    swapped, given, wanted = np.zeros(len(label), bool), own.copy(), round(share * len(label))
    if kind == "whole photo":
        photos = np.unique(near.image, return_inverse=True)[1]
        cells, sizes = np.unique(np.stack([photos, own]), axis=1, return_counts=True)
        for photo, old in random.permutation(cells[:, sizes > 1].T):
            if swapped.sum() < wanted:
                here = (photos == photo) & (own == old)
                given[here], swapped[here] = (old + random.integers(1, len(names))) % len(names), True
        return names[given], swapped
    rows = random.choice(len(label), wanted, replace=False)
    moved = (own + random.integers(1, len(names), len(own))) % len(names)
    if kind == "confusion":
        for row in rows:
            others = [one for one in own[near.near.index[row]] if one != own[row]]
            moved[row] = random.choice(others) if others else moved[row]
    given[rows], swapped[rows] = moved[rows], True
    return names[given], swapped


def rank_by_audit(near: Neighborhood, label: NDArray[np.str_]) -> NDArray[np.int64]:
    """Return the rows in the order of an audit's list, those that it leaves out at the end."""
    made = audit_labels(near.vectors, near.near, label.astype(object), near.image)
    suspicion = np.full(len(label), -np.inf)
    suspicion[made.row] = made.probability
    return np.argsort(-suspicion, kind="stable")


def rank_by_datalab(near: Neighborhood, label: NDArray[np.str_]) -> NDArray[np.int64]:
    """Return the rows in the order of Datalab's label score, the lowest first."""
    from cleanlab import Datalab

    lab = Datalab({"label": label.tolist()}, label_name="label", verbosity=0)
    lab.find_issues(features=np.asarray(near.vectors), issue_types={"label": {}})
    return np.argsort(lab.get_issues("label")["label_score"].to_numpy(), kind="stable")


def rank_by_label_score(
    pairs: list[tuple[str, str, float]], near: Neighborhood, label: NDArray[np.str_]
) -> NDArray[np.int64]:
    """Return the rows in the order of fastdup's label score: the share of the nearest with the same label.

    Of equal ones those with fewer come first, as in its gallery; one without any comes last.
    """
    row, other = (np.array([int(pair[end]) for pair in pairs]) for end in (0, 1))
    count, same = (np.bincount(row, weight, len(label)) for weight in (None, label[row] == label[other]))
    return np.lexsort((count, np.where(count > 0, same / np.maximum(count, 1), 2.0)))


def nearest_pairs(near: Neighborhood, k: int = 30) -> list[tuple[str, str, float]]:
    """Return each row and its k nearest of all, its own photo's among them, as :func:`fastdup_pairs` does."""
    vectors = np.asarray(near.vectors)
    own = np.arange(len(vectors))
    index = ExactIndex(vectors, own, metric="cosine", groups=own)
    found = index.nearest(vectors, k=k, query_groups=own)
    return [
        (str(row), str(other), 1 - far)
        for row in own.tolist()
        for other, far in zip(found.index[row].tolist(), found.distance[row].tolist(), strict=True)
    ]


# --------------------------------------------------------------------------------------------------- copies


def compare_copies(
    store: Store, space: str, near: Neighborhood, ids: NDArray[np.str_], asked: argparse.Namespace
) -> None:
    """Print the share of planted copies that each tool finds while it names 1 % of the unplanted at most."""
    sample = sample_objects(store, ids, near.image, count=asked.objects, seed=7)
    pictures = planted_pictures(sample, copies_of, drawn=0, seed=7, progress=lambda photos: None)
    kinds, rows, vectors, thumbnails = PlantEmbedder(store, space).embed(pictures)
    kind = np.array([*kinds, None], object)[:-1]
    copies = CopyDifferences(store, store.object_rows(space), near)
    found = find_copies(
        near, copies, PlantedVectors(kind, rows, vectors, thumbnail_pictures(thumbnails)), seed=7
    )
    results = {"audit": (found.suspicion, -copies.difference)}
    threshold = best_threshold(found.suspicion, -copies.stranger_difference, often_real=True)
    listed = {name: (found.suspicion[kind == name] >= threshold).mean() for name in dict.fromkeys(kinds)}
    print_copies("audit, its own threshold", listed, (-copies.difference >= threshold).mean())
    stored = store.thumbnails(ids)
    for name, hashes in hashers():
        start = time.process_time()
        planted, unplanted = hashes(thumbnails), hashes(stored)
        apart = np.array(
            [distances(one, unplanted[row][None])[0] for one, row in zip(planted, rows, strict=True)]
        )
        nearest = [
            distances(one, unplanted)[near.image != near.image[row]].min()
            for row, one in enumerate(unplanted)
        ]
        results[f"imagededup {name}"] = -apart.astype(float), -np.array(nearest, float)
        print(f"imagededup {name}: {time.process_time() - start:.1f} s")
    if asked.fastdup:
        results["fastdup"] = by_fastdup(asked.fastdup, near.image, stored, thumbnails, rows)
    for tool, (planted_suspicion, unplanted_suspicion) in results.items():
        tried = np.unique(planted_suspicion[np.isfinite(planted_suspicion)])
        allowed = [one for one in tried if (unplanted_suspicion >= one).mean() <= ALARMS]
        at = min(allowed, default=np.inf)
        shares = {name: (planted_suspicion[kind == name] >= at).mean() for name in dict.fromkeys(kinds)}
        print_copies(tool, shares, (unplanted_suspicion >= at).mean())
    if asked.fiftyone:
        given = {"stored": near.vectors, "image": near.image, "planted": vectors, "kind": kind.astype(str)}
        print_fiftyone(asked.fiftyone, {**given, "row": rows})


def by_fastdup(
    python: str, image: NDArray[np.str_], stored: list[bytes], planted: list[bytes], rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how like fastdup finds planted thumbnails and what they are of, and each stored one's nearest.

    One that is not among the nearest of the other is not found.
    """
    named = {"stored": stored, "planted": planted}
    thumbnails = {f"{kind}-{row}": data for kind, of in named.items() for row, data in enumerate(of)}
    planted_alike, stored_alike = np.full(len(planted), -np.inf), np.full(len(stored), -np.inf)
    for one, other, alike in fastdup_pairs(python, thumbnails):
        for (kind, row), (other_kind, other_row) in itertools.permutations(map(name_and_row, (one, other))):
            if kind == "planted" and other_kind == "stored" and rows[row] == other_row:
                planted_alike[row] = max(planted_alike[row], alike)
            if kind == other_kind == "stored" and image[row] != image[other_row]:
                stored_alike[row] = max(stored_alike[row], alike)
    return planted_alike, stored_alike


def fastdup_pairs(python: str, thumbnails: dict[str, bytes]) -> list[tuple[str, str, float]]:
    """Return the names of JPEG thumbnails and of those nearest to each by fastdup, with their similarity."""
    with tempfile.TemporaryDirectory() as folder:
        pictures, out = Path(folder, "pictures"), Path(folder, "out.json")
        pictures.mkdir()
        for name, data in thumbnails.items():
            picture = PIL.Image.open(io.BytesIO(data))
            scale = max(1.0, SIDE / min(picture.size))
            picture.resize((round(picture.width * scale), round(picture.height * scale))).save(
                pictures / f"{name}.png"
            )
        run_peer(python, "fastdup_pairs.py", str(pictures), str(Path(folder, "work")), str(out))
        found = json.loads(out.read_text())
    print(f"fastdup: {found['seconds']:.1f} s for {len(thumbnails)} thumbnails", flush=True)
    return [(one, other, alike) for one, other, alike in found["pairs"]]


def name_and_row(stem: str) -> tuple[str, int]:
    """Return the kind and the number of a picture."""
    kind, number = stem.split("-")
    return kind, int(number)


def print_fiftyone(python: str, given: dict[str, NDArray[np.generic]]) -> None:
    """Print a row for Brain's own threshold, and one for that of one unplanted object in a hundred."""
    with tempfile.TemporaryDirectory() as folder:
        arrays, out = Path(folder, "vectors.npz"), Path(folder, "out.json")
        np.savez(arrays, **given)
        run_peer(python, "fiftyone_groups.py", str(arrays), str(out))
        found = json.loads(out.read_text())
    print(f"FiftyOne Brain: {found['seconds']:.1f} s")
    for one in found["made"]:
        print_copies(f"FiftyOne Brain, cosine distance to {one['threshold']:g}", one["found"], one["alarms"])


def run_peer(python: str, script: str, *words: str) -> None:
    """Run a tool's script with its own interpreter, which has none of this package's paths."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [python, str(PEERS / script), *words]
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def print_copies(tool: str, shares: dict[str, float], alarms: float) -> None:
    """Print a row: the share found of each kind, and of the unplanted."""
    print(
        f"| {tool} | "
        + " | ".join(f"{name} {one:.2f}" for name, one in shares.items())
        + f" | {alarms:.3f} |"
    )


def hashers() -> Iterator[tuple[str, object]]:
    """Yield imagededup's hashes, as bits (m, 64) of JPEG thumbnails."""
    if not installed("imagededup"):
        return
    from imagededup.methods import DHash, PHash

    for method in (PHash(verbose=False), DHash(verbose=False)):

        def hashes(thumbnails: list[bytes], method: Any = method) -> NDArray[np.uint8]:
            codes = [method.encode_image(image_array=decode_thumbnail(one)) for one in thumbnails]
            return np.array([list(bytes.fromhex(code)) for code in codes], np.uint8)

        yield type(method).__name__, hashes


def distances(one: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the Hamming distances (m,) of a hash and others (m, bytes)."""
    return np.unpackbits(one ^ others, axis=1).sum(1, dtype=np.int64)


if __name__ == "__main__":
    main()
