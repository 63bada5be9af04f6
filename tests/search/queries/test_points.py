"""A click on a photo: objects by hand, cells against the windows that indexing cuts."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from PIL import Image

from objectspace.embeddings.spaces import Recipe
from objectspace.errors import QueryError
from objectspace.files import content_id
from objectspace.images import find_images
from objectspace.jobs.index import index
from objectspace.models.detectors import load_detector
from objectspace.objects.annotations import open_annotations
from objectspace.objects.masks import encode
from objectspace.objects.records import concatenate, make_objects, no_objects
from objectspace.pipeline.job import Job
from objectspace.search import SpaceSearch
from objectspace.search.queries.images import query_image
from objectspace.search.queries.points import _nothing_there, query_point
from objectspace.search.queries.stored import object_at, objects_landed_on
from objectspace.store import Batch, ImageRow, SpaceRows, open_store, open_writer

CROPS = "test_vit-crop"


@pytest.fixture(scope="module")
def indexed(world, tmp_path_factory):
    """Indexes two photos: labeled objects or detected ones, with the pools that are named."""
    from objectspace.models.encoders import load_encoder

    def make(*, labeled, pools=("window3", "cell", "roi2"), scale="own"):
        path = tmp_path_factory.mktemp("points") / "s.osp"
        job = Job(
            detector=load_detector(world.cfg, weights=world.weights, names=world.names),
            encoder=load_encoder("test_vit", weights=world.encoder_weights),
            annotations=open_annotations(world.labels, names=("apple", "pear", "plum")) if labeled else None,
            pools=pools,
            scale=scale,
        )
        index(find_images([world.photos / "red1.png", world.photos / "red2.png"]), path, job)
        return open_store(path)

    return make


@pytest.fixture(scope="module")
def labeled(indexed):
    return indexed(labeled=True)


@pytest.fixture(scope="module")
def detected(indexed):
    return indexed(labeled=False)


# ------------------------------------------------------------------------------------------------ objects


def square(left, top, side, image_wh=(40, 40)):
    pixels = np.zeros(image_wh[::-1], np.bool_)
    pixels[top : top + side, left : left + side] = True
    return encode(pixels)


@pytest.fixture
def nested():
    """A large box; in it a middling one with a mask in its left upper quarter; in it a small box."""
    boxes = np.float32([[0, 0, 40, 40], [10, 10, 30, 30], [20, 20, 24, 24]])
    masks = [None, square(10, 10, 10), None]
    return make_objects(image_id="i", xyxy=boxes, label=["a", "b", "c"], source="hand@1", mask=masks)


@pytest.mark.parametrize(
    ("point", "row"),
    [
        ((5, 5), 0),
        ((12, 12), 1),
        ((25, 25), 0),  # in the middle box, outside its mask
        ((20, 20), 2),  # on the small box's corner, which is its own
        ((24, 22), 0),  # on its right edge, which is not
        ((39.9, 0), 0),
    ],
)
def test_the_smallest_object_that_holds_the_point(nested, point, row):
    assert object_at(nested, point) == row


def test_a_mask_is_as_large_as_its_pixels(nested):
    large = make_objects(
        image_id="i",
        xyxy=np.float32([[0, 0, 40, 40], [0, 0, 5, 5]]),
        label=["a", "b"],
        source="hand@1",
        mask=[square(0, 0, 4), None],
    )
    assert object_at(large, (1, 1)) == 0


def test_nothing_there(nested):
    assert object_at(nested.take([2]), (1, 1)) is None
    assert object_at(no_objects(), (1, 1)) is None


def test_a_click_on_a_stored_photo_is_its_stored_object(labeled, world):
    queries = query_point(labeled, world.photos / "red1.png", CROPS, (20, 20))
    assert (queries.stored, queries.objects.label.tolist(), queries.point) == (True, ["apple"], (20, 20))
    search = SpaceSearch(labeled, CROPS)
    np.testing.assert_array_equal(queries.vectors, search.stored(queries.objects.object_id.tolist()).vectors)
    (answer,) = search.nearest(queries)
    assert queries.objects.object_id[0] not in answer.neighbors.object_id
    assert answer.to_json()["query"]["point"] == [20, 20]


def test_other_poolings_take_the_object_as_well(labeled, world):
    # The first photo's apple lies at the head of stride 16 or of 32; its space holds it.
    for name in labeled.space_names:
        if "roi2" not in name:
            continue
        held = set(labeled.members(name))
        objects = labeled.objects(sorted(held))
        apple = objects.take((objects.label == "apple") & (objects.xyxy[:, 0] == 8))
        if len(apple):
            queries = query_point(labeled, world.photos / "red1.png", name, (20, 20))
            assert queries.objects.object_id.tolist() == apple.object_id.tolist()
            return
    pytest.fail("no space of regions holds the apple")


def test_a_click_on_a_new_photo_is_what_is_detected_there(detected, world):
    photo = world.photos / "sub" / "green.jpg"
    found = query_image(detected, photo, CROPS)
    middle = found.objects.xyxy[0].reshape(2, 2).mean(axis=0).tolist()
    queries = query_point(detected, photo, CROPS, (middle[0], middle[1]))
    row = object_at(found.objects, (middle[0], middle[1]))
    assert queries.objects.object_id.tolist() == [found.objects.object_id[row]]
    np.testing.assert_array_equal(queries.vectors, found.vectors[[row]])
    assert (queries.stored, queries.thumbnails) == (False, (found.thumbnails[row],))


def test_a_click_beside_all_objects(labeled, world):
    """The pear begins ten pixels to the right; the apple is twenty pixels above, and more to the left."""
    near = "its objects, nearest first: pear at 60,20,84,52, apple at 8,8,40,40; give a point on one, or"
    with pytest.raises(QueryError, match=f"no object of .*red1.png lies at 50,60; {near}"):
        query_point(labeled, world.photos / "red1.png", CROPS, (50, 60))
    with pytest.raises(QueryError, match=r"lies at 42,7; its objects, nearest first: apple at .*, pear at "):
        query_point(labeled, "red1.png", CROPS, (42, 7))


@pytest.mark.parametrize(("count", "more"), [(8, ""), (9, " and 1 more"), (13, " and 5 more")])
def test_the_eight_nearest_are_listed(count, more):
    """Boxes in a row, the nearest last."""
    left = np.arange(count, 0, -1, dtype=np.float32) * 10
    boxes = np.stack([left, 0 * left, left + 4, 0 * left + 6], axis=1)
    objects = make_objects(image_id="i", xyxy=boxes, label=[f"n{one:g}" for one in left], source="hand@1")
    near = ", ".join(f"n{one} at {one},0,{one + 4},6" for one in range(10, 90, 10))
    expected = (
        f"no object of a.png lies at 2,5.5; its objects, nearest first: {near}{more}; give a point on one"
    )
    assert str(_nothing_there((2, 5.5), "a.png", objects)).startswith(expected)


def test_a_click_on_a_new_photo_of_an_annotated_store(labeled, world):
    with pytest.raises(QueryError, match="come from annotations; give the object's x1, y1, x2, y2 as box="):
        query_point(labeled, world.photos / "sub" / "green.jpg", CROPS, (20, 20))


# ------------------------------------------------------------------- one object, one answer in every space


def test_a_click_a_box_and_an_id_are_one_object_in_every_space(labeled, world):
    photo = world.photos / "red1.png"
    apple = objects_landed_on(labeled, photo, point=(20, 20)).object_id[0]
    box = tuple((labeled.objects([apple]).xyxy[0] + np.float32([0, 0, 1, 1])).tolist())
    spaces = 0
    for name in labeled.space_names:
        if apple not in labeled.members(name):
            continue
        search = SpaceSearch(labeled, name)
        (expected,) = search.nearest(search.stored([apple]))
        for asked in (
            query_point(labeled, photo, name, (20, 20)),
            query_image(labeled, photo, name, box=box),
        ):
            (answer,) = search.nearest(asked)
            assert (answer.stored, answer.query.object_id.tolist()) == (True, [apple])
            assert answer.neighbors.object_id.tolist() == expected.neighbors.object_id.tolist()
            assert answer.distance.tolist() == expected.distance.tolist()
        spaces += 1
    assert spaces >= 4  # crops, a window and a region of one stride, both


def test_the_pixels_alone(labeled, world):
    photo = world.photos / "red1.png"
    assert not query_image(labeled, photo, CROPS, box=(8, 8, 40, 40), new=True).stored
    name = next(name for name in labeled.space_names if "window3" in name)
    assert query_point(labeled, photo, name, (20, 20), new=True).objects.label.tolist() == ["query"]


@pytest.mark.parametrize(("right", "landed"), [(43.5, True), (43.6, False)])  # 32 / 35.5, 32 / 35.6
def test_how_much_a_box_overlaps(labeled, world, right, landed):
    objects = objects_landed_on(labeled, world.photos / "red1.png", box=(8, 8, right, 40))
    assert bool(len(objects)) == landed


def test_the_same_thing_found_by_another(tmp_path):
    """A point is the smallest object; where a space holds only another finder's box of it, that one."""
    photo = tmp_path / "a.png"
    Image.new("RGB", (100, 100)).save(photo)
    row = ImageRow(content_id(photo.read_bytes()), str(photo), 100, 100)
    boxes = np.float32([[10, 10, 60, 60], [10, 10, 60, 61], [0, 0, 90, 90]])
    objects = [
        make_objects(image_id=row.image_id, xyxy=box[None], label=[source], source=f"{source}@1")
        for box, source in zip(boxes, ("ours", "theirs", "large"), strict=True)
    ]
    recipe = Recipe("crop", "color", "aa", "mean", {"size": 8}, "float32", "0.1.0", crop={"margin": 0.0})
    ours, theirs, large = (one.object_id for one in objects)
    spaces = {
        "all": SpaceRows(recipe, np.concatenate([ours, theirs, large]), np.eye(3, 2, dtype=np.float32)),
        "theirs": SpaceRows(recipe, np.concatenate([theirs, large]), np.eye(2, dtype=np.float32)),
        "large": SpaceRows(recipe, large, np.eye(1, 2, dtype=np.float32)),
    }
    with open_writer(tmp_path / "s.osp") as writer:
        writer.commit(Batch([row], concatenate(objects), [b"jpeg"] * 3, "job", spaces))
    store = open_store(tmp_path / "s.osp")
    found = {
        name: query_point(store, photo, name, (20, 20)).objects.label.tolist() for name in ("all", "theirs")
    }
    assert found == {"all": ["ours"], "theirs": ["theirs"]}
    with pytest.raises(QueryError, match=r"is a stored ours: .*no vector in space large; search in all;"):
        query_point(store, photo, "large", (20, 20))
    with pytest.raises(
        QueryError, match=r"the box of .* is a stored ours: .* in space large; search in all;"
    ):
        query_image(store, photo, "large", box=(10, 10, 60, 60))


