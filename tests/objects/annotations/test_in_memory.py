from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from objectspace.errors import InputError
from objectspace.images import Image, image_from_array
from objectspace.objects.annotations import Coverage, objects_reader
from objectspace.objects.masks import encode
from objectspace.objects.records import Mask, Objects, make_objects, no_objects

BOX = np.array([[1, 1, 5, 5]], np.float32)


def photo(path: Path | str, level: int = 0) -> Image:
    return image_from_array(np.full((10, 20, 3), level, np.uint8), path=str(path))


def found(image: Image, *, source: str = "mine", score: float = 0.5, yaw: float = 1) -> Objects:
    return make_objects(
        image_id=image.image_id,
        xyxy=BOX,
        label=["cat"],
        source=source,
        score=np.array([score], np.float32),
        factors={"yaw": np.array([yaw])},
    )


def test_a_photo_has_the_objects_it_was_given() -> None:
    image = photo("photos/7.jpg")
    reader = objects_reader({"photos/../photos/7.jpg": found(image)})
    annotated = reader.objects_of(image)
    assert annotated.problems == ()
    assert annotated.objects.object_id.tolist() == found(image).object_id.tolist()
    np.testing.assert_allclose(annotated.objects.score, [0.5])
    assert reader.source == "mine"


def test_a_photo_of_the_same_name_elsewhere_has_none() -> None:
    reader = objects_reader({"photos/7.jpg": found(photo(""))})
    assert len(reader.objects_of(photo("other/7.jpg")).objects) == 0


def test_a_file_that_has_changed_is_a_problem() -> None:
    reader = objects_reader({"7.jpg": found(photo("7.jpg"))})
    annotated = reader.objects_of(photo("7.jpg", level=9))
    assert len(annotated.objects) == 0
    assert annotated.problems == (
        ("7.jpg", "the objects given for it are of another picture (another image_id); find them again"),
    )


def boxes(image: Image, *xyxy: list[float], masks: list[Mask | None] | None = None) -> Objects:
    return make_objects(
        image_id=image.image_id,
        xyxy=np.array(xyxy, np.float32),
        label=["cat"] * len(xyxy),
        source="mine",
        mask=masks,
    )


def test_a_box_outside_its_photo_is_a_problem_and_one_over_its_border_is_cut_off() -> None:
    image = photo("7.jpg")
    given = boxes(image, [1, 1, 5, 5], [2000, 2000, 2100, 2100], [15, -2, 20.5, 5])
    annotated = objects_reader({"7.jpg": given}).objects_of(image)
    assert annotated.objects.xyxy.tolist() == [[1, 1, 5, 5], [15, 0, 20, 5]]
    assert annotated.objects.object_id.tolist() == given.object_id[[0, 2]].tolist()
    assert annotated.problems == (
        ("7.jpg", "box [2000.0, 2000.0, 2100.0, 2100.0] of row 1: is wholly outside the photo"),
    )


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (encode(np.ones((20, 10), bool)), "its mask is 10 x 20 pixels, its photo 20 x 10"),
        (Mask(10, 20, b"7"), "the runs of the mask do not cover 20 x 10 pixels"),
        (Mask(10, 20, b"\xff"), "the counts of the mask are no run lengths as COCO packs them"),
    ],
)
def test_a_mask_that_does_not_fit_its_photo_is_a_problem(mask: Mask, reason: str) -> None:
    image = photo("7.jpg")
    good = encode(np.ones((10, 20), bool))
    given = boxes(image, [1, 1, 5, 5], [2, 2, 6, 6], masks=[mask, good])
    annotated = objects_reader({"7.jpg": given}).objects_of(image)
    assert annotated.objects.mask.tolist() == [good]
    assert [problem.reason for problem in annotated.problems] == [
        f"box [1.0, 1.0, 5.0, 5.0] of row 0: {reason}"
    ]


@pytest.mark.parametrize("score", [-0.1, 1.5, np.inf])
def test_a_score_outside_its_range(score: float) -> None:
    with pytest.raises(InputError, match=f"objects: a score is {score}, expected 0 to 1, or NaN"):
        objects_reader({"7.jpg": found(photo(""), score=score)})


@pytest.mark.parametrize("other", [np.array(["north"], object), np.array([{}], object)])
def test_a_factor_of_two_kinds(other: np.ndarray) -> None:
    image = photo("")
    odd = found(image).with_factors({"yaw": other})
    with pytest.raises(InputError, match="objects: factor yaw is not all numbers or all text"):
        objects_reader({"7.jpg": found(image), "8.jpg": odd})


def test_a_factor_that_is_infinite() -> None:
    given = boxes(photo(""), [1, 1, 5, 5]).with_factors({"yaw": np.array([-np.inf])})
    with pytest.raises(InputError, match="objects: factor yaw has an infinite value, expected NaN where"):
        objects_reader({"7.jpg": given})


@pytest.mark.parametrize("name", ["a.b", "stride"])
def test_a_factor_that_cannot_be_a_column(name: str) -> None:
    given = boxes(photo(""), [1, 1, 5, 5]).with_factors({name: np.array([1.0])})
    with pytest.raises(InputError, match=f"objects: a factor cannot be named '{name}'"):
        objects_reader({"7.jpg": given})


def test_what_the_photos_and_the_objects_do_not_share_is_counted() -> None:
    reader = objects_reader({"7.jpg": found(photo("")), "8.jpg": no_objects()})
    coverage = reader.coverage(["8.jpg", "9.jpg"])
    assert coverage == Coverage((str(Path("7.jpg").absolute()),), ("9.jpg",))


def test_coverage_takes_time_by_the_photo_not_by_the_pair() -> None:
    nothing = no_objects()
    reader = objects_reader({f"/{number}.jpg": nothing for number in range(20_000)})
    before = time.process_time()
    coverage = reader.coverage([f"/x{number}.jpg" for number in range(20_000)])
    assert time.process_time() - before < 2  # 0.1 s; by the pair it takes 15 s
    assert (len(coverage.missing), len(coverage.unnamed)) == (20_000, 20_000)


@pytest.mark.parametrize("change", [{"score": 0.25}, {"yaw": 2.0}, {"yaw": np.nan}, {"source": "other"}])
def test_another_digest_of_the_contents(change: dict[str, float]) -> None:
    image = photo("7.jpg")
    before = objects_reader({"7.jpg": found(image)}).contents("7.jpg")
    assert objects_reader({Path("7.jpg"): found(image)}).contents("7.jpg") == before
    changed = objects_reader({"7.jpg": found(image, **change)})  # type: ignore[arg-type]
    assert changed.contents("7.jpg") != before
    assert changed.contents("8.jpg") == objects_reader({}).contents("8.jpg")


def test_no_objects_at_all() -> None:
    assert len(objects_reader({"7.jpg": no_objects()}).objects_of(photo("7.jpg")).objects) == 0


def test_objects_of_two_sources() -> None:
    objects = {f"{source}.jpg": found(photo(""), source=source) for source in ("b", "a")}
    with pytest.raises(InputError, match="objects: of the sources a, b; give each a job of its own"):
        objects_reader(objects)


def test_a_photo_named_twice() -> None:
    with pytest.raises(InputError, match=r"objects: \./7\.jpg is named twice"):
        objects_reader({"7.jpg": found(photo("")), "./7.jpg": found(photo(""))})
