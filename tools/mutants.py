"""Change the source at random, one place at a time, and count how often the tests notice.

python tools/mutants.py --room analyses --room store --sample 60 --seed 1

A mutant is one comparison, sign, constant, connective or slice bound, changed. The tests of the same room run
on it until the first fails: those that enter the function of the change and those that enter none, or all
where none does, the quick ones first. Which test enters what is found once, by a traced run that also must
pass, and kept in build/mutants for as long as the file of the test stays as it is. Nothing in the working
tree is changed: mutants live in a copy.
"""

from __future__ import annotations

import argparse
import ast
import copy
import hashlib
import importlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

ROOMS = (
    "analyses",
    "neighbors",
    "store",
    "objects",
    "embeddings",
    "search",
    "models",
    "pipeline",
    "report",
    "export",
    "images",
)
ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path("src") / "objectspace"
CACHE = ROOT / "build" / "mutants"
#: Imported once, before a process is forked for each mutant; never the package itself.
HEAVY = (
    "hypothesis",
    "lance",
    "matplotlib.pyplot",
    "openTSNE",
    "pycocotools.mask",
    "scipy.stats",
    "timm",
    "torchvision",
)
PYTEST = ["-q", "-x", "-n", "0", "-p", "no:cacheprovider"]

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
SIGNS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Add,
    ast.Pow: ast.Mult,
}
CONNECTIVES: dict[type[ast.operator], type[ast.operator]] = {ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd}


# -------------------------------------------------------------------------------------------------- mutants


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: where, the kind, the text before and after.

    function: the qualified name of the function, or of the class, or "" at the top of the file
    inside: is it in a function
    """

    path: Path
    line: int
    function: str
    inside: bool
    kind: str
    before: str
    after: str
    span: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.kind}: {self.before} → {self.after}"

    def source(self) -> str:
        """Return the whole file with this change."""
        text = (ROOT / self.path).read_bytes()
        return (text[: self.span[0]] + self.after.encode() + text[self.span[1] :]).decode()


def find_mutants(path: Path) -> list[list[Mutant]]:
    """Return for each place of a file that can be changed the mutants of it."""
    text = (ROOT / path).read_text()
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line.encode()) + 1)
    places = []
    for node, function, inside in _walk(ast.parse(text)):
        end_line, end_column = node.end_lineno or 0, node.end_col_offset or 0
        span = starts[node.lineno - 1] + node.col_offset, starts[end_line - 1] + end_column
        before = " ".join(ast.unparse(node).split())
        places += [
            [
                Mutant(path, node.lineno, function, inside, kind, before, f"({ast.unparse(changed)})", span)
                for changed in ways
            ]
            for kind, ways in _changes(node)
        ]
    return places


def _walk(node: ast.AST, function: str = "", *, inside: bool = False) -> Iterator[tuple[Any, str, bool]]:
    """Yield the expressions of a tree with the function or class that they are in; no types, no messages."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.expr):
                yield child, function, inside
            if isinstance(child, ast.FunctionDef | ast.ClassDef) and not inside:
                scope = f"{function}.{child.name}" if function else child.name
                yield from _walk(child, scope, inside=isinstance(child, ast.FunctionDef))
            elif isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr):
                yield from _walk(child, function, inside=inside)


def _changes(node: ast.expr) -> Iterator[tuple[str, list[ast.expr]]]:
    """Yield the kind and the mutants of each change that an expression allows."""
    match node:
        case ast.Compare():
            for place, operator in enumerate(node.ops):
                swaps = [swap() for swap in COMPARISONS[type(operator)]]
                yield "comparison", [_with(node, "ops", place, swap) for swap in swaps]
        case ast.BinOp(op=operator) if type(operator) in SIGNS:
            yield "sign", [_but(node, op=SIGNS[type(operator)]())]
        case ast.BinOp(op=operator) if type(operator) in CONNECTIVES and not _is_type(node):
            yield "connective", [_but(node, op=CONNECTIVES[type(operator)]())]
        case ast.UnaryOp(op=ast.USub()):
            yield "sign", [node.operand]
        case ast.UnaryOp(op=ast.Not() | ast.Invert()):
            yield "connective", [node.operand]
        case ast.BoolOp(op=operator):
            yield "connective", [_but(node, op=ast.And() if isinstance(operator, ast.Or) else ast.Or())]
        case ast.Constant(value=bool(value)):
            yield "constant", [ast.Constant(not value)]
        case ast.Constant(value=int(value)):
            yield "constant", [ast.Constant(value + 1), ast.Constant(value - 1)]
        case ast.Constant(value=float(value)):
            yield (
                "constant",
                [ast.Constant(value * 2 if value else 1.0), ast.Constant(value / 2 - (not value))],
            )
        case ast.Subscript(slice=ast.Slice() as bounds):
            for name in ("lower", "upper"):
                if (bound := getattr(bounds, name)) is not None:
                    moved = [ast.BinOp(bound, sign, ast.Constant(1)) for sign in (ast.Add(), ast.Sub())]
                    yield "slice bound", [_but(node, slice=_but(bounds, **{name: m})) for m in moved]


