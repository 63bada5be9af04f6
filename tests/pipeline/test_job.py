from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from objectspace.embeddings.crops import CropPolicy
from objectspace.errors import DownloadError, InputError
from objectspace.models.detectors import load_detector
from objectspace.models.encoders import load_encoder
from objectspace.objects.annotations import AnnotationSet, objects_reader, open_annotations
from objectspace.objects.annotations.image_factors import factors_from_pattern
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
]


@pytest.mark.parametrize(("make", "message"), BAD_JOBS, ids=[message for _, message in BAD_JOBS])
def test_impossible_jobs_are_refused(make: Callable[[], Job], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


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
