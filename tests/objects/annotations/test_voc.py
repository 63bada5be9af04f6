from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from objectspace.errors import AnnotationError
from objectspace.images import Image, image_from_array
from objectspace.objects.annotations import Annotated, open_annotations
from objectspace.objects.annotations.voc import open_voc
from objectspace.objects.masks import decode, mask_box

WIDTH, HEIGHT = 20, 10
Annotate = Callable[..., Annotated]


def photo(path: Path | str = "photos/7.jpg", width: int = WIDTH, height: int = HEIGHT) -> Image:
    return image_from_array(np.zeros((height, width, 3), np.uint8), path=str(path))


def box(*corners: Any, name: str = "cat", extra: str = "") -> str:
    """An object; its corners as VOC writes them: xmin, ymin, xmax, ymax."""
    sides = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=False)
    bndbox = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    return f"<object><name>{name}</name>{extra}<bndbox>{bndbox}</bndbox></object>"


def attributes(**values: str) -> str:
    """CVAT's attributes of an object."""
    each = (
        f"<attribute><name>{name}</name><value>{text}</value></attribute>" for name, text in values.items()
    )
    return f"<attributes>{''.join(each)}</attributes>"


def xml(
    *objects: str, filename: str = "7.jpg", folder: str = "", width: Any = WIDTH, height: Any = HEIGHT
) -> str:
    return (
        f"<annotation><folder>{folder}</folder><filename>{filename}</filename><size><width>{width}</width>"
        f"<height>{height}</height><depth>3</depth></size>{''.join(objects)}</annotation>"
    )


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def annotate(tmp_path: Path) -> Annotate:
    """Reads the XML file of one photo of 20 x 10 pixels; a second file is right."""

    def read(*objects: str, **of_file: Any) -> Annotated:
        write(tmp_path / "7.xml", xml(*objects, **of_file))
        write(tmp_path / "8.xml", xml(filename="8.jpg"))
        return open_annotations(tmp_path, format="voc").objects_of(photo())

    return read


# Boxes and attributes


def test_corners_are_counted_from_1_and_both_inside(annotate: Annotate) -> None:
    whole, pixel = annotate(box(1, 1, WIDTH, HEIGHT), box(5, 3, 5, 3, name="sofa")).objects.xyxy.tolist()
    assert whole == [0, 0, WIDTH, HEIGHT]
    assert pixel == [4, 2, 5, 3]


def test_an_object(annotate: Annotate) -> None:
    annotated = annotate(box(2, 3, 6.5, 8, name=" tvmonitor "))
    assert annotated.problems == ()
    assert annotated.objects.xyxy.tolist() == [[1, 2, 6.5, 8]]
    assert annotated.objects.label.tolist() == ["tv"]
    assert annotated.objects.mask.tolist() == [None]
    assert np.isnan(annotated.objects.score).all()
    assert annotated.objects.source[0].startswith("annotations-voc@")


def test_corners_counted_from_0_are_cut_off(annotate: Annotate) -> None:
    assert annotate(box(0, 0, 5, 5)).objects.xyxy.tolist() == [[0, 0, 5, 5]]


def test_the_order_is_that_of_the_file(annotate: Annotate) -> None:
    objects = annotate(
        box(2, 2, 4, 4, name="b"), box(1, 1, 2, 2, name="a"), box(2, 2, 4, 4, name="b")
    ).objects
    assert objects.label.tolist() == ["b", "a"]


def test_flags_and_pose_are_factors(annotate: Annotate) -> None:
    first = "<pose>Left</pose><truncated>1</truncated><difficult>0</difficult>"
    second = "<pose>Unspecified</pose><truncated>0</truncated><occluded>1</occluded>"
    factors = annotate(box(1, 1, 2, 2, extra=first), box(3, 3, 4, 4, extra=second)).objects.factors
    assert {name: column.tolist() for name, column in factors.items()} == {
        "truncated": ["true", "false"],
        "difficult": ["false", None],
        "pose": ["Left", None],
        "occluded": [None, "true"],
    }


