"""docs/your-own-models.md: its Python runs as it stands, on three photos of colored squares."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from objectspace.errors import ModelError
from objectspace.search.queries.images import query_image

PAGE = Path(__file__).parents[1] / "docs" / "your-own-models.md"
COLORS = [(220, 30, 30), (30, 200, 40), (200, 60, 30)]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page's blocks define, run one after another in a folder of its own."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "photos").mkdir()
    for number, color in enumerate(COLORS):
        pixels = np.zeros((40, 60, 3), np.uint8)
        pixels[10:30, 10 * number : 10 * number + 20] = color
        PIL.Image.fromarray(pixels).save(folder / "photos" / f"{number}.png")
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
            exec(compile(block, str(PAGE), "exec"), names)  # noqa: S102 - the page's own text
        names["store"] = names["osp"].open_store(folder / "squares.osp")
        yield names


def test_the_vectors_are_the_colors(names: dict[str, Any]) -> None:
    assert (names["summary"].objects, names["summary"].failures) == (3, ())
    vectors = names["store"].space("mean-color-crop").vectors
    assert sorted(vectors.tolist()) == sorted([float(value) for value in color] for color in COLORS)
    assert names["store"].recipe("mean-color-crop").weights == names["MeanColor"].weights


def test_the_nearest_is_the_other_red_one(names: dict[str, Any]) -> None:
    answer = names["answer"]
    middle = [float(objects.xyxy[0, 0]) // 10 for objects in (answer.query, answer.neighbors)]
    distances = {frozenset((0.0, 2.0)): 36.06, frozenset((1.0, 2.0)): 220.5, frozenset((0.0, 1.0)): 255.1}
    assert answer.distance[0] == pytest.approx(distances[frozenset(middle)], abs=0.05)
    assert middle[1] == {0.0: 2.0, 1.0: 2.0, 2.0: 0.0}[middle[0]]


def test_the_added_vectors_are_the_middles_of_the_boxes(names: dict[str, Any]) -> None:
    assert names["new"] == 3
    assert sorted(names["store"].space("middle").vectors.tolist()) == [[10, 20], [20, 20], [30, 20]]
    assert names["store"].recipe("middle").route == "external"


def test_the_query_from_outside_finds_the_reddest(names: dict[str, Any]) -> None:
    assert names["reddest"].xyxy.tolist() == [[0, 10, 20, 30]]
    assert names["reddest"].factors["side"].tolist() == [20]


def test_a_new_photo_is_refused_with_a_reason(names: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="encoder of space mean-color-crop cannot be loaded again"):
        query_image(names["store"], Path("photos/0.png"), "mean-color-crop", box=(0, 10, 20, 30), new=True)
