"""The networks that index and vary load, and where they run."""

from __future__ import annotations

import pytest

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
