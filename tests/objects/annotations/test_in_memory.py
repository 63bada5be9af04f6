from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from objectspace.errors import InputError
from objectspace.images import Image, image_from_array
from objectspace.objects.annotations import objects_reader
from objectspace.objects.annotations.in_memory import ObjectsInMemory
from objectspace.objects.records import Objects, make_objects, no_objects

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


def test_what_the_photos_and_the_objects_do_not_share_is_counted() -> None:
    reader = objects_reader({"7.jpg": found(photo("")), "8.jpg": no_objects()})
    assert reader.coverage(["8.jpg", "9.jpg"]) == ((str(Path("7.jpg").absolute()),), ("9.jpg",), 0, 0, ())


def test_coverage_takes_time_by_the_photo_not_by_the_pair() -> None:
    nothing = no_objects()
    reader = ObjectsInMemory({f"/{number}.jpg": nothing for number in range(20_000)}, "mine", "")
    before = time.process_time()
    coverage = reader.coverage([f"/x{number}.jpg" for number in range(20_000)])
    assert time.process_time() - before < 2  # 0.1 s; by the pair it takes 15 s
    assert (len(coverage.missing), len(coverage.unnamed)) == (20_000, 20_000)


@pytest.mark.parametrize("change", [{"score": 0.25}, {"yaw": 2.0}, {"yaw": np.nan}, {"source": "other"}])
def test_another_digest_of_the_contents(change: dict[str, float]) -> None:
    image = photo("7.jpg")
    before = objects_reader({"7.jpg": found(image)}).contents()
    assert objects_reader({Path("7.jpg"): found(image)}).contents() == before
    assert objects_reader({"7.jpg": found(image, **change)}).contents() != before  # type: ignore[arg-type]


def test_no_objects_at_all() -> None:
    assert len(objects_reader({"7.jpg": no_objects()}).objects_of(photo("7.jpg")).objects) == 0


def test_objects_of_two_sources() -> None:
    objects = {f"{source}.jpg": found(photo(""), source=source) for source in ("b", "a")}
    with pytest.raises(InputError, match="objects: of the sources a, b; give each a job of its own"):
        objects_reader(objects)


def test_a_photo_named_twice() -> None:
    with pytest.raises(InputError, match=r"objects: \./7\.jpg is named twice"):
        objects_reader({"7.jpg": found(photo("")), "./7.jpg": found(photo(""))})
