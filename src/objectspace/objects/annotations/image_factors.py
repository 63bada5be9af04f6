"""Factors of images, as typed columns, from their file names or from a table."""

from __future__ import annotations

import csv
import io
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.arguments import typed
from objectspace.errors import AnnotationError, InputError, counted
from objectspace.files import printable_path, read_text
from objectspace.objects.annotations.matching import ImageNames, plain_name
from objectspace.objects.records import RESERVED_NAMES, can_be_column

#: Sets the label of objects that have none of their own (mask images); no factor.
LABEL = "label"

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_UNKNOWN = ("", "nan")

#: Columns of a table of factors, each of which becomes a column of the store; vectors are added otherwise.
_COLUMN_LIMIT = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class FactorTable:
    """Factors of images.

    paths: the paths of the job's images
    columns: name -> a value per photo: float64, NaN where unknown, when every known value is a finite
        number; otherwise object: str, None where unknown. ``label`` is always str.
    unnamed: column -> the images that its pattern or table does not cover, which is less than "unknown"

    >>> table = osp.factors_from_pattern(r"(?P<number>[0-9]+)", photos)
    >>> table.columns["number"][:3]
    array([0., 1., 2.])
    """

    paths: tuple[str, ...]
    columns: Mapping[str, NDArray[Any]]
    unnamed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    _rows: Mapping[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_rows", {path: row for row, path in enumerate(self.paths)})

    def __repr__(self) -> str:
        return f"FactorTable({counted(len(self.paths), 'image')}: {', '.join(self.columns)})"

    @property
    def unmatched(self) -> tuple[str, ...]:
        """The images that the pattern or the table does not cover."""
        lacking = frozenset[str]().union(*self.unnamed.values())
        return tuple(path for path in self.paths if path in lacking)

    def of(self, path: Path | str) -> dict[str, float | str | None]:
        """Return the factors of one image, None where unknown, without those that do not cover it."""
        row, silent = self._row(path), self.silent_on(path)
        return {name: _plain(column[row]) for name, column in self.columns.items() if name not in silent}

    def silent_on(self, path: Path | str) -> frozenset[str]:
        """Return the columns whose pattern or table does not cover an image."""
        return frozenset(name for name, image_paths in self.unnamed.items() if str(path) in image_paths)

    def label_of(self, path: Path | str) -> str | None:
        """Return the image's label, None where there is none."""
        label: str | None = self.columns[LABEL][self._row(path)] if LABEL in self.columns else None
        return label

    def for_objects(self, path: Path | str, count: int) -> dict[str, NDArray[Any]]:
        """Return the columns, without ``label``, for the ``count`` objects of one image."""
        row = self._row(path)
        return {
            name: np.full(count, column[row], column.dtype)
            for name, column in self.columns.items()
            if name != LABEL
        }

    def _row(self, path: Path | str) -> int:
        try:
            return self._rows[str(path)]
        except KeyError:
            raise InputError(f"factors: {path} is not among the photos they were read for") from None


@typed
def factors_from_pattern(pattern: str, paths: Sequence[Path | str]) -> FactorTable:
    r"""Read factors from each image's file name, by the named groups of a regular expression.

    ``apple(?P<apple>\d+)-(?P<elevation>\d+)-(?P<azimuth>\d+)`` makes three numeric columns. Raises
    InputError for a pattern that is broken, has no named group, names a column badly or matches no image.

    >>> osp.factors_from_pattern(r"(?P<number>\d+)\.png", photos).of(photos[3])
    {'number': 3.0}
    """
    try:
        compiled = re.compile(unicodedata.normalize("NFC", pattern))
    except (re.error, RecursionError, OverflowError) as error:
        raise InputError(f"pattern {pattern!r} is no regular expression: {error}") from error
    if not compiled.groupindex:
        raise InputError(f"pattern {pattern!r} has no named group; write each factor as (?P<name>...)")
    names = list(compiled.groupindex)
    _check_names(names, f"pattern {pattern!r}")
    matches = [compiled.search(plain_name(printable_path(Path(path).name))) for path in paths]
    if paths and not any(matches):
        raise InputError(f"pattern {pattern!r} matches no photo's file name, such as {Path(paths[0]).name}")
    values = [None if match is None else [match[name] for name in names] for match in matches]
    return _table(names, paths, values)


@typed
def factors_from_csv(path: Path | str, paths: Sequence[Path | str]) -> FactorTable:
    r"""Read factors from the columns of a comma-separated table with a header, joined by file name.

    The column ``file``, or else the first, holds file names or as much of the path as distinguishes images
    (``val/7.jpg``). Rows of other files are passed over; empty cells and ``nan`` are unknown. Raises
    AnnotationError for a table that is broken, ragged or ambiguous, whose columns are named badly, or that
    has no image of the job.

    >>> _ = Path("table.csv").write_text("file,camera\n000000.png,left\n000001.png,right\n")
    >>> osp.factors_from_csv("table.csv", photos[:2]).of(photos[1])
    {'camera': 'right'}
    """
    first, *rows = _read_rows(Path(path))
    header = [name.strip() for name in first.cells]
    place = header.index("file") if "file" in header else 0
    names = header[:place] + header[place + 1 :]
    try:
        _check_names(names, "the header")
    except InputError as error:
        raise AnnotationError(str(path), str(error)) from error
    by_file = _by_file(Path(path), rows, place, len(header))
    matched = ImageNames(by_file).match(paths)
    _check_matches(Path(path), matched, paths)
    values = [None if row is None else row.cells[:place] + row.cells[place + 1 :] for row in matched]
    return _table(names, paths, values)


def merge_factors(first: FactorTable, second: FactorTable) -> FactorTable:
    """Join the columns of two tables of the same images; unmatched are the images that either lacks.

    Raises InputError for tables of different images and for a column that both have.
    """
    if first.paths != second.paths:
        raise InputError("factors: the two tables are of different photos")
    if twice := sorted(set(first.columns) & set(second.columns)):
        raise InputError(
            f"factor {', '.join(twice)} comes from the pattern and from the table; rename one of them"
        )
    columns = {**first.columns, **second.columns}
    return FactorTable(first.paths, columns, {**first.unnamed, **second.unnamed})


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    cells: list[str]


def _read_rows(path: Path) -> list[_Row]:
    """Return the header and the rows of a table that are not empty, with their line numbers."""
    text = read_text(path)
    # Before it is split: a cell takes some sixty bytes, a column a row of its own.
    if (commas := text.partition("\n")[0].count(",")) >= _COLUMN_LIMIT:
        raise AnnotationError(
            str(path), f"has {commas + 1} columns in its first line, expected {_COLUMN_LIMIT} at most"
        )
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        rows = [_Row(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise AnnotationError(
            str(path), f"line {reader.line_num} is no comma-separated row: {error}"
        ) from error
    if not rows:
        raise AnnotationError(str(path), "is empty, expected a header and a row per photo")
    if len(rows[0].cells) < 2:
        raise AnnotationError(
            str(path), "has one column, expected a file column and factors, separated by commas"
        )
    return rows


def _by_file(path: Path, rows: list[_Row], place: int, columns: int) -> dict[str, _Row]:
    """Index rows by the file they name. Raises AnnotationError for ragged rows and files named twice."""
    found: dict[str, _Row] = {}
    for row in rows:
        if len(row.cells) != columns:
            raise AnnotationError(
                str(path), f"line {row.line} has {len(row.cells)} cells, expected {columns} as in the header"
            )
        file = plain_name(row.cells[place].strip())
        if file in found:
            raise AnnotationError(str(path), f"line {row.line} names {file} again (line {found[file].line})")
        found[file] = row
    return found


def _check_matches(path: Path, matched: Sequence[_Row | None], image_paths: Sequence[Path | str]) -> None:
    first: dict[int, Path | str] = {}
    for row, image_path in zip(matched, image_paths, strict=True):
        if row is not None and first.setdefault(row.line, image_path) is not image_path:
            raise AnnotationError(
                str(path),
                f"line {row.line} names both {first[row.line]} and {image_path}; write more of their paths",
            )
    if image_paths and not first:
        raise AnnotationError(
            str(path),
            f"has no row for any of the {len(image_paths)} photos, such as {Path(image_paths[0]).name}",
        )


def _check_names(names: Sequence[str], where: str) -> None:
    seen = set[str]()
    for name in names:
        if name in RESERVED_NAMES - {LABEL}:
            raise InputError(f"{where}: column {name!r} is one of the objects' own; choose another name")
        if name != LABEL and not can_be_column(name):
            raise InputError(
                f"{where}: {name!r} is no column name, expected letters, digits, spaces, dashes and _"
            )
        if name in seen:
            raise InputError(f"{where}: column {name!r} stands twice")
        seen.add(name)


def _table(
    names: Sequence[str], paths: Sequence[Path | str], values: Sequence[Sequence[str | None] | None]
) -> FactorTable:
    """Build typed columns from the texts of each image (None: unmatched)."""
    image_paths = tuple(str(path) for path in paths)
    columns = {
        name: _typed([row[place] if row is not None else None for row in values], number=name != LABEL)
        for place, name in enumerate(names)
    }
    lacking = frozenset(path for path, row in zip(image_paths, values, strict=True) if row is None)
    return FactorTable(image_paths, columns, dict.fromkeys(columns, lacking))


def _typed(texts: Sequence[str | None], *, number: bool) -> NDArray[Any]:
    """Return float64 where all known texts are finite numbers, else str; unknown is NaN or None."""
    known = [None if text is None or text.strip().lower() in _UNKNOWN else text.strip() for text in texts]
    if number and any(text is not None for text in known) and all(map(_is_number, known)):
        return np.array([np.nan if text is None else float(text) for text in known])
    column = np.empty(len(known), object)
    column[:] = known
    return column


def _is_number(text: str | None) -> bool:
    return text is None or (_NUMBER.fullmatch(text) is not None and math.isfinite(float(text)))


def _plain(value: Any) -> float | str | None:
    if value is None or isinstance(value, str):
        return value
    return None if math.isnan(value) else float(value)
