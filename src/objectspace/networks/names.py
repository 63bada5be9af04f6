"""Names of networks."""

from __future__ import annotations

import re


def safe_name(text: str, *, otherwise: str) -> str:
    """A network's name as it may stand in that of a space.

    What is no ASCII letter, digit, dot, dash or underscore becomes a dash. ``otherwise`` is the name where
    nothing is left.
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-") or otherwise
