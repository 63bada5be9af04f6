"""Names made from content: of files, of bytes and of recipes. Everything here is sha256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def content_id(data: bytes) -> str:
    """32 hex digits that name these bytes: the id of an image is that of its file."""
    return hashlib.sha256(data).hexdigest()[:32]


def file_sha256(path: Path) -> str:
    """The 64 hex digits of a file's sha256, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def recipe_digest(recipe: Mapping[str, Any]) -> str:
    """Twelve hex digits that name a JSON value, whatever the order of its keys."""
    text = json.dumps(recipe, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
