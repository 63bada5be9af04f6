"""What a person does in the explorer, in a real browser: headless Chromium on the drawn world.

Skipped where there is no Chromium (Debian: ``apt install chromium``) or no playwright (from pip).
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shlex
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import objectspace as osp
from objectspace.explorer import doubtful_labels
from objectspace.explorer.doubtful_labels import DoubtfulLabels
from objectspace.explorer.selection_measures import measure_space
from objectspace.search import default_space
from objectspace.store.marks import read_marks
from tests.explorer.browser import (
    PATIENCE,
    WINDOW,
    expect,
    lasso_all,
    opened_tab,
    options,
    served_at,
    tiles,
    visited,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of a copy of the drawn store, in which no story writes."""
    copy = shutil.copytree(drawn / "photos.osp", tmp_path_factory.mktemp("served") / "photos.osp")
    with served_at(Path(copy)) as one:
        yield one


@pytest.fixture(scope="module")
def tab(browser: Any) -> Iterator[Any]:
    """A tab that stories share, one after another."""
    with opened_tab(browser) as opened:
        yield opened


@pytest.fixture
def page(tab: Any, address: str) -> Iterator[Any]:
    """The explorer in a window of 1440 x 900; anything that the page logs as an error fails the test."""
    tab.set_viewport_size(WINDOW)
    tab.mouse.move(0, 0)
    with visited(tab, address) as opened:
        yield opened


@pytest.fixture
def own_page(tab: Any, folder: Path) -> Iterator[Any]:
    """The explorer of the test's own copy of the store, for stories that write."""
    with served_at(folder) as own, visited(tab, own) as opened:
        yield opened


def said(estimate: dict[str, Any]) -> str:
    """An estimate as the page says it."""
    if estimate["low"] is None:
        return f"{estimate['value']:.3f} (no interval: {estimate['no_interval']})"
    return f"{estimate['value']:.3f} (95 %: {estimate['low']:.3f} to {estimate['high']:.3f})"


def test_story_1_a_lassoed_cloud_is_measured_as_the_copied_command_does(
    page: Any, folder: Path, command: Callable[..., Any]
) -> None:
    lasso_all(page)
    page.get_by_label("Measure").get_by_text("Selection").wait_for()
    count = len(osp.open_store(folder))
    page.get_by_text(f"{count} of {count} selected").wait_for()
    measure = page.get_by_label("Measure")
    measure.get_by_text(f"{count} objects, 12 photos").wait_for()
    copied = shlex.split(measure.get_by_role("button", name="Copy command").get_attribute("title"))
    assert copied[:3] == ["objectspace", "measure", folder.name]
    document = json.loads(command("measure", folder, *copied[3:], "--json").out)
    measure.get_by_text(f"purity at 5 {said(document['neighbors'])}").wait_for()
    titles = [one.get_attribute("title").split(", by chance")[0] for one in measure.locator("li").all()]
    assert sorted(titles) == [f"{name}: {said(one)}" for name, one in sorted(document["labels"].items())]


def test_story_2_a_click_shows_the_exact_nearest_and_enter_walks_on(page: Any, folder: Path) -> None:
    store = osp.open_store(folder)
    options(page).nth(4).click()
    page.get_by_text("exact, cosine, other photos only").wait_for()
    page.get_by_text("this one").wait_for()
    space = default_space(store)
    row = store.object_rows(space)[4]
    search = osp.SpaceSearch(store, space)
    names = store.objects().object_id[[row]].tolist()
    (answer,) = search.nearest(search.stored(names), k=47)
    own = store.objects().label[row]
    expected = [f"{'=' if label == own else '≠'} {label}" for label in answer.neighbors.label.tolist()]
    assert tiles(page)[1:] == expected
    command = page.get_by_label("Sheet").get_by_role("button", name="Copy command").get_attribute("title")
    assert f"--object {names[0]} --space '{space}' --metric cosine -k 47" in command
    options(page).first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    second = answer.neighbors.object_id[0]
    page.get_by_label("Photo").get_by_text(second).wait_for()


