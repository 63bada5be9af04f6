"""An answer as a notebook and a table show it: pictures of boxes, distances, texts."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from objectspace.files import content_id
from objectspace.objects.records import Objects, make_objects, no_objects
from objectspace.search import Answer

BOXES = np.float32([[2, 3, 12, 7], [-4, -2, 6, 5], [30, 10, 60, 40], [8, 8, 8.2, 8.4], [5, 6, 39.6, 19.7]])
#: The pixels of each box that are in a photo of 40 x 20: from left, top to right, bottom.
PIXELS = [(2, 3, 12, 7), (0, 0, 6, 5), (30, 10, 40, 20), (8, 8, 9, 9), (5, 6, 40, 20)]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Colors that change slowly, so that a JPEG keeps them."""
    y, x = np.mgrid[:20, :40]
    path = tmp_path / "photo.png"
    PIL.Image.fromarray(np.stack([6 * x, 12 * y, 0 * x], axis=2).astype(np.uint8)).save(path)
    return path


def objects(photo: Path, count: int) -> Objects:
    rows = np.arange(count)
    xyxy = BOXES[rows % len(BOXES)] + np.float32(0.001) * rows[:, None]
    labels = [f"label {row}" for row in range(count)]
    return make_objects(image_id=content_id(photo.read_bytes()), xyxy=xyxy, label=labels, source="s")


def answer_of(photo: Path, count: int, **changed: object) -> Answer:
    values = {
        "space": "s",
        "metric": "cosine",
        "query": objects(photo, 2),
        "query_images": (str(photo), str(photo)),
        "stored": True,
        "neighbors": objects(photo, count),
        "images": (str(photo),) * count,
        "distance": np.arange(count) * 0.25,
    }
    return Answer(**{**values, **changed})


def shown(answer: Answer) -> list[tuple[np.ndarray | None, str]]:
    """The pictures and the texts under them."""
    figures = re.findall(r"<figure.*?</figure>", answer._repr_html_())
    found = []
    for one in figures:
        jpeg = re.search(r"base64,([^\"]*)", one)
        text = re.search(r"<figcaption>(.*)</figcaption>", one)
        assert text is not None
        pixels = jpeg and np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(jpeg[1]))))
        found.append((pixels, text[1]))
    return found


def test_a_notebook_shows_the_boxes_of_the_query_and_of_twelve_neighbors(photo: Path) -> None:
    found = shown(answer_of(photo, 15))
    texts = ["query", "query", *(f"label {row} {0.25 * row:#.4g}" for row in range(12))]
    assert [text for _, text in found] == texts
    for row, (pixels, _) in enumerate(found):
        left, top, right, bottom = PIXELS[(row if row < 2 else row - 2) % len(BOXES)]
        assert pixels is not None
        assert pixels.shape[0] * (right - left) == pytest.approx(pixels.shape[1] * (bottom - top), abs=60)
        mean = pixels.reshape(-1, 3).mean(0)
        assert mean[0] == pytest.approx(6 * (left + right - 1) / 2, abs=8)
        assert mean[1] == pytest.approx(12 * (top + bottom - 1) / 2, abs=8)


def test_a_photo_that_is_gone_is_no_picture(photo: Path) -> None:
    gone = str(photo.parent / "gone.png")
    answer = answer_of(photo, 2, images=(str(photo), gone), query_images=(str(photo),))
    assert [pixels is None for pixels, _ in shown(answer)] == [False, True, False, True]
    assert answer.query_image == str(photo)
    assert "exact" in answer._repr_html_()
    assert "nearest to label 0 · label 1" in answer._repr_html_()


def test_an_answer_to_a_text_has_no_picture_of_it(photo: Path) -> None:
    answer = answer_of(photo, 1, query=no_objects(), query_images=(), texts=("a red cup", "a cup"))
    assert [text for _, text in shown(answer)] == ["label 0 0.000"]
    assert answer.query_image == ""
    assert repr(answer) == "Answer('a red cup · a cup' in 's', cosine: 1 neighbor, nearest at 0.000)"
    nothing = answer_of(photo, 0)
    assert repr(nothing) == "Answer('label 0 · label 1' in 's', cosine: 0 neighbors)"
    assert len(shown(nothing)) == 2


def test_a_table_has_a_row_for_each_neighbor(photo: Path) -> None:
    pytest.importorskip("pandas")
    answer = answer_of(photo, 3)
    table = answer.to_pandas()
    assert table["rank"].tolist() == [1, 2, 3]
    assert table["image"].tolist() == [str(photo)] * 3
    assert table["label"].tolist() == ["label 0", "label 1", "label 2"]
    assert table["distance"].tolist() == [0, 0.25, 0.5]
    assert table[["x1", "y1", "x2", "y2"]].to_numpy().tolist() == answer.neighbors.xyxy.tolist()
    assert answer_of(photo, 0).to_pandas().shape[0] == 0
    assert [one["rank"] for one in answer.to_json()["neighbors"]] == [1, 2, 3]
