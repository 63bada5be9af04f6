"""What tests of several commands share."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from objectspace.store import open_store


@pytest.fixture
def search(command):
    """Runs search with --json; the document."""

    def run(store, *arguments):
        done = command("search", store, "--json", *arguments)
        assert (done.code, done.err) == (0, "")
        return json.loads(done.out)

    return run


@pytest.fixture(scope="session")
def annotated(world, tmp_path_factory):
    """A store of the labeled objects, crops and windows, made by the Python API."""
    from objectspace import Job, index, load_detector, load_encoder, open_annotations, read_names

    path = tmp_path_factory.mktemp("annotated") / "s.osp"
    job = Job(
        detector=load_detector(world.cfg, weights=world.weights, names=world.names),
        encoder=load_encoder("test_vit", weights=world.encoder_weights),
        annotations=open_annotations(world.labels, names=read_names(world.names)),
        scale="deepest",
    )
    index(sorted(path for path in world.photos.rglob("*.*")), path, job)
    return path


@pytest.fixture(scope="session")
def varied(world, tmp_path_factory):
    """A store of one rectangle at 8 x 8 places, in windows of one and three cells."""
    from objectspace.cli.app import app

    store = tmp_path_factory.mktemp("varied") / "place.osp"
    options = ["--window", "1", "--window", "3", "--steps", "8", "--size", "0.4", "--label", "apple", "-q"]
    photo = str(world.photos / "red1.png")
    arguments = ["vary", photo, "--box", "8,8,40,40", "--factor", "position", "--store", str(store), *options]
    app([*arguments, *world.network], standalone_mode=False)
    return store


@pytest.fixture
def spaces(varied):
    """The spaces of that store by the cells of their windows."""
    return {int(name.split("-")[1].removeprefix("window")): name for name in open_store(varied).space_names}


@pytest.fixture(scope="session")
def measured(world, tmp_path_factory):
    """A store of the labeled objects with an angle and a style, crops and windows."""
    from objectspace.cli.app import app

    path = tmp_path_factory.mktemp("measured") / "world.osp"
    table = path.with_name("table.csv")
    table.write_text("file,angle,style\nred1.png,10,a\nred2.png,350,b\ngreen.jpg,180,a\nblue.jpg,200,\n")
    options = ["--annotations", world.labels, "--factors", table, "--window", "1", "--scale", "deepest"]
    arguments = ["index", world.photos, "--store", path, *world.model, *options, "--quiet"]
    app([str(part) for part in arguments], standalone_mode=False)
    return path


@pytest.fixture
def measured_spaces(measured):
    """The names of its two spaces, but for that of both."""
    return [name for name in open_store(measured).space_names if name != "both"]


@pytest.fixture
def start():
    """Starts a command in a process of its own."""

    def run(*arguments, **options):
        code = "from objectspace.cli import main; main()"
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            # Whatever started the tests may have had Ctrl-C ignored, as a shell does in the background.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            **options,
        )

    return run
