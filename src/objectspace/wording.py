"""How counts and figures are written for people: in one way, on the command line and in figures."""

from __future__ import annotations

import math


def counted(count: int, noun: str, plural: str = "") -> str:
    """``1 photo``, ``2 photos``; ``plural`` where it is not the noun and an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {plural or noun + 's'}"


def number_text(number: float) -> str:
    """Three decimals, one from 10 on: ``0.325``, ``90.1``; ``-`` for what is not known."""
    if math.isnan(number):
        return "-"
    return f"{number:z.3f}" if abs(number) < 10 else f"{number:z.1f}"
