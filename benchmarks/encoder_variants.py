"""Ways to run ResNet50 forward, each as a ratio to the straight eager loop of the same run.

    python benchmarks/encoder_variants.py --weights resnet50.pth --rounds 5 --batches 8 16 32

Prints one JSON line for the machine, then one a variant and batch: crops per second (the best of all rounds,
which are interleaved, so that a busy neighbor hits all alike), its ratio to the eager float32 loop at
the first batch size, seconds to get ready, and the largest difference from eager's vectors relative to their
length. The ceiling is the machine's own matrix product over the 8.2 GFLOP of one crop. On a shared machine,
--threads 1 and the processor's seconds (crops_per_cpu_s) are the figures to trust. A variant whose package is
missing says so. With --precision bfloat16 all but the eager loop run in it (for processors with AMX).
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models import resnet50

from objectspace.models.encoders.folding import fold_batch_norms
from objectspace.models.weights import fill, load_state_dict

Run = Callable[[Tensor], np.ndarray]
Variant = Callable[[nn.Module, int, torch.dtype], Run]

#: Multiplications and additions of ResNet50's forward pass at 224 x 224, counted apart.
GFLOP_A_CROP = 8.2

#: normalized = gray level * factor + shift, with ImageNet's mean and deviation
FACTOR = 1 / (255 * torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1))
SHIFT = -torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1) * 255 * FACTOR


def main() -> None:
    """Measure every variant and print its line."""
    options = _options()
    torch.set_num_threads(options.threads)
    reference = resnet50()
    reference.fc = nn.Identity()
    if options.weights:
        fill(reference, load_state_dict(options.weights), options.weights, "the encoder", without=("fc",))
    reference.eval().requires_grad_(False)
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[options.precision]
    ceiling = gemm_tflops(dtype)
    print(json.dumps(_machine(options, ceiling)), flush=True)
    names = [name for name in VARIANTS if not options.only or name in options.only]
    with torch.inference_mode():
        _measure(reference, names, options.batches, options.rounds, dtype, ceiling)


def _measure(
    reference: nn.Module,
    names: list[str],
    batches: list[int],
    rounds: int,
    dtype: torch.dtype,
    ceiling: float,
) -> None:
    crops = torch.randint(
        0, 256, (max(batches), 224, 224, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    baseline = ("eager", batches[0])
    runs: dict[tuple[str, int], Run] = {baseline: eager(copy.deepcopy(reference), batches[0], torch.float32)}
    expected = np.concatenate([runs[baseline](part) for part in crops.split(batches[0])])
    lines: dict[tuple[str, int], dict[str, Any]] = {}
    for name, batch in ((name, batch) for name in names for batch in batches):
        line: dict[str, Any] = {"variant": name, "batch": batch}
        start = time.perf_counter()
        try:
            run = VARIANTS[name](copy.deepcopy(reference), batch, dtype)
            vectors = run(crops[:batch])
        except (ImportError, NotImplementedError) as problem:
            print(json.dumps(line | {"missing": str(problem)}), flush=True)
            continue
        line["ready_s"] = round(time.perf_counter() - start, 1)
        line["relative_difference"] = float(f"{_distance(vectors, expected[:batch]):.2g}")
        runs[name, batch], lines[name, batch] = run, line

    wall_s, cpu_s = _best_of(runs, crops, rounds)
    for key, line in lines.items():
        rate = key[1] / wall_s[key]
        line |= {
            "crops_per_s": round(rate, 2),
            "of_ceiling": round(rate * GFLOP_A_CROP / ceiling / 1e3, 3),
            "crops_per_cpu_s": round(key[1] / cpu_s[key], 2),
            "ratio_to_eager": round(rate * wall_s[baseline] / baseline[1], 2),
            "cpu_ratio_to_eager": round(key[1] / cpu_s[key] * cpu_s[baseline] / baseline[1], 2),
        }
        print(json.dumps(line), flush=True)


def _best_of(
    runs: dict[tuple[str, int], Run], crops: Tensor, rounds: int
) -> tuple[dict[tuple[str, int], float], dict[tuple[str, int], float]]:
    """The least wall and processor seconds of each variant over interleaved rounds."""
    wall_s, cpu_s = dict.fromkeys(runs, float("inf")), dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for key, run in runs.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run(crops[: key[1]])
            wall_s[key] = min(wall_s[key], time.perf_counter() - wall)
            cpu_s[key] = min(cpu_s[key], time.process_time() - cpu)
    return wall_s, cpu_s


def _distance(vectors: np.ndarray, expected: np.ndarray) -> float:
    return float((np.linalg.norm(vectors - expected, axis=1) / np.linalg.norm(expected, axis=1)).max())


def normalized(crops: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Crops (b, h, w, 3) uint8 as the network's input (b, 3, h, w), channels last in memory."""
    return torch.addcmul(SHIFT, crops.permute(0, 3, 1, 2).float(), FACTOR).to(dtype)


def eager(network: nn.Module, batch: int, dtype: torch.dtype) -> Run:
    """The straight loop: contiguous float32, batch norms as they are."""
    network = network.to(dtype)
    return lambda crops: network(normalized(crops, dtype).contiguous()).float().numpy()


def channels_last(network: nn.Module, batch: int, dtype: torch.dtype) -> Run:
    """The same with channels last in memory."""
    network = network.to(dtype).to(memory_format=torch.channels_last)
    return lambda crops: network(normalized(crops, dtype)).float().numpy()


