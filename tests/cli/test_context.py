from __future__ import annotations

import json

import pytest

from objectspace.embeddings.crops import CropPolicy
from objectspace.errors import ImageError
from objectspace.images import find_images
from objectspace.jobs.index import index
from objectspace.models.encoders import load_encoder
from objectspace.objects.annotations import open_annotations
from objectspace.pipeline.job import Job
from objectspace.scenes.world.world_files import write_world

SPACES = ("test_vit-crop-margin0.5", "test_vit-crop-keep-margin0.5", "test_vit-crop-only-margin0.5")
VIEWS = [part for pair in zip(("--alone", "--both", "--around"), SPACES, strict=True) for part in pair]


@pytest.fixture(autouse=True)
def few_permutations(monkeypatch):
    """Their number changes p and chance, which are tested with the measures."""
    monkeypatch.setattr("objectspace.analyses.context.pairs.PERMUTATIONS", 99)
    monkeypatch.setattr("objectspace.analyses.context.shares.PERMUTED", 19)


@pytest.fixture(scope="module")
def store(world, tmp_path_factory):
    """Six drawn pictures, and their objects alone, with their surroundings, and these alone."""
    folder = tmp_path_factory.mktemp("context")
    write_world(folder / "w", count=6, seed=7)
    annotations = open_annotations(folder / "w" / "annotations.json", format="coco")
    encoder = load_encoder("test_vit", weights=world.encoder_weights, precision="float32")
    for background in ("black", "keep", "only"):
        job = Job(encoder=encoder, annotations=annotations, pools=(), crop=CropPolicy(background, 0.5))
        index(find_images([folder / "w" / "images"]), folder / "s.osp", job)
    return folder / "s.osp"


def test_context_in_words_and_drawn(command, store, tmp_path):
    done = command("context", store, *VIEWS, "-k", 2, "--figure", tmp_path / "context.png")

    assert (done.code, done.err) == (0, "")
    assert "embedding: R2 from the surroundings" in done.out
    assert "pairs: context share" in done.out
    assert "no test of people on chairs: people are on chairs in" in done.out
    assert (tmp_path / "context.png").stat().st_size > 10_000


def test_the_answer_comes_before_a_figure_that_fails(command, store, tmp_path, monkeypatch):
    def gone(*arguments):
        raise ImageError("a.png", "there is no such file")

    monkeypatch.setattr("objectspace.figures.context_crops.cut_views", gone)
    done = command("context", store, *VIEWS, "-k", 2, "--figure", tmp_path / "context.png")
    assert (done.code, done.err) == (1, "objectspace: a.png: there is no such file\n")
    assert "pairs: context share" in done.out


def test_context_as_json(command, store):
    answer = json.loads(command("context", store, *VIEWS, "-k", 2, "--json").out)

    assert answer["spaces"] == dict(zip(("alone", "both", "around"), SPACES, strict=True))
    assert set(answer["shares"]["only_surroundings"]) >= {"value", "chance", "low", "high", "p", "n"}
    assert len(answer["pairs"]["each"]) == 2 * answer["n"]
    assert answer["chairs"] == {}
    assert answer["no_chairs"].endswith("expected 10 or more")


def test_spaces_in_the_wrong_places_are_one_sentence(sentence, store):
    told = sentence("context", store, "--alone", SPACES[1], "--both", SPACES[0], "--around", SPACES[2])
    assert told == (
        f"--alone needs a space of crops on background black or mean, {SPACES[1]} holds crops on keep; "
        "index crops on background black"
    )


def test_an_unknown_space_is_one_sentence(sentence, store):
    assert "nowhere" in sentence("context", store, *VIEWS[:4], "--around", "nowhere")


def test_a_figure_that_cannot_be_written_is_told_before_the_work(sentence, store):
    assert "a figure is written as" in sentence("context", store, *VIEWS, "--figure", "context.txt")


def test_a_space_too_few_is_wrong_usage(command, store):
    assert command("context", store, *VIEWS[:4]).code == 2


def test_surroundings_alone_need_a_margin(sentence, world, tmp_path):
    told = sentence("index", world.photos, "--store", tmp_path / "s.osp", "--background", "only")
    assert (
        told == "crop background only shows the surroundings alone and needs a margin above 0, such as 0.25"
    )
