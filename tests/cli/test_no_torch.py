"""Commands that run no network import no torch, which takes seconds and half a gigabyte."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from objectspace.embeddings.spaces import Recipe
from objectspace.files import content_id
from objectspace.images import encode_thumbnail
from objectspace.objects.records import concatenate, make_objects
from objectspace.store import Batch, ImageRow, SpaceRows, open_writer

# All commands run in one process, once.
pytestmark = pytest.mark.slow

IMAGES, EACH = 52, 5
BACKGROUNDS = {"alone": "black", "both": "keep", "around": "only"}

#: Command lines; STORE, OUT, PHOTO and ID stand for the store, a folder, a stored photo and an object.
COMMANDS = {
    "info": "info STORE",
    "models": "models",
    "models taps": "models --taps yolov3-tiny",
    "search": "search STORE --object ID",
    "search filtered": "search STORE --object ID --neighbor-label cat --exclude-same clip",
    "search image": "search STORE --image PHOTO",
    "search point": "search STORE --image PHOTO --point 7,4",
    "search box": "search STORE --image PHOTO --box BOX",
    "search sheet": "search STORE --object ID --sheet OUT/search.svg",
    "sheet": "sheet STORE --out OUT/sheet.svg --label cat --rows 2 -k 2",
    "index-space": "index-space STORE --space alone",
    "search approximate": "search STORE --space alone --object ID --approximate",
    "measure": "measure STORE --factor label",
    "compare": "compare STORE --spaces alone both --factor label",
    "project": "project STORE --space window --figure OUT/project.svg",
    "context": "context STORE --alone alone --both both --around around",
    "erase": "erase STORE --space window --fit STORE --factor phase_x --space-name flat",
    "world": "world --out OUT/world --count 1",
    **{
        f"export {name}": f"export STORE --format {name} --out OUT/{name}.parquet"
        for name in ("csv", "parquet", "npz", "coco", "projector", "atlas", "fiftyone")
    },
}

#: Runs each command line, and reports its end and whether it imported torch, which it does not get.
SCRIPT = """
import contextlib, importlib.machinery, io, json, sys

class Refused:
    asked = False
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchvision", "timm", "transformers"):
            # Other packages look whether torch is installed, which imports nothing.
            return importlib.machinery.ModuleSpec(name, self)
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        Refused.asked = True
        raise ImportError(f"{module.__name__} is refused")

sys.meta_path.insert(0, Refused())
# How often something is permuted imports nothing more.
from objectspace.analyses import erasure, statistics
from objectspace.analyses.context import shares
statistics.PERMUTATIONS = shares.PERMUTED = 19
erasure.LANDMARKS = 20
from objectspace.cli import main
ends = {}
for name, arguments in json.loads(sys.argv[1]).items():
    Refused.asked = False
    sys.argv = ["objectspace", *arguments]
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        try:
            main()
        except SystemExit as end:
            ends[name] = [end.code, Refused.asked, told.getvalue()[-300:]]
        except Exception as error:
            ends[name] = [repr(error), Refused.asked, told.getvalue()[-300:]]
print(json.dumps(ends))
"""


def recipe(background):
    return Recipe("crop", "net", "aa", "mean", {"size": 8}, "float32", "0", crop={"background": background})


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    """How each command ended: by name its exit code, whether it asked for torch, and what it said."""
    folder = tmp_path_factory.mktemp("no-torch")
    photo, path = folder / "photo.png", folder / "s.osp"
    Image.new("RGB", (96, 64), "green").save(photo)
    random = np.random.default_rng(0)
    images = [ImageRow(content_id(photo.read_bytes()), str(photo), 96, 64)]
    images += [ImageRow(content_id(b"%d" % n), f"{n}.png", 96, 64) for n in range(1, IMAGES)]
    parts = []
    for number, image in enumerate(images):
        corner = np.stack([16.0 * np.arange(EACH) + random.uniform(0, 6), np.full(EACH, number % 32)], axis=1)
        boxes = np.hstack([corner, corner + random.uniform(8, 30, (EACH, 2))]).astype(np.float32)
        made = make_objects(
            image_id=image.image_id, xyxy=boxes, label=["cat", "dog"] * 2 + ["cat"], source="hand@1"
        )
        parts.append(made.with_factors({"clip": np.full(EACH, f"clip {number // 4}", object)}))
    objects = concatenate(parts)
    vectors = random.standard_normal((len(objects), 8)).astype(np.float32)
    spaces = {
        name: SpaceRows(recipe(ground), objects.object_id, vectors) for name, ground in BACKGROUNDS.items()
    }
    window = Recipe("window", "net", "bb", "1", {"resize": "stretch", "input_wh": [64, 64]}, "float32", "0")
    window = Recipe(**{**window.to_json(), "window": 2, "scale": "own", "stride": 16})
    cells = {name: np.zeros(len(objects), np.int32) for name in ("cell_x", "cell_y")}
    spaces["window"] = SpaceRows(window, objects.object_id, vectors, cells)
    thumbnails = [encode_thumbnail(np.asarray(Image.open(photo)))] * len(objects)
    with open_writer(path) as writer:
        writer.commit(Batch(images, objects, thumbnails, "job", spaces))
    stand_for = {"STORE": path, "OUT": folder, "PHOTO": photo, "ID": objects.object_id[0]}
    stand_for["BOX"] = ",".join(map(str, objects.xyxy[0].tolist()))
    lines = {}
    for name, line in COMMANDS.items():
        for word, value in stand_for.items():
            line = line.replace(word, str(value))
        lines[name] = line.split()
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(lines)], capture_output=True, text=True, check=True
    )
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", COMMANDS)
def test_no_torch(ends, name):
    assert ends[name][:2] == [0, False], ends[name]
