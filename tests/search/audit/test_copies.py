"""Differences of copies: by vectors and by thumbnails, over neighbor lists that are too short."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import numpy as np
import PIL.Image
import pytest

from objectspace.analyses.audit.calibration import best_threshold
from objectspace.analyses.audit.copy_rule import CopyRule
from objectspace.neighbors import ExactIndex, Neighbors
from objectspace.search.audit import copies
from objectspace.search.audit.copies import CopyDifferences
from objectspace.search.audit.planting import PlantedVectors, find_copies
from objectspace.search.audit.small_pictures import coarse, make_pictures, thumbnail_pictures


def jpeg(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    PIL.Image.fromarray(pixels).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def picture(seed: int, size: int = 48) -> np.ndarray:
    """Blocks of random colors, four to a side."""
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return np.repeat(np.repeat(blocks, size // 4, 0), size // 4, 1)


@dataclass
class Thumbnails:
    """A store of which only the thumbnails are asked for."""

    jpegs: list[bytes]

    def thumbnails_at(self, rows: np.ndarray) -> list[bytes]:
        return [self.jpegs[row] for row in rows]


class Near:
    """The k nearest of each object, every object a photo of its own."""

    def __init__(self, vectors: np.ndarray, k: int) -> None:
        self.image = np.arange(len(vectors)).astype(str)
        self._index = ExactIndex(vectors, self.image, metric="cosine", groups=self.image)
        self._vectors, self._k = vectors, k
        self.near = self.nearest_of(np.arange(len(vectors)), k)

    def nearest(self, vectors: np.ndarray) -> Neighbors:
        return self._index.nearest(vectors, k=self._k)

    def nearest_of(self, rows: np.ndarray, k: int, photo: np.ndarray | None = None) -> Neighbors:
        group = self.image if photo is None else photo
        if not len(rows):
            return Neighbors(np.empty((0, k), np.int64), np.empty((0, k)))
        return self._index.grouped(group).nearest(self._vectors[rows], k=k, query_groups=group[rows])


def differences(
    pictures: list[np.ndarray], vectors: np.ndarray, k: int, photo: np.ndarray | None = None
) -> CopyDifferences:
    store, near = Thumbnails(list(map(jpeg, pictures))), Near(vectors.astype(np.float32), k)
    return CopyDifferences(store, np.arange(len(pictures)), near, photo=photo)  # type: ignore[arg-type]


def smooth(seed: int, side: int = 64) -> np.ndarray:
    """Random colors that vary over a fifth of the picture."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    return np.asarray(PIL.Image.fromarray(small).resize((side, side), PIL.Image.Resampling.BICUBIC))


def test_reduced_thumbnails_multiply_to_correlations() -> None:
    one, other = picture(1), picture(2)
    pictures = [one, other, picture(1, 96), np.full((9, 9, 3), 70, np.uint8)]
    rows = coarse(thumbnail_pictures(map(jpeg, pictures)).reduced)
    flat = [(part.astype(float) - part.mean((0, 1)))[::4, ::4].ravel() for part in (one, other)]
    expected = flat[0] @ flat[1] / np.linalg.norm(flat[0]) / np.linalg.norm(flat[1])
    assert rows[0] @ rows[1] == pytest.approx(expected, abs=0.02)
    assert rows[0] @ rows[2] == pytest.approx(1, abs=0.01)
    assert not rows[3].any()


@pytest.mark.parametrize("level", [(71, 71, 71), (70, 69, 70)])
def test_reduced_pictures_of_hardly_any_contrast_have_length_one_too(level: tuple[int, ...]) -> None:
    pixels = np.full((12, 12, 3), 70, np.uint8)
    pixels[3, 4] = level
    (row,) = coarse(make_pictures([pixels]).reduced)
    assert np.linalg.norm(row) == pytest.approx(1)


