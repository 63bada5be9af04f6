"""Vectors that photos of one pass have in the maps of two networks, against plain loops over the cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from objectspace.embeddings.spaces import SpaceRows
from objectspace.errors import InputError, ModelError
from objectspace.images import Failure, Image
from objectspace.models.maps import Head, MapRun
from objectspace.objects.annotations import objects_reader
from objectspace.objects.boxes import Frame
from objectspace.objects.records import Objects, Provenance, make_objects
from objectspace.pipeline.job import Job
from objectspace.pipeline.results import DecodedImage, DetectedImage
from objectspace.pipeline.stages import find
from tests.jobs.fakes import FakeDetector

#: Objects of each photo, and its width and height.
COUNTS = [3, 0, 5, 1, 4]
SIZES = [(128, 96), (64, 96), (32, 200), (640, 480), (90, 70)]


class Mapped(FakeDetector):
    """Gives each photo maps of its own, and finds objects in random cells of both, out of order.

    maps, queries: of every photo; ``find_objects`` reads the row's own
    """

    input_wh = (64, 96)
    channels = 3

    def __init__(self, name: str = "mapped", *, seed: int = 0, query_dimension: int = 0) -> None:
        super().__init__(len(COUNTS))
        self.name, self.source, self.query_dimension = name, f"{name}@0", query_dimension
        anchors = np.array([[8, 8], [16, 16], [30, 60]], np.float32)
        self.heads = (
            Head(7, "a", 32, self.channels, (2, 3), anchors[2:], (2,)),
            Head(4, "b", 16, self.channels, (4, 6), anchors[:2], (0, 1)),
        )
        rng = np.random.default_rng(seed)
        self.maps = {
            head.layer: rng.random((len(COUNTS), self.channels, head.grid_wh[1], head.grid_wh[0]))
            for head in self.heads
        }
        self.queries = rng.random((len(COUNTS), 3, query_dimension)) if query_dimension else None
        self.refuses: dict[int, Exception] = {}
        self.objects = [self._draw(rng, row) for row in range(len(COUNTS))]

    def _draw(self, rng: np.random.Generator, row: int) -> Callable[[str], Objects]:
        (width, height), count = SIZES[row], COUNTS[row]
        upper = rng.random((count, 2)) * [width - 9, height - 9]
        boxes = np.hstack([upper, upper + 1 + rng.random((count, 2)) * 8]).astype(np.float32)
        heads = [self.heads[n] for n in rng.permutation(np.arange(count) % 2)]
        cells = Provenance(
            np.array([head.layer for head in heads], np.int32),
            np.array([head.stride for head in heads], np.int32),
            np.array([rng.integers(head.grid_wh[0]) for head in heads], np.int32),
            np.array([rng.integers(head.grid_wh[1]) for head in heads], np.int32),
            rng.integers(0, 3, count).astype(np.int32),
            np.ones(count, np.float32),
        )
        labels, scores = [f"{n}" for n in range(count)], np.linspace(0.3, 0.9, count, dtype=np.float32)
        return lambda image_id: make_objects(
            image_id=image_id, xyxy=boxes, label=labels, source=self.source, score=scores, provenance=cells
        )

    def run(self, inputs: Sequence[NDArray[Any]]) -> MapRun:
        rows = [int(one[0, 0, 0]) for one in inputs]
        maps = {layer: torch.from_numpy(of_all[rows]).float() for layer, of_all in self.maps.items()}
        queries = None if self.queries is None else torch.from_numpy(self.queries[rows]).float()
        return MapRun((torch.tensor(rows),), maps, queries)

    def find_objects(
        self, run: MapRun, row: int, image_id: str, frame: Frame, *, confidence: float, iou: float
    ) -> Objects:
        photo = int(run.heads[0][row])
        if photo in self.refuses:
            raise self.refuses[photo]
        assert frame.image_wh == SIZES[photo]
        return self.objects[photo](image_id)


def decoded(*networks: Mapped) -> list[DecodedImage]:
    """Return the photos; the input of each network is the photo's number."""
    photos = []
    for row, (width, height) in enumerate(SIZES):
        image = Image(f"{row:032}", f"{row}.png", np.zeros((height, width, 3), np.uint8), width, height)
        inputs = {network.name: np.full((96, 64, 3), row, np.uint8) for network in networks}
        photos.append(DecodedImage(image, inputs, f"annotations {row}"))
    return photos


