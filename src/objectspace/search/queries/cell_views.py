"""Objects as a network sees them, divided into the cells that their vectors are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from objectspace.embeddings.crops import IMAGENET_MEAN, cut_crops
from objectspace.embeddings.pooling import mask_shares, pool
from objectspace.embeddings.windows import Cells, responsible_cells
from objectspace.errors import ImageError, QueryError, RecipeError
from objectspace.files import printable_path
from objectspace.images import Pixels
from objectspace.models.encoders import Encoder
from objectspace.models.encoders.averaged_maps import averaged_cells
from objectspace.models.maps import MapRun, MapSource
from objectspace.objects.boxes import Frame, first_cells
from objectspace.objects.records import Objects
from objectspace.pipeline.loaded_job import LoadedJob
from objectspace.pipeline.results import DecodedImage
from objectspace.pipeline.stages import decode, read_image_file
from objectspace.search.queries.images import BoxReader
from objectspace.search.queries.networks import space_job
from objectspace.store import Store

#: Cells a side into which a crop is divided for occlusion, where the network's own are not averaged.
OCCLUDED = 7

#: How far a vector made again may be from the stored one, as a share of its length: what bfloat16 explains.
ROUNDING = 2e-2

#: What stands where no object is, by the background of a crop; elsewhere a cell takes the mean color.
_BLANK = {"black": (0, 0, 0), "mean": IMAGENET_MEAN}


@dataclass(frozen=True, slots=True, eq=False)
class CellView:
    """One object as a network sees it.

    pixels: (h, w, 3) uint8, the network's input
    area: x1, y1, x2, y2 in these pixels, which the cells divide evenly; may reach beyond them
    cells: (rows, columns, d) float64; summed they are the vector, or laid out cell by cell: ``layout``; None
        where the vector is neither
    weights: (rows, columns) float64, what part of a mean each cell is; they sum to 1
    embed: inputs (n, h, w, 3) -> the object's vectors (n, d) in them
    blank: the color of a covered cell, what the network knows as no object; None for the area's mean color
    """

    pixels: Pixels
    area: tuple[float, float, float, float]
    cells: NDArray[np.float64] | None
    layout: bool
    weights: NDArray[np.float64]
    embed: Callable[[Pixels], NDArray[np.float32]]
    blank: tuple[int, int, int] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        if self.cells is None:
            return OCCLUDED, OCCLUDED
        return self.cells.shape[0], self.cells.shape[1]

    def made_to(self, vector: NDArray[np.float32], space: str) -> CellView:
        """Return the view with cells that make up a stored vector (d,) exactly.

        What they were off by is rounding, of float32 or of the recipe's precision; it is spread by weight
        over cells that are summed. Raises RecipeError where it is more than that.
        """
        if self.cells is None:
            return self
        rows, columns, _ = self.cells.shape
        stored = vector.astype(np.float64)
        if self.layout:
            exact = stored.reshape(-1, rows, columns).transpose(1, 2, 0)
            rest = exact - self.cells
        else:
            rest = stored - self.cells.sum((0, 1))
            exact = self.cells + rest * self.weights[..., None]
        if np.linalg.norm(rest) > ROUNDING * np.linalg.norm(stored):
            raise RecipeError(
                f"the network makes another vector of this object than space {space} holds; index again"
            )
        return replace(self, cells=exact)

    def picture(self) -> Pixels:
        """Return the pixels of the area, black beyond the input."""
        left, top, right, bottom = (int(side) for side in np.rint(self.area))
        height, width = self.pixels.shape[:2]
        picture = np.zeros((max(bottom - top, 1), max(right - left, 1), 3), np.uint8)
        x1, y1, x2, y2 = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
        if x2 > x1 and y2 > y1:
            picture[y1 - top : y2 - top, x1 - left : x2 - left] = self.pixels[y1:y2, x1:x2]
        return picture

    def covered(self, covered: NDArray[np.bool_]) -> Pixels:
        """Return n inputs (n, h, w, 3), each with some cells (n, rows, columns) painted over."""
        rows, columns = self.shape
        height, width = self.pixels.shape[:2]
        x = np.rint(np.linspace(self.area[0], self.area[2], columns + 1)).clip(0, width).astype(int)
        y = np.rint(np.linspace(self.area[1], self.area[3], rows + 1)).clip(0, height).astype(int)
        color = np.array(self.blank or self._mean_color(x, y), np.uint8)
        painted = np.repeat(self.pixels[None], len(covered), 0)
        for number, row, column in np.argwhere(covered).tolist():
            painted[number, y[row] : y[row + 1], x[column] : x[column + 1]] = color
        return painted

    def _mean_color(self, x: NDArray[np.intp], y: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the mean color (3,) of what is between the cells' outer edges; black where nothing is."""
        inside = self.pixels[y[0] : y[-1], x[0] : x[-1]].reshape(-1, 3)
        return np.rint(inside.mean(0)) if len(inside) else np.zeros(3)


class Viewer(Protocol):
    """Views objects as the network of one space does, loaded once."""

    def view(self, path: str, objects: Objects) -> CellView:
        """Return the view of one object (1,) of the image at ``path``. Raises ImageError."""
        ...


