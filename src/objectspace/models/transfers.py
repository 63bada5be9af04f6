"""Copies between a processor and a device that run beside the device's work, and that nobody waits for."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def staged(values: NDArray[Any], device: torch.device) -> Tensor:
    """Copy an array to bytes (m,) uint8, in page-locked memory where ``device`` is a GPU.

    Only from page-locked memory does a copy run beside other work. torch keeps what was freed and hands it
    out again once the copies that read it have ended, so it may be dropped right after
    :meth:`Transfers.upload`. Safe to call from many threads; the copy is made without the interpreter's lock.
    """
    flat = torch.from_numpy(np.ascontiguousarray(values).reshape(-1).view(np.uint8))
    return torch.empty(flat.shape, dtype=torch.uint8, pin_memory=device.type == "cuda").copy_(flat)


@contextmanager
def prompt_threads() -> Iterator[None]:
    """Let threads hand on the interpreter's lock within 0.2 ms, 5 ms otherwise.

    For a thread that feeds a device beside threads that compute: each of its many short calls may have to
    wait for the lock.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(2e-4)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


class Download:
    """Numbers on their way to the processor."""

    def __init__(self, values: Tensor) -> None:
        self._arrived = None
        if values.device.type == "cpu":
            self._host = values
            return
        self._host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        self._host.copy_(values, non_blocking=True)
        # Who waits for it leaves the core to others, and does not ask again and again whether it has come.
        self._arrived = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        self._arrived.record(torch.cuda.current_stream(values.device))

    def numpy(self) -> NDArray[Any]:
        """Return the numbers, which are the caller's; waits until they have arrived."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return self._host.numpy().copy()


class Transfers:
    """Copies to a device, on a CUDA stream of their own where it is a GPU."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream = (
            torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        )

    def upload(self, parts: Sequence[Tensor]) -> Tensor:
        """Return the bytes of all parts (each (m,) uint8) one after another, on the device.

        A part is :func:`staged`, or lies on the device already, its values there. What is computed next on
        the device waits for the copies; the caller does not.
        """
        if self._stream is None:
            return torch.cat(list(parts)) if parts else torch.empty(0, dtype=torch.uint8)
        with torch.cuda.stream(self._stream):
            whole = torch.empty(sum(map(len, parts)), dtype=torch.uint8, device=self.device)
            start = 0
            for part in parts:
                whole[start : start + len(part)].copy_(part, non_blocking=True)
                start += len(part)
                if part.is_cuda:
                    part.record_stream(self._stream)
        current = torch.cuda.current_stream(self.device)
        current.wait_stream(self._stream)
        whole.record_stream(current)
        return whole
