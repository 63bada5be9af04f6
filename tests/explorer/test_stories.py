"""What a person does in the explorer, in a real browser: headless Chromium on the drawn world.

Skipped where there is no Chromium (Debian: ``apt install chromium``) or no playwright (from pip).
"""

from __future__ import annotations

import re
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

import objectspace as osp
from objectspace.explorer.app import make_app
from objectspace.explorer.served_store import ServedStore
from objectspace.search import default_space
from objectspace.store.marks import read_marks
from tests.explorer.conftest import TOKEN

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
#: A busy machine draws slowly.
PATIENCE = 60_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        config = uvicorn.Config(
            make_app(ServedStore(folder), TOKEN), log_level="warning", lifespan="off", ws="none"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/?token={TOKEN}"
        server.should_exit = True
        thread.join(timeout=30)


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    """The address of a server of a copy of the drawn store."""
    with _served(folder) as one:
        yield one


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The explorer in a window of 1440 x 900; anything that the page logs as an error fails the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    opened, errors = context.new_page(), []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    opened.goto(address)
    opened.get_by_text("purity at 5").wait_for()
    yield opened
    context.close()
    assert errors == []


def lasso_all(page: Any) -> None:
    box = page.locator(".canvas canvas").bounding_box()
    left, top = box["x"] + 2, box["y"] + 2
    right, bottom = box["x"] + box["width"] - 2, box["y"] + box["height"] - 2
    page.get_by_role("button", name="Lasso").click()
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom), (left, top)):
        page.mouse.move(x, y, steps=4)
    page.mouse.up()


def tiles(page: Any) -> list[str]:
    return page.locator("[role=option] .name").all_inner_texts()


def test_story_1_a_lassoed_cloud_is_measured_at_once(page: Any, folder: Path) -> None:
    lasso_all(page)
    page.get_by_label("Measure").get_by_text("Selection").wait_for()
    count = len(osp.open_store(folder))
    page.get_by_text(f"{count} of {count} selected").wait_for()
    page.get_by_label("Measure").get_by_text(f"{count} objects, 12 photos").wait_for()


def test_story_2_a_click_shows_the_exact_nearest_and_enter_walks_on(page: Any, folder: Path) -> None:
    store = osp.open_store(folder)
    page.locator("[role=option]").nth(4).click()
    page.get_by_text("exact, cosine, other photos only").wait_for()
    page.get_by_text("this one").wait_for()
    space = default_space(store)
    row = store.object_rows(space)[4]
    search = osp.SpaceSearch(store, space)
    names = store.objects().object_id[[row]].tolist()
    (answer,) = search.nearest(search.stored(names), k=47, exclude_same_image=True)
    own = store.objects().label[row]
    expected = [f"{'=' if label == own else '≠'} {label}" for label in answer.neighbors.label.tolist()]
    assert tiles(page)[1:] == expected
    command = page.get_by_role("button", name="Copy command").get_attribute("title")
    assert f"--object {names[0]} --space '{space}' --metric cosine -k 47" in command
    page.locator("[role=option]").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    second = answer.neighbors.object_id[0]
    page.get_by_label("Photo").get_by_text(second).wait_for()


def test_story_3_doubtful_labels_are_marked_by_keyboard_and_undone(page: Any, folder: Path) -> None:
    page.get_by_role("tab", name="Doubtful labels").click()
    page.get_by_text("planted errors").wait_for()
    page.locator("[role=option]").first.click()
    page.keyboard.press("w")
    page.get_by_text("✗ wrong").wait_for()
    page.keyboard.press("r")
    page.get_by_role("textbox").fill("cactus")
    page.keyboard.press("Enter")
    page.get_by_text("→ cactus").wait_for()
    page.keyboard.press("z")
    page.get_by_text("→ cactus").wait_for(state="detached")
    (mark,) = read_marks(folder).values()
    assert mark.verdict == "wrong"


def test_story_4_the_photo_shows_the_grid_and_the_responsible_cell(page: Any, folder: Path) -> None:
    page.locator("[role=option]").first.click()
    page.get_by_label("Photo").locator("svg rect").first.wait_for()
    page.keyboard.press("b")
    page.wait_for_function("document.querySelectorAll('.photo svg rect').length === 0")


def test_story_4_the_occlusion_of_a_prediction_is_measured_when_asked(page: Any) -> None:
    page.locator("[role=option]").first.click()
    page.keyboard.press("o")
    page.get_by_text("black squares over the photo").wait_for()
    # Whether the detector finds this drawn object is another test's question.
    page.get_by_text(re.compile("Occlusion of a prediction|the detector finds no")).wait_for()


