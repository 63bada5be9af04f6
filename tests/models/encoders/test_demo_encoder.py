"""The shipped encoder on crops of pictures that it was not trained on."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray

from objectspace.embeddings.crops import CropPolicy, cut_crops
from objectspace.images import Image
from objectspace.models.catalogue import DEMO_ENCODER
from objectspace.models.encoders import Encoder, load_encoder
from objectspace.models.weights import fetch, load_state_dict
from objectspace.objects import masks
from objectspace.objects.records import make_objects
from objectspace.scenes.world import KINDS, draw_scene

# The held-out pictures of docs/default-models.md.
SEED, COUNT = 2, 12


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder("demo", precision="float32")


def crops_and_kinds(encoder: Encoder, *, masked: bool) -> tuple[NDArray[np.uint8], list[str]]:
    crops, kinds = [], []
    for index in range(COUNT):
        scene = draw_scene(SEED, index)
        mask = [masks.encode(pixels) for pixels in scene.masks] if masked else None
        objects = make_objects(
            image_id=f"{index}", xyxy=scene.xyxy, label=scene.kinds, source="world", mask=mask
        )
        image = Image(f"{index}", f"{index}", scene.pixels, 416, 416)
        crops.append(cut_crops(image, objects, CropPolicy(), encoder.input_size))
        kinds += list(scene.kinds)
    return np.concatenate(crops), kinds


@pytest.mark.parametrize("masked", [True, False], ids=["mask on black", "box"])
def test_most_crops_are_known(encoder: Encoder, masked: bool) -> None:
    crops, kinds = crops_and_kinds(encoder, masked=masked)
    classifier = load_state_dict(fetch(DEMO_ENCODER))
    logits = encoder.embed(crops) @ classifier["fc.weight"].numpy().T + classifier["fc.bias"].numpy()
    right = np.array(KINDS)[logits.argmax(1)] == np.array(kinds)
    assert right.mean() >= 0.9


def test_a_vector_has_256_numbers(encoder: Encoder) -> None:
    assert encoder.dimension == 256
    assert encoder.embed(np.zeros((3, 96, 96, 3), np.uint8)).shape == (3, 256)


def test_the_shipped_file_is_the_one_that_is_named(encoder: Encoder) -> None:
    assert hashlib.sha256(fetch(DEMO_ENCODER).read_bytes()).hexdigest() == DEMO_ENCODER.sha256
    assert encoder.weights == DEMO_ENCODER.sha256


def test_both_files_take_little_room() -> None:
    from objectspace.models.darknet.architectures import ARCHITECTURES

    assert DEMO_ENCODER.size + ARCHITECTURES["demo"].weights.size <= 8_000_000
