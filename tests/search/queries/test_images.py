from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from objectspace.errors import ImageError, ModelError, QueryError, RecipeError
from objectspace.images import find_images
from objectspace.jobs.index import index
from objectspace.models.detectors import load_detector
from objectspace.models.detectors.darknet_models import DarknetDetector
from objectspace.models.encoders import load_encoder
from objectspace.objects.annotations import open_annotations
from objectspace.pipeline.job import Job
from objectspace.search import SpaceSearch
from objectspace.search.queries import networks
from objectspace.search.queries.images import query_image
from objectspace.search.queries.networks import space_detector
from objectspace.search.queries.stored import image_file, stored_image, stored_objects_of
from objectspace.store import open_store


@pytest.fixture
def models(world, tmp_path):
    """A copy of the networks' files, which a test may change."""
    for file in (world.cfg, world.weights, world.names, world.encoder_weights):
        shutil.copy(file, tmp_path)
    return tmp_path


@pytest.fixture
def make_store(world, models, tmp_path):
    """Indexes all photos: the labeled objects, or the detected ones; with what the job is given besides."""

    def make(*, labeled=True, **settings):
        return index_photos(world, models, tmp_path / "s.osp", labeled, **settings)

    return make


def index_photos(world, models, path, labeled, **settings):
    annotations = open_annotations(world.labels, names=("apple", "pear", "plum")) if labeled else None
    detector = load_detector(models / "tiny.cfg", weights=models / "tiny.weights", names=models / "names.txt")
    encoder = load_encoder("test_vit", weights=models / "encoder.pth")
    job = Job(detector=detector, encoder=encoder, annotations=annotations, **settings)
    index(find_images([world.photos]), path, job)
    return open_store(path)


@pytest.fixture(scope="module")
def labeled(world, tmp_path_factory):
    """A store of the labeled objects, made once, which no test changes."""
    return index_photos(world, world.cfg.parent, tmp_path_factory.mktemp("labeled") / "s.osp", labeled=True)


@pytest.fixture(scope="module")
def detected(world, tmp_path_factory):
    """The same of detected objects; a test changes a copy."""
    return index_photos(world, world.cfg.parent, tmp_path_factory.mktemp("detected") / "s.osp", labeled=False)


def boxes_without_mask(store):
    """(row, photo's path, box) of the stored objects that are only a box."""
    objects, paths = store.objects(), {image.image_id: image.path for image in store.images()}
    for row in range(len(objects)):
        if objects.mask[row] is None:
            yield row, paths[objects.image_id[row]], tuple(objects.xyxy[row].tolist())


@pytest.mark.parametrize("suffix", ["", "-mine"])
def test_a_stored_box_asked_for_again_has_the_very_same_vectors(make_store, monkeypatch, suffix):
    for load in (load_detector, load_encoder):
        monkeypatch.setattr(networks, load.__name__, cache(load))  # once, not for each of 12 questions
    store = make_store(suffix=suffix, pools=("window2",))
    objects = store.objects()
    asked = 0
    for name in store.space_names:
        search = SpaceSearch(store, name)
        for row, path, box in boxes_without_mask(store):
            if objects.object_id[row] not in search.space.object_id:
                continue
            queries = query_image(store, path, name, box=box, new=True)
            stored = search.stored([str(objects.object_id[row])])
            np.testing.assert_array_equal(queries.vectors, stored.vectors)
            (answer,) = search.nearest(queries, k=1, same_image=True)
            assert answer.distance[0] == 0
            asked += 1
    assert asked == 12  # four boxes, each in the crop space, in a window space and in both


def test_detected_objects_asked_for_again_are_all_found(detected, world):
    photo = world.photos / "red1.png"
    queries = query_image(detected, photo, "test_vit-crop")
    stored = SpaceSearch(detected, "test_vit-crop").stored(queries.objects.object_id.tolist())
    held = stored_objects_of(detected, photo).object_id
    assert sorted(held.tolist()) == sorted(queries.objects.object_id.tolist())
    np.testing.assert_array_equal(queries.vectors, stored.vectors)
    assert queries.images == (str(photo),) * len(queries.objects)
    assert len(queries.thumbnails) == len(queries.objects)
    assert not queries.stored


