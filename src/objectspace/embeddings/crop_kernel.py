"""The kernel that cuts crops on a CUDA GPU: one launch for the objects of many photos.

It computes what :func:`objectspace.embeddings.crops.cut_crops` computes on a processor: torch's antialiased
resampling, across and then down, rounded to gray levels in between. Triton comes with torch's CUDA builds.
"""

from __future__ import annotations

import triton
import triton.language as tl

#: Columns of the geometry: see ``_geometry`` in device_crops.py.
COLUMNS = tl.constexpr(14)

#: Pixels of a column that are filled at once.
_BLOCK = tl.constexpr(128)


@triton.jit
def _weight(distance, cubic: tl.constexpr):
    """Return a filter's value at distances from its center: a triangle, or Keys' cubic with a = -0.5."""
    x = tl.abs(distance)
    if cubic:
        inner = (1.5 * x - 2.5) * x * x + 1.0
        outer = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
        return tl.where(x < 1.0, inner, tl.where(x < 2.0, outer, 0.0))
    return tl.maximum(1.0 - x, 0.0)


@triton.jit
def _gray_level(value):
    """Return values rounded to the nearest of 0 .. 255."""
    return tl.floor(tl.minimum(tl.maximum(value, 0.0), 255.0) + 0.5)


@triton.jit
def _axis(index, side, size: tl.constexpr, cubic: tl.constexpr):
    """Return where the output pixels along one axis of the canvas take their values from.

    Each one's first and last tap (exclusive), its center, the filter's stretch, the number of taps to visit,
    and the sum of each one's weights.
    """
    scale = side.to(tl.float32) / size
    stretch = tl.maximum(scale, 1.0)
    support = (2.0 if cubic else 1.0) * stretch
    center = scale * (index.to(tl.float32) + 0.5)
    first = tl.maximum((center - support + 0.5).to(tl.int32), 0)
    last = tl.minimum((center + support + 0.5).to(tl.int32), side.to(tl.int32))
    taps = (2.0 * support).to(tl.int32) + 2
    total = tl.zeros_like(center)
    for tap in range(0, taps):
        position = first + tap
        weight = _weight((position.to(tl.float32) - center + 0.5) / stretch, cubic)
        total += tl.where(position < last, weight, 0.0)
    return first, last, center, stretch, taps, total


@triton.jit
def fill_runs(runs, geometry, masks):
    """Write ones where masks cover their objects; a program writes one run.

    runs: int64 (r, 3), an object's row, the run's first and last pixel (exclusive) down the columns of its
        photo
    masks: uint8 zeros, the objects' rectangles row by row
    """
    run = runs + tl.program_id(0).to(tl.int64) * 3
    own = geometry + tl.load(run) * COLUMNS
    first, last = tl.load(run + 1), tl.load(run + 2)
    start, width, rows = tl.load(own + 1), tl.load(own + 6), tl.load(own + 7)
    left, top = tl.load(own + 11), tl.load(own + 12)
    height = tl.load(own + 13)
    first_column = tl.maximum(first // height, left)
    last_column = tl.minimum((last - 1) // height, left + width - 1)
    for column in range(first_column, last_column + 1):
        low = tl.maximum(first - column * height, top)
        high = tl.minimum(tl.minimum(last - column * height, height), top + rows)
        for block in range(low, high, _BLOCK):
            y = block + tl.arange(0, _BLOCK)
            tl.store(masks + start + (y - top) * width + (column - left), 1, mask=y < high)


@triton.jit
def cut(
    pixels,
    masks,
    geometry,
    crops,
    fill_red: tl.constexpr,
    fill_green: tl.constexpr,
    fill_blue: tl.constexpr,
    size: tl.constexpr,
    cubic: tl.constexpr,
    tile: tl.constexpr,
):
    """Resample each object's canvas to a crop; a program makes one tile of one crop.

    pixels, masks: uint8, of all photos and all masked objects; geometry: int64 (n, COLUMNS)
    crops: uint8 (n, size, size, 3), written
    """
    row, number = tl.program_id(0).to(tl.int64), tl.program_id(1)
    across: tl.constexpr = (size + tile - 1) // tile
    y = (number // across) * tile + tl.arange(0, tile)
    x = (number % across) * tile + tl.arange(0, tile)

    own = geometry + row * COLUMNS
    start, mask_start = tl.load(own), tl.load(own + 1)
    canvas_w, canvas_h = tl.load(own + 2), tl.load(own + 3)
    left, top = tl.load(own + 4).to(tl.int32), tl.load(own + 5).to(tl.int32)
    width, height = tl.load(own + 6).to(tl.int32), tl.load(own + 7).to(tl.int32)
    row_stride, pixel_stride, color_stride = tl.load(own + 8), tl.load(own + 9), tl.load(own + 10)

    first_x, last_x, center_x, stretch_x, taps_x, total_x = _axis(x, canvas_w, size, cubic)
    first_y, last_y, center_y, stretch_y, taps_y, total_y = _axis(y, canvas_h, size, cubic)

    red = tl.zeros((tile, tile), tl.float32)
    green = tl.zeros((tile, tile), tl.float32)
    blue = tl.zeros((tile, tile), tl.float32)
    for tap_y in range(0, taps_y):
        canvas_y = first_y + tap_y
        weight_y = _weight((canvas_y.to(tl.float32) - center_y + 0.5) / stretch_y, cubic) / total_y
        weight_y = tl.where(canvas_y < last_y, weight_y, 0.0)[:, None]
        source_y = canvas_y - top
        row_inside = (canvas_y < last_y) & (source_y >= 0) & (source_y < height)
        row_red = tl.zeros((tile, tile), tl.float32)
        row_green = tl.zeros((tile, tile), tl.float32)
        row_blue = tl.zeros((tile, tile), tl.float32)
        for tap_x in range(0, taps_x):
            canvas_x = first_x + tap_x
            weight_x = _weight((canvas_x.to(tl.float32) - center_x + 0.5) / stretch_x, cubic) / total_x
            weight_x = tl.where(canvas_x < last_x, weight_x, 0.0)[None, :]
            source_x = canvas_x - left
            inside = (source_x >= 0) & (source_x < width)
            visible = row_inside[:, None] & inside[None, :]
            if mask_start >= 0:
                place = source_y[:, None].to(tl.int64) * width + source_x[None, :]
                visible = visible & (tl.load(masks + mask_start + place, mask=visible, other=0) != 0)
            at = pixels + start + source_y[:, None] * row_stride + source_x[None, :] * pixel_stride
            row_red += weight_x * tl.load(at, mask=visible, other=fill_red).to(tl.float32)
            row_green += weight_x * tl.load(at + color_stride, mask=visible, other=fill_green).to(tl.float32)
            row_blue += weight_x * tl.load(at + 2 * color_stride, mask=visible, other=fill_blue).to(
                tl.float32
            )
        red += weight_y * _gray_level(row_red)
        green += weight_y * _gray_level(row_green)
        blue += weight_y * _gray_level(row_blue)

    to = crops + row * (size * size * 3) + (y[:, None] * size + x[None, :]) * 3
    wanted = (y < size)[:, None] & (x < size)[None, :]
    tl.store(to, _gray_level(red).to(tl.uint8), mask=wanted)
    tl.store(to + 1, _gray_level(green).to(tl.uint8), mask=wanted)
    tl.store(to + 2, _gray_level(blue).to(tl.uint8), mask=wanted)