def test_what_nobody_knows_is_no_factor(annotate: Annotate) -> None:
    assert dict(annotate(box(1, 1, 2, 2, extra="<pose>Unspecified</pose>")).objects.factors) == {}


def test_attributes_as_cvat_writes_them(annotate: Annotate) -> None:
    first, second = attributes(yaw="90", style="toy"), attributes(yaw="22.5", style="3")
    factors = annotate(box(1, 1, 2, 2, extra=first), box(3, 3, 4, 4, extra=second)).objects.factors
    assert factors["yaw"].tolist() == [90, 22.5]
    assert factors["style"].tolist() == ["toy", "3"]


def test_parts_of_an_object_are_no_objects(annotate: Annotate) -> None:
    part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
    assert annotate(box(1, 1, 9, 9, name="person", extra=part)).objects.label.tolist() == ["person"]


# Which photo


def kit(folder: Path, *names: str) -> None:
    """A development kit: each name's object is named as the name."""
    for name in names:
        year, stem = name.split("/")
        text = xml(box(1, 1, 2, 2, name=name), filename=f"{stem}.jpg", folder=year)
        write(folder / year / "Annotations" / f"{stem}.xml", text)


@pytest.mark.parametrize("given_folder", [".", "VOC2012", "VOC2012/Annotations"])
def test_a_kit_from_any_of_its_folders(tmp_path: Path, given_folder: str) -> None:
    kit(tmp_path, "VOC2012/1")
    reader = open_annotations(tmp_path / given_folder, format="voc")
    annotated = reader.objects_of(photo(tmp_path / "VOC2012/JPEGImages/1.jpg"))
    assert annotated.objects.label.tolist() == ["VOC2012/1"]


def test_two_years_of_a_kit_do_not_mix(tmp_path: Path) -> None:
    kit(tmp_path, "VOC2007/1", "VOC2012/1")
    reader = open_annotations(tmp_path, format="voc")
    paths = [tmp_path / year / "JPEGImages/1.jpg" for year in ("VOC2007", "VOC2012", "VOC2010")]
    labels = [reader.objects_of(photo(path)).objects.label.tolist() for path in paths]
    assert labels == [["VOC2007/1"], ["VOC2012/1"], []]


def test_photos_of_one_name_in_two_folders_have_each_its_own_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name / "7.xml", xml(box(1, 1, 2, 2, name=name), filename="7.jpg", folder=name))
    reader = open_annotations(tmp_path, format="voc")
    labels = [reader.objects_of(photo(f"photos/{name}/7.jpg")).objects.label.tolist() for name in "abc"]
    assert labels == [["a"], ["b"], []]
    assert reader.notes == ()


def test_a_file_of_another_name_names_its_photo(tmp_path: Path) -> None:
    write(tmp_path / "x1.xml", xml(box(1, 1, 2, 2, name="a"), filename="7.jpg", folder="val"))
    write(tmp_path / "x2.xml", xml(box(1, 1, 2, 2, name="b"), filename="7.jpg", folder="train"))
    write(tmp_path / "x3.xml", xml(box(1, 1, 2, 2, name="c"), filename="sub\\8.jpg"))
    reader = open_annotations(tmp_path, format="voc")
    labels = [reader.objects_of(photo(p)).objects.label.tolist() for p in ("d/val/7.jpg", "7.jpg", "d/8.jpg")]
    assert labels == [["a"], [], ["c"]]


def test_what_the_photos_and_the_files_do_not_share_is_counted(tmp_path: Path) -> None:
    kit(tmp_path, "VOC2012/1", "VOC2012/gone")
    photos = [tmp_path / "VOC2012/JPEGImages/1.jpg", "9.jpg"]
    coverage = open_annotations(tmp_path, format="voc").coverage(photos)
    assert coverage == (("VOC2012/gone.jpg",), ("9.jpg",), 0, 0, (), (), ())


