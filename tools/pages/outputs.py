"""Run the commands and Python of pages, and write what they print below them.

    python -m tools.pages.outputs docs/how-to/*.md docs/gallery.md docs/start.md

A ``console`` block holds commands after ``$`` and their output; ``| head -N`` keeps the first lines. The
``text`` block after a ``python`` block is what that prints. Each page runs in a new folder that holds
``demo``, what ``objectspace demo --quick`` makes. Indented commands and other blocks are left alone.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import PIL.Image

from objectspace.cli.app import app

PICTURE = 1100  # pixels, the longer side

BLOCK = re.compile(
    r"^```console\n(?P<console>.*?)^```$"
    r"|^```python\n(?P<python>.*?)^```$(?:\n\n^```text\n(?P<text>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)


def run_page(text: str) -> str:
    """Return a page with the outputs that its blocks have now, in the working folder."""
    names: dict[str, object] = {}

    def rerun(block: re.Match[str]) -> str:
        if block["console"] is not None:
            return "```console\n" + "".join(_run_commands(block["console"])) + "```"
        printed = _run_python(block["python"], names)
        code = f"```python\n{block['python']}```"
        return f"{code}\n\n```text\n{printed}```" if block["text"] is not None else code

    return BLOCK.sub(rerun, text)


def _run_commands(block: str) -> Iterator[str]:
    """Yield each command of a console block with what it prints."""
    for command in re.findall(r"^\$ ((?:.*\\\n)*.*)\n", block, re.MULTILINE):
        whole, _, head = re.sub(r"\\\n\s*", "", command).partition(" | head -")
        program, *words = shlex.split(whole, comments=True)
        if program != "objectspace":
            raise ValueError(f"a console block runs objectspace, not {program}: {command}")
        lines = run_command(words).splitlines(keepends=True)
        yield f"$ {command}\n" + "".join(lines[: int(head)] if head else lines)


def run_command(words: list[str]) -> str:
    """Return what a command prints on stdout. Raises RuntimeError where it fails."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            app(words)
        except SystemExit as done:
            if done.code:
                raise RuntimeError(f"objectspace {shlex.join(words)}: {err.getvalue()}") from done
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _run_python(code: str, names: dict[str, object]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "<page>", "exec"), names)  # noqa: S102 - the page's own text
    return out.getvalue()


def make_demo(folder: Path) -> Path:
    """Make a quick demo in ``folder``/demo, with paths as a page's reader has them; return where it is."""
    with contextlib.chdir(folder):
        run_command(["demo", "--quick", "--out", "demo", "--quiet"])
    return folder / "demo"


def run_in(demo: Path, folder: Path, page: Path) -> str:
    """Return a page as it runs in a new folder, with a copy of a demo."""
    text = page.read_text(encoding="utf-8")
    shutil.copytree(demo, folder / "demo")
    with contextlib.chdir(folder):
        return run_page(text)


def shrink(picture: Path, page_picture: Path) -> None:
    """Write a picture as large as a page shows it, in 256 colors."""
    with PIL.Image.open(picture) as opened:
        small = opened.convert("RGB")
    small.thumbnail((PICTURE, PICTURE))
    small.quantize(256).save(page_picture, optimize=True)


def main() -> None:
    """Rewrite pages."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("page", type=Path, nargs="+")
    parser.add_argument("--demo", type=Path, help="a quick demo that is there already")
    parser.add_argument("--pictures", type=Path, help="a folder for the pictures that the commands draw")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        demo = arguments.demo or make_demo(Path(scratch))
        for page in arguments.page:
            folder = Path(scratch, page.stem)
            page.write_text(run_in(demo, folder, page), encoding="utf-8")
            for picture in folder.glob("*.png") if arguments.pictures else ():
                shrink(picture, arguments.pictures / picture.name)
            print(page)


if __name__ == "__main__":
    main()
