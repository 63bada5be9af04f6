"""The evidence of a report: which spaces, which photos, which object is moved, and the memory it takes."""

from __future__ import annotations

import shutil
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest

from objectspace.errors import InputError, QueryError
from objectspace.models.detectors import load_detector
from objectspace.models.encoders import load_encoder
from objectspace.objects.records import no_objects
from objectspace.report import evidence
from objectspace.report.claims import Column
from objectspace.report.claims.evidence_types import Missing
from objectspace.report.evidence import Choice, StoredImage, choose, gather, occlude, stored_images
from objectspace.scenes.variation import picture_size
from objectspace.store import Batch, SpaceRows, Store, open_store, open_writer

WINDOWS = "tiny-window3-deepest"


@pytest.fixture(scope="module")
def both_once(run_index: Callable[..., Store], world, tmp_path_factory: pytest.TempPathFactory) -> Path:
    encoder = load_encoder("test_vit", weights=world.encoder_weights, precision="float32")
    folder = tmp_path_factory.mktemp("both")
    return Path(run_index(folder, world.photos, world.labels, encoder=encoder).path)


@pytest.fixture
def both(both_once: Path, tmp_path: Path) -> Store:
    """Crops and windows."""
    return open_store(shutil.copytree(both_once, tmp_path / "both.osp"))


def erased(store: Store, space: str, name: str) -> Store:
    """The store with a space that says of itself that something was erased from it."""
    held = store.space(space)
    recipe = replace(held.recipe, erasure={"factors": ["x"]})
    rows = SpaceRows(recipe, held.object_id, held.vectors)
    with open_writer(store.path) as writer:
        writer.commit(Batch([], no_objects(), [], "erased", {name: rows}))
    return open_store(store.path)


def test_a_space_from_which_something_was_erased_is_chosen_by_name_only(both: Store) -> None:
    store = erased(erased(both, WINDOWS, "placeless"), "test_vit-crop", "flat")

    assert (choose(store, Choice()).crop, choose(store, Choice()).window) == ("test_vit-crop", WINDOWS)
    named = choose(store, Choice(crop="flat", window="placeless"))
    assert (named.crop, named.window) == ("flat", "placeless")


def test_a_space_of_another_route_is_refused(both: Store) -> None:
    with pytest.raises(QueryError, match="test_vit-crop is of the crop route, expected one of the window"):
        choose(both, Choice(window="test_vit-crop"))
    with pytest.raises(QueryError, match=f"{WINDOWS} is of the window route, expected one of the crop"):
        choose(both, Choice(crop=WINDOWS))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (("colour",), "colour"),
        (("color", "colored"), "color"),
        (("color", "style"), "style"),
        (("maker",), None),
    ],
)
def test_the_style_is_a_column_of_a_usual_name(
    indexed: Callable[..., Store], columns: tuple[str, ...], expected: str | None
) -> None:
    store = indexed()
    with open_writer(store.path) as writer:
        writer.set_factors({row.image_id: dict.fromkeys(columns, "a") for row in store.images()})

    assert choose(open_store(store.path), Choice()).style == expected


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (Choice(), ("azimuth", 360.0, False)),
        (Choice(period=180.0), ("azimuth", 180.0, False)),
        (Choice(linear=True), ("azimuth", None, True)),
        (Choice(orientation="elevation"), ("elevation", None, True)),
        (Choice(orientation="elevation", period=360.0), ("elevation", 360.0, False)),
    ],
)
def test_an_orientation_is_an_angle_or_a_length_as_its_name_says_unless_it_is_chosen(
    indexed: Callable[..., Store], choice: Choice, expected: tuple[str, float | None, bool]
) -> None:
    store = indexed()
    with open_writer(store.path) as writer:
        rows = enumerate(store.images())
        values = {
            row.image_id: {"azimuth": 90.0 + n, "elevation": 5.0 * n, "angle": "left"} for n, row in rows
        }
        writer.set_factors(values)
    store = open_store(store.path)
    chosen = choose(store, choice)
    name, period, linear = expected
    assert (chosen.orientation, chosen.period, chosen.linear) == expected
    known = [row[name] for row in values.values()]
    extent = max(known) - min(known) if linear else None
    column = gather(store, chosen, Missing(""), Missing("")).orientation
    assert column == Column(name, period, extent)

    with pytest.raises(InputError, match="orientation angle holds texts"):
        choose(store, Choice(orientation="angle"))
    with pytest.raises(InputError, match="linear= takes it as a length, period= as an angle; give one"):
        choose(store, Choice(linear=True, period=90.0))