def open_viewer(store: Store, space: str, device: str) -> Viewer:
    """Return what views objects as a space's network does.

    Raises QueryError for a space whose vectors have no cells, and as :func:`space_job`.
    """
    recipe = store.recipe(space)
    if recipe.route == "query":
        raise QueryError(
            f"vectors of space {space} are the detector's own of its queries, which are no sum over cells; "
            "explain in a crop or window space"
        )
    if recipe.route == "external" or recipe.erasure is not None:
        what = "handed in" if recipe.route == "external" else "changed after the network, by an erasure"
        raise QueryError(
            f"vectors of space {space} were {what}, so that no cells can be told apart; explain in the space "
            "of a network"
        )
    # What finds objects does not matter: theirs are given.
    job = space_job(store, space, annotations=BoxReader((0, 0, 1, 1)), device=device)
    if job.encoder is not None:
        return _CropViewer(job, job.encoder)
    return _MapViewer(job, job.map_source, recipe.tap, recipe.stride)


def _decoded(path: str, objects: Objects, job: LoadedJob) -> DecodedImage:
    decoded = decode(read_image_file(Path(path), job), job)
    if decoded.image.image_id != objects.image_id[0]:
        raise ImageError(
            printable_path(path),
            "holds another photo than the one that was indexed; put that one back, or make a new store",
        )
    return decoded


class _CropViewer:
    """Views crops, whose cells are averaged where the network does that."""

    def __init__(self, job: LoadedJob, encoder: Encoder) -> None:
        self._job, self._encoder = job, encoder

    def view(self, path: str, objects: Objects) -> CellView:
        encoder, image = self._encoder, _decoded(path, objects, self._job).image
        (crop,) = cut_crops(
            image, objects, self._job.crop, encoder.input_size, interpolation=encoder.interpolation
        )
        cells = averaged_cells(encoder, crop)
        rows, columns = (OCCLUDED, OCCLUDED) if cells is None else cells.shape[:2]
        weights = _even(rows, columns)
        if cells is not None:
            cells = cells * weights[..., None]
        size = float(encoder.input_size)
        blank = _BLANK.get(self._job.crop.background)
        return CellView(crop, (0.0, 0.0, size, size), cells, False, weights, encoder.embed, blank)


class _MapViewer:
    """Views the windows, boxes and masks of a network's map of the whole photo."""

    def __init__(self, job: LoadedJob, source: MapSource | None, tap: str, stride: int | None) -> None:
        assert source is not None
        self._job, self._source = job, source
        (self._pooling,) = job.poolings
        (self._head,) = [head for head in source.heads if (head.tap, head.stride) == (tap, stride)]

    def view(self, path: str, objects: Objects) -> CellView:
        decoded = _decoded(path, objects, self._job)
        pixels = decoded.inputs[self._source.name]
        frame = self._source.frame((decoded.image.width, decoded.image.height))
        run = self._source.run([pixels])
        features = run.maps[self._head.layer][0].float()
        cells = self._cells_of(objects, run, frame)

        def embed(inputs: Pixels) -> NDArray[np.float32]:
            # One at a time: a window's map of the whole photo is large.
            maps = (self._source.run([one]).maps[self._head.layer][0].float() for one in inputs)
            return np.concatenate([self._pool(one, objects, cells, frame) for one in maps])

        if self._pooling.kind == "mask":
            area, parts, weights = self._under_mask(features, objects, frame)
            return CellView(pixels, area, parts, False, weights, embed)
        size = self._pooling.size
        (vector,) = self._pool(features, objects, cells, frame)
        parts = vector.reshape(-1, size, size).transpose(1, 2, 0).astype(np.float64)
        return CellView(pixels, self._area(objects, cells, frame), parts, True, _even(size, size), embed)

    def _pool(self, features: Tensor, objects: Objects, cells: Cells, frame: Frame) -> NDArray[np.float32]:
        return pool(features, objects, cells, self._pooling, frame, self._head.stride)[0]

    def _cells_of(self, objects: Objects, run: MapRun, frame: Frame) -> Cells:
        """Return the object's cell, as the job that made the space chose it."""
        heads = []
        for head in self._source.heads:
            height, width = run.maps[head.layer][0].shape[1:]
            heads.append(replace(head, grid_wh=(width, height)))
        return responsible_cells(objects, heads, frame, self._job.scale, source=self._source.source)

    def _area(self, objects: Objects, cells: Cells, frame: Frame) -> tuple[float, float, float, float]:
        """Return the window, or the box, in pixels of the network's input."""
        if self._pooling.kind == "roi":
            return _sides(frame.to_input(objects.xyxy)[0])
        size, stride = self._pooling.size, self._head.stride
        left = int(first_cells(cells.cell_x, cells.center_x, size)[0])
        top = int(first_cells(cells.cell_y, cells.center_y, size)[0])
        return _sides(np.array([left, top, left + size, top + size]) * stride)

    def _under_mask(
        self, features: Tensor, objects: Objects, frame: Frame
    ) -> tuple[tuple[float, float, float, float], NDArray[np.float64], NDArray[np.float64]]:
        """Return the area of the cells under the mask, what each adds to the mean, and its weight in it."""
        _, height, width = features.shape
        stride = self._head.stride
        (shares,) = mask_shares(objects, frame, stride, (width, height))
        rows, columns = np.flatnonzero(shares.any(1)), np.flatnonzero(shares.any(0))
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        own = features[:, top:bottom, left:right].cpu().numpy().transpose(1, 2, 0).astype(np.float64)
        area = _sides(np.array([left, top, right, bottom]) * stride)
        weights = shares[top:bottom, left:right].astype(np.float64)
        weights /= weights.sum()
        return area, own * weights[..., None], weights


def _even(rows: int, columns: int) -> NDArray[np.float64]:
    return np.full((rows, columns), 1 / (rows * columns))


def _sides(box: NDArray[Any]) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(side) for side in box)
    return left, top, right, bottom
