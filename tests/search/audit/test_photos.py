"""Copies of photos in stores of which most photos are copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import PIL.Image
import pytest

import objectspace as osp
from objectspace.analyses.audit.duplicates import group_copies, make_pairs
from objectspace.analyses.audit.registration import registered_correlation
from objectspace.errors import ImageError
from objectspace.neighbors import Neighbors
from objectspace.search.audit import photos as photos_module
from objectspace.search.audit.copies import Compared
from objectspace.search.audit.photos import PhotoCopies, PhotoDifferences, compare_photos, find_photo_copies
from objectspace.search.audit.small_pictures import PicturesInMemory, coarse, make_pictures
from objectspace.store import ImageRow


@cache
def drawn(number: int) -> np.ndarray:
    """A scene of the drawn world, made smaller: 208 pixels a side."""
    return np.asarray(PIL.Image.fromarray(osp.draw_scene(seed=5, index=number).pixels).reduce(2))


def save_copies(folder: Path, scenes: int, times: int) -> list[ImageRow]:
    """Write ``0-0.jpg`` and so on: scenes of the drawn world, each saved so many times at other qualities."""
    rows = []
    for number in range(scenes):
        pixels = PIL.Image.fromarray(drawn(number))
        for time in range(times):
            path = folder / f"{number}-{time}.jpg"
            pixels.save(path, quality=95 - 3 * time)
            rows.append(ImageRow(osp.read_image(path).image_id, str(path), *pixels.size))
    return rows


def copies_of(images: list[ImageRow], *, planted: int = 12) -> PhotoCopies:
    photos = compare_photos(images, lambda photos: None)
    return find_photo_copies(images, photos, count=planted, seed=0, progress=lambda photos: None)


def scene(image: ImageRow) -> str:
    return Path(image.path).stem.split("-")[0]


@pytest.mark.parametrize(("scenes", "times", "beyond"), [(16, 1, 0), (16, 2, 1), (8, 4, 3), (4, 13, 15)])
def test_copies_are_told_from_strangers_beyond_them(
    tmp_path: Path, scenes: int, times: int, beyond: int
) -> None:
    """Each scene saved once, twice, four times, and more often than photos are compared."""
    images = save_copies(tmp_path, scenes, times)
    found = copies_of(images)
    assert found.beyond == beyond
    assert found.planted.suspicion[found.planted.kind == "jpeg"].min() > found.threshold
    groups = found.groups
    if times == 1:
        assert not len(groups)
        return
    assert len(groups) == len(images)
    assert groups.count == scenes
    keepers = groups.row[groups.kept][groups.group]
    assert [scene(images[row]) for row in groups.row] == [scene(images[row]) for row in keepers]
    numbers = found.numbers(np.array([image.image_id for image in images]))
    assert len(set(numbers.tolist())) == scenes


def test_each_photo_is_told_once_when_it_is_compared_and_once_when_it_is_changed(tmp_path: Path) -> None:
    """Also those that cannot be read: one is gone, one is no picture."""
    images = save_copies(tmp_path, 3, 2)
    (tmp_path / "text.jpg").write_text("no picture")
    images += [
        ImageRow("gone", str(tmp_path / "gone.jpg"), 5, 5),
        ImageRow("x", str(tmp_path / "text.jpg"), 5, 5),
    ]
    compared, changed = list[int](), list[int]()
    photos = compare_photos(images, compared.append)
    assert compared == [1] * 8
    assert photos.rows.tolist() == list(range(6))
    assert "gone.jpg" in photos.why
    readable = [images[row] for row in photos.rows]
    found = find_photo_copies(readable, photos, count=4, seed=0, progress=changed.append)
    assert changed == [1] * 4
    assert len(found.planted) == 4 * 6


def test_where_all_are_copies_of_one_photo_none_is_left_out(tmp_path: Path) -> None:
    """Nothing tells its copies from strangers, so that nothing more is taken for one."""
    found = copies_of(save_copies(tmp_path, 1, 12))
    assert found.beyond == 0


def test_the_most_alike_are_those_of_a_loop_mirrored_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 23 pictures in blocks of five, of which some are mirrored copies of others."""
    monkeypatch.setattr(photos_module, "_BLOCK", 5)
    random = np.random.default_rng(41)
    pixels = [random.integers(0, 256, (16, 16, 3), np.uint8) for _ in range(20)]
    pixels += [pixels[3][:, ::-1], pixels[17][:, ::-1], pixels[3]]
    pictures = make_pictures(np.ascontiguousarray(one) for one in pixels)
    planes, mirrored = (coarse(one).astype(float) for one in (pictures.reduced, pictures.reduced[..., ::-1]))
    alike = np.array([[max(a @ b, m @ b) for b in planes] for a, m in zip(planes, mirrored, strict=True)])
    for own, count in ((None, 4), (np.arange(23), 4), (np.arange(23), 40)):
        kept = alike.copy()
        if own is not None:
            np.fill_diagonal(kept, -np.inf)
        found = photos_module._most_alike(pictures, pictures, own, count)
        k = min(count, 23 - (own is not None))
        assert found.index.shape == found.distance.shape == (23, k)
        assert (found.distance == 1).all()
        taken = np.take_along_axis(kept, found.index, axis=1)
        np.testing.assert_allclose(taken, -np.sort(-kept, axis=1)[:, :k], atol=1e-6)
        assert all(len(set(row)) == k for row in found.index.tolist())


