"""Ways to run ResNet50 forward, each as a ratio to the straight eager loop of the same run.

    python benchmarks/encoder_variants.py --weights resnet50.pth --rounds 5 --batches 8 16 32 64

Prints one JSON line for the machine, then one a variant: crops per second (the best of all rounds, which are
interleaved, so that a busy neighbour hits all variants alike), its ratio to eager, seconds to get ready, and
the largest difference from eager's vectors relative to their norm. The ceiling is the machine's own matrix
product over the 8.2 GFLOP of one crop. On a shared machine, --threads 1 and the processor's seconds
(crops_per_cpu_s) are the figures to trust. A variant whose package is missing says so.
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

from objectspace.embeddings.encoders.resnet import fold_batch_norms
from objectspace.embeddings.encoders.weights import load_weights

Run = Callable[[Tensor], np.ndarray]

#: Multiplications and additions of ResNet50's forward pass at 224 x 224, counted apart.
GFLOP_A_CROP = 8.2

MEAN = torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)


def main() -> None:
    """Measure every variant and print its line."""
    options = _options()
    torch.set_num_threads(options.threads)
    reference = resnet50()
    reference.fc = nn.Identity()
    if options.weights:
        load_weights(reference, options.weights, head=("fc",))
    reference.eval().requires_grad_(False)
    ceiling = gemm_tflops()
    print(json.dumps(_machine(options.threads, ceiling)), flush=True)
    for batch in options.batches:
        names = [name for name in VARIANTS if not options.only or name in options.only]
        _measure(reference, names, batch, options.rounds, ceiling)


def _measure(reference: nn.Module, names: list[str], batch: int, rounds: int, ceiling: float) -> None:
    crops = torch.randint(0, 256, (batch, 224, 224, 3), dtype=torch.uint8, generator=_seed())
    with torch.inference_mode():
        expected = eager(reference, batch)(crops)
        runs, lines = {}, {}
        for name in names:
            line: dict[str, Any] = {"variant": name, "batch": batch}
            start = time.perf_counter()
            try:
                run = VARIANTS[name](copy.deepcopy(reference), batch)
                vectors = run(crops)
            except ImportError as missing:
                print(json.dumps(line | {"missing": missing.name}), flush=True)
                continue
            line["ready_s"] = round(time.perf_counter() - start, 1)
            distance = np.linalg.norm(vectors - expected, axis=1) / np.linalg.norm(expected, axis=1)
            line["relative_difference"] = float(f"{distance.max():.2g}")
            runs[name], lines[name] = run, line
        wall_s, cpu_s = _best_of(runs, crops, rounds)
    for name, line in lines.items():
        rate = batch / wall_s[name]
        line |= {
            "crops_per_s": round(rate, 2),
            "of_ceiling": round(rate * GFLOP_A_CROP / ceiling / 1e3, 3),
            "crops_per_cpu_s": round(batch / cpu_s[name], 2),
        }
        if "eager" in runs:
            line["ratio_to_eager"] = round(wall_s["eager"] / wall_s[name], 2)
            line["cpu_ratio_to_eager"] = round(cpu_s["eager"] / cpu_s[name], 2)
        print(json.dumps(line), flush=True)


def _best_of(runs: dict[str, Run], crops: Tensor, rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """The least wall and processor seconds of each variant over interleaved rounds."""
    wall_s, cpu_s = dict.fromkeys(runs, float("inf")), dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, run in runs.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run(crops)
            wall_s[name] = min(wall_s[name], time.perf_counter() - wall)
            cpu_s[name] = min(cpu_s[name], time.process_time() - cpu)
    return wall_s, cpu_s


def normalised(crops: Tensor) -> Tensor:
    """Crops (b, h, w, 3) uint8 as the network's input (b, 3, h, w), channels last in memory."""
    return (crops.permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


def eager(network: nn.Module, batch: int) -> Run:
    """The straight loop: contiguous float32, batch norms as they are."""
    return lambda crops: network(normalised(crops).contiguous()).numpy()


def channels_last(network: nn.Module, batch: int) -> Run:
    """The same with channels last in memory."""
    network = network.to(memory_format=torch.channels_last)
    return lambda crops: network(normalised(crops)).numpy()


def folded(network: nn.Module, batch: int) -> Run:
    """Contiguous, batch norms folded into the convolutions."""
    return eager(fold_batch_norms(network), batch)


def folded_channels_last(network: nn.Module, batch: int) -> Run:
    """What the package does."""
    return channels_last(fold_batch_norms(network), batch)


def jit(network: nn.Module, batch: int) -> Run:
    """TorchScript, frozen and optimised for inference (folds, packs weights, fuses ReLU)."""
    example = torch.zeros(batch, 3, 224, 224)
    traced = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(network, example)))
    return lambda crops: traced(normalised(crops).contiguous()).numpy()


