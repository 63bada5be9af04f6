"""The stages of a job apart: scales of photos, pixels of boxes, objects of words, and vectors of crops."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from objectspace.embeddings.crops import CropPolicy
from objectspace.images import Failure, Image
from objectspace.models.detectors import Detector
from objectspace.objects.records import make_objects
from objectspace.pipeline import stages
from objectspace.pipeline.engine_threads import run
from objectspace.pipeline.job import Job
from objectspace.pipeline.results import DetectedImage, ImageResult, Outcome, ReadImage, SkippedImage
from objectspace.pipeline.stages import cut, cut_box, decode, encode
from tests.jobs.fakes import GREEN, FakeDetector, FakePrompter, MeanColor, save


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_a_box_of_a_reduced_photo_is_cut_at_its_scale(factor: int) -> None:
    """Of a photo of 80 x 40 the pixels 8 to 32 across and 4 to 20 down."""
    pixels = np.random.default_rng(0).integers(0, 256, (40 // factor, 80 // factor, 3), np.uint8)
    found = cut_box(Image("i", "a.png", pixels, 80, 40), np.array([8, 4, 32, 20], np.float32))
    expected = pixels[4 // factor : 20 // factor, 8 // factor : 32 // factor]
    np.testing.assert_array_equal(found, expected)


def test_a_photo_in_which_words_fail_fails_alone(tmp_path: Path) -> None:
    names = ["0", "1", "2", "3", "bad", "5", "6"]
    for number, name in enumerate(names):
        save(tmp_path / f"{name}.png", number)
    photos = [tmp_path / f"{name}.png" for name in names]
    job = Job(prompts=FakePrompter(), encoder=MeanColor()).load()  # type: ignore[arg-type]
    outcomes = list(run(photos, job, lambda image_id, contents: False))
    assert [outcome.path for outcome in outcomes] == list(map(str, photos))
    for name, outcome in zip(names, outcomes, strict=True):
        if name == "bad":
            assert isinstance(outcome, Failure)
        else:
            assert isinstance(outcome, ImageResult)
            assert outcome.objects.label.tolist() == ["apple", "couch"]
            assert (outcome.objects.image_id == outcome.image_id).all()


def test_every_photo_has_the_vectors_of_its_own_crops(tmp_path: Path) -> None:
    """Crops of one color each, two a photo, in passes of four that run on from photo to photo."""
    colors = [(200, 0, 0), (0, 0, 180), (90, 90, 0), (0, 120, 120), (250, 250, 250)]
    for number, color in enumerate(colors):
        save(tmp_path / f"{number}.png", number, small=color)
    photos = [tmp_path / f"{number}.png" for number in range(len(colors))]
    job = Job(prompts=FakePrompter(), encoder=MeanColor()).load()  # type: ignore[arg-type]
    for color, outcome in zip(colors, run(photos, job, lambda image_id, contents: False), strict=True):
        assert isinstance(outcome, ImageResult)
        (rows,) = outcome.vectors.values()
        assert rows.object_id.tolist() == outcome.objects.object_id.tolist()
        np.testing.assert_allclose(rows.vectors, [color, GREEN], atol=1)


# ------------------------------------------------------------------------------------------- scales of photos


class Sees(FakeDetector):
    """Its input for a photo is the size of the pixels that it was given."""

    def __init__(self, name: str, input_wh: tuple[int, int]) -> None:
        super().__init__()
        self.name, self.input_wh = name, input_wh

    def prepare(self, image: Image) -> Any:
        assert (image.width, image.height) == (1600, 1200)
        return image.pixels.shape[1::-1]


def large_photo() -> bytes:
    """Return a JPEG of 1600 x 1200 pixels, which can be decoded at 1/2, 1/4 and 1/8."""
    file = BytesIO()
    PIL.Image.fromarray(np.full((1200, 1600, 3), 90, np.uint8)).save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("detector_wh", "encoder_wh", "parts", "seen", "kept"),
    [
        ((150, 150), None, {}, {"d": (200, 150)}, (200, 150)),
        ((300, 301), None, {}, {"d": (800, 600)}, (800, 600)),
        ((1500, 900), None, {}, {"d": (1600, 1200)}, (1600, 1200)),
        ((150, 150), None, {"encoder": MeanColor()}, {"d": (200, 150)}, (1600, 1200)),
        # What the other network needs changes nothing of what one sees, whichever is larger.
        ((150, 150), (400, 300), {}, {"d": (200, 150), "e": (400, 300)}, (400, 300)),
        ((400, 300), (150, 150), {}, {"d": (400, 300), "e": (200, 150)}, (200, 150)),
        ((1500, 900), (150, 150), {}, {"d": (1600, 1200), "e": (1600, 1200)}, (1600, 1200)),
        # Words, not the detector, find the objects.
        ((150, 150), (400, 300), {"prompts": FakePrompter()}, {"e": (400, 300)}, (1600, 1200)),
        ((150, 150), None, {"prompts": FakePrompter()}, {"d": (200, 150)}, (1600, 1200)),
    ],
)
def test_a_network_sees_a_photo_at_the_scale_that_it_needs(
    detector_wh: tuple[int, int],
    encoder_wh: tuple[int, int] | None,
    parts: dict[str, Any],
    seen: dict[str, tuple[int, int]],
    kept: tuple[int, int],
) -> None:
    encoder_map = None if encoder_wh is None else Sees("e", encoder_wh)
    job = Job(detector=Sees("d", detector_wh), encoder_map=encoder_map, **parts).load()
    decoded = decode(ReadImage("a.jpg", "1" * 32, large_photo(), "labels"), job)
    assert decoded.inputs == seen
    assert decoded.image.pixels.shape == (kept[1], kept[0], 3)
    assert decoded.contents == "labels"


# ---------------------------------------------------------------------------------------- vectors of crops


def spotted(name: str, colors: list[tuple[int, int, int]], job: Any) -> ImageResult:
    """Return the result, not yet encoded, of a photo with an object of each color, 10 pixels wide."""
    pixels = np.zeros((20, 10 * max(1, len(colors)), 3), np.uint8)
    for number, color in enumerate(colors):
        pixels[:, 10 * number : 10 * number + 10] = color
    boxes = np.float32([[10 * n + 1, 2 + n % 3, 10 * n + 9, 10 + n % 3] for n in range(len(colors))]).reshape(
        -1, 4
    )
    labels = [f"{n}" for n in range(len(colors))]
    objects = make_objects(image_id=f"{name:0>32}", xyxy=boxes, label=labels, source="s@1")
    image = Image(f"{name:0>32}", f"{name}.png", pixels, *pixels.shape[1::-1])
    return cut(DetectedImage(image, objects, (Failure(name, "half of it"),), f"contents {name}"), job)


class OddColors(MeanColor):
    """Infinity for crops whose first color is above 200."""

    def embed(self, crops: np.ndarray) -> np.ndarray:
        vectors = super().embed(crops)
        return np.where(vectors[:, :1] > 200, np.inf, vectors)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 100])
def test_vectors_come_to_their_objects_however_photos_and_batches_are_cut(batch_size: int) -> None:
    """Unequal numbers of objects, none among them, beside photos that were skipped or failed."""
    encoder = OddColors()
    encoder.batch_size = batch_size
    job = Job(detector=FakeDetector(), encoder=encoder, crop=CropPolicy(margin=0.0)).load()
    rng = np.random.default_rng(3)
    drawn = [
        [tuple(color) for color in rng.integers(0, 200, (count, 3)).tolist()]
        for count in (2, 0, 5, 1, 0, 3, 1, 4)
    ]
    drawn[2][3] = (250, 0, 0)
    before: list[Outcome] = [spotted(str(n), colors, job) for n, colors in enumerate(drawn)]
    before[1:1] = [SkippedImage("s.png", "5" * 32)]
    before[5:5] = [Failure("f.png", "is broken"), SkippedImage("t.png", "6" * 32)]
    after = list(encode(before, job))
    assert [one.path for one in after] == [one.path for one in before]
    colors_of = {f"{n}.png": colors for n, colors in enumerate(drawn)}
    for one, other in zip(before, after, strict=True):
        if not isinstance(one, ImageResult):
            assert other is one
        elif one.path == "2.png":
            assert isinstance(other, Failure)
            assert "NaN or infinity" in other.reason
        else:
            assert isinstance(other, ImageResult)
            assert other.crops is None
            assert (other.contents, other.problems) == (one.contents, one.problems)
            colors = colors_of[one.path]
            assert set(other.vectors) == ({"color-crop"} if colors else set())
            for rows in other.vectors.values():
                assert rows.object_id.tolist() == one.objects.object_id.tolist()
                np.testing.assert_allclose(rows.vectors, colors, atol=1)
    # Batches are full but for the last.
    count = sum(map(len, drawn))
    assert sorted(encoder.calls, reverse=True) == [batch_size] * (count // batch_size) + [
        count % batch_size
    ] * (count % batch_size > 0)


def test_what_is_cut_of_a_photo() -> None:
    """Thumbnails of each box in order, the photo's own size, and crops only for an encoder."""
    colors = [(10, 20, 30), (200, 0, 90), (0, 180, 0)]
    with_encoder = Job(detector=FakeDetector(), encoder=MeanColor(), crop=CropPolicy(margin=0.0)).load()
    result = spotted("7", colors, with_encoder)
    assert (result.width, result.height, result.path) == (30, 20, "7.png")
    for color, thumbnail, box in zip(colors, result.thumbnails, result.objects.xyxy, strict=True):
        picture = PIL.Image.open(BytesIO(thumbnail))
        assert picture.size == (box[2] - box[0], box[3] - box[1])
        np.testing.assert_allclose(np.asarray(picture).mean((0, 1)), color, atol=4)
    assert isinstance(result.crops, np.ndarray)
    np.testing.assert_allclose(result.crops.mean((1, 2)), colors, atol=1)
    without: Detector = FakeDetector()
    assert spotted("7", colors, Job(detector=without).load()).crops is None


