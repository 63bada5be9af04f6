"""The explorer on a million objects: seconds until it shows them, work of a pan and of a lasso, memory.

    python benchmarks/explorer.py [--objects 1000000] [--dimension 16]

One JSON line a figure, beside its target. A store of random vectors is written to a temporary folder, with
a map of its own (two columns), and is shown by a headless Chromium that draws without a GPU. It needs
playwright and a Chromium (Debian: ``apt install chromium``). CPU is that of all of Chromium's processes,
from /proc (Linux).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from playwright.sync_api import sync_playwright

from objectspace.embeddings.spaces import Recipe
from objectspace.files import content_id
from objectspace.objects.records import concatenate, make_objects
from objectspace.store import Batch, ImageRow, SpaceRows, open_store, open_writer

OBJECTS_PER_IMAGE = 10
IMAGES_PER_COMMIT = 5000
SOURCE = "benchmark@0"
RECIPE = Recipe("crop", "random", "0" * 64, "none", {}, "float32", "0", crop={"margin": 0.0})
LABELS = [f"label {number}" for number in range(OBJECTS_PER_IMAGE)]

#: Frames of which the work of a pan is the mean.
STEPS = 30

#: Starts the server once everything is imported, and prints the seconds until it listens.
_SERVER = """
import sys, time
import lance, uvicorn, objectspace.explorer.app
from objectspace.explorer.server import serve
began = time.perf_counter()
serve(sys.argv[1], own_map=sys.argv[2], browser=False,
      started=lambda address: print(time.perf_counter() - began, address, flush=True))
"""

#: Resolves with the milliseconds from now until the canvas is drawn anew and a text is there.
_UNTIL = """([text]) => new Promise((resolve) => {
  const began = performance.now(), canvas = document.querySelector(".canvas canvas");
  const before = canvas.dataset.drawn;
  const look = () => document.body.innerText.includes(text) && canvas.dataset.drawn !== before
    ? resolve(performance.now() - began) : requestAnimationFrame(look);
  addEventListener("pointerup", () => requestAnimationFrame(look), { once: true, capture: true });
})"""


def batch(images: range, dimension: int) -> Batch:
    """Return images with ten objects each, a random vector and one thumbnail for all."""
    random = np.random.default_rng(images.start)
    sink = io.BytesIO()
    Image.new("RGB", (64, 64), (90, 120, 150)).save(sink, "JPEG")
    rows = [ImageRow(content_id(b"%d" % number), f"images/{number}.jpg", 640, 480) for number in images]
    corners = random.uniform(0, 360, (len(rows), OBJECTS_PER_IMAGE, 2)).astype(np.float32)
    objects = concatenate(
        [
            make_objects(
                image_id=row.image_id, xyxy=np.hstack([corner, corner + 50]), label=LABELS, source=SOURCE
            )
            for row, corner in zip(rows, corners, strict=True)
        ]
    )
    vectors = random.standard_normal((len(objects), dimension), np.float32)
    return Batch(
        images=rows,
        objects=objects,
        thumbnails=[sink.getvalue()] * len(objects),
        job="benchmark",
        vectors={"random-crop": SpaceRows(RECIPE, objects.object_id, vectors)},
        sources={SOURCE: {}},
    )


def write_store(folder: Path, count: int, dimension: int) -> None:
    """Write the store, and a map of its objects in the square from -1 to 1."""
    images = count // OBJECTS_PER_IMAGE
    for start in range(0, images, IMAGES_PER_COMMIT):
        with open_writer(folder / "many.osp") as writer:
            writer.commit(batch(range(start, min(start + IMAGES_PER_COMMIT, images)), dimension))
    ids = open_store(folder / "many.osp").object_columns(["object_id"])["object_id"]
    points = np.random.default_rng(0).uniform(-1, 1, (len(ids), 2))
    table = pa.table({"object_id": ids.tolist(), "x": points[:, 0], "y": points[:, 1]})
    pq.write_table(table, folder / "map.parquet")


def figure(name: str, value: float, target: float, unit: str) -> None:
    """Print one figure with what it should be at most."""
    print(json.dumps({"figure": name, "value": round(value, 3), "target": target, "unit": unit}), flush=True)


def chromium_seconds() -> float:
    """Return the CPU seconds of the Chromium that this process has started: all its processes."""
    children: dict[int, list[tuple[int, float]]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(")")
        except OSError:
            continue
        fields = rest.split()
        spent = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if "chrom" in name else 0.0
        children.setdefault(int(fields[1]), []).append((int(stat.parent.name), spent))
    total, pending = 0.0, [os.getpid()]
    while pending:
        for child, spent in children.get(pending.pop(), []):
            total += spent
            pending.append(child)
    return total


def peak_memory(process: int) -> float:
    """Return the most memory that a process has had, in GB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1e6


def measure_page(address: str, count: int, chromium: str) -> None:
    """Print the figures of the page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page: Any = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(300_000)
        began = time.perf_counter()
        page.goto(address)
        page.locator("canvas[data-drawn]").wait_for()
        figure("first picture", time.perf_counter() - began, 2.0, "s")
        page.wait_for_timeout(3000)
        box = page.locator(".canvas canvas").bounding_box()
        left, top = box["x"], box["y"]
        page.evaluate(
            "() => { window.frames_drawn = 0;"
            " new MutationObserver((all) => window.frames_drawn += all.length)"
            ".observe(document.querySelector('.canvas canvas'), {attributeFilter: ['data-drawn']}); }"
        )
        page.mouse.move(left + 200, top + 200)
        page.mouse.down()
        before = chromium_seconds()
        for step in range(STEPS):
            page.mouse.move(left + 200 + 3 * step, top + 200 + step)
            page.wait_for_timeout(100)
        spent = chromium_seconds() - before
        page.mouse.up()
        frames = page.evaluate("window.frames_drawn")
        figure("CPU of a frame of a pan", 1000 * spent / max(frames, 1), 50, "ms")
        page.get_by_role("button", name="Whole map").click()
        page.wait_for_timeout(1500)
        page.get_by_role("button", name="Lasso").click()
        middle, bottom = left + box["width"] / 2, top + box["height"] - 2
        page.mouse.move(left + 2, top + 2)
        page.mouse.down()
        for x, y in ((middle, top + 2), (middle, bottom), (left + 2, bottom), (left + 2, top + 2)):
            page.mouse.move(x, y, steps=3)
        page.evaluate(f"() => {{ window.lassoed = ({_UNTIL})([' selected']) }}")
        before = chromium_seconds()
        page.mouse.up()
        taken = page.evaluate("window.lassoed")
        figure("a lasso until it is drawn", taken, 300, "ms")
        figure("CPU of it", 1000 * (chromium_seconds() - before), 300, "ms")
        selected = page.locator(".map").get_by_text(" selected").last.inner_text()
        print(json.dumps({"figure": "lassoed", "value": selected, "of": count}))
        browser.close()


def main() -> None:
    """Write the store, serve it, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=16)
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("no Chromium on this machine")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_store(folder, arguments.objects, arguments.dimension)
        command = [sys.executable, "-c", _SERVER, str(folder / "many.osp"), str(folder / "map.parquet")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            seconds, address = server.stdout.readline().split()
            figure("server ready after imports", float(seconds), 5.0, "s")
            try:
                measure_page(address, arguments.objects, chromium)
                figure("peak memory of the server", peak_memory(server.pid), 2.0, "GB")
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
