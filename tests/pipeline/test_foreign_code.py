"""Encoders, detectors and readers of the user's own: what goes wrong in one is a sentence that names it."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from objectspace.errors import InputError, ModelError, ObjectspaceError
from objectspace.jobs.index import index
from objectspace.objects.annotations import objects_reader
from objectspace.objects.annotations.annotation_reader import Annotated
from objectspace.objects.records import make_objects
from objectspace.pipeline.job import Job
from objectspace.store import open_store
from tests.jobs.fakes import FakeDetector, MeanColor, save


@pytest.fixture
def images(tmp_path) -> list[Path]:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(4):
        save(folder / f"{number}.png", number)
    return sorted(folder.iterdir())


class Odd(MeanColor):
    """An encoder that returns what ``change`` makes of the vectors of its third batch."""

    batch_size = 2

    def __init__(self, change) -> None:
        super().__init__()
        self.change = change

    def embed(self, crops):
        vectors = super().embed(crops)
        return self.change(vectors) if len(self.calls) == 3 else vectors


def broken(vectors):
    raise KeyError("layer 7")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda v: v[:, :2], r"encoder color: embed returned float32 of shape \(2, 2\), expected float32 of"),
        (lambda v: v[:1], r"embed returned float32 of shape \(1, 3\), expected float32 of shape \(2, 3\)"),
        (lambda v: v.tolist(), "encoder color: embed returned list, expected float32 of shape"),
        (lambda v: None, "encoder color: embed returned NoneType, expected float32 of shape"),
        (lambda v: v.astype(str), "encoder color: embed returned <U"),
        (lambda v: v.astype(complex), "encoder color: embed returned complex"),
        (broken, "encoder color: embed of 2 crops raised KeyError: 'layer 7'"),
    ],
)
def test_an_encoder_that_goes_wrong_in_its_third_batch(images, tmp_path, change, sentence):
    job = Job(detector=FakeDetector(), encoder=Odd(change), pools=())
    with pytest.raises(ModelError, match=sentence) as refused:
        index(images, tmp_path / "s.osp", job)
    assert "\n" not in str(refused.value)
    # The traceback that is kept here keeps no threads.
    assert not [one.name for one in threading.enumerate() if one.name.startswith(("ahead", "torch default"))]
    # What was finished before is kept, and a mended encoder goes on from there.
    kept = open_store(tmp_path / "s.osp").info().images
    summary = index(images, tmp_path / "s.osp", Job(detector=FakeDetector(), encoder=MeanColor(), pools=()))
    assert (summary.known, summary.indexed) == (kept, 4 - kept)


def test_integers_and_doubles_are_numbers(images, tmp_path):
    job = Job(detector=FakeDetector(), encoder=Odd(lambda v: v.astype(np.float64)), pools=())
    assert index(images, tmp_path / "s.osp", job).indexed == 4


@pytest.mark.parametrize("value", [Path("x"), {1, 2}, np.float32(8)])
def test_a_recipe_that_json_cannot_hold(images, tmp_path, value):
    encoder = MeanColor()
    encoder.preprocessing = {"size": value}
    with pytest.raises(InputError, match=r"the recipe of color holds a \w+ under 'preprocessing.size'"):
        index(images, tmp_path / "s.osp", Job(detector=FakeDetector(), encoder=encoder, pools=()))


def test_loading_arguments_that_json_cannot_hold(images, tmp_path):
    encoder = MeanColor()
    encoder.loaded_from = {"weights": Path("x")}
    with pytest.raises(InputError, match=r"loaded_from of color@e+ holds a \w+ under 'weights'"):
        index(images, tmp_path / "s.osp", Job(detector=FakeDetector(), encoder=encoder, pools=()))


class Reader:
    """A reader that returns what ``answer`` makes of an image."""

    source = "mine@1"
    factor_names = ()

    def __init__(self, answer) -> None:
        self.recipe = {"format": "mine"}
        self.objects_of = answer

    def contents(self, photo):
        return "x"

    def files(self, photo):
        return ()


def whole(image, **changed):
    given = {"image_id": image.image_id, "label": ["a"], "source": "mine@1"}
    return make_objects(**{**given, **changed}, xyxy=np.float32([[1, 1, 9, 9]]))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda image: [1, 2], "annotation reader Reader: objects_of returned list, expected Annotated with"),
        (whole, "annotation reader Reader: objects_of returned Objects, expected Annotated with Objects"),
        (lambda image: Annotated(whole(image, image_id="f" * 32)), "returned objects of another image than"),
        (lambda image: 1 / 0, "annotation reader Reader: objects_of .* raised ZeroDivisionError: division"),
        (
            lambda image: Annotated(whole(image, label=[None])),
            r"label is \[None\] of type list, expected a list \(each a text\)",
        ),
        (
            lambda image: Annotated(whole(image, score=np.float32([np.inf]))),
            "4 rows for table objects, whose score is outside 0 to 1",
        ),
    ],
)
def test_a_reader_that_returns_something_else(images, tmp_path, answer, sentence):
    job = Job(annotations=Reader(answer), encoder=MeanColor(), pools=())
    with pytest.raises(ObjectspaceError, match=sentence) as refused:
        index(images, tmp_path / "s.osp", job)
    assert "\n" not in str(refused.value)
    assert open_store(tmp_path / "s.osp").info().objects == 0


def test_a_detector_that_raises_fails_the_image_by_name(images, tmp_path):
    class Raises(FakeDetector):
        def find_objects(self, run, row, image_id, frame, **thresholds):
            raise IndexError("no such head")

    summary = index(images, tmp_path / "s.osp", Job(detector=Raises(), encoder=MeanColor(), pools=()))
    assert len(summary.failures) == 4
    assert "detector fake: find_objects in" in summary.failures[0].reason
    assert summary.failures[0].reason.endswith("raised IndexError: no such head")


def test_readers_that_are_whole_still_work(images, tmp_path):
    from objectspace.images import read_image

    found = {path: whole(read_image(path)) for path in images}
    job = Job(annotations=objects_reader(found), encoder=MeanColor(), pools=())
    assert index(images, tmp_path / "s.osp", job).objects == 4
