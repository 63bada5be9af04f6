"""The page: escaped, self-contained, every link answered."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser

import pytest

from objectspace.analyses.statistics import Estimate
from objectspace.report.claims import Finding
from objectspace.report.page import Picture, number, page

NASTY = "<script>alert(\"1\")</script> & 'quotes'"


def finding(key: str, *, reason: str = "", estimate: Estimate | None = None) -> Finding:
    return Finding(key, f"claim {NASTY}", "III", "measure", 1, estimate, "holds", reason)


def made(**changes) -> str:
    estimate = Estimate(0.5, 0.25, 0.4, 0.6, 100, 20, 0.001)
    arguments = {
        "title": NASTY,
        "facts": [(NASTY, NASTY)],
        "findings": [finding("one", estimate=estimate), finding("two", reason=NASTY)],
        "pictures": [Picture("figure1", NASTY, b"\x89PNG", NASTY, NASTY)],
        "picture_of": {"one": "figure1", "two": "figure9"},
        "missing": [(NASTY, NASTY)],
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

    for text in ("0.500", "0.250", "0.400 to 0.600", "100", "20 clusters", "0.001", "✓ holds"):
        assert text in row


def test_a_finding_that_was_not_measured_says_why_and_shows_no_number() -> None:
    text = made(findings=[finding("two", reason="no column")])

    assert "no column" in text
    assert not re.search(r'<td class="number">\d', text)


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
