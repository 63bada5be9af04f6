from __future__ import annotations

from contextlib import ExitStack

import pytest
import torch

from objectspace.errors import InputError, ModelError
from objectspace.models.precision import reproducible, resolve_device, resolve_precision, torch_dtype

CPU = torch.device("cpu")


def test_auto_precision_is_bfloat16_exactly_where_there_is_amx(monkeypatch: pytest.MonkeyPatch) -> None:
    for amx, expected in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda amx=amx: amx)
        assert resolve_precision("auto", CPU) == expected


@pytest.mark.parametrize(
    ("capability", "expected"), [((7, 5), "float32"), ((8, 0), "bfloat16"), ((9, 0), "bfloat16")]
)
def test_auto_precision_on_a_gpu_is_bfloat16_from_ampere_on(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert resolve_precision("auto", torch.device("cuda")) == expected


def test_a_precision_asked_for_is_kept() -> None:
    assert resolve_precision("float32", CPU) == "float32"
    assert resolve_precision("bfloat16", CPU) == "bfloat16"


def test_an_unknown_precision_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="'float16', expected one of auto, float32, bfloat16"):
        resolve_precision("float16", CPU)


def test_dtypes() -> None:
    assert torch_dtype("float32") is torch.float32
    assert torch_dtype("bfloat16") is torch.bfloat16


def test_cpu_is_always_there() -> None:
    assert resolve_device("cpu") == CPU


@pytest.mark.parametrize(("gpus", "expected"), [(0, "cpu"), (1, "cuda")])
def test_auto_device_is_cuda_where_there_is_a_gpu(
    monkeypatch: pytest.MonkeyPatch, gpus: int, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    assert resolve_device("auto").type == expected


@pytest.mark.parametrize("wish", ["cuda", "cuda:0", "cuda:7"])
def test_cuda_without_a_gpu_says_so(monkeypatch: pytest.MonkeyPatch, wish: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelError, match=f"device {wish} was asked for, but torch sees 0 CUDA GPUs"):
        resolve_device(wish)


@pytest.mark.parametrize("wish", ["gpu", "", "mps", "mps:0", "xpu", "cuda:x", "cuda:-1", "0"])
def test_an_unknown_device_names_the_known_ones(wish: str) -> None:
    with pytest.raises(InputError, match="expected auto, cpu, cuda or cuda:N"):
        resolve_device(wish)


def cudnn_flags() -> tuple[bool, bool, bool]:
    flags = torch.backends.cudnn
    return flags.deterministic, flags.benchmark, flags.allow_tf32


def test_passes_side_by_side_on_a_gpu_are_reproducible_until_the_last_has_ended() -> None:
    gpu, first, second = torch.device("cuda"), ExitStack(), ExitStack()
    before = cudnn_flags()
    first.enter_context(reproducible(gpu))
    second.enter_context(reproducible(gpu))
    first.close()
    during = cudnn_flags()
    second.close()
    assert (during, cudnn_flags()) == ((True, False, False), before)
    assert before[2], "cuDNN computes in TF32 unless told otherwise; if it does not, this shows nothing"