def test_photos_up_to_the_largest_are_cut_by_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """But none without objects, and none that was decoded at a reduced scale."""
    monkeypatch.setattr(stages, "cuts_on_device", lambda encoder, policy: True)
    monkeypatch.setattr(stages, "stage_photo", lambda image, objects, device: (image.path, len(objects)))
    monkeypatch.setattr(stages, "LARGEST_PHOTO", 20 * 30 * 3)
    job = Job(detector=FakeDetector(), encoder=MeanColor()).load()
    colors = [(10, 20, 30), (200, 0, 90), (0, 180, 0), (9, 9, 9)]
    crops = [spotted(str(count), colors[:count], job).crops for count in range(5)]
    assert crops[1:4] == [("1.png", 1), ("2.png", 2), ("3.png", 3)]
    assert [np.shape(crops[count]) for count in (0, 4)] == [(0, 8, 8, 3), (4, 8, 8, 3)]
    objects = make_objects(image_id="1" * 32, xyxy=np.float32([[1, 1, 9, 9]]), label=["a"], source="s@1")
    reduced = Image("1" * 32, "a.png", np.zeros((10, 15, 3), np.uint8), 30, 20)
    assert np.shape(cut(DetectedImage(reduced, objects), job).crops) == (1, 8, 8, 3)
