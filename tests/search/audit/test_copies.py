"""Differences of copies: by vectors and by thumbnails, over neighbor lists that are too short."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import PIL.Image
import pytest

from objectspace.analyses.audit.copy_rule import CopyRule
from objectspace.neighbors import ExactIndex, Neighbors
from objectspace.search.audit.copies import CopyDifferences, thumbnail_pictures


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

    jpegs: dict[str, bytes]

    def thumbnails(self, ids: np.ndarray) -> list[bytes]:
        return [self.jpegs[str(name)] for name in ids]


class Near:
    """The k nearest of each object, every object a photo of its own."""

    def __init__(self, vectors: np.ndarray, k: int) -> None:
        self.image = np.arange(len(vectors)).astype(str)
        self._index = ExactIndex(vectors, self.image, metric="cosine", groups=self.image)
        self._vectors = vectors
        self.near = self.nearest_of(np.arange(len(vectors)), k)

    def nearest_of(self, rows: np.ndarray, k: int) -> Neighbors:
        if not len(rows):
            return Neighbors(np.empty((0, k), np.int64), np.empty((0, k)))
        return self._index.nearest(self._vectors[rows], k=k, query_groups=self.image[rows])


def differences(pictures: list[np.ndarray], vectors: np.ndarray, k: int) -> CopyDifferences:
    ids = np.array([f"object{number}" for number in range(len(pictures))])
    store = Thumbnails(dict(zip(ids.tolist(), map(jpeg, pictures), strict=True)))
    return CopyDifferences(store, ids, Near(vectors.astype(np.float32), k))  # type: ignore[arg-type]


def smooth(seed: int, side: int = 64) -> np.ndarray:
    """Random colors that vary over a fifth of the picture."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    return np.asarray(PIL.Image.fromarray(small).resize((side, side), PIL.Image.Resampling.BICUBIC))


def test_reduced_thumbnails_multiply_to_correlations() -> None:
    one, other = picture(1), picture(2)
    rows = thumbnail_pictures(
        [jpeg(one), jpeg(other), jpeg(picture(1, 96)), jpeg(np.full((9, 9, 3), 70, np.uint8))]
    ).coarse
    flat = [(part.astype(float) - part.mean((0, 1)))[::4, ::4].ravel() for part in (one, other)]
    expected = flat[0] @ flat[1] / np.linalg.norm(flat[0]) / np.linalg.norm(flat[1])
    assert rows[0] @ rows[1] == pytest.approx(expected, abs=0.02)
    assert rows[0] @ rows[2] == pytest.approx(1, abs=0.01)
    assert not rows[3].any()


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


def test_a_copy_whose_original_is_not_among_the_nearest_is_not_found() -> None:
    made = differences([picture(1), picture(2)], np.eye(2), 1)
    found = Neighbors(np.array([[1], [0]]), np.array([[0.5], [0.5]]))
    result = made.to_originals(found, thumbnail_pictures([jpeg(picture(1))] * 2), np.array([0, 0]))
    assert (result[0] == np.inf).all()
    assert result[1] == pytest.approx([0.5, 0, 0], abs=0.01)
