"""The examples in the docstrings of the analyses and claims run and print what they show."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import objectspace

PACKAGE = Path(objectspace.__file__).parent
MODULES = [
    path
    for folder in ("analyses", "report/claims")
    for path in sorted((PACKAGE / folder).glob("*.py"))
    if ">>> " in path.read_text()
]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_examples(path: Path) -> None:
    name = ".".join(("objectspace", *path.relative_to(PACKAGE).with_suffix("").parts))
    assert doctest.testmod(import_module(name)).failed == 0
