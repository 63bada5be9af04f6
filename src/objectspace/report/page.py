"""One self-contained HTML page: no script, nothing fetched, every text escaped; it prints on paper."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from objectspace.report.claims import Finding

DOTS_PER_INCH = 160

_SIGNS = {"holds": "✓", "does not hold": "✗", "not shown here": "–"}

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 2rem auto;
  padding: 0 1rem; max-width: 62rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; }
h2 { font-size: 1.2rem; margin-top: 2.4rem; border-bottom: 1px solid #ccc; padding-bottom: .2rem; }
a { color: #005a8c; }
p.lead { color: #555; margin-top: 0; }
p.note { color: #444; font-size: .86rem; margin: .5rem 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; font-size: .9rem; }
dt { color: #555; }
dd { margin: 0; }
table { border-collapse: collapse; width: 100%; font-size: .86rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .5rem; border-bottom: 1px solid #ddd; }
td.number, th.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td small { color: #555; display: block; }
td.verdict { white-space: nowrap; font-weight: 600; }
td.holds { color: #005a8c; }
td.does { color: #a33f00; }
td.not { color: #555; font-weight: 400; }
figure { margin: 1.2rem 0; break-inside: avoid; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption { color: #444; font-size: .86rem; margin-top: .4rem; max-width: 48rem; }
footer { color: #555; font-size: .78rem; }
footer h2 { font-size: 1rem; }
footer dl { font-size: inherit; }
footer dd { overflow-wrap: anywhere; }
@media print {
  body { margin: 0; max-width: none; }
  h2 { break-after: avoid; }
  tr { break-inside: avoid; }
}
"""

_CLAIMS_HEAD = """<h2>Claims</h2>
<p>A claim holds where the 95 % interval of value less chance (both on the same bootstrap resamples of photos
or groups) is wholly on the better side of 0 and the permutation test agrees; it does not hold where that
interval is on the other side. Otherwise these photos do not show it. Each claim is tested on its own;
nothing is corrected for their number.</p>
<table><thead><tr><th>the paper’s claim</th><th>what was measured</th><th class="number">value</th>
<th class="number">chance</th><th class="number">95 % interval</th><th class="number">n</th>
<th class="number">p</th><th>verdict</th></tr></thead><tbody>"""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A figure of the page as PNG, with heading and caption; ``alt`` describes it in words."""

    key: str
    heading: str
    png: bytes
    caption: str
    alt: str


def png_of(figure: Figure) -> bytes:
    """Return the figure as the bytes of a PNG file."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DOTS_PER_INCH, facecolor="white")
    return stream.getvalue()


def page(
    title: str,
    facts: Sequence[tuple[str, str]],
    findings: Sequence[Finding],
    pictures: Sequence[Picture],
    picture_of: dict[str, str],
    *,
    missing: Sequence[tuple[str, str]] = (),
    notes: Sequence[str] = (),
    foot: Sequence[tuple[str, str]] = (),
) -> str:
    """Return the page's HTML.

    facts: names and values that describe the store; pictures: in order; picture_of: the key of the picture of
    each finding, by its key; missing: headings of pictures that could not be made, and the reasons; notes:
    sentences on the data; foot: names and values that describe the software and the recipes
    """
    there = {picture.key for picture in pictures}
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{_text(title)}</h1>",
        '<p class="lead">The claims of “Decomposing Image Embeddings into Object Embeddings”, measured.</p>',
        _pairs(facts),
        _CLAIMS_HEAD,
        *(_row(finding, picture_of.get(finding.key), there) for finding in findings),
        "</tbody></table>",
        *(f'<p class="note">{_text(note)}</p>' for note in notes),
        *(_figure(picture) for picture in pictures),
        *(f"<h2>{_text(heading)}</h2><p>Not drawn: {_text(why)}.</p>" for heading, why in missing),
        f"<footer><h2>Made by</h2>{_pairs(foot)}</footer>",
        "</body></html>",
    ]
    return "\n".join(parts)


def _pairs(pairs: Sequence[tuple[str, str]]) -> str:
    rows = "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in pairs)
    return f"<dl>{rows}</dl>"


def _row(finding: Finding, picture: str | None, there: set[str]) -> str:
    claim = _text(finding.claim)
    if picture in there:
        claim = f'<a href="#{_text(str(picture))}">{claim}</a>'
    kind = finding.verdict.split()[0]
    estimate = finding.estimate
    numbers = [""] * 5
    if estimate is not None:
        interval = (
            f"{number(estimate.low)} to {number(estimate.high)}" if math.isfinite(estimate.low) else "–"
        )
        numbers = [
            number(estimate.value),
            number(estimate.chance),
            interval,
            f"{estimate.n}<small>{estimate.groups} groups</small>",
            "" if estimate.p is None else f"{estimate.p:.3f}",
        ]
    cells = "".join(f'<td class="number">{cell}</td>' for cell in numbers)
    reason = f"<small>{_text(finding.reason)}</small>" if finding.reason else ""
    return (
        f"<tr><td>{claim}<small>section {_text(finding.section)}</small></td>"
        f"<td>{_text(finding.measure)}{reason}</td>{cells}"
        f'<td class="verdict {kind}">{_SIGNS[finding.verdict]} {_text(finding.verdict)}</td></tr>'
    )


def _figure(picture: Picture) -> str:
    data = base64.b64encode(picture.png).decode()
    return (
        f'<h2 id="{_text(picture.key)}">{_text(picture.heading)}</h2>'
        f'<figure><img alt="{_text(picture.alt)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{_text(picture.caption)}</figcaption></figure>"
    )


def number(value: float) -> str:
    """Format a number with three significant digits, without an exponent: 0.325, 12.3, 90.1."""
    if not math.isfinite(value):
        return "–"
    digits = 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1
    # Adding zero takes the sign from a -0.000.
    return f"{round(value, digits) + 0.0:.{digits}f}"


def _text(text: str) -> str:
    return html.escape(text, quote=True)
