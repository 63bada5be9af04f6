"""Every panel for everybody: axe-core finds nothing in light and dark, and no window cuts anything off."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import objectspace as osp
from tests.explorer.browser import opened_page, served_at

pytestmark = pytest.mark.slow

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"

#: Texts that are not whole: beyond the window, or beyond a part that hides what is larger, with no ellipsis.
CUT_OFF = """() => {
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const own = node.parentElement;
    const drawn = own.checkVisibility() && !own.closest("select, [aria-hidden=true], meter, progress");
    if (!drawn || !node.data.trim()) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const text = range.getBoundingClientRect();
    let cut = text.left < -1 || text.right > innerWidth + 1;
    for (let part = own; part !== document.body && !cut; part = part.parentElement) {
      if (part.tagName === "DIALOG") break; // It is above all others.
      const style = getComputedStyle(part), box = part.getBoundingClientRect();
      if (style.textOverflow === "ellipsis") break;
      const hides = (kind) => kind === "hidden" || kind === "clip";
      cut = (hides(style.overflowX) && (text.right > box.right + 1 || text.left < box.left - 1))
        || (hides(style.overflowY) && (text.bottom > box.bottom + 1 || text.top < box.top - 1));
    }
    if (cut) found.push(node.data.trim().slice(0, 60));
  }
  return found;
}"""


@pytest.fixture(scope="module")
def own_map(drawn: Path) -> Path:
    """A map of the drawn objects on a circle."""
    names = osp.open_store(drawn / "photos.osp").objects().object_id.tolist()
    turns = np.linspace(0, 2 * np.pi, len(names), endpoint=False)
    table = pa.table({"object_id": names, "x": np.cos(turns), "y": np.sin(turns)})
    pq.write_table(table, drawn / "own.parquet")
    return drawn / "own.parquet"


Opened = Callable[..., AbstractContextManager[Any]]


@pytest.fixture(scope="module")
def explorer(
    browser: Any, drawn: Path, own_map: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Opened]:
    """Opens a copy of the drawn store with a map of its own; options are those of a browser's context.

    What one walk had computed, kept and marked is there for the next: no step asks for less than there is.
    """
    folder = shutil.copytree(drawn / "photos.osp", tmp_path_factory.mktemp("served") / "photos.osp")
    with served_at(Path(folder), own_map=own_map) as address:
        yield lambda **context: opened_page(browser, address, **context)


def turn_to(page: Any, panel: str) -> None:
    """Show a panel: in a narrow window one is shown at a time."""
    tab = page.get_by_label("panels").get_by_role("button", name=panel)
    if tab.is_visible():
        tab.click()


def start(page: Any) -> None:
    turn_to(page, "map")
    assert page.get_by_role("combobox", name="map").input_value() == "own"


def select_and_name(page: Any) -> None:
    turn_to(page, "map")
    box = page.locator(".canvas canvas").bounding_box()
    page.get_by_role("button", name="Lasso").click()
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    for x, y in ((0.9, 0.05), (0.9, 0.9), (0.05, 0.9)):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=3)
    page.mouse.up()
    page.get_by_role("button", name="Save selection").click()
    page.get_by_role("textbox", name="Save the selection as").fill("some of them")


def list_selections(page: Any) -> None:
    page.keyboard.press("Enter")
    page.get_by_role("combobox", name="open").wait_for()


def filter_by_factors(page: Any) -> None:
    turn_to(page, "filters")
    for one in page.locator(".limit summary").all():
        one.click()
    page.get_by_label("yaw from").fill("20")


def choose(page: Any) -> None:
    turn_to(page, "sheet")
    page.locator("[role=option]").nth(3).click()
    page.get_by_text("this one").wait_for()


def show_every_layer(page: Any) -> None:
    turn_to(page, "photo")
    page.get_by_label("Photo").locator("img").wait_for()
    for layer in ("Masks", "Grid", "Occlusion"):
        page.get_by_role("button", name=layer).click()
    page.get_by_text("Occlusion of a prediction").or_(page.get_by_text("No occlusion")).wait_for()


def explain(page: Any) -> None:
    turn_to(page, "sheet")
    page.locator("[role=option]").nth(1).click()
    turn_to(page, "photo")
    page.get_by_role("button", name="Why near the one before?").click()
    page.get_by_label("Why near").locator("svg .cells rect").first.wait_for()


def search_by_examples(page: Any) -> None:
    turn_to(page, "photo")
    page.get_by_role("button", name="Like this", exact=True).click()
    turn_to(page, "sheet")
    page.get_by_text("nearest to the examples").wait_for()
    page.locator("[role=option]").nth(3).focus()
    page.keyboard.press("u")
    page.locator(".examples", has_text="unlike").wait_for()
    page.get_by_text("nearest to the examples").wait_for()


def mark(page: Any) -> None:
    turn_to(page, "sheet")
    page.get_by_role("tab", name="Doubtful labels").click()
    page.get_by_text("planted errors").wait_for()
    page.locator("[role=option]").first.focus()
    page.keyboard.press("w")
    page.locator(".mark").wait_for()


def look_beside(page: Any) -> None:
    turn_to(page, "map")
    page.get_by_role("combobox", name="beside").select_option(index=1)
    page.locator(".maps figure").nth(1).locator("canvas").wait_for()
    turn_to(page, "sheet")
    page.get_by_role("tab", name="Changed most").click()
    page.get_by_text("of 10 kept").first.wait_for()


#: What a person does, one step after the other, and what is then seen.
STEPS = [
    start,
    select_and_name,
    list_selections,
    filter_by_factors,
    choose,
    show_every_layer,
    explain,
    search_by_examples,
    mark,
    look_beside,
]


#: Where all panels are seen at once, in a window as wide as a desk's: what steps have opened so far.
WIDE = (explain, look_beside)


def violations(page: Any) -> list[Any]:
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [(one["id"], [node["html"][:90] for node in one["nodes"]]) for one in found]


def inject_axe(page: Any) -> bool:
    """Whether axe-core is there, and so in the page."""
    if there := AXE.is_file():
        page.evaluate(AXE.read_text())
    return there


# The first page is tried in either scheme at either width (test_stories.py); a walk takes a quarter minute.
@pytest.mark.parametrize(
    ("scheme", "width", "height", "scale"), [("light", 420, 900, 1), ("dark", 720, 450, 2)]
)
def test_nothing_is_wrong_after_any_step(
    explorer: Opened, scheme: str, width: int, height: int, scale: int
) -> None:
    """Axe-core finds nothing, and no text is cut off. The second is 1440 x 900 at a zoom of 200 %."""
    narrow, wide = {"width": width, "height": height}, {"width": 1440, "height": 900}
    context = {"color_scheme": scheme, "bypass_csp": True, "reduced_motion": "reduce"}
    with explorer(viewport=narrow, device_scale_factor=scale, **context) as page:
        there = inject_axe(page)
        cut, found = {}, {}
        for step in STEPS:
            step(page)
            cut[step.__name__] = (
                page.evaluate(CUT_OFF),
                page.evaluate("document.documentElement.scrollWidth"),
            )
            found[step.__name__] = violations(page) if there else []
            if there and step in WIDE:
                page.set_viewport_size(wide)
                found[step.__name__] += violations(page)
                page.set_viewport_size(narrow)
    assert cut == {step.__name__: ([], width) for step in STEPS}
    assert found == {step.__name__: [] for step in STEPS}
    if not there:
        pytest.skip("nothing is cut off, but axe-core is not there: make web")


def test_axe_finds_nothing_where_words_are_searched(browser: Any, worded: Path) -> None:
    with served_at(worded) as address, opened_page(browser, address, bypass_csp=True) as page:
        page.get_by_role("tab", name="Search").click()
        page.get_by_label("words").fill("a red apple")
        page.keyboard.press("Enter")
        page.locator("[role=option]").first.wait_for()
        if not inject_axe(page):
            pytest.skip("axe-core is not there: make web")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert (scheme, violations(page)) == (scheme, [])