def test_another_digest_of_the_photo_whose_file_changed(tmp_path: Path, annotate: Annotate) -> None:
    annotate(box(1, 1, 2, 2))
    write(tmp_path / "9.xml", xml())
    before = open_annotations(tmp_path, format="voc")
    write(tmp_path / "9.xml", xml(box(1, 1, 2, 2)))
    after = open_annotations(tmp_path, format="voc")
    assert after.contents("7.jpg") == before.contents("7.jpg")
    assert after.contents("9.jpg") != before.contents("9.jpg")
    assert after.files("9.jpg") == (tmp_path / "9.xml",)


# Masks


def numbers(**where: tuple[int, int, int, int]) -> np.ndarray:
    """A picture of numbers: _1=(left, top, right, bottom)."""
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    for number, (left, top, right, bottom) in where.items():
        pixels[top:bottom, left:right] = int(number[1:])
    return pixels


def save(path: Path, pixels: np.ndarray, mode: str = "P") -> None:
    picture = PIL.Image.fromarray(pixels)
    if mode == "P":
        picture.putpalette([level // 3 for level in range(768)])
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


@pytest.fixture
def devkit(tmp_path: Path) -> Path:
    """Two objects with masks, the border between them void."""
    write(tmp_path / "Annotations/7.xml", xml(box(2, 2, 6, 6), box(8, 2, 12, 6, name="dog")))
    pixels = numbers(_255=(1, 1, 12, 6), _1=(2, 2, 5, 5), _2=(8, 2, 11, 5))
    save(tmp_path / "SegmentationObject/7.png", pixels)
    save(
        tmp_path / "SegmentationClass/7.png", numbers(_255=(1, 1, 12, 6), _8=(2, 2, 5, 5), _12=(8, 2, 11, 5))
    )
    return tmp_path


def test_masks_are_joined_to_the_objects_of_their_numbers(devkit: Path) -> None:
    annotated = open_voc(devkit).objects_of(photo(devkit / "JPEGImages/7.jpg"))
    assert annotated.problems == ()
    assert annotated.objects.label.tolist() == ["cat", "dog"]
    assert annotated.objects.xyxy.tolist() == [[1, 1, 6, 6], [7, 1, 12, 6]]
    for mask, (left, right) in zip(annotated.objects.mask, [(2, 5), (8, 11)], strict=True):
        expected = np.zeros((HEIGHT, WIDTH), bool)
        expected[2:5, left:right] = True
        np.testing.assert_array_equal(decode(mask), expected)


def test_masks_are_read_without_touching_the_warnings_of_other_threads(
    devkit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.delattr("warnings.catch_warnings")
        objects = open_voc(devkit).objects_of(photo("7.jpg")).objects
    assert None not in objects.mask


def test_the_folder_of_the_xml_files_alone_has_no_masks(devkit: Path) -> None:
    objects = open_voc(devkit / "Annotations").objects_of(photo("7.jpg")).objects
    assert objects.mask.tolist() == [None, None]


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_pictures_without_a_palette(devkit: Path, mode: str) -> None:
    before = open_voc(devkit).objects_of(photo("7.jpg")).objects.object_id.tolist()
    pixels = np.asarray(PIL.Image.open(devkit / "SegmentationObject/7.png"))
    # VOCcolormap of the development kit: the colors of 0, 1, 2 and 255.
    colors = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 255: (224, 224, 192)}
    rgb = np.array([colors[int(number)] for number in pixels.flat], np.uint8).reshape(HEIGHT, WIDTH, 3)
    save(devkit / "SegmentationObject/7.png", rgb if mode == "RGB" else pixels, mode)
    assert open_voc(devkit).objects_of(photo("7.jpg")).objects.object_id.tolist() == before


def test_an_object_that_no_file_lists_has_the_class_of_its_pixels(devkit: Path) -> None:
    (devkit / "Annotations/7.xml").write_text(xml(box(2, 2, 6, 6)))
    objects = open_voc(devkit).objects_of(photo("7.jpg")).objects
    assert objects.label.tolist() == ["cat", "dog"]
    assert objects.xyxy.tolist() == [[1, 1, 6, 6], [8, 2, 11, 5]]


def test_masks_without_any_file(devkit: Path) -> None:
    (devkit / "Annotations/7.xml").unlink()
    reader = open_voc(devkit)
    assert reader.objects_of(photo("7.jpg")).objects.label.tolist() == ["cat", "dog"]
    assert reader.coverage(["9.jpg"]).missing == (str(devkit / "SegmentationObject/7.png"),)


def test_an_object_that_has_no_class_is_a_problem(devkit: Path) -> None:
    (devkit / "Annotations/7.xml").write_text(xml(box(2, 2, 6, 6)))
    (devkit / "SegmentationClass/7.png").unlink()
    annotated = open_voc(devkit).objects_of(photo("7.jpg"))
    assert annotated.objects.label.tolist() == ["cat"]
    assert [problem.reason for problem in annotated.problems] == [
        "object 2 is in no XML file and of no class in SegmentationClass"
    ]


def test_an_object_without_a_box_has_its_masks(devkit: Path) -> None:
    (devkit / "Annotations/7.xml").write_text(xml("<object><name>cat</name></object>"))
    assert open_voc(devkit).objects_of(photo("7.jpg")).objects.xyxy[0].tolist() == [2, 2, 5, 5]


def test_a_mask_that_lies_elsewhere_is_not_the_objects(devkit: Path) -> None:
    (devkit / "Annotations/7.xml").write_text(xml(box(8, 2, 12, 6, name="dog"), box(2, 2, 6, 6)))
    annotated = open_voc(devkit).objects_of(photo("7.jpg"))
    assert annotated.objects.label.tolist() == ["dog", "cat"]
    assert annotated.objects.mask.tolist() == [None, None]
    assert [problem.reason for problem in annotated.problems] == [
        f"object {number}: the mask of this number in SegmentationObject is outside its box"
        for number in (1, 2)
    ]


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.zeros((WIDTH, HEIGHT), np.uint8), "is 10 x 20 pixels, its photo 20 x 10"),
        (np.full((HEIGHT, WIDTH, 3), 7, np.uint8), "has colors that are not of VOC's color map"),
        (
            np.zeros((HEIGHT, WIDTH, 4), np.uint8),
            "is a picture of mode RGBA, expected a palette (P), L or RGB",
        ),
        (None, "is no PNG that can be read: cannot identify image file"),
    ],
)
def test_a_mask_that_is_none_is_a_problem_and_the_boxes_stay(devkit: Path, pixels: Any, reason: str) -> None:
    path = devkit / "SegmentationObject/7.png"
    path.write_bytes(b"no picture")
    if pixels is not None:
        save(path, pixels, "")
    annotated = open_voc(devkit).objects_of(photo("7.jpg"))
    assert annotated.objects.mask.tolist() == [None, None]
    (problem,) = annotated.problems
    assert problem.path == str(path)
    assert problem.reason.startswith(reason)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=40), st.integers(0, 90))
