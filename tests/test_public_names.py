"""The stub is the one list of public names: what it names is there, and is all that a user meets."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import objectspace as osp
from objectspace import errors
from objectspace.store import reader

STUB = Path(osp.__file__).with_suffix(".pyi")

#: What reads rows of a store, anew at each call, and is therefore called though it takes no argument.
READS = {
    "Store": {"failures", "image_rows", "image_wh", "images", "indexed", "info", "objects", "space"},
    "Writer": {"failures", "finished", "fragments", "paths"},
}
#: How the name of every other method begins that takes no argument.
VERBS = ("to_", "iter_", "read", "load", "finish", "close", "check", "connect")

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


def members(wanted: type) -> list[tuple[str, str, Any]]:
    """Return the public properties (``wanted``) or plain functions of public classes: class, name, member."""
    kinds = [(name, kind) for name in osp.__all__ if inspect.isclass(kind := getattr(osp, name))]
    return [
        (name, member, value)
        for name, kind in kinds
        if kind.__module__.startswith("objectspace") and not issubclass(kind, Exception)
        for member in dir(kind)
        if not member.startswith("_") and isinstance(value := inspect.getattr_static(kind, member), wanted)
    ]


def arguments(method: Any) -> list[inspect.Parameter]:
    return list(inspect.signature(method).parameters.values())[1:]


def test_what_takes_no_argument_is_an_attribute_a_verb_or_read() -> None:
    called = {
        (kind, name)
        for kind, name, function in members(FunctionType)
        if all(
            one.default is not one.empty for one in list(inspect.signature(function).parameters.values())[1:]
        )
    }
    read = {(kind, name) for kind, names in READS.items() for name in names}
    assert read < called
    assert not [(kind, name) for kind, name in called - read if not name.startswith(VERBS)]


def test_no_attribute_is_a_verb() -> None:
    assert len(properties := members(property)) > 20
    assert not [f"{kind}.{name}" for kind, name, _ in properties if name.startswith((*VERBS, "is_", "get_"))]


def test_attributes_of_a_store_read_no_rows(world, tmp_path, monkeypatch) -> None:
    encoder = osp.EncoderSpec("test_vit", world.encoder_weights)
    osp.index(world.photos, tmp_path / "s.osp", encoder=encoder, annotations=world.labels)
    store = osp.open_store(tmp_path / "s.osp")

    def read(*_: Any, **__: Any) -> Any:
        raise AssertionError("rows were read")

    for name in ("read_rows", "read_batches", "find_rows", "take_rows"):
        monkeypatch.setattr(reader, name, read)
    names = [name for kind, name, _ in members(property) if kind == "Store"]
    assert "space_names" in names
    for name in names:
        getattr(store, name)
    for name in READS["Store"] - {"failures"}:  # there are none, and so no table of them
        with pytest.raises(AssertionError, match="rows were read"):
            getattr(store, name)()
