"""Occlusion of a full YOLOv3 beside the plain loop that runs the rest of the network once for every window.

    python benchmarks/occlusion.py [--rounds 3] [--predictions 30]

All 819 windows (every size) of the 13 x 13 map, one thread, both ways in turns in the same run; the seconds
are the processor's own, the median of the rounds. Weights are random, so the threshold is put where about 30
predictions of the deepest head are left after suppression. That head alone is looked at, by the plain loop
too: layer 80 is what its 1 x 1 convolution reads, layer 79 lies one 3 x 3 convolution earlier. Both ways
start from the pass over the unchanged picture. The answers are compared before anything is printed.

One JSON line a figure: seconds of the plain loop and of ours, their ratio, and the ratio asked for. The last
line is layer 79 with all three heads, where most of the network lies downstream and only running on is left:
a sample of windows of one to five cells.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from objectspace.analyses.occlusion import occluded_scores
from objectspace.analyses.occlusion.baseline import Baseline, run_baseline
from objectspace.analyses.occlusion.by_linearity import linear_states
from objectspace.analyses.occlusion.closed_form import closed_form_states
from objectspace.analyses.occlusion.run_on import run_on_states
from objectspace.analyses.occlusion.suppression import MATCH_IOU, Suppression
from objectspace.analyses.occlusion.zeroed_windows import Windows, every_window
from objectspace.images import image_from_array
from objectspace.models.darknet.architectures import ARCHITECTURES
from objectspace.models.darknet.network import DarknetNetwork, load_network
from objectspace.models.detectors.darknet_models import DarknetDetector
from objectspace.models.detectors.predictions import best_first, unsuppressed
from objectspace.objects.boxes import area, clip
from objectspace.objects.boxes import iou as overlaps
from objectspace.objects.labels import COCO_NAMES
from objectspace.objects.records import Objects

DEEPEST = 82
IOU = 0.45
SAMPLE = 10


def main() -> None:
    """Measure in turns and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--predictions", type=int, default=30)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    detector, image = random_yolov3(), random_picture()
    confidence = threshold(detector, image, arguments.predictions)
    for tap, states, bars in (("80", closed_form_states, (500, 100)), ("79", linear_states, (30, 30))):
        baseline = run_baseline(detector, image, tap, [DEEPEST], confidence=confidence, iou=IOU)
        windows = every_window(baseline.grid_wh, None)
        objects = detector.objects_of(baseline.candidates.take(baseline.kept), "", baseline.frame)
        for suppress, bar in zip((False, True), bars, strict=True):
            ours = ours_of(baseline, windows, objects, confidence, states, suppress)
            plain = plain_loop_of(baseline, windows, objects, confidence, suppress)
            seconds, answers = in_turns((plain, ours), arguments.rounds)
            for one, other in zip(*answers, strict=True):
                np.testing.assert_allclose(one, other, atol=1e-4)
            figure = {
                "method": states.__name__.removesuffix("_states"),
                "tap": tap,
                "windows": len(windows),
                "predictions": len(objects),
                "candidates": len(baseline.candidates),
                "confidence": round(confidence, 4),
                "suppression": suppress,
            }
            report(figure, seconds, bar)
    report_run_on(detector, image, confidence, arguments.rounds)


def report(figure: dict[str, Any], seconds: list[float], bar: int | None) -> None:
    """One line."""
    plain, ours = seconds
    figures = {"plain_s": round(plain, 4), "ours_s": round(ours, 5), "ratio": round(plain / ours, 1)}
    print(json.dumps({"benchmark": "occlusion", **figure, **figures, "asked": bar}), flush=True)


def random_yolov3() -> DarknetDetector:
    """A full YOLOv3 with He's normal weights, its heads scaled so that their numbers spread by one."""
    torch.manual_seed(0)
    network = load_network(ARCHITECTURES["yolov3"].cfg(), None)
    randomize(network)
    inputs = torch.from_numpy(random_picture().pixels)[None].permute(0, 3, 1, 2) / 255
    for layer, raw in zip(network.layers.heads, network.run(inputs).heads, strict=True):
        network.convolutions[str(layer.inputs[0])].convolution.weight.data /= raw.std()
    recipe = {"precision": "float32", "resize": "stretch", "input_wh": network.layers.input_wh}
    return DarknetDetector("yolov3", network, recipe, COCO_NAMES, torch.device("cpu"))


