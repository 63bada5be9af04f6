"""The pages' commands run, and print what they show, but for numbers and names that vary."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.pages.outputs import make_demo, run_command, run_in, run_page

ROOT = Path(__file__).parents[3]
PAGES = [
    ROOT / "docs" / "start.md",
    ROOT / "docs" / "gallery.md",
    *sorted((ROOT / "docs" / "how-to").glob("*.md")),
]

#: In bfloat16 and float32 vectors differ in the third digit: equally near neighbors may change places.
VARYING = r"[0-9a-f]{32}|-?\d[\d.,]*|bfloat16|float32|above|below"
KINDS = r"person|chair|couch|potted plant|cat|dog|airplane|apple"


def masked(text: str) -> list[str]:
    """Lines without what may vary."""
    without = re.sub(rf"(?:{VARYING}|\b(?:{KINDS})\b)", "*", text)
    return [re.sub(r"[ *-]+", " ", line).strip() for line in without.splitlines()]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages start from."""
    return make_demo(tmp_path_factory.mktemp("pages"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if "```console" in page.read_text()], ids=lambda page: page.stem
)
def test_a_page_prints_what_it_shows(
    page: Path, demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The figures of planted objects vary in any case, and a fifth of the objects give as many of them.
    monkeypatch.setattr("objectspace.search.audit.OBJECTS", 40)
    assert masked(run_in(demo, tmp_path / "run", page)) == masked(page.read_text())


def test_outputs_are_written_below_commands_and_code() -> None:
    page = """Text.

```console
$ objectspace --version
old
$ objectspace models --json | head -1
```

```python
total = 1 + 2
print(total)
```

```text
old
```

```python
print("not shown")
```

    objectspace nothing --here
"""
    ran = run_page(page)

    assert re.search(
        r"^\$ objectspace --version\nobjectspace \d+\.\d+\.\d+\n\$ objectspace models", ran, re.MULTILINE
    )
    assert "```text\n3\n```" in ran
    assert ran.count("not shown") == 1
    assert ran.endswith("    objectspace nothing --here\n")


def test_a_command_that_fails_is_named() -> None:
    with pytest.raises(RuntimeError, match=r"objectspace info nowhere\.osp: objectspace: "):
        run_command(["info", "nowhere.osp"])