def test_story_3_doubtful_labels_are_marked_by_keyboard_and_undone(own_page: Any, folder: Path) -> None:
    own_page.get_by_role("tab", name="Doubtful labels").click()
    own_page.get_by_text("planted errors").wait_for()
    expect(options(own_page).first).to_be_focused()
    own_page.keyboard.press("w")
    own_page.get_by_text("✗ wrong").wait_for()
    own_page.keyboard.press("r")
    own_page.get_by_role("textbox").fill("cactus")
    own_page.keyboard.press("Enter")
    own_page.get_by_text("→ cactus").wait_for()
    own_page.keyboard.press("z")
    own_page.get_by_text("→ cactus").wait_for(state="detached")
    (mark,) = read_marks(folder).values()
    assert mark.verdict == "wrong"


def test_story_4_the_photo_shows_the_grid_and_the_responsible_cell(tab: Any, found: Path) -> None:
    with served_at(found) as address, visited(tab, address) as page:
        options(page).first.click()
        page.get_by_label("Photo").locator("svg rect").first.wait_for()
        page.keyboard.press("g")
        page.locator(".photo .grid .cell").wait_for()
        assert page.locator(".photo .grid line").count() > 20
        page.keyboard.press("b")
        expect(page.locator(".photo svg rect")).to_have_count(1)


def test_story_4_an_annotated_object_has_no_grid_and_the_page_says_what_to_do(page: Any) -> None:
    options(page).first.click()
    page.get_by_label("Photo").locator("svg rect").first.wait_for()
    page.keyboard.press("g")
    page.get_by_text("No grid: this object was annotated").wait_for()
    page.get_by_text("without --annotations").wait_for()
    page.keyboard.press("g")
    page.get_by_text("No grid").wait_for(state="detached")


def test_story_4_the_occlusion_of_a_prediction_is_measured_when_asked(page: Any) -> None:
    options(page).first.click()
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
    expect(options(page)).to_have_count(labels[first])
    assert set(tiles(page)) == {first}


def test_story_6_color_by_an_angle_has_a_cycle(page: Any) -> None:
    page.get_by_label("color").first.select_option(label="yaw")
    page.locator(".legend.ramp").get_by_text("360°").wait_for()


@pytest.mark.parametrize("name", ["agreement of neighbors", "neighbors kept by the map"])
def test_story_6_color_by_what_is_computed_of_each_object(page: Any, name: str) -> None:
    page.get_by_label("color").first.select_option(label=name)
    page.locator(".legend.ramp").wait_for()
    options(page).first.click()
    page.get_by_text("this one").wait_for()


def test_story_8_a_selection_is_saved_under_a_name(own_page: Any, folder: Path) -> None:
    lasso_all(own_page)
    own_page.get_by_role("button", name="Save selection").click()
    own_page.get_by_role("textbox").fill("all of them")
    own_page.keyboard.press("Enter")
    own_page.get_by_label("open").wait_for()
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
    with served_at(folder) as address:
        opened.goto(address)
        opened.get_by_text("purity at 5").wait_for()
        opened.get_by_label("color").first.select_option(label="note")
        for place in range(4):
            opened.get_by_role("tab", name="Shown").click()
            opened.locator("[role=option]").nth(place * 3).click()
            opened.get_by_label("Photo").locator("dl").wait_for()
        assert opened.locator(".photo dl img, .legend img, .photo .path script").count() == 0
        width = opened.evaluate("document.documentElement.scrollWidth")
    context.close()
    assert (alarms, width) == ([], 1440)


def test_the_page_says_that_the_server_is_gone(browser: Any, folder: Path) -> None:
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    with served_at(folder) as address:
        opened.goto(address)
        opened.get_by_text("purity at 5").wait_for()
    opened.locator("[role=option]").first.click()
    opened.get_by_text("is objectspace serve still running?").wait_for()
    context.close()