@pytest.fixture
def photos(world, tmp_path: Path) -> Path:
    """The photos in a folder of their own, where they may be changed."""
    return Path(shutil.copytree(world.photos, tmp_path / "photos"))


def test_a_photo_that_was_replaced_is_not_taken_for_the_one_that_was_indexed(
    indexed: Callable[..., Store], photos: Path
) -> None:
    store = indexed(photos)
    shutil.copy(photos / "red2.png", photos / "red1.png")

    looked_at = stored_images(store, WINDOWS, 24)

    assert [Path(photo.row.path).name for photo in looked_at.read] == ["red2.png", "blue.jpg", "green.jpg"]
    (error,) = looked_at.unread
    assert error.path == str(photos / "red1.png")
    assert error.reason.startswith("holds another photo than the one that was indexed")


def test_without_any_of_the_photos_the_first_reason_is_said(
    indexed: Callable[..., Store], photos: Path
) -> None:
    store = indexed(photos)
    shutil.rmtree(photos)

    with pytest.raises(InputError, match=r"no photo of the store could be read: .*red1\.png"):
        stored_images(store, WINDOWS, 24)


@pytest.mark.slow
def test_photos_of_phone_size_are_decoded_one_at_a_time(
    indexed: Callable[..., Store], world, tmp_path: Path
) -> None:
    """Six photos of 12 megapixels are 216 MB once decoded; one of 36 MB may be held, and worked on."""
    for number in range(6):
        large = PIL.Image.new("RGB", (4000, 3000), (40 * number, 0, 0))
        large.paste((200, 40, 40), (800, 600, 2000, 1500))
        (tmp_path / "photos").mkdir(exist_ok=True)
        large.save(tmp_path / "photos" / f"{number}.jpg")
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / "labels" / f"{number}.txt").write_text("0 0.35 0.35 0.3 0.3")
    store = indexed(tmp_path / "photos", tmp_path / "labels")
    detector = load_detector(world.cfg, weights=world.weights, names=world.names, precision="float32")

    tracemalloc.start()
    try:
        photos = stored_images(store, WINDOWS, 24)
        zeroed = occlude(detector, photos.read)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(photos.read) == 6
    assert len(zeroed.photos) == 6
    assert peak < 150e6


def test_the_room_of_an_object_is_what_its_picture_leaves_it(photo_of: Callable[..., StoredImage]) -> None:
    """A wide object can move less far across, a tall one down."""
    image = photo_of(1600, 1200, ("wide", 0, 0, 1200, 90), ("tall", 10, 20, 70, 880))
    width, height = picture_size(1600, 1200)
    expected = [width * (1 - 1200 / 1600), height * (1 - 860 / 1200)]
    np.testing.assert_allclose(evidence._room(image), expected, rtol=1e-6)


def test_a_slow_machine_moves_as_many_objects(both: Store, tmp_path: Path, monkeypatch, logged) -> None:
    """Each look at the clock is ten minutes after the one before; objects and pictures are stand-ins."""
    image = stored_images(both, WINDOWS, 1).read[0]
    minutes = iter(range(0, 10**9, 600))
    monkeypatch.setattr("time.monotonic", lambda: float(next(minutes)))
    monkeypatch.setattr(evidence, "MOVED", 12)
    monkeypatch.setattr(evidence, "STEPS", 5)
    monkeypatch.setattr(evidence, "_objects_to_move", lambda images: [(image, 0)] * 14)
    varied = SimpleNamespace(store=both.path, pictures=[Path("one.png")])
    monkeypatch.setattr(evidence, "vary_object", lambda *_, **__: varied)
    monkeypatch.setattr(evidence, "_space_like", lambda *_: SimpleNamespace(name=WINDOWS, count=1))
    monkeypatch.setattr(evidence, "_projections", lambda *_: (None, None))

    moved = evidence.move(None, [image], both.recipe(WINDOWS), tmp_path)

    assert len(moved.objects) == moved.wanted == 12
    told = [record.getMessage() for record in logged if record.getMessage().startswith("moving")]
    assert told == [f"moving object {number} of 12 to 25 places each" for number in range(1, 13)]