def test_the_largest_photo_is_kept_of_equals_the_first_by_path() -> None:
    sides = [("d.jpg", 4, 5), ("b.jpg", 10, 2), ("c.jpg", 30, 1), ("a.jpg", 5, 4), ("e.jpg", 3, 3)]
    images = [ImageRow(path, path, width, height) for path, width, height in sides]
    expected = sorted(images, key=lambda image: (-image.width * image.height, image.path))
    found = photos_module._largest_first(images)
    assert [images[row].path for row in np.argsort(found)] == [image.path for image in expected]
    assert sorted(found.tolist()) == [0, 1, 2, 3, 4]


def test_copies_have_one_number_and_every_other_photo_its_own() -> None:
    """Two groups of unequal sizes, photos in none, and photos that were not compared, out of order."""
    images = [ImageRow(f"id{number}", f"{number}.jpg", 1, 1) for number in range(8)]
    pairs = make_pairs(np.array([6, 6, 2]), np.array([1, 4, 5]), np.zeros(3))
    groups = group_copies(pairs, np.array([3, 4, 1, 2, 5, 6, 0, 7]))
    copies = PhotoCopies(images, None, None, 0.5, groups, 0)  # type: ignore[arg-type]
    together = [{"id6", "id1", "id4"}, {"id2", "id5"}, {"id0"}, {"id3"}, {"id7"}, {"new"}, {"other"}]
    asked = np.array(["other", "id4", "id0", "id5", "id6", "new", "id1", "id7", "id2", "id3", "id4", "other"])
    numbers = copies.numbers(asked)
    for one, number in zip(asked, numbers, strict=True):
        same = next(group for group in together if one in group)
        assert (numbers == number).tolist() == [name in same for name in asked]