def test_the_difference_is_distance_times_what_the_thumbnails_lack() -> None:
    """Object 1 looks like 0 and is farther than 2, which does not; 3 is 0 mirrored."""
    vectors = np.array([[1, 0], [0.8, 0.6], [0.96, 0.28], [-0.2, 0.98]])
    made = differences([picture(1), picture(1), picture(5), picture(1)[:, ::-1]], vectors, 3)
    assert made.nearest[0] == 1
    assert made.difference[0] < 0.2 * 0.05
    assert made.nearest[3] in (0, 1)
    assert made.difference[3] < 0.05
    assert made.difference[2] > 0.01


def test_another_rule_judges_the_same_pairs_anew() -> None:
    """By distance alone object 0 is nearest to 2, by thumbnails to 1."""
    vectors = np.array([[1, 0], [0.8, 0.6], [0.96, 0.28]])
    made = differences([picture(1), picture(1), picture(5)], vectors, 2)
    assert made.nearest[0] == 1
    made.judge_by(CopyRule((1.0, 0.0, 0.0), 0.0))
    assert made.nearest[0] == 2
    assert made.difference[0] == pytest.approx(0.04 / 1.04)


def test_a_pair_is_one_from_both_sides() -> None:
    """Lists of one neighbor: 2 is the nearest of 0 by vectors, yet 0 is the copy of 1."""
    vectors = np.array([[1, 0], [0.8, 0.6], [0.96, -0.28]])
    made = differences([picture(1), picture(1), picture(5)], vectors, 1)
    assert made.nearest.tolist() == [1, 0, 0]
    assert made.difference[0] == made.difference[1]


def test_a_pair_counts_for_one_whose_other_has_a_nearer_one() -> None:
    """Lists of one neighbor, in a row: 0 and 3 are one picture, 1 is like them, and is nearest to 2.

    The pair of 0 and 1 is the least of 1, though 3 takes 0 for its own.
    """
    turned = np.radians([0, 16, 27, -37])
    blended = (0.8 * smooth(3) + 0.2 * smooth(4)).astype(np.uint8)
    made = differences(
        [smooth(3), blended, smooth(5), smooth(3)], np.stack([np.cos(turned), np.sin(turned)], 1), 1
    )
    assert made.nearest.tolist() == [3, 0, 1, 0]
    assert made.difference[3] == made.difference[0] < made.difference[1] < made.difference[2]


def test_a_cropped_copy_is_as_near_as_one_saved_again() -> None:
    whole = smooth(3)
    vectors = np.array([[1, 0], [0.9, 0.436], [0.9, -0.436]])
    made = differences([whole, whole[5:60, 8:64], smooth(4)], vectors, 2)
    assert made.nearest[0] == 1
    assert made.difference[0] < 0.1 * 0.1


def test_pairs_beyond_the_list_are_found() -> None:
    """Nine copies of one object, and lists of two neighbors."""
    random = np.random.default_rng(0)
    vectors = np.concatenate(
        [np.tile([1.0, 0, 0], (9, 1)) + random.normal(0, 0.01, (9, 3)), random.normal(0, 1, (6, 3))]
    )
    pictures = [picture(1)] * 9 + [picture(seed) for seed in range(10, 16)]
    pairs = differences(pictures, vectors, 2).pairs_within(1e-4)
    assert {(a, b) for a, b in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)} == {
        (a, b) for b in range(9) for a in range(b)
    }


def test_pairs_are_those_that_differ_by_at_most_so_much_and_no_others() -> None:
    """Of nine objects, of which three are copies, and lists of all others."""
    random = np.random.default_rng(4)
    vectors = np.concatenate([np.tile([1.0, 0, 0], (4, 1)), random.normal(0, 1, (5, 3))])
    made = differences([picture(1)] * 3 + [picture(seed) for seed in range(10, 16)], vectors, 8)
    assert len(made.pairs_within(-1.0)) == 0
    whole = made.pairs_within(np.inf)
    # Three are compared at first; where all of them are copies, more.
    assert len(whole) == 9 * 8 // 2
    for limit in (1e-3, float(np.median(whole.distance)), float(whole.distance.max())):
        pairs = made.pairs_within(limit)
        found = set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
        assert len(found) == len(pairs)
        assert (pairs.distance <= limit).all()
        assert {(0, 1), (0, 2), (1, 2)} <= found


