"""What a command says while it works, and when it is stopped: lines, a line that goes away, nothing."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable

import pytest

from objectspace.cli import progress
from objectspace.cli.progress import end_steps, progress_bars, show_steps

steps = logging.getLogger("objectspace.steps")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], io.StringIO]:
    """A function that makes stderr a terminal; in the test itself, as pytest puts its own there before."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def install() -> io.StringIO:
        stream = Terminal()
        monkeypatch.setattr("sys.stderr", stream)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "100")
        return stream

    return install


def test_without_a_terminal_each_step_is_a_line(command, measured, measured_spaces, monkeypatch) -> None:
    space = measured_spaces[0]
    monkeypatch.setattr(progress, "SILENT", 0.0)
    done = command("measure", measured, "--factor", "label", "--space", space)
    assert done.code == 0
    assert done.err.splitlines()[-2:] == [
        f"objectspace: label in {space}: neighbors",
        f"objectspace: label in {space}: linear probe, 199 permutations",
    ]
    assert "objectspace:" not in done.out


def test_a_quick_command_says_nothing(command, measured, measured_spaces) -> None:
    assert command("measure", measured, "--factor", "label", "--space", measured_spaces[0]).err == ""


def test_a_step_that_lasts_is_said_once(capsys, monkeypatch) -> None:
    monkeypatch.setattr(progress, "SILENT", 0.05)
    with progress_bars({}, shown=True, doing="opening"):
        steps.info("quick")
        steps.info("slow")
        wait_for(lambda: capsys.readouterr().err == "objectspace: slow\n")
        steps.info("next")
    steps.info("after")
    assert capsys.readouterr().err == "objectspace: next\n"


def wait_for(true) -> None:
    """Wait until something is true, for ten seconds at most."""
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("option", ["--json", "--quiet"])
def test_with_json_or_quiet_nothing_is_said(command, measured, monkeypatch, option) -> None:
    monkeypatch.setattr(progress, "SILENT", 0.0)
    done = command("audit", measured, "--only", "outliers", "--uncalibrated", option)
    assert (done.code, done.err) == (0, "")


def test_in_a_terminal_the_line_goes_away(terminal) -> None:
    stream = terminal()
    show_steps("opening s.osp", shown=True)
    steps.info("claim 3 of 12: [bold]such as this[/bold]")
    end_steps()
    shown = stream.getvalue()
    assert "claim 3 of 12: [bold]such as this[/bold]" in shown
    left = (
        shown.removesuffix("\r").removesuffix("\x1b[?25h").removesuffix("\n")
    )  # rich below 14.3 adds a line
    assert left.endswith("\r\x1b[2K")  # erased, the cursor back
    assert "\n" not in left


def test_in_a_terminal_bars_stay_and_steps_go_away(terminal) -> None:
    stream = terminal()
    with progress_bars({"photos": 3}, shown=True) as advance:
        advance("photos", 3, 7)
        steps.info("drawing figure 2")
    assert "drawing figure 2" in stream.getvalue()
    last = stream.getvalue().split("\x1b[2K")[-1]
    assert "3/3" in last
    assert "7 objects" in last
    assert "drawing" not in last


STOPPED = {
    "audit": (),
    "compare": ("--spaces", "a", "b"),
    "context": ("--alone", "a", "--both", "b", "--around", "c"),
    "explain": ("--object", "a"),
    "export": ("--format", "npz", "--out", "OUT.npz"),
    "info": (),
    "measure": ("--factor", "label"),
    "project": ("--figure", "OUT.png"),
    "report": ("--out", "OUT"),
    "search": ("--object", "a", "--sheet", "OUT.png"),
    "sheet": ("--out", "OUT.png"),
}


@pytest.mark.parametrize("name", STOPPED)
def test_ctrl_c_is_one_sentence(command, measured, tmp_path, monkeypatch, name) -> None:
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("objectspace.store.open_store", interrupted)
    arguments = [text.replace("OUT", str(tmp_path / "out")) for text in STOPPED[name]]
    done = command(name, measured, *arguments)
    assert (done.code, done.out, done.err) == (130, "", "objectspace: stopped; nothing was written\n")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_a_served_store(command, measured, monkeypatch) -> None:
    def served(*_, started, **__):
        started("http://localhost:8765/")
        raise KeyboardInterrupt

    monkeypatch.setattr("objectspace.explorer.server.serve", served)
    done = command("serve", measured, "--no-browser")
    assert (done.code, done.out) == (130, "open http://localhost:8765/\nCtrl-C ends it\n")
    assert done.err == "objectspace: stopped; marks and selections are kept\n"
