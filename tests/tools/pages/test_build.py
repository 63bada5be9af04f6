"""The site: every page is in its navigation, nothing is loaded from elsewhere, no link is dead."""

from __future__ import annotations

import contextlib
import functools
import http.server
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

import objectspace
from objectspace.cli.app import app

pytest.importorskip("zensical")

from tools.pages.commands import commands_page
from tools.pages.reference import ROOMS, names_of_rooms

ROOT = Path(__file__).parents[3]
MADE = {
    "commands.md",
    "tutorial.md",
    "tutorial-photos.md",
    "contributing.md",
    "changelog.md",
    "reference/index.md",
}


def pages_in(nav: object) -> Iterator[str]:
    """Every page that a navigation names, in any depth."""
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, list):
        for entry in nav:
            yield from pages_in(entry)
    elif isinstance(nav, dict):
        for entry in nav.values():
            yield from pages_in(entry)


def test_the_navigation_has_every_page_once() -> None:
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    written = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    rooms = {f"reference/{room}.md" for room in ROOMS}
    assert sorted(pages_in(config["nav"])) == sorted(written | rooms | MADE)


def test_the_reference_has_every_public_name_once() -> None:
    named = [name for names in names_of_rooms().values() for name in names]
    assert sorted([*named, "__version__"]) == sorted(objectspace.__all__)


def test_the_page_of_commands_has_every_option() -> None:
    import typer

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    sections = re.split(r"^## ", commands_page(), flags=re.MULTILINE)[1:]
    assert [section.split("\n")[0] for section in sections] == list(commands)
    for section, command in zip(sections, commands.values(), strict=True):
        for parameter in command.params:
            for option in getattr(parameter, "opts", []) if parameter.param_type_name == "option" else []:
                assert option in section


class Addresses(HTMLParser):
    """What a page loads, where it links to, and what can be linked to in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids.add(values.get("id", ""))
        if "src" in values:
            self.loaded.append(values["src"])
        if tag == "link" and values.get("rel") not in {"canonical", "next", "prev"}:
            self.loaded.append(values["href"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])


@pytest.fixture(scope="module")
def site() -> dict[Path, Addresses]:
    """The site as it is built, without running the notebooks: each page and its addresses."""
    build = [sys.executable, "-m", "tools.pages.build", "--no-run"]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = ROOT / "build" / "site"
    return {path: Addresses(path.read_text()) for path in folder.rglob("*.html") if path.name != "404.html"}


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(site: dict[Path, Addresses]) -> None:
    assert len(site) > 60
    loaded = {address for page in site.values() for address in page.loaded}
    assert {address for address in loaded if urlsplit(address).netloc} == set()
    styles = "".join(path.read_text() for path in (ROOT / "build" / "site").rglob("*.css"))
    assert re.findall(r"(?:url\(|@import\s*)['\"]?(?:https?:)?//[^)'\"]*", styles) == []


@pytest.mark.slow
def test_no_link_and_no_picture_is_dead(site: dict[Path, Addresses]) -> None:
    dead = []
    for path, page in site.items():
        for address in (*page.links, *page.loaded):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            anchors = site[target].ids if target in site else {parts.fragment}
            if not target.exists() or (parts.fragment and parts.fragment not in anchors):
                dead.append(f"{path.name}: {address}")
    assert dead == []


@pytest.mark.slow
def test_search_finds_a_page_and_asks_nobody_else(site: dict[Path, Addresses]) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Print nothing."""

    handler = functools.partial(Quiet, directory=str(ROOT / "build" / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        own = f"http://127.0.0.1:{server.server_port}/"
        asked: list[str] = []
        with playwright.sync_playwright() as running:
            browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page()
            page.set_default_timeout(60_000)
            page.on("request", lambda request: asked.append(request.url))
            page.goto(own)
            page.wait_for_load_state("networkidle")
            field = page.get_by_role("combobox").or_(page.get_by_role("textbox")).first
            # The page listens once its script runs. Before the field is there, n goes to the next page.
            for _ in range(30):
                page.keyboard.press("Control+k")
                with contextlib.suppress(playwright.TimeoutError):
                    field.wait_for(timeout=2000)
                    break
            page.keyboard.type("hubness")
            page.get_by_role("link", name=re.compile("Measures")).first.wait_for()
            browser.close()
        server.shutdown()
    assert asked
    assert [address for address in asked if not address.startswith((own, "data:", "blob:"))] == []
