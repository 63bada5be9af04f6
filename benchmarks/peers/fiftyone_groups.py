"""Which vectors FiftyOne Brain takes for copies; audit_peers.py runs it by an interpreter that has FiftyOne.

python fiftyone_groups.py VECTORS.npz OUT.json

The file has the stored vectors (n, d) with their image (n,), and the planted ones (m, d) with their kind (m,)
and the stored row (m,) that each is of. Writes, for Brain's own threshold and for the largest that names one
stored vector in a hundred at most, the share of each kind that is in a group with what it is of, and the
share of stored vectors in a group with one of another image.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import fiftyone as fo
import fiftyone.brain as fob
import numpy as np

#: Brain's threshold of cosine distance, and the share of stored vectors that may be named.
THRESHOLD, ALARMS = 0.2, 0.01


def main() -> None:
    """Write the file."""
    given = np.load(sys.argv[1])
    stored, image, planted, kind, row = (
        given[name] for name in ("stored", "image", "planted", "kind", "row")
    )
    start = time.process_time()
    alone = near_duplicates(stored)
    tried = [step / 200 for step in range(60, 0, -1)]
    strict = next((one for one in tried if named(groups_of(alone, one), image).mean() <= ALARMS), 0.0)
    made = []
    for threshold in (THRESHOLD, strict):
        alarms = float(named(groups_of(alone, threshold), image).mean())
        found = {}
        for name in dict.fromkeys(kind.tolist()):
            here = kind == name
            group = groups_of(near_duplicates(np.concatenate([stored, planted[here]])), threshold)
            found[name] = float((group[len(stored) :] == group[row[here]]).mean())
        made.append({"threshold": threshold, "found": found, "alarms": alarms})
    Path(sys.argv[2]).write_text(json.dumps({"seconds": time.process_time() - start, "made": made}))


def near_duplicates(vectors: np.ndarray) -> fob.SimilarityIndex:
    """Return Brain's index of vectors, each a sample of its own."""
    dataset = fo.Dataset()
    dataset.add_samples([fo.Sample(filepath=f"{row}.jpg") for row in range(len(vectors))])
    return fob.compute_near_duplicates(dataset, embeddings=vectors, threshold=THRESHOLD, progress=False)


def groups_of(index: fob.SimilarityIndex, threshold: float) -> np.ndarray:
    """Return the group (n,) of each vector: the row of the one that is kept."""
    index.find_duplicates(thresh=threshold)
    ids = index.samples.values("id")
    place = {name: row for row, name in enumerate(ids)}
    group = np.arange(len(ids))
    for kept, copies in index.neighbors_map.items():
        for name, _ in copies:
            group[place[name]] = place[kept]
    return group


def named(group: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Return which vectors (n,) share a group with one of another image."""
    images = {}
    for one, name in zip(group.tolist(), image.tolist(), strict=True):
        images.setdefault(one, set()).add(name)
    return np.array([len(images[one]) > 1 for one in group.tolist()])


if __name__ == "__main__":
    main()
