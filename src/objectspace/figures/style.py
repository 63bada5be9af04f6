"""The style of all figures, and writing them to files."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text

from objectspace.arguments import typed
from objectspace.errors import InputError
from objectspace.files import atomic_path, check_writable

logger = logging.getLogger("objectspace")

#: Colors that are distinct for color-blind readers and in print (Okabe and Ito, 2008).
BLUE = "#0072B2"
ORANGE = "#D55E00"
GRAY = "#6E6E6E"

#: Text stays text in PDF and SVG, so that a figure can be searched and edited.
FILE_STYLE: Any = {"pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none"}
#: Fonts of many signs, of the systems that have them, for labels that the figures' own font cannot write.
_FALLBACKS = (
    *(
        "Noto Sans CJK SC",
        "Noto Sans CJK JP",
        "Source Han Sans SC",
        "WenQuanYi Zen Hei",
        "WenQuanYi Micro Hei",
    ),
    *("Microsoft YaHei", "SimHei", "Yu Gothic", "Malgun Gothic", "PingFang SC", "Hiragino Sans GB"),
    *("Arial Unicode MS", "Droid Sans Fallback", "Noto Sans Devanagari", "Noto Sans Thai", "Noto Sans"),
)
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
    return path


@typed
def write_figure(figure: Figure, path: Path | str) -> None:
    """Write the figure in the form that the path's suffix names; the file appears whole or not at all.

    A figure that is there is replaced, and missing folders are made. Raises InputError where it cannot be
    written, and as :func:`check_figure_path` does.

    >>> from matplotlib.figure import Figure
    >>> osp.write_figure(Figure(), "figures/empty.pdf")
    >>> Path("figures/empty.pdf").exists()
    True
    """
    path = Path(path)
    check_figure_path(path)
    missing = _add_fonts(figure)
    with (
        atomic_path(path) as temporary,
        matplotlib.rc_context(FILE_STYLE),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(temporary, dpi=DOTS_PER_INCH, facecolor="white")
    if missing:
        logger.warning(
            "%s: no installed font has the signs %s, boxes stand for them; install one that has, such as "
            "Noto Sans CJK",
            path,
            " ".join(missing[:8]),
        )


def _add_fonts(figure: Figure) -> list[str]:
    """Let texts fall back on installed fonts for signs that theirs lacks; return those that no font has."""
    texts = figure.findobj(Text)
    missing = {sign for text in texts for sign in text.get_text() if not sign.isspace()}
    used: list[str] = []
    for family in (*matplotlib.rcParams["font.sans-serif"][:1], *_FALLBACKS):
        try:
            path = font_manager.findfont(family, fallback_to_default=False)
        except ValueError:  # it is not installed
            continue
        known = {sign for sign in missing if ord(sign) in font_manager.get_font(path).get_charmap()}
        missing -= known
        if known or not used:
            used.append(family)
        if not missing:
            break
    if len(used) > 1:
        for text in texts:
            text.set_fontfamily(used)
    return sorted(missing)