def test_a_copy_far_by_vector_is_found_among_the_neighbors_that_are_held() -> None:
    """Five copies, the last beyond six strangers of the others, and they beyond six of its own.

    Five rows have more than three copies: fewer rows than the six neighbors that are compared next.
    """
    near, far, *others = np.eye(14)
    strangers = [
        0.7 * of + 0.7 * other for of, six in ((near, others[:6]), (far, others[6:])) for other in six
    ]
    noise = np.random.default_rng(0).normal(0, 3, (48, 48, 3))
    again = np.clip(picture(1) + noise, 0, 255).astype(np.uint8)
    pictures = [*[picture(1)] * 4, again, *(picture(seed) for seed in range(10, 22))]
    made = differences(pictures, np.array([near] * 4 + [far, *strangers]), 16)
    pairs = made.pairs_within(0.02)
    assert set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == {
        (a, b) for b in range(5) for a in range(b)
    }


def test_a_copy_whose_original_is_not_among_the_nearest_is_not_found() -> None:
    made = differences([picture(1), picture(2)], np.eye(2), 1)
    found = Neighbors(np.array([[1], [0]]), np.array([[0.5], [0.5]]))
    result = made.to_originals(found, thumbnail_pictures([jpeg(picture(1))] * 2), np.array([0, 0]))
    assert (result[0] == np.inf).all()
    assert result[1] == pytest.approx([0.5, 0, 0], abs=0.01)


def test_a_planted_copy_is_found_by_a_copy_of_what_it_is_of() -> None:
    """Objects 0 and 1 are in copies of one photo, and 1 alone is near the planted one; 2 is in another."""
    made = differences([picture(1), picture(1), picture(5)], np.eye(3), 2, photo=np.array([0, 0, 1]))
    found = Neighbors(np.array([[1, 2], [2, -1]]), np.array([[0.5, 0.1], [0.1, np.inf]]))
    numbers = made.to_originals(found, thumbnail_pictures([jpeg(picture(1))] * 2), np.array([0, 0]))
    assert numbers[0] == pytest.approx([0.5, 0, 0], abs=0.01)
    assert (numbers[1] == np.inf).all()


def test_strangers_are_in_photos_that_are_no_copies() -> None:
    """Photos 0 and 1 are copies: the strangers of their objects are the next ones, 2 of both."""
    vectors = np.array([[1, 0], [0.99, 0.141], [0.8, 0.6], [0.6, 0.8]])
    pictures = [picture(1), picture(1), picture(5), picture(6)]
    apart = differences(pictures, vectors, 3, photo=np.array([7, 7, 2, 3]))
    assert apart.nearest[:2].tolist() == [1, 0]
    assert apart.difference[:2].max() < 0.01 < apart.stranger_difference.min()
    assert apart.strangers[:2, 0] == pytest.approx([1 - 0.8, 1 - (0.99 * 0.8 + 0.141 * 0.6)], abs=1e-3)
    together = differences(pictures, vectors, 3)
    assert together.strangers[:2, 0] == pytest.approx([0.01, 0.01], abs=1e-3)


def test_strangers_are_judged_from_their_own_side_as_planted_copies_are() -> None:
    """Lists of one neighbor: 2 is the nearest of 0, and 1 of none, though it is less different from 0."""
    vectors = np.array([[1, 0], [0.8, 0.6], [0.96, -0.28]])
    made = differences([picture(1), picture(1), picture(5)], vectors, 1)
    assert made.difference[0] == made.difference[1] == made.stranger_difference[1]
    assert made.stranger_difference[0] == made.difference[2] > made.difference[0]


def test_strangers_of_objects_with_nothing_but_copies_among_their_nearest_are_farther() -> None:
    """Three photos of five copies each, and lists of two neighbors: strangers are beyond the lists."""
    random = np.random.default_rng(0)
    photo = np.repeat([0, 1, 2], 5)
    vectors = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0.6, 0, 0.8, 0]])[photo] + random.normal(
        0, 0.01, (15, 4)
    )
    made = differences([smooth(number) for number in photo], vectors, 2, photo=photo)
    assert (photo[made.nearest] == photo).all()
    assert made.strangers[:, 0] == pytest.approx(np.repeat([0.4, 1, 0.4], 5), abs=0.05)
    assert made.difference.max() < made.stranger_difference.min()


