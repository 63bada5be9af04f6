from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import objectspace as osp
from objectspace.analyses.explanation import COVERED, cover_orders, explain_sums, measure_deletion
from objectspace.embeddings.crops import cut_crops
from objectspace.errors import ImageError, QueryError, RecipeError
from objectspace.objects.masks import decode
from objectspace.search.queries import explanations, networks
from objectspace.search.queries.cell_views import CellView, open_viewer
from objectspace.search.queries.explanations import _curve_areas

SPACES = ["demo-crop", "demo-window3-deepest", "demo-roi4-deepest", "demo-mask-deepest", "both"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> osp.Store:
    """Six drawn pictures in every kind of space: crops, windows, RoIs, masks, and two of them joined."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("explained")
    osp.write_world(folder / "world", count=6, seed=3)
    job = osp.Job(
        detector=osp.load_detector("demo", precision="float32"),
        encoder=osp.load_encoder("demo", precision="float32"),
        annotations=osp.AnnotationSpec(str(folder / "world/annotations.json"), "coco"),
        pools=("window3", "roi4", "mask"),
        scale="deepest",
    )
    osp.index(osp.find_images([folder / "world/images"]), folder / "s.osp", job)
    return osp.open_store(folder / "s.osp")


@pytest.fixture(scope="module", autouse=True)
def loaded_once() -> Iterator[None]:
    """Load the same networks once, and not for each explanation."""
    with pytest.MonkeyPatch.context() as patch:
        for load in (osp.load_detector, osp.load_encoder):
            patch.setattr(networks, load.__name__, cache(load))
        yield


def pair_of(store, space, metric="euclidean"):
    """A search, and three of its objects: of the first label twice, and another."""
    search = osp.SpaceSearch(store, space, metric=metric)
    ids = osp.choose_targets(search, 12)
    labels = store.objects(ids).label.tolist()
    again = next(row for row in range(1, 12) if labels[row] == labels[0])
    return search, *(search.stored([ids[row]]) for row in (0, again, 1))


def all_heat(why):
    """The sum of the heat of an explanation, over its parts where it has some."""
    return sum(one.heat.sum() for part in (why.parts or {"": why}).values() for one in part.cells)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("space", SPACES)
def test_heat_sums_to_the_distance_that_a_search_prints(store, space, metric):
    search, first, second, third = pair_of(store, space, metric)
    why = osp.explain(search, first, second)
    (answer,) = search.nearest(first, k=len(search), same_image=True)
    found = answer.neighbors.object_id.tolist().index(second.objects.object_id[0])
    assert why.distance == answer.distance[found]
    # A joint space's euclidean distance is that of unit vectors.
    half = 2 if space == "both" else 1
    squared = why.distance**2 / half if metric == "euclidean" else why.distance
    assert all_heat(why) == pytest.approx(squared, rel=1e-5)
    assert why.total == pytest.approx(squared, rel=1e-5)
    contrast = osp.explain(search, first, second, far=third)
    assert all_heat(contrast) == pytest.approx(contrast.margin, rel=1e-5, abs=1e-9)


def test_heat_of_a_crop_is_what_each_cell_of_the_last_map_adds(store):
    search, first, second, _ = pair_of(store, "demo-crop")
    encoder = osp.load_encoder("demo", precision="float32")
    maps = []
    for query in (first, second):
        image = osp.read_image(query.images[0])
        crop = cut_crops(image, query.objects, osp.CropPolicy(), encoder.input_size)
        with torch.inference_mode():
            maps.append(encoder.network.maps(encoder.normalized(crop))[0].double().numpy())
    means = [one.mean((1, 2)) for one in maps]
    why = osp.explain(search, first, second)
    for number, (own, other) in enumerate((means, means[::-1])):
        channels, rows, columns = maps[number].shape
        slow = [
            [
                sum(own[c] ** 2 - maps[number][c, y, x] * other[c] for c in range(channels))
                / (rows * columns)
                for x in range(columns)
            ]
            for y in range(rows)
        ]
        np.testing.assert_allclose(why.cells[number].heat, slow, atol=1e-4 * why.total)


def test_heat_of_a_mask_counts_each_cell_by_its_weight(store):
    """A cell of which little is under the mask has a small share, whichever way it points."""
    search, first, second, _ = pair_of(store, "demo-mask-deepest")
    why = osp.explain(search, first, second)
    v, w = (np.asarray(one.vectors)[0].astype(np.float64) for one in (first, second))
    view = open_viewer(store, "demo-mask-deepest", "cpu").view(first.images[0], first.objects)
    assert len(np.unique(view.weights.round(6))) > 2
    for row, column in np.ndindex(view.weights.shape):
        weight, cell = view.weights[row, column], view.cells[row, column]
        expected = weight * (v @ v) - cell @ w
        assert why.cells[0].heat[row, column] == pytest.approx(expected, abs=1e-4 * why.total)


def test_heat_of_a_window_is_half_of_what_its_cells_differ_by(store):
    search, first, second, _ = pair_of(store, "demo-window3-deepest")
    v, w = (np.asarray(one.vectors)[0].astype(np.float64).reshape(-1, 3, 3) for one in (first, second))
    why = osp.explain(search, first, second)
    for row, column in np.ndindex(3, 3):
        apart = sum((v[:, row, column] - w[:, row, column]) ** 2) / 2
        assert why.cells[0].heat[row, column] == pytest.approx(apart)


def test_the_area_of_a_window_is_its_cells(store):
    """Three by three cells around the object's own, in pixels of the network's input."""
    name = "demo-window3-deepest"
    stride, cells, ids = store.recipe(name).stride, store.cells(name), list(store.members(name))
    search = osp.SpaceSearch(store, name)
    viewer = open_viewer(store, name, "cpu")
    for object_id in ids[:3]:
        query, row = search.stored([object_id]), ids.index(object_id)
        x, y = int(cells["cell_x"][row]), int(cells["cell_y"][row])
        expected = ((x - 1) * stride, (y - 1) * stride, (x + 2) * stride, (y + 2) * stride)
        assert viewer.view(query.images[0], query.objects).area == expected


def test_the_area_of_a_mask_is_the_cells_that_it_lies_in(store):
    """From the first cell to the last, in pixels of the network's input, in which the picture is as large."""
    name = "demo-mask-deepest"
    stride, search = store.recipe(name).stride, osp.SpaceSearch(store, name)
    viewer = open_viewer(store, name, "cpu")
    for object_id in osp.choose_targets(search, 4):
        query = search.stored([object_id])
        view = viewer.view(query.images[0], query.objects)
        mask = decode(query.objects.mask[0])
        scale = view.pixels.shape[1] / mask.shape[1]
        assert scale == view.pixels.shape[0] / mask.shape[0]
        across, down = (np.flatnonzero(mask.any(axis)) * scale // stride for axis in (0, 1))
        cells = (across.min(), down.min(), across.max() + 1, down.max() + 1)
        assert view.area == tuple(stride * side for side in cells)
        assert view.picture().shape[:2] == (stride * view.shape[0], stride * view.shape[1])


def test_a_box_of_a_photo_is_explained_as_the_stored_object_is(store):
    search, first, second, _ = pair_of(store, "demo-window3-deepest")
    box = tuple(first.objects.xyxy[0].tolist())
    outside = osp.query_image(store, first.images[0], "demo-window3-deepest", box=box)
    ours, theirs = (osp.explain(search, one, second) for one in (first, outside))
    assert ours.distance == theirs.distance
    np.testing.assert_array_equal(ours.cells[0].heat, theirs.cells[0].heat)


def test_a_class_token_is_explained_by_occlusion_and_says_so(world, tmp_path):
    encoder = osp.load_encoder("test_vit", weights=world.encoder_weights, precision="float32")
    labels = osp.open_annotations(world.labels, names=("apple", "pear", "plum"))
    osp.index(
        osp.find_images([world.photos]), tmp_path / "s.osp", osp.Job(encoder=encoder, annotations=labels)
    )
    search, first, second, _ = pair_of_few(osp.open_store(tmp_path / "s.osp"))
    why = osp.explain(search, first, second)
    assert why.method == "occlusion"
    assert why.total == pytest.approx(why.distance**2, rel=1e-4)
    # The cell of a corner, painted black by hand.
    size, interpolation = encoder.input_size, encoder.interpolation
    image = osp.read_image(first.images[0])
    covered = cut_crops(image, first.objects, osp.CropPolicy(), size, interpolation=interpolation)
    side = round(size / 7)
    covered[0, :side, :side] = 0
    v, w = encoder.embed(covered)[0].astype(np.float64), np.asarray(second.vectors)[0]
    assert why.cells[0].heat[0, 0] == pytest.approx(why.total - sum((v - w) ** 2), abs=1e-4 * why.total)


def pair_of_few(store):
    search = osp.SpaceSearch(store, "test_vit-crop", metric="euclidean")
    return search, *(search.stored([name]) for name in osp.choose_targets(search, 3))


EVEN = np.full((4, 4), 1 / 16)


def mean_color_view(rng):
    """A view of an encoder whose cells see nothing but themselves: its vector is the mean color.

    Each cell is red, green or blue, brighter or darker, one of the colors more often than the others.
    """
    colors = rng.choice(3, (4, 4), p=rng.permutation([0.6, 0.3, 0.1]))
    pixels = (np.eye(3)[colors] * rng.integers(20, 255, (4, 4, 1))).astype(np.uint8)
    pixels = pixels.repeat(8, 0).repeat(8, 1)
    cells = pixels.reshape(4, 8, 4, 8, 3).mean((1, 3)) / 16
    return CellView(pixels, (0, 0, 32, 32), cells, False, EVEN, lambda inputs: inputs.mean((1, 2)), (0, 0, 0))


def test_the_deletion_check_passes_and_fails_for_shuffled_heat():
    rng = np.random.default_rng(5)
    areas = []
    for _ in range(60):
        views = [mean_color_view(rng), mean_color_view(rng)]
        heat, _ = explain_sums(views[0].cells, views[1].cells, "cosine", (EVEN, EVEN))
        other = views[1].cells.sum((0, 1))
        areas.append(_curve_areas(views[0], other, heat, "cosine", rng))
    checked = measure_deletion(np.array(areas), np.arange(60), space="s", metric="cosine", method="sum")
    assert checked.passed
    for one in (checked.shuffled_apart, checked.shuffled_together):
        low, high = one.interval_over_chance()
        assert low <= 0 <= high


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_areas_are_those_of_cells_painted_one_after_another(metric):
    rng = np.random.default_rng(3)
    view, other, heat = mean_color_view(rng), mean_color_view(rng).cells.sum((0, 1)), rng.normal(size=(4, 4))

    def total(pixels):
        mean = pixels.reshape(-1, 3).mean(0)
        if metric == "euclidean":
            return sum((mean - other) ** 2)
        return 1 - mean @ other / np.sqrt((mean @ mean) * (other @ other))

    expected = []
    for order in cover_orders(heat, np.random.default_rng(9)):
        logarithms = []
        for share in COVERED:
            pixels = view.pixels.copy()
            for row, column in (divmod(cell, 4) for cell in order[: round(16 * share)]):
                pixels[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 0
            logarithms.append(np.log(total(pixels) / total(view.pixels)))
        expected.append(np.mean(logarithms))
    found = _curve_areas(view, other, heat, metric, np.random.default_rng(9))
    np.testing.assert_allclose(found, expected)


def test_a_check_takes_pairs_of_two_photos(store, monkeypatch):
    """Each target with its nearest of another photo, in the order of the targets."""
    curves, told = [], []

    def area(view, other, heat, metric, rng):
        curves.append((view.pixels, other, heat, metric, rng))
        return np.full(12, float(len(curves)))

    monkeypatch.setattr(explanations, "_curve_areas", area)
    monkeypatch.setattr(explanations, "measure_deletion", lambda *given, **named: told.append((given, named)))
    search = osp.SpaceSearch(store, "demo-mask-deepest")
    osp.check_explanations(search, pairs=3, seed=3)
    (((areas, images), named),) = told
    assert areas[:, 5].tolist() == [1, 2, 3]
    assert named == {"space": search.space.name, "metric": search.metric, "method": "sum", "seed": 3}
    answers = search.nearest(search.stored(osp.choose_targets(search, 3)), k=1)
    whys, viewer = osp.explain_neighbors(search, answers), open_viewer(store, search.space.name, "cpu")
    for answer, (why,), image, curve in zip(answers, whys, images, curves, strict=True):
        second = search.stored(answer.neighbors.object_id.tolist())
        assert image == answer.query.image_id[0] != second.objects.image_id[0]
        pixels, other, heat, metric, rng = curve
        np.testing.assert_array_equal(pixels, viewer.view(answer.query_images[0], answer.query).pixels)
        np.testing.assert_array_equal(other, np.asarray(second.vectors)[0])
        np.testing.assert_array_equal(heat, why.cells[0].heat)
        assert metric == search.metric
        assert rng.bit_generator.state == np.random.default_rng(3).bit_generator.state


def test_painted_cells_have_the_mean_color_and_the_others_stay():
    pixels = np.random.default_rng(0).integers(0, 255, (12, 8, 3), np.uint8)
    # An area that reaches beyond the left border by two pixels: columns of four.
    view = CellView(pixels, (-2.0, 3.0, 6.0, 9.0), np.zeros((3, 2, 1)), False, EVEN, lambda one: one)
    covered = np.zeros((2, 3, 2), np.bool_)
    covered[0, 1, 0] = covered[1, 2, 1] = True
    painted = view.covered(covered)
    mean = np.rint(pixels[3:9, 0:6].reshape(-1, 3).mean(0))
    expected = np.stack([pixels, pixels])
    expected[0, 5:7, 0:2] = mean
    expected[1, 7:9, 2:6] = mean
    np.testing.assert_array_equal(painted, expected)
    assert view.picture().shape == (6, 8, 3)
    assert not view.picture()[:, :2].any()
    np.testing.assert_array_equal(view.picture()[:, 2:], pixels[3:9, 0:6])


@pytest.mark.parametrize("layout", [False, True])
def test_rounding_goes_to_the_cells_and_more_is_refused(layout):
    cells = np.random.default_rng(1).normal(size=(2, 2, 3))
    vector = cells.transpose(2, 0, 1).reshape(-1) if layout else cells.sum((0, 1))
    weights = np.array([[0.1, 0.2], [0.3, 0.4]])
    view = CellView(np.zeros((2, 2, 3), np.uint8), (0, 0, 2, 2), cells, layout, weights, lambda one: one)
    stored = (vector * 1.001).astype(np.float32)
    made = view.made_to(stored, "s").cells
    again = made.transpose(2, 0, 1).reshape(-1) if layout else made.sum((0, 1))
    np.testing.assert_allclose(again, stored, rtol=1e-12)
    with pytest.raises(RecipeError, match="another vector of this object than space s holds"):
        view.made_to(stored * 2, "s")


def test_vectors_without_cells_are_refused(store, tmp_path):
    shutil.copytree(store.path, tmp_path / "s.osp")
    space = store.space("demo-crop")
    osp.add_embeddings(tmp_path / "s.osp", "mine", space.object_id, space.vectors, model="mine")
    search = osp.SpaceSearch(osp.open_store(tmp_path / "s.osp"), "mine")
    one = search.stored([str(space.object_id[0])])
    with pytest.raises(QueryError, match="vectors of space mine were handed in, so that no cells"):
        osp.explain(search, one, one)


def test_several_objects_as_one_query_are_refused(store):
    search, first, second, _ = pair_of(store, "demo-crop")
    both = search.stored([str(one.objects.object_id[0]) for one in (first, second)])
    for wrong in (both, search.mean(both)):
        with pytest.raises(QueryError, match="an explanation is of single objects"):
            osp.explain(search, wrong, second)


def test_a_joint_space_is_explained_by_the_stride_that_both_objects_have(store, tmp_path):
    """Windows lie at the own stride of each object: two of different strides have the mean of the store."""
    photos = store.path.parent / "world"
    job = osp.Job(
        detector=osp.load_detector("demo", precision="float32"),
        encoder=osp.load_encoder("demo", precision="float32"),
        annotations=osp.AnnotationSpec(str(photos / "annotations.json"), "coco"),
    )
    osp.index(osp.find_images([photos / "images"]), tmp_path / "s.osp", job)
    held = osp.open_store(tmp_path / "s.osp")
    search = osp.SpaceSearch(held, "both")
    strides = {
        f"demo-window3-stride{stride}": held.space(f"demo-window3-stride{stride}") for stride in (16, 32)
    }
    missing = held.recipe("both").parts[1]["missing"]
    for first, of_first in strides.items():
        for second, of_second in strides.items():
            why = osp.explain(
                search, search.stored([of_first.object_id[0]]), search.stored([of_second.object_id[-1]])
            )
            part = why.parts["window"]
            if first == second:
                assert (part.space, len(part.cells)) == (first, 2)
                assert part.total == pytest.approx(sum(one.heat.sum() for one in part.cells), rel=1e-5)
            else:
                assert part.cells == ()
                assert part.total == pytest.approx((1 - missing) / 2)
            assert why.distance == pytest.approx(why.total, rel=1e-5)


def test_a_joint_space_is_checked_by_its_parts(store):
    with pytest.raises(QueryError, match="both is a joint space; check the spaces of its parts: demo-crop, "):
        osp.check_explanations(osp.SpaceSearch(store, "both"))


@pytest.mark.parametrize("space", ["demo-crop", "demo-window3-deepest"])
def test_neighbors_are_explained_as_two_objects_are(store, space):
    search = osp.SpaceSearch(store, space)
    targets = search.stored(osp.choose_targets(search, 2))
    answers = search.nearest(targets, k=2)
    found = osp.explain_neighbors(search, answers)
    assert [len(one) for one in found] == [2, 2]
    for answer, whys in zip(answers, found, strict=True):
        first = search.stored(answer.query.object_id.tolist())
        for name, why in zip(answer.neighbors.object_id.tolist(), whys, strict=True):
            alone = osp.explain(search, first, search.stored([name]))
            assert why.distance == pytest.approx(alone.distance)
            for ours, theirs in zip(why.cells, alone.cells, strict=True):
                np.testing.assert_array_equal(ours.heat, theirs.heat)


def test_neighbors_that_cannot_be_explained(store):
    search = osp.SpaceSearch(store, "both")
    with pytest.raises(QueryError, match="explain neighbors in the space of one of its parts: demo-crop, "):
        osp.explain_neighbors(search, [])
    search = osp.SpaceSearch(store, "demo-crop")
    two = search.mean(search.stored(osp.choose_targets(search, 2)))
    with pytest.raises(QueryError, match="neighbors are explained of stored objects, one a target"):
        osp.explain_neighbors(search, search.nearest(two, k=1, same_image=True))


def test_a_photo_that_was_replaced(store, tmp_path):
    search, first, second, third = pair_of(store, "demo-crop")
    other = next(one.images[0] for one in (second, third) if one.images != first.images)
    with pytest.raises(ImageError, match="holds another photo than the one that was indexed"):
        osp.explain(search, replace(first, images=(other,)), second)
    with pytest.raises(ImageError, match="there is no such file"):
        osp.explain(search, replace(first, images=(str(Path(tmp_path / "gone.png")),)), second)
