"""The page: escaped, self-contained, every link answered."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from objectspace.analyses.statistics import Estimate
from objectspace.report.claims import Finding, Judgment
from objectspace.report.page import Picture, number, page

NASTY = "<script>alert(\"1\")</script> & 'quotes'"


def finding(key: str, *, reason: str = "", estimate: Estimate | None = None) -> Finding:
    judged = Judgment(estimate, "holds", reason, 0.012)
    return Finding(key, f"claim {NASTY}", "III", "measure", 1, 0.1, "share", judged)


def made(**changes) -> str:
    estimate = Estimate(0.5, 0.25, 0.4, 0.6, 100, 20, 0.001)
    arguments = {
        "title": NASTY,
        "summary": [(NASTY, NASTY)],
        "spaces": [(NASTY, NASTY, "3", "0.5", "0.1")],
        "facts": [(NASTY, NASTY)],
        "findings": [finding("one", estimate=estimate), finding("two", reason=NASTY)],
        "pictures": [Picture("figure1", NASTY, b"\x89PNG", NASTY, NASTY)],
        "picture_of": {"one": "figure1", "two": "figure9"},
        "missing": [(NASTY, NASTY)],
        "warnings": [NASTY],
        "foot": [(NASTY, [(NASTY, NASTY)])],
    }
    return page(**(arguments | changes))


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def tags(text: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(text)
    assert not parser.open
    return parser.seen


def test_no_text_becomes_a_tag() -> None:
    assert "script" not in {name for name, _ in tags(made())}


def test_nothing_is_fetched() -> None:
    for name, attributes in tags(made()):
        for key in ("src", "href"):
            value = attributes.get(key) or ""
            assert value == "" or value.startswith(("data:image/png;base64,", "#")), (name, value)
    assert "url(" not in made()
    assert "@import" not in made()


def test_every_link_has_its_place() -> None:
    seen = tags(made())
    places = {attributes["id"] for _, attributes in seen if "id" in attributes}
    links = {attributes["href"][1:] for name, attributes in seen if name == "a"}

    assert links == {"figure1"} <= places


def test_every_picture_has_words_for_those_who_cannot_see_it() -> None:
    assert all(attributes["alt"] for name, attributes in tags(made()) if name == "img")


def test_the_figures_of_a_finding_stand_in_its_row() -> None:
    row = re.search(r"<tr><td><a.*?</tr>", made(), re.DOTALL).group()

    for text in (
        "0.500",
        "0.250",
        "0.400 to 0.600",
        "100",
        "20 groups",
        "0.001",
        "0.012",
        "✓ holds",
        "from 0.1 beyond chance (share)",
    ):
        assert text in row


def test_a_joint_space_is_a_column_and_labels_are_rows() -> None:
    one, other = (
        Judgment(Estimate(value, 0.2, 0.1, 0.5, 9, 9, 0.04), "better than chance") for value in (0.3, 0.4)
    )
    claim = replace(finding("one", estimate=one.estimate), both=other, labels={NASTY: one})
    text = made(findings=[claim, finding("two")])

    assert "both routes" in text
    assert "both routes" not in made()
    row, label = re.findall(r"<tr.*?</tr>", text.split("<tbody>")[2], re.DOTALL)[:2]
    assert "0.400<br>~ better than chance<small>chance 0.200, p 0.040</small>" in row
    assert 'class="label"' in label
    assert "0.300" in label
    rows = re.findall(r"<tr.*?</tr>", text.split("<thead>")[2], re.DOTALL)
    cells = [re.findall(r"<t[hd](?:[^>]*colspan=.(\d+))?", line) for line in rows]
    assert [sum(int(span or 1) for span in line) for line in cells] == [10] * 4


def test_what_is_true_by_construction_is_said() -> None:
    assert "true by construction: of glass" in made(
        findings=[replace(finding("one"), by_construction="of glass")]
    )


def test_a_finding_that_was_not_measured_says_why_and_shows_no_number() -> None:
    text = made(findings=[finding("two", reason="needs a column")]).split("<h2>The paper’s claims</h2>")[1]

    assert text.count("needs a column") == 1
    assert '<td colspan="6">needs a column</td><td class="verdict' in text
    assert not re.search(r'<td class="number">\d', text)


def test_the_store_comes_before_the_claims() -> None:
    spaces = [("a-crop", "1,505", "48", "0.427", "0.101"), ("external", "3", "2", "-", "-")]
    text = made(title="t", summary=[("photos", "400")], spaces=spaces, warnings=["a warning"])
    before, after = text.split("<h2>The paper’s claims</h2>")

    assert "<dt>photos</dt><dd>400</dd>" in before
    rows = re.findall(r"<tr><td>.*?</tr>", before)
    assert [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in rows] == [list(one) for one in spaces]
    assert after.index("a warning") < after.index("<thead>")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.3251, "0.325"),
        (-0.02, "-0.020"),
        (-0.0002, "0.000"),
        (5.0, "5.00"),
        (90.123, "90.1"),
        (1234.5, "1234.5"),
        (math.nan, "–"),
    ],
)
def test_numbers_have_digits_worth_reading(value: float, text: str) -> None:
    assert number(value) == text
