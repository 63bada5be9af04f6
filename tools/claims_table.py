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
    print("| claim | on | value | chance | 95 % interval | n | p | Holm | verdict | both routes |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |")
    for row, first in enumerate(next(iter(reports.values()))["claims"]):
        worth = f"worth saying from {first['worth']:g} {first['unit']}"
        for place, (name, report) in enumerate(reports.items()):
            claim = f"**{first['claim']}**<br>{first['measure']}; {worth}" if place == 0 else ""
            found = report["claims"][row]
            print(_row(claim, name, found, found["both"]))
            for label, judged in found["labels"].items():
                print(_row("", f"{name}: {label}", judged, None))


def _row(claim: str, name: str, found: dict[str, Any], both: dict[str, Any] | None) -> str:
    joint = ""
    if both is not None and "value" in both:
        joint = f"{_text(both['value'])}, chance {_text(both['chance'])}: {both['verdict']}"
    if "value" not in found:
        return f"| {claim} | {name} | | | | | | | {found['verdict']}: {found['reason']} | {joint} |"
    numbers = [_text(found[key]) for key in ("value", "chance", "low", "high")]
    value, chance, low, high = numbers
    interval = f"{low} to {high}"
    p, holm = ("" if found[key] is None else f"{found[key]:.3f}" for key in ("p", "holm"))
    verdict = found["verdict"]
    if found["reason"]:
        verdict += f": {found['reason']}"
    if found.get("by_construction"):
        verdict += f"; by construction: {found['by_construction']}"
    cells = (claim, name, value, chance, interval, found["n"], p, holm, verdict, joint)
    return f"| {' | '.join(map(str, cells))} |"


def _text(value: float | None) -> str:
    return "–" if value is None else number(value)


if __name__ == "__main__":
    main()
