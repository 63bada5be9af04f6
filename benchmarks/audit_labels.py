"""Wrong labels by kind: what is found without the own photo's votes, with them, and with both joined.

    python benchmarks/audit_labels.py STORE --space S [--draws 4]

Labels are swapped in each of the ways of an audit, as if they were a user's errors; the audit plants in
these. Printed is the mean share of them in the first tenth of the list: of the two margins by other photos
alone, and of both regressions with each weight of the one without the own photo.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from objectspace.analyses.audit.label_margins import LabelEvidence, Margins
from objectspace.analyses.audit.label_model import LabelDraw, LabelModel
from objectspace.analyses.audit.label_swaps import WHOLE_PHOTO, kinds_of, swap_labels
from objectspace.analyses.audit.labels import draw_swaps, in_two_groups
from objectspace.analyses.groups import codes
from objectspace.search.audit.neighborhood import Neighborhood
from objectspace.store import open_store

#: Shares of the labels that are swapped, and weights of the regression without the own photo's votes.
SWAPPED, WEIGHTS = (0.02, 0.05, 0.10), (0.01, 0.25, 0.5, 0.65, 0.75, 0.85, 0.99)


def main() -> None:
    """Print a row for each list, and a column for each share and kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("--space", required=True)
    parser.add_argument("--draws", type=int, default=4)
    asked = parser.parse_args()
    store = open_store(asked.store)
    columns = store.object_columns(["image_id", "label"], asked.space)
    image, label = (columns[name].astype(np.str_) for name in ("image_id", "label"))
    near = Neighborhood(store.stored_space(asked.space), np.arange(len(image)), image)
    true, photo = codes(label), codes(image)
    print(f"{asked.store.name}, {asked.space}: {len(true)} objects, means of {asked.draws} draws")
    found: dict[str, list[float]] = {}
    kinds = kinds_of(true, photo, in_two_groups(true, photo))
    for share in SWAPPED:
        for kind in kinds:
            shares = [found_of(near, true, photo, kind, share, draw) for draw in range(asked.draws)]
            for name in shares[0]:
                found.setdefault(name, []).append(float(np.mean([one[name] for one in shares])))
    print("| list | " + " | ".join(f"{share:.0%} {kind}" for share in SWAPPED for kind in kinds) + " |")
    for name, values in found.items():
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in values) + " |")


def found_of(
    near: Neighborhood, true: np.ndarray, photo: np.ndarray, kind: str, share: float, draw: int
) -> dict[str, float]:
    """Return what each list has of labels that are swapped in one way, in its first tenth."""
    random, judged = np.random.default_rng([draw, round(1000 * share)]), in_two_groups(true, photo)
    confusions = LabelEvidence(near.vectors, near.near, photo, int(true.max()) + 1).confusions(true)
    given, swapped = swap_labels(true, photo, judged, confusions, kind, random, share=share)
    own = codes(given)
    evidence = LabelEvidence(near.vectors, near.near, photo, int(own.max()) + 1)
    judged = in_two_groups(own, photo)
    margins = evidence.margins(own).take(judged)
    draws = draw_swaps(evidence, own, photo, judged, 0)
    lists = {"two margins by other photos": by_others(draws, margins)}
    for weight in WEIGHTS:
        lists[f"weight {weight}"] = LabelModel(draws, without_own=weight).probability(margins)
    wrong = swapped[judged]
    return {
        name: wrong[np.argsort(-values, kind="stable")[: round(0.1 * len(true))]].sum() / swapped.sum()
        for name, values in lists.items()
    }


def by_others(draws: list[LabelDraw], margins: Margins) -> np.ndarray:
    """Return the probability by the two margins that other photos give, fitted to swaps of single labels."""
    single = [draw for draw in draws if draw.kind != WHOLE_PHOTO]
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(
        np.concatenate([one.margins.others for one in single]),
        np.concatenate([one.swapped for one in single]),
    )
    return model.predict_proba(margins.others)[:, 1]


if __name__ == "__main__":
    main()
