"""Install the wheel of dist/ in a new environment, as a user would, and run the quick demo there.

    python tools/try_wheel.py

Takes the versions of constraints.txt, and a few gigabytes of the temporary folder (TMPDIR) while it runs.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
SECONDS = 30  # of processor time, for the quick demo: on two idle cores it takes less


def main() -> None:
    """Install, run, and exit 1 if anything fails or takes too long."""
    (wheel,) = (ROOT / "dist").glob("*.whl")
    with tempfile.TemporaryDirectory() as scratch:
        environment = Path(scratch, "venv")
        venv.create(environment, with_pip=True)
        python = environment / "bin" / "python"
        quiet = ["--quiet", "--disable-pip-version-check", "--constraint", str(ROOT / "constraints.txt")]
        subprocess.run([python, "-m", "pip", "install", *quiet, wheel], check=True)
        subprocess.run([python, "-m", "pip", "check"], check=True)
        command = environment / "bin" / "objectspace"
        before = _child_seconds()
        # In a folder of its own: what is imported is the wheel, not this checkout.
        subprocess.run([command, "demo", "--quick", "--quiet"], cwd=scratch, check=True)
        took = _child_seconds() - before
    print(f"{wheel.name}: the quick demo ran in a new environment, in {took:.0f} s of processor time")
    if took > SECONDS:
        sys.exit(f"expected {SECONDS} s at most")


def _child_seconds() -> float:
    """Return the processor time of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
