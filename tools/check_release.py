"""Check that version, changelog, citation, pins and docs are of one release; exit 1 with what is not.

python tools/check_release.py
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def problems(root: Path) -> list[str]:
    """Return one sentence for each thing in a checkout that does not fit the others."""
    return [*_version_problems(root), *_dependency_problems(root)]


def _version_problems(root: Path) -> list[str]:
    """Return where another version is named than the package's."""
    version = _search(r'__version__ = "(.*)"', root / "src" / "objectspace" / "_version.py")
    cited = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))["version"]
    logged = _search(r"^## (\S+)", root / "CHANGELOG.md")
    named = {"CITATION.cff": cited, "CHANGELOG.md, its first heading,": logged}
    pages = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
    for page in pages:
        for other in re.findall(r"\bobjectspace[ =]+(\d+\.\d+\.\d+)\b", page.read_text(encoding="utf-8")):
            named[str(page.relative_to(root))] = other
    return [
        f"{place} has version {other}, the package {version}"
        for place, other in named.items()
        if other != version
    ]


def _dependency_problems(root: Path) -> list[str]:
    """Return the required packages that have no pin, a pin out of their range, or no line in the docs."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    required = [Requirement(line) for lines in (project["dependencies"], *extras) for line in lines]
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {canonicalize_name(name): pin for name, _, pin in (line.partition("==") for line in lines) if pin}
    told = (root / "docs" / "dependencies.md").read_text(encoding="utf-8").lower()
    found: list[str] = []
    for one in required:
        pin = pins.get(canonicalize_name(one.name))
        if pin is None:
            found.append(f"{one.name} is in pyproject.toml and has no pin in constraints.txt")
        elif not one.specifier.contains(pin, prereleases=True):
            found.append(f"constraints.txt pins {one.name} to {pin}, pyproject.toml wants {one.specifier}")
        if one.name.lower() not in told:
            found.append(f"{one.name} is in pyproject.toml and not in docs/dependencies.md")
    return sorted(set(found))


def _search(pattern: str, path: Path) -> str:
    found = re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise SystemExit(f"{path} has no line like {pattern}")
    return found[1]


if __name__ == "__main__":
    wrong = problems(ROOT)
    print("\n".join(wrong) or "version, changelog, citation, pins and documentation agree")
    sys.exit(bool(wrong))
