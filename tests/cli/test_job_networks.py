"""The networks that index and vary load, and where they run."""

from __future__ import annotations

import pytest

from objectspace.cli.job_networks import choose_networks
from objectspace.cli.options import Route
from objectspace.pipeline.specs import DetectorSpec, EncoderSpec

GPU = "objectspace: a CUDA GPU is here; --device auto uses it"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ((), [f"{GPU}, in bfloat16 unless --precision float32"]),
        (("--precision", "float32"), [GPU]),
        (("--device", "cpu"), []),
    ],
)
def test_a_gpu_that_is_not_used_is_told(world, command, tmp_path, monkeypatch, asked, told):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda device: (9, 0))
    job = (world.photos, "--store", tmp_path / "s.osp", *world.network, "--route", "window", *asked)
    done = command("index", *job)
    assert (done.code, done.err.splitlines()) == (0, told)


@pytest.mark.parametrize(
    ("route", "detects", "named", "parts"),
    [
        (Route.both, True, False, {"detector", "encoder"}),
        (Route.crop, True, False, {"detector", "encoder"}),
        (Route.window, True, False, {"detector"}),
        (Route.map, True, False, {"detector", "encoder_map"}),
        (Route.both, False, False, {"encoder"}),
        (Route.both, False, True, {"detector", "encoder"}),
        (Route.crop, False, True, {"encoder"}),
        (Route.window, False, False, {"detector"}),
        (Route.map, False, True, {"encoder_map"}),
    ],
)
def test_a_route_loads_the_networks_that_it_needs(route, detects, named, parts):
    networks = choose_networks(route, DetectorSpec("demo"), EncoderSpec("demo"), detects=detects, named=named)
    assert set(networks) == parts
