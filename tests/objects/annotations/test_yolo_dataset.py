from __future__ import annotations

import contextlib
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from objectspace.errors import AnnotationError
from objectspace.images import Image, image_from_array
from objectspace.objects.annotations import open_annotations
from objectspace.objects.annotations.yolo_dataset import label_file, open_yolo_dataset

BOX = "0 0.5 0.5 0.2 0.4\n"


def photo(path: Path) -> Image:
    return image_from_array(np.zeros((50, 100, 3), np.uint8), path=str(path))


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.fixture
def coco2(tmp_path: Path) -> Path:
    """A data set as Ultralytics lays it out: the data.yaml of two splits."""
    folder = tmp_path / "coco2"
    write(
        folder,
        {
            "data.yaml": "path: .\ntrain: images/train\nval: images/val\nnames:\n  0: cat\n  1: sofa\n",
            "images/train/1.jpg": "",
            "images/val/2.jpg": "",
            "labels/train/1.txt": BOX,
            "labels/val/2.txt": "1 0.5 0.5 0.2 0.4\n",
        },
    )
    return folder


def labels(folder: Path, image: str, yaml_name: str = "data.yaml") -> list[str]:
    reader = open_annotations(folder / yaml_name)
    return reader.objects_of(photo(folder / image)).objects.label.tolist()


# Which label file


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("/d/images/train/1.jpg", "/d/labels/train/1.txt"),
        ("/d/train/images/1.a.png", "/d/train/labels/1.a.txt"),
        ("/images/d/images/x/1.jpg", "/images/d/labels/x/1.txt"),
        ("/d/my images/1.jpg", "/d/my images/1.txt"),
        ("/d/photos/1.jpg", "/d/photos/1.txt"),
    ],
)
def test_the_last_folder_images_becomes_labels(image: str, label: str) -> None:
    assert label_file(Path(image)) == Path(label)


@given(
    st.lists(st.sampled_from(["images", "labels", "a", "b.c"]), max_size=5),
    st.sampled_from(["1.jpg", "1.x.png"]),
)
def test_the_rule_is_that_of_ultralytics(folders: list[str], name: str) -> None:
    image = "/".join(["", *folders, name])
    # img2label_paths in ultralytics/data/utils.py, in words: split once from the right at /images/.
    expected = "/labels/".join(image.rsplit("/images/", 1)).rsplit(".", 1)[0] + ".txt"
    assert str(label_file(Path(image))) == expected


def test_objects_of_both_splits(coco2: Path) -> None:
    objects = open_annotations(coco2 / "data.yaml").objects_of(photo(coco2 / "images/train/1.jpg")).objects
    np.testing.assert_allclose(objects.xyxy, [[40, 15, 60, 35]], rtol=1e-6)
    assert objects.label.tolist() == ["cat"]
    assert labels(coco2, "images/val/2.jpg") == ["couch"]


def test_ids_are_those_of_the_same_labels_in_a_folder(coco2: Path) -> None:
    image = photo(coco2 / "images/train/1.jpg")
    folder = open_annotations(coco2 / "labels" / "train", names=["cat"])
    ids = open_annotations(coco2 / "data.yaml").objects_of(image).objects.object_id
    assert ids.tolist() == folder.objects_of(image).objects.object_id.tolist()


def test_a_photo_outside_the_data_set_has_no_objects(coco2: Path) -> None:
    write(coco2, {"images/other/1.jpg": "", "labels/other/1.txt": BOX})
    assert labels(coco2, "images/other/1.jpg") == []


