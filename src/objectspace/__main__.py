"""The entry point of the command and of ``python -m objectspace``."""

from __future__ import annotations


def main() -> None:
    """Run the command line; Ctrl-C ends it with 130 and no traceback, also while it is being imported."""
    try:
        from objectspace.cli import main as run

        run()
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
