"""How fast the drawn world is drawn, on one core.

    python benchmarks/drawn_world.py [--pictures 100]

One JSON line: pictures a second of the process's own time, without writing files, the best of three rounds.
"""

from __future__ import annotations

import argparse
import json
import time

from objectspace.scenes.world import draw_scene


def main() -> None:
    """Draw and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=100)
    pictures = parser.parse_args().pictures
    draw_scene(0, 0)
    rates = []
    for seed in range(3):
        start = time.process_time()
        for index in range(pictures):
            draw_scene(seed, index)
        rates.append(pictures / (time.process_time() - start))
    print(json.dumps({"benchmark": "drawn_world", "pictures_per_s": round(max(rates), 1)}))


if __name__ == "__main__":
    main()
