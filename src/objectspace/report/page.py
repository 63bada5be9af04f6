"""One self-contained HTML page: no script, nothing fetched, every text escaped; it prints on paper."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from objectspace.report.claims import Finding, Judgment

DOTS_PER_INCH = 160

_SIGNS = {
    "holds": "✓",
    "better than chance": "~",
    "does not hold": "✗",
    "not shown here": "–",
    "not tested": "–",
}

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 2rem auto;
  padding: 0 1rem; max-width: 70rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; }
h2 { font-size: 1.2rem; margin-top: 2.4rem; border-bottom: 1px solid #ccc; padding-bottom: .2rem; }
a { color: #005a8c; }
p.lead { color: #555; margin-top: 0; }
p.note { color: #444; font-size: .86rem; margin: .5rem 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; font-size: .9rem; }
dt { color: #555; }
dd { margin: 0; }
table { border-collapse: collapse; width: 100%; font-size: .82rem; }
td:first-child { min-width: 9rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .4rem; border-bottom: 1px solid #ddd; }
td.number, th.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td small { color: #555; display: block; }
td.verdict { min-width: 5.2rem; font-weight: 600; }
td.verdict small { font-weight: 400; }
td.holds { color: #005a8c; }
td.better { color: #4a6a7c; }
td.does { color: #a33f00; }
tr.label td { padding-top: .1rem; padding-bottom: .1rem; border-bottom-color: #eee; }
tr.label td:first-child { padding-left: 1.4rem; }
p.warning { border-left: 3px solid #a33f00; padding: .3rem .7rem; background: #faf3ee; }
td.not { color: #555; font-weight: 400; }
figure { margin: 1.2rem 0; break-inside: avoid; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption { color: #444; font-size: .86rem; margin-top: .4rem; max-width: 48rem; }
footer { color: #555; font-size: .78rem; }
footer h2 { font-size: 1rem; }
footer h3 { font-size: .85rem; margin: .8rem 0 .2rem; }
footer dl { font-size: inherit; margin: 0; }
footer dd { overflow-wrap: anywhere; }
@media print {
  body { margin: 0; max-width: none; }
  h2 { break-after: avoid; }
  tr { break-inside: avoid; }
}
"""

_SPACES_HEAD = """<table><thead><tr><th>space</th><th class="number">objects</th>
<th class="number">dimensions</th><th class="number">purity at 5</th><th class="number">by chance</th></tr>
</thead><tbody>"""

_CLAIMS_INTRODUCTION = """<h2>The paper’s claims</h2>
<p class="lead">The findings of “Decomposing Image Embeddings into Object Embeddings”, measured anew on this
store.</p>"""

_CLAIMS_HEAD = """<p>There is a verdict where the claim’s own two-sided test is significant (p at most .05)
and the 95 % interval of value less chance is wholly on the same side of 0. Then a claim <em>holds</em> if the
value is at least as far on the better side of chance as would make it worth saying (beside each measure), it
is <em>better than chance</em> if it is nearer, and it <em>does not hold</em> if it is on the other side.
Otherwise these photos do not show it, and a claim is <em>not tested</em> where they lack what it needs.
<em>Does not hold</em> is a result and not an error. Verdicts are of each claim alone; “Holm” is p after
Holm’s correction over the claims of this table (over the labels, in the rows of a claim).</p>
<table><thead><tr><th>the paper’s claim</th><th>what was measured</th><th class="number">value</th>
<th class="number">chance</th><th class="number">95 % interval</th><th class="number">n</th>
<th class="number">p</th><th class="number">Holm</th><th>verdict</th>{both}</tr></thead><tbody>"""

