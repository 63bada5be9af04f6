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
from objectspace.report import evidence, html_report
from objectspace.report.claims import chairs, neighbors

PACKAGE = Path(osp.__file__).parent
SLOW = ("analyses/context/__init__.py", "figures/context.py", "report/html_report.py")
WITH_EXAMPLES = [
    pytest.param(path, id=name, marks=[pytest.mark.slow] if name in SLOW else [])
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in path.read_text()
    for name in [str(path.relative_to(PACKAGE))]
]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, add_objects: Callable[..., None]) -> Path:
    """Twelve drawn pictures in ``world``, their objects in ``photos.osp``; random vectors in ``many.osp``."""
    import torch

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        osp.write_world(Path("world"), count=12, seed=7)
        photos = osp.find_images(["world/images"])
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
    # A report of the twelve pictures, without half a minute of moving objects about.
    monkeypatch.setattr(evidence, "STEPS", 4)
    monkeypatch.setattr(evidence, "MOVED", 2)
    monkeypatch.setattr(html_report, "OCCLUDED", 2)
    monkeypatch.setattr(neighbors, "PERMUTED", 99)
    monkeypatch.setattr(chairs, "PERMUTATIONS", 99)
    monkeypatch.setattr("objectspace.analyses.context.pairs.PERMUTATIONS", 99)
    monkeypatch.setattr("objectspace.analyses.context.shares.PERMUTED", 19)
    shutil.copytree(folder, tmp_path / "folder")
    monkeypatch.chdir(tmp_path / "folder")
    photos = osp.find_images(["world/images"])
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


# ------------------------------------------------------------------------------------------- one-line reprs


def results(names: dict[str, Any]) -> dict[str, Any]:
    """A value of each public class that a function, or a method of the store or the search, returns."""
    store, photos, image = names["store"], names["photos"], names["image"]
    space, other = store.space("demo-crop"), store.space("demo-window3-deepest")
    objects, label = store.objects(space.object_id), osp.FactorSpec("label")
    search = osp.SpaceSearch(store, "demo-crop")
    queries = search.stored(osp.choose_targets(search, 1))
    answers = search.nearest(queries, k=3)
    exact = osp.ExactIndex(space.vectors, space.object_id)
    stored = store.stored_space("demo-crop")
    detector = osp.load_detector("demo", precision="float32")
    job = osp.Job(detector="demo", encoder="demo")
    crops = [store.space(f"demo-crop-{name}margin0.5") for name in ("", "keep-", "only-")]
    views = osp.view_objects(*crops, store.objects(crops[0].object_id))
    moved = osp.vary_object(
        image,
        objects.take(objects.image_id == image.image_id),
        "position",
        Path("moved.osp"),
        steps=8,
        detector=detector,
        scale="deepest",
    )
    return {
        "Answer": answers[0],
        "Audit": (found := osp.audit(store, space="demo-crop", uncalibrated=True)),
        "AuditList": found.labels,
        "CocoAnnotations": osp.open_annotations("world/annotations.json", format="coco"),
        "Comparison": osp.compare_spaces([space, other], objects, [label]),
        "Context": osp.measure_context(views),
        "CropPolicy": osp.CropPolicy(),
        "DarknetDetector": detector,
        "DetectorSpec": osp.DetectorSpec("demo"),
        "EncoderMap": osp.load_encoder_map("demo"),
        "ErasedSpace": osp.erase_space(
            "photos.osp", other.name, fit=moved.store, factors=("x",), name="placeless"
        ),
        "ExactIndex": exact,
        "Exported": osp.export_store(store, "photos.npz", "npz"),
        "FactorMeasure": osp.measure_factor(space, objects, label),
        "FactorSpec": label,
        "FactorTable": osp.factors_from_pattern("(?P<number>[0-9]+)", photos),
        "Image": image,
        "ImageRow": store.images()[0],
        "IndexSummary": moved.summary,
        "Job": job,
        "LabelPurity": store.info().spaces[1].purity,
        "LoadedJob": job.load(),
        "Mask": objects.mask[0],
        "MaskImages": osp.open_mask_images("world/images"),
        "NamedSelection": store.save_selection("two", objects.object_id[:2]),
        "Neighbors": exact.nearest(space.vectors[:2], k=3),
        "NetworkEncoder": osp.load_encoder("demo"),
        "Objects": objects,
        "ObjectsInMemory": osp.objects_reader({photo: objects.take([]) for photo in photos}),
        "Occlusion": osp.measure_occlusion(detector, image, sizes=(3,)),
        "Projection": osp.project(space, objects, {"x": objects.factors["x"]}),
        "Provenance": objects.provenance,
        "Queries": queries,
        "Recipe": space.recipe,
        "Scene": osp.draw_scene(7, 0),
        "SheetRow": osp.sheet_rows(store, answers)[0],
        "Space": space,
        "SpaceIndex": osp.index_space("many.osp", "a-crop"),
        "SpaceSearch": search,
        "Store": store,
        "StoreInfo": store.info(),
        "StoredSpace": stored,
        "StreamedIndex": osp.StreamedIndex(stored.vectors, space.object_id),
        "VariedObject": moved,
        "Views": views,
    }


@pytest.mark.slow
def test_what_a_notebook_shows_is_one_short_line(names: dict[str, Any]) -> None:
    shown = {name: repr(value) for name, value in results(names).items()}
    long = {name: text for name, text in shown.items() if "\n" in text or len(text) >= 200}
    assert long == {}
    assert {name: text for name, text in shown.items() if not text.startswith(f"{name}(")} == {}
