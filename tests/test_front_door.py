"""What is typed first from Python works, or ends in a sentence that names the argument."""

from __future__ import annotations

import pytest

import objectspace as osp
from objectspace.errors import InputError


def test_names_and_paths_are_enough(world, tmp_path):
    photos, weights = world.photos, osp.EncoderSpec("test_vit", world.encoder_weights)
    done = osp.index(str(photos), str(tmp_path / "s.osp"), encoder=weights, annotations=str(world.labels))
    assert (done.photos, done.indexed) == (4, 4)
    again = osp.index(
        [str(path) for path in sorted(photos.rglob("*.*"))],
        tmp_path / "s.osp",
        osp.Job(encoder=weights, annotations=world.labels),
    )
    assert again.known == 4
    store = osp.open_store(tmp_path / "s.osp")
    one = str(store.objects().object_id[0])
    search = osp.SpaceSearch(store, "test_vit-crop")
    assert search.stored(one).objects.object_id.tolist() == [one]
    assert store.objects(one).object_id.tolist() == [one]
    space = store.space("test_vit-crop")
    assert len(search.unlike(search.stored(one), str(space.object_id[-1]))) == 1


@pytest.mark.parametrize("wrong", [3, 2.5, True, b"name", [1], {"a": 1}, None, ...], ids=repr)
def test_a_wrong_type_is_named(wrong):
    job = osp.Job(encoder="demo", annotations="labels")
    for argument, call in {
        "images": lambda: osp.index(wrong, "s.osp", job),
        "store": lambda: osp.index([], wrong, job),
        "path": lambda: osp.open_store(wrong),
    }.items():
        with pytest.raises(InputError, match=f"^{argument} is .* of type .*, expected "):
            call()
    with pytest.raises(InputError, match=r"^store is .*, expected a Store; open it with open_store"):
        osp.SpaceSearch(wrong, "a")


@pytest.mark.parametrize("part", ["detector", "encoder", "encoder_map", "annotations", "prompts", "factors"])
@pytest.mark.parametrize("wrong", [3, True, b"x", ["demo"]], ids=repr)
def test_a_part_of_a_job_is_no_number_and_no_list(part, wrong):
    with pytest.raises(
        InputError, match=f"^{part} is .* of type {type(wrong).__name__}, expected a name, a path"
    ):
        osp.Job(**{"detector": "demo", "encoder": "demo", part: wrong})


def test_a_job_or_its_options(tmp_path):
    with pytest.raises(InputError, match=r"^encoder= is an option of a job, .* give it to the Job$"):
        osp.index([], tmp_path / "s.osp", osp.Job(detector="demo", encoder="demo"), encoder="demo")
    with pytest.raises(InputError, match=r"^job is 'demo' of type str, expected a Job"):
        osp.index([], tmp_path / "s.osp", "demo")
