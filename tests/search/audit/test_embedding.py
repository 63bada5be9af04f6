"""The vectors of planted objects, by a job that sees which picture an object is in; no networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from objectspace.embeddings.joint import JOINT
from objectspace.errors import InputError, QueryError
from objectspace.files import content_id
from objectspace.images import Failure
from objectspace.pipeline.results import ImageResult
from objectspace.search.audit import embedding
from objectspace.search.audit.embedding import PlantEmbedder
from objectspace.search.audit.plants import PlantedPicture

#: The numbers of a vector by space; the parts of the joint one are the first, and the two others.
DIMENSION = {"a-crop": 3, "fine": 2, "coarse": 4}


class Job(NamedTuple):
    """What the embedder replaces in a job: its annotations."""

    annotations: Any


def store_of(route: str) -> Any:
    spaces = {
        name: SimpleNamespace(vectors=np.zeros((9, many), np.float32)) for name, many in DIMENSION.items()
    }
    return SimpleNamespace(recipe=lambda space: SimpleNamespace(route=route), stored_space=spaces.__getitem__)


def plants(count: int) -> list[PlantedPicture]:
    """Pictures of one, two, three, one, … objects, the rows of which count down."""
    made = []
    for number in range(count):
        rows = np.arange(number % 3 + 1)[::-1] + 10 * number
        boxes = np.float32([[4 * row, 0, 4 * row + 3, 3] for row in range(len(rows))])
        made.append(
            PlantedPicture(f"kind {number % 2}", b"%d" % number, ".bmp", rows, boxes, (None,) * len(rows))
        )
    return made


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures were on the disk at once. Objects come in another order than they were given.

    A vector is the picture's number and the object's place in it; the first object of every fifth picture
    has none, and every seventh picture fails. Of a part of the joint space the fine one has even pictures.
    """
    at_once: list[int] = []

    def run(paths: list[Path], job: Any, known: Callable[[str, str], bool]) -> Iterator[Any]:
        at_once.append(len(list(paths[0].parent.iterdir())))
        for path in paths[::-1]:
            data = path.read_bytes()
            if known(content_id(data), ""):
                continue
            number = int(data)
            if number % 7 == 6:
                yield Failure(str(path), "no picture")
                continue
            image = SimpleNamespace(image_id=content_id(data), path=str(path), width=99, height=99)
            objects = job.annotations.objects_of(image).objects
            objects = objects.take(np.arange(len(objects))[::-1])
            held = objects.take(np.flatnonzero((objects.label != "0") | (number % 5 != 4)))
            vectors = {}
            for name, many in DIMENSION.items():
                if name == "fine" and number % 2:
                    continue
                rows = np.array(
                    [[number, int(label), *[many] * (many - 2)] for label in held.label], np.float32
                )
                of_space = SimpleNamespace(object_id=held.object_id, vectors=rows.reshape(-1, many))
                # The job of a joint space has other names for its parts' spaces.
                vectors |= {f"made {name}": of_space} | ({name: of_space} if name == "a-crop" else {})
            thumbnails = tuple(b"%d %s" % (number, label.encode()) for label in objects.label)
            given = (content_id(data), str(path), 99, 99, objects, (), "", vectors, thumbnails)
            yield ImageResult(*given)

    monkeypatch.setattr(embedding, "run", run)
    monkeypatch.setattr(embedding, "replace", lambda job, **changed: job._replace(**changed))
    monkeypatch.setattr(embedding, "space_job", lambda store, space, **given: Job(None))
    names = {name: f"made {name}" for name in DIMENSION}
    monkeypatch.setattr(embedding, "joint_job", lambda store, space, **given: (Job(None), names))
    parts = [SimpleNamespace(spaces=("a-crop",)), SimpleNamespace(spaces=("fine", "coarse"))]
    monkeypatch.setattr(embedding, "joint_parts", lambda recipe: parts)
    monkeypatch.setattr(embedding, "joint_queries", lambda store, space, vectors: (space, vectors))
    return at_once


def expected(count: int) -> list[tuple[str, int, int, int]]:
    """Kind, row, picture and place of each object that has a vector, batch by batch of 24."""
    found = []
    for start in range(0, count, 24):
        for number in reversed(range(start, min(start + 24, count))):
            if number % 7 != 6:
                rows = list(enumerate(range(number % 3, -1, -1)))
                found += [
                    (f"kind {number % 2}", 10 * number + row, number, place)
                    for place, row in rows
                    if place or number % 5 != 4
                ]
    return found


@pytest.mark.parametrize("count", [0, 1, 24, 30, 49])
def test_each_object_has_its_own_vector_and_thumbnail(count: int, seen: list[int]) -> None:
    kinds, rows, vectors, thumbnails = PlantEmbedder(store_of("crop"), "a-crop").embed(plants(count))
    true = expected(count)
    assert list(zip(kinds, rows.tolist(), strict=True)) == [one[:2] for one in true]
    assert rows.dtype == np.int64
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(true), 3)
    assert vectors.tolist() == [[number, place, 3] for _, _, number, place in true]
    assert thumbnails == [b"%d %d" % (number, place) for _, _, number, place in true]
    assert seen == [24] * (count // 24) + [count % 24] * (count % 24 > 0)


@pytest.mark.parametrize("count", [0, 30])
def test_in_a_joint_space_an_object_has_the_vectors_of_its_parts(count: int, seen: list[int]) -> None:
    space, vectors = PlantEmbedder(store_of(JOINT), "both").embed(plants(count))[2]
    true = expected(count)
    assert (space, list(vectors)) == ("both", ["a-crop", "fine", "coarse"])
    for name, many in DIMENSION.items():
        wanted = np.array([[number, place, *[many] * (many - 2)] for *_, number, place in true], np.float32)
        wanted = wanted.reshape(-1, many)
        if name == "fine":
            wanted[[number % 2 == 1 for *_, number, _ in true]] = np.nan
        assert vectors[name].dtype == np.float32
        np.testing.assert_array_equal(vectors[name], wanted)


@pytest.mark.parametrize(
    ("route", "why"),
    [("query", "space s holds only what its detector found"), ("crop", "no crop"), (JOINT, "no joint")],
)
def test_why_nothing_can_be_planted_is_said(route: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def refuse(what: str) -> Callable[..., Any]:
        def load(*given: Any, **named: Any) -> Any:
            asked.append(named)
            raise QueryError(f"no {what}")

        return load

    monkeypatch.setattr(embedding, "space_job", refuse("crop"))
    monkeypatch.setattr(embedding, "joint_job", refuse("joint"))
    with pytest.raises(
        InputError, match=f"^no cases can be planted in space s, .*: {why}; or give uncalibrated="
    ):
        PlantEmbedder(store_of(route), "s", device="cuda:1")
    assert [one["device"] for one in asked] == ["cuda:1"] * (route != "query")