def test_story_7_a_box_in_an_uploaded_picture_is_searched_for(page: Any, folder: Path) -> None:
    store = osp.open_store(folder)
    page.get_by_role("tab", name="Search").click()
    page.get_by_label("a picture of your own").set_input_files(store.images()[0].path)
    page.get_by_text("nearest to the picture").wait_for()
    x1, y1, x2, y2 = store.objects_of_images([store.images()[0].image_id]).xyxy[0].tolist()
    for name, value in zip(("left", "top", "right", "bottom"), (x1, y1, x2, y2), strict=True):
        page.locator(".drop").get_by_label(name).fill(f"{value:g}")
    page.get_by_role("button", name="Search the box").click()
    page.get_by_text("nearest to the box").wait_for()
    space = default_space(store)
    queries = osp.query_image(store, store.images()[0].path, space, box=(x1, y1, x2, y2))
    (answer,) = osp.SpaceSearch(store, space).nearest(queries, k=48, same_image=True)
    expect(options(page)).to_have_count(len(answer.neighbors))
    assert tiles(page) == answer.neighbors.label.tolist()


def test_story_7_a_box_is_dragged_in_the_picture(page: Any, folder: Path) -> None:
    page.get_by_role("tab", name="Search").click()
    page.get_by_label("a picture of your own").set_input_files(osp.open_store(folder).images()[0].path)
    page.locator(".boxed svg").wait_for()
    box = page.locator(".boxed svg").bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    page.get_by_text("nearest to the box").wait_for()


def test_story_7_like_some_and_unlike_others(page: Any, folder: Path) -> None:
    store = osp.open_store(folder)
    options(page).first.focus()
    page.keyboard.press("l")
    page.get_by_text("nearest to the examples").wait_for()
    options(page).nth(3).click()
    page.get_by_role("button", name="Unlike this").click()
    page.locator(".examples", has_text="unlike").wait_for()
    page.get_by_text("nearest to the examples").wait_for()
    space = default_space(store)
    search = osp.SpaceSearch(store, space)
    names = store.objects().object_id
    first = names[store.object_rows(space)[0]]
    (near,) = search.nearest(search.stored([first]), k=48)
    unlike = near.neighbors.object_id[3]
    queries = search.unlike(search.stored([first]), [unlike])
    (answer,) = search.nearest(queries, k=48)
    expect(options(page)).to_have_count(len(answer.neighbors))
    assert tiles(page) == answer.neighbors.label.tolist()


def test_story_7_words_are_searched_for(tab: Any, worded: Path) -> None:
    store = osp.open_store(worded)
    with served_at(worded) as address, visited(tab, address) as page:
        page.get_by_role("tab", name="Search").click()
        page.get_by_label("words").fill("a yellow plum")
        page.keyboard.press("Enter")
        page.get_by_text("exact, cosine, nearest to “a yellow plum”").wait_for()
        options(page).first.wait_for()
        space = default_space(store)
        (answer,) = osp.SpaceSearch(store, space).nearest(
            osp.query_text(store, ["a yellow plum"], space), k=48, same_image=True
        )
        assert tiles(page) == answer.neighbors.label.tolist()


def test_story_7_without_a_text_tower_the_page_offers_no_words(page: Any) -> None:
    page.get_by_role("tab", name="Search").click()
    page.get_by_label("a picture of your own").wait_for()
    assert page.get_by_label("words").count() == 0


def test_story_9_two_spaces_stand_side_by_side_and_list_what_changed(page: Any, folder: Path) -> None:
    store = osp.open_store(folder)
    other = next(name for name in store.space_names if name != default_space(store))
    page.get_by_role("combobox", name="beside").select_option(label=other)
    page.locator(".maps figure").nth(1).locator("canvas").wait_for()
    page.get_by_role("tab", name="Changed most").click()
    page.get_by_text(f"are so in space {other} too").wait_for()
    notes = page.locator("[role=option] .note").all_inner_texts()
    kept = [int(note.split(" ")[0]) for note in notes]
    assert kept == sorted(kept)
    page.get_by_label("color").first.select_option(label="neighbors in both spaces")
    page.locator(".legend.ramp").wait_for()