def test_any_bytes_for_a_mask(devkit: Path, data: bytes, at: int) -> None:
    path = devkit / "SegmentationObject/7.png"
    save(path, numbers(_1=(2, 2, 5, 5)))
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + data + whole[at + len(data) :])
    annotated = open_voc(devkit).objects_of(photo("7.jpg"))
    assert len(annotated.objects) == 2 or annotated.problems


# What cannot be used


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (box(1, 1, 2), "ymax is missing, expected a number"),
        (box("one", 1, 2, 2), "xmin is 'one', expected a number"),
        (box("nan", 1, 2, 2), "xmin is 'nan', expected a number"),
        (box("1e999", 1, 2, 2), "xmin is '1e999', expected a number"),
        (box(5, 1, 3, 2), "the box has no area"),
        (box(21, 1, 25, 2), "is wholly outside the photo"),
        (box(1, 1, 900, 2), "is far outside the photo of 20 x 10 pixels"),
        (box(1, 1, 2, 2, name=" "), "has no name"),
        ("<object><bndbox/></object>", "has no name"),
        ("<object><name>cat</name></object>", "has neither a bndbox nor a mask"),
        ("<object/>", "has no name"),
    ],
)
def test_a_wrong_object_is_a_problem_and_the_others_stay(annotate: Annotate, wrong: str, reason: str) -> None:
    annotated = annotate(box(1, 1, 2, 2), wrong, box(3, 3, 4, 4, name="dog"))
    assert annotated.objects.label.tolist() == ["cat", "dog"]
    (problem,) = annotated.problems
    assert problem.path.endswith("7.xml")
    assert problem.reason == f"object 2: {reason}"


