"""The tutorial on drawn pictures runs from beginning to end, and finds what was hidden in it."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("nbclient")

import nbformat

from tools.pages.notebooks import run_notebook

EXAMPLES = Path(__file__).parents[3] / "examples"


def texts(notebook: nbformat.NotebookNode) -> list[str]:
    """What each cell prints; a kernel hands it over in as many pieces as it likes."""
    pieces = [[one.text for one in cell.get("outputs", []) if "text" in one] for cell in notebook.cells]
    return ["".join(texts) for texts in pieces if texts]


def pictures(notebook: nbformat.NotebookNode) -> int:
    """How many pictures the cells show."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.slow
def test_the_tutorial_finds_what_was_hidden_in_it(tmp_path: Path) -> None:
    ran = run_notebook(EXAMPLES / "tutorial.ipynb", tmp_path)

    committed = nbformat.read(EXAMPLES / "tutorial.ipynb", as_version=4)
    assert len(texts(ran)) == len(texts(committed)) > 0
    assert pictures(ran) == pictures(committed) == 3
    (found,) = (text for text in texts(ran) if "most suspicious" in text)
    suspect = found.split("at ")[-1].split(" - ")[0]
    swapped = found.split("swapped: ")[-1]
    left, top = (float(value) for value in suspect.strip("[]\n").split(", ")[:2])
    assert [left, top] == pytest.approx([float(v) for v in swapped.strip("[]\n").split(", ")[:2]], abs=1)


def test_no_picture_of_a_real_photo_is_committed() -> None:
    assert pictures(nbformat.read(EXAMPLES / "tutorial-photos.ipynb", as_version=4)) == 0
