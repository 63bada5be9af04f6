"""Figures of crops and windows: what is written under a photo."""

from __future__ import annotations

import numpy as np

from objectspace.figures.cutting import WindowCut, draw_window_cuts


def under(labels: list[str]) -> str:
    box = np.tile(np.array([[2, 2, 8, 8]], np.float32), (len(labels), 1))
    figure = draw_window_cuts([WindowCut(np.zeros((10, 10, 3), np.uint8), labels, box, box, box)])
    return figure.axes[0].get_xlabel()


def test_labels_are_counted_the_most_frequent_first():
    assert under(["cat", "dog", "dog"]) == "2 dog, cat"


def test_labels_of_a_crowd_end_before_the_panel_does():
    text = under([f"label {number}" for number in range(30)])
    assert text.endswith(", …")
    assert len(text) < 45