BOMB = "<!ENTITY a 'ha'>" + "".join(f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(9))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is no XML: no element found in line 1, column 1"),
        ("{}", "is no XML: not well-formed (invalid token) in line 1, column 1"),
        ("<annotation>", "is no XML: no element found in line 1"),
        ("<annotation></b>", "is no XML: mismatched tag in line 1"),
        ("<annotation>&lol;</annotation>", "is no XML: undefined entity in line 1"),
        ("<svg/>", "is XML of another kind: holds 'svg', expected annotation"),
        (f"<!DOCTYPE annotation [{BOMB}]><annotation>&j;</annotation>", "has a DOCTYPE, which is not read"),
        (
            "<!DOCTYPE annotation [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><annotation>&e;</annotation>",
            "has a DOCTYPE, which is not read; remove it",
        ),
        (
            "<!DOCTYPE annotation SYSTEM 'http://127.0.0.1/x'><annotation/>",
            "has a DOCTYPE, which is not read",
        ),
        ("<a>" * 100_000, "is nested more than 32 deep, expected an annotation of Pascal VOC"),
        (
            "<?xml version='1.0' encoding='klingon'?><annotation/>",
            "is declared as klingon, which its bytes are",
        ),
        (
            "<?xml version='1.0' encoding='ascii'?><annotation>é</annotation>",
            "is declared as ascii, which its",
        ),
        (xml(width=10, height=20), "is of a photo of 10 x 20 pixels, and this one has 20 x 10"),
    ],
)
def test_a_broken_file_is_a_problem_of_its_photo(
    annotate: Annotate, tmp_path: Path, text: str, reason: str
) -> None:
    annotate()
    (tmp_path / "7.xml").write_text(text)
    annotated = open_voc(tmp_path).objects_of(photo())
    assert len(annotated.objects) == 0
    (problem,) = annotated.problems
    assert problem.path.endswith("7.xml")
    assert problem.reason.startswith(reason)


@pytest.mark.parametrize("size", ["", "0", "wide"])
def test_a_size_that_is_not_told_is_not_checked(annotate: Annotate, size: str) -> None:
    assert len(annotate(box(1, 1, 2, 2), width=size, height=size).objects) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf8", "utf-16", "iso-8859-1", "gb18030"])
def test_files_in_several_encodings(annotate: Annotate, tmp_path: Path, encoding: str) -> None:
    annotate()
    text = f"<?xml version='1.0' encoding='{encoding}'?>{xml(box(1, 1, 2, 2, name='Köter'))}"
    (tmp_path / "7.xml").write_bytes(text.encode(encoding))
    assert open_voc(tmp_path).objects_of(photo()).objects.label.tolist() == ["Köter"]


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "holds no annotation of Pascal VOC"),
        ({"a.xml": "<svg/>"}, "holds no annotation of Pascal VOC, such as a.xml, which is XML of another"),
        ({"a.txt": xml()}, "holds no annotation of Pascal VOC"),
    ],
)
def test_a_folder_of_something_else(tmp_path: Path, files: dict[str, str], reason: str) -> None:
    for name, text in files.items():
        write(tmp_path / name, text)
    with pytest.raises(AnnotationError) as caught:
        open_annotations(tmp_path, format="voc")
    assert caught.value.path == str(tmp_path)
    assert caught.value.reason.startswith(reason.format(tmp_path))


