"""Sidecars: small JSON files beside the tables, which are no part of a commit.

A sidecar appears whole or not at all, needs no writer and no lock, and says in ``format`` what it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from objectspace.errors import StoreError
from objectspace.files import atomic_path, json_text, open_regular
from objectspace.places import Place


def read_sidecar(path: Place, format_name: str) -> dict[str, Any] | None:
    """Return what a sidecar holds; None where there is none. Raises StoreError for a damaged one."""
    try:
        with open_regular(path) as stream:
            value = json.load(stream)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        raise damaged_sidecar(path, "it is not JSON") from None
    if not isinstance(value, dict) or value.get("format") != format_name:
        raise damaged_sidecar(path, f'it does not say "format": "{format_name}"')
    return value


def write_sidecar(path: Place, document: Mapping[str, Any], whose: str) -> None:
    """Write a sidecar; one that is there is replaced. ``whose``: what an error calls it."""
    with atomic_path(path) as temporary:
        temporary.write_text(json_text(document, whose, ensure_ascii=False, indent=1), "utf-8")


def damaged_sidecar(path: Place, what: str) -> StoreError:
    """Return the error of a sidecar that is not as it was written."""
    return StoreError(f"{path} is damaged: {what}; remove it and make it again")
