"""JPEG → vector on a GPU: objects a second, beside the encoder alone and the device's own matrix product.

    PYTHONPATH=src python benchmarks/gpu.py                       # a CUDA GPU
    PYTHONPATH=src python benchmarks/gpu.py --device cpu --small  # the same script on any machine

Needs torch (with Triton on a GPU), torchvision, timm, numpy and Pillow, and no weights: networks have random
numbers, which take as long as trained ones. One JSON line a figure. The photos are drawn here: smooth blots,
shapes and noise as JPEGs of quality 90 with 4:2:0 chroma, about 0.32 bytes a pixel, read from memory; eight
objects a photo, their sides from a twentieth to half of the photo's shorter side, every second with a mask.

Lines: the machine; `same_vectors` (crops and vectors of the device against the processor's path); for each
encoder `encoder_alone`, `crops` (end to end, by the megapixels of the photos) and `where_time_goes`; the same
for the windows of YOLOv3 (`detector_alone`, `windows`). Thumbnails and the store are no part of it.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageDraw
import timm
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.models import resnet50

from objectspace.embeddings.crop_batches import crop_batches
from objectspace.embeddings.crops import CropPolicy, cut_crops
from objectspace.embeddings.device_crops import (
    DevicePhoto,
    cut_on_device,
    cuts_on_device,
    plan_crops,
    prepare_crops,
    stage_photo,
)
from objectspace.embeddings.device_windows import cut_windows_on_device
from objectspace.embeddings.windows import Cells, cut_windows, responsible_cells
from objectspace.images import Image, decode_image
from objectspace.models.darknet.architectures import ARCHITECTURES
from objectspace.models.darknet.network import load_network
from objectspace.models.detectors.darknet_models import DarknetDetector
from objectspace.models.device_decoding import DeviceJpegDecoder, jpeg_size
from objectspace.models.device_inputs import lay_on_device
from objectspace.models.encoders.folding import fold_batch_norms
from objectspace.models.encoders.network_encoder import NetworkEncoder, Preprocessing
from objectspace.models.precision import resolve_device, resolve_precision, torch_dtype
from objectspace.models.transfers import Download, Transfers, prompt_threads, staged
from objectspace.objects.boxes import Frame
from objectspace.objects.labels import COCO_NAMES
from objectspace.objects.records import Mask, Objects, make_objects
from objectspace.threads import work_ahead

IMAGENET = Preprocessing(224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear")
LITE = Preprocessing(224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bicubic")

#: Multiplications and additions of a forward pass at 224 x 224, counted apart.
GFLOP_A_CROP = {"resnet50": 8.2, "tf_efficientnet_lite0": 0.8}

#: Of YOLOv3 at 416 x 416 (Redmon and Farhadi 2018, table 2).
GFLOP_A_PHOTO = 65.9

OBJECTS_A_PHOTO = 8


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A photo as it lies on disk, and what is annotated of it."""

    data: bytes
    width: int
    height: int
    objects: Objects


