"""Copies to and from a device."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from objectspace.models.transfers import Download, Transfers, staged

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]


@pytest.mark.parametrize("name", DEVICES)
def test_parts_lie_one_after_another_on_the_device(name: str) -> None:
    device = torch.device(name)
    parts = [staged(np.arange(3, dtype=np.int64), device), staged(np.array([7], np.int64), device)]
    there = Transfers(device).upload([*parts, parts[0].to(device)])
    assert there.device.type == name
    assert there.view(torch.int64).tolist() == [0, 1, 2, 7, 0, 1, 2]


@pytest.mark.parametrize("name", DEVICES)
def test_no_parts_are_no_bytes(name: str) -> None:
    assert len(Transfers(torch.device(name)).upload([])) == 0


@pytest.mark.parametrize("name", DEVICES)
def test_what_was_downloaded_is_the_callers(name: str) -> None:
    values = torch.arange(6, dtype=torch.float32, device=name).reshape(2, 3)
    download = Download(values)
    first = download.numpy()
    first[:] = 0
    assert download.numpy().tolist() == [[0, 1, 2], [3, 4, 5]]


def test_what_is_staged_is_a_copy() -> None:
    values = np.arange(4, dtype=np.uint8)
    bytes_there = staged(values, torch.device("cpu"))
    values[:] = 0
    assert bytes_there.tolist() == [0, 1, 2, 3]
