"""The claims of reports as one Markdown table, for docs/paper.md.

objectspace report STORE --out FOLDER --json > one.json
python tools/claims_table.py "drawn world=one.json" "photos=other.json"
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from objectspace.report.page import number


def main() -> None:
    """Print a row for each claim and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reports", nargs="+", metavar="NAME=FILE")
    named = [given.split("=", 1) for given in parser.parse_args().reports]
    reports = {name: json.loads(Path(path).read_text()) for name, path in named}
    print("| claim | on | value | chance | 95 % interval | n | p | verdict |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |")
    for row, first in enumerate(next(iter(reports.values()))["claims"]):
        for place, (name, report) in enumerate(reports.items()):
            claim = f"**{first['claim']}**<br>{first['measure']}" if place == 0 else ""
            print(_row(claim, name, report["claims"][row]))


def _row(claim: str, name: str, found: dict[str, Any]) -> str:
    if "value" not in found:
        return f"| {claim} | {name} | | | | | | {found['verdict']}: {found['reason']} |"
    numbers = [_text(found[key]) for key in ("value", "chance", "low", "high")]
    value, chance, low, high = numbers
    interval, p = f"{low} to {high}", "" if found["p"] is None else f"{found['p']:.3f}"
    return f"| {claim} | {name} | {value} | {chance} | {interval} | {found['n']} | {p} | {found['verdict']} |"


def _text(value: float | None) -> str:
    return "–" if value is None else number(value)


if __name__ == "__main__":
    main()