def draw_photo(width: int, height: int, seed: int) -> Photo:
    """Draw one photo with its objects."""
    random = np.random.default_rng(seed)
    blots = random.integers(0, 256, (height // 40 + 2, width // 40 + 2, 3), dtype=np.uint8)
    picture = PIL.Image.fromarray(blots).resize((width, height), PIL.Image.Resampling.BICUBIC)
    boxes = draw_boxes(random, width, height)
    pencil = PIL.ImageDraw.Draw(picture)
    for box in boxes:
        pencil.ellipse(box.tolist(), fill=tuple(random.integers(0, 256, 3).tolist()))
    noise = random.normal(0, 6, (height, width, 1))
    pixels = (np.asarray(picture) + noise).clip(0, 255).astype(np.uint8)
    stream = io.BytesIO()
    PIL.Image.fromarray(pixels).save(stream, "JPEG", quality=90, subsampling="4:2:0")
    masks = [ellipse_mask(box, width, height) if row % 2 else None for row, box in enumerate(boxes)]
    name = f"{seed:032x}"
    labels = [f"thing {row}" for row in range(len(boxes))]
    objects = make_objects(image_id=name, xyxy=boxes, label=labels, source="drawn@0", mask=masks)
    return Photo(stream.getvalue(), width, height, objects)


def draw_boxes(random: np.random.Generator, width: int, height: int) -> NDArray[np.float32]:
    """Draw boxes (n, 4) inside a photo."""
    shorter = min(width, height)
    sides = shorter * np.exp(random.uniform(np.log(0.05), np.log(0.5), (OBJECTS_A_PHOTO, 1)))
    sides = sides * random.uniform(0.8, 1.25, (OBJECTS_A_PHOTO, 2))
    corner = random.uniform(0, 1, (OBJECTS_A_PHOTO, 2)) * (np.array([width, height]) - sides)
    return np.concatenate([corner, corner + sides], axis=1).round().astype(np.float32)


def ellipse_mask(box: NDArray[np.float32], width: int, height: int) -> Mask:
    """Return the mask of the ellipse in a box, its runs packed as COCO packs them."""
    left, top, right, bottom = box.astype(int).tolist()
    x = np.arange(left, right) + 0.5
    half = (
        (bottom - top)
        / 2
        * np.sqrt(np.maximum(1 - ((x - (left + right) / 2) / ((right - left) / 2)) ** 2, 0))
    )
    middle = (top + bottom) / 2
    first, last = np.round(middle - half).astype(int), np.round(middle + half).astype(int)
    some = last > first
    columns = np.arange(left, right)[some] * height
    edges = np.stack([columns + first[some], columns + last[some]], 1).reshape(-1)
    runs = np.diff(np.concatenate([[0], edges, [width * height]]))
    return Mask(height, width, packed_runs(runs.tolist()))


def packed_runs(runs: Sequence[int]) -> bytes:
    """Spell run lengths in COCO's characters: from the fourth on, the difference to the one two before."""
    characters = bytearray()
    for place, run in enumerate(runs):
        value = run - runs[place - 2] if place > 2 else run
        while True:
            five, value = value & 31, value >> 5
            more = value != (-1 if five & 16 else 0)
            characters.append(48 + five + 32 * more)
            if not more:
                break
    return bytes(characters)


def build_encoder(name: str, device: str, precision: str, batch_size: int | None = None) -> NetworkEncoder:
    """Build an encoder with random weights."""
    torch.manual_seed(0)
    if name == "resnet50":
        network: nn.Module = resnet50()
        network.fc = nn.Identity()
        network, preprocessing = fold_batch_norms(network), IMAGENET
    else:
        network, preprocessing = fold_batch_norms(timm.create_model(name, num_classes=0)), LITE
    return NetworkEncoder(
        network,
        preprocessing,
        name=name,
        weights="random",
        tap="pool",
        device=device,
        precision=precision,
        batch_size=batch_size,
    )


def decode(photo: Photo) -> Image:
    """Decode a photo by torchvision: the same pixels as Pillow's, without Python's lock."""
    data = torch.frombuffer(photo.data, dtype=torch.uint8)
    pixels = decode_jpeg(data, mode=ImageReadMode.RGB).permute(1, 2, 0).numpy()
    return Image(str(photo.objects.image_id[0]), "", pixels, photo.width, photo.height)


# ---------------------------------------------------------------------------------------------- timing


def synchronize(device: torch.device) -> None:
    """Wait for a device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(task: Callable[[], Any], device: torch.device, *, budget: float, warm_up: int = 2) -> float:
    """Return the median wall time of a task that may only start work on a device."""
    for _ in range(warm_up):
        task()
    synchronize(device)
    times, end = [], time.perf_counter() + budget
    while len(times) < 3 or (time.perf_counter() < end and len(times) < 200):
        start = time.perf_counter()
        task()
        synchronize(device)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def matmul_tflops(device: torch.device, dtype: torch.dtype, side: int, budget: float) -> float:
    """Return the rate of the device's own matrix product on random numbers."""
    one, other = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / seconds_of(lambda: one @ other, device, budget=budget) / 1e12


def report(**line: Any) -> None:
    """Print one JSON line."""
    print(json.dumps(line), flush=True)


# --------------------------------------------------------------------------------------------- the crops


def crops_end_to_end(
    photos: Sequence[Photo],
    count: int,
    encoder: NetworkEncoder,
    policy: CropPolicy,
    *,
    workers: int,
    decoder: str,
) -> NDArray[np.float32]:
    """Return the vectors of ``count`` photos, from JPEG to the processor's memory."""
    stream = [photos[number % len(photos)] for number in range(count)]
    if decoder == "nvjpeg":
        ready = decoded_on_device(stream, encoder.device)
    elif cuts_on_device(encoder, policy):
        ready = in_threads(stream, partial(decoded, device=encoder.device), workers)
    else:
        ready = cut_on_processor(stream, encoder, policy, workers)
    with crop_batches(encoder, policy) as batches:
        vectors = [batches.add(crops) for crops in ready]
        return np.concatenate([*vectors, batches.flush()])


def in_threads(items: Iterable[Any], task: Callable[[Any], Any], workers: int) -> Iterator[Any]:
    """Yield the task of every item, in order, from threads of one core each."""
    start = partial(torch.set_num_threads, 1)
    return work_ahead(items, task, workers=workers, ahead=4 * workers, at_start=start)


def decoded(photo: Photo, device: torch.device) -> DevicePhoto:
    """Decode a photo by the processor, its pixels in page-locked memory."""
    return stage_photo(decode(photo), photo.objects, device)


def decoded_on_device(photos: Sequence[Photo], device: torch.device) -> Iterator[DevicePhoto]:
    """Yield photos decoded by the device, a group ahead of the network."""
    jpegs = DeviceJpegDecoder(device)

    def decode_group(group: list[Photo]) -> list[DevicePhoto]:
        files = [photo.data for photo in group if jpeg_size(photo.data) is not None]
        pixels = jpegs.decode(files)
        return [DevicePhoto(one, photo.objects) for one, photo in zip(pixels, group, strict=True)]

    for group in work_ahead(grouped(photos, 32), decode_group, workers=1, ahead=3):
        yield from group


def grouped(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield items in lists of one size, the last one perhaps shorter."""
    iterator = iter(items)
    while group := list(islice(iterator, size)):
        yield group


def cut_on_processor(
    photos: Sequence[Photo], encoder: NetworkEncoder, policy: CropPolicy, workers: int
) -> Iterator[NDArray[np.uint8]]:
    """Yield the crops of every photo, decoded and cut in threads: the processor's way."""

    def cut(photo: Photo) -> NDArray[np.uint8]:
        size, filter_name = encoder.input_size, encoder.interpolation
        return cut_crops(decode(photo), photo.objects, policy, size, interpolation=filter_name)

    return in_threads(photos, cut, workers)


# ------------------------------------------------------------------------------------------- the windows


def build_detector(device: str, precision: str, name: str = "yolov3") -> DarknetDetector:
    """Build YOLOv3 with random weights of which maps keep their scale."""
    torch.manual_seed(0)
    cfg = ARCHITECTURES[name].cfg()
    network = load_network(cfg, None)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=0.1)
    where = resolve_device(device)
    numbers = resolve_precision(precision, where)
    recipe = {
        "weights": "random",
        "resize": "letterbox",
        "input_wh": network.layers.input_wh,
        "precision": numbers,
    }
    return DarknetDetector(name, network, recipe, COCO_NAMES, where)


def windows_end_to_end(
    photos: Sequence[Photo], count: int, detector: DarknetDetector, *, workers: int, decoder: str
) -> int:
    """Make the windows of ``count`` photos' objects, from JPEG to memory; return their number.

    The boxes are the annotated ones, each at its own head; windows are 3 x 3 cells.
    """
    stream = [photos[number % len(photos)] for number in range(count)]
    transfers, size = Transfers(detector.device), detector.batch_size
    under_way, objects = deque[list[Download]](), 0
    if decoder == "nvjpeg":
        photos_there = decoded_on_device(stream, detector.device)
        task = partial(located, detector=detector)
        ready: Iterator[Any] = work_ahead(photos_there, task, workers=1, ahead=2 * size)
        submit = submit_photos
    else:
        ready, submit = in_threads(stream, partial(laid_on_input, detector=detector), workers), submit_inputs
    with prompt_threads():
        for batch in grouped(ready, size):
            under_way.append(submit(batch, detector, transfers))
            if len(under_way) == 3:
                objects += sum(len(part.numpy()) for part in under_way.popleft())
    return objects + sum(len(part.numpy()) for parts in under_way for part in parts)


def laid_on_input(photo: Photo, detector: DarknetDetector) -> tuple[Tensor, Cells]:
    """Return the network's input for a photo, in page-locked memory, and the cells of its objects."""
    pixels = detector.prepare(decode_image(photo.data, path="", at_least=detector.input_wh))
    frame = detector.frame((photo.width, photo.height))
    return staged(pixels, detector.device), responsible_cells(photo.objects, detector.heads, frame, source="")


def submit_inputs(
    batch: Sequence[tuple[Tensor, Cells]], detector: DarknetDetector, transfers: Transfers
) -> list[Download]:
    """Start a pass over inputs that the processor has laid, and the gather of its windows."""
    width, height = detector.input_wh
    inputs = transfers.upload([pixels for pixels, _ in batch]).view(-1, height, width, 3).permute(0, 3, 1, 2)
    return submit_pass(inputs, [cells for _, cells in batch], detector, transfers)


def located(photo: DevicePhoto, detector: DarknetDetector) -> tuple[DevicePhoto, Frame, Cells]:
    """Return a photo on the device, how the network's input lies on it, and the cells of its objects."""
    frame = detector.frame((photo.pixels.shape[1], photo.pixels.shape[0]))
    return photo, frame, responsible_cells(photo.objects, detector.heads, frame, source="")


def submit_photos(
    batch: Sequence[tuple[DevicePhoto, Frame, Cells]], detector: DarknetDetector, transfers: Transfers
) -> list[Download]:
    """Start the same for photos that lie on the device."""
    inputs = lay_on_device([photo.pixels for photo, _, _ in batch], [frame for _, frame, _ in batch])
    return submit_pass(inputs, [cells for _, _, cells in batch], detector, transfers)


def submit_pass(
    inputs: Tensor, cells: Sequence[Cells], detector: DarknetDetector, transfers: Transfers
) -> list[Download]:
    """Start a pass over inputs (b, 3, h, w), filled up to a full batch, and the gather of its windows."""
    missing = detector.batch_size - len(inputs)
    full = torch.cat([inputs, inputs.new_zeros((missing, *inputs.shape[1:]))]) if missing else inputs
    full = (full.float() / 255).to(torch_dtype(detector.precision))
    run = detector.network.run(full.contiguous(memory_format=torch.channels_last), taps_of(detector))
    parts = []
    for head in detector.heads:
        own = [np.flatnonzero(one.head == head.layer) for one in cells]
        if not sum(map(len, own)):
            continue
        image = np.repeat(np.arange(len(cells)), list(map(len, own)))
        here = joined([one.take(rows) for rows, one in zip(own, cells, strict=True)])
        parts.append(Download(cut_windows_on_device(run.taps[head.tap], image, here, 3, transfers)))
    return parts


def taps_of(detector: DarknetDetector) -> list[str]:
    """Return the layers whose maps the windows are cut of."""
    return [head.tap for head in detector.heads]


def joined(parts: Sequence[Cells]) -> Cells:
    """Return the rows of all parts."""
    names = [column.name for column in fields(Cells)]
    return Cells(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


# -------------------------------------------------------------------------------------------- the figures


def same_vectors(photos: Sequence[Photo], encoder: NetworkEncoder, policy: CropPolicy) -> dict[str, float]:
    """Measure how far crops and vectors made on the device are from the processor's.

    Vectors differ by so much of the median distance between two objects' vectors (the networks are random, so
    that a cosine would say little).
    """
    want = np.concatenate([processor_crops(photo, encoder, policy) for photo in photos])
    vectors = encoder.embed(want)
    figures = {}
    for way, got in device_crops(photos, encoder, policy).items():
        apart = np.abs(want.astype(np.int16) - got)
        figures |= {
            f"{way}_gray_levels_max": int(apart.max()),
            f"{way}_gray_levels_mean": float(apart.mean()),
        }
        figures[f"{way}_vectors"] = distance_share(encoder.embed(got), vectors)
    return figures


def processor_crops(photo: Photo, encoder: NetworkEncoder, policy: CropPolicy) -> NDArray[np.uint8]:
    """Return the crops as the processor cuts them, the photo decoded by Pillow."""
    image = decode_image(photo.data, path="")
    return cut_crops(image, photo.objects, policy, encoder.input_size, interpolation=encoder.interpolation)


def device_crops(
    photos: Sequence[Photo], encoder: NetworkEncoder, policy: CropPolicy
) -> dict[str, NDArray[np.uint8]]:
    """Return the crops as the device cuts them, of photos decoded by the processor and by the device."""
    if not cuts_on_device(encoder, policy):
        return {}
    transfers = Transfers(encoder.device)
    jpegs = DeviceJpegDecoder(encoder.device)
    decoded_by_device = jpegs.decode([photo.data for photo in photos])
    by_decoder = {
        "processor_decoded": [decoded(photo, encoder.device) for photo in photos],
        "nvjpeg": [
            DevicePhoto(one, photo.objects) for one, photo in zip(decoded_by_device, photos, strict=True)
        ],
    }
    size, filter_name = encoder.input_size, encoder.interpolation
    return {
        way: cut_on_device(
            prepare_crops(ready, policy, size, encoder.device, interpolation=filter_name),
            policy,
            size,
            transfers,
            interpolation=filter_name,
        )
        .cpu()
        .numpy()
        for way, ready in by_decoder.items()
    }


def distance_share(vectors: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Return the largest distance to the expected vector, over the median between two objects."""
    gram = expected.astype(np.float64)
    gram -= gram.mean(axis=0)
    squares = (gram**2).sum(axis=1)
    apart = np.sqrt(np.maximum(squares[:, None] + squares - 2 * gram @ gram.T, 0))
    between = float(np.median(apart[np.triu_indices(len(gram), 1)]))
    return float(np.linalg.norm(vectors.astype(np.float64) - expected, axis=1).max() / between)


def best_rate(task: Callable[[], int], rounds: int) -> float:
    """Return the best objects a second of some rounds."""
    rates = []
    for _ in range(rounds):
        start = time.perf_counter()
        count = task()
        rates.append(count / (time.perf_counter() - start))
    return max(rates)


def encoder_alone(encoder: NetworkEncoder, budget: float) -> float:
    """Return the crops a second of full batches that lie on the device."""
    size = encoder.input_size
    crops = torch.randint(
        0, 256, (encoder.batch_size, size, size, 3), dtype=torch.uint8, device=encoder.device
    )
    return encoder.batch_size / seconds_of(
        lambda: encoder.embed_on_device(crops), encoder.device, budget=budget
    )


def where_time_goes(
    photos: Sequence[Photo], encoder: NetworkEncoder, policy: CropPolicy, budget: float
) -> dict[str, float]:
    """Measure milliseconds of one core a photo, and the device's microseconds an object."""
    device = encoder.device
    cpu, photo = torch.device("cpu"), photos[0]
    image = decode(photo)
    sizes = np.array([(photo.width, photo.height)] * OBJECTS_A_PHOTO * 32, np.int64)
    boxes, masks = np.tile(photo.objects.xyxy, (32, 1)), [*photo.objects.mask] * 32

    def timed(task: Callable[[], Any], where: torch.device) -> float:
        return seconds_of(task, where, budget=budget)

    figures = {
        "decode_pillow_ms_a_photo": timed(lambda: decode_image(photo.data, path=""), cpu) * 1e3,
        "decode_torchvision_ms_a_photo": timed(lambda: decode(photo), cpu) * 1e3,
        "cut_on_processor_ms_a_photo": timed(lambda: cut_crops(image, photo.objects, policy, 224), cpu) * 1e3,
        "plan_ms_a_photo": timed(lambda: plan_crops(boxes, masks, sizes, policy), cpu) / 32 * 1e3,
        "read_header_ms_a_photo": timed(lambda: jpeg_size(photo.data), cpu) * 1e3,
        "stage_ms_a_photo": timed(lambda: staged(image.pixels, device), cpu) * 1e3,
    }
    if cuts_on_device(encoder, policy):
        transfers, size = Transfers(device), encoder.input_size
        jpegs = DeviceJpegDecoder(device)
        pixels = jpegs.decode([one.data for one in photos])
        ready = [DevicePhoto(one, photo.objects) for one, photo in zip(pixels, photos, strict=True)]
        objects = sum(map(len, ready))
        prepared = prepare_crops(ready, policy, size, device)
        cut = timed(lambda: cut_on_device(prepared, policy, size, transfers), device)
        took = timed(lambda: jpegs.decode([one.data for one in photos]), device)
        part = staged(image.pixels, device)
        figures |= {
            "decode_nvjpeg_us_an_object": took / objects * 1e6,
            "upload_us_an_object": timed(lambda: transfers.upload([part]), device) / OBJECTS_A_PHOTO * 1e6,
            "gather_and_cut_us_an_object": cut / objects * 1e6,
        }
    vectors = torch.zeros((encoder.batch_size, encoder.dimension), device=device)
    figures |= {
        "network_us_an_object": 1e6 / encoder_alone(encoder, budget),
        "download_us_an_object": timed(lambda: Download(vectors), device) / encoder.batch_size * 1e6,
    }
    return figures


def measure_encoder(
    name: str, photo_sets: dict[str, list[Photo]], peak: float, options: argparse.Namespace
) -> None:
    """Print the lines of one encoder."""
    policy, device = CropPolicy(), options.device
    few = next(iter(photo_sets.values()))[:8]
    crops = np.concatenate(
        [processor_crops(photo, build_encoder(name, "cpu", "float32"), policy) for photo in few]
    )
    exact = np.empty(0, np.float32)
    for precision in ("float32", "bfloat16"):
        encoder = build_encoder(name, device, precision, options.batch)
        vectors = encoder.embed(crops)
        exact = vectors if precision == "float32" else exact
        figures = {"to_float32": distance_share(vectors, exact), **same_vectors(few, encoder, policy)}
        report(figure="same_vectors", encoder=name, precision=precision, **figures)
    eager = encoder_alone(encoder, options.seconds)
    if options.compile:
        start = time.perf_counter()
        encoder.compile_passes()
        compiled = encoder.embed(crops)
        report(
            figure="compiled",
            encoder=name,
            seconds=time.perf_counter() - start,
            to_eager=distance_share(compiled, vectors),
            to_float32=distance_share(compiled, exact),
        )
    alone = encoder_alone(encoder, options.seconds)
    report(
        figure="encoder_alone",
        encoder=name,
        batch=encoder.batch_size,
        eager_per_s=eager,
        objects_per_s=alone,
        roofline_share=alone * GFLOP_A_CROP[name] / 1e3 / peak if name in GFLOP_A_CROP else None,
    )
    for megapixels, photos in photo_sets.items():
        for decoder in decoders(encoder.device):
            count = photo_count(photos, decoder, options)
            run = partial(
                crops_end_to_end, photos, count, encoder, policy, workers=options.workers, decoder=decoder
            )
            crops_end_to_end(photos, len(photos), encoder, policy, workers=options.workers, decoder=decoder)
            rate = best_rate(lambda run=run: len(run()), options.rounds)  # type: ignore[misc]
            report(
                figure="crops",
                encoder=name,
                megapixels=megapixels,
                decoder=decoder,
                objects_per_s=rate,
                of_encoder_alone=rate / alone,
            )
        report(
            figure="where_time_goes",
            encoder=name,
            megapixels=megapixels,
            **where_time_goes(photos, encoder, policy, options.seconds / 5),
        )


def measure_windows(photo_sets: dict[str, list[Photo]], peak: float, options: argparse.Namespace) -> None:
    """Print the lines of YOLOv3's windows."""
    detector = build_detector(options.device, "bfloat16", options.detector)
    few = next(iter(photo_sets.values()))[:1]
    report(figure="same_windows", **window_differences(few[0], detector))
    width, height = detector.input_wh
    inputs = torch.rand(detector.batch_size, 3, height, width, device=detector.device)
    inputs = inputs.to(torch_dtype(detector.precision)).contiguous(memory_format=torch.channels_last)

    def rate() -> float:
        run = partial(detector.network.run, inputs, taps_of(detector))
        return detector.batch_size / seconds_of(run, detector.device, budget=options.seconds)

    eager = rate()
    if options.compile:
        start = time.perf_counter()
        detector.network.compile_passes()
        detector.network.run(inputs, taps_of(detector))
        report(figure="compiled", detector=detector.name, seconds=time.perf_counter() - start)
    alone = rate()
    report(
        figure="detector_alone",
        batch=detector.batch_size,
        eager_photos_per_s=eager,
        photos_per_s=alone,
        roofline_share=alone * GFLOP_A_PHOTO / 1e3 / peak if options.detector == "yolov3" else None,
    )
    for megapixels, photos in photo_sets.items():
        for decoder in decoders(detector.device):
            count = photo_count(photos, decoder, options)
            run = partial(
                windows_end_to_end, photos, count, detector, workers=options.workers, decoder=decoder
            )
            windows_end_to_end(photos, len(photos), detector, workers=options.workers, decoder=decoder)
            best = best_rate(run, options.rounds)
            report(
                figure="windows",
                megapixels=megapixels,
                decoder=decoder,
                objects_per_s=best,
                of_detector_alone=best / OBJECTS_A_PHOTO / alone,
            )


def photo_count(photos: Sequence[Photo], decoder: str, options: argparse.Namespace) -> int:
    """Return how many photos make a figure: a few seconds' worth."""
    if options.small:
        return len(photos)
    seconds_each = {"processor": 1e-3, "nvjpeg": 4e-4}[decoder] * photos[0].width * photos[0].height / 1.2e6
    return max(len(photos), int(options.seconds * 2 / seconds_each))


def decoders(device: torch.device) -> tuple[str, ...]:
    """Return what can decode photos for a device."""
    return ("processor", "nvjpeg") if device.type == "cuda" else ("processor",)


def window_differences(photo: Photo, detector: DarknetDetector) -> dict[str, float]:
    """Return the largest differences of the device's windows and inputs from the processor's.

    Windows in the numbers of the map, photos laid on the input in gray levels.
    """
    pixels, cells = laid_on_input(photo, detector)
    parts = [part.numpy() for part in submit_inputs([(pixels, cells)], detector, Transfers(detector.device))]
    width, height = detector.input_wh
    run = detector.run(pixels.numpy().reshape(1, height, width, 3))
    wanted = []
    for head in detector.heads:
        if len(own := np.flatnonzero(cells.head == head.layer)):
            wanted.append(cut_windows(run.maps[head.layer][0], cells.take(own), 3)[0])
    windows = max(float(np.abs(got - want).max()) for got, want in zip(parts, wanted, strict=True))
    image = decode(photo)
    frame = detector.frame((photo.width, photo.height))
    laid = lay_on_device([torch.from_numpy(image.pixels).to(detector.device)], [frame])[0].permute(1, 2, 0)
    apart = np.abs(laid.cpu().numpy().astype(np.int16) - detector.prepare(image))
    return {"windows_max": windows, "inputs_max": int(apart.max()), "inputs_mean": float(apart.mean())}


def main() -> None:
    """Measure and print."""
    options = read_options()
    warnings.filterwarnings("ignore", message="The given buffer is not writable")
    device = resolve_device(options.device)
    side = 512 if options.small else 8192
    peak = matmul_tflops(device, torch.bfloat16, side, options.seconds)
    report(
        figure="machine",
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor(),
        cores=len(os.sched_getaffinity(0)),
        torch=torch.__version__,
        matmul_bfloat16_tflops=peak,
    )
    photo_sets = {}
    for width, height, count in options.photos:
        with ThreadPoolExecutor(options.workers) as pool:
            drawn = list(pool.map(partial(draw_photo, width, height), range(count)))
        photo_sets[f"{width * height / 1e6:.1f}"] = drawn
        sizes = [len(photo.data) for photo in drawn]
        report(figure="photos", width=width, height=height, bytes_a_photo=float(np.mean(sizes)))
    for name in options.encoders:
        measure_encoder(name, photo_sets, peak, options)
    if options.detector:
        measure_windows(photo_sets, peak, options)


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--small", action="store_true", help="tiny photos and batches, to see that it runs")
    parser.add_argument("--encoders", nargs="*", default=list(GFLOP_A_CROP))
    parser.add_argument("--detector", default="yolov3", help="a Darknet network by name; '' for none")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seconds", type=float, default=1.0, help="for each figure of one task")
    parser.add_argument(
        "--rounds", type=int, default=2, help="of each end-to-end figure, the best of which counts"
    )
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    options = parser.parse_args()
    options.device = resolve_device(options.device).type
    options.photos = [(320, 240, 3)] if options.small else [(1280, 960, 64), (4000, 3000, 32)]
    options.batch = 2 if options.small else 256
    return options


if __name__ == "__main__":
    main()