_BOTH = "<th>both routes (the same in the joint space)</th>"


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
    summary: Sequence[tuple[str, str]],
    spaces: Sequence[tuple[str, ...]],
    facts: Sequence[tuple[str, str]],
    findings: Sequence[Finding],
    pictures: Sequence[Picture],
    picture_of: dict[str, str],
    *,
    missing: Sequence[tuple[str, str]] = (),
    notes: Sequence[str] = (),
    warnings: Sequence[str] = (),
    foot: Sequence[tuple[str, Sequence[tuple[str, str]]]] = (),
) -> str:
    """Return the page's HTML.

    summary: names and values that describe the store; spaces: of each space its name, objects, dimensions,
    purity and chance, as texts; facts: names and values of what the claims are tested on
    pictures: in order; picture_of: the key of the picture of each finding, by its key; missing: headings of
    pictures that could not be made, and the reasons; notes: sentences on the data; warnings: sentences that
    come before the claims; foot: headings, each with names and values, of the software and the recipes
    """
    there = {picture.key for picture in pictures}
    joint = any(finding.both is not None for finding in findings)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{_text(title)}</h1>",
        _pairs(summary),
        _SPACES_HEAD,
        *(_space_row(space) for space in spaces),
        "</tbody></table>",
        '<p class="note">Purity at 5: the share of the five nearest objects of other photos, by cosine, that '
        "have the same label, of 2,000 objects at most.</p>",
        _CLAIMS_INTRODUCTION,
        *(f'<p class="warning">{_text(warning)}</p>' for warning in warnings),
        _pairs(facts),
        _CLAIMS_HEAD.format(both=_BOTH if joint else ""),
        *(_rows(finding, picture_of.get(finding.key), there, joint) for finding in findings),
        "</tbody></table>",
        *(f'<p class="note">{_text(note)}</p>' for note in notes),
        *(_figure(picture) for picture in pictures),
        *(f"<h2>{_text(heading)}</h2><p>Not drawn: {_text(why)}.</p>" for heading, why in missing),
        "<footer><h2>Made by</h2>",
        *(f"<h3>{_text(heading)}</h3>{_pairs(pairs)}" for heading, pairs in foot),
        "</footer>",
        "</body></html>",
    ]
    return "\n".join(parts)


def _pairs(pairs: Sequence[tuple[str, str]]) -> str:
    rows = "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in pairs)
    return f"<dl>{rows}</dl>"


def _space_row(space: Sequence[str]) -> str:
    name, *numbers = map(_text, space)
    return f"<tr><td>{name}</td>" + "".join(f'<td class="number">{one}</td>' for one in numbers) + "</tr>"


def _rows(finding: Finding, picture: str | None, there: set[str], joint: bool) -> str:
    """Return the row of a finding, and one for each label that was judged alone."""
    claim = _text(finding.claim)
    if picture in there:
        claim = f'<a href="#{_text(str(picture))}">{claim}</a>'
    worth = f"worth saying from {finding.worth:g} beyond chance ({finding.unit})"
    remarks = [worth, finding.reason if finding.estimate is not None else ""]
    if finding.by_construction:
        remarks.append(f"true by construction: {finding.by_construction}")
    small = "".join(f"<small>{_text(remark)}</small>" for remark in remarks if remark)
    rows = [
        f"<tr><td>{claim}<small>section {_text(finding.section)}</small></td>"
        f"<td>{_text(finding.measure)}{small}</td>{_cells(finding.judged)}{_both(finding.both, joint)}</tr>"
    ]
    for label, judged in finding.labels.items():
        reason = f"<small>{_text(judged.reason)}</small>" if judged.reason else ""
        empty = "<td></td>" if joint else ""
        rows.append(
            f'<tr class="label"><td colspan="2">{_text(label)}{reason}</td>{_cells(judged)}{empty}</tr>'
        )
    return "\n".join(rows)


def _cells(judged: Judgment) -> str:
    """Return the cells of an estimate, or why there is none, and of the verdict."""
    estimate = judged.estimate
    cells = f'<td colspan="6">{_text(judged.reason)}</td>'
    if estimate is not None:
        interval = (
            f"{number(estimate.low)} to {number(estimate.high)}" if math.isfinite(estimate.low) else "–"
        )
        numbers = [
            number(estimate.value),
            number(estimate.chance),
            interval,
            f"{estimate.n}<small>{estimate.groups} groups</small>",
            *("" if p is None else f"{p:.3f}" for p in (estimate.p, judged.holm)),
        ]
        cells = "".join(f'<td class="number">{cell}</td>' for cell in numbers)
    return f'{cells}<td class="verdict {judged.verdict.split()[0]}">{_verdict(judged)}</td>'


def _both(judged: Judgment | None, joint: bool) -> str:
    """Return the cell of the joint space; none where the store has no such space."""
    if not joint:
        return ""
    if judged is None:
        return "<td></td>"
    estimate = judged.estimate
    small = judged.reason
    value = ""
    if estimate is not None:
        p = "" if estimate.p is None else f", p {estimate.p:.3f}"
        value = f"{number(estimate.value)}<br>"
        small = f"chance {number(estimate.chance)}{p}"
    return (
        f'<td class="verdict {judged.verdict.split()[0]}">{value}{_verdict(judged)}'
        f"<small>{_text(small)}</small></td>"
    )


def _verdict(judged: Judgment) -> str:
    return f"{_SIGNS[judged.verdict]} {_text(judged.verdict)}"


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
