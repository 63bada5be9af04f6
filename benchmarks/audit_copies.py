"""What an audit lists in stores of which most photos are copies: scenes of the drawn world, saved often.

python benchmarks/audit_copies.py FOLDER [--stores 30x1 30x2 10x6 12x12]

SCENESxTIMES: so many scenes, each saved so many times as JPEG at quality 40 to 95 and, but for the first, at
0.6 to 1 of its size. Prints for photos and objects how many there are and are listed, the groups, how many
are named a copy of what is in another scene, and the share of the planted copies that the threshold lists.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import PIL.Image

import objectspace as osp
from objectspace.search.audit.lists import AuditList


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stores", nargs="+", default=["30x1", "30x2", "10x6", "12x12"])
    asked = parser.parse_args()
    print("| scenes, times | of | n | listed | groups | of another scene | planted found |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for name in asked.stores:
        folder = asked.folder / name
        if not folder.exists():
            scenes, times = map(int, name.split("x"))
            make_store(folder, scenes, times)
        made = osp.audit(folder / "S.osp", only=["photos", "duplicates"])
        for of in ("photos", "duplicates"):
            print(f"| {name.replace('x', ', ')} | {row_of(made.lists[of])}", flush=True)


def row_of(one: AuditList) -> str:
    """Return the figures of a list."""
    rows = [row for row, _ in zip(one.iter_rows(), one.first, strict=False)]
    copies = [row for row in rows if row["kept"] is False]
    wrong = sum(scene_of(row["image"]) != scene_of(row["other_image"]) for row in copies)
    groups = sum(row["kept"] is True for row in rows)
    assert one.calibration is not None
    planted = one.calibration.kind().found.value
    return f"{one.noun}s | {len(one)} | {len(rows)} | {groups} | {wrong} | {planted:.2f} |"


def scene_of(path: str) -> str:
    """Return the scene that a photo shows."""
    return Path(path).stem.split("-")[0]


def make_store(folder: Path, scenes: int, times: int) -> None:
    """Write photos and their store, with the demo encoder's vectors of the true boxes."""
    folder.mkdir(parents=True)
    random, found = np.random.default_rng(0), {}
    for number in range(scenes):
        scene = osp.draw_scene(seed=5, index=number)
        for time in range(times):
            scale = float(random.uniform(0.6, 1.0)) if time else 1.0
            picture = PIL.Image.fromarray(scene.pixels)
            picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
            path = folder / f"{number}-{time}.jpg"
            picture.save(path, quality=int(random.integers(40, 95)))
            image_id = osp.read_image(path).image_id
            boxes = np.clip(scene.xyxy * scale, 0, [picture.width, picture.height] * 2).astype(np.float32)
            found[path] = osp.make_objects(image_id=image_id, xyxy=boxes, label=scene.kinds, source="drawn@1")
    encoder = osp.load_encoder("demo", precision="float32")
    osp.index(
        sorted(found), folder / "S.osp", osp.Job(encoder=encoder, annotations=osp.objects_reader(found))
    )


if __name__ == "__main__":
    main()