@pytest.mark.parametrize("path", ["7.xml", "none"])
def test_a_file_or_nothing_where_a_folder_is_expected(annotate: Annotate, tmp_path: Path, path: str) -> None:
    annotate()
    with pytest.raises(AnnotationError, match="is not a folder, expected the folder of VOC's XML files"):
        open_voc(tmp_path / path)


def test_two_files_of_one_photo(tmp_path: Path) -> None:
    write(tmp_path / "7.xml", xml())
    write(tmp_path / "Annotations/7.xml", xml())
    (note,) = open_voc(tmp_path).coverage([]).notes
    assert (
        note == (f"{tmp_path}/Annotations/7.xml annotates 7, as {tmp_path}/7.xml does, and is left out")
        or note == f"{tmp_path}/7.xml annotates 7, as {tmp_path}/Annotations/7.xml does, and is left out"
    )


# What tools write in their own ways


@pytest.mark.parametrize("text", ["Unspecified", "unspecified", "UNSPECIFIED", ""])
@pytest.mark.parametrize("flag", ["difficult", "truncated", "occluded", "pose"])
def test_an_unspecified_flag_is_unknown(annotate: Annotate, flag: str, text: str) -> None:
    objects = annotate(box(1, 1, 2, 2, extra=f"<{flag}>{text}</{flag}>")).objects
    assert flag not in objects.factors


ROBNDBOX = "<robndbox><cx>10</cx><cy>5</cy><w>8</w><h>4</h><angle>{}</angle></robndbox>"
POINTS = "<x1>8</x1><y1>1</y1><x2>12</x2><y2>1</y2><x3>12</x3><y3>9</y3><x4>8</x4><y4>9</y4>"


@pytest.mark.parametrize(
    "shape",
    [
        ROBNDBOX.format(math.pi / 2),
        f"<rotated_bndbox>{POINTS}</rotated_bndbox>",
        f"<polygon>{POINTS}</polygon>",
        "<polygon><pt><x>8</x><y>1</y></pt><pt><x>12</x><y>1</y></pt><pt><x>12</x><y>9</y></pt>"
        "<pt><x>8</x><y>9</y></pt></polygon>",
        "<bndbox><xmin>7</xmin><ymin>4</ymin><xmax>14</xmax><ymax>7</ymax></bndbox>"
        + attributes(rotation="90"),
    ],
)
def test_an_oriented_box_is_its_outline(annotate: Annotate, shape: str) -> None:
    annotated = annotate(f"<object><name>cat</name>{shape}</object>")
    assert annotated.problems == ()
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[1:9, 8:12] = True
    np.testing.assert_allclose(annotated.objects.xyxy, [[8, 1, 12, 9]], atol=1)
    covered = decode(annotated.objects.mask[0])
    assert (covered & expected).sum() / (covered | expected).sum() > 0.7


def test_a_quarter_turn_of_an_oriented_box_is_exact(annotate: Annotate) -> None:
    objects = annotate(f"<object><name>cat</name>{ROBNDBOX.format(math.pi / 2)}</object>").objects
    np.testing.assert_allclose(objects.xyxy, [[8, 1, 12, 9]], atol=1e-5)


def test_a_polygon_beside_a_box_is_its_mask(annotate: Annotate) -> None:
    objects = annotate(box(8, 1, 13, 10, extra=f"<polygon>{POINTS}</polygon>")).objects
    assert objects.xyxy.tolist() == [[7, 0, 13, 10]]
    np.testing.assert_array_equal(mask_box(objects.mask[0]), [8, 1, 12, 9])


