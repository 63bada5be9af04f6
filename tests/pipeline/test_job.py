from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from objectspace.embeddings.crops import CropPolicy
from objectspace.errors import DownloadError, InputError, ModelError
from objectspace.models.detectors import load_detector
from objectspace.models.encoders import load_encoder
from objectspace.objects.annotations import AnnotationSet, objects_reader, open_annotations
from objectspace.objects.annotations.image_factors import FactorTable, factors_from_pattern
from objectspace.objects.records import make_objects
from objectspace.pipeline.job import Job
from objectspace.pipeline.specs import (
    AnnotationSpec,
    DetectorSpec,
    EncoderSpec,
    FactorTableSpec,
    MaskSpec,
    PromptSpec,
)
from tests.jobs.fakes import FakeDetector, FakePrompter, MeanColor


def coco(folder: Path) -> AnnotationSet:
    document = {
        "images": [{"id": 1, "file_name": "7.jpg"}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2], "attributes": {"yaw": 1}}
        ],
    }
    (folder / "coco.json").write_text(json.dumps(document))
    return open_annotations(folder / "coco.json", format="coco")


def voc(folder: Path) -> AnnotationSet:
    (folder / "7.xml").write_text(
        "<annotation><filename>7.jpg</filename><object><name>cat</name><attributes><attribute><name>yaw</name>"
        "<value>1</value></attribute></attributes></object></annotation>"
    )
    return open_annotations(folder, format="voc")


def in_memory(folder: Path) -> AnnotationSet:
    box = np.array([[1, 1, 2, 2]], np.float32)
    objects = make_objects(
        image_id="a" * 32, xyxy=box, label=["cat"], source="s", factors={"yaw": np.array([1.0])}
    )
    return objects_reader({folder / "7.jpg": objects})


@pytest.mark.parametrize("opened", [coco, voc, in_memory])
def test_a_factor_of_the_annotations_and_of_the_photos(
    tmp_path: Path, opened: Callable[[Path], AnnotationSet]
) -> None:
    encoder = load_encoder("demo")
    factors = factors_from_pattern(r"(?P<yaw>\d)", ["7.jpg"])
    sentence = (
        "factor yaw comes from the annotations and from the photos' table or pattern; rename one of them"
    )
    with pytest.raises(InputError, match=sentence):
        Job(encoder=encoder, annotations=opened(tmp_path), factors=factors).load()
    others = factors_from_pattern(r"(?P<pitch>\d)", ["7.jpg"])
    assert Job(encoder=encoder, annotations=opened(tmp_path), factors=others).load().factors is others


BAD_JOBS: list[tuple[Callable[[], Job], str]] = [
    (lambda: Job(encoder=MeanColor()), "nothing finds the objects"),
    (lambda: Job(detector=FakeDetector(), pools=()), "nothing embeds the objects"),
    (lambda: Job(detector=FakeDetector(), confidence=2), "confidence is 2"),
    (lambda: Job(detector=FakeDetector(), iou=float("nan")), "iou is nan"),
    (lambda: Job(detector=FakeDetector(), pools=("window0",)), "pooling 'window0' is not known"),
    (lambda: Job(detector=FakeDetector(), replaces=True), "only annotations say"),
    (lambda: Job(detector=FakeDetector(), confidence=-0.1), "confidence is -0.1, expected a number from 0"),
    (lambda: Job(detector=FakeDetector(), iou=1.1), "iou is 1.1, expected a number from 0 to 1"),
    (lambda: Job(detector=FakeDetector(), vectors="float64"), "vectors is 'float64'"),  # type: ignore[arg-type]
    (
        lambda: Job(encoder="demo", annotations="labels", prompts="apple"),
        "objects come from words or from annotations; give one of them",
    ),
    (lambda: Job(annotations="labels"), "nothing embeds the objects"),
    (lambda: Job(annotations="labels", encoder_map="demo", pools=()), "nothing embeds the objects"),
    (
        lambda: Job(detector=3, encoder="demo"),  # type: ignore[arg-type]
        "detector is 3 of type int, expected a name, a path, a DetectorSpec or an object that does the same",
    ),
    (
        lambda: Job(detector="demo", encoder="demo", annotations=[1]),  # type: ignore[arg-type]
        r"annotations is \[1\] of type list, expected a name, a path, a AnnotationSpec or MaskSpec or an",
    ),
]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Job(detector=FakeDetector()),
        lambda: Job(detector=FakeDetector(), confidence=0, iou=1),
        lambda: Job(detector=FakeDetector(), confidence=1, iou=0),
        lambda: Job(annotations="labels", encoder_map="demo"),
        lambda: Job(prompts="apple", encoder_map="demo"),
        lambda: Job(annotations="labels", encoder="demo", pools=(), replaces=True),
        lambda: Job(detector="demo", annotations="labels", pools=("window1",)),
    ],
)
def test_possible_jobs_are_made(make: Callable[[], Job]) -> None:
    make()


