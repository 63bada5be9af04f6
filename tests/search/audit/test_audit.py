"""Audits of drawn photos, into which re-saved copies were put by the test itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import objectspace as osp
from objectspace.errors import InputError, QueryError
from objectspace.neighbors import paged
from objectspace.search.audit import copies, neighborhood, planting
from objectspace.search.audit.lists import write_csv
from objectspace.search.audit.small_pictures import coarse, thumbnail_pictures
from objectspace.store import ImageRow, Store, open_store
from objectspace.store.selections import save_selection

#: Photos of ``train`` that are in ``test`` too, saved again; the fifth is also made smaller.
COPIED = range(5)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``photos.osp``: 30 photos ``train-0.png`` … and 5 copies ``test-0.jpg`` …."""
    import torch

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("audit")
    found = {}
    for number in range(30):
        scene = osp.draw_scene(seed=5, index=number)
        found |= save(folder / "photos" / f"train-{number}.png", scene)
        if number in COPIED:
            path = folder / "photos" / f"test-{number}.jpg"
            found |= save(path, scene, 0.375 if number == 4 else 0.5)
    photos = sorted(found)
    job = osp.Job(
        encoder=osp.load_encoder("demo", precision="float32"),
        annotations=osp.objects_reader(found),
        factors=osp.factors_from_pattern("(?P<split>train|test)-", photos),
    )
    osp.index(photos, folder / "photos.osp", job)
    return folder


def save(path: Path, scene: osp.Scene, scale: float = 0.5) -> dict[Path, osp.Objects]:
    """Write a scene of 416 pixels a side, made smaller; its objects."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = PIL.Image.fromarray(scene.pixels).resize((int(416 * scale),) * 2)
    picture.save(path, quality=85, compress_level=1)
    image = osp.read_image(path)
    boxes = np.clip(scene.xyxy * scale, 0, [image.width, image.height] * 2).astype(np.float32)
    return {path: osp.make_objects(image_id=image.image_id, xyxy=boxes, label=scene.kinds, source="hand@1")}


@pytest.fixture(scope="module")
def store(drawn: Path) -> Store:
    return open_store(drawn / "photos.osp")


@pytest.fixture(scope="module", autouse=True)
def few_plants() -> Iterator[None]:
    """Copies of 24 objects and photos, and a dozen drawn strangers of each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planting, "OBJECTS", 24)
        patch.setattr("objectspace.search.audit.OBJECTS", 24)
        patch.setattr("objectspace.search.audit.DRAWN", 12)
        yield


Seen = list[np.ndarray | None]


@pytest.fixture(scope="module")
def seen() -> Iterator[Seen]:
    """The numbers of photos by which copies were told from strangers, of each audit of this file."""
    numbers: Seen = []

    def differences(*arguments: object, photo: np.ndarray | None = None) -> copies.CopyDifferences:
        numbers.append(photo)
        return copies.CopyDifferences(*arguments, photo=photo)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("objectspace.search.audit.CopyDifferences", differences)
        yield numbers


@pytest.fixture(scope="module")
def made(store: Store, seen: Seen) -> osp.Audit:
    """The first audit of ``seen``."""
    return osp.audit(store, split="split")


def split_of(store: Store) -> dict[str, str]:
    objects = store.objects()
    return dict(zip(objects.object_id.tolist(), objects.factors["split"].tolist(), strict=True))


def test_saved_again_is_a_copy_of_the_larger_one(made: osp.Audit, store: Store) -> None:
    split, rows = (
        split_of(store),
        [row for row, _ in zip(made.duplicates.iter_rows(), made.duplicates.first, strict=False)],
    )
    copies = [row for row in rows if row["copy_of"]]
    in_test = [name for name, value in split.items() if value == "test"]
    found = {name for row in copies for name in (row["object_id"], row["copy_of"])} & set(in_test)
    assert len(found) >= 0.8 * len(in_test)
    objects = store.objects()
    area = dict(zip(objects.object_id.tolist(), objects.xyxy, strict=True))
    for row in copies:
        assert size(area[row["copy_of"]]) >= size(area[row["object_id"]])