def loaded(detector: Mapped | None, encoder_map: Mapped | None = None, **options: Any) -> Any:
    """Return the job of these networks; two poolings, unless the options have others."""
    return Job(
        **{"detector": detector, "encoder_map": encoder_map, "pools": ("cell", "window3"), **options}
    ).load()


def window(features: NDArray[Any], x: int, y: int, size: int) -> tuple[list[float], int]:
    """Return the numbers around a cell of a map (c, h, w), by channel, row, column, and the cells outside."""
    channels, height, width = features.shape
    reach, numbers, outside = size // 2, [], 0
    for channel in range(channels):
        for row in range(y - reach, y + reach + 1):
            for column in range(x - reach, x + reach + 1):
                inside = 0 <= row < height and 0 <= column < width
                numbers.append(float(features[channel, row, column]) if inside else 0.0)
                outside += not inside and not channel
    return numbers, outside


def cell_of(box: NDArray[np.float32], image_wh: tuple[int, int], head: Head) -> tuple[int, int]:
    """Return the cell that holds the middle of a box of a photo stretched onto 64 x 96 pixels."""
    x, y = (box[0] + box[2]) / 2 / image_wh[0] * 64, (box[1] + box[3]) / 2 / image_wh[1] * 96
    return int(x // head.stride), int(y // head.stride)


def expected_rows(
    found: DetectedImage, photo: int, network: Mapped, cells: Sequence[tuple[Head, int, int]], names: str
) -> dict[str, list[tuple[Any, ...]]]:
    """Return, by space, an object's id, its numbers, head and cell and the cells outside, one after another.

    cells: of each object; names: of the spaces, with ``{size}`` and ``{stride}``
    """
    rows: dict[str, list[tuple[Any, ...]]] = {}
    for object_id, (head, x, y) in zip(found.objects.object_id.tolist(), cells, strict=True):
        for size in (1, 3):
            numbers, outside = window(network.maps[head.layer][photo], x, y, size)
            row = (object_id, np.float32(numbers).tolist(), head.layer, x, y, outside)
            rows.setdefault(names.format(size=size, stride=head.stride), []).append(row)
    return rows


def rows_of(vectors: SpaceRows) -> list[tuple[Any, ...]]:
    columns = [vectors.cells[name].tolist() for name in ("head", "cell_x", "cell_y", "cells_outside")]
    return list(zip(vectors.object_id.tolist(), vectors.vectors.tolist(), *columns, strict=True))


def test_objects_have_the_windows_around_the_cells_that_made_them() -> None:
    detector = Mapped()
    by_layer = {head.layer: head for head in detector.heads}
    for photo, found in enumerate(find(decoded(detector), loaded(detector))):
        assert isinstance(found, DetectedImage)
        assert (found.image.path, found.contents) == (f"{photo}.png", f"annotations {photo}")
        assert found.objects.label.tolist() == [f"{n}" for n in range(COUNTS[photo])]
        made = found.objects.provenance
        cells = zip([by_layer[layer] for layer in made.head.tolist()], made.cell_x, made.cell_y, strict=True)
        expected = expected_rows(found, photo, detector, list(cells), "mapped-window{size}-stride{stride}")
        assert {name: rows_of(rows) for name, rows in found.vectors.items()} == expected
        for rows in found.vectors.values():
            anchors = dict(zip(found.objects.object_id.tolist(), made.anchor.tolist(), strict=True))
            assert rows.cells["anchor"].tolist() == [anchors[one] for one in rows.object_id.tolist()]


def test_at_the_deepest_map_the_middle_of_a_box_says_the_cell() -> None:
    detector = Mapped()
    deepest = detector.heads[0]
    for photo, found in enumerate(find(decoded(detector), loaded(detector, scale="deepest"))):
        assert isinstance(found, DetectedImage)
        cells = [(deepest, *cell_of(box, SIZES[photo], deepest)) for box in found.objects.xyxy]
        expected = expected_rows(found, photo, detector, cells, "mapped-window{size}-deepest")
        assert {name: rows_of(rows) for name, rows in found.vectors.items()} == expected


def test_an_encoders_map_has_windows_of_what_the_detector_found() -> None:
    """Its one map, and no queries of either: the detector's are not read, and the encoder made no object."""
    detector, encoder = Mapped(query_dimension=2), Mapped("other", seed=1, query_dimension=2)
    (head,) = encoder.heads = (Head(4, "b", 16, 3, (4, 6), np.empty((0, 2), np.float32), ()),)
    for photo, found in enumerate(find(decoded(detector, encoder), loaded(detector, encoder))):
        assert isinstance(found, DetectedImage)
        assert set(found.objects.source) <= {"mapped@0"}
        cells = [(head, *cell_of(box, SIZES[photo], head)) for box in found.objects.xyxy]
        expected = expected_rows(found, photo, encoder, cells, "other-window{size}-stride{stride}")
        assert {name: rows_of(rows) for name, rows in found.vectors.items()} == expected


def test_objects_have_the_queries_that_made_them() -> None:
    detector = Mapped(query_dimension=4)
    job = loaded(detector, suffix="-x")
    for photo, found in enumerate(find(decoded(detector), job)):
        assert isinstance(found, DetectedImage)
        assert detector.queries is not None
        if not COUNTS[photo]:
            assert not found.vectors
            continue
        rows = found.vectors["mapped-query-x"]
        made = detector.queries[photo][found.objects.provenance.anchor].astype(np.float32)
        assert rows.object_id.tolist() == found.objects.object_id.tolist()
        np.testing.assert_array_equal(rows.vectors, made)
        assert rows.recipe == job.recipes["mapped-query-x"]


def test_objects_that_are_annotated_have_no_queries() -> None:
    detector = Mapped(query_dimension=4)
    photos = decoded(detector)
    annotated = {
        photo.image.path: make_objects(
            image_id=photo.image.image_id, xyxy=np.float32([[1, 1, 9, 9]]), label=["a"], source="hand@1"
        )
        for photo in photos
    }
    job = loaded(detector, annotations=objects_reader(annotated))
    for found in find(photos, job):
        assert isinstance(found, DetectedImage)
        assert set(found.objects.label) == {"a"}
        # A box of at most 18 x 86 pixels of the input is nearest to the anchors of the finer map.
        assert set(found.vectors) <= {
            f"mapped-window{size}-stride{stride}" for size in (1, 3) for stride in (16, 32)
        }
        assert len(found.vectors) == 2


def fail_maps(detector: Mapped) -> None:
    detector.maps[7][2, 1] = np.nan
    detector.maps[4][2, 1] = np.nan


def fail_queries(detector: Mapped) -> None:
    assert detector.queries is not None
    detector.queries[2, :, 1] = np.inf


def refuse(detector: Mapped) -> None:
    detector.refuses[2] = InputError("a box is empty")


def break_down(detector: Mapped) -> None:
    detector.refuses[2] = KeyError("no such head")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (fail_maps, "mapped gave NaN or infinity"),
        (fail_queries, "mapped gave NaN or infinity"),
        (refuse, "a box is empty"),
        (break_down, "detector mapped: find_objects in 2.png raised KeyError"),
    ],
)
def test_a_photo_that_fails_is_a_failure_in_its_place(fault: Callable[[Mapped], None], reason: str) -> None:
    detector = Mapped(query_dimension=4)
    whole = find(decoded(detector), loaded(detector))
    fault(detector)
    some = find(decoded(detector), loaded(detector))
    for photo, (found, before) in enumerate(zip(some, whole, strict=True)):
        if photo == 2:
            assert isinstance(found, Failure)
            assert found.path == "2.png"
            assert reason in found.reason
        else:
            assert isinstance(found, DetectedImage)
            assert isinstance(before, DetectedImage)
            assert found.vectors.keys() == before.vectors.keys()
            for name, rows in found.vectors.items():
                np.testing.assert_array_equal(rows.vectors, before.vectors[name].vectors)


def test_a_pass_that_raises_names_the_network_and_its_photos() -> None:
    detector = Mapped()
    detector.maps.clear()
    with pytest.raises(ModelError, match="network mapped: run of 5 images raised IndexError"):
        find(
            [*decoded(detector)[:4], DecodedImage(decoded()[4].image, {"mapped": np.empty((0, 0, 3))})],
            loaded(detector),
        )
