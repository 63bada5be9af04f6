"""The explorer in a real browser: a headless Chromium, a store that is served, and what a person does there.

Skipped where there is no Chromium (Debian: ``apt install chromium``) or no playwright (from pip).
"""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from objectspace.explorer.app import make_app
from objectspace.explorer.served_store import ServedStore
from tests.explorer.conftest import TOKEN

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
WINDOW = {"width": 1440, "height": 900}
#: A busy machine draws slowly.
PATIENCE = 60_000


@contextmanager
def launched() -> Iterator[Any]:
    """A browser without windows; skips the test where there is none."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@contextmanager
def served_at(folder: Path, *, own_map: Path | None = None) -> Iterator[str]:
    """The address, with its token, at which a store is served."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        config = uvicorn.Config(
            make_app(ServedStore(folder, own_map=own_map), TOKEN),
            log_level="warning",
            lifespan="off",
            ws="none",
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/?token={TOKEN}"
        server.should_exit = True
        thread.join(timeout=30)


@contextmanager
def opened_page(browser: Any, address: str, **context: Any) -> Iterator[Any]:
    """The explorer at an address, its measure there; anything that the page logs as an error fails the test.

    context: options of the browser's context beside a window of 1440 x 900
    """
    with opened_tab(browser, **context) as tab, visited(tab, address) as page:
        yield page


@contextmanager
def opened_tab(browser: Any, **context: Any) -> Iterator[Any]:
    """An empty tab in a context of its own; options as those of :func:`opened_page`."""
    made = browser.new_context(**{"viewport": WINDOW} | context)
    made.set_default_timeout(PATIENCE)
    yield made.new_page()
    made.close()


@contextmanager
def visited(tab: Any, address: str) -> Iterator[Any]:
    """The explorer at an address in a tab, which is empty again afterwards; errors as in :func:`opened_page`.

    A second visit takes a quarter of the first one's time: the tab's process has compiled the page's script.
    """
    errors: list[str] = []
    heard = {
        "pageerror": lambda error: errors.append(str(error)),
        "console": lambda said: errors.append(said.text) if said.type == "error" else None,
    }
    for name, hear in heard.items():
        tab.on(name, hear)
    tab.goto(address)
    tab.get_by_text("purity at 5").wait_for()
    yield tab
    tab.evaluate("0")  # what was logged before has arrived
    for name, hear in heard.items():
        tab.remove_listener(name, hear)
    tab.goto("about:blank")
    assert errors == []


def expect(target: Any) -> Any:
    """Playwright's assertions of a page's part, which wait for it.

    Its ``wait_for_function`` asks once and cannot wait here: the page's policy forbids it to evaluate text.
    """
    from playwright.sync_api import expect as asserted

    asserted.set_options(timeout=PATIENCE)
    return asserted(target)


def options(page: Any) -> Any:
    """The objects that the sheet lists."""
    return page.locator("[role=option]")


def lasso_all(page: Any) -> None:
    """Draw a lasso around the whole map."""
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
    """The labels of the objects that the sheet lists."""
    names: list[str] = options(page).locator(".name").all_inner_texts()
    return names
