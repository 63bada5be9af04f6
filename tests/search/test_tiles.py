from __future__ import annotations

import numpy as np
import pytest

from objectspace.embeddings.spaces import Recipe
from objectspace.files import content_id
from objectspace.images import encode_thumbnail
from objectspace.objects.masks import encode
from objectspace.objects.records import make_objects, no_objects
from objectspace.search import UNLABELED, Queries, SpaceSearch
from objectspace.search.tiles import Tile, _blacked_out, _side_by_side, sheet_rows
from objectspace.store import Batch, ImageRow, SpaceRows, open_store, open_writer

RED, GREEN = (220, 30, 30), (30, 200, 40)


def crop_recipe(background):
    policy = {"background": background, "margin": 0.0, "fit": "pad"}
    return Recipe("crop", "color", "aa", "mean", {"size": 8}, "float32", "0.1.0", crop=policy)


def plain(color, height=40, width=40):
    return np.full((height, width, 3), color, np.uint8)


@pytest.fixture
def store(tmp_path):
    """A masked red object (its left half) and a green box, in spaces with black and with kept background."""
    image = ImageRow(content_id(b"photo"), "photo.png", 100, 50)
    left_half = np.zeros((50, 100), bool)
    left_half[:, :20] = True
    objects = make_objects(
        image_id=image.image_id,
        xyxy=np.float32([[0, 0, 40, 40], [50, 0, 90, 40]]),
        label=["apple", "pear"],
        mask=[encode(left_half), None],
        source="hand@1",
    )
    vectors = np.eye(2, dtype=np.float32)
    spaces = {
        f"{name}-crop": SpaceRows(crop_recipe(name), objects.object_id, vectors) for name in ("black", "keep")
    }
    thumbnails = [encode_thumbnail(plain(RED)), encode_thumbnail(plain(GREEN))]
    with open_writer(tmp_path / "s.osp") as writer:
        writer.commit(Batch([image], objects, thumbnails, "job", spaces))
    return open_store(tmp_path / "s.osp")


def rows_of(store, space):
    search = SpaceSearch(store, space, metric="euclidean")
    ids = store.objects().object_id.tolist()
    return sheet_rows(store, search.nearest(search.stored(ids), same_image=True))


def test_a_masked_object_is_shown_on_black_as_its_encoder_saw_it(store):
    apple, pear = rows_of(store, "black-crop")
    left, right = apple.target.picture[:, :18], apple.target.picture[:, 22:]
    assert np.abs(left.astype(int) - RED).max() < 12
    assert right.max() == 0
    assert np.abs(pear.target.picture.astype(int) - GREEN).max() < 12
    np.testing.assert_array_equal(pear.neighbors[0].picture, apple.target.picture)


def test_where_the_background_is_kept_the_box_is_shown_whole(store):
    apple, _ = rows_of(store, "keep-crop")
    assert np.abs(apple.target.picture.astype(int) - RED).max() < 12


def test_labels_and_distances(store):
    apple, pear = rows_of(store, "black-crop")
    assert (apple.target.label, apple.target.distance) == ("apple", None)
    ((label, distance),) = [(tile.label, tile.distance) for tile in apple.neighbors]
    assert (label, distance) == ("pear", pytest.approx(2**0.5))
    assert [tile.label for tile in pear.neighbors] == ["apple"]


def outside(store, *, label, thumbnails):
    search = SpaceSearch(store, "keep-crop")
    objects = make_objects(image_id="0" * 32, xyxy=np.float32([[0, 0, 9, 9]]), label=[label], source="box@1")
    queries = Queries(objects, np.float32([[1, 0]]), ("new.png",), False, thumbnails)
    (row,) = sheet_rows(store, search.nearest(queries, same_image=True))
    return row


def test_a_query_from_outside_is_shown_by_its_own_picture(store):
    row = outside(store, label="plum", thumbnails=(encode_thumbnail(plain((30, 40, 220))),))
    assert np.abs(row.target.picture.astype(int) - (30, 40, 220)).max() < 12
    assert row.target.label == "plum"
    assert [tile.label for tile in row.neighbors] == ["apple", "pear"]


def test_a_query_without_a_picture_is_a_gray_tile(store):
    row = outside(store, label="plum", thumbnails=())
    assert row.target.picture.shape == (128, 128, 3)
    assert (row.target.picture == 200).all()