def _but(node: Any, **fields: Any) -> Any:
    """Return a copy of a node with other fields."""
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def _with(node: Any, name: str, place: int, value: Any) -> Any:
    """Return a copy of a node with another value at a place of one of its lists."""
    values = [*getattr(node, name)]
    values[place] = value
    return _but(node, **{name: values})


def _is_type(node: ast.BinOp) -> bool:
    """Return whether ``a | b`` is a type (``str | None``, ``Path | Other``), not numbers or flags."""
    names = [side.id for side in (node.left, node.right) if isinstance(side, ast.Name)]
    nothing = [side for side in (node.left, node.right) if isinstance(side, ast.Constant)]
    builtin = ("str", "int", "float", "bytes", "list", "dict")
    return bool(nothing) or any(name in builtin or name.istitle() for name in names)


# --------------------------------------------------------------------------------- which test enters what


class Tracer:
    """A plugin of pytest that notes which functions of the package each test and its fixtures enter."""

    def __init__(self, package: Path) -> None:
        self.package = str(package)
        self.entered: set[str] = set()
        self.by_fixture: dict[int, set[str]] = defaultdict(set)
        self.tests: dict[str, dict[str, Any]] = {}

    def _trace(self, frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if code.co_filename.startswith(self.package):
            name = code.co_qualname.split(".<locals>")[0]
            self.entered.add(f"{code.co_filename[len(self.package) + 1 :]}:{name}")

    def pytest_sessionstart(self) -> None:
        """Trace calls from here on, in every thread."""
        threading.settrace(self._trace)
        sys.settrace(self._trace)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Any:
        """Keep what a fixture enters for every test that uses it, unless all do: it tells none apart."""
        before, self.entered = self.entered, set()
        try:
            return (yield)
        finally:
            if not (fixturedef.scope == "session" and fixturedef._autouse):
                self.by_fixture[id(fixturedef)] |= self.entered
                before |= self.entered
            self.entered = before

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Any:
        """Keep what a test enters, and how long the processor worked for it."""
        self.entered, start = set(), time.process_time()
        try:
            return (yield)
        finally:
            used = item._fixtureinfo.name2fixturedefs.values()
            fixtures = [self.by_fixture[id(fixture)] for all_of_name in used for fixture in all_of_name]
            entered = sorted(self.entered.union(*fixtures))
            self.tests[item.nodeid] = {"seconds": time.process_time() - start, "entered": entered}


class Chosen:
    """A plugin of pytest that runs the chosen tests alone, in the given order.

    Of a chosen test that is not there all of the function are run: it is named by its parameters, of which a
    change of the source may make others.
    """

    def __init__(self, order: Sequence[str]) -> None:
        self.order = {test: place for place, test in enumerate(order)}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Drop all other tests."""
        missing = self.order.keys() - {item.nodeid for item in items}
        again = {test.partition("[")[0]: self.order[test] for test in missing}
        places = [self.order.get(item.nodeid, again.get(item.nodeid.partition("[")[0])) for item in items]
        chosen = [(place, item) for place, item in zip(places, items, strict=True) if place is not None]
        items[:] = [item for _, item in sorted(chosen, key=lambda one: one[0])]


def trace_room(room: str) -> dict[str, dict[str, Any]]:
    """Return for each test of a room its processor time and the functions that it enters."""
    tests: dict[str, dict[str, Any]] = {}
    for path in sorted((ROOT / "tests" / room).rglob("test_*.py")):
        name = str(path.relative_to(ROOT))
        key = hashlib.sha256(name.encode() + path.read_bytes()).hexdigest()[:16]
        kept = CACHE / f"{room}-{path.stem}-{key}.json"
        if not kept.exists():
            code = _in_child(partial(_trace_file, name, kept), ROOT / "src", limit=3600)
            if code:
                sys.exit(f"{name} must pass before its room is changed; pytest ended with {code}")
        tests |= json.loads(kept.read_text())
    return tests


def _trace_file(name: str, kept: Path) -> int:
    tracer = Tracer(ROOT / PACKAGE)
    code = int(pytest.main([*PYTEST, name], plugins=[tracer]))
    sys.settrace(None)
    if not code:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(tracer.tests))
    return code


def choose_tests(mutant: Mutant, tests: dict[str, dict[str, Any]]) -> list[str]:
    """Return the tests that enter the function of a mutant, the quick ones first.

    With them come the tests that enter no function: they look at what importing made, such as the defaults
    of arguments, or run code in a process of its own.
    """
    name = f"{mutant.path.relative_to(PACKAGE)}:{mutant.function}"

    def enters(entered: list[str]) -> bool:
        # What runs at import is seen by whatever enters the class or the file.
        return name in entered if mutant.inside else any(one.startswith(name) for one in entered)

    chosen = {test for test, one in tests.items() if enters(one["entered"])}
    others = {test for test, one in tests.items() if not one["entered"]}
    # Where none does, one that enters some other function may in a process of its own.
    return sorted(chosen | others if chosen else tests, key=lambda test: tests[test]["seconds"])


# --------------------------------------------------------------------------------------------------- running


def _in_child(work: Callable[[], int], source: Path, *, limit: float) -> int:
    """Run work in a forked process that imports the package from ``source``; its exit code, 124 beyond limit.

    limit: seconds of the processor; ten times as many may pass on the clock
    """
    child = os.fork()
    if not child:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit) + 5))
        os.environ["PYTHONPATH"] = str(source)
        sys.path.insert(0, str(source))
        sys.dont_write_bytecode = True
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        os._exit(work())
    end = time.monotonic() + 10 * limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return 124 if code == -signal.SIGXCPU else code
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 124


def run_mutant(mutant: Mutant, tests: Sequence[str], source: Path, *, limit: float) -> str:
    """Return "noticed", "unnoticed" or "too long"."""
    changed = source.parent / mutant.path
    original = changed.read_bytes()
    changed.write_text(mutant.source())
    try:
        code = _in_child(partial(_run_tests, tests), source, limit=limit)
    finally:
        changed.write_bytes(original)
    return {0: "unnoticed", 124: "too long"}.get(code, "noticed")


def _run_tests(tests: Sequence[str]) -> int:
    files = sorted({test.split("::")[0] for test in tests})
    return int(pytest.main([*PYTEST, *files], plugins=[Chosen(tests)]))


def sample_mutants(rooms: Sequence[str], size: int, seed: int) -> list[Mutant]:
    """Return mutants of different places, each place equally likely."""
    paths = [path for room in rooms for path in sorted((ROOT / PACKAGE / room).rglob("*.py"))]
    places = [place for path in paths for place in find_mutants(path.relative_to(ROOT))]
    rng = random.Random(seed)
    return [rng.choice(ways) for ways in rng.sample(places, min(size, len(places)))]


def main() -> None:
    """Draw the sample, run the tests on each mutant, print a line each and a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--room", action="append", choices=ROOMS, help="may be given again; default: all")
    parser.add_argument("--sample", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rooms = options.room or ROOMS
    os.chdir(ROOT)
    os.environ["OMP_NUM_THREADS"] = "1"
    # As tests/conftest.py does, too late: when triton is imported, kernels are made for a GPU or for none.
    os.environ["CUDA_VISIBLE_DEVICES"], os.environ["TRITON_INTERPRET"] = "", "1"
    for module in HEAVY:
        importlib.import_module(module)
    tests = {room: trace_room(room) for room in rooms}
    outcomes: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "src"
        shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
        for mutant in sample_mutants(rooms, options.sample, options.seed):
            room = mutant.path.relative_to(PACKAGE).parts[0]
            chosen = choose_tests(mutant, tests[room])
            # Traced they took longer than now; what takes twice as long and a minute has no end.
            limit = 60 + 2 * sum(tests[room][test]["seconds"] for test in chosen)
            outcome = run_mutant(mutant, chosen, source, limit=limit)
            outcomes.append((room, outcome))
            print(outcome, mutant, sep="\t", flush=True)
    print(table(outcomes))


def table(outcomes: Sequence[tuple[str, str]]) -> str:
    """Return, for each room and all, the mutants and how many were noticed (too long counts)."""
    rooms: Mapping[str, list[bool]] = defaultdict(list)
    for room, outcome in outcomes:
        for row in (room, "all"):
            rooms[row].append(outcome in ("noticed", "too long"))
    lines = ["| room | mutants | noticed | share |", "| --- | --- | --- | --- |"]
    for row in (*(room for room in ROOMS if room in rooms), "all"):
        noticed = rooms[row]
        lines.append(f"| {row} | {len(noticed)} | {sum(noticed)} | {sum(noticed) / len(noticed):.2f} |")
    return "\n".join(["", *lines])


if __name__ == "__main__":
    main()
