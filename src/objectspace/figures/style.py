"""The style of all figures, and writing them to files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from objectspace.errors import InputError
from objectspace.files import atomic_path, check_writable

#: Colors that are distinct for color-blind readers and in print (Okabe and Ito, 2008).
BLUE = "#0072B2"
ORANGE = "#D55E00"
GRAY = "#6E6E6E"

#: Text stays text in PDF and SVG, so that a figure can be searched and edited.
FILE_STYLE: Any = {"pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none"}
SUFFIXES = (".png", ".pdf", ".svg")
DOTS_PER_INCH = 320


def check_figure_path(path: Path) -> Path:
    """Return the path if a figure can be written there. Called before the work, so that a typo costs none.

    Raises InputError for a suffix that is none of png, pdf and svg, for a path that is itself a folder, and
    where nothing can be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"{path}: a figure is written as {', '.join(SUFFIXES)}; give a name that ends in one"
        )
    check_writable(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the figure another name")
    return path


def write_figure(figure: Figure, path: Path) -> None:
    """Write the figure in the form that the path's suffix names; the file appears whole or not at all.

    A figure that is there is replaced, and missing folders are made. Raises InputError where it cannot be
    written, and as :func:`check_figure_path` does.

    >>> from matplotlib.figure import Figure
    >>> osp.write_figure(Figure(), Path("figures/empty.pdf"))
    >>> Path("figures/empty.pdf").exists()
    True
    """
    check_figure_path(path)
    with atomic_path(path, replace=True) as temporary, matplotlib.rc_context(FILE_STYLE):
        figure.savefig(temporary, dpi=DOTS_PER_INCH, facecolor="white")