def test_a_query_that_is_only_a_box_has_no_label(store):
    assert outside(store, label=UNLABELED, thumbnails=()).target.label is None


def test_several_objects_that_are_one_target_stand_side_by_side(store):
    search = SpaceSearch(store, "keep-crop")
    ids = store.objects().object_id.tolist()
    (row,) = sheet_rows(store, search.nearest(search.mean(search.stored(ids)), same_image=True))
    picture = row.target.picture.astype(int)
    assert np.abs(picture[10, 10] - RED).max() < 12
    assert np.abs(picture[10, 74] - GREEN).max() < 12
    assert (row.target.label, row.target.note) == (None, "mean of 2")


def test_what_a_target_is_to_be_unlike_is_noted(store):
    search = SpaceSearch(store, "keep-crop")
    apple, pear = store.objects().object_id.tolist()
    (row,) = sheet_rows(store, search.nearest(search.unlike(search.stored([apple]), [pear]), same_image=True))
    assert (row.target.label, row.target.note) == ("apple", "unlike pear")
    assert row.neighbors == ()


def test_a_mean_and_what_it_is_to_be_unlike_are_noted_line_by_line(store):
    search = SpaceSearch(store, "keep-crop")
    apple, pear = store.objects().object_id.tolist()
    query = search.unlike(search.mean(search.stored([apple, apple])), [pear])
    (row,) = sheet_rows(store, search.nearest(query, same_image=True))
    assert row.target.note == "mean of 2\nunlike pear"


def test_a_text_is_shown_by_its_words(store):
    search = SpaceSearch(store, "keep-crop", metric="cosine")
    queries = Queries(no_objects(), np.float32([[1, 0]]), (), stored=False, texts=("a red apple",))
    (row,) = sheet_rows(store, search.nearest(queries, same_image=True))
    assert (row.target.words, row.target.label) == ("a red apple", None)
    assert [tile.label for tile in row.neighbors] == ["apple", "pear"]


@pytest.mark.parametrize(("count", "side"), [(2, 2), (4, 2), (5, 3), (9, 3), (12, 3)])
def test_pictures_side_by_side_are_a_grid_row_by_row(count, side):
    """Wide, high and square pictures, each of its own gray, in the middle of cells with a white rim."""
    sizes = [(30, 90), (90, 30), (50, 50), (128, 128)]
    pictures = [plain((10 * n, 10 * n, 10 * n), *sizes[n % 4]) for n in range(1, count + 1)]
    cell = 128 // side
    grid = _side_by_side(pictures)
    expected = np.full((side * cell, side * cell, 3), 255, np.uint8)
    for place, picture in enumerate(pictures[: side * side]):
        height, width = picture.shape[:2]
        scale = (cell - 2) / max(height, width)
        height, width = round(height * scale), round(width * scale)
        top = place // side * cell + (cell - height) // 2
        left = place % side * cell + (cell - width) // 2
        expected[top : top + height, left : left + width] = 10 * (place + 1)
    np.testing.assert_array_equal(grid, expected)


def test_a_picture_alone_is_shown_as_it_is():
    assert _side_by_side([plain(RED, 30, 90)]).shape == (30, 90, 3)


@pytest.mark.parametrize(("height", "width"), [(10, 20), (5, 10)])
def test_pixels_outside_the_mask_are_black_and_those_in_part_darker(height, width):
    """A box of 20 x 10 pixels, which the thumbnail shows at full or at half size."""
    mask = np.zeros((50, 100), bool)
    mask[8:14, 30:37] = True
    picture = _blacked_out(plain((200, 100, 60), height, width), encode(mask), np.float32([26, 6, 46, 16]))
    part = 10 // height
    for y in range(height):
        for x in range(width):
            block = mask[6 + y * part : 6 + (y + 1) * part, 26 + x * part : 26 + (x + 1) * part]
            expected = np.array([200, 100, 60]) * block.mean()
            # A pixel that is wholly inside, or outside, has its own color or none.
            assert np.abs(picture[y, x] - expected).max() <= (block.mean() not in (0, 1))


def test_a_tile_shows_itself_in_one_line():
    assert repr(Tile(plain(RED, 30, 90), "apple", 1.5)) == "Tile('apple' at 1.500, 90 x 30)"
    assert repr(Tile(plain(RED), None, words="a red apple")) == "Tile('a red apple', 40 x 40)"