@pytest.mark.parametrize(
    ("photos", "copies", "beyond"),
    [
        *[(40, 0, 0), (40, 1, 1), (40, 2, 3), (40, 3, 3), (40, 4, 7), (40, 7, 7), (40, 8, 15), (40, 16, 31)],
        *[(40, 32, None), (33, 31, 31), (32, 31, None), (3, 1, 1), (2, 1, None), (9, 7, 7), (8, 7, None)],
    ],
)
def test_strangers_are_looked_for_beyond_one_three_seven_copies(
    monkeypatch: pytest.MonkeyPatch, photos: int, copies: int, beyond: int | None
) -> None:
    """Each photo has so many copies, of which ten were compared with it; the next ones are strangers."""
    random = np.random.default_rng(61)
    apart = np.repeat([[0.1] * copies + [0.9] * (photos - 1 - copies)], photos, axis=0)
    kept = random.permuted(apart[:, :10], axis=1)
    sample = np.arange(0, photos, 2)
    asked = []

    def differences(of: object, rows: np.ndarray, far: int) -> np.ndarray:
        assert of is given
        assert rows is sample
        asked.append(far)
        return apart[rows, far]

    given = SimpleNamespace(
        compared=SimpleNamespace(numbers=np.stack([kept * 0, kept * 0, kept], axis=2)),
        difference=kept.min(axis=1),
    )
    monkeypatch.setattr(photos_module, "_differences_beyond", differences)
    monkeypatch.setattr(photos_module, "real_share", lambda planted, real: float((real > -0.5).mean()))
    found, strangers = photos_module._find_strangers(given, np.zeros(1), sample)  # type: ignore[arg-type]
    assert found == (beyond or 0)
    if beyond is None:
        assert strangers is given.difference
    else:
        assert set(strangers.tolist()) == {0.9}
        assert len(strangers) == (photos if beyond < min(10, photos - 1) else len(sample))
    assert all(far >= 10 for far in asked)


# ----------------------------------------------------------------------------------------- one step at a time


def made_of(numbers: np.ndarray, index: np.ndarray, within: float = np.inf) -> Compared:
    """Photos that were compared, whose third numbers are given; as they are, they are more unlike."""
    three = np.stack([np.ones(numbers.shape), 2 - numbers, numbers], axis=2)
    return Compared(index, np.zeros(index.shape, bool), three, within)


def test_the_nearest_photo_is_the_least_different_of_those_compared() -> None:
    compared = made_of(np.array([[0.5, 0.25, 0.75], [0.125, 0.5, 0.5]]), np.array([[4, 2, 3], [0, 5, 6]]))
    photos = PhotoDifferences(np.arange(2), "", None, compared)  # type: ignore[arg-type]
    assert photos.nearest.tolist() == [2, 0]
    assert photos.difference.tolist() == [0.25, 0.125]
    pairs = photos.pairs_within(0.25)
    assert list(zip(pairs.first.tolist(), pairs.second.tolist(), pairs.distance.tolist(), strict=True)) == [
        (0, 1, 0.125),
        (0, 2, 0.25),
    ]


def test_pairs_of_photos_are_within_a_difference_and_of_two_photos() -> None:
    compared = made_of(np.array([[0.25, 0.5, 0.125], [0.25, 0.3, 0.0]]), np.array([[1, 2, -1], [7, 8, 9]]))
    pairs = photos_module._pairs_within(np.array([6, 3]), compared, 0.25)
    assert list(zip(pairs.first.tolist(), pairs.second.tolist(), pairs.distance.tolist(), strict=True)) == [
        (1, 6, 0.25),
        (3, 7, 0.25),
        (3, 9, 0.0),
    ]


def apart(pictures: PicturesInMemory, one: int, other: int) -> tuple[float, float]:
    """How unlike two pictures are, and laid over each other; the other mirrored where that is more alike."""
    own, theirs, mirrored = (
        coarse(some)[0].astype(float)
        for some in (
            pictures.reduced[[one]],
            pictures.reduced[[other]],
            pictures.reduced[[other]][..., ::-1],
        )
    )
    turned = own @ mirrored > own @ theirs
    levels = pictures.levels(np.array([one, other])).astype(np.float32)
    laid = registered_correlation(levels[:1], levels[1:, ..., ::-1] if turned else levels[1:])
    return 1 - min(max(own @ mirrored, own @ theirs, 0), 1), 1 - min(max(float(laid[0]), 0), 1)


