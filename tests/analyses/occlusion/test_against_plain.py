"""Every way of working occlusion out gives what the plain run gives, one window at a time."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from objectspace.analyses.occlusion import baseline, measure_occlusion
from objectspace.analyses.occlusion.result import CLOSED_FORM, LINEARITY, RUN_ON
from objectspace.errors import InputError, ModelError
from objectspace.models.detectors.darknet_models import DarknetDetector

COARSE, FINE = 9, 15


@pytest.mark.parametrize(
    ("tap", "sizes", "heads", "method", "every"),
    [
        ("7", None, None, CLOSED_FORM, 11),  # dropout, then the head
        ("6", (1, 2, 3), None, CLOSED_FORM, 17),
        ("5", (1, 2), None, CLOSED_FORM, 17),  # a 1 x 1 convolution before it
        ("13", (1, 4), None, CLOSED_FORM, 61),
        ("4", None, [COARSE], LINEARITY, 11),  # 3 x 3
        ("12", (1, 2, 3, 7, 16), None, LINEARITY, 61),  # 5 x 5, as many groups as channels
        ("4", (1, 2, 3), None, RUN_ON, 17),  # both heads
        ("3", (2, 5), None, RUN_ON, 41),  # a shortcut's sum, read twice
        ("2", (1, 4), None, RUN_ON, 61),
        ("0", (28,), None, RUN_ON, 31),
        ("pixels", (1, 2, 8), None, RUN_ON, 17),
    ],
)
def test_a_tap(ladder, picture, check, tap, sizes, heads, method, every) -> None:
    result = measure_occlusion(ladder, picture, tap=tap, sizes=sizes, heads=heads, confidence=0.5)
    assert result.method == method
    assert len(result.objects) > 5
    windows = list(range(0, len(result.windows), every))
    check(ladder, picture, result, confidence=0.5, only=windows, heads=heads)


def test_a_tap_before_a_dilated_convolution(dilated, picture, check) -> None:
    """Which reads every other cell, so that what it loses is no rectangle of them."""
    result = measure_occlusion(dilated, picture, tap="1", sizes=(1, 3), confidence=0.4)
    assert (result.method, result.grid_wh) == (RUN_ON, (16, 12))
    assert len(result.objects) > 2
    check(dilated, picture, result, confidence=0.4, only=list(range(0, len(result.windows), 23)))


@pytest.mark.parametrize(("confidence", "iou"), [(0.0, 0.3), (0.6, 1.0), (1.0, 0.0)])
def test_thresholds_may_be_0_or_1(ladder, picture, check, confidence, iou) -> None:
    result = measure_occlusion(ladder, picture, tap="7", sizes=(7,), confidence=confidence, iou=iou)
    check(ladder, picture, result, confidence=confidence, iou=iou, only=[0, len(result.windows) - 1])


@pytest.mark.parametrize("iou", [0.0, 0.2, 0.9])
def test_a_crowd_at_any_overlap(ladder, picture, check, iou) -> None:
    result = measure_occlusion(ladder, picture, tap="4", sizes=(1, 3), confidence=0.45, iou=iou)
    check(ladder, picture, result, confidence=0.45, iou=iou, only=list(range(0, len(result.windows), 17)))


def test_something_disappears_and_something_appears(ladder, picture) -> None:
    result = measure_occlusion(ladder, picture, tap="4", sizes=(3,), confidence=0.5)
    assert 0 < result.disappeared.mean() < 1
    assert len(result.appeared)
    assert not np.allclose(result.score_change, 0)


def test_windows_in_portions_are_windows_at_once(ladder, picture, monkeypatch) -> None:
    whole = measure_occlusion(ladder, picture, tap="12", sizes=(1, 2), confidence=0.5)
    monkeypatch.setattr(
        "objectspace.analyses.occlusion.suppression.Suppression.most_windows", property(lambda self: 100)
    )
    monkeypatch.setattr("objectspace.analyses.occlusion.suppression._TOGETHER", 50)
    monkeypatch.setattr("objectspace.analyses.occlusion.by_linearity._TOGETHER", 70)
    parts = measure_occlusion(ladder, picture, tap="12", sizes=(1, 2), confidence=0.5)
    np.testing.assert_allclose(parts.scores, whole.scores, atol=1e-6)
    np.testing.assert_array_equal(parts.disappeared, whole.disappeared)
    np.testing.assert_array_equal(parts.appeared.window, whole.appeared.window)
    np.testing.assert_allclose(parts.appeared.xyxy, whole.appeared.xyxy, atol=1e-3)


def test_in_closed_form_only_the_own_cell_counts(ladder, picture) -> None:
    result = measure_occlusion(ladder, picture, tap="7", sizes=None, confidence=0.5, heads=[COARSE])
    assert result.own_cell_only
    cells = result.objects.provenance
    covers = result.windows.cover(result.grid_wh)[:, cells.cell_y, cells.cell_x]
    np.testing.assert_array_equal(np.abs(result.score_change) > 1e-6, covers)


def test_the_default_tap_lies_before_the_head_with_the_most_predictions(ladder, picture) -> None:
    result = measure_occlusion(ladder, picture, confidence=0.5, sizes=(1,))
    heads = result.objects.provenance.head
    assert result.tap == ("7" if (heads == COARSE).sum() >= (heads == FINE).sum() else "13")


def test_all_heads_may_be_named(ladder, picture) -> None:
    every, named = (
        measure_occlusion(ladder, picture, tap="4", sizes=(7,), heads=heads, confidence=0.5)
        for heads in (None, [FINE, COARSE])
    )
    np.testing.assert_array_equal(named.scores, every.scores)
    with pytest.raises(InputError, match=r"heads are \[\], expected some of"):
        measure_occlusion(ladder, picture, heads=[])


@pytest.mark.parametrize(
    ("counts", "tap"), [((3, 2), "a"), ((2, 3), "b"), ((3, 3), "b"), ((0, 0), "b")], ids=str
)
def test_of_heads_with_as_many_predictions_the_deepest_counts(counts, tap) -> None:
    readers = [
        SimpleNamespace(head=SimpleNamespace(layer=layer, stride=stride, tap=name))
        for layer, stride, name in ((15, 4, "a"), (9, 8, "b"))
    ]
    head = np.repeat([15, 9], counts)
    kept = SimpleNamespace(provenance=SimpleNamespace(head=head))
    assert baseline._busiest(kept, readers) == baseline._busiest(kept, readers[::-1]) == tap


def test_without_predictions_there_is_nothing_to_lose(ladder, picture) -> None:
    result = measure_occlusion(ladder, picture, tap="7", confidence=1.0)
    assert result.scores.shape == (len(result.windows), 0)
    assert result.smallest.shape == (0,)
    assert len(result.appeared) == 0


def test_the_pixels_have_cells_as_wide_as_the_deepest_stride(ladder, picture) -> None:
    result = measure_occlusion(ladder, picture, tap="pixels", sizes=(1,), confidence=0.5)
    assert (result.grid_wh, result.cell_px) == ((12, 8), (8.0, 8.0))
    same = measure_occlusion(ladder, picture, tap="input", sizes=(1,), confidence=0.5)
    assert same.tap == "pixels"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"tap": "99"}, r"'99' is no tap of ladder\.cfg, expected a layer's number up to 15"),
        ({"tap": "9"}, "'9' is no tap"),
        ({"heads": [3]}, r"heads are \[3\], expected some of \[9, 15\]"),
        ({"tap": "13", "heads": [9]}, "no head of ladder depends on tap 13; expected a layer before one"),
        ({"confidence": 1.5}, "confidence is 1.5, expected a number from 0 to 1"),
        ({"iou": -1}, "iou is -1, expected a number from 0 to 1"),
        ({"sizes": (40,)}, r"windows of \[40\] cells do not fit a grid of"),
    ],
)
def test_what_cannot_be_is_refused(ladder, picture, options, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        measure_occlusion(ladder, picture, **options)


def test_bfloat16_is_refused(ladder, picture, monkeypatch) -> None:
    monkeypatch.setattr(ladder, "precision", "bfloat16")
    with pytest.raises(ModelError, match="ladder runs in bfloat16; load it with precision float32"):
        measure_occlusion(ladder, picture)


def test_numbers_that_are_not_finite_are_an_error(ladder, picture, monkeypatch) -> None:
    head = ladder.network.convolutions["8"].convolution
    broken = head.bias.detach().clone()
    original = DarknetDetector.predictions

    def after_the_untouched_pass(self, *arguments):
        found = original(self, *arguments)
        head.bias.data.fill_(torch.nan)
        return found

    monkeypatch.setattr(DarknetDetector, "predictions", after_the_untouched_pass)
    try:
        with pytest.raises(ModelError, match="layer 9 gave NaN or infinity once a window was zeroed"):
            measure_occlusion(ladder, picture, tap="7", confidence=0.5)
    finally:
        head.bias.data.copy_(broken)


def test_pixels_wider_than_a_cell_are_run_on(flat, picture, check) -> None:
    """A convolution and 1 x 1 layers follow, but a cell of the head is two pixels a side."""
    result = measure_occlusion(flat, picture, tap="pixels", sizes=(1, 5), confidence=0.4)
    assert (result.method, result.grid_wh, result.own_cell_only) == (RUN_ON, (16, 12), False)
    assert len(result.objects) > 2
    check(flat, picture, result, confidence=0.4, only=list(range(0, len(result.windows), 29)))


def test_a_tap_that_is_read_again_after_the_convolution(rejoined, picture, check) -> None:
    result = measure_occlusion(rejoined, picture, tap="0", sizes=(1, 3), confidence=0.4)
    assert (result.method, result.own_cell_only) == (RUN_ON, False)
    assert len(result.objects) > 2
    check(rejoined, picture, result, confidence=0.4, only=list(range(0, len(result.windows), 29)))
