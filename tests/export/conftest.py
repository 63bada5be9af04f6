"""A small store with everything that an export meets."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from objectspace.embeddings.spaces import Recipe
from objectspace.export import selection
from objectspace.files import content_id
from objectspace.objects.masks import encode
from objectspace.objects.records import Provenance, concatenate, make_objects
from objectspace.store import Batch, ImageRow, SpaceRows, Store, open_store, open_writer

CROP = Recipe("crop", "resnet50", "aa", "pooled", {"size": 224}, "float32", "0.1.0", crop={"margin": 0.0})
WINDOW = Recipe("window", "yolo", "bb", "119", {"size": [320, 320]}, "float32", "0.1.0", 3, "own", 32)

# What breaks a format that forgets to quote: tab, lines, comma, quotes, tags, letters beyond ASCII.
AWKWARD = 'a\tb,\n"<b>ü</b>" \u2028☃'
LABELS = ("chair", AWKWARD, "potted plant")
WH = (96, 64)


def _photo(path: Path, number: int) -> ImageRow:
    pixels = np.full((WH[1], WH[0], 3), 40 * number, np.uint8)
    path.parent.mkdir(exist_ok=True)
    PIL.Image.fromarray(pixels).save(path)
    return ImageRow(content_id(path.read_bytes()), str(path), *WH)


def _objects(photo: ImageRow, number: int, count: int, *, source: str = "yolo@1"):
    """Objects with a mask, a score and known factors in turn."""
    x1, y1 = 8 * np.arange(count) + 0.3, np.full(count, 4.0 + number)
    xyxy = np.stack([x1, y1, x1 + 20.5, y1 + 30], 1).astype(np.float32)
    masks = []
    for row, (left, top, right, bottom) in enumerate(xyxy.astype(int).tolist()):
        pixels = np.zeros(WH[::-1], bool)
        pixels[top + 3 : bottom, left + 1 : right] = True
        masks.append(None if row % 2 else encode(pixels))
    cells = Provenance(*(np.arange(5 * count, dtype=np.int32).reshape(5, count)), np.full(count, 0.5, "f4"))
    return make_objects(
        image_id=photo.image_id,
        xyxy=xyxy,
        label=[LABELS[row % 3] for row in range(count)],
        source=source,
        score=np.array([np.nan if row == 1 else 0.25 + row / 10 for row in range(count)], np.float32),
        mask=masks,
        provenance=cells,
    ).with_factors(
        {
            "yaw": np.array([np.nan if row == 1 else 10.5 * row for row in range(count)]),
            "style": np.array([None if row == 2 else f"s,\t{row} ü" for row in range(count)], object),
        }
    )


def _jpeg(shade: int) -> bytes:
    stream = io.BytesIO()
    PIL.Image.new("RGB", (30, 20), (shade % 256, 0, 0)).save(stream, "JPEG")
    return stream.getvalue()


def _batch(photos: list[ImageRow], objects, job: str) -> Batch:
    random = np.random.default_rng(len(objects))
    some = np.arange(len(objects)) % 2 == 0
    return Batch(
        images=photos,
        objects=objects,
        thumbnails=[_jpeg(10 * row) for row in range(len(objects))],
        job=job,
        vectors={
            "crop": SpaceRows(
                CROP, objects.object_id, random.standard_normal((len(objects), 6)).astype(np.float32)
            ),
            "win.3": SpaceRows(
                WINDOW,
                objects.object_id[some],
                random.standard_normal((some.sum(), 3)).astype(np.float32),
            ),
        },
        sources={"yolo@1": {"model": "yolo"}, "other@2": {"model": "other"}},
    )


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Four photos with 4, 0, 5 and 3 objects; the first one's last two were found by a later job."""
    folder = tmp_path_factory.mktemp("export")
    photos = [_photo(folder / "photos" / f"é {number}.png", number) for number in range(4)]
    first = [_objects(photos[number], number, count) for number, count in ((0, 2), (2, 5), (3, 3))]
    with open_writer(folder / "s.osp") as writer:
        writer.commit(_batch(photos, concatenate(first), "first"))
        writer.commit(_batch(photos[:1], _objects(photos[0], 9, 2, source="other@2"), "second"))
    return open_store(folder / "s.osp")


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of three objects, so that a small store has several."""
    monkeypatch.setattr(selection, "BLOCK", 3)