def test_story_10_heat_on_both_objects_says_why_they_are_near(page: Any, folder: Path) -> None:
    options(page).nth(4).click()
    page.get_by_text("this one").wait_for()
    options(page).nth(1).click()
    page.get_by_role("button", name="Why near the one before?").click()
    why = page.get_by_label("Why near")
    why.locator("svg .cells rect").first.wait_for()
    # The space is a joint one: two pictures a part.
    assert why.locator("svg").count() == 4
    page.get_by_role("button", name="close").click()
    why.wait_for(state="detached")


def test_story_10_e_explains_the_neighbor_that_has_the_keyboard(page: Any) -> None:
    options(page).nth(4).click()
    page.get_by_text("this one").wait_for()
    options(page).nth(2).focus()
    page.keyboard.press("e")
    page.get_by_label("Why near").locator("svg .cells rect").first.wait_for()


def test_story_3_labels_that_were_judged_are_there_at_once(
    own_page: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = osp.open_store(folder)
    DoubtfulLabels(store).of(default_space(store))
    monkeypatch.setattr(doubtful_labels, "audit", None)
    own_page.get_by_role("tab", name="Doubtful labels").click()
    own_page.get_by_text("planted errors").wait_for()


def test_story_3_the_corrected_annotations_are_saved(page: Any) -> None:
    page.get_by_role("tab", name="Doubtful labels").click()
    with page.expect_download() as begun:
        page.get_by_role("button", name="COCO").click()
    assert "annotations" in Path(begun.value.path()).read_text()


def test_story_5_the_nearest_are_of_what_the_filters_show(page: Any, folder: Path) -> None:
    store = osp.open_store(folder)
    first = next(iter(store.info().labels))
    page.locator(".filters li").filter(has_text=first).get_by_role("button", name="only").click()
    expect(options(page)).to_have_count(store.info().labels[first])
    options(page).nth(2).click()
    page.get_by_text("exact, cosine, other photos only, of what is shown").wait_for()
    name = page.get_by_label("Photo").locator("dl code").inner_text()
    search = osp.SpaceSearch(store, default_space(store))
    (answer,) = search.nearest(search.stored([name]), k=47, label=first)
    expect(options(page)).to_have_count(1 + len(answer.neighbors))
    distances = page.locator("[role=option] .note").all_inner_texts()[1:]
    assert len(distances) == len(answer.neighbors) > 3
    assert set(tiles(page)[1:]) == {f"= {first}"}
    command = page.get_by_label("Sheet").get_by_role("button", name="Copy command").get_attribute("title")
    assert command.endswith(f"--neighbor-label '{first}'")
    page.get_by_label("only what is shown").uncheck()
    page.locator("[role=option].other").first.wait_for()


def test_story_2_an_object_without_a_vector_is_said_with_the_spaces_that_have_one(
    browser: Any, folder: Path, address: str
) -> None:
    store = osp.open_store(folder)
    # The browser logs the refusal as an error, so no tab whose errors fail the test.
    with opened_tab(browser) as page:
        page.goto(address)
        options(page).first.click()
        page.get_by_text("this one").wait_for()
        chosen = page.get_by_label("Photo").locator("dl code").inner_text()
        lacking = next(name for name in store.space_names if chosen not in store.members(name))
        page.locator("header").get_by_label("space").select_option(label=lacking)
        page.get_by_text(f"space {lacking} has no vector of this object; spaces that have one:").wait_for()
        assert tiles(page) == [store.objects([chosen]).label[0]]
        assert page.get_by_role("alert").count() == 0


def test_story_5_what_is_shown_is_listed_by_a_column(page: Any, folder: Path) -> None:
    x1, y1, x2, y2 = osp.open_store(folder).objects().xyxy.astype(float).T
    sizes = np.sort(np.sqrt((x2 - x1) * (y2 - y1)))
    page.get_by_label("order").select_option(label="size")
    for expected, way in ((sizes[::-1], "largest first"), (sizes, "smallest first")):
        expect(page.locator("[role=option] .note").first).to_have_text(f"{expected[0]:.3g}")
        notes = page.locator("[role=option] .note").all_inner_texts()
        np.testing.assert_allclose([float(note) for note in notes], expected, rtol=5e-3)
        page.get_by_role("button", name=way).click()


def test_story_5_a_filter_by_a_factor_leads_too(page: Any, folder: Path) -> None:
    yaw = osp.open_store(folder).object_columns(["yaw"])["yaw"].astype(float)
    kept = int(((yaw >= 90) & (yaw <= 200)).sum())
    page.locator("summary", has_text="yaw").click()
    page.get_by_label("yaw from").fill("90")
    page.get_by_label("yaw to").fill("200")
    page.get_by_text(f"{kept} of {len(yaw)} shown").wait_for()


def test_objects_show_themselves_where_the_view_is_close_and_a_new_size_keeps_it(page: Any) -> None:
    for _ in range(6):
        page.get_by_role("button", name="zoom in").click()
    page.locator(".pictures img").first.wait_for()
    drawn = page.locator(".canvas canvas").get_attribute("data-drawn")
    page.set_viewport_size({"width": 1400, "height": 820})
    expect(page.locator(".canvas canvas")).not_to_have_attribute("data-drawn", drawn)
    page.locator(".pictures img").first.wait_for()


def test_a_lasso_lists_what_it_selects_whatever_the_sheet_showed(page: Any) -> None:
    page.get_by_role("tab", name="Search").click()
    lasso_all(page)
    page.get_by_role("tab", name="Selected", selected=True).wait_for()
    options(page).first.wait_for()


def test_the_tools_of_the_map_are_two_rows_with_a_selection_saved(own_page: Any) -> None:
    lasso_all(own_page)
    own_page.get_by_role("button", name="Save selection").click()
    own_page.get_by_role("textbox").fill("all of them")
    own_page.keyboard.press("Enter")
    own_page.get_by_role("combobox", name="open").wait_for()
    groups = own_page.locator(".map > [role=group]").all()
    middles = [
        {
            round(box["y"] + box["height"] / 2) // 10
            for box in [one.bounding_box() for one in row.locator("> *").all()]
        }
        for row in groups
    ]
    assert [len(rows) for rows in middles] == [1, 1]


@pytest.fixture
def file_page(browser: Any, folder: Path, tmp_path: Path) -> Iterator[Any]:
    """The one file of the drawn objects, opened from its folder; what it asks of elsewhere fails the test."""
    osp.write_page(osp.open_store(folder), tmp_path / "page.html")
    context = browser.new_context(viewport={"width": 1440, "height": 900}, offline=True, bypass_csp=False)
    context.set_default_timeout(PATIENCE)
    opened, errors, asked = context.new_page(), [], []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto((tmp_path / "page.html").as_uri())
    opened.get_by_text("purity at 5").wait_for()
    yield opened
    context.close()
    assert errors == []
    assert [url[:40] for url in asked if not url.startswith(("file:", "blob:", "data:"))] == []


def test_story_12_one_file_shows_the_objects_without_a_server(file_page: Any, folder: Path) -> None:
    store = osp.open_store(folder)
    space, count = default_space(store), len(store)
    file_page.get_by_label("Measure").get_by_text(f"{count} objects, 12 photos").wait_for()
    options(file_page).nth(4).click()
    file_page.get_by_text("this one").wait_for()
    row = store.object_rows(space)[np.argsort(store.object_rows(space))][4]
    search = osp.SpaceSearch(store, space)
    (answer,) = search.nearest(search.stored([store.objects().object_id[row]]), k=24)
    own = store.objects().label[row]
    assert tiles(file_page)[1:] == [
        f"{'=' if x == own else '≠'} {x}" for x in answer.neighbors.label.tolist()
    ]
    file_page.get_by_text("the photo is not in this file").wait_for()
    lasso_all(file_page)
    file_page.get_by_text(f"{count} of {count} selected").wait_for()


def test_story_12_a_selection_in_the_file_has_the_figures_that_serve_gives(
    file_page: Any, folder: Path
) -> None:
    store = osp.open_store(folder)
    space = default_space(store)
    labels = store.object_columns(["label"], space)["label"]
    names = list(store.info().labels)
    shown = [*names[:2], *names[-2:]]
    expected = measure_space(store, space, "cosine").of(np.isin(labels, shown))
    assert len({one["no_interval"] for one in expected["labels"].values()}) > 1
    file_page.get_by_role("button", name="none").click()
    for name in shown:
        file_page.locator(".filters li").filter(has_text=name).get_by_role("checkbox").check()
    measure = file_page.get_by_label("Measure")
    measure.get_by_text(f"purity at 5 {said(expected['all'])}").wait_for()
    titles = [one.get_attribute("title").split(", by chance")[0] for one in measure.locator("li").all()]
    assert titles == [f"{name}: {said(one)}" for name, one in expected["labels"].items()]


def test_story_12_the_file_holds_no_folder_of_the_store(folder: Path, tmp_path: Path) -> None:
    store = osp.open_store(folder)
    osp.write_page(store, tmp_path / "page.html")
    assert str(Path(store.images()[0].path).parent) not in (tmp_path / "page.html").read_text()


#: A notebook's side of the widget: a model whose messages the test answers.
_MODEL = """
import widget from "data:text/javascript;base64,%SCRIPT%";
const heard = {}, state = {page: %PAGE%, rows: null};
window.model = {
  get: (name) => state[name],
  set: (name, value) => { state[name] = value; },
  save_changes: () => {},
  on: (name, act) => { heard[name] = act; },
  off: () => {},
  send: async (content, _, [body]) => {
    const text = btoa(String.fromCharCode(...new Uint8Array(body)));
    const [status, answer] = await window.respond(content.method, content.path, content.query, text);
    const bytes = Uint8Array.from(atob(answer), (one) => one.charCodeAt(0));
    heard["msg:custom"]({ view: content.view, id: content.id, status }, [new DataView(bytes.buffer)]);
  },
};
window.setRows = (rows) => { state.rows = rows; heard["change:rows"](); };
widget.render({ model: window.model, el: document.body });
"""


def test_the_notebook_shows_the_same_page_and_shares_the_selection(browser: Any, folder: Path) -> None:
    pytest.importorskip("anywidget")
    shown = osp.explore(folder)

    def respond(method: str, path: str, query: str, text: str) -> list[Any]:
        # A loop of its own: playwright's runs in this thread.
        answers: list[Any] = []
        work = shown.respond(method, path, query, base64.b64decode(text))
        thread = threading.Thread(target=lambda: answers.append(asyncio.run(work)))
        thread.start()
        thread.join()
        status, body = answers[0]
        return [status, base64.b64encode(body).decode()]

    script = base64.b64encode(shown.widget._esm.encode()).decode()
    page_text = json.dumps(shown.widget.page).replace("<", "\\u003c")
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    opened.expose_function("respond", respond)
    code = _MODEL.replace("%SCRIPT%", script).replace("%PAGE%", page_text)
    opened.set_content(f'<!doctype html><body><script type="module">{code}</script>')
    frame = opened.frame_locator("iframe")
    frame.get_by_text("purity at 5").wait_for()
    frame.locator("[role=option]").nth(4).click()
    frame.get_by_text("exact, cosine, other photos only").wait_for()
    frame.get_by_label("Photo").locator("img").wait_for()
    opened.evaluate("window.setRows([1, 2, 3])")
    frame.get_by_text("3 of 39 selected").wait_for()
    frame.get_by_role("button", name="Clear selection").click()
    opened.wait_for_function("window.model.get('rows') === null")
    context.close()
