"""The networks of a job, and where they run, from the options that ``index`` and ``vary`` share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from objectspace.cli.options import Precision, Route
from objectspace.cli.output import warn

if TYPE_CHECKING:
    from objectspace.pipeline.specs import DetectorSpec, EncoderSpec


def choose_device(device: str | None, precision: Precision) -> str:
    """Return the processor where no device is named, and name a GPU that could be asked for.

    It is not taken unasked: on a GPU --precision auto means bfloat16, so that a store begun on a processor
    would refuse to go on where there happens to be a GPU.
    """
    from objectspace.models.precision import resolve_device, resolve_precision

    if device is None and (gpu := resolve_device("auto")).type == "cuda":
        half = precision is Precision.auto and resolve_precision("auto", gpu) == "bfloat16"
        numbers = ", in bfloat16 unless --precision float32" if half else ""
        warn(f"a CUDA GPU is here; --device auto uses it{numbers}")
    return device or "cpu"


def choose_networks(
    route: Route, detector: DetectorSpec, encoder: EncoderSpec, *, detects: bool, named: bool
) -> dict[str, Any]:
    """Return the networks that a route needs, as parts of a job.

    detects: whether the detector finds the objects; else it is there for windows alone, which --route both
        makes of a detector that was named
    """
    parts: dict[str, Any] = {}
    if detects or route is Route.window or (route is Route.both and named):
        parts["detector"] = detector
    if route in (Route.both, Route.crop):
        parts["encoder"] = encoder
    if route is Route.map:
        parts["encoder_map"] = encoder
    return parts