def folded(network: nn.Module, batch: int, dtype: torch.dtype) -> Run:
    """Contiguous, batch norms folded into the convolutions."""
    return eager(fold_batch_norms(network), batch, dtype)


def folded_channels_last(network: nn.Module, batch: int, dtype: torch.dtype) -> Run:
    """What the package does."""
    return channels_last(fold_batch_norms(network), batch, dtype)


def jit(network: nn.Module, batch: int, dtype: torch.dtype) -> Run:
    """TorchScript, frozen and optimized for inference (folds, packs weights, fuses ReLU)."""
    network, example = fold_batch_norms(network).to(dtype), torch.zeros(batch, 3, 224, 224, dtype=dtype)
    traced = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(network, example)))
    return lambda crops: traced(normalized(crops, dtype).contiguous()).float().numpy()


def mkldnn(network: nn.Module, batch: int, dtype: torch.dtype) -> Run:
    """Weights packed once in oneDNN's blocked layout."""
    from torch.utils.mkldnn import to_mkldnn

    packed = to_mkldnn(fold_batch_norms(network), dtype)

    def run(crops: Tensor) -> np.ndarray:
        output = packed(normalized(crops).contiguous().to_mkldnn(dtype))
        return (output if output.layout == torch.strided else output.to_dense(torch.float32)).numpy()

    return run


def compiled(network: nn.Module, batch: int, dtype: torch.dtype) -> Run:
    """torch.compile with inductor."""
    network = fold_batch_norms(network).to(dtype).to(memory_format=torch.channels_last)
    program = torch.compile(network)
    return lambda crops: program(normalized(crops, dtype)).float().numpy()


def compiled_frozen(network: nn.Module, batch: int, dtype: torch.dtype) -> Run:
    """torch.compile with the weights as constants: convolutions packed and fused with ReLU and addition."""
    import torch._inductor.config as inductor

    network = network.to(dtype).to(memory_format=torch.channels_last)
    # Freezing happens under no_grad only, not under inference_mode.
    with inductor.patch(freezing=True), torch.inference_mode(False), torch.no_grad():
        program = torch.compile(network)
        program(normalized(torch.zeros(batch, 224, 224, 3, dtype=torch.uint8), dtype))

    def run(crops: Tensor) -> np.ndarray:
        with torch.inference_mode(False), torch.no_grad():
            return program(normalized(crops.clone(), dtype)).float().numpy()

    return run


def onnxruntime(network: nn.Module, batch: int, dtype: torch.dtype) -> Run:
    """ONNX Runtime on its own kernels."""
    import onnxruntime as ort

    if dtype != torch.float32:
        raise NotImplementedError("no bfloat16 kernels")
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        session = ort.InferenceSession(
            _onnx_file(network, batch, folder), settings, providers=["CPUExecutionProvider"]
        )
    return lambda crops: session.run(None, {"crops": normalized(crops).contiguous().numpy()})[0]


def openvino(network: nn.Module, batch: int, dtype: torch.dtype) -> Run:
    """OpenVINO on its own kernels."""
    import openvino as ov

    with tempfile.TemporaryDirectory() as folder:
        model = ov.Core().read_model(_onnx_file(network, batch, folder))
    settings = {
        "INFERENCE_PRECISION_HINT": "f32" if dtype == torch.float32 else "bf16",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
    }
    program = ov.Core().compile_model(model, "CPU", settings)
    return lambda crops: np.array(program(normalized(crops).contiguous().numpy())[0])


def _onnx_file(network: nn.Module, batch: int, folder: str) -> str:
    import onnx  # noqa: F401  (torch's exporter needs it)

    path = str(Path(folder) / "resnet50.onnx")
    example = torch.zeros(batch, 3, 224, 224)
    torch.onnx.export(network, (example,), path, dynamo=False, input_names=["crops"])
    return path


VARIANTS: dict[str, Variant] = {
    variant.__name__: variant
    for variant in (
        eager,
        channels_last,
        folded,
        folded_channels_last,
        jit,
        mkldnn,
        compiled,
        compiled_frozen,
        onnxruntime,
        openvino,
    )
}


def gemm_tflops(dtype: torch.dtype, side: int = 2048, repeats: int = 8) -> float:
    """The machine's best matrix product in TFLOP/s."""
    left, right = torch.randn(side, side).to(dtype), torch.randn(side, side).to(dtype)
    return 2 * side**3 / _least_seconds(lambda: left @ right, repeats) / 1e12


def _least_seconds(work: Callable[[], object], repeats: int) -> float:
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def _machine(options: argparse.Namespace, ceiling: float) -> dict[str, Any]:
    crops = torch.zeros(16, 224, 224, 3, dtype=torch.uint8)
    return {
        "machine": platform.processor() or platform.machine(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "amx": torch.cpu._is_amx_tile_supported(),
        "cores": os.cpu_count(),
        "threads": options.threads,
        "torch": torch.__version__,
        "precision": options.precision,
        "gemm_tflops": round(ceiling, 3),
        "ceiling_crops_per_s": round(ceiling * 1e3 / GFLOP_A_CROP, 1),
        "normalize_ms_a_crop": round(_least_seconds(lambda: normalized(crops), 8) / 16 * 1e3, 2),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", help="a ResNet50 state dict; random weights without it")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--batches", type=int, nargs="+", default=[16])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", nargs="*", choices=VARIANTS, help="these variants only")
    return parser.parse_args()


if __name__ == "__main__":
    main()
