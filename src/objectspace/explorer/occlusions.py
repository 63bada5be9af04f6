"""Occlusions of a store's photos, measured in the background when they are asked for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from objectspace.errors import QueryError
from objectspace.images import Image
from objectspace.objects.boxes import iou
from objectspace.objects.records import Objects
from objectspace.store import Store

if TYPE_CHECKING:
    from objectspace.analyses.occlusion import Occlusion
    from objectspace.models.detectors import Detector

#: Photos whose occlusions are kept.
_KEPT = 16

#: Sides of the zeroed windows, in cells of the deepest head.
_SIZES = (2, 3)

#: Routes by which a detector's map became a space.
_OF_A_MAP = ("window", "roi", "mask", "query")

#: Overlap from which a prediction is that of a stored object.
_SAME_IOU = 0.5


class Occlusions:
    """The occlusions of the photos of one commit: one is measured at a time, the last few are kept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock, self._one_at_a_time = threading.Lock(), threading.Lock()
        self._asked: OrderedDict[tuple[int, str], _Measured] = OrderedDict()
        self._detectors: dict[str, Detector] = {}

    def of(self, place: int, source: str, confidence: float, read: Callable[[], Image]) -> Occlusion | float:
        """Return the occlusion of a photo by the detector of a source, or the share that is done.

        place: the photo's number; confidence: from which score it predicts; read: returns the photo
        Who asks first starts it; what failed is raised once, and tried again when it is asked for again.
        """
        with self._lock:
            key = place, source
            if key not in self._asked:
                self._asked[key] = measured = _Measured()
                work = (measured, source, confidence, read)
                threading.Thread(target=self._measure, args=work, daemon=True).start()
            measured = self._asked[key]
            self._asked.move_to_end(key)
            if measured.error is not None:
                del self._asked[key]
                raise measured.error
            while len(self._asked) > _KEPT:
                self._asked.popitem(last=False)
            return measured.done if measured.result is None else measured.result

    def _measure(
        self, measured: _Measured, source: str, confidence: float, read: Callable[[], Image]
    ) -> None:
        # It imports torch, which a store is looked at without.
        from objectspace.analyses.occlusion import measure_occlusion

        def progress(done: int, windows: int) -> None:
            measured.done = done / windows

        with self._one_at_a_time:
            try:
                image, detector = read(), self._detector(source)
                measured.result = measure_occlusion(
                    detector, image, tap="pixels", sizes=_SIZES, confidence=confidence, progress=progress
                )
            except Exception as error:  # whatever it is: who asked would wait without end
                measured.error = error

    def _detector(self, source: str) -> Detector:
        """Return the detector of a source, or where the objects are annotated that of a space."""
        if source not in self._detectors:
            self._detectors[source] = self._loaded(source)
        return self._detectors[source]

    def _loaded(self, source: str) -> Detector:
        from objectspace.search.queries.networks import source_detector, space_detector

        if "weights" in self._store.sources.get(source, {}):
            return source_detector(self._store, source, precision="float32")
        for space in self._store.space_names:
            if self._store.recipe(space).route in _OF_A_MAP:
                return space_detector(self._store, space, precision="float32")
        raise QueryError(
            "these objects were annotated, and no space of the store is cut from a detector's map, "
            "so there is no detector to occlude"
        )


class _Measured:
    """One occlusion: the share that is done, then its result or what went wrong."""

    def __init__(self) -> None:
        self.done = 0.0
        self.result: Occlusion | None = None
        self.error: Exception | None = None


def heat_json(result: Occlusion, objects: Objects) -> dict[str, Any]:
    """Return the mean fall of the score of the prediction that is one object's, for each cell of the photo.

    The prediction is the one with the object's label that overlaps it most.
    Raises QueryError where none of that label overlaps it by half.
    """
    overlap = iou(objects.xyxy, result.objects.xyxy)[0] * (result.objects.label == objects.label[0])
    if not overlap.size or overlap.max() < _SAME_IOU:
        raise QueryError(f"the detector finds no {objects.label[0]} at this box, so no score can fall")
    prediction = int(overlap.argmax())
    cells = result.cell_xyxy
    smallest = int(result.smallest[prediction])
    return {
        "score": float(result.objects.score[prediction]),
        "xyxy": [*cells[0, 0, :2].tolist(), *cells[-1, -1, 2:].tolist()],
        "columns": result.grid_wh[0],
        "rows": result.grid_wh[1],
        "fall": np.nan_to_num(result.importance(prediction)).reshape(-1).tolist(),
        "windows": len(result.windows),
        "disappears": int(result.disappeared[:, prediction].sum()),
        "smallest": None if smallest < 0 else int(result.windows.size[smallest]),
    }
