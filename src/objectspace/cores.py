"""The cores of this machine."""

from __future__ import annotations

import os


def core_count() -> int:
    """Cores that this process may use; where the system does not say (macOS, Windows), all of them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
