"""The entry point of the command and of ``python -m objectspace``."""

from __future__ import annotations

import atexit
import errno
import os
import sys
from typing import NoReturn

#: What Linux says of a library for which there is no memory.
_NO_ROOM_FOR_LIBRARY = "failed to map segment"
#: What systems say of a thread, a file or a library for which there is no room.
_NO_ROOM = (
    "can't start new thread",
    "Resource temporarily unavailable",
    "Too many open files",
    "bad_alloc",
    _NO_ROOM_FOR_LIBRARY,
)


def main() -> None:
    """Run the command line; Ctrl-C ends it with 130, also while it is being imported.

    Where a limit of the system or a broken installation lets a package of ours fail, one sentence names it
    and the likely reason.
    """
    try:
        from objectspace.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("objectspace: stopped; nothing was written\n")
        raise SystemExit(130) from None
    except MemoryError:
        _fail(
            "memory ran out; raise its limit (ulimit -v), close other programs, or index fewer photos at once"
        )
    except ImportError as error:
        if _is_torch_mismatch(error):
            _fail(_torch_text())
        if (package := _package(error)) == "objectspace":
            raise
        _leave_libraries(error)
        _fail(
            f"package {package} cannot be imported: {_line(error)}; install it again, or raise the limits of "
            f"memory (ulimit -v) and open files (ulimit -n)"
        )
    except Exception as error:
        if _is_torch_mismatch(error):
            _fail(_torch_text())
        if not _is_limit(error):
            raise
        _leave_libraries(error)
        _fail(_limit_text(error))
    except BaseException as error:
        # What Lance's Rust ends with where it gets no file or thread is no Exception.
        if type(error).__name__ != "PanicException":
            raise
        _fail(_limit_text(error))


def _package(error: ImportError) -> str:
    """Return the package whose code could not import something, or that is missing itself."""
    if isinstance(error, ModuleNotFoundError):
        return (error.name or "").partition(".")[0]
    others = [name for name in _packages_of(error) if not name.startswith(("importlib", "_frozen"))]
    return others[-1] if others else "objectspace"


def _is_torch_mismatch(error: Exception) -> bool:
    """Return whether torchvision could not be loaded beside this torch.

    Its operators are then unknown to torch, or its library asks torch's for what that does not have.
    """
    text = str(error)
    if "torchvision::" in text and "does not exist" in text:
        return True
    unknown = any(sign in text for sign in ("undefined symbol", "Symbol not found", "procedure could not be"))
    return unknown and ("torchvision" in text or "torchvision" in _packages_of(error))


def _torch_text() -> str:
    """Return which torch and torchvision do not fit together, and what to do."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("torch", "torchvision"):
        try:
            found[name] = f"{name} {version(name)}"
        except PackageNotFoundError:
            found[name] = f"{name} of unknown version"
    return (
        f"{found['torch']} and {found['torchvision']} are not of one build; install both from one index: "
        f"docs/dependencies.md"
    )


def _packages_of(error: BaseException) -> list[str]:
    """Return the packages whose code an error came through, outermost first."""
    frame, packages = error.__traceback__, []
    while frame is not None:
        packages.append(str(frame.tb_frame.f_globals.get("__name__", "")).partition(".")[0])
        frame = frame.tb_next
    return packages


def _is_limit(error: Exception) -> bool:
    numbers = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)
    return getattr(error, "errno", None) in numbers or any(sign in str(error) for sign in _NO_ROOM)


def _limit_text(error: BaseException) -> str:
    return (
        f"a limit of the system was reached: {_line(error)}; raise the limits of open files "
        f"(ulimit -n), memory (ulimit -v) and processes (ulimit -u)"
    )


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


def _leave_libraries(error: Exception) -> None:
    """Let the process end without taking down its libraries where one of them was loaded by half."""
    if _NO_ROOM_FOR_LIBRARY in str(error):
        atexit.register(_end_at_once)


def _end_at_once() -> None:
    sys.stdout.flush()
    os._exit(1)


def _fail(text: str) -> NoReturn:
    sys.stderr.write(f"objectspace: {text}\n")
    raise SystemExit(1) from None


if __name__ == "__main__":
    main()
