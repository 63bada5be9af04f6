"""How counts, figures and guesses at a name are written for people: in one way, wherever they stand."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable


def counted(count: int, noun: str, plural: str = "") -> str:
    """``1 photo``, ``2 photos``; ``plural`` where it is not the noun and an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {plural or noun + 's'}"


def number_text(number: float | None) -> str:
    """Three decimals, one from 10 on: ``0.325``, ``90.1``; ``-`` for what is not known."""
    if number is None or math.isnan(number):
        return "-"
    return f"{number:z.3f}" if abs(number) < 10 else f"{number:z.1f}"


def guess(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """``; did you mean dog?`` for a name that is nearly a known one, ``otherwise`` where it is none."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else otherwise
