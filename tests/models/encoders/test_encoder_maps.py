from __future__ import annotations

import numpy as np
import pytest
import torch

from objectspace.errors import InputError, ModelError
from objectspace.images import Image, find_images
from objectspace.jobs.index import index
from objectspace.models.encoders import load_encoder
from objectspace.models.encoders.encoder_maps import SIDE, EncoderMap, load_encoder_map
from objectspace.models.encoders.network_encoder import NetworkEncoder, Preprocessing
from objectspace.objects.annotations import open_annotations
from objectspace.pipeline.job import Job
from objectspace.search import SpaceSearch
from objectspace.search.queries.images import query_image
from objectspace.store import open_store

NAMES = ("apple", "pear", "plum")


@pytest.fixture(scope="module")
def vit(world):
    return load_encoder_map("test_vit", weights=world.encoder_weights, precision="float32")


@pytest.fixture(scope="module")
def demo():
    torch.set_num_threads(1)
    return load_encoder_map("demo", precision="float32")


def picture(height, width, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image("i", "i.png", pixels, width, height)


def test_a_transformers_map_is_its_patch_tokens(vit, world):
    encoder = load_encoder("test_vit", weights=world.encoder_weights, precision="float32")
    encoder.network.set_input_size(img_size=(SIDE, SIDE))
    pixels = picture(SIDE, SIDE).pixels
    with torch.inference_mode():
        tokens = encoder.network.forward_features(encoder.normalized(pixels[None]))
    (head,) = vit.heads
    side = head.grid_wh[0]
    expected = tokens[0, encoder.network.num_prefix_tokens :].T.reshape(-1, side, side)
    (found,) = vit.run([pixels]).maps[head.layer]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_mean_of_a_convolutional_map_is_the_pooled_vector(demo):
    pixels = picture(SIDE, SIDE).pixels
    encoder = load_encoder("demo", precision="float32")
    with torch.inference_mode():
        expected = encoder.network(encoder.normalized(pixels[None]))[0]
    (head,) = demo.heads
    np.testing.assert_allclose(
        demo.run([pixels]).maps[head.layer][0].mean((1, 2)), expected, rtol=1e-4, atol=1e-5
    )


def test_the_head_says_what_the_map_is(demo):
    (head,) = demo.heads
    assert (head.stride, head.channels, head.grid_wh, len(head.anchors)) == (32, 256, (21, 21), 0)


def test_an_input_of_another_size_is_refused(demo):
    with pytest.raises(InputError, match=r"shape \(1, 1, 1, 3\) .* expected \(b, 672, 672, 3\) uint8"):
        demo.run(np.zeros((1, 1, 1, 3), np.uint8))


def test_a_photo_keeps_its_aspect(demo):
    frame = demo.frame((640, 320))
    assert (frame.scale_xy, frame.offset_xy) == ((1.05, 1.05), (0, 168))
    prepared = demo.prepare(picture(320, 640))
    assert prepared.shape == (SIDE, SIDE, 3)
    assert (prepared[:168] == 128).all()


def test_the_objects_of_a_photo_have_vectors_of_its_one_map(demo, world, tmp_path):
    annotations = open_annotations(world.labels, names=NAMES)
    job = Job(encoder_map=demo, annotations=annotations, pools=("cell", "roi2", "mask"))
    index(find_images([world.photos]), tmp_path / "s.osp", job)
    info = open_store(tmp_path / "s.osp").info()
    assert {space.name: (space.count, space.dimension) for space in info.spaces} == {
        "demo-map-window1-stride32": (6, 256),
        "demo-map-roi2-stride32": (6, 4 * 256),
        "demo-map-mask-stride32": (6, 256),
    }


def test_a_box_asked_for_again_has_the_very_same_vector(demo, world, tmp_path):
    annotations = open_annotations(world.labels, names=NAMES)
    index(
        find_images([world.photos]),
        tmp_path / "s.osp",
        Job(encoder_map=demo, annotations=annotations, pools=("mask",)),
    )
    store = open_store(tmp_path / "s.osp")
    objects, paths = store.objects(), {image.image_id: image.path for image in store.images()}
    row = next(row for row in range(len(objects)) if objects.mask[row] is None)
    box = tuple(objects.xyxy[row].tolist())
    queries = query_image(store, paths[objects.image_id[row]], "demo-map-mask-stride32", box=box)
    search = SpaceSearch(store, "demo-map-mask-stride32")
    np.testing.assert_array_equal(queries.vectors, search.stored([str(objects.object_id[row])]).vectors)


def test_an_unknown_encoder_is_named():
    with pytest.raises(InputError, match="encoder resnet5O is not known"):
        load_encoder_map("resnet5O")


def test_an_encoder_that_cannot_read_whole_photos():
    class Fixed(torch.nn.Module):
        def forward(self, x):
            return x.mean((2, 3))

    preprocessing = Preprocessing(8, (0.5,) * 3, (0.5,) * 3, "bilinear")
    encoder = NetworkEncoder(Fixed(), preprocessing, name="fixed", weights="0" * 64, tap="x")
    with pytest.raises(ModelError, match="encoder fixed has no map of whole photos"):
        EncoderMap(encoder)