def test_a_linked_folder_of_photos_is_the_same_folder(coco2: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(coco2 / "images")
    reader = open_annotations(coco2 / "data.yaml")
    assert len(reader.objects_of(photo(tmp_path / "link/train/1.jpg")).objects) == 1


# Which images


@pytest.mark.parametrize("entry", ["list.txt", ["list.txt"], ["images/val", "list.txt"]])
def test_a_list_names_images(coco2: Path, entry: Any) -> None:
    write(coco2, {"list.txt": "./images/train/1.jpg\n\nimages/train/gone.jpg\n"})
    (coco2 / "data.yaml").write_text(yaml.safe_dump({"train": entry, "names": ["cat", "dog"]}))
    assert labels(coco2, "images/train/1.jpg") == ["cat"]
    missing = open_annotations(coco2 / "data.yaml").coverage([coco2 / "images/train/1.jpg"]).missing
    assert any(name.endswith("labels/train/gone.txt") for name in missing)


def test_roboflow_writes_two_dots_before_what_lies_beside(tmp_path: Path) -> None:
    write(
        tmp_path / "set",
        {
            "data.yaml": "train: ../train/images\nval: ../valid/images\nnc: 1\nnames: ['cat']",
            "train/images/1.jpg": "",
            "train/labels/1.txt": BOX,
        },
    )
    assert labels(tmp_path / "set", "train/images/1.jpg") == ["cat"]


@pytest.mark.parametrize("path", ["coco2", "../elsewhere/coco2", "/content/coco2"])
def test_a_data_set_that_moved_is_found_beside_its_file(coco2: Path, path: str) -> None:
    (coco2 / "data.yaml").write_text(f"path: {path}\ntrain: images/train\nnames: [cat]\n")
    assert labels(coco2, "images/train/1.jpg") == ["cat"]


def test_a_path_starts_from_the_file(coco2: Path, tmp_path: Path) -> None:
    (tmp_path / "my.yml").write_text("path: coco2\ntrain: images/train\nnames: [cat]\n")
    assert labels(tmp_path, "coco2/images/train/1.jpg", "my.yml") == ["cat"]


def test_a_path_may_start_from_the_working_folder(coco2: Path, tmp_path: Path, monkeypatch) -> None:
    write(tmp_path, {"settings/my.yaml": "path: coco2\ntrain: images/train\nnames: [cat]\n"})
    monkeypatch.chdir(tmp_path)
    assert labels(tmp_path, "coco2/images/train/1.jpg", "settings/my.yaml") == ["cat"]


# Coverage and contents


def test_what_the_photos_and_the_data_set_do_not_share_is_counted(coco2: Path) -> None:
    write(coco2, {"labels/val/gone.txt": BOX, "labels/val/classes.txt": "cat"})
    photos = [coco2 / "images/train/1.jpg", coco2 / "images/train/bare.jpg", "elsewhere.jpg"]
    coverage = open_annotations(coco2 / "data.yaml").coverage(photos)
    assert [Path(name).name for name in coverage.missing] == ["2.txt", "gone.txt"]
    assert coverage.unnamed == (str(photos[1]), "elsewhere.jpg")


@pytest.mark.parametrize("change", ["label", "gone", "names"])
def test_another_digest_of_the_contents(coco2: Path, change: str) -> None:
    photos = [coco2 / "images/train/1.jpg", coco2 / "images/val/2.jpg"]
    first, second = map(open_annotations(coco2 / "data.yaml").contents, photos)
    assert open_annotations(coco2 / "data.yaml").contents(photos[0]) == first
    if change == "names":
        (coco2 / "data.yaml").write_text((coco2 / "data.yaml").read_text().replace("cat", "dog"))
    elif change == "label":
        write(coco2, {"labels/train/1.txt": BOX + BOX})
    else:
        (coco2 / "labels/train/1.txt").unlink()
    now = open_annotations(coco2 / "data.yaml")
    assert now.contents(photos[0]) != first
    assert (now.contents(photos[1]) == second) == (change != "names")


# What other machines write


@pytest.mark.parametrize("train", ["images\\train", ".\\images\\train\\", "..\\images\\train"])
def test_windows_paths_in_the_file(coco2: Path, train: str) -> None:
    (coco2 / "data.yaml").write_text(f"names: [cat, sofa]\ntrain: {train}\n")
    assert labels(coco2, "images/train/1.jpg") == ["cat"]


def test_windows_paths_in_a_list(coco2: Path) -> None:
    (coco2 / "list.txt").write_text("images\\train\\1.jpg\n.\\images\\val\\2.jpg\n")
    (coco2 / "data.yaml").write_text("names: [cat, sofa]\ntrain: list.txt\n")
    assert labels(coco2, "images/train/1.jpg") == ["cat"]
    assert labels(coco2, "images/val/2.jpg") == ["couch"]
    coverage = open_annotations(coco2 / "data.yaml").coverage([coco2 / "images/train/1.jpg"])
    assert [Path(name).parts[-3:] for name in coverage.missing] == [("labels", "val", "2.txt")]


@pytest.mark.parametrize(
    ("image", "label"),
    [("NFD", "NFC"), ("NFC", "NFD"), ("NFD", "NFD")],
)
def test_accents_of_macos_in_names(coco2: Path, image: str, label: str) -> None:
    photos, files = (unicodedata.normalize(form, "café") for form in (image, label))
    write(coco2, {f"images/val/{photos}.jpg": "", f"labels/val/{files}.txt": BOX})
    assert labels(coco2, f"images/val/{photos}.jpg") == ["cat"]
    (coco2 / "list.txt").write_text(f"images/val/{files}.jpg\n")
    (coco2 / "data.yaml").write_text("names: [cat, sofa]\ntrain: list.txt\n")
    assert labels(coco2, f"images/val/{photos}.jpg") == ["cat"]


@pytest.mark.parametrize("train", ["/home/me/ds/images/train", "C:\\ds\\images\\train"])
def test_a_path_of_another_machine_is_not_mended_by_path(coco2: Path, train: str) -> None:
    (coco2 / "data.yaml").write_text(f"path: .\nnames: [cat]\ntrain: {train}\n")
    with pytest.raises(AnnotationError) as caught:
        open_annotations(coco2 / "data.yaml")
    assert caught.value.reason.endswith(
        "it is a path of another machine; write train, val and test relative to this file's folder"
    )


# What cannot be used


def test_a_data_yaml_is_nested_thirty_two_deep_at_most(coco2: Path) -> None:
    """The file itself is the first."""
    text = (coco2 / "data.yaml").read_text()
    for deep, taken in ((32, True), (33, False)):
        (coco2 / "data.yaml").write_text(f"{text}\nmore: {'[' * (deep - 1)}{']' * (deep - 1)}\n")
        with (
            contextlib.nullcontext()
            if taken
            else pytest.raises(AnnotationError, match="is nested more than 32 deep")
        ):
            open_annotations(coco2 / "data.yaml")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty, expected a data.yaml: names, and train, val or test"),
        (
            "names: [cat]\ntrain: images\nkpt_shape: 17",
            "kpt_shape is 17, expected the points and the numbers",
        ),
        ("names: [cat]\ntrain: images\nkpt_shape: [0, 3]", "kpt_shape is a list of 2, expected the points"),
        ("just words", "holds 'just words', expected a data.yaml"),
        ("- 1\n- 2", "holds a list of 2, expected a data.yaml"),
        ("train: images", "has no names, expected a data.yaml: names, and train, val or test"),
        ("names: [cat", "is no YAML: while parsing a flow sequence"),
        ("names: [cat]", "has none of train, val and test, expected folders or lists of images"),
        ("names: []\ntrain: images", "names is a list of 0, expected the names of the classes"),
        ("names: 3\ntrain: images", "names is 3, expected the names of the classes"),
        ("names: [cat, no]\ntrain: images", "names: class 1 is False, expected text; put it in quotes"),
        ("names: [cat, ~]\ntrain: images", "names: class 1 is missing, expected text; put it in quotes"),
        ("names: [1.10]\ntrain: images", "names: class 0 is 1.1, expected text; put it in quotes"),
        ("names: {0: cat, 2: dog}\ntrain: images", "names has the classes [0, 2], expected 0, 1, 2"),
        ("names: {a: cat}\ntrain: images", "names has the classes ['a'], expected 0, 1, 2"),
        ("names: [cat]\nnc: 2\ntrain: images", "nc is 2, but there are 1 names"),
        ("names: [cat, cat]\ntrain: images", "class 1 names 'cat' again (class 0); a class has one name"),
        ("names: [cat, ' ']\ntrain: images", "names: class 1 is ' ', expected text; put it in quotes"),
        ('names: ["\\ud800"]\ntrain: images', "names: class 0 is '\\ud800', expected text"),
        ("names: [cat]\ntrain: 3", "train is 3, expected a folder or a list of images"),
        ("names: [cat]\ntrain: [[images]]", "train is a list of 1, expected a folder or a list of images"),
        ("names: [cat]\npath: [a]\ntrain: images", "path is a list of 1, expected the data set's folder"),
        ("names: [cat]\ntrain: nowhere", "none of its images is there, such as"),
        ("names: [cat]\ntrain: data.yaml", "none of its images is there, such as"),
        ('names: [cat]\ntrain: "a\\0b"', "train is 'a\\x00b', expected a folder or a list of images"),
        (f"names: [cat]\ntrain: {'a' * 999}", "train, val or test cannot be found: File name too long"),
        ("a: &a [1]\nnames: *a\ntrain: images", "holds an alias (*name), which is not read"),
        ("names: !!python/object/apply:os.getcwd []", "is no YAML: could not determine a constructor"),
        ("names: !!int x\ntrain: images", "is no YAML that can be read: invalid literal"),
        ("[" * 5000 + "]" * 5000, "is nested more than 32 deep, expected a data.yaml"),
        ("names: [\x00]", "is no YAML: unacceptable character"),
    ],
)
def test_a_file_that_is_no_data_yaml(coco2: Path, text: str, reason: str) -> None:
    (coco2 / "data.yaml").write_text(text)
    with pytest.raises(AnnotationError) as caught:
        open_annotations(coco2 / "data.yaml")
    assert caught.value.path.endswith("data.yaml")
    assert caught.value.reason.startswith(reason)
    assert len(caught.value.reason) < 400


