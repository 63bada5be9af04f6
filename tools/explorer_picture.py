"""The pictures of the explorer in the README and docs/explorer.md: the drawn world.

    objectspace demo --quick --out demo
    python tools/explorer_picture.py demo/true.osp docs/pictures

Writes explorer.png (an object and its nearest), explorer-why.png (why two are near) and explorer-beside.png
(two spaces). The store's photos are looked for from the folder in which it was made. Needs a Chromium and the
packages of the extras serve and test.
"""

from __future__ import annotations

import argparse
import queue
import shutil
import threading
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from objectspace import serve

SIZE = {"width": 1440, "height": 860}
SECONDS = 300


def photograph(store: Path, folder: Path) -> None:
    """Open a store in the explorer, and write what is seen after each of a few steps."""
    addresses: queue.Queue[str] = queue.Queue()
    served = threading.Thread(
        target=serve, args=[store], kwargs={"browser": False, "started": addresses.put}, daemon=True
    )
    served.start()
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        page.set_default_timeout(1000 * SECONDS)
        page.goto(addresses.get(timeout=SECONDS))
        page.get_by_text("purity at 5").wait_for()
        choose(page, 2)
        page.get_by_role("button", name="Masks").click()
        write(page, folder / "explorer.png")
        choose(page, 1)
        page.get_by_role("button", name="Why near the one before?").click()
        page.get_by_label("Why near").locator("svg .cells rect").first.wait_for()
        write(page, folder / "explorer-why.png")
        page.get_by_role("combobox", name="beside").select_option(label="demo-crop")
        page.get_by_role("tab", name="Changed most").click()
        page.get_by_text("of 10 kept").first.wait_for()
        write(page, folder / "explorer-beside.png")
        browser.close()


def choose(page: Page, place: int) -> None:
    """Choose an object of the list, and wait for its nearest."""
    page.locator("[role=option]").nth(place).click()
    page.get_by_text("this one").wait_for()


def write(page: Page, picture: Path) -> None:
    """Write what is seen once nothing more comes."""
    page.wait_for_load_state("networkidle")
    page.screenshot(path=picture)


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("store", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    photograph(arguments.store, arguments.folder)


if __name__ == "__main__":
    main()
