"""The examples in docstrings run, and print what they show; every public function has one."""

from __future__ import annotations

import doctest
import inspect
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import objectspace as osp
from objectspace.report import evidence

PACKAGE = Path(osp.__file__).parent
SLOW = ("analyses/context/__init__.py", "figures/context.py", "report/__init__.py")
WITH_EXAMPLES = [
    pytest.param(path, id=name, marks=[pytest.mark.slow] if name in SLOW else [])
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in path.read_text()
    for name in [str(path.relative_to(PACKAGE))]
]

# The folder below is made once: one process runs all that use it.
pytestmark = pytest.mark.xdist_group("examples")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, add_objects: Callable[..., None]) -> Path:
    """Twelve drawn pictures in ``world``, their objects in ``photos.osp``; random vectors in ``many.osp``."""
    import torch

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        osp.write_world(Path("world"), count=12, seed=7)
        photos = osp.find_photos(["world/images"])
        objects = osp.AnnotationSpec("world/annotations.json", "coco")
        # In bfloat16 a processor with matrix units would print other digits.
        detector, encoder = (
            load("demo", precision="float32") for load in (osp.load_detector, osp.load_encoder)
        )
        osp.index(
            photos,
            "photos.osp",
            osp.Job(detector=detector, encoder=encoder, annotations=objects, scale="deepest"),
        )
        for background in ("black", "keep", "only"):
            crop = osp.CropPolicy(background, margin=0.5)
            osp.index(photos, "photos.osp", osp.Job(encoder=encoder, annotations=objects, crop=crop))
    add_objects(folder / "many.osp", np.random.default_rng(7).standard_normal((300, 16)).astype(np.float32))
    return folder


@pytest.fixture
def names(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that examples may use without making them, in a working folder of their own."""
    # A report of the twelve pictures, without half a minute of moving an object about.
    monkeypatch.setattr(evidence, "STEPS", 4)
    monkeypatch.setattr(evidence, "OCCLUDED", 2)
    shutil.copytree(folder, tmp_path / "folder")
    monkeypatch.chdir(tmp_path / "folder")
    photos = osp.find_photos(["world/images"])
    return {
        "np": np,
        "osp": osp,
        "Path": Path,
        "photos": photos,
        "image": osp.read_image(photos[0]),
        "store": osp.open_store("photos.osp"),
    }


@pytest.mark.parametrize("path", WITH_EXAMPLES)
def test_examples_print_what_they_show(path: Path, names: dict[str, Any]) -> None:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    name = ".".join(("objectspace", *parts)).removesuffix(".__init__")
    assert doctest.testmod(import_module(name), extraglobs=names).failed == 0


def does_something(value: object) -> bool:
    """Whether a value is a function, or a class with public methods besides ``to_json``."""
    if not inspect.isclass(value):
        return callable(value)
    protocol = getattr(value, "_is_protocol", False)
    methods = {name for name, member in vars(value).items() if inspect.isroutine(member) and name[0] != "_"}
    return not protocol and bool(methods - {"to_json"})


@pytest.mark.parametrize("name", [name for name in osp.__all__ if does_something(getattr(osp, name))])
def test_every_public_docstring_has_an_example(name: str) -> None:
    assert ">>> " in (inspect.getdoc(getattr(osp, name)) or "")