# -------------------------------------------------------------------------------------------------- cells


def stored_cells(store, name):
    """Of each vector of a window space: object, photo's path, and the cell."""
    paths = {image.image_id: image.path for image in store.images()}
    objects, cells = store.objects(store.members(name)), store.cells(name)
    for row in range(len(objects)):
        yield row, paths[objects.image_id[row]], int(cells["cell_x"][row]), int(cells["cell_y"][row])


@pytest.mark.parametrize("pool", ["window3", "window1"])
def test_the_middle_of_a_stored_cell_has_the_very_vector(detected, pool):
    asked = 0
    for name in detected.space_names:
        if pool not in name:
            continue
        stride, vectors = detected.recipe(name).stride, detected.space(name).vectors
        for row, path, x, y in islice(stored_cells(detected, name), 3):
            # Photos of 96 x 64 are stretched onto an input of 64 x 64.
            point = ((x + 0.5) * stride * 96 / 64, (y + 0.5) * stride)
            queries = query_point(detected, path, name, point, new=True)
            np.testing.assert_array_equal(queries.vectors[0], vectors[row])
            assert (queries.objects.provenance.cell_x[0], queries.objects.provenance.cell_y[0]) == (x, y)
            asked += 1
    assert asked > 2


def test_a_cells_box_is_the_windows_part_of_the_photo(detected, world):
    name = next(name for name in detected.space_names if "window3-stride16" in name)
    queries = query_point(detected, world.photos / "red1.png", name, (1, 1), new=True)
    # Cells of 24 x 16 pixels of the photo; the window's first column and row lie outside.
    assert queries.objects.xyxy.tolist() == [[0, 0, 48, 32]]
    assert (queries.stored, queries.objects.label.tolist()) == (False, ["query"])
    assert len(queries.thumbnails) == 1


