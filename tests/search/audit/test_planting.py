"""Planted pictures of a sample: of each photo with its own objects, and told one by one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import PIL.Image
import pytest

from objectspace.errors import InputError
from objectspace.images import Image, encode_thumbnail, read_image
from objectspace.objects.records import Objects, concatenate, make_objects, no_objects
from objectspace.search.audit import planting
from objectspace.search.audit.planting import (
    PlantedVectors,
    Sample,
    find_copies,
    find_strangers,
    plant,
    planted_pictures,
    sample_objects,
)
from objectspace.search.audit.plants import PlantedPicture
from objectspace.store import ImageRow


def told(
    image: Image, objects: Objects, rows: np.ndarray, random: np.random.Generator
) -> Iterator[PlantedPicture]:
    """A picture that says of which photo and rows it is; each has random numbers of its own."""
    own = np.random.default_rng([4, 12, image.width - 20]).bit_generator.state
    assert random.bit_generator.state == own
    yield PlantedPicture(
        f"{image.width} {objects.label.tolist()}", b"", ".bmp", rows, objects.xyxy, tuple(objects.mask)
    )


def test_each_photo_is_planted_with_its_objects_and_reported_once(tmp_path: Path) -> None:
    paths, objects, labels = {}, [], [["a", "b"], ["c"], ["d", "e", "f"]]
    for number, own in enumerate(labels):
        path = tmp_path / f"{number}.png"
        PIL.Image.new("RGB", (20 + number, 20)).save(path)
        image_id = read_image(path).image_id
        paths[image_id] = str(path)
        boxes = np.float32([[one, 0, one + 5, 5] for one in range(len(own))])
        objects.append(make_objects(image_id=image_id, xyxy=boxes, label=own, source="hand@1"))
    sample = Sample(np.array([9, 4, 7, 1, 0, 8]), concatenate(objects), paths)
    done: list[int] = []
    pictures = list(planted_pictures(sample, told, drawn=0, seed=4, progress=done.append))
    assert [one.kind for one in pictures] == ["20 ['a', 'b']", "21 ['c']", "22 ['d', 'e', 'f']"]
    assert [one.row.tolist() for one in pictures] == [[9, 4], [7], [1, 0, 8]]
    assert done == [1, 1, 1]


class FakeStore:
    """Seven photos of one to six objects each, of which two are not there."""

    path = "some.osp"

    def __init__(self, folder: Path) -> None:
        self.rows, parts = {}, []
        for number, count in enumerate([2, 6, 1, 3, 5, 4, 2]):
            path = folder / f"photo{number}.png"
            PIL.Image.new("RGB", (20 + number, 20)).save(path)
            row = ImageRow(read_image(path).image_id, str(path), 20 + number, 20)
            self.rows[row.image_id] = row
            boxes = np.float32([[one, 0, one + 5, 5] for one in range(count)])
            parts.append(
                make_objects(image_id=row.image_id, xyxy=boxes, label=["a"] * count, source="hand@1")
            )
            if number in (1, 6):
                path.unlink()
        objects = concatenate(parts)
        self.all = objects.take(np.random.default_rng(3).permutation(len(objects)))

    def images_by_id(self, ids: list[str]) -> dict[str, ImageRow]:
        return {name: self.rows[name] for name in ids}

    def objects(self, ids: np.ndarray) -> Objects:
        places = {name: place for place, name in enumerate(self.all.object_id)}
        return self.all.take(np.array([places[name] for name in ids]))


@pytest.mark.parametrize("count", [1, 4, 7, 100])
@pytest.mark.parametrize("seed", [0, 5])
def test_a_sample_has_three_objects_of_a_photo_at_most_and_none_of_one_that_is_gone(
    tmp_path: Path, count: int, seed: int
) -> None:
    """As many of each photo as a loop over the objects in the same random order takes."""
    store = FakeStore(tmp_path)
    image, ids = store.all.image_id, store.all.object_id
    sample = sample_objects(store, ids, image, count=count, seed=seed)  # type: ignore[arg-type]
    there = [name for name, row in store.rows.items() if Path(row.path).exists()]
    taken: list[int] = []
    for row in np.random.default_rng([seed, 11]).permutation(len(ids)).tolist():
        of_image = sum(image[other] == image[row] for other in taken)
        if image[row] in there and of_image < 3 and len(taken) < count:
            taken.append(row)
    assert sorted(sample.rows.tolist()) == sorted(taken)
    assert sample.objects.object_id.tolist() == ids[sample.rows].tolist()
    # Image by image, and in one image in the order of the space.
    order = [(image[row], row) for row in sample.rows.tolist()]
    assert order == sorted(order)
    assert sample.paths == {name: store.rows[name].path for name in image[sample.rows]}
    if count == 100:
        assert len(taken) == 2 + 1 + 3 + 3 + 3


def test_no_sample_without_a_photo(tmp_path: Path) -> None:
    store = FakeStore(tmp_path)
    for row in store.rows.values():
        Path(row.path).unlink(missing_ok=True)
    with pytest.raises(InputError, match=r"no photo of the store at some.osp can be read \(.*photo\d.png"):
        sample_objects(store, store.all.object_id, store.all.image_id, count=5, seed=0)  # type: ignore[arg-type]
    nothing = store.all.take(np.empty(0, int))
    with pytest.raises(InputError, match="it holds no object"):
        sample_objects(store, nothing.object_id, nothing.image_id, count=5, seed=0)  # type: ignore[arg-type]


# -------------------------------------------------------------------------------------------- what is found


def planted_vectors(row: list[int]) -> PlantedVectors:
    return PlantedVectors(np.array(["a", "b"] * 9, object)[: len(row)], np.array(row), "vectors", "pictures")  # type: ignore[arg-type]


def test_cases_are_planted_with_what_the_recipe_makes_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def pictures(sample: Any, make: Any, **given: Any) -> str:
        asked.append((sample, make, given))
        return "planted"

    monkeypatch.setattr(planting, "planted_pictures", pictures)
    thumbnail = encode_thumbnail(np.full((9, 9, 3), 90, np.uint8))
    for kinds in ([], ["jpeg"], ["jpeg", "noise", "jpeg"]):
        count = len(kinds)
        made = (kinds, np.arange(count), np.ones((count, 2), np.float32), [thumbnail] * count)
        embedder = SimpleNamespace(embed=lambda given, made=made: made if given == "planted" else None)
        found = plant(embedder, "sample", told, seed=3, progress=print)  # type: ignore[arg-type]
        assert (found.kind.tolist(), found.kind.dtype) == (kinds, np.dtype(object))
        assert found.row is made[1]
        assert found.vectors is made[2]
        assert len(found.pictures.reduced) == count
    plant(embedder, "sample", told, drawn=8, seed=3, progress=print)  # type: ignore[arg-type]
    given = {"seed": 3, "progress": print}
    assert asked == [("sample", told, {"drawn": 0, **given})] * 3 + [("sample", told, {"drawn": 8, **given})]


@pytest.mark.parametrize("drawn", [0, 1, 5])
def test_objects_of_the_drawn_world_come_last_and_of_another_seed(
    drawn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planting, "drawn_strangers", lambda count, seed: iter([(count, seed)]))
    sample = Sample(np.empty(0, np.int64), no_objects(), {})
    found = list(planted_pictures(sample, told, drawn=drawn, seed=6, progress=print))
    assert found == ([(drawn, 7)] if drawn else [])


def test_planted_copies_are_judged_by_what_other_images_taught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their suspicion is minus the difference, their place that among the store's objects."""
    taught: list[Any] = []
    copies = SimpleNamespace(
        strangers="strangers",
        difference=np.array([0.25, 0.75, 0.5]),
        to_originals=lambda near, pictures, row: (near, pictures, row.tolist()),
        judge_by=taught.append,
    )
    near = SimpleNamespace(image=np.array(["x", "x", "y"]), nearest=lambda vectors: f"near {vectors}")
    numbers = ("near vectors", "pictures", [2, 0, 0, 1])

    def judge(given: Any, image: np.ndarray, strangers: Any, *, seed: int) -> np.ndarray:
        assert (given, image.tolist(), strangers, seed) == (numbers, ["y", "x", "x", "x"], "strangers", 8)
        return np.array([0.125, 0.5, 0.625, np.inf])

    monkeypatch.setattr(planting, "judge_held_out", judge)
    monkeypatch.setattr(planting, "fit_copy_rule", lambda *given: given)
    found = find_copies(near, copies, planted_vectors([2, 0, 0, 1]), seed=8)  # type: ignore[arg-type]
    assert found.suspicion.tolist() == [-0.125, -0.5, -0.625, -np.inf]
    assert found.group.tolist() == ["y", "x", "x", "x"]
    assert found.place.tolist() == [0, 2 / 3, 2 / 3, 1]
    assert taught == [(numbers, "strangers")]


def test_planted_strangers_are_no_neighbors_of_their_own_image_and_drawn_ones_of_none() -> None:
    asked: list[Any] = []

    def nearest(vectors: Any, image: np.ndarray) -> str:
        asked.append((vectors, image.tolist()))
        return "found"

    near = SimpleNamespace(image=np.array(["x", "y", "z"]), nearest=nearest, near="all")
    of = {"found": np.array([1.0, 2.0, 3.0, 0.5, 4.0]), "all": np.array([1.0, 2.0, 3.5])}
    factor = SimpleNamespace(factors=of.__getitem__)
    found = find_strangers(near, planted_vectors([2, -1, 0, 0, -1]), factor)  # type: ignore[arg-type]
    assert asked == [("vectors", ["z", "", "x", "x", ""])]
    assert found.suspicion is of["found"]
    # Of each drawn object a group of its own.
    assert found.group.tolist() == ["z", "1", "x", "x", "4"]
    assert found.place.tolist() == [1, 2 / 3, 1 / 3, 1, 0]
