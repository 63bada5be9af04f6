"""How alike the pictures of a folder are by fastdup; audit_peers.py runs it by an interpreter that has it.

python fastdup_pairs.py PICTURES WORK OUT.json

Writes the seconds and the pairs of each picture and its 30 nearest: names without suffix, cosine similarity.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import fastdup

#: Pictures each is compared with: more than there are copies of one.
NEAREST = 30


def main() -> None:
    """Write the file."""
    pictures, work, out = sys.argv[1:]
    start = time.process_time()
    run = fastdup.create(work_dir=work, input_dir=pictures)
    run.run(overwrite=True, nearest_neighbors_k=NEAREST, threshold=0.0, num_threads=1)
    found = run.similarity()
    columns = found["filename_from"], found["filename_to"], found["distance"]
    pairs = [
        [Path(one).stem, Path(other).stem, float(alike)] for one, other, alike in zip(*columns, strict=True)
    ]
    Path(out).write_text(json.dumps({"seconds": time.process_time() - start, "pairs": pairs}))


if __name__ == "__main__":
    main()