@pytest.mark.parametrize("point", [(95.99, 63.99), (np.nextafter(96.0, 0), np.nextafter(64.0, 0))])
def test_the_far_corner_belongs_to_the_last_cell(detected, world, point):
    """Also where float32 rounds it to the photo's border."""
    name = next(name for name in detected.space_names if "window1-stride32" in name)
    cells = query_point(detected, world.photos / "red1.png", name, point, new=True).objects.provenance
    assert (cells.cell_x.tolist(), cells.cell_y.tolist()) == ([1], [1])


def test_a_cell_of_a_map_with_more_rows_than_channels(world, tmp_path):
    """Ten rows of eight channels: photos of 96 x 64 are stretched onto an input of 320 x 320."""
    cfg = tmp_path / "large.cfg"
    cfg.write_text(world.cfg.read_text().replace("=64\n", "=320\n"))
    job = Job(
        detector=load_detector(cfg, weights=world.weights, names=world.names),
        annotations=open_annotations(world.labels, names=("apple", "pear", "plum")),
        pools=("window1",),
    )
    photo = world.photos / "red1.png"
    index(find_images([photo]), tmp_path / "s.osp", job)
    store = open_store(tmp_path / "s.osp")
    name = next(name for name in store.space_names if "stride32" in name)
    assert store.space(name).vectors.shape[1] == 8
    for x, y in ((2, 60), (90, 50), (50, 10)):
        cells = query_point(store, photo, name, (x, y), new=True).objects.provenance
        assert (cells.cell_x[0], cells.cell_y[0]) == (x * 320 // 96 // 32, y * 320 // 64 // 32)


def test_a_photo_that_is_not_stored_has_cells_too(labeled, world):
    name = next(name for name in labeled.space_names if "window3" in name)
    queries = query_point(labeled, world.photos / "sub" / "blue.jpg", name, (50, 30))
    assert len(SpaceSearch(labeled, name).nearest(queries)) == 1


@pytest.mark.parametrize("point", [(96, 10), (-1, 10), (10, 64), (float("nan"), 3)])
@pytest.mark.parametrize("kind", ["crop", "window3"])
def test_a_point_outside_the_photo(labeled, world, kind, point):
    name = next(name for name in labeled.space_names if kind in name)
    with pytest.raises(QueryError, match=r"point .* is outside .*red1.png, which is 96 x 64; give x,y in"):
        query_point(labeled, world.photos / "red1.png", name, point)
