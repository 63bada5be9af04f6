"""Mutants of a small source: each is one change that Python reads, in the function that is named."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools import mutants
from tools.mutants import Chosen, Mutant, choose_tests, find_mutants, sample_mutants, table

SOURCE = '''"""Pairs: 1 < 2."""

LIMIT = 3
Number = int | float


class Thing:
    size: int | None = 4

    def first(self, count: int = 5) -> list[int] | None:
        """Return 1."""
        def inner(x: int) -> bool:
            return x < 1 and not x == 2

        if inner(count):
            raise ValueError(f"{count + 1} is too many")
        return -[6.0][count:]


def mask(é, b):
    return é & ~b | (é is None)
'''


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[Mutant]]:
    path = mutants.PACKAGE / "store" / "things.py"
    (tmp_path / path.parent).mkdir(parents=True)
    (tmp_path / path).write_text(SOURCE, encoding="utf-8")
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    return find_mutants(path)


def test_every_place_that_can_be_changed_is_found(found: list[list[Mutant]]) -> None:
    places = {(one[0].kind, one[0].before, one[0].function): [m.after for m in one] for one in found}
    assert places == {
        ("constant", "3", ""): ["(4)", "(2)"],
        ("constant", "4", "Thing"): ["(5)", "(3)"],
        ("constant", "5", "Thing.first"): ["(6)", "(4)"],
        ("connective", "x < 1 and (not x == 2)", "Thing.first"): ["(x < 1 or not x == 2)"],
        ("comparison", "x < 1", "Thing.first"): ["(x <= 1)", "(x > 1)"],
        ("constant", "1", "Thing.first"): ["(2)", "(0)"],
        ("connective", "not x == 2", "Thing.first"): ["(x == 2)"],
        ("comparison", "x == 2", "Thing.first"): ["(x != 2)"],
        ("constant", "2", "Thing.first"): ["(3)", "(1)"],
        ("sign", "-[6.0][count:]", "Thing.first"): ["([6.0][count:])"],
        ("slice bound", "[6.0][count:]", "Thing.first"): ["([6.0][count + 1:])", "([6.0][count - 1:])"],
        ("constant", "6.0", "Thing.first"): ["(12.0)", "(3.0)"],
        ("connective", "é & ~b | (é is None)", "mask"): ["(é & ~b & (é is None))"],
        ("connective", "é & ~b", "mask"): ["(é | ~b)"],
        ("connective", "~b", "mask"): ["(b)"],
        ("comparison", "é is None", "mask"): ["(é is not None)"],
    }


def test_a_mutant_is_the_file_with_one_change(found: list[list[Mutant]]) -> None:
    for mutant in (mutant for ways in found for mutant in ways):
        ast.parse(mutant.source())
        before, after = SOURCE.splitlines(), mutant.source().splitlines()
        changed = [
            line for line, (one, other) in enumerate(zip(before, after, strict=True), 1) if one != other
        ]
        assert changed == [mutant.line]
    (last,) = [mutant for ways in found for mutant in ways if mutant.before == "é is None"]
    assert last.source().splitlines()[-1] == "    return é & ~b | ((é is not None))"


def test_tests_that_enter_the_function_are_chosen_the_quick_ones_first(found: list[list[Mutant]]) -> None:
    tests = {
        "slow": {"seconds": 9.0, "entered": ["store/things.py:mask", "store/things.py:Thing.first"]},
        "quick": {"seconds": 0.1, "entered": ["store/things.py:mask"]},
        "class": {"seconds": 1.0, "entered": ["store/things.py:Thing.__init__"]},
        "other": {"seconds": 0.1, "entered": ["store/other.py:mask"]},
        "defaults": {"seconds": 0.01, "entered": []},
    }
    chosen = {one[0].before: choose_tests(one[0], tests) for one in found}
    assert chosen["~b"] == ["defaults", "quick", "slow"]
    assert chosen["5"] == ["defaults", "slow"]
    # What a class or a file says at import is seen by whatever enters it.
    assert chosen["4"] == ["defaults", "class", "slow"]
    assert chosen["3"] == ["defaults", "quick", "class", "slow"]
    # What no test enters in its own process may be run in another.
    elsewhere = {"far": tests["other"], "defaults": tests["defaults"]}
    assert choose_tests(found[0][0], elsewhere) == ["defaults", "far"]


CONFTEST = """
import pytest, things

@pytest.fixture(scope="session", autouse=True)
def of_all():
    things.every()

@pytest.fixture(scope="session")
def made():
    return things.make()
"""
TESTS = """
import things

def test_first(): things.first()
def test_defaults(): assert things.first.__defaults__ == (5,)
def test_made(made): assert made == 2
def test_made_again(made): assert made == 2
"""


def test_what_the_fixtures_of_a_test_enter_counts_but_for_those_of_all_tests(tmp_path: Path) -> None:
    package = tmp_path / mutants.PACKAGE
    package.mkdir(parents=True)
    (package / "things.py").write_text(
        "def every(): ...\ndef first(count=5): ...\ndef make(): return 1 + 1\n", encoding="utf-8"
    )
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "test_things.py").write_text(TESTS, encoding="utf-8")
    run = (
        "from pathlib import Path; from tools import mutants; mutants.ROOT = Path.cwd(); "
        "mutants._trace_file('test_things.py', Path('kept.json'))"
    )
    path = os.pathsep.join([str(mutants.ROOT), str(package)])
    subprocess.run(
        [sys.executable, "-c", run],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        check=True,
        timeout=60,
    )
    tests = json.loads((tmp_path / "kept.json").read_text(encoding="utf-8"))
    entered = {name.partition("::")[2]: one["entered"] for name, one in tests.items()}
    assert entered == {
        "test_first": ["things.py:first"],
        "test_defaults": [],
        "test_made": ["things.py:make"],
        "test_made_again": ["things.py:make"],
    }


def test_chosen_tests_are_run_in_their_order_and_those_that_a_change_renames_too() -> None:
    """A test is named by its parameter: a number of the source, which is another one now."""
    there = ["a::x", "a::y[3]", "a::y[5]", "a::z[1]", "a::z[2]", "b::x"]
    items = [SimpleNamespace(nodeid=name) for name in there]
    Chosen(["a::z[2]", "b::x", "a::y[2]", "a::x"]).pytest_collection_modifyitems(items)
    assert [item.nodeid for item in items] == ["a::z[2]", "b::x", "a::y[3]", "a::y[5]", "a::x"]


def test_a_sample_is_the_same_for_the_same_seed(found: list[list[Mutant]]) -> None:
    one, again, other = (sample_mutants(["store"], 9, seed) for seed in (1, 1, 2))
    assert [*map(str, one)] == [*map(str, again)] != [*map(str, other)]
    assert len({mutant.span for mutant in one}) > 5
    assert len(sample_mutants(["store"], 99, 0)) == len(found)


def test_the_table_counts_each_room() -> None:
    outcomes = [
        ("store", "noticed"),
        ("analyses", "unnoticed"),
        ("store", "too long"),
        ("store", "not entered"),
    ]
    assert table(outcomes).splitlines()[3:] == [
        "| analyses | 1 | 0 | 0.00 |",
        "| store | 3 | 2 | 0.67 |",
        "| all | 4 | 2 | 0.50 |",
    ]