def test_aliases_that_grow_are_refused_at_once(coco2: Path) -> None:
    lines = [
        "a0: &a0 {x: 1}",
        *(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 12)),
    ]
    (coco2 / "data.yaml").write_text("\n".join([*lines, "names: [cat]", "train: images"]))
    with pytest.raises(AnnotationError, match="holds an alias"):
        open_annotations(coco2 / "data.yaml")


def test_a_very_long_file(coco2: Path) -> None:
    (coco2 / "data.yaml").write_bytes(b"#" * (5 << 20))
    with pytest.raises(AnnotationError, match="is larger than 4 MiB"):
        open_annotations(coco2 / "data.yaml")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="there is no such file"):
        open_annotations(tmp_path / "data.yaml")


def test_a_list_that_is_no_text(coco2: Path) -> None:
    (coco2 / "list.txt").write_bytes(b"\x89PNG\xff")
    (coco2 / "data.yaml").write_text("names: [cat]\ntrain: list.txt")
    with pytest.raises(AnnotationError, match="is not UTF-8 text"):
        open_annotations(coco2 / "data.yaml")


def test_a_wrong_line_is_a_problem_of_its_photo(coco2: Path) -> None:
    write(coco2, {"labels/train/1.txt": BOX + "7 0.5 0.5 0.1 0.1\n"})
    annotated = open_annotations(coco2 / "data.yaml").objects_of(photo(coco2 / "images/train/1.jpg"))
    assert len(annotated.objects) == 1
    (problem,) = annotated.problems
    assert problem.path.endswith("labels/train/1.txt")
    assert problem.reason.startswith("line 2: class 7 is not among the 2 names (0 to 1)")


# Anything at all


plain = st.none() | st.booleans() | st.integers(-2, 12) | st.floats() | st.text(max_size=4) | st.dates()
anything = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain, inner, max_size=3)
)
entries = st.sampled_from(["images", "images/train", "list.txt", "."]) | anything
documents = st.fixed_dictionaries(
    {},
    optional={
        "names": st.lists(st.text(max_size=3), max_size=3) | anything,
        "path": entries,
        "train": entries | st.lists(entries, max_size=2),
        "val": entries,
        "nc": plain,
    },
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents.map(lambda document: yaml.safe_dump(document)) | st.text(max_size=30))
def test_any_yaml_gives_a_data_set_or_a_sentence(coco2: Path, text: str) -> None:
    (coco2 / "data.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(AnnotationError):
        reader = open_yolo_dataset(coco2 / "data.yaml")
        reader.objects_of(photo(coco2 / "images/train/1.jpg"))
        reader.coverage([coco2 / "images/train/1.jpg"])
        reader.contents(coco2 / "images/train/1.jpg")