def test_a_photo_in_a_joint_space_takes_one_pass_of_the_detector(detected, world, monkeypatch):
    """Each pass gives a map of its own number everywhere, so that windows show which pass they are of."""
    photo, runs, run = world.photos / "red1.png", [], DarknetDetector.run

    def numbered(self, inputs):
        runs.append(run(self, inputs))
        maps = {layer: np.full(values.shape, len(runs)) for layer, values in runs[-1].maps.items()}
        return replace(runs[-1], maps={layer: torch.tensor(values).float() for layer, values in maps.items()})

    monkeypatch.setattr(DarknetDetector, "run", numbered)
    queries = query_image(detected, photo, "both")
    assert len(runs) == 1
    detector = space_detector(detected, "tiny-window3-stride32")
    found = detector.find_objects(runs[0], 0, "0", detector.frame((96, 64)), confidence=0.25, iou=0.45)
    np.testing.assert_array_equal(queries.objects.xyxy, found.xyxy)
    crop, window = queries.vectors.parts
    stored = SpaceSearch(detected, "test_vit-crop").stored(queries.objects.object_id.tolist())
    np.testing.assert_array_equal(crop.blocks[0].source, stored.vectors)
    windows = [np.asarray(block.source) for block in window.blocks]
    assert sum(map(len, windows)) == len(queries.objects)
    assert {number for block in windows for number in np.unique(block)} <= {0, 1}


def test_threads_that_are_started_later_compute_with_as_many_cores(labeled, world):

    def in_a_new_thread():
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(torch.get_num_threads).result()

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        query_image(labeled, world.photos / "red1.png", "test_vit-crop", box=(8, 8, 40, 40), new=True)
        assert (torch.get_num_threads(), in_a_new_thread()) == (3, 3)
    finally:
        torch.set_num_threads(before)


def test_a_photo_is_known_by_its_content(labeled, world, tmp_path):
    copy = tmp_path / "renamed.png"
    shutil.copy(world.photos / "red1.png", copy)
    assert len(stored_objects_of(labeled, copy)) == 2
    copy.write_bytes(copy.read_bytes() + b"x")
    assert len(stored_objects_of(labeled, copy)) == 0
    with pytest.raises(ImageError, match="there is no such file"):
        stored_objects_of(labeled, tmp_path / "none.png")


def test_the_end_of_a_stored_photos_path_is_enough(labeled, world):
    (path,) = [row.path for row in labeled.images() if row.path.endswith("green.jpg")]
    for ending in ("green.jpg", "sub/green.jpg", Path("sub", "green.jpg")):
        assert stored_image(labeled, ending).path == path
        assert image_file(labeled, ending) == Path(path)
    with pytest.raises(ImageError, match="there is no such file"):
        stored_image(labeled, "een.jpg")  # not a name of its own
    queries = query_image(labeled, "green.jpg", "test_vit-crop", box=(1, 1, 20, 20), new=True)
    assert queries.images == (path,)


def test_an_end_of_several_paths_is_told(labeled, world, monkeypatch):
    rows = [
        row._replace(path=f"{folder}/a.png") for folder, row in zip("xyz", labeled.images(), strict=False)
    ]
    monkeypatch.setattr(type(labeled), "images", lambda self: rows)
    with pytest.raises(
        QueryError, match=r"^a\.png is the end of 3 paths: x/a.png, y/a.png, z/a.png; give more"
    ):
        stored_image(labeled, "a.png")
    assert stored_image(labeled, "y/a.png") == rows[1]


def test_a_photo_that_cannot_be_read(labeled, tmp_path):
    (tmp_path / "text.jpg").write_text("words")
    with pytest.raises(ImageError, match=r"text.jpg: is no photo in a known format"):
        query_image(labeled, tmp_path / "text.jpg", "test_vit-crop", box=(0, 0, 1, 1), new=True)


def test_a_box_of_another_head_names_the_spaces_that_have_it(labeled, world):
    told = set()
    for name in ("tiny-window3-stride16", "tiny-window3-stride32"):
        for box in ((8, 8, 40, 40), (0, 0, 96, 64)):
            try:
                query_image(labeled, world.photos / "red1.png", name, box=box, new=True)
            except QueryError as error:
                told.add(str(error).rsplit(" ", 1)[1])
    assert told <= {"tiny-window3-stride16", "tiny-window3-stride32"}
    assert told