@pytest.mark.parametrize("every", [1, 2], ids=["all objects", "some"])
def test_neighbors_of_a_space_on_disk_are_those_in_memory(
    store: Store, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    space = store.stored_space(store.space_names[0])
    rows = np.arange(0, len(space), every)
    image = store.object_columns(["image_id"], space.name)["image_id"][rows]
    in_memory = neighborhood.Neighborhood(space, rows, image)
    monkeypatch.setattr(neighborhood, "IN_MEMORY", 0)
    monkeypatch.setattr(paged, "_RUN", 4 * space.vectors.shape[1] * 16)
    on_disk = neighborhood.Neighborhood(space, rows, image)
    assert isinstance(in_memory.vectors, np.ndarray)
    assert not isinstance(on_disk.vectors, np.ndarray)
    np.testing.assert_array_equal(on_disk.near.index, in_memory.near.index)
    np.testing.assert_array_equal(on_disk.near.distance, in_memory.near.distance)


def test_of_two_copied_photos_one_keeps_all_its_objects() -> None:
    from objectspace.search.audit import _by_photo

    boxes = np.array([[0, 0, 9, 9], [0, 0, 8, 9], [0, 0, 8, 8], [0, 0, 9, 8], [0, 0, 5, 5]], np.float32)
    objects = osp.make_objects(image_id="a", xyxy=boxes, label=["x"] * 5, source="s")
    small, large = ImageRow("a", "1.png", 20, 10), ImageRow("c", "9.png", 20, 20)
    images = [small, ImageRow("b", "0.png", 20, 10), ImageRow("b", "0.png", 20, 10), small, large]
    order = _by_photo(objects, images).argsort().tolist()
    assert [order[0], order[1:3], order[3:]] == [4, [1, 2], [0, 3]]


def test_photos_that_were_saved_again_are_copies_of_the_larger_ones(made: osp.Audit) -> None:
    """Five photos were, one of them made smaller; all others are scenes of their own."""
    rows = [row for row, _ in zip(made.photos.iter_rows(), made.photos.first, strict=False)]
    copies = {Path(row["image"]).name: Path(row["other_image"]).name for row in rows if row["kept"] is False}
    names = [(f"test-{number}.jpg", f"train-{number}.png") for number in COPIED]
    assert {frozenset(pair) for pair in copies.items()} == {frozenset(pair) for pair in names}
    assert copies["test-4.jpg"] == "train-4.png"
    assert made.photos.listed == 2 * len(names)
    assert made.photos.calibration is not None
    assert made.photos.calibration.kind("resized").found.value == 1


def test_copies_of_photos_need_no_network_and_no_object(tmp_path: Path) -> None:
    """A store of vectors of its own, its first photo without any object, and that photo saved again."""
    found, first = drawn_photos(tmp_path, 8), drawn_scene(0)
    found |= save(tmp_path / "again.jpg", first)
    for name in ("0.png", "again.jpg"):
        found[tmp_path / name] = found[tmp_path / name].take(np.arange(0))
    store = handed_in(tmp_path, found)
    made = osp.audit(store, only=["photos"])
    assert made.photos.listed == 2
    assert {Path(row["image"]).name for row in made.photos.to_json()["objects"]} == {"0.png", "again.jpg"}


def test_where_only_copies_of_one_photo_have_objects_nothing_tells_them_from_others(tmp_path: Path) -> None:
    found, first = drawn_photos(tmp_path, 8), drawn_scene(0)
    found = {
        path: objects.take(np.arange(len(objects) * (path.stem == "0"))) for path, objects in found.items()
    }
    found |= save(tmp_path / "again.jpg", first)
    store = handed_in(tmp_path, found)
    with pytest.raises(InputError, match=r"all photos are copies of one, so that no two .*uncalibrated="):
        osp.audit(store, space="demo-crop", only=["duplicates"])
    assert len(osp.audit(store, space="demo-crop", only=["duplicates"], uncalibrated=True).duplicates)


def test_photos_that_are_gone_are_left_out_and_counted(tmp_path: Path) -> None:
    store = handed_in(tmp_path, drawn_photos(tmp_path, 5))
    (tmp_path / "3.png").unlink()
    photos = osp.audit(store, only=["photos"], uncalibrated=True).photos
    assert (len(photos), photos.left_out, photos.listed) == (4, 1, None)
    assert "3.png" in photos.note
    for readable, number in ((1, [0, 1, 2]), (0, [4])):
        for one in number:
            (tmp_path / f"{one}.png").unlink()
        with pytest.raises(InputError, match=f"{readable} of 5 photos can be read: .*no such file"):
            osp.audit(store, only=["photos"])


def test_photos_are_planted_in_the_ones_that_are_there(tmp_path: Path) -> None:
    """The first is gone: each copy is one of its own original still."""
    store = handed_in(tmp_path, drawn_photos(tmp_path, 6))
    (tmp_path / "0.png").unlink()
    photos = osp.audit(store, only=["photos"]).photos
    assert photos.calibration is not None
    assert photos.calibration.kind("jpeg").found.value == 1
    assert photos.calibration.kind("jpeg").found.n == 5


@cache
def drawn_scene(number: int) -> osp.Scene:
    return osp.draw_scene(seed=8, index=number)


def drawn_photos(folder: Path, count: int) -> dict[Path, osp.Objects]:
    """Write ``0.png`` and so on; their objects."""
    found = {}
    for number in range(count):
        found |= save(folder / f"{number}.png", drawn_scene(number))
    return found


def handed_in(folder: Path, found: dict[Path, osp.Objects]) -> Store:
    """A store of objects whose vectors came from elsewhere."""
    job = osp.Job(encoder=osp.load_encoder("demo"), annotations=osp.objects_reader(found))
    osp.index(sorted(found), folder / "S.osp", job)
    store = open_store(folder / "S.osp")
    ids = store.objects().object_id
    vectors = np.random.default_rng(0).standard_normal((len(ids), 8)).astype(np.float32)
    osp.add_embeddings(folder / "S.osp", "mine", ids, vectors, model="mine, version 1")
    return open_store(folder / "S.osp")


def size(box: np.ndarray) -> float:
    return float((box[2:] - box[:2]).prod())


def test_leaks_are_the_copies_across_splits(made: osp.Audit, store: Store) -> None:
    split = split_of(store)
    rows = list(made.leaks.iter_rows())
    assert made.leaks.listed == len(rows) > 0
    for row in rows:
        assert (split[row["object_id"]], split[row["leaks_to"]]) == (row["split"], row["other_split"])
        assert row["split"] != row["other_split"]
    copied = {row["object_id"] for row in made.duplicates.iter_rows() if row["group"] is not None}
    assert {row["object_id"] for row in rows if row["split"] == "test"} <= copied


def test_copies_are_told_from_strangers_in_photos_that_are_no_copies(
    made: osp.Audit, seen: Seen, store: Store
) -> None:
    """Of the five scenes that are in two photos both have one number, of the others each its own."""
    image = store.objects(store.space("demo-crop").object_id).image_id
    path = {row.image_id: Path(row.path).stem for row in store.images()}
    scene = np.array([path[one].split("-")[1] for one in image.tolist()])
    photo = seen[0]
    assert photo is not None
    assert ((photo[:, None] == photo) == (scene[:, None] == scene)).all()
    osp.audit(store, only=["duplicates"], uncalibrated=True)
    assert seen[-1] is None


def test_copies_byte_for_byte_are_looked_for_where_photos_are(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def found(images: list) -> dict[str, str]:
        asked.append(sorted(Path(image.path).name for image in images))
        return {"copy.png": images[0].path}

    monkeypatch.setattr("objectspace.search.audit.find_byte_copies", found)
    assert osp.audit(store, only=["outliers"], uncalibrated=True).byte_copies == {}
    assert asked == []
    made = osp.audit(store, only=["photos"], uncalibrated=True)
    assert list(made.byte_copies) == ["copy.png"]
    assert asked == [sorted(Path(image.path).name for image in store.images())]


def test_each_list_has_its_figures(made: osp.Audit) -> None:
    assert list(made.lists) == ["photos", "duplicates", "outliers", "labels", "leaks"]
    for one in made.lists.values():
        assert one.calibration is not None
        whole = one.calibration.kind()
        assert whole.found.n > 0
        assert 0 <= whole.found.low <= whole.found.value <= whole.found.high <= 1
        assert set(whole.first) == {0.01, 0.05, 0.1}
        found = [kind.found.value * kind.found.n for kind in one.calibration.kinds]
        assert found[0] == pytest.approx(sum(found[1:]))


def test_lists_are_ranked_from_the_most_suspicious(made: osp.Audit) -> None:
    assert (np.diff(made.duplicates.score) >= 0).all()
    assert (np.diff(made.outliers.score) <= 0).all()
    assert (np.diff(made.labels.score) <= 0).all()


def test_the_csv_holds_all_lists_whole(made: osp.Audit, tmp_path: Path) -> None:
    import csv

    write_csv(made, tmp_path / "all.csv")
    rows = list(csv.DictReader((tmp_path / "all.csv").open(newline="")))
    assert len(rows) == sum(map(len, made.lists.values()))
    listed = [row for row in rows if row["list"] == "outliers" and row["listed"] == "True"]
    assert [row["object_id"] for row in listed] == made.outliers.first.tolist()
    places = [[int(row["rank"]) for row in rows if row["list"] == name] for name in made.lists]
    assert places == [list(range(1, len(one) + 1)) for one in made.lists.values()]
    for name, one in made.lists.items():
        last = [row for row in rows if row["list"] == name][-1:]
        assert [{key: row[key] for key in one.names} for row in last] == [
            {key: "" if value is None else str(value) for key, value in row.items()}
            for row in list(one.iter_rows())[-1:]
        ]


def test_every_row_says_where_its_object_is(made: osp.Audit, store: Store) -> None:
    objects, paths = store.objects(), {row.image_id: row.path for row in store.images()}
    place = {one: row for row, one in enumerate(objects.object_id.tolist())}

    def path(object_id: str) -> str:
        return paths[objects.image_id[place[object_id]]]

    for row in made.photos.iter_rows():
        assert row["image"] == paths[row["image_id"]]
        assert row["other_image"] == paths[row["copy_of"] or row["nearest"]] or row["kept"]
    for name in ("duplicates", "outliers", "labels", "leaks"):
        for row in made.lists[name].iter_rows():
            assert row["image"] == path(row["object_id"])
            box = objects.xyxy[place[row["object_id"]]]
            assert [row["x1"], row["y1"], row["x2"], row["y2"]] == box.tolist()
            other = row.get("leaks_to") or row.get("copy_of") or row.get("nearest")
            if name in ("duplicates", "leaks"):
                assert row["other_image"] == (None if other is None else path(other))
            else:
                assert "other_image" not in row
    assert any(row["other_image"] != row["image"] for row in made.duplicates.iter_rows())


def test_equal_pixels_are_exact_copies(store: Store) -> None:
    from objectspace.search.audit.equal_pixels import equal_boxes

    objects = store.objects()
    path = {row.image_id: row.path for row in store.images()}
    ids = objects.object_id.tolist()
    shifted = objects.take([0, 0, 1])
    first, second = np.array([0, 0]), np.array([1, 2])
    assert equal_boxes(shifted, first, second, path).tolist() == [True, ids[0] == ids[1]]
    gone = dict.fromkeys(path, "nowhere.png")
    assert equal_boxes(shifted, first, second, gone).tolist() == [False, False]


def test_without_photos_nothing_is_planted(drawn: Path, tmp_path: Path) -> None:
    shutil.copytree(drawn / "photos.osp", tmp_path / "s.osp")
    (drawn / "photos").rename(drawn / "moved")
    try:
        store = open_store(tmp_path / "s.osp")
        with pytest.raises(InputError, match=r"no photo of the store .* can be read .*uncalibrated="):
            osp.audit(store, only=["outliers"])
        found = osp.audit(store, only=["outliers", "duplicates"], uncalibrated=True)
        assert found.outliers.listed is None
        assert len(found.outliers.first) == -(-len(store) // 10)
        assert osp.audit(store, only=["labels"]).labels.calibration is not None
    finally:
        (drawn / "moved").rename(drawn / "photos")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"only": ["copies"]}, "no list 'copies', expected some of photos, duplicates"),
        ({"split": "spilt"}, "no column 'spilt' of your own .* did you mean split"),
        ({"space": "nowhere"}, "no space nowhere"),
    ],
)
def test_what_cannot_be_audited_is_a_sentence(store: Store, options: dict, message: str) -> None:
    with pytest.raises((InputError, QueryError), match=message):
        osp.audit(store, **options)


