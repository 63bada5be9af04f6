"""Tables and pictures as HTML, for the values that a notebook shows."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape


def html_table(caption: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; whatever its cells hold is text."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(f'<td>{escape(_text(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><tr>{head}</tr>{body}</table>"


def html_pictures(pictures: Iterable[tuple[bytes | None, str]], *, side: int = 96) -> str:
    """Return pictures side by side, each over its text: the bytes of a JPEG, None for a missing one."""
    shown = "".join(
        f'<figure style="margin:4px;display:inline-block;text-align:center">{_picture(jpeg, side)}'
        f"<figcaption>{escape(text)}</figcaption></figure>"
        for jpeg, text in pictures
    )
    return f"<div>{shown}</div>"


def _picture(jpeg: bytes | None, side: int) -> str:
    style = f'style="height:{side}px;max-width:{2 * side}px;object-fit:contain"'
    if jpeg is None:
        return f"<div {style}>no photo</div>"
    return f'<img alt="" {style} src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'


def _text(cell: object) -> str:
    if cell is None:
        return ""
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
