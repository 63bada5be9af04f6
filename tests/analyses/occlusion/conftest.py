"""The oracle: one window at a time, the rest of the network run whole, nothing clever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from objectspace.analyses.occlusion import Occlusion
from objectspace.images import Image, image_from_array
from objectspace.models.darknet.cfg import parse_cfg
from objectspace.models.darknet.network import load_network
from objectspace.models.detectors.darknet_models import DarknetDetector
from objectspace.models.maps import MapRun
from objectspace.objects.boxes import iou as overlaps
from objectspace.objects.records import Objects

CONVOLUTION = "convolutional batch_normalize=1 filters=12 size=3 stride=1 pad=1 activation=leaky"
HEAD = "convolutional filters=16 size=1 activation=linear"
YOLO = "yolo anchors=10,10,24,20,30,36,50,40 classes=3 num=4 mask="

# 96 x 64 pixels; heads at stride 8 (layer 9) and 4 (layer 15), two anchors of three classes each.
LADDER = (
    "net width=96 height=64",
    "convolutional batch_normalize=1 filters=8 size=3 stride=2 pad=1 activation=leaky",
    "maxpool size=3 stride=2",
    "convolutional batch_normalize=1 filters=8 size=3 stride=1 pad=1 activation=mish",
    "shortcut from=-2 activation=linear",
    "convolutional batch_normalize=1 filters=12 size=3 stride=2 pad=1 activation=leaky",
    CONVOLUTION,
    "convolutional batch_normalize=1 filters=12 size=1 activation=swish",
    "dropout probability=.2",
    HEAD,
    YOLO + "2,3",
    "route layers=4",
    "upsample stride=2",
    "route layers=-1,3",
    "convolutional batch_normalize=1 groups=20 filters=20 size=5 pad=1 activation=relu",
    HEAD,
    YOLO + "0,1",
)
DILATED = (
    "net width=64 height=48",
    "convolutional batch_normalize=1 filters=8 size=3 stride=2 pad=1 activation=leaky",
    "convolutional batch_normalize=1 filters=8 size=3 stride=2 pad=1 activation=leaky",
    CONVOLUTION + " dilation=2",
    HEAD,
    YOLO + "0,1",
)
FLAT = (
    "net width=32 height=24",
    "convolutional batch_normalize=1 filters=12 size=3 stride=2 pad=1 activation=leaky",
    HEAD,
    YOLO + "0,1",
)
REJOINED = (
    "net width=32 height=24",
    "convolutional batch_normalize=1 filters=12 size=3 stride=2 pad=1 activation=leaky",
    CONVOLUTION,
    "route layers=-1,-2",
    HEAD,
    YOLO + "0,1",
)
COARSE, FINE = 9, 15
SEED = 5


def cfg_text(sections: tuple[str, ...]) -> str:
    """Each section given as its kind and its options after blanks."""
    parts = (section.partition(" ") for section in sections)
    return "\n".join(f"[{kind}]\n" + options.replace(" ", "\n") for kind, _, options in parts)


@pytest.fixture(scope="session")
def ladder() -> DarknetDetector:
    """A detector of two heads with random weights, which finds a crowd."""
    return with_random_weights("ladder", LADDER)


@pytest.fixture(scope="session")
def dilated() -> DarknetDetector:
    """A detector of one head after a convolution that leaves out every other cell."""
    return with_random_weights("dilated", DILATED)


@pytest.fixture(scope="session")
def flat() -> DarknetDetector:
    """A detector of one head after one convolution, two pixels a cell."""
    return with_random_weights("flat", FLAT)


@pytest.fixture(scope="session")
def rejoined() -> DarknetDetector:
    """A detector whose head reads a layer beside the convolution of it."""
    return with_random_weights("rejoined", REJOINED)


def with_random_weights(name: str, sections: tuple[str, ...]) -> DarknetDetector:
    torch.set_num_threads(1)
    network = load_network(parse_cfg(cfg_text(sections), path=f"{name}.cfg"), None)
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                # Heads read as widely as they do once they are trained: their numbers spread by about two.
                gain = 8 if module.bias is not None else 2
                module.weight.normal_(0, (gain / module.weight[0].numel()) ** 0.5, generator=generator)
                if module.bias is not None:
                    module.bias.normal_(0, 0.5, generator=generator)
            if isinstance(module, torch.nn.BatchNorm2d):
                module.bias.normal_(0, 0.3, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
    recipe = {"precision": "float32", "resize": "letterbox", "input_wh": network.layers.input_wh}
    return DarknetDetector(name, network, recipe, ("apple", "pear", "plum"), torch.device("cpu"))


@pytest.fixture(scope="session")
def picture() -> Image:
    """Coarse noise with bars beside it once it lies on the input."""
    rng = np.random.default_rng(1)
    return image_from_array(np.kron(rng.integers(0, 256, (9, 10, 3)), np.ones((8, 8, 1))).astype(np.uint8))


@dataclass
class Plain:
    """One window: the score of each object's label at its own place, and everything found."""

    scores: NDArray[np.float64]
    objects: Objects


