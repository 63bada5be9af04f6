"""Build the site: gather its pages in build/docs, then write build/site; ``make docs`` runs it.

Pages are those of docs/, the notebooks of examples/ as they run now, one that is made from the command line's
help, and one for each room's public names. Every warning of the generator ends the build.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

from tools.pages.commands import commands_page
from tools.pages.notebooks import run_notebook, write_page
from tools.pages.reference import reference_pages

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "build" / "docs"
NOTEBOOKS = {"tutorial.ipynb": True, "tutorial-photos.ipynb": False}  # whether it runs without real photos


def gather(pages: Path, execute: bool) -> None:
    """Write every page of the site into a folder, which is emptied first."""
    shutil.rmtree(pages, ignore_errors=True)
    shutil.copytree(ROOT / "docs", pages)
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        (pages / name.lower()).write_text(re.sub(r"\]\(docs/", "](", text), encoding="utf-8")
    (pages / "commands.md").write_text(commands_page(), encoding="utf-8")
    for name, text in reference_pages().items():
        (pages / "reference").mkdir(exist_ok=True)
        (pages / "reference" / name).write_text(text, encoding="utf-8")
    for name, alone in NOTEBOOKS.items():
        source = ROOT / "examples" / name
        run = run_notebook(source) if execute and alone else nbformat.read(source, as_version=4)
        write_page(run, pages / source.with_suffix(".md").name)
    for page in pages.rglob("*.md"):
        # Links to pages that the site renames or makes itself.
        text = re.sub(
            r"\]\((?:\.\./)+CONTRIBUTING\.md", "](contributing.md", page.read_text(encoding="utf-8")
        )
        page.write_text(text, encoding="utf-8")


def main() -> None:
    """Gather and build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-run", action="store_true", help="show the notebooks' committed outputs")
    gather(PAGES, execute=not parser.parse_args().no_run)
    zensical = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    sys.exit(subprocess.run(zensical, cwd=ROOT, check=False).returncode)


if __name__ == "__main__":
    main()
