"""Imports point one way, there is no cycle, and nothing heavy is imported before it is needed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import objectspace

PACKAGE = Path(objectspace.__file__).parent

# The layers of the house, top to bottom: a room may import the rooms of lower layers, none of its own.
LAYERS = (
    ("__main__",),
    ("cli",),
    ("report",),
    ("explorer",),
    ("jobs", "figures", "export"),
    ("search",),
    ("pipeline", "store", "analyses"),
    ("embeddings",),
    ("models", "scenes"),
    ("objects",),
    ("images",),
    ("neighbors", "files"),
    ("arguments",),
    ("places",),
    ("errors", "threads", "markup", "_version"),
)
LAYER = {room: number for number, rooms in enumerate(LAYERS) for room in rooms}
MODULES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.parent != PACKAGE
)
HEAVY = (
    "torch",
    "torchvision",
    "timm",
    "lance",
    "pyarrow",
    "matplotlib",
    "scipy",
    "sklearn",
    "PIL",
    "numpy",
    "starlette",
    "uvicorn",
    "obstore",
    "ray",
)


def module_name(path: Path) -> str:
    parts = ("objectspace", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {module_name(path) for path in MODULES}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imported(path: Path, *, at_import: bool = False) -> set[str]:
    """The objectspace modules that a file imports: anywhere, or only when it is itself imported."""
    tree = parsed(path)
    nodes = tree.body if at_import else ast.walk(tree)
    names = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("objectspace"):
            submodules = {f"{node.module}.{alias.name}" for alias in node.names} & NAMES
            # `from package import module` needs the module, not what the package gathers from it.
            names |= submodules if len(submodules) == len(node.names) else {node.module, *submodules}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names if alias.name.startswith("objectspace")}
    return names


def room(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_point_down(path: Path) -> None:
    mine = room(module_name(path))
    others = {room(name) for name in imported(path)} - {mine, ""}
    assert not {other for other in others if LAYER[other] <= LAYER[mine]}


def test_every_room_has_its_layer() -> None:
    assert {room(module_name(path)) for path in MODULES} == set(LAYER)


def test_no_import_cycle() -> None:
    names = {module_name(path): path for path in MODULES}
    graph = {name: imported(path, at_import=True) & set(names) - {name} for name, path in names.items()}
    while leaves := {name for name, targets in graph.items() if not targets}:
        graph = {name: targets - leaves for name, targets in graph.items() if name not in leaves}
    assert not graph


def test_private_words_stay_gone() -> None:
    replaced = re.compile(
        r"\b(Tally|Asked|Aftermath|Whereabouts|NOBODY|heal|fells|surest|neighbours?|colours?)\b"
    )
    found = [(module_name(path), replaced.findall(path.read_text(encoding="utf-8"))) for path in MODULES]
    assert [one for one in found if one[1]] == []


def test_no_dataclass_compares_arrays() -> None:
    """The == that a dataclass gets compares its fields; whether two arrays are equal is no yes or no."""
    arrays = ("NDArray", "Tensor", "Pixels", "Float32", "UInt8")
    wrong = []
    for path in MODULES:
        for node in ast.walk(parsed(path)):
            if not isinstance(node, ast.ClassDef):
                continue
            fields = [ast.unparse(line.annotation) for line in node.body if isinstance(line, ast.AnnAssign)]
            made_by = [ast.unparse(decorator) for decorator in node.decorator_list]
            compared = any("dataclass" in maker and "eq=False" not in maker for maker in made_by)
            if compared and any(kind in field for kind in arrays for field in fields):
                wrong.append(f"{module_name(path)}.{node.name}")
    assert wrong == []


def loaded_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.splitlines()[-1].split())


def test_import_objectspace_loads_nothing_heavy() -> None:
    assert not loaded_by("import objectspace") & {*HEAVY, "typer", "rich"}


def test_help_loads_nothing_heavy() -> None:
    assert not loaded_by("import objectspace.cli") & set(HEAVY)


def test_reading_searching_and_looking_need_no_torch() -> None:
    names = ("images", "store", "neighbors", "objects.records", "objects.annotations", "models.catalogue")
    names += ("search.queries.texts", "explorer.app")
    assert "torch" not in loaded_by("; ".join(f"import objectspace.{name}" for name in names))


def test_every_public_name_is_there() -> None:
    assert [name for name in objectspace.__all__ if not hasattr(objectspace, name)] == []


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'serve_all'"):
        objectspace.serve_all  # noqa: B018
