"""Projections of a space to a few components, and how much of position and factors each component holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from objectspace.analyses.factor_values import Factor
from objectspace.analyses.features import Centered, Features
from objectspace.analyses.grid_positions import PHASES, GridPositions
from objectspace.analyses.groups import MOST_OBJECTS, Codes, Groups, draw_groups, make_folds, make_groups
from objectspace.analyses.probes import FOLDS, measure_probe
from objectspace.analyses.ridge import FoldedRidge
from objectspace.analyses.statistics import Estimate, finite
from objectspace.arguments import typed
from objectspace.embeddings.spaces import Space
from objectspace.errors import InputError, counted
from objectspace.objects.records import Objects
from objectspace.threads import BLAS_IN_ONE_THREAD

Method = Literal["pca", "tsne"]
Float64 = NDArray[np.float64]

#: Components that are kept, and the numbers of first components from which factors are read together.
COMPONENTS = 50
FIRST = (2, 10, 50)

#: Largest number of half periods, across and down, in a smooth function of position or offset.
WAVES = 6

PERPLEXITY = 30.0

# Columns of vectors that are regressed on position at once.
_COLUMNS = 128


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """The principal components of vectors (n, d).

    coordinates: (n, c) float64, centered
    explained: (c,) share of the variance, falling
    axes: (c, d), orthonormal, each with its largest weight positive
    """

    coordinates: Float64
    explained: Float64
    axes: Float64

    def __repr__(self) -> str:
        return f"Components({len(self.explained)} of {len(self.coordinates)} vectors)"


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """The share of one factor that the components hold: R2 on held-out images, 1 for all, 0 or less for none.

    components: (c,) of a line through each component alone
    first: number of components -> ridge regression on the first so many together
    plane: (m, 2) squared errors of the regression on the first two, and of the training folds' mean
    """

    components: Float64
    first: Mapping[int, Estimate]
    plane: Float64

    def __repr__(self) -> str:
        values = ", ".join(f"first {count}: {one.value:.3f}" for count, one in self.first.items())
        return f"Reading(R2 of the {values})"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; null where there are fewer components."""
        values = {f"first_{count}": finite_value(self.first.get(count)) for count in FIRST}
        detail = {str(count): estimate.to_json() for count, estimate in self.first.items()}
        return {
            "components": [finite(value) for value in self.components.tolist()],
            **values,
            "estimates": detail,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """Shares of the variance that a smooth function predicts for held-out images.

    phase, place: a function of the sub-cell offset alone, of the grid position alone
    both: a sum of one of each; the rest is what only the two together determine, and all other differences
    components: the same three of each component (c, 3), shares of that component's own variance
    """

    phase: float
    place: float
    both: float
    components: Float64

    def __repr__(self) -> str:
        return f"Shares(phase {self.phase:.2f}, place {self.place:.2f}, both {self.both:.2f})"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        names = ("phase", "place", "both")
        rows = [dict(zip(names, map(finite, row), strict=True)) for row in self.components.tolist()]
        return {**{name: finite(getattr(self, name)) for name in names}, "components": rows}


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """The projection of a space of n objects.

    coordinates: (n, c) float64: principal components, or the two of t-SNE
    explained: (c,) share of the variance; empty for t-SNE
    loadings: (c, k, k) share of each map cell of the window in a component's squared weights; None where the
        vectors are not of windows, and for t-SNE
    factors: name -> (n,) float64, the factors of the readings
    shares: None where the vectors are not of windows
    rows: (m,) the objects that readings and shares are of, sorted: all n, or whole images drawn at random
    """

    space: str
    method: Method
    coordinates: Float64
    explained: Float64
    loadings: Float64 | None
    factors: Mapping[str, Float64]
    readings: Mapping[str, Reading]
    shares: Shares | None
    rows: Codes

    def __repr__(self) -> str:
        return f"Projection({self.space}, {self.method}, {self.coordinates.shape[0]} objects)"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, the shape that ``objectspace project --json`` prints."""
        return {
            "space": self.space,
            "method": self.method,
            "n": len(self.coordinates),
            "n_read": len(self.rows),
            "explained_variance": self.explained.tolist(),
            "r2": {name: reading.to_json() for name, reading in self.readings.items()},
            "variance": None if self.shares is None else self.shares.to_json(),
            "loadings": None if self.loadings is None else self.loadings[:10].tolist(),
        }


def finite_value(estimate: Estimate | None) -> float | None:
    """Return an estimate's value for JSON."""
    return None if estimate is None else finite(estimate.value)


@typed
def project(
    space: Space,
    objects: Objects,
    factors: Mapping[str, Float64],
    *,
    positions: GridPositions | None = None,
    method: Method = "pca",
    components: Projection | None = None,
    most: int | None = MOST_OBJECTS,
    seed: int = 0,
) -> Projection:
    """Project a space, and measure how much of numeric factors (name -> (n,)) and positions components hold.

    ``objects`` are the space's, row for row. Components are of all objects, which are what a map shows;
    readings are regressions on them from which whole images were held out, of more than ``most`` objects for
    as many, of whole images drawn at random; None takes all. t-SNE (van der Maaten and Hinton
    2008) starts from the principal components: those in ``components``, the space's projection by PCA, or
    they are worked out anew. Both methods are the same on any number of cores.
    Raises InputError with fewer than ten objects or three images, for vectors that are all equal, and for a
    factor that is constant.

    >>> space = store.space("demo-crop")
    >>> objects = space.objects
    >>> osp.project(space, objects, {"x": objects.factors["x"]})
    Projection(demo-crop, pca, 39 objects)
    """
    _check(space, objects, factors, method)
    groups = make_groups(objects.image_id)
    rows = draw_groups(groups.group, most, seed=seed)
    groups = groups.take(rows)
    fold = make_folds(groups.group, FOLDS, seed=seed)
    read = {**factors, **_offsets(positions)}

    def readings(coordinates: Float64) -> dict[str, Reading]:
        part = coordinates[rows]
        return {name: _reading(part, name, read[name][rows], groups, fold, seed) for name in read}

    if method == "tsne":
        pca = components or project(space, objects, {}, positions=positions, most=most, seed=seed)
        placed = tsne(pca.coordinates, seed=seed)
        empty, held = np.empty(0), readings(placed)
        return Projection(space.name, method, placed, empty, None, read, held, pca.shares, rows)
    if _all_equal(space.searched):
        raise InputError(f"the vectors of space {space.name} are all equal, so there is nothing to project")
    # t-SNE magnifies the last bits of what it starts from, which the number of threads decides.
    with BLAS_IN_ONE_THREAD.held():
        found = principal_components(space.searched, COMPONENTS)
    shares = None
    if positions is not None:
        drawn = space.take(rows).vectors
        shares = measure_shares(drawn, found.coordinates[rows], positions.take(rows), fold)
    return Projection(
        space.name,
        method,
        found.coordinates,
        found.explained,
        _loadings(found.axes, space.recipe.window),
        read,
        readings(found.coordinates),
        shares,
        rows,
    )


def measure_shares(
    vectors: NDArray[np.floating], coordinates: Float64, positions: GridPositions, fold: Codes
) -> Shares:
    """Return the shares of position in the variance of vectors (n, d), and of each coordinate (n, c) alone.

    Predictions are for held-out folds (n,). Each column has a ridge penalty of its own, so vectors and all of
    their principal components have shares that differ by what the penalties can follow.
    """
    phase, place = _waves(positions.offset), _waves(positions.position)
    bases = (phase, place, np.concatenate([phase, place], axis=1))
    whole = [_explained(basis, vectors, fold) for basis in bases]
    each = [_explained(basis, coordinates, fold) for basis in bases]
    phase_share, place_share, both = (float(1 - errors.sum() / spread.sum()) for errors, spread in whole)
    components = np.stack([1 - errors / spread for errors, spread in each], axis=1)
    return Shares(phase_share, place_share, both, components)


def principal_components(vectors: Features, count: int) -> Components:
    """Return the first ``count`` principal components of vectors (n, d), or as many as there are; exact.

    Solved in the smaller of the two equal forms, as eigenvectors of the d x d or the n x n products; of these
    and of blocks of the vectors there are copies in float64, of all vectors only where they are fewer than d.

    >>> found = principal_components(np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]), 2)
    >>> found.coordinates.round(6).tolist(), found.explained.round(6).tolist()
    ([[-5.0], [0.0], [5.0]], [1.0])
    """
    x = Centered.of(vectors)
    rows, wide = np.arange(len(x)), len(x) <= x.dimension
    if wide:
        centered = x[rows]
        products = centered @ centered.T
    else:
        products = x.gram(rows)
    total, size = float(np.trace(products)), len(products)
    chosen = (max(0, size - count), size - 1)
    values, found = eigh(products, subset_by_index=chosen, overwrite_a=True, check_finite=False)
    # Directions without variance are rounding, not components.
    there = np.flatnonzero(values > total * 1e-12)[::-1]
    values, found = values[there], found[:, there]
    axes = (found.T @ centered) / np.sqrt(values)[:, None] if wide else found.T
    axes *= np.sign(np.take_along_axis(axes, np.abs(axes).argmax(1)[:, None], 1))
    explained: Float64 = values / total
    coordinates = np.empty((len(x), len(axes)))
    for part in x.blocks():
        coordinates[part] = x[part] @ axes.T
    return Components(coordinates, explained, axes)


def tsne(components: Float64, *, seed: int = 0) -> Float64:
    """Return two t-SNE coordinates (n, 2) of principal components (n, c); n is two or more.

    van der Maaten and Hinton 2008, started from the components, with exact neighbors.
    """
    from openTSNE import TSNE

    perplexity = min(PERPLEXITY, (len(components) - 1) / 3)
    embedding = TSNE(perplexity=perplexity, neighbors="exact", random_state=seed, n_jobs=1).fit(components)
    return np.asarray(embedding, np.float64)


def _all_equal(vectors: Features) -> bool:
    """Return whether all vectors are equal; reads no farther than to the first that is not."""
    every = np.arange(vectors.shape[0])
    whole = Centered(vectors, np.zeros((1, vectors.shape[1])), every, np.zeros_like(every))
    first = whole[whole.at[:1]]
    return all(bool((whole[part] == first).all()) for part in whole.blocks())


def _check(space: Space, objects: Objects, factors: Mapping[str, Float64], method: str) -> None:
    if method not in get_args(Method):
        raise InputError(f"method {method!r} is not known, expected {' or '.join(get_args(Method))}")
    if objects.object_id.tolist() != space.object_id.tolist():
        raise InputError(f"space {space.name}: its vectors and the objects are not in the same order")
    if len(space) < 10 or len(set(objects.image_id.tolist())) < 3:
        raise InputError(
            f"space {space.name} has {counted(len(space), 'object')}; "
            "a projection needs ten or more, of three photos"
        )
    for name, values in factors.items():
        if not np.ptp(values):
            raise InputError(f"factor {name} is {values[0]:g} for every object of space {space.name}")


def _offsets(positions: GridPositions | None) -> dict[str, Float64]:
    if positions is None:
        return {}
    columns = dict(zip(PHASES, positions.offset.T, strict=True))
    return {name: column for name, column in columns.items() if np.ptp(column)}


def _loadings(axes: Float64, window: int | None) -> Float64 | None:
    if window is None or axes.shape[1] % window**2:  # a space of a stranger may say of itself what it likes
        return None
    squares = axes.reshape(len(axes), -1, window, window) ** 2
    loadings: Float64 = squares.sum(1)
    return loadings


def _reading(
    coordinates: Float64, name: str, values: Float64, groups: Groups, fold: Codes, seed: int
) -> Reading:
    counts = sorted({min(count, coordinates.shape[1]) for count in FIRST} & set(FIRST))
    factor = Factor(name, "linear", values)
    probes = {
        count: probe
        for count in counts
        if (probe := measure_probe(coordinates[:, :count].astype(np.float32), factor, groups, seed=seed))
    }
    first = {count: probe.score for count, probe in probes.items()}
    plane = probes[FIRST[0]].parts if FIRST[0] in probes else np.empty((0, 2))
    return Reading(_line_r2(coordinates, values, fold), first, plane)


def _line_r2(coordinates: Float64, values: Float64, fold: Codes) -> Float64:
    """Return R2 (c,) of the line through each component alone, on held-out folds."""
    errors, spread = np.zeros(coordinates.shape[1]), 0.0
    for held in range(int(fold.max()) + 1):
        train, test = fold != held, fold == held
        x_mean, y_mean = coordinates[train].mean(0), values[train].mean()
        x, y = coordinates[train] - x_mean, values[train] - y_mean
        slope = (y @ x) / np.maximum((x**2).sum(0), np.finfo(float).tiny)
        own = values[test] - y_mean
        errors += ((own[:, None] - (coordinates[test] - x_mean) * slope) ** 2).sum(0)
        spread += float((own**2).sum())
    r2: Float64 = 1 - errors / spread
    return r2


def _waves(points: Float64) -> Float64:
    """Return cosines (n, w) of points (n, 2), up to :data:`WAVES` half periods across and down their range.

    A cosine series follows any smooth function on an interval, without a jump where the ends do not meet.
    """
    low, span = points.min(0), np.ptp(points, axis=0)
    unit = (points - low) / np.where(span > 0, span, 1)
    across, down = (np.cos(np.pi * unit[:, axis, None] * np.arange(WAVES + 1)) for axis in (0, 1))
    products: Float64 = (across[:, :, None] * down[:, None, :]).reshape(len(points), -1)
    return products[:, products.std(0) > 1e-9]


def _explained(basis: Float64, targets: NDArray[np.floating], fold: Codes) -> tuple[Float64, Float64]:
    """Return squared errors (t,) of targets (n, t): predicted for held-out folds, and by means."""
    ridge = FoldedRidge(basis.astype(np.float32), fold, np.zeros_like(fold))
    errors, spread = np.empty((2, targets.shape[1]))
    for start in range(0, targets.shape[1], _COLUMNS):
        part = slice(start, start + _COLUMNS)
        own = np.asarray(targets[:, part], np.float64)
        predicted, means = ridge.predict(own, ridge.choose_penalties(own, own.shape[1]))
        errors[part], spread[part] = ((own - predicted) ** 2).sum(0), ((own - means) ** 2).sum(0)
    return errors, spread