@torch.no_grad()
def randomize(network: DarknetNetwork) -> None:
    """He's normal weights, which keep the size of what passes through leaky units."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.weight.normal_(0, (2 / module.weight[0].numel()) ** 0.5, generator=generator)


def random_picture() -> Any:
    """Coarse noise, so that neighboring cells differ."""
    rng = np.random.default_rng(0)
    return image_from_array(np.kron(rng.integers(0, 256, (26, 26, 3)), np.ones((16, 16, 1))).astype(np.uint8))


def threshold(detector: DarknetDetector, image: Any, wanted: int) -> float:
    """The confidence at which suppression leaves so many predictions of the deepest head."""
    found = run_baseline(detector, image, "80", [DEEPEST], confidence=0.0, iou=IOU).candidates
    low, high = 0, len(found)
    while low < high:
        middle = (low + high) // 2
        if len(unsuppressed(found.take(np.arange(middle + 1)), IOU)) < wanted:
            low = middle + 1
        else:
            high = middle
    return float(found.score[low])


def ours_of(
    baseline: Baseline,
    windows: Windows,
    objects: Objects,
    confidence: float,
    states_of: Callable[[Baseline, Windows], Any],
    suppress: bool,
) -> Callable[[], list[Any]]:
    """Return what :func:`measure_occlusion` does after the first pass."""
    ready = Suppression(baseline, objects, confidence=confidence, iou=IOU)
    shown = ready.shown

    def run() -> list[Any]:
        states = states_of(baseline, windows)
        scores = occluded_scores(shown, states, np.tile(objects.score, (len(windows), 1)))
        if not suppress:
            return [scores]
        suppression = Suppression(baseline, objects, confidence=confidence, iou=IOU)
        after = suppression.suppress(states, len(windows))
        return [scores, after.disappeared, np.bincount(after.window, minlength=len(windows))]

    return run


def plain_loop_of(
    baseline: Baseline, windows: Windows, objects: Objects, confidence: float, suppress: bool
) -> Callable[[], list[Any]]:
    """The rest of the network, the scores and the suppression once for every window."""
    detector, reader = baseline.detector, baseline.readers[0]
    cells = objects.provenance
    place = cells.cell_y * reader.head.grid_wh[0] + cells.cell_x
    label = np.array([COCO_NAMES.index(name) for name in objects.label])

    def run() -> list[Any]:
        scores, gone, new = [], [], []
        for x, y, size in zip(windows.x, windows.y, windows.size, strict=True):
            changed = baseline.map.clone()
            changed[:, :, y : y + size, x : x + size] = 0
            heads = detector.network.run_layers({baseline.tap: changed}, baseline.path)
            raw = heads[reader.head.layer][0]
            numbers = raw.permute(1, 2, 0).reshape(-1, raw.shape[0])
            scores.append(reader.scores(numbers, place, cells.anchor, label))
            if suppress:
                # As the detector does it, but for making objects: their ids would cost the plain loop more.
                found = best_first([reader.of_map(raw, confidence)])
                found = found.take(unsuppressed(found, IOU))
                xyxy = clip(baseline.frame.to_image(found.xyxy.astype(np.float32)), baseline.frame.image_wh)
                inside = area(xyxy) > 0
                xyxy, found = xyxy[inside], found.take(inside)
                same = detector.names[found.label][:, None] == objects.label[None]
                fits = same & (overlaps(xyxy, objects.xyxy) >= MATCH_IOU)
                gone.append(~fits.any(0))
                new.append(int((~fits.any(1)).sum()))
        return [np.array(scores), np.array(gone), np.array(new)] if suppress else [np.array(scores)]

    return run


def report_run_on(detector: DarknetDetector, image: Any, confidence: float, rounds: int) -> None:
    """Layer 79 with all heads: patches beside the whole rest of the network, on a few windows."""
    baseline = run_baseline(detector, image, "79", None, confidence=confidence, iou=IOU)
    every = every_window(baseline.grid_wh, range(1, 6))
    windows = every.take(np.linspace(0, len(every) - 1, SAMPLE).astype(int))

    def plain() -> list[Any]:
        made = []
        for x, y, size in zip(windows.x, windows.y, windows.size, strict=True):
            changed = baseline.map.clone()
            changed[:, :, y : y + size, x : x + size] = 0
            heads = detector.network.run_layers({**baseline.outputs, baseline.tap: changed}, baseline.path)
            made.append(heads[DEEPEST].sum())
        return made

    def ours() -> list[Any]:
        return [states for _, states in run_on_states(baseline, windows)]

    seconds, _ = in_turns((plain, ours), rounds)
    figure = {"method": "run_on", "tap": "79", "heads": 3, "windows": len(windows), "suppression": False}
    report(figure, seconds, None)


def in_turns(ways: tuple[Callable[[], list[Any]], ...], rounds: int) -> tuple[list[float], list[list[Any]]]:
    """The median seconds of the processor of each way, and what each answered."""
    seconds: list[list[float]] = [[] for _ in ways]
    answers = [way() for way in ways[1:]]  # once unmeasured, for what is set up in the first call
    for _ in range(rounds):
        answers = []
        for place, way in enumerate(ways):
            start = time.process_time()
            answers.append(way())
            seconds[place].append(time.process_time() - start)
    return [statistics.median(taken) for taken in seconds], answers


if __name__ == "__main__":
    main()
