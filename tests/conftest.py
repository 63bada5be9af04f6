"""Fixtures of every test."""

from __future__ import annotations

import atexit
import gc
import json
import logging
import os
import subprocess
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

if TYPE_CHECKING:
    from objectspace.report.demo import Demo

# The commands tell of a GPU that they do not use; the tests count the lines.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
if not os.environ["CUDA_VISIBLE_DEVICES"]:
    os.environ["TRITON_INTERPRET"] = "1"  # its kernels run without a GPU then

# How long an example takes says how busy the machine is.
settings.register_profile("objectspace", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("objectspace")


def _pin() -> None:
    """Keep this process of several that run the tests on cores of its own.

    Lance's threads wake each other all the time, which takes far longer from core to core. Who counts cores
    still finds all of them, and starts as many threads.
    """
    worker, count = os.environ.get("PYTEST_XDIST_WORKER"), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    if worker is None or not hasattr(os, "sched_setaffinity"):
        return
    cores = os.sched_getaffinity(0)
    own = sorted(cores)[int(worker.removeprefix("gw")) :: count]
    if own:
        os.sched_setaffinity(0, own)
        os.sched_getaffinity = lambda process: cores


_pin()


#: What takes long to make and is made once for tests of several files, and the group that these are.
SHARED = {"small_demo": "small_demo", "coco": "real stores", "dogs": "real stores"}


@pytest.hookimpl(tryfirst=True)  # before xdist reads which tests go together
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share what takes long to make go to one process: of one file, or of a group of SHARED."""
    for item in items:
        shared = [SHARED[name] for name in getattr(item, "fixturenames", ()) if name in SHARED]
        if shared:
            item.add_marker(pytest.mark.slow)
        item.add_marker(pytest.mark.xdist_group(shared[0] if shared else item.location[0]))
    # The slow ones first: no process is left with a long file at the end, while the others wait.
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect garbage neither while tests are read nor, afterwards, in what was read, and more seldom.

    A collection would walk through a million objects, and find next to nothing.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        gc.enable()


# Extensions find at the end that nothing of theirs is left, after pytest's own collections.
atexit.register(gc.unfreeze)


@pytest.fixture(scope="session", autouse=True)
def coarse_figures() -> Iterator[None]:
    """Draw an eighth of the dots an inch: dots take most of a figure's time, and no test counts them."""
    from matplotlib.figure import Figure

    save = Figure.savefig

    def coarse(figure: Figure, *arguments: Any, dpi: float, **options: Any) -> None:
        save(figure, *arguments, dpi=dpi / 8, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", coarse)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_power_cut() -> Iterator[None]:
    """Wait for no disk: a power cut alone loses what is not flushed (tests of it refuse a flush)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        patch.setattr("objectspace.store.checksums._FLUSHES", 1)  # threads have nothing to wait for
        yield


@pytest.fixture
def logged() -> Iterator[list[logging.LogRecord]]:
    """What the library logs during the test, from INFO on."""
    records: list[logging.LogRecord] = []
    logger, keep = logging.getLogger("objectspace"), logging.Handler()
    keep.emit = records.append  # type: ignore[method-assign]
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(keep)
    yield records
    logger.removeHandler(keep)
    logger.setLevel(level)


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real photos and weights; tests that need it are skipped where it is missing."""
    folder = Path(os.environ.get("OBJECTSPACE_REAL") or Path(__file__).parents[2] / "shared" / "real")
    if not folder.is_dir():
        pytest.skip(f"no real photos and weights at {folder}; set OBJECTSPACE_REAL to their folder")
    return folder


# ------------------------------------------------------------------------------ a world small enough to test


@dataclass(frozen=True)
class World:
    """Photos of colored rectangles, their labels and masks, and networks with random weights.

    model: the options that name the networks; network: the detector's alone, encoder: the encoder's alone
    """

    photos: Path
    labels: Path
    masks: Path
    cfg: Path
    weights: Path
    names: Path
    encoder_weights: Path

    @property
    def network(self) -> list[str]:
        named = {"--detector": self.cfg, "--detector-weights": self.weights, "--names": self.names}
        return [str(part) for option in named.items() for part in option]

    @property
    def encoder(self) -> list[str]:
        return ["--encoder", ENCODER, "--encoder-weights", str(self.encoder_weights)]

    @property
    def model(self) -> list[str]:
        return [*self.network, *self.encoder]


NAMES = ("apple", "pear", "plum")
ENCODER = "test_vit"
# Four photos; each rectangle is x1, y1, x2, y2 in pixels of 96 x 64, a class and a color.
PHOTOS = {
    "red1.png": [(8, 8, 40, 40, 0, (220, 30, 30)), (60, 20, 84, 52, 1, (30, 200, 40))],
    "red2.png": [(10, 12, 44, 44, 0, (210, 40, 20))],
    "sub/green.jpg": [(20, 8, 60, 48, 1, (40, 190, 50))],
    "sub/blue.jpg": [(30, 16, 70, 56, 2, (30, 40, 220)), (4, 4, 20, 20, 0, (200, 30, 40))],
}
PHOTO_WH = (96, 64)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    import torch

    # Networks as small as these gain nothing from threads, which wait busily on a machine that is busy.
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("world")
    paths = {name: folder / name for name in ("photos", "labels", "masks")}
    for name, rectangles in PHOTOS.items():
        _draw_photo(Path(name), rectangles, paths)
    (folder / "names.txt").write_text("\n".join(NAMES))
    (folder / "tiny.cfg").write_text(TINY_CFG)
    weights = _write_detector(folder / "tiny.cfg", folder / "tiny.weights")
    encoder = _write_encoder(folder / "encoder.pth", seed=0)
    return World(
        **paths, cfg=folder / "tiny.cfg", weights=weights, names=folder / "names.txt", encoder_weights=encoder
    )


@pytest.fixture(scope="session")
def small_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo with 24 pictures, 16 places of each of the two objects that its report moves about, few rows
    in its sheets and few permutations.
    """
    import torch

    from objectspace.report import demo, evidence, html_report
    from objectspace.report.claims import chairs, neighbors

    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "STEPS", 4)
        patch.setattr(evidence, "MOVED", 2)
        patch.setattr(html_report, "OCCLUDED", 6)
        patch.setattr(neighbors, "PERMUTED", 99)
        patch.setattr(chairs, "PERMUTATIONS", 99)
        patch.setattr(demo, "draw_space", partial(demo.draw_space, targets=2, k=2))
        yield demo.make_demo(tmp_path_factory.mktemp("demo") / "out", count=24)


@pytest.fixture(scope="session")
def prompt_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for --prompt-weights: Grounding DINO, SAM and SAM 3, tiny, with random weights."""
    import torch

    from tests.models.prompts.tiny_networks import write_networks

    torch.set_num_threads(1)
    return write_networks(tmp_path_factory.mktemp("prompt-weights"))


@pytest.fixture(scope="session")
def other_encoder_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of the same encoder with other numbers."""
    return _write_encoder(tmp_path_factory.mktemp("other") / "encoder.pth", seed=1)


def _draw_photo(name: Path, rectangles: list[tuple], paths: dict[str, Path]) -> None:
    """The photo; its labels, the second of a photo as a polygon; its mask, of the first rectangle."""
    width, height = PHOTO_WH
    pixels = np.full((height, width, 3), 128, np.uint8)
    mask = np.zeros((height, width), np.uint8)
    lines = []
    for number, (left, top, right, bottom, kind, color) in enumerate(rectangles):
        pixels[top:bottom, left:right] = color
        x1, y1, x2, y2 = left / width, top / height, right / width, bottom / height
        box = f"{kind} {(x1 + x2) / 2} {(y1 + y2) / 2} {x2 - x1} {y2 - y1}"
        lines.append(f"{kind} {x1} {y1} {x2} {y1} {x2} {y2}" if number else box)
    left, top, right, bottom = rectangles[0][:4]
    mask[top:bottom, left:right] = 255
    pictures = {
        paths["photos"] / name: Image.fromarray(pixels),
        paths["masks"] / f"{name.stem}-map.png": Image.fromarray(mask),
    }
    for path, picture in pictures.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path, quality=95)
    label = (paths["labels"] / name).with_suffix(".txt")
    label.parent.mkdir(parents=True, exist_ok=True)
    label.write_text("\n".join(lines))


def _conv(filters: int, size: int, stride: int, *, normed: bool = True) -> str:
    norm, activation = ("batch_normalize=1\n", "leaky") if normed else ("", "linear")
    return (
        f"[convolutional]\n{norm}filters={filters}\nsize={size}\nstride={stride}\npad=1\n"
        f"activation={activation}\n"
    )


def _yolo(mask: str) -> str:
    return (
        f"[yolo]\nmask={mask}\nanchors=10,10,24,24,36,36,60,60\nclasses=3\nnum=4\nignore_thresh=.5\n"
        "truth_thresh=1\nrandom=0\n"
    )


# 64 x 64; heads at stride 32 (layer 6) and 16 (layer 10), two anchors of three classes each.
TINY_CFG = (
    "[net]\nwidth=64\nheight=64\nchannels=3\n"
    + "".join(_conv(8, 3, 2) for _ in range(4))
    + _conv(8, 3, 2)
    + _conv(16, 1, 1, normed=False)
    + _yolo("2,3")
    + "[route]\nlayers=3\n"
    + _conv(8, 3, 1)
    + _conv(16, 1, 1, normed=False)
    + _yolo("0,1")
)


def _write_detector(cfg: Path, path: Path) -> Path:
    import torch

    from objectspace.models.darknet.cfg import read_cfg
    from objectspace.models.darknet.network import load_network, write_weights

    generator = torch.Generator().manual_seed(3)
    network = load_network(read_cfg(cfg), None)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.weight.normal_(0, (2 / module.weight[0].numel()) ** 0.5, generator=generator)
                if module.bias is not None:
                    # tx, ty, tw, th, objectness and three classes of each anchor.
                    module.bias.copy_(torch.tensor([0, 0, 0, 0, 0, 0, -1, -1] * 2, dtype=torch.float32))
    write_weights(network, path)
    return path


def _write_encoder(path: Path, *, seed: int) -> Path:
    import timm
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.save(timm.create_model(ENCODER, num_classes=0).state_dict(), path)
    return path


# ----------------------------------------------------------------------------- encoders with a text tower


TINY_CLIP = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
}
CLIP_PREPROCESSING = {
    "mean": [0.4, 0.5, 0.6],
    "std": [0.2, 0.3, 0.4],
    "interpolation": "bicubic",
    "resize_mode": "squash",
}


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the hub has it: the config of a small CLIP, and random weights."""
    import open_clip

    folder = tmp_path_factory.mktemp("models") / "tiny-clip"
    return _write_clip(folder, TINY_CLIP, open_clip.CLIP)


@pytest.fixture
def clip_name(tmp_path: Path) -> Iterator[str]:
    """The name of the same small CLIP among open_clip's own models; it has no published weights."""
    import open_clip
    from open_clip import factory

    path = tmp_path / "tiny-clip-32.json"
    path.write_text(json.dumps(TINY_CLIP))
    open_clip.add_model_config(path)
    yield path.stem
    factory._MODEL_CONFIG_PATHS.remove(path)
    del factory._MODEL_CONFIGS[path.stem]


@pytest.fixture(scope="session")
def siglip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small SigLIP: timm's image tower, a text tower without a causal mask, a tokenizer of its own."""
    import open_clip
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    text = {"context_length": 8, "vocab_size": 16, "width": 16, "heads": 2, "layers": 1, "pool_type": "last"}
    text |= {"hf_tokenizer_name": "tokenizer", "no_causal_mask": True, "proj_bias": True}
    text |= {"tokenizer_kwargs": {"clean": "canonicalize"}}
    vision = {"image_size": 160, "timm_model_name": "test_vit", "timm_pool": "avg", "timm_proj": "none"}
    config = {"embed_dim": 64, "init_logit_bias": -10, "custom_text": True}
    config |= {"vision_cfg": vision, "text_cfg": text}
    folder = tmp_path_factory.mktemp("models") / "tiny-siglip"
    parts = {key: value for key, value in config.items() if key != "custom_text"}
    _write_clip(folder, config, lambda **_: open_clip.CustomTextCLIP(**parts))
    words = {"<unk>": 0, "</s>": 1, "a": 2, "red": 3, "chair": 4, "dog": 5}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    own = {"unk_token": "<unk>", "eos_token": "</s>", "pad_token": "</s>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **own).save_pretrained(folder)
    return folder


def _write_clip(folder: Path, config: dict[str, Any], make: Callable[..., Any]) -> Path:
    import safetensors.torch
    import torch

    folder.mkdir()
    whole = {"model_cfg": config, "preprocess_cfg": CLIP_PREPROCESSING}
    (folder / "open_clip_config.json").write_text(json.dumps(whole))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = {name: value.contiguous() for name, value in make(**config).state_dict().items()}
    safetensors.torch.save_file(state, folder / "open_clip_model.safetensors")
    return folder


# ------------------------------------------------------------------------------ stores of random vectors


@pytest.fixture(scope="session")
def add_objects() -> Callable[..., None]:
    """A function (path, vectors (n, d), first photo, kept as): adds ten objects a photo, of these vectors."""

    from objectspace.embeddings.spaces import Recipe, VectorType
    from objectspace.files import content_id
    from objectspace.objects.records import concatenate, make_objects
    from objectspace.store import Batch, ImageRow, SpaceRows, open_writer

    recipe = Recipe("crop", "color", "aa", "mean", {"size": 8}, "float32", "0.1.0", crop={"margin": 0.0})

    def add(path: Path, vectors: np.ndarray, first: int = 0, kept: VectorType = "float32") -> None:
        photos = range(first, first + len(vectors) // 10)
        images = [ImageRow(content_id(b"%d" % n), f"photos/{n}.jpg", 100, 100) for n in photos]
        boxes = np.float32([[10 * n, 5, 10 * n + 9, 60] for n in range(10)])
        objects = concatenate(
            [
                make_objects(image_id=i.image_id, xyxy=boxes, label=["cat"] * 9 + ["owl"], source="hand@1")
                for i in images
            ]
        )
        rows = {"a-crop": SpaceRows(replace(recipe, vectors=kept), objects.object_id, vectors)}
        with open_writer(path) as writer:
            writer.commit(
                Batch(images, objects, [b"jpeg"] * len(objects), "job", rows, sources={"hand@1": {}})
            )

    return add


@pytest.fixture(scope="session")
def noise() -> np.ndarray:
    """1000 vectors of 16 numbers without any structure: an index finds nothing harder."""
    return np.random.default_rng(7).standard_normal((1000, 16)).astype(np.float32)


# ------------------------------------------------------------------------------------------- the command line


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Runs a command line in this process, as the console script does: arguments → code, stdout, stderr."""
    from objectspace.cli import main

    # A busy machine would add lines on what a command is doing.
    monkeypatch.setattr("objectspace.cli.progress.SILENT", 3600.0)

    def run(*arguments: object) -> Done:
        monkeypatch.setattr("sys.argv", ["objectspace", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        # Weights outside the cache are named before they are opened (tests/search/queries/test_images.py).
        err = "".join(line for line in err.splitlines(True) if not line.startswith("objectspace: loading "))
        return Done(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture
def sentence(command: Callable[..., Done]) -> Callable[..., str]:
    """Runs a command that must fail with exit 1 and one line on stderr; that line."""

    def run(*arguments: object) -> str:
        done = command(*arguments)
        assert (done.code, done.out, done.err.count("\n")) == (1, "", 1), done
        assert done.err.startswith("objectspace: ")
        return done.err.removeprefix("objectspace: ").rstrip("\n")

    return run


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser without windows, for the tests of one file: while it runs, no other event loop can."""
    from tests.explorer.browser import launched

    with launched() as opened:
        yield opened


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB; skipped where none can be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)