def smooth(seed: int) -> np.ndarray:
    """Random colors that vary over a quarter of the picture."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return np.asarray(PIL.Image.fromarray(small).resize((40, 40), PIL.Image.Resampling.BICUBIC))


@cache
def nine() -> tuple[PicturesInMemory, dict[tuple[int, int], tuple[float, float]]]:
    """Nine pictures, and how unlike each two of them are."""
    pictures = make_pictures([smooth(seed) for seed in range(9)])
    pairs = [(one, other) for one in range(9) for other in range(9) if one != other]
    return pictures, {pair: apart(pictures, *pair) for pair in pairs}


@pytest.mark.parametrize("within", [-np.inf, 0.8, np.inf])
@pytest.mark.parametrize("beyond", [1, 3])
def test_the_next_ones_that_are_most_alike_are_strangers(
    beyond: int, within: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a loop over all pairs: rows out of order, three compared of nine."""
    monkeypatch.setattr(photos_module, "NEAREST", 3)
    pictures, unlike = nine()
    compared = made_of(np.ones((9, 1)), np.zeros((9, 1), np.int64), within)
    photos = PhotoDifferences(np.arange(9), "", pictures, compared)
    rows = np.array([7, 0, 4, 2])
    found = photos_module._differences_beyond(photos, rows, beyond)
    expected = []
    for row in rows:
        ordered = sorted(unlike[row, other] for other in range(9) if other != row)
        expected.append(
            min(laid if plain <= within else plain for plain, laid in ordered[beyond : beyond + 3])
        )
    assert found == pytest.approx(np.array(expected), abs=1e-5)


