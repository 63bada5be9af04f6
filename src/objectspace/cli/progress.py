"""What the commands show while they work: bars, and the step that is being done; on stderr."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from objectspace.cli.output import warn
from objectspace.errors import counted

#: Seconds in which a command says nothing of its steps where no terminal shows a line that goes away.
SILENT = 1.5

#: What :func:`show_steps` shows.
_SHOWN = ExitStack()


def show_steps(first: str, *, shown: bool) -> None:
    """Show what is being done as :func:`progress_bars` does, until :func:`end_steps` or the command's end."""
    _SHOWN.enter_context(progress_bars({}, shown=shown, doing=first))


def end_steps() -> None:
    """End what :func:`show_steps` shows; called before an answer is printed."""
    _SHOWN.close()


@contextmanager
def progress_bars(
    stages: Mapping[str, int], *, shown: bool, doing: str = ""
) -> Iterator[Callable[..., None]]:
    """Show on stderr a bar for each stage, of so many pictures, and what is being done: ``doing``, then each
    step that the library logs.

    Without a terminal there are no bars, and a line for each step that comes, or still lasts, after
    :data:`SILENT` seconds. Nothing is shown where it is not wanted.
    Gives a function that is called with a stage and how many pictures (and objects in them) were finished
    since.
    """
    end_steps()
    if not shown:
        yield lambda stage, pictures, objects=0: None
        return
    if not sys.stderr.isatty():
        with _step_lines(doing):
            yield lambda stage, pictures, objects=0: None
        return
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rates]}"),
        TimeRemainingColumn(compact=True),
    )
    step = Progress(SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    line = step.add_task(doing, total=None, visible=bool(doing))
    tasks = {stage: bar.add_task(stage, total=total, rates="") for stage, total in stages.items()}
    found = dict.fromkeys(stages, 0)

    def advance(stage: str, pictures: int, objects: int = 0) -> None:
        task = tasks[stage]
        found[stage] += objects
        bar.advance(task, pictures)
        if found[stage]:
            seconds = max(bar.tasks[task].elapsed or 0, 1e-3)
            speeds = f"{bar.tasks[task].completed / seconds:.1f} photos/s  "
            speeds += f"{found[stage] / seconds:.1f} objects/s"
            bar.update(task, rates=f"{counted(found[stage], 'object')}  {speeds}")

    def show(text: str) -> None:
        step.update(line, description=text, visible=True)
        live.refresh()

    # The status line goes away; bars stay. What is written to stdout may be piped, and is not redirected.
    shown_now = Group(bar, step) if stages else step
    live = Live(shown_now, console=Console(stderr=True), redirect_stdout=False, transient=not stages)
    with live, _steps_to(show):
        try:
            yield advance
        finally:
            step.update(line, visible=False)


@contextmanager
def _step_lines(first: str) -> Iterator[None]:
    """Print a line for each step after :data:`SILENT` seconds, and then for the one that lasts."""
    lock, waiting, late = threading.Lock(), [first], threading.Event()

    def show(text: str) -> None:
        with lock:
            waiting[:] = [text]
            if late.is_set():
                warn(text)

    def begin() -> None:
        with lock:
            late.set()
            if waiting[0]:
                warn(waiting[0])

    timer = threading.Timer(SILENT, begin)
    timer.daemon = True
    timer.start()
    try:
        with _steps_to(show):
            yield
    finally:
        timer.cancel()


class _Steps(logging.Handler):
    """Gives the text of each record to a function."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self.show = show

    def emit(self, record: logging.LogRecord) -> None:
        """Give the text of one record."""
        self.show(record.getMessage())


@contextmanager
def _steps_to(show: Callable[[str], None]) -> Iterator[None]:
    """Give each step that the library logs to a function."""
    logger, handler = logging.getLogger("objectspace.steps"), _Steps(show)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
