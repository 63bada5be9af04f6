"""The rule of the input in an image processor's settings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from objectspace.errors import ModelError
from objectspace.models.detectors.pretrained import _input_rule

SETTINGS: dict[str, Any] = {
    "do_resize": True,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.1, 0.2, 0.3],
    "image_std": [0.4, 0.5, 0.6],
    "size": {"height": 480, "width": 640},
}


def rule_of(**changed: Any) -> Any:
    """Return the rule of these settings, those that are None left out."""
    settings = {name: value for name, value in {**SETTINGS, **changed}.items() if value is not None}
    return _input_rule(SimpleNamespace(to_dict=lambda: settings), "a folder")


def test_the_rule_has_the_processor_s_size_and_numbers() -> None:
    stretch = {"resize": "stretch", "input_wh": [640, 480]}
    assert rule_of() == (stretch, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert rule_of(do_normalize=False) == (stretch, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert rule_of(pad_size=None, do_pad=True)[0] == stretch
    # transformers writes every key of its sizes, those that are not used as None.
    size = {"height": None, "width": None, "shortest_edge": 800, "longest_edge": 1333}
    assert rule_of(size=size)[0] == {"resize": "shortest edge", "sides": [800, 1333]}


@pytest.mark.parametrize(
    "changed",
    [
        {"do_resize": False},
        {"do_resize": None},
        {"do_rescale": False},
        {"do_rescale": None},
        {"rescale_factor": 1.0},
        {"rescale_factor": 2 / 255},
        {"rescale_factor": 1 / 255 + 1e-8},
        {"rescale_factor": None},
        {"pad_size": {"height": 640, "width": 640}},
    ],
)
def test_each_setting_that_is_not_supported_is_refused_alone(changed: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="image processor of a folder does not resize, does not rescale by"):
        rule_of(**changed)


@pytest.mark.parametrize("size", [{"shortest_edge": 800}, {"height": 3}, {}, None, {"height": 0, "width": 3}])
def test_other_sizes_are_refused(size: Any) -> None:
    with pytest.raises(ModelError, match=r"has size \{.*\}; expected height and width, or shortest_edge"):
        rule_of(size=size)
