from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import objectspace as osp
from objectspace.explorer.app import COOKIE, make_app
from objectspace.explorer.served_store import ServedStore

TOKEN = "a-token"


@pytest.fixture(scope="session")
def drawn(tmp_path_factory) -> Path:
    """A folder of twelve drawn pictures, ``world``, and the store of their objects, ``photos.osp``."""
    folder = tmp_path_factory.mktemp("drawn")
    osp.write_world(folder / "world", count=12, seed=7)
    job = osp.Job(
        detector=osp.DetectorSpec("demo"),
        encoder=osp.EncoderSpec("demo"),
        annotations=osp.AnnotationSpec(str(folder / "world" / "annotations.json"), "coco"),
    )
    osp.index(osp.find_images([folder / "world" / "images"]), folder / "photos.osp", job)
    return folder


@pytest.fixture(scope="session")
def found(drawn) -> Path:
    """A store of what the detector finds in the same pictures: objects with cells."""
    job = osp.Job(detector=osp.DetectorSpec("demo"), encoder=osp.EncoderSpec("demo"))
    osp.index(osp.find_images([drawn / "world" / "images"]), drawn / "found.osp", job)
    return drawn / "found.osp"


@pytest.fixture(scope="session")
def worded(world, clip_folder, tmp_path_factory) -> Path:
    """A store of annotated objects in the space of a small CLIP, which has a text tower."""
    folder = tmp_path_factory.mktemp("worded")
    model = shutil.copytree(clip_folder, folder / "tiny-clip")
    job = osp.Job(
        encoder=osp.load_encoder(f"open_clip:local-dir:{model}"),
        annotations=osp.open_annotations(world.labels, names=("apple", "pear", "plum")),
    )
    osp.index(osp.find_images([world.photos]), folder / "s.osp", job)
    return folder / "s.osp"


@pytest.fixture
def folder(drawn, tmp_path) -> Path:
    """A copy of the drawn store that a test may change."""
    shutil.copytree(drawn / "photos.osp", tmp_path / "photos.osp")
    return tmp_path / "photos.osp"


@pytest.fixture
def served(drawn) -> ServedStore:
    return ServedStore(drawn / "photos.osp")


@pytest.fixture
def stranger(served) -> TestClient:
    """A client that has not been given the token."""
    return TestClient(make_app(served, TOKEN), base_url="http://127.0.0.1:8765", follow_redirects=False)


@pytest.fixture
def page(stranger) -> TestClient:
    """A client with the page's cookie."""
    stranger.cookies.set(COOKIE, TOKEN)
    return stranger