@pytest.mark.parametrize(("make", "message"), BAD_JOBS, ids=[message for _, message in BAD_JOBS])
def test_impossible_jobs_are_refused(make: Callable[[], Job], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_a_job_shows_what_differs_from_the_defaults() -> None:
    assert repr(Job(detector="demo")) == "Job(detector='demo')"
    crop = CropPolicy("blur")
    job = Job(
        prompts="apple", encoder="demo", pools=(), crop=crop, confidence=0.5, device="cpu", replaces=False
    )
    assert repr(job) == f"Job(pools=(), crop={crop!r}, confidence=0.5, encoder='demo', prompts='apple')"


def test_policy_is_part_of_the_recipe() -> None:
    job = Job(detector=FakeDetector(), encoder=MeanColor())
    blurred = replace(job, crop=CropPolicy(background="blur"))
    assert job.load().digest != blurred.load().digest
    assert "color-crop-blur" in blurred.load().recipes


@pytest.mark.parametrize(
    ("found_by", "count"),
    [({}, True), ({"annotations": objects_reader({})}, False), ({"prompts": FakePrompter()}, False)],
)
def test_thresholds_count_where_the_detector_finds_the_objects(found_by: dict, count: bool) -> None:
    job = Job(detector=FakeDetector(), encoder=MeanColor(), **found_by)
    digests = {replace(job, confidence=confidence).load().digest for confidence in (0.3, 0.4)}
    assert (len(digests) == 2) == count


def test_spaces_of_heads_are_named_by_their_strides_and_by_their_taps_where_these_are_alike() -> None:
    detector = FakeDetector()
    job = Job(detector=detector, pools=("window1",), scale="own")
    assert set(job.load().recipes) == {"fake-window1-stride32", "fake-window1-stride16"}
    detector.heads = (replace(detector.heads[0], stride=16), detector.heads[1])
    assert set(job.load().recipes) == {"fake-window1-stride16-8", "fake-window1-stride16-18"}


def test_every_part_has_its_recipe_and_its_arguments() -> None:
    """Detector, encoder of crops, encoder of whole images and words at once."""
    detector, crops, whole, words = FakeDetector(), MeanColor(), FakeDetector(), FakePrompter()
    whole.name, whole.recipe, whole.loaded_from = "whole", {"weights": "a" * 64}, {"name": "whole"}
    parts = {
        "detector": detector,
        "encoder": crops,
        "encoder_map": whole,
        "pools": ("cell", "window3", "window1"),
    }
    detected = Job(**parts).load()
    prompted = Job(**parts, prompts=words).load()
    annotated = Job(**parts, annotations=objects_reader({}), factors=None).load()
    stacked = {f"whole-window{size}-stride{stride}" for size in (1, 3) for stride in (16, 32)}
    for job in (detected, prompted, annotated):
        # A cell is a window of one cell; the maps are the encoder's, whatever finds the objects.
        assert set(job.recipes) == {"color-crop", *stacked}
        assert job.map_source is whole
        assert job.recipes["whole-window3-stride16"].window == 3
    assert (detected.detects, prompted.detects, annotated.detects) == (True, False, False)
    assert detected.sources == {"fake@0": {"weights": "d" * 64}}
    assert prompted.sources == {"words@0": words.recipe}
    assert list(annotated.sources) != list(detected.sources)
    named = {f"fake@{'d' * 12}": {"name_or_cfg": "fake"}, f"whole@{'a' * 12}": {"name": "whole"}}
    named[f"color@{'e' * 12}"] = {"name": "color"}
    assert detected.models == annotated.models == named
    assert prompted.models == {**named, f"words@{'d' * 12}": {"name": "words"}}
    assert len({job.digest for job in (detected, prompted, annotated)}) == 3


def test_without_poolings_no_map_is_read_and_the_deepest_head_alone_by_its_name() -> None:
    job = Job(detector=FakeDetector(), encoder=MeanColor(), pools=()).load()
    assert job.map_source is None
    assert set(job.recipes) == {"color-crop"}
    detector = FakeDetector()
    detector.query_dimension = 4
    deepest = Job(detector=detector, pools=("cell", "roi"), scale="deepest", suffix="-b").load()
    assert set(deepest.recipes) == {"fake-query-b", "fake-window1-deepest-b", "fake-roi7-deepest-b"}
    assert {recipe.stride for name, recipe in deepest.recipes.items() if "deepest" in name} == {32}


def test_a_job_goes_through_json_and_pickle() -> None:
    job = Job(
        detector=DetectorSpec("x.cfg", "x.weights", resize="letterbox"),
        encoder="resnet50",
        encoder_map=EncoderSpec("demo"),
        annotations=MaskSpec("masks", label="apple"),
        factors=FactorTableSpec(table="angles.csv"),
        pools=("window1", "cell"),
        crop=CropPolicy("blur", 0.5),
        replaces=True,
        precision="float32",
    )
    assert Job.from_json(json.loads(json.dumps(job.to_json()))) == job
    assert pickle.loads(pickle.dumps(job)) == job  # noqa: S301 - our own bytes
    words = Job(prompts=PromptSpec(("apple", "red car")), encoder="demo")
    assert Job.from_json(json.loads(json.dumps(words.to_json()))) == words
    annotated = Job(annotations=AnnotationSpec("labels", "coco"), encoder="demo")
    assert Job.from_json(annotated.to_json()) == annotated


def test_paths_are_written_as_text() -> None:
    job = Job(detector=DetectorSpec(Path("x.cfg"), Path("x.weights")), encoder="demo")
    assert job.to_json()["detector"]["weights"] == "x.weights"


@pytest.mark.parametrize("write", [Job.to_json, pickle.dumps])
@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"encoder": MeanColor()}, "encoder is an object of MeanColor, .* give it as EncoderSpec"),
        ({"detector": FakeDetector()}, "detector is an object of FakeDetector, .* give it as DetectorSpec"),
        ({"annotations": objects_reader({})}, "annotations is an .* give it as AnnotationSpec or MaskSpec"),
    ],
)
def test_a_job_with_an_object_is_neither_written_nor_sent(
    write: Callable[[Job], object], parts: dict[str, object], sentence: str
) -> None:
    job = Job(**{"detector": "demo", "encoder": "demo", **parts})
    with pytest.raises(InputError, match=sentence):
        write(job)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"detector": "demo", "color": 1}, "unknown keys color; it was written by a newer objectspace"),
        ({"detector": {"weights": "x"}}, "detector has the keys weights; expected name_or_cfg, weights"),
        ({"annotations": {"path": "a", "label": "b"}}, "expected path, format, names or folder, pattern"),
    ],
)
def test_json_of_no_job_is_refused(value: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Job.from_json(value)


def test_names_and_objects_load_the_same_job() -> None:
    named = Job(detector="demo", encoder=EncoderSpec("demo"), precision="float32").load()
    detector = load_detector("demo", precision="float32")
    handed_in = Job(detector=detector, encoder=load_encoder("demo", precision="float32")).load()
    assert handed_in.detector is detector
    assert named.digest == handed_in.digest


def test_files_are_read_with_the_images_of_the_job(tmp_path: Path) -> None:
    (tmp_path / "angles.csv").write_text("file,angle\n7.jpg,30\n")
    job = Job(
        detector="demo",
        encoder="demo",
        factors=FactorTableSpec(pattern=r"(?P<number>\d)", table=tmp_path / "angles.csv"),
    )
    factors = job.load([Path("7.jpg")]).factors
    assert factors is not None
    assert factors.of("7.jpg") == {"number": 7.0, "angle": 30.0}


def test_a_column_of_labels_needs_mask_images(tmp_path: Path) -> None:
    job = Job(detector="demo", encoder="demo", factors=FactorTableSpec(pattern=r"(?P<label>\w+)"))
    with pytest.raises(InputError, match="column 'label' names the objects of mask images only"):
        job.read([Path("cat.jpg")])
    masks = replace(job, annotations=MaskSpec(tmp_path))
    assert masks.read([Path("cat.jpg")]).annotations is not None


@pytest.mark.parametrize("as_path", [False, True])
def test_paths_of_annotations_and_tables_are_read(tmp_path: Path, as_path: bool) -> None:
    """Of YOLO's labels and of a table; what is an object is handed on."""
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "7.txt").write_text("0 0.5 0.5 0.25 0.25\n")
    (tmp_path / "angles.csv").write_text("file,angle\n7.jpg,30\n")
    given = [tmp_path / "labels", tmp_path / "angles.csv"]
    annotations, factors = given if as_path else map(str, given)
    ready = Job(encoder="demo", annotations=annotations, factors=factors).read([Path("7.jpg")])
    assert isinstance(ready.factors, FactorTable)
    assert ready.factors.of("7.jpg") == {"angle": 30.0}
    assert not isinstance(ready.annotations, str | Path | AnnotationSpec | None)
    assert ready.annotations.recipe["format"] == "yolo"
    again = Job(encoder="demo", annotations=ready.annotations, factors=ready.factors).read()
    assert again.annotations is ready.annotations
    assert again.factors is ready.factors


