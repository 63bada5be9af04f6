"""The stub is the one list of public names: what it names is there, and is all that a user meets."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import objectspace as osp
from objectspace import errors

STUB = Path(osp.__file__).with_suffix(".pyi")

#: Classes whose methods a user calls; what those return is public as what functions take and return is.
HANDLES = ("Store", "SpaceSearch", "ExactIndex", "StreamedIndex")


def test_the_stub_names_each_public_name_once() -> None:
    imports = ast.parse(STUB.read_text()).body
    names = []
    for node in imports:
        assert isinstance(node, ast.ImportFrom)
        (alias,) = node.names
        assert alias.name == alias.asname  # what a type checker takes for a public name
        assert getattr(osp, alias.name) is getattr(import_module(str(node.module)), alias.name)
        names.append(alias.name)
    assert sorted(names) == osp.__all__ == dir(osp)
    assert len(set(names)) == len(names)


def test_a_name_spelled_alike_is_suggested() -> None:
    code = "import objectspace; objectspace.open_stor"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "no attribute 'open_stor'. Did you mean: 'open_store'?" in run.stderr


def test_every_error_is_public() -> None:
    raised = {name for name, value in vars(errors).items() if inspect.isclass(value) and name[-5:] == "Error"}
    assert raised <= set(osp.__all__)


def annotations() -> list[tuple[Any, str, str]]:
    """Each public function and method, with where it is and its annotations as text."""
    found = []
    for name in osp.__all__:
        value = getattr(osp, name)
        if inspect.isfunction(value):
            found.append((value, name, " ".join(map(str, value.__annotations__.values()))))
    for name in HANDLES:
        for method, value in vars(getattr(osp, name)).items():
            function = value.fget if isinstance(value, property) else value
            if inspect.isfunction(function) and not method.startswith("_"):
                found.append((function, f"{name}.{method}", str(function.__annotations__["return"])))
    return found


@pytest.mark.parametrize(
    ("function", "text"), [pytest.param(value, text, id=name) for value, name, text in annotations()]
)
def test_types_that_a_function_takes_and_returns_are_public(function: Any, text: str) -> None:
    module = sys.modules[function.__module__]
    words = set(re.findall(r"\b[A-Z]\w+", text))
    ours = {
        word
        for word in words
        if inspect.isclass(kind := vars(module).get(word)) and kind.__module__.startswith("objectspace")
    }
    assert ours <= set(osp.__all__)