def zeroed_run(
    detector: DarknetDetector, image: Image, tap: str, block: tuple[int, int, int], cell: int
) -> MapRun:
    x, y, size = (side * cell for side in block)
    batch = detector.batch(detector.prepare(image)[None])
    network = detector.network
    if tap == "pixels":
        changed = batch.clone()
        changed[:, :, y : y + size, x : x + size] = 0
        return MapRun(network.run(changed).heads, {})
    recording = network.record(batch, tap)
    changed = recording.map.clone()
    changed[:, :, y : y + size, x : x + size] = 0
    return MapRun(network.resume(recording, changed).heads, {})


def plain(
    detector: DarknetDetector,
    image: Image,
    occlusion: Occlusion,
    window: int,
    *,
    confidence: float,
    iou: float,
    heads: list[int] | None,
) -> Plain:
    windows = occlusion.windows
    block = (int(windows.x[window]), int(windows.y[window]), int(windows.size[window]))
    cell = max(head.stride for head in detector.heads) if occlusion.tap == "pixels" else 1
    run = zeroed_run(detector, image, occlusion.tap, block, cell)
    frame = detector.frame((image.width, image.height))
    # NMS is over the heads that count; the others are silenced where it is found out what is seen.
    seen = MapRun(
        tuple(
            raw if heads is None or head.layer in heads else torch.full_like(raw, -40)
            for head, raw in zip(detector.heads, run.heads, strict=True)
        ),
        {},
    )
    objects = detector.find_objects(seen, 0, image.image_id, frame, confidence=confidence, iou=iou)
    names, layers = detector.names.tolist(), [head.layer for head in detector.heads]
    numbers = [
        torch.sigmoid(raw[0].double()).reshape(len(head.anchors), -1, *raw.shape[2:]).numpy()
        for head, raw in zip(detector.heads, run.heads, strict=True)
    ]
    scores = []
    cells = occlusion.objects.provenance
    for row, label in enumerate(occlusion.objects.label):
        place = layers.index(cells.head[row])
        anchor = detector.heads[place].anchor_index.index(cells.anchor[row])
        own = numbers[place][anchor, :, cells.cell_y[row], cells.cell_x[row]]
        scores.append(own[4] * own[5 + names.index(label)])
    return Plain(np.array(scores), objects)


def check_window(occlusion: Occlusion, window: int, expected: Plain) -> None:
    np.testing.assert_allclose(occlusion.scores[window], expected.scores, atol=1e-4)
    untouched, found = occlusion.objects, expected.objects
    same = untouched.label[:, None] == found.label[None, :]
    fits = same & (overlaps(untouched.xyxy, found.xyxy) >= 0.5)
    np.testing.assert_array_equal(occlusion.disappeared[window], ~fits.any(1))
    new = found.take(~fits.any(0))
    rows = occlusion.appeared.window == window
    appeared = occlusion.appeared
    assert sorted(appeared.label[rows]) == sorted(new.label)
    order, other = np.lexsort(appeared.xyxy[rows].T.round(1)), np.lexsort(new.xyxy.T.round(1))
    np.testing.assert_allclose(appeared.xyxy[rows][order], new.xyxy[other], atol=0.02, rtol=1e-4)
    np.testing.assert_allclose(appeared.score[rows][order], new.score[other], atol=1e-4)


@pytest.fixture
def check() -> Callable[..., None]:
    """Compares every window, or those given, of a result with the plain run."""

    def run(
        detector: DarknetDetector,
        image: Image,
        occlusion: Occlusion,
        *,
        confidence: float,
        iou: float = 0.45,
        only: list[int] | None = None,
        heads: list[int] | None = None,
    ) -> None:
        for window in range(len(occlusion.windows)) if only is None else only:
            expected = plain(detector, image, occlusion, window, confidence=confidence, iou=iou, heads=heads)
            check_window(occlusion, window, expected)

    return run
