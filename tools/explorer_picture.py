"""The picture of the explorer that the README shows: the drawn world, one object and its nearest.

    objectspace demo --out demo
    python tools/explorer_picture.py demo/true.osp docs/pictures/explorer.png

The store's photos are looked for from the folder in which it was made. Needs a Chromium and the packages of
the extras serve and test.
"""

from __future__ import annotations

import argparse
import queue
import shutil
import threading
from pathlib import Path

from playwright.sync_api import sync_playwright

from objectspace import serve

SIZE = {"width": 1440, "height": 860}
SECONDS = 300


def photograph(store: Path, picture: Path) -> None:
    """Open a store in the explorer, choose an object, and write what is seen."""
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
        page.locator("[role=option]").nth(2).click()
        page.get_by_text("this one").wait_for()
        page.get_by_role("button", name="Grid").click()
        page.wait_for_load_state("networkidle")
        page.screenshot(path=picture)
        browser.close()


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("store", type=Path)
    parser.add_argument("picture", type=Path)
    arguments = parser.parse_args()
    photograph(arguments.store, arguments.picture)


if __name__ == "__main__":
    main()