def test_a_split_of_one_value_has_no_leaks(drawn: Path, tmp_path: Path) -> None:
    photos = sorted((drawn / "photos").glob("train-1*.png"))
    found = {
        path: osp.make_objects(
            image_id=osp.read_image(path).image_id,
            xyxy=np.float32([[0, 0, 90, 90]]),
            label=["corner"],
            source="hand@1",
        )
        for path in photos
    }
    job = osp.Job(
        encoder="demo",
        annotations=osp.objects_reader(found),
        factors=osp.factors_from_pattern("(?P<split>train|test)-", photos),
    )
    osp.index(photos, tmp_path / "one.osp", job)
    store = open_store(tmp_path / "one.osp")
    with pytest.raises(
        InputError, match="column split has 1 value in space demo-crop: train; leaks are between"
    ):
        osp.audit(store, split="split")
    with pytest.raises(InputError, match="two labels or more are in two photos each, and here are 1"):
        osp.audit(store, only=["labels"])


def test_vectors_that_were_handed_in_are_audited_for_labels_only(drawn: Path, tmp_path: Path) -> None:
    shutil.copytree(drawn / "photos.osp", tmp_path / "s.osp")
    space = open_store(tmp_path / "s.osp").space("demo-crop")
    osp.add_embeddings(tmp_path / "s.osp", "mine", space.object_id, space.vectors, model="mine")
    store = open_store(tmp_path / "s.osp")
    assert osp.audit(store, space="mine", only=["labels"]).labels.calibration is not None
    with pytest.raises(InputError, match=r"no cases can be planted in space mine.*handed in.*uncalibrated="):
        osp.audit(store, space="mine", only=["duplicates"])