def test_photos_are_compared_with_given_ones_and_none_with_no_photo() -> None:
    pictures = make_pictures([smooth(seed) for seed in range(6)])
    compared = made_of(np.ones((6, 1)), np.zeros((6, 1), np.int64), np.inf)
    photos = PhotoDifferences(np.arange(6), "", pictures, compared)
    others = np.array([[1, -1, 2, 3], [5, 0, -1, -1]])
    found = photos_module._compare_with(photos, np.array([4, 3]), others)
    assert found.index.shape == (2, 4)
    assert np.sort(found.index).tolist() == np.sort(others).tolist()
    for row, index, numbers in zip((4, 3), found.index, found.numbers, strict=True):
        for other, three in zip(index.tolist(), numbers, strict=True):
            if other == -1:
                assert (three == np.inf).all()
            else:
                assert three == pytest.approx((1, *apart(pictures, row, other)), abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_in_a_chain_of_more_than_were_compared_all_are_compared_with_the_kept_ones(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a loop: chains of one to fourteen photos, of which those next to each other were compared.

    Three of four pairs of a chain are copies. Up to four photos are compared with; longer chains are joined.
    """
    monkeypatch.setattr(photos_module, "NEAREST", 4)
    random, limit = np.random.default_rng([62, seed]), 0.25
    sizes = [1, 2, 4, 4, 5, 6, 9, 14]
    chain = np.repeat(np.arange(len(sizes)), sizes)
    order = random.permutation(len(chain))
    chain = chain[order]
    far = np.where(random.random((len(chain),) * 2) < 0.75, 0.125, 0.5)
    far = np.where(chain[:, None] == chain, np.minimum(far, far.T), 0.75)
    members = [np.flatnonzero(chain == number) for number in range(len(sizes))]
    ends = [(a, b) for own in members for a, b in zip(own[:-1].tolist(), own[1:].tolist(), strict=True)]
    first, second = np.array(ends).T
    far[first, second] = far[second, first] = limit
    pairs = make_pairs(first, second, far[first, second])
    preference = random.permutation(len(chain))

    def compare(of: object, rows: np.ndarray, others: np.ndarray) -> Compared:
        assert of is photos
        return made_of(np.where(others < 0, np.inf, far[rows[:, None], others]), others)

    photos = SimpleNamespace(pairs_within=lambda difference: pairs if difference == limit else None)
    monkeypatch.setattr(photos_module, "_compare_with", compare)
    found = photos_module._group(photos, limit, preference)  # type: ignore[arg-type]
    once, more = group_copies(pairs, preference), list(ends)
    for number in set(once.chain.tolist()):
        rows = once.row[once.chain == number].tolist()
        kept = [row for row in rows if once.kept[once.row == row].any()]
        if len(rows) > 4 and len(kept) > 1:
            near = [(row, other) for row in rows for other in kept[:4] if far[row, other] <= limit]
            more += [(row, other) for row, other in near if row != other]
    a, b = np.array(more).T
    expected = group_copies(make_pairs(a, b, far[a, b]), preference)
    for name in ("row", "group", "kept", "distance", "chain"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist()
    assert found.count < once.count


def test_where_no_chain_is_that_long_groups_are_those_of_the_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four photos in two groups of one chain, as many as are compared: nothing is compared again."""
    monkeypatch.setattr(photos_module, "NEAREST", 4)
    monkeypatch.setattr(photos_module, "_compare_with", None)
    pairs = make_pairs(np.array([0, 1, 2]), np.array([1, 2, 3]), np.zeros(3))
    photos = SimpleNamespace(pairs_within=lambda difference: pairs)
    found = photos_module._group(photos, 0.5, np.array([0, 2, 3, 1]))  # type: ignore[arg-type]
    assert (found.row.tolist(), found.chain.tolist()) == ([0, 1, 3, 2], [0, 0, 0, 0])
    star = make_pairs(np.zeros(7, int), np.arange(1, 8), np.zeros(7))
    photos = SimpleNamespace(pairs_within=lambda difference: star)
    found = photos_module._group(photos, 0.5, np.arange(8))  # type: ignore[arg-type]
    assert (found.count, len(found)) == (1, 8)


def test_planted_copies_are_judged_as_the_photos_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suspicion is minus the last number, as it would be found among the photos."""
    index = np.array([[1], [0], [1]])
    photos = PhotoDifferences(np.arange(3), "", "pictures", made_of(np.array([[0.5], [0.25], [0.75]]), index))  # type: ignore[arg-type]
    numbers = np.array([[1, 0.5, 0.125], [1, 0.6, 0.3], [1, 0.9, 0.8], [np.inf] * 3])
    kind = np.array(["jpeg", "cropped", "jpeg", "jpeg"], object)
    seen: dict[str, Any] = {}
    monkeypatch.setattr(
        photos_module, "_plant", lambda *given, **named: (kind, np.array([2, 0, 2, 1]), numbers)
    )
    monkeypatch.setattr(
        photos_module, "register_within", lambda compared, one, other, unlike: replace(compared, within=0.6)
    )

    def strangers(of: Any, planted: np.ndarray, sample: np.ndarray) -> tuple[int, np.ndarray]:
        seen.update(strangers=(planted.tolist(), sample.tolist()))
        return 3, np.array([0.5, 0.625])

    def threshold(planted: np.ndarray, others: np.ndarray, *, often_real: bool) -> float:
        seen.update(threshold=(planted.tolist(), others.tolist(), often_real))
        return -0.375

    monkeypatch.setattr(photos_module, "_find_strangers", strangers)
    monkeypatch.setattr(photos_module, "best_threshold", threshold)
    monkeypatch.setattr(photos_module, "_group", lambda of, difference, order: (difference, order.tolist()))
    images = [ImageRow(name, name, 2, 2) for name in "cab"]
    found = find_photo_copies(images, photos, count=9, seed=4, progress=print)
    # The third was not laid over its original, as pairs so unlike are not.
    suspicion = [-0.125, -0.3, -0.9, -np.inf]
    assert found.planted.suspicion.tolist() == suspicion
    assert found.planted.kind is kind
    assert found.planted.group.tolist() == [2, 0, 2, 1]
    assert found.planted.place.tolist() == [0, 1 / 3, 1, 1]
    assert seen == {"strangers": (suspicion, [0, 1, 2]), "threshold": (suspicion, [-0.5, -0.625], True)}
    assert (found.threshold, found.beyond, found.groups) == (-0.375, 3, (0.375, [2, 0, 1]))
    assert found.photos.compared.within == 0.6


@pytest.mark.parametrize("count", [2, 5, 9])
def test_photos_are_changed_in_each_way_and_looked_for_among_all(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of five photos the third cannot be read. A changed photo has its number and the way as its pixels."""
    images = [ImageRow(f"id{number}", f"{number}.jpg", 8, 8) for number in range(5)]
    told: list[int] = []
    seen: dict[str, Any] = {}

    def read(some: Any) -> Iterator[Any]:
        for image in some:
            number = int(image.path[0])
            yield ImageError(image.path, "gone") if number == 2 else np.full((8, 8, 3), number, np.uint8)

    def changed(pixels: np.ndarray, random: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
        number = int(pixels[0, 0, 0])
        assert random.bit_generator.state == np.random.default_rng([7, 15, number]).bit_generator.state
        yield "jpeg", np.full((8, 8, 3), 10 * number + 1, np.uint8)
        yield "flipped", np.full((8, 8, 3), 10 * number + 2, np.uint8)

    def compared(copies: Any, pictures: Any, near: Any, most: int, is_original: Any) -> np.ndarray:
        seen.update(pixels=copies.whole[:, 0, 0, 0].tolist(), reduced=copies.reduced[:, 0, 0, 0].tolist())
        seen.update(asked=(pictures, near, most), original=is_original(np.arange(5)[None]))
        return np.zeros((len(copies.whole), 3))

    monkeypatch.setattr(photos_module, "_read", read)
    monkeypatch.setattr(photos_module, "changed_photos", changed)
    monkeypatch.setattr(photos_module, "compare_to_originals", compared)
    monkeypatch.setattr(photos_module, "_most_alike", lambda copies, pictures: (len(copies.whole), pictures))
    kind, original, numbers = photos_module._plant(images, "all", count=count, seed=7, progress=told.append)  # type: ignore[arg-type]
    drawn = sorted(np.random.default_rng([7, 14]).permutation(5)[:count].tolist())
    own = [number for number in drawn if number != 2]
    assert told == [1] * len(drawn)
    assert kind.tolist() == ["jpeg", "flipped"] * len(own)
    assert original.tolist() == [number for number in own for _ in range(2)]
    assert seen["pixels"] == seen["reduced"] == [10 * number + way for number in own for way in (1, 2)]
    assert seen["asked"] == ("all", (2 * len(own), "all"), photos_module.NEAREST)
    assert (seen["original"] == (np.arange(5) == original[:, None])).all()
    assert numbers.shape == (2 * len(own), 3)


def test_photos_are_read_by_their_ids_at_256_pixels_a_side_or_more(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def read(path: str, *, at_least: tuple[int, int], image_id: str) -> Any:
        asked.append((at_least, image_id))
        if path == "1.jpg":
            raise ImageError(path, "gone")
        return SimpleNamespace(pixels=path)

    monkeypatch.setattr(photos_module, "read_image", read)
    found = list(photos_module._read([ImageRow(f"id{n}", f"{n}.jpg", 9, 9) for n in range(3)]))
    assert (found[0], found[2]) == ("0.jpg", "2.jpg")
    assert isinstance(found[1], ImageError)
    assert sorted(asked) == [((256, 256), f"id{n}") for n in range(3)]


def test_the_nearest_of_two_answers_are_each_taken_once_equals_by_number() -> None:
    one = Neighbors(np.array([[4, 2, 7], [1, 3, 0]]), np.array([[0.25, 0.5, 0.75], [0.5, 0.5, 0.75]]))
    other = Neighbors(np.array([[2, 9, 4], [0, 5, 1]]), np.array([[0.125, 0.25, 0.5], [0.5, 0.625, 0.75]]))
    assert photos_module._nearest_of_either(one, other).tolist() == [[2, 4, 9], [0, 1, 3]]


@pytest.mark.parametrize("count", [0, 1])
def test_a_photo_alone_has_nothing_alike(count: int) -> None:
    pictures = make_pictures([smooth(seed) for seed in range(count)])
    found = photos_module._most_alike(pictures, pictures, np.arange(count))
    assert found.index.shape == found.distance.shape == (count, 0)
