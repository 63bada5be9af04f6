"""The device and the number type of networks, chosen in one place for detectors and encoders."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from objectspace.errors import InputError, ModelError
from objectspace.threads import SharedContext

PRECISIONS = ("auto", "float32", "bfloat16")

#: First compute capability with bfloat16 matrix units: Ampere.
_AMPERE = 8


def resolve_device(wish: str) -> torch.device:
    """Return the device named "cpu", "cuda", "cuda:1" ..., or "auto": CUDA where there is a GPU.

    Raises InputError for another word, ModelError where CUDA is asked for and no such GPU is there.
    """
    if wish == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wish)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise InputError(f"device is {wish!r}, expected auto, cpu, cuda or cuda:N")
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise ModelError(f"device {wish} was asked for, but torch sees {count} CUDA GPUs; use device cpu")
    return device


def resolve_precision(wish: str, device: torch.device) -> str:
    """Return "float32" or "bfloat16"; "auto" takes bfloat16 where the device has matrix units for it.

    Those are AMX on a CPU and the tensor cores of an NVIDIA GPU from Ampere on; elsewhere bfloat16 works,
    but slowly.
    Raises InputError for another word.
    """
    if wish not in PRECISIONS:
        raise InputError(f"precision is {wish!r}, expected one of {', '.join(PRECISIONS)}")
    if wish != "auto":
        return wish
    return "bfloat16" if _has_bfloat16_units(device) else "float32"


def torch_dtype(precision: str) -> torch.dtype:
    """Return the torch dtype of a resolved precision."""
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]


def _has_bfloat16_units(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= _AMPERE
    return bool(torch.cpu._is_amx_tile_supported())


def reproducible(device: torch.device) -> AbstractContextManager[None]:
    """Return a context in which CUDA takes the same kernels every time, and no TF32 (cuDNN's default)."""
    return _REPRODUCIBLE_CUDNN.held() if device.type == "cuda" else nullcontext()


# Shared, because a detector and an encoder run side by side.
_REPRODUCIBLE_CUDNN = SharedContext(
    lambda: torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
)
