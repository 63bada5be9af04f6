"""ResNet50 with real weights on real crops, against torchvision's plain forward pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import resnet50

from objectspace.embeddings.crops import CropPolicy, cut_crops
from objectspace.images import read_image
from objectspace.models.encoders import Encoder, load_encoder
from objectspace.objects.records import make_objects

pytestmark = pytest.mark.real

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


@pytest.fixture(scope="module")
def weights(real: Path) -> Path:
    return real / "weights" / "resnet50-imagenet.pth"


@pytest.fixture(scope="module")
def encoder(weights: Path) -> Encoder:
    encoder = load_encoder("resnet50", weights=weights, precision="float32")
    encoder.batch_size = 8
    return encoder


@pytest.fixture(scope="module")
def crops(real: Path) -> np.ndarray:
    """Four quarters of each of two photos."""
    parts = []
    for name in ("dog", "horses"):
        image = read_image(real / "photos" / "darknet" / f"{name}.jpg")
        x, y, w, h = image.width / 2, image.height / 2, image.width, image.height
        boxes = np.array([(0, 0, x, y), (x, 0, w, y), (0, y, x, h), (x, y, w, h)], np.float32)
        objects = make_objects(image_id=image.image_id, xyxy=boxes, label=["part"] * 4, source="test@0")
        parts.append(cut_crops(image, objects, CropPolicy(), 224))
    return np.concatenate(parts)


def test_vectors_are_torchvisions(encoder: Encoder, weights: Path, crops: np.ndarray):
    network = resnet50()
    network.load_state_dict(torch.load(weights, weights_only=True))
    network.fc = nn.Identity()
    inputs = ((torch.from_numpy(crops) / 255 - MEAN) / STD).permute(0, 3, 1, 2).contiguous()
    with torch.no_grad():
        expected = network.eval()(inputs).numpy()
    vectors = encoder.embed(crops)
    assert vectors.shape == (8, 2048)
    distance = np.linalg.norm(vectors - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert distance.max() < 1e-4


def test_every_run_gives_the_same_bits(encoder: Encoder, weights: Path, crops: np.ndarray):
    again = load_encoder("resnet50", weights=weights, precision="float32")
    again.batch_size = encoder.batch_size
    assert np.array_equal(encoder.embed(crops), again.embed(crops))


def test_a_vector_does_not_depend_on_its_company(encoder: Encoder, crops: np.ndarray):
    together = encoder.embed(np.concatenate([crops, crops[::-1]]))
    assert np.array_equal(together[:8], together[8:][::-1])
    assert np.array_equal(together[3:4], encoder.embed(crops[3:4]))


def test_bfloat16_points_the_same_way(encoder: Encoder, weights: Path, crops: np.ndarray):
    encoder_16 = load_encoder("resnet50", weights=weights, precision="bfloat16")
    encoder_16.batch_size = 2  # a processor without bfloat16 units takes seconds for a crop
    rough, exact = encoder_16.embed(crops[:2]), encoder.embed(crops[:2])
    cosine = (exact * rough).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(rough, axis=1)
    assert cosine.min() > 0.99