def test_a_table_of_ones_own_may_have_a_column_of_labels() -> None:
    table = factors_from_pattern(r"(?P<label>\w+)", ["cat.jpg"])
    assert Job(detector="demo", encoder="demo", factors=table).read().factors is table


def test_a_network_that_cannot_be_has_its_own_error_and_several_have_one(tmp_path: Path) -> None:
    missing = tmp_path / "missing.weights"
    with pytest.raises(ModelError) as of_one:
        Job(detector=DetectorSpec("yolov3", missing), encoder="demo").load()
    assert "missing.weights" in str(of_one.value)
    with pytest.raises(ModelError) as of_other:
        Job(detector="demo", encoder=EncoderSpec("resnet50", tmp_path / "absent.pth")).load()
    with pytest.raises(InputError) as of_both:
        Job(
            detector=DetectorSpec("yolov3", missing), encoder=EncoderSpec("resnet50", tmp_path / "absent.pth")
        ).load()
    assert str(of_both.value) == f"{of_one.value}; {of_other.value}"


def test_networks_are_loaded_where_the_job_says(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, tuple[Any, ...]] = {}

    def answer(name: str, part: Any) -> Callable[..., Any]:
        return lambda spec, *where: asked.__setitem__(name, (spec, *where)) or part

    parts = {"detector": FakeDetector(), "encoder": MeanColor(), "encoder_map": FakeDetector()}
    monkeypatch.setattr(DetectorSpec, "load", answer("detector", parts["detector"]))
    monkeypatch.setattr(EncoderSpec, "load", answer("encoder", parts["encoder"]))
    monkeypatch.setattr(EncoderSpec, "load_map", answer("encoder_map", parts["encoder_map"]))
    monkeypatch.setattr(PromptSpec, "load", answer("prompts", prompter := FakePrompter()))
    names = {"detector": "yolov3", "encoder": "resnet50", "encoder_map": "resnet18", "prompts": "apple"}
    job = Job(**names, device="cuda:1", precision="bfloat16", pools=("cell",), iou=0.5).load()  # type: ignore[arg-type]
    where = ("cuda:1", "bfloat16")
    assert asked == {
        "detector": (DetectorSpec("yolov3"), *where),
        "encoder": (EncoderSpec("resnet50"), *where),
        "encoder_map": (EncoderSpec("resnet18"), *where),
        "prompts": (PromptSpec("apple"), "cuda:1"),
    }
    assert (job.detector, job.encoder, job.encoder_map) == tuple(parts.values())
    assert job.prompts is prompter
    assert (job.pools, job.iou, job.confidence) == (("cell",), 0.5, 0.25)


def test_all_weights_that_are_missing_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(spec: DetectorSpec | EncoderSpec, *_: str) -> None:
        raise DownloadError(f"no weights of {type(spec).__name__}")

    for kind in (DetectorSpec, EncoderSpec):
        monkeypatch.setattr(kind, "load", refuse)
    with pytest.raises(DownloadError) as caught:
        Job(detector="yolov3", encoder="resnet50").load()
    both = "no weights of DetectorSpec. no weights of EncoderSpec"
    assert (
        str(caught.value) == f"{both}. Objects that are annotated already need no detector: give annotations="
    )
    with pytest.raises(DownloadError, match=r"^no weights of EncoderSpec$"):
        Job(encoder="resnet50", annotations=objects_reader({})).load()