def test_one_photo_cannot_be_audited(drawn: Path, tmp_path: Path) -> None:
    path = drawn / "photos" / "train-0.png"
    found = osp.make_objects(
        image_id=osp.read_image(path).image_id,
        xyxy=np.float32([[0, 0, 90, 90]]),
        label=["corner"],
        source="hand@1",
    )
    osp.index(
        [path], tmp_path / "one.osp", osp.Job(encoder="demo", annotations=osp.objects_reader({path: found}))
    )
    with pytest.raises(
        InputError, match="has objects of 1 photo; an audit compares those of two photos or more"
    ):
        osp.audit(open_store(tmp_path / "one.osp"))


def test_a_list_that_was_not_made_is_named(store: Store) -> None:
    found = osp.audit(store, only=["outliers"], uncalibrated=True)
    with pytest.raises(InputError, match="this audit has no list of labels: it was not asked for"):
        _ = found.labels


def test_the_sheet_shows_all_lists(made: osp.Audit, store: Store) -> None:
    figure = osp.draw_audit(store, made)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert any(text.startswith("duplicates: ") for text in texts)
    assert any("in the first 10%" in text for text in texts)
    assert "kept" in texts


def test_a_selection_is_audited_among_itself(store: Store, tmp_path: Path) -> None:
    """Brute force over the selection alone: of each object the least different of another image."""
    objects = store.objects()
    # Out of order, of several images, fewer than the neighbors that are looked at.
    chosen = objects.object_id[[40, 3, 17, 25, 4, 61, 33, 50, 9, 2, 71]]
    store.save_selection("some", chosen.tolist())
    found = osp.audit(store, selection="some", only=["duplicates"], uncalibrated=True).duplicates
    space = store.space("demo-crop").take(np.flatnonzero(np.isin(store.space("demo-crop").object_id, chosen)))
    ids, image = space.object_id.tolist(), store.objects(space.object_id).image_id
    made = thumbnail_pictures(store.thumbnails(ids))
    plain, mirrored = (coarse(one).astype(np.float64) for one in (made.reduced, made.reduced[..., ::-1]))
    expected: dict[str, tuple[str, float]] = {}
    for one, name in enumerate(ids):
        tried = []
        for other, twin in enumerate(ids):
            if image[one] != image[other]:
                v, w = (space.vectors[row].astype(np.float64) for row in (one, other))
                cosine = float(v @ w / np.sqrt((v @ v) * (w @ w)))
                alike = plain[one] @ plain[other], plain[one] @ mirrored[other]
                first, second = (made.whole[row].astype(np.float32)[None] for row in (one, other))
                laid = second if alike[0] >= alike[1] else second[..., ::-1]
                unlike = 1 - min(max(float(copies.registered_correlation(first, laid)[0]), 0), 1)
                odds = (1 - cosine) * unlike
                tried.append(((1 - cosine) * (1 - min(max(*alike, 0), 1)), odds / (1 + odds), twin))
        expected[name] = min((odds, twin) for _, odds, twin in sorted(tried)[: copies.COMPARED])[::-1]
    own = dict(expected)
    for name, (nearest, difference) in own.items():
        if difference < expected[nearest][1]:
            expected[nearest] = name, difference
    rows = list(found.iter_rows())
    assert {row["object_id"]: row["nearest"] for row in rows} == {k: v[0] for k, v in expected.items()}
    for row in rows:
        assert row["difference"] == pytest.approx(expected[row["object_id"]][1], rel=1e-4, abs=1e-6)


