"""Notebooks: run one, write its outputs into it, and turn it into a page of the site.

python tools/pages/notebooks.py examples/tutorial.ipynb                    # commit what it wrote
python tools/pages/notebooks.py examples/tutorial-photos.ipynb --no-pictures
"""

from __future__ import annotations

import argparse
import base64
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

SECONDS = 600  # for one cell, on a busy machine


def run_notebook(source: Path, folder: Path | None = None) -> nbformat.NotebookNode:
    """Return a notebook as it runs in a folder, a new one if none is given."""
    notebook = nbformat.read(source, as_version=4)
    with tempfile.TemporaryDirectory() as scratch:
        where = {"metadata": {"path": str(folder or scratch)}}
        NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources=where).execute()
    return cleaned(notebook)


def cleaned(notebook: nbformat.NotebookNode, pictures: bool = True) -> nbformat.NotebookNode:
    """Return a notebook without times, machine and progress, and if asked without pictures."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata = {}
        if cell.cell_type == "code":
            kept = [output for output in cell.outputs if output.get("name") != "stderr"]
            cell.outputs = [o for o in kept if pictures or "image/png" not in o.get("data", {})]
    return notebook


def write_page(notebook: nbformat.NotebookNode, page: Path) -> None:
    """Write a notebook as a Markdown page, its pictures beside it."""
    parts: list[str] = []
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            parts.append(cell.source.replace("](../docs/", "]("))
            continue
        parts.append(f"```python\n{cell.source}\n```")
        parts += [_shown(output, page.with_name(f"{page.stem}-{number}.png")) for output in cell.outputs]
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _shown(output: nbformat.NotebookNode, picture: Path) -> str:
    """Return one output as Markdown; a picture is written to its file."""
    data = output.get("data", {})
    if "image/png" in data:
        picture.write_bytes(base64.b64decode(data["image/png"]))
        return f"![what the cell above draws]({picture.name})"
    text = output.get("text") or data.get("text/plain", "")
    return f"```text\n{text.rstrip()}\n```"


def main() -> None:
    """Run one notebook and write it back."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--no-pictures", action="store_true", help="write no picture into it")
    arguments = parser.parse_args()
    notebook = run_notebook(arguments.notebook)
    nbformat.write(cleaned(notebook, pictures=not arguments.no_pictures), arguments.notebook)


if __name__ == "__main__":
    main()