@pytest.mark.parametrize(
    ("points", "reason"),
    [("<x1>1</x1><y1>2</y1>", "has 1 points, expected three or more"), ("<x1>a</x1>", "point 1 is 'a'")],
)
def test_an_outline_that_is_none_costs_itself_and_the_box_stays(
    annotate: Annotate, points: str, reason: str
) -> None:
    annotated = annotate(box(1, 1, 2, 2, extra=f"<polygon>{points}</polygon>"))
    assert annotated.objects.xyxy.tolist() == [[0, 0, 2, 2]]
    (problem,) = annotated.problems
    assert problem.reason.startswith(f"object 1: its outline {reason}")


def test_attributes_that_can_be_no_column_are_renamed_and_told(tmp_path: Path) -> None:
    write(tmp_path / "7.xml", xml(box(1, 1, 2, 2, extra=attributes(height="3"))))
    reader = open_voc(tmp_path)
    assert reader.objects_of(photo()).objects.factors["attribute_height"].tolist() == [3]
    assert reader.coverage(["7.jpg"]).notes == ("attribute 'height' is read as attribute_height",)


def test_two_classes_of_a_set_stay_two_where_a_new_spelling_would_merge_them(annotate: Annotate) -> None:
    objects = annotate(box(1, 1, 2, 2, name="sofa"), box(3, 3, 4, 4, name="couch")).objects
    assert objects.label.tolist() == ["sofa", "couch"]


def test_a_photo_whose_file_names_another_folder_is_told(tmp_path: Path) -> None:
    write(tmp_path / "a.xml", xml(box(1, 1, 2, 2), filename="7.jpg", folder="old"))
    reader = open_voc(tmp_path)
    assert len(reader.objects_of(photo("new/7.jpg")).objects) == 1
    assert reader.coverage(["new/7.jpg"]).alike == ("new/7.jpg (old/7.jpg)",)


# Anything at all

word = st.sampled_from(["0", "1", "7.5", "-3", "nan", "cat", "", "1e400", "20"]) | st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="<&>"), max_size=4
)
FIELDS = ("object", "name", "bndbox", "xmin", "xmax", "ymin", "ymax", "pose", "difficult", "size", "width")
tag = st.sampled_from([*FIELDS, "filename", "attributes", "attribute", "value"])
trees = st.recursive(
    word,
    lambda inner: st.lists(
        st.tuples(tag, inner).map(lambda pair: f"<{pair[0]}>{pair[1]}</{pair[0]}>"), max_size=5
    ).map("".join),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trees.map(lambda tree: f"<annotation>{tree}</annotation>") | st.text(max_size=20))
def test_any_file_gives_objects_and_problems_and_nothing_else(tmp_path: Path, text: str) -> None:
    (tmp_path / "8.xml").write_text(xml(filename="8.jpg"))
    (tmp_path / "7.xml").write_bytes(text.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(AnnotationError):
        objects = open_voc(tmp_path).objects_of(photo()).objects
        assert (objects.xyxy >= 0).all()
        assert (objects.xyxy <= [WIDTH, HEIGHT, WIDTH, HEIGHT]).all()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.tuples(st.integers(1, WIDTH), st.integers(1, HEIGHT), st.integers(1, WIDTH), st.integers(1, HEIGHT))
)
def test_a_box_covers_the_pixels_of_its_corners(
    annotate: Annotate, corners: tuple[int, int, int, int]
) -> None:
    x1, y1, x2, y2 = corners
    left, right, top, bottom = min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)
    (found,) = annotate(box(left, top, right, bottom)).objects.xyxy.astype(int)
    covered = np.zeros((HEIGHT + 1, WIDTH + 1), bool)
    covered[top : bottom + 1, left : right + 1] = True  # as VOC counts: from 1, the last one too
    pixels = np.zeros((HEIGHT, WIDTH), bool)
    pixels[found[1] : found[3], found[0] : found[2]] = True
    np.testing.assert_array_equal(pixels, covered[1:, 1:])