def mkldnn(network: nn.Module, batch: int) -> Run:
    """Weights packed once in oneDNN's blocked layout."""
    from torch.utils.mkldnn import to_mkldnn

    packed = to_mkldnn(fold_batch_norms(network))
    return lambda crops: _dense(packed(normalised(crops).contiguous().to_mkldnn())).numpy()


def _dense(output: Tensor) -> Tensor:
    return output.to_dense() if output.layout != torch.strided else output


def compiled(network: nn.Module, batch: int) -> Run:
    """torch.compile with inductor."""
    network = torch.compile(fold_batch_norms(network).to(memory_format=torch.channels_last))
    return lambda crops: network(normalised(crops)).numpy()


def compiled_frozen(network: nn.Module, batch: int) -> Run:
    """torch.compile with the weights as constants: convolutions packed and fused with ReLU and addition."""
    import torch._inductor.config as inductor

    network = network.to(memory_format=torch.channels_last)
    # Frozen graphs are made for torch.no_grad and refused under inference_mode by some releases.
    with inductor.patch(freezing=True), torch.inference_mode(False), torch.no_grad():
        program = torch.compile(network)
        program(normalised(torch.zeros(batch, 224, 224, 3, dtype=torch.uint8)))

    def run(crops: Tensor) -> np.ndarray:
        with torch.inference_mode(False), torch.no_grad():
            return program(normalised(crops.clone())).numpy()

    return run


def _onnx_file(network: nn.Module, batch: int, folder: str) -> str:
    import onnx  # noqa: F401  (torch's exporter needs it)

    path = str(Path(folder) / "resnet50.onnx")
    example = torch.zeros(batch, 3, 224, 224)
    torch.onnx.export(network, (example,), path, dynamo=False, input_names=["crops"])
    return path


def onnxruntime(network: nn.Module, batch: int) -> Run:
    """ONNX Runtime on its own kernels."""
    import onnxruntime as ort

    settings = ort.SessionOptions()
    settings.intra_op_num_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        session = ort.InferenceSession(
            _onnx_file(network, batch, folder), settings, providers=["CPUExecutionProvider"]
        )
    return lambda crops: session.run(None, {"crops": normalised(crops).contiguous().numpy()})[0]


def openvino(network: nn.Module, batch: int) -> Run:
    """OpenVINO in float32."""
    import openvino as ov

    with tempfile.TemporaryDirectory() as folder:
        model = ov.Core().read_model(_onnx_file(network, batch, folder))
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
    }
    program = ov.Core().compile_model(model, "CPU", settings)
    return lambda crops: np.array(program(normalised(crops).contiguous().numpy())[0])


VARIANTS: dict[str, Callable[[nn.Module, int], Run]] = {
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


def gemm_tflops(side: int = 2048, repeats: int = 8) -> float:
    """The machine's best float32 matrix product in TFLOP/s."""
    left, right = torch.randn(side, side), torch.randn(side, side)
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best / 1e12


def _machine(threads: int, ceiling: float) -> dict[str, Any]:
    return {
        "machine": platform.processor() or platform.machine(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": threads,
        "torch": torch.__version__,
        "gemm_tflops": round(ceiling, 3),
        "ceiling_crops_per_s": round(ceiling * 1e3 / GFLOP_A_CROP, 1),
    }


def _seed() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", help="a ResNet50 state dict; random weights without it")
    parser.add_argument("--batches", type=int, nargs="+", default=[16])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", nargs="*", choices=VARIANTS, help="these variants only")
    return parser.parse_args()


if __name__ == "__main__":
    main()
