"""The release fits together; and what does not is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tools.check_release import problems

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what is checked."""
    for name in ("README.md", "CITATION.cff", "CHANGELOG.md", "pyproject.toml", "constraints.txt", "docs"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    (tmp_path / "src" / "objectspace").mkdir(parents=True)
    shutil.copy(ROOT / "src" / "objectspace" / "_version.py", tmp_path / "src" / "objectspace")
    return tmp_path


def test_this_checkout_fits_together() -> None:
    assert problems(ROOT) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        ("CITATION.cff", "\nversion: ", "\nversion: 9.", "CITATION.cff has version 9."),
        (
            "CHANGELOG.md",
            "## ",
            "## 7.0.0 (soon)\n\n## ",
            "CHANGELOG.md, its first heading, has version 7.0.0",
        ),
        ("docs/index.md", "#", "objectspace 9.9.9 #", "docs/index.md has version 9.9.9"),
        ("constraints.txt", "\nfilelock==", "\nfilelock==0.", "constraints.txt pins filelock to 0."),
        ("constraints.txt", "\nscipy==", "\n#", "scipy is in pyproject.toml and has no pin"),
        ("pyproject.toml", '"scipy>=', '"nothing-of-ours>=1",\n    "scipy>=', "not in docs/dependencies.md"),
    ],
)
def test_what_does_not_fit_is_named(checkout: Path, file: str, old: str, new: str, sentence: str) -> None:
    path = checkout / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))

    assert any(sentence in problem for problem in problems(checkout))