def test_story_5_a_filter_leads_map_sheet_and_measure(page: Any, folder: Path) -> None:
    labels = osp.open_store(folder).info().labels
    first = next(iter(labels))
    page.locator(".filters li").filter(has_text=first).get_by_role("button", name="only").click()
    page.get_by_text(f"{labels[first]} of {sum(labels.values())} shown").wait_for()
    page.get_by_label("Measure").get_by_text(f"{labels[first]} objects").wait_for()
    page.wait_for_function(f"document.querySelectorAll('[role=option]').length === {labels[first]}")
    assert set(tiles(page)) == {first}


def test_story_6_color_by_an_angle_has_a_cycle(page: Any) -> None:
    page.get_by_label("color").first.select_option(label="yaw")
    page.locator(".legend.ramp").get_by_text("360°").wait_for()


@pytest.mark.parametrize("name", ["agreement of neighbors", "neighbors kept by the map"])
def test_story_6_color_by_what_is_computed_of_each_object(page: Any, name: str) -> None:
    page.get_by_label("color").first.select_option(label=name)
    page.locator(".legend.ramp").wait_for()
    page.locator("[role=option]").first.click()
    page.get_by_text("this one").wait_for()


def test_story_8_a_selection_is_saved_under_a_name(page: Any, folder: Path) -> None:
    lasso_all(page)
    page.get_by_role("button", name="Save selection").click()
    page.get_by_role("textbox").fill("all of them")
    page.keyboard.press("Enter")
    page.get_by_label("open").wait_for()
    store = osp.open_store(folder)
    assert set(store.selection("all of them").object_ids) == set(store.objects().object_id)


def test_story_8_a_selection_is_exported_as_a_table(page: Any, folder: Path) -> None:
    lasso_all(page)
    with page.expect_download() as begun:
        page.get_by_role("button", name="Export CSV").click()
    lines = Path(begun.value.path()).read_text().splitlines()
    ids = [line.split(",")[0] for line in lines[1:]]
    assert sorted(ids) == sorted(osp.open_store(folder).objects().object_id.tolist())


def test_text_of_the_store_is_never_markup(browser: Any, folder: Path) -> None:
    odd = [
        "<img src=x onerror=alert(1)>",
        "\"'><script>alert(2)</script>",
        "\u202eright to left",
        "x" * 10_000,
    ]
    store = osp.open_store(folder)
    with osp.open_writer(folder) as writer:
        images = [image.image_id for image in store.images()]
        writer.set_factors({image: {"note": odd[row % 4]} for row, image in enumerate(images)})
        writer.set_paths({image: f"{odd[row % 3]}.png" for row, image in enumerate(images)})
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    opened, alarms = context.new_page(), []
    opened.on("dialog", lambda dialog: (alarms.append(dialog.message), dialog.dismiss()))
    with _served(folder) as address:
        opened.goto(address)
        opened.get_by_text("purity at 5").wait_for()
        opened.get_by_label("color").first.select_option(label="note")
        for place in range(4):
            opened.get_by_role("tab", name="Chosen").click()
            opened.locator("[role=option]").nth(place * 3).click()
            opened.get_by_label("Photo").locator("dl").wait_for()
        assert opened.locator(".photo dl img, .legend img, .photo .path script").count() == 0
        width = opened.evaluate("document.documentElement.scrollWidth")
    context.close()
    assert (alarms, width) == ([], 1440)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 420])
def test_axe_finds_nothing(browser: Any, address: str, scheme: str, width: int) -> None:
    axe = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
    if not axe.is_file():
        pytest.skip("axe-core is not there: make web")
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
    )
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    opened.goto(address)
    opened.get_by_text("purity at 5").wait_for()
    if width == 1440:
        opened.locator("[role=option]").first.click()
        opened.get_by_text("this one").wait_for()
    opened.evaluate(axe.read_text())
    found = opened.evaluate("axe.run()")["violations"]
    context.close()
    assert [(one["id"], [node["html"][:90] for node in one["nodes"]]) for one in found] == []


def test_the_page_says_that_the_server_is_gone(browser: Any, folder: Path) -> None:
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    with _served(folder) as address:
        opened.goto(address)
        opened.get_by_text("purity at 5").wait_for()
    opened.locator("[role=option]").first.click()
    opened.get_by_text("is objectspace serve still running?").wait_for()
    context.close()