def test_a_selection_of_objects_that_are_gone(store: Store) -> None:
    save_selection(store.path, "gone", ["0" * 32, "f" * 32], {})
    with pytest.raises(QueryError, match="2 of 2 objects of selection gone are not in"):
        osp.audit(store, selection="gone")


def test_a_selection_of_one_photo(store: Store) -> None:
    objects = store.objects()
    store.save_selection("one photo", objects.object_id[objects.image_id == objects.image_id[0]].tolist())
    with pytest.raises(InputError, match=r"selection one photo in space demo-crop .* has objects of 1 photo"):
        osp.audit(store, selection="one photo")


def test_an_index_audits_no_selection(store: Store) -> None:
    store.save_selection("two", store.objects().object_id[[0, 9]].tolist())
    with pytest.raises(InputError, match="give approximate= or selection=, one of them"):
        osp.audit(store, selection="two", approximate=True)
    with pytest.raises(QueryError, match="space demo-crop has no approximate index; build it with"):
        osp.audit(store, approximate=True)


def test_an_index_finds_nearly_the_same_and_says_how_nearly(tmp_path: Path, add_objects: Callable) -> None:
    vectors = np.random.default_rng(3).standard_normal((400, 16)).astype(np.float32)
    add_objects(tmp_path / "s.osp", vectors)
    osp.index_space(tmp_path / "s.osp", "a-crop")
    store = open_store(tmp_path / "s.osp")
    exact, found = (
        osp.audit(store, only=["outliers"], uncalibrated=True, approximate=asked) for asked in (False, True)
    )
    assert exact.approximate is None
    assert "approximate" not in exact.to_json()
    assert found.approximate is not None
    assert found.to_json()["approximate"]["recall_at_10"] == found.approximate.index.recall.recall_at_10
    first = len(store) // 5
    assert len(set(found.outliers.object_id[:first]) & set(exact.outliers.object_id[:first])) > 0.8 * first
