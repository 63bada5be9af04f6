from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from objectspace.errors import AnnotationError
from objectspace.images import image_from_array
from objectspace.objects.annotations import AnnotationSet, open_annotations

NOTES = json.dumps({"categories": [{"id": 1, "name": "dent"}, {"id": 0, "name": "scratch"}], "info": {}})


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    (tmp_path / "set/labels").mkdir(parents=True)
    (tmp_path / "set/labels/7.txt").write_text("0 0.5 0.5 0.2 0.2\n1 0.5 0.5 0.4 0.4\n")
    return tmp_path / "set/labels"


def named(reader: AnnotationSet) -> list[str]:
    return reader.objects_of(
        image_from_array(np.zeros((9, 9, 3), np.uint8), path="7.jpg")
    ).objects.label.tolist()


@pytest.mark.parametrize("place", ["labels", "."])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.txt", "scratch\ndent\n"),
        ("obj.names", "scratch\ndent\n"),
        ("_darknet.labels", "scratch\ndent\n"),
        ("notes.json", NOTES),
        ("data.yaml", "names: [scratch, dent]\n"),
    ],
)
def test_classes_are_named_by_the_list_beside_the_labels(
    labels: Path, name: str, text: str, place: str
) -> None:
    path = labels.parent / place / name
    path.write_text(text)
    reader = open_annotations(labels)
    assert named(reader) == ["scratch", "dent"]
    (note,) = reader.coverage(["7.jpg"]).notes
    assert note == f"the 2 classes are named by {path.resolve()}"


def test_names_that_are_given_count_more(labels: Path) -> None:
    (labels / "classes.txt").write_text("scratch\ndent\n")
    reader = open_annotations(labels, names=["a", "b"])
    assert named(reader) == ["a", "b"]
    assert reader.coverage(["7.jpg"]).notes == ()


def test_it_is_told_that_cocos_names_are_assumed(labels: Path) -> None:
    reader = open_annotations(labels)
    assert named(reader) == ["person", "bicycle"]
    (note,) = reader.coverage(["7.jpg"]).notes
    assert note.startswith(
        "the classes are taken for COCO's 80 (0 is person), as no classes.txt, obj.names, "
    )


@pytest.mark.parametrize(
    ("name", "text"), [("notes.json", "[]"), ("notes.json", "{"), ("data.yaml", "names: 3")]
)
def test_a_list_beside_the_labels_that_cannot_be_read_is_no_reason_to_guess(
    labels: Path, name: str, text: str
) -> None:
    (labels / name).write_text(text)
    with pytest.raises(AnnotationError, match=rf"{name}: .*name the classes by names="):
        open_annotations(labels)


def test_two_classes_of_a_list_stay_two_where_a_new_spelling_would_merge_them(labels: Path) -> None:
    (labels / "classes.txt").write_text("sofa\ncouch\n")
    assert named(open_annotations(labels)) == ["sofa", "couch"]