def test_an_annotated_store_does_not_detect(labeled, world):
    with pytest.raises(QueryError, match="come from annotations; give the object's x1, y1, x2, y2 as box="):
        query_image(labeled, world.photos / "red1.png", "test_vit-crop")


def test_a_photo_in_which_nothing_is_detected(detected, world):
    with pytest.raises(
        QueryError, match=r"nothing was detected in .*red1.png; give the object's x1, y1, x2, y2 as box="
    ):
        query_image(detected, world.photos / "red1.png", "test_vit-crop", confidence=1.0)


def test_models_that_are_gone(make_store, models, world):
    store = make_store()
    (models / "encoder.pth").unlink()
    (models / "tiny.weights").unlink()
    with pytest.raises(
        ModelError, match=r"the encoder of space test_vit-crop cannot be loaded again: .*encoder.pth"
    ):
        query_image(store, world.photos / "red1.png", "test_vit-crop", box=(8, 8, 40, 40), new=True)
    with pytest.raises(
        ModelError, match=r"detector tiny of this store cannot be loaded again: .*tiny.weights"
    ):
        query_image(store, world.photos / "red1.png", "tiny-window3-stride16", box=(8, 8, 40, 40), new=True)


def test_models_that_have_changed(make_store, models, world, other_encoder_weights):
    store = make_store()
    shutil.copy(other_encoder_weights, models / "encoder.pth")
    with pytest.raises(
        RecipeError, match=r"space test_vit-crop cannot be made any more \(weights: \w+, now \w+\)"
    ):
        query_image(store, world.photos / "red1.png", "test_vit-crop", box=(8, 8, 40, 40), new=True)


@pytest.fixture
def copy(detected, tmp_path):
    return open_store(shutil.copytree(detected.path, tmp_path / "s.osp"))


def stored_arguments(store, change):
    """Edit how a store says that its networks are loaded."""
    path = store.path / "manifest.json"
    manifest = json.loads(path.read_text())
    for arguments in manifest["models"].values():
        change(arguments)
    path.write_text(json.dumps(manifest))
    return open_store(store.path)


@pytest.mark.parametrize(
    "added", [{"device": "cuda"}, {"weights": ["a"]}, {"names": {"a": 1}}, {"__class__": "x"}, {"names": 3}]
)
@pytest.mark.parametrize("space", ["test_vit-crop", "tiny-window3-stride16"])
def test_arguments_that_no_loader_has(copy, world, space, added):
    store = stored_arguments(copy, lambda arguments: arguments.update(added))
    (name,) = (name for name in store.space_names if name.startswith(space[:8]) and "stride32" not in name)
    with pytest.raises(ModelError, match=r"is loaded with \w+=.*, expected text for name") as refused:
        query_image(store, world.photos / "red1.png", name)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", [None, ""])
@pytest.mark.parametrize("space", ["test_vit-crop", "tiny-window3-stride16"])
def test_a_network_without_a_name(copy, world, space, name):
    store = stored_arguments(copy, lambda arguments: arguments.update({next(iter(arguments)): name}))
    with pytest.raises(ModelError, match=r"does not say what \S+ is loaded from \(name\w*\); index the"):
        query_image(store, world.photos / "red1.png", space, box=(8, 8, 40, 40), new=True)


def test_files_that_a_store_names_are_told_of_before_they_are_opened(make_store, models, world, logged):
    store = stored_arguments(make_store(), lambda arguments: None)
    query_image(store, world.photos / "red1.png", "test_vit-crop", box=(8, 8, 40, 40), new=True)
    told = f"loading {models / 'encoder.pth'}, as the store at {store.path} names it"
    assert told in [record.getMessage() for record in logged]


def test_a_recipe_without_its_fields(copy, world):
    path = copy.path / "manifest.json"
    manifest = json.loads(path.read_text())
    for recipe in manifest["sources"].values():
        del recipe["precision"]
    path.write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match="has no precision; index again"):
        query_image(open_store(copy.path), world.photos / "red1.png", "test_vit-crop")
