"""Photos and objects of a store as they are found by a path, a point or a box: beside loops, at edges."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from objectspace.errors import ImageError, QueryError
from objectspace.files import content_id
from objectspace.objects.masks import encode
from objectspace.objects.records import Objects, make_objects
from objectspace.search.queries import stored
from objectspace.search.queries.stored import (
    by_distance,
    check_inside,
    image_file,
    landed_queries,
    loading_arguments,
    object_at,
    objects_landed_on,
    same_objects,
    stored_image,
    stored_objects_of,
)
from objectspace.store import ImageRow


def a_store(paths: list[str], objects: Objects | None = None) -> Any:
    rows = [ImageRow(content_id(path.encode()), path, 20, 10) for path in paths]
    return SimpleNamespace(
        images=lambda: rows,
        images_by_id=lambda ids: {row.image_id: row for row in rows if row.image_id in ids},
        objects_of_images=lambda ids: objects,
        space_names=(),
    )


@pytest.mark.parametrize(("count", "more"), [(2, ""), (5, ""), (6, " and 1 more"), (8, " and 3 more")])
def test_of_paths_that_end_alike_five_are_named(count: int, more: str) -> None:
    paths = [f"{number}/p.jpg" for number in range(count)]
    named = ", ".join(paths[:5])
    with pytest.raises(
        QueryError, match=f"^p.jpg is the end of {count} paths: {named}{more}; give more of it$"
    ):
        stored_image(a_store([*paths, "0/pp.jpg", "p.jpg/0"]), "p.jpg")


def test_a_photo_is_known_by_its_content_or_the_end_of_its_path(tmp_path: Path) -> None:
    store = a_store(["a/p.jpg", "b/q.jpg", "b/pq.jpg"])
    first, second, third = store.images()
    assert stored_image(store, "p.jpg") is first
    assert stored_image(store, "q.jpg") is second
    assert stored_image(store, Path("b/pq.jpg")) is third
    (tmp_path / "q.jpg").write_bytes(b"a/p.jpg")  # which is its content here
    (tmp_path / "new.jpg").write_bytes(b"other")
    assert stored_image(store, tmp_path / "q.jpg") is first
    assert stored_image(store, tmp_path / "new.jpg") is None
    with pytest.raises(ImageError, match="no such file"):
        stored_image(store, "r.jpg")
    assert image_file(store, "q.jpg") == Path("b/q.jpg")
    assert image_file(store, tmp_path / "new.jpg") == tmp_path / "new.jpg"
    assert len(stored_objects_of(store, tmp_path / "new.jpg")) == 0


def scattered(seed: int, masked: bool) -> Objects:
    """Twelve boxes on a grid of whole numbers, some alike, some with a mask of a part of them."""
    random = np.random.default_rng([5, seed])
    corner = random.integers(0, 8, (12, 2))
    boxes = np.hstack([corner, corner + random.integers(1, 9, (12, 2))]).astype(np.float32)
    boxes[7], boxes[9] = boxes[2], boxes[2]
    masks = []
    for left, top, right, bottom in boxes.astype(int):
        mask = np.zeros((18, 18), bool)
        mask[top:bottom, left:right] = random.random((bottom - top, right - left)) < 0.5
        masks.append(encode(mask) if masked and random.random() < 0.5 and mask.any() else None)
    labels = [f"l{row}" for row in range(12)]
    return make_objects(image_id="i", xyxy=boxes, label=labels, source="s", mask=masks)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("masked", [False, True])
def test_the_object_at_a_point_is_the_smallest_that_holds_it(seed: int, masked: bool) -> None:
    from objectspace.objects.masks import decode

    objects = scattered(seed, masked)
    for x, y in np.ndindex(18, 18):
        holding = []
        for row, (left, top, right, bottom) in enumerate(objects.xyxy.tolist()):
            mask = objects.mask[row]
            if left <= x < right and top <= y < bottom and (mask is None or decode(mask)[y, x]):
                size = (right - left) * (bottom - top) if mask is None else decode(mask).sum()
                holding.append((size, row))
        expected = min(holding)[1] if holding else None
        assert object_at(objects, (x, y)) == object_at(objects, (x + 0.5, y + 0.75)) == expected


@pytest.mark.parametrize("seed", range(3))
def test_objects_are_ordered_by_how_far_their_boxes_are(seed: int) -> None:
    objects = scattered(seed, False)
    for point in ((0.0, 0.0), (5.5, 3.0), (17.0, 9.0), (8.0, -4.0), (-3.0, 20.0)):
        far = []
        for row, (left, top, right, bottom) in enumerate(objects.xyxy.tolist()):
            beside = [left - point[0], point[0] - right, 0], [top - point[1], point[1] - bottom, 0]
            far.append((max(beside[0]) ** 2 + max(beside[1]) ** 2, row))
        assert by_distance(objects, point).label.tolist() == [f"l{row}" for _, row in sorted(far)]


@pytest.mark.parametrize("point", [(0, 0), (19.99, 9.99), (0.0, 9.5), (19.5, 0)])
def test_points_of_a_photo(point: tuple[float, float]) -> None:
    check_inside(point, (20, 10), "p.jpg")


@pytest.mark.parametrize("point", [(-0.5, 0), (0, -0.5), (20, 5), (5, 10), (20, 10), (25, 3), (3, 25)])
def test_points_beside_a_photo(point: tuple[float, float]) -> None:
    said = rf"^point {point[0]:g},{point[1]:g} is outside p.jpg, which is 20 x 10; give x,y in its pixels$"
    with pytest.raises(QueryError, match=said):
        check_inside(point, (20, 10), "p.jpg")


def test_the_same_thing_is_what_overlaps_by_nine_tenths_best_first(tmp_path: Path) -> None:
    """Of a box of 20 x 10: the wholly equal one, 0.95, 0.9 and 0.85 of it; out of order."""
    boxes = np.float32([[0, 0, 17, 10], [0, 0, 19, 10], [0, 0, 20, 10], [0, 0, 18, 10], [0, 0, 20, 10]])
    objects = make_objects(image_id="i", xyxy=boxes, label=list("abcde"), source="s")
    assert same_objects(objects, 2).tolist()[:3] == [2, 4, 1]
    assert set(same_objects(objects, 2).tolist()) <= {2, 4, 1, 3}
    assert same_objects(objects, 4).tolist()[:3] == [4, 2, 1]
    assert same_objects(objects, 0).tolist() == [0, 3]
    (tmp_path / "p.jpg").write_bytes(b"p.jpg")
    store = a_store(["p.jpg"], objects)
    path = tmp_path / "p.jpg"
    assert objects_landed_on(store, path, box=(-9, -9, 99, 99)).label.tolist()[:2] == ["c", "e"]
    assert objects_landed_on(store, path, box=(0, 0, 5, 5)).label.tolist() == []
    assert objects_landed_on(store, path, point=(16, 3)).label.tolist() == ["a", "d"]
    assert objects_landed_on(store, path, point=(18.5, 3)).label.tolist()[0] == "b"
    with pytest.raises(QueryError, match=r"is outside p\.jpg, which is 20 x 10"):
        objects_landed_on(store, path, point=(16, 10))
    (tmp_path / "q.jpg").write_bytes(b"new")
    assert len(objects_landed_on(store, tmp_path / "q.jpg", point=(99, 99))) == 0


@pytest.mark.parametrize("held", [[], ["a"], ["d"], ["a", "d"], ["b"]])
def test_what_is_landed_on_is_the_first_that_the_space_holds(
    held: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A point on a, which is the same thing as d."""
    boxes = np.float32([[0, 0, 17, 10], [0, 0, 18, 10]])
    landed = make_objects(image_id="i", xyxy=boxes, label=["a", "d"], source="s")
    row_of = {name: 5 + place for place, name in enumerate(held)}
    names = dict(zip(landed.object_id.tolist(), landed.label.tolist(), strict=True))

    class Vectors:
        def rows(self, ids: Any) -> np.ndarray:
            return np.array([row_of.get(names[name], -1) for name in ids])

        def __getitem__(self, rows: Any) -> np.ndarray:
            return np.float32(rows)[:, None]

    store = a_store([])
    store.stored_space = lambda space: SimpleNamespace(vectors=Vectors())
    store.images_of = lambda objects: [ImageRow("i", "p.jpg", 20, 10)] * len(objects)
    monkeypatch.setattr(stored, "objects_landed_on", lambda *given, **named: landed)
    first = next((name for name in ("a", "d") if name in held), None)
    if first is None:
        with pytest.raises(
            QueryError, match=r"^16,3 of p.jpg is a stored a: object .* has no vector in space s"
        ):
            landed_queries(store, "p.jpg", "s", point=(16, 3))
        with pytest.raises(QueryError, match=r"^the box of p.jpg is a stored a: object .*; new= asks anew$"):
            landed_queries(store, "p.jpg", "s", box=(0, 0, 9, 9))
        return
    found = landed_queries(store, "p.jpg", "s", point=(16, 3))
    assert found is not None
    assert (found.objects.label.tolist(), np.asarray(found.vectors).tolist()) == ([first], [[row_of[first]]])
    assert (found.images, found.stored, found.point, found.box) == (("p.jpg",), True, (16, 3), None)
    monkeypatch.setattr(stored, "objects_landed_on", lambda *given, **named: landed.take([]))
    assert landed_queries(store, "p.jpg", "s", point=(16, 3)) is None


def test_a_network_is_loaded_as_the_store_says_or_says_nothing() -> None:
    recipe: Any = SimpleNamespace(model="net", weights="aa")
    assert loading_arguments(SimpleNamespace(models={}), recipe) == {}  # type: ignore[arg-type]
