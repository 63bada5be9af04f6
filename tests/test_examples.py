"""The examples in docstrings run, and print what they say."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import objectspace

PACKAGE = Path(objectspace.__file__).parent
WITH_EXAMPLES = [path for path in sorted(PACKAGE.rglob("*.py")) if ">>> " in path.read_text()]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_examples_print_what_they_say(path: Path) -> None:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    name = ".".join(("objectspace", *parts)).removesuffix(".__init__")
    failed, tried = doctest.testmod(import_module(name))
    assert (failed, tried > 0) == (0, True)