def test_where_all_photos_are_copies_of_one_there_is_no_stranger() -> None:
    """Of lists of one neighbor that of object 2 is in another photo, those of 0 and 1 are their copies."""
    made = differences([picture(1), picture(1), picture(5)], np.eye(3), 1, photo=np.array([0, 0, 1]))
    assert len(made.strangers) == len(made.stranger_difference) == 3
    alone = differences([picture(1), picture(1)], np.eye(2), 1, photo=np.array([0, 0]))
    assert len(alone.strangers) == len(alone.stranger_difference) == 0


def test_strangers_are_beyond_the_copies_of_a_photo_that_was_copied_often() -> None:
    """Two photos of five copies each: of all neighbors that are compared none is a stranger."""
    random = np.random.default_rng(0)
    photo = np.repeat([0, 1], 5)
    vectors = np.eye(4)[photo] + random.normal(0, 0.01, (10, 4))
    made = differences([smooth(number) for number in photo], vectors, 9, photo=photo)
    assert (photo[made.nearest] == photo).all()
    assert made.strangers[:, 0] == pytest.approx(np.ones(10), abs=0.05)
    assert made.difference.max() < made.stranger_difference.min()


def test_copies_harder_than_the_planted_do_not_make_the_threshold_strict() -> None:
    """Of forty objects twenty have a real copy, farther and noisier than nearly all that are planted."""
    random = np.random.default_rng(3)
    scenes = [smooth(seed) for seed in range(40)]
    vectors = random.normal(0, 1, (40, 12))

    def changed(rows: np.ndarray, moved: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        noisy = [
            scenes[row] + random.normal(0, 90 * by, (64, 64, 3)) for row, by in zip(rows, moved, strict=True)
        ]
        far = vectors[rows] + moved[:, None] * random.normal(0, 1, (len(rows), 12))
        return [np.clip(one, 0, 255).astype(np.uint8) for one in noisy], far.astype(np.float32)

    again, far = changed(np.arange(20), np.full(20, 0.5))
    stored = np.concatenate([vectors, far]).astype(np.float32)
    made = differences(scenes + again, stored, 5, photo=np.array([*range(40), *range(20)]))
    pictures, near = changed(np.arange(40), random.uniform(0.02, 0.5, 40))
    planted = PlantedVectors(
        np.full(40, "jpeg", object), np.arange(40), near, thumbnail_pictures(map(jpeg, pictures))
    )
    found = find_copies(Near(stored, 5), made, planted, seed=0)  # type: ignore[arg-type]
    threshold = best_threshold(found.suspicion, -made.stranger_difference, often_real=True)
    copied = np.r_[0:20, 40:60]
    assert (-made.difference[copied] >= threshold).mean() >= 0.9
    assert (-made.stranger_difference >= threshold).mean() <= 0.05


def test_of_many_pairs_the_least_unlike_are_laid_over_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut copies 0 and 1; of the others none has a chance, as no planted copy is so unlike."""
    whole = smooth(3)
    vectors = np.array([[1, 0, 0], [0.95, 0.312, 0], [0.5, 0.5, 0.7], [0.4, -0.7, 0.6]])
    pictures = [whole, whole[5:60, 8:64], smooth(4), smooth(5)]
    every = differences(pictures, vectors, 3)
    monkeypatch.setattr(copies, "AT_LEAST", 1)
    few = differences(pictures, vectors, 3)
    assert few.nearest[:2].tolist() == [1, 0]
    assert few.difference[:2] == pytest.approx(every.difference[:2])
    assert (few.difference[2:] > every.difference[2:]).all()
    planted = np.array([[0.5, 0.9, 0.1], [0.01, 0.1, 0.05]])
    assert copies.chance_of(planted) == pytest.approx(np.quantile([0.45, 0.001], 0.99))
    assert copies.chance_of(np.full((2, 3), np.inf)) == -np.inf


def test_what_planted_copies_give_a_chance_is_laid_over_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted copy more unlike than any pair makes all of them be laid over each other, a like one none."""
    vectors = np.array([[1, 0, 0], [0.95, 0.312, 0], [0.5, 0.5, 0.7], [0.4, -0.7, 0.6]])
    pictures = [smooth(seed) for seed in (3, 6, 4, 5)]
    every = differences(pictures, vectors, 3).difference
    monkeypatch.setattr(copies, "AT_LEAST", 1)
    copy = thumbnail_pictures([jpeg(smooth(9))])
    for distance, same in ((1.9, True), (0.001, False)):
        few = differences(pictures, vectors, 3)
        few.to_originals(Neighbors(np.array([[0]]), np.array([[distance]])), copy, np.array([0]))
        assert np.allclose(few.difference, every) == same


# ----------------------------------------------------------------------------------------- one step at a time


def test_pairs_have_the_numbers_that_they_would_be_found_by_here() -> None:
    """Those beyond what was laid over each other are as they are; exactly at it they were laid."""
    numbers = np.array([[0.5, 0.5, 0.125], [0.5, 0.25, 0.0625], [0.5, 1.0, 0.75]])
    given = numbers.copy()
    compared = copies.Compared(np.zeros((3, 1), np.int64), np.zeros((3, 1), bool), numbers[:, None], 0.25)
    found = compared.as_here(numbers)
    assert found.tolist() == [[0.5, 0.5, 0.125], [0.5, 0.25, 0.0625], [0.5, 1.0, 1.0]]
    assert (numbers == given).all()
    assert compared.unlike.tolist() == [[0.25], [0.125], [0.5]]


@pytest.mark.parametrize("count", [1, 40, 999, 1000])
def test_the_least_unlike_of_many_pairs_are_counted_in_order(count: int) -> None:
    unlike = np.random.default_rng(71).permutation(1000).reshape(50, 20) / 1000
    assert copies.least_unlike(unlike, count) == ((count - 1) / 1000 if count < 1000 else np.inf)


def test_of_equally_different_ones_the_own_nearest_stays() -> None:
    """Out of order: 1 keeps 2, though 0 is as little different from it; 4 takes 3, which is less so."""
    index = np.array([[1, 2], [2, 0], [1, 3], [4, 0], [0, 5], [-1, -1]])
    apart = np.array([[0.5, 0.75], [0.5, 0.625], [0.5, 0.5], [0.25, 0.5], [0.5, 0.75], [np.inf, np.inf]])
    nearest, difference = copies._least(index, apart)
    assert nearest.tolist() == [1, 2, 1, 4, 3, -1]
    assert difference.tolist() == [0.5, 0.5, 0.5, 0.25, 0.25, np.inf]


def test_laid_over_each_other_pairs_are_from_alike_to_nothing_in_common(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A correlation is one of rounded numbers, which may pass 1; below 0 is as unlike as 0."""
    monkeypatch.setattr(
        copies,
        "registered_correlation",
        lambda one, other: np.array([1.25, -0.5, 0.25], np.float32)[: len(one)],
    )
    pictures = make_pictures([smooth(seed) for seed in range(4)])
    found = copies.compare(pictures, pictures, Neighbors(np.array([[1], [0], [3], [-1]]), np.ones((4, 1))), 1)
    laid = copies.register_within(found, pictures, pictures, np.inf)
    assert laid.numbers[:3, 0, 2].tolist() == [0, 1, 0.75]
    assert (laid.numbers[3] == np.inf).all()
    assert laid.within == np.inf
    # Nothing is laid twice, nor what is more unlike than was asked for.
    again = copies.register_within(replace(laid, within=0.0), pictures, pictures, -1.0)
    assert again.within == 0
    assert (again.numbers == laid.numbers).all()


class Lists(Near):
    """The nearest in other images, several objects to an image; what is asked for anew is noted."""

    def __init__(self, vectors: np.ndarray, k: int, image: np.ndarray) -> None:
        self.image, self.asked = image.astype(str), []
        self._index = ExactIndex(
            vectors, np.arange(len(vectors)).astype(str), metric="cosine", groups=self.image
        )
        self._vectors, self._k = vectors, k
        self.near = self.nearest_of(np.arange(len(vectors)), k)
        self.asked.clear()

    def nearest_of(self, rows: np.ndarray, k: int, photo: np.ndarray | None = None) -> Neighbors:
        self.asked.append((rows.tolist(), k))
        return super().nearest_of(rows, k, photo)


def test_objects_of_one_image_are_no_strangers_of_each_other() -> None:
    """Three images of unequal numbers of objects, out of order; of the last one every other is a stranger."""
    image = np.array([2, 0, 2, 1, 0, 0, 1])
    vectors = np.random.default_rng(72).normal(size=(7, 4)).astype(np.float32)
    near = Lists(vectors, 3, image)
    store = Thumbnails([jpeg(smooth(seed)) for seed in range(7)])
    made = CopyDifferences(store, np.arange(7), near)  # type: ignore[arg-type]
    assert (image[made.nearest] != image).all()
    index = made._compared.index
    assert (made._strange == ((index >= 0) & (image[index] != image[:, None]))).all()
    assert len(made.strangers) == 7
    given = CopyDifferences(store, np.arange(7), near, photo=image)  # type: ignore[arg-type]
    assert given.strangers.tolist() == made.strangers.tolist()


def test_no_neighbor_is_no_stranger() -> None:
    """Two images, one of a single object: the others of the larger have one neighbor and two empty places."""
    image = np.array([0, 0, 0, 1])
    near = Lists(np.random.default_rng(73).normal(size=(4, 3)).astype(np.float32), 3, image)
    store = Thumbnails([jpeg(smooth(seed)) for seed in range(4)])
    made = CopyDifferences(store, np.arange(4), near)  # type: ignore[arg-type]
    assert made._strange.sum(1).tolist() == [1, 1, 1, 3]
    assert np.isfinite(made.strangers).all()
    assert made.nearest[:3].tolist() == [3, 3, 3]


def test_each_planted_copy_is_found_by_its_own_original_or_by_a_copy_of_it() -> None:
    """Several at once: of the first the original is there, of the others only the one in another photo."""
    made = differences(
        [picture(1), picture(1), picture(5), picture(5)], np.eye(4), 3, photo=np.array([0, 0, 1, 1])
    )
    found = Neighbors(
        np.array([[1, 0, 2], [1, 2, 3], [3, 0, 1], [0, 1, -1]]),
        np.array([[0.25, 0.5, 0.75], [0.125, 0.5, 0.75], [0.375, 0.5, 0.75], [0.5, 0.625, np.inf]]),
    )
    pictures = thumbnail_pictures([jpeg(picture(seed)) for seed in (1, 1, 5, 5)])
    numbers = made.to_originals(found, pictures, np.array([0, 0, 2, 2]))
    # The original counts where it is there, though its copy is nearer.
    assert numbers[:, 0].tolist() == [0.5, 0.125, 0.375, np.inf]


def test_twice_as_many_are_compared_where_all_are_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten copies of one object and lists of six: three, six of the lists, and twelve of a new search."""
    vectors = np.concatenate([np.tile([1.0, 0, 0], (10, 1)), np.eye(3)[1:]]).astype(np.float32)
    vectors[:10, 1:] = np.random.default_rng(74).normal(0, 0.01, (10, 2))
    near = Lists(vectors, 6, np.arange(12))
    store = Thumbnails([jpeg(picture(1))] * 10 + [jpeg(picture(seed)) for seed in (5, 6)])
    made = CopyDifferences(store, np.arange(12), near)  # type: ignore[arg-type]
    counts, compare = [], copies.compare
    near.asked.clear()
    monkeypatch.setattr(
        copies, "compare", lambda *given: counts.append((len(given[2].index), given[3])) or compare(*given)
    )
    pairs = made.pairs_within(1e-3)
    assert len(pairs) == 45
    assert counts == [(10, 6), (10, 12), (0, 24)]
    assert near.asked == [(list(range(10)), 12), ([], 24)]
