"""Explain distances of a space cell by cell, and check the explanations by covering cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.explanation import (
    CellHeat,
    Contrast,
    DeletionCheck,
    Explanation,
    Method,
    cover_orders,
    covered_cells,
    distance_total,
    empty_shares,
    explain_layouts,
    explain_occlusions,
    explain_sums,
    measure_deletion,
    part_explanation,
)
from objectspace.arguments import typed
from objectspace.embeddings.joint import joint_parts
from objectspace.errors import QueryError
from objectspace.neighbors import JointVectors
from objectspace.neighbors.distances import pair_distances
from objectspace.neighbors.joint_vectors import part_distances
from objectspace.search import Answer, Queries, SpaceSearch, choose_targets
from objectspace.search.queries.cell_views import CellView, Viewer, open_viewer
from objectspace.store import StoredJointVectors

_PAIR = np.zeros(1, np.int64)


@typed
def explain(
    search: SpaceSearch, first: Queries, second: Queries, *, far: Queries | None = None, device: str = "cpu"
) -> Explanation | Contrast:
    """Return why two objects are as far apart as they are in a space, cell by cell.

    first, second: one object each, stored or from outside
    far: a third object: the difference of two explanations, why the first is nearer to the second

    The networks that made the space run again on the photos. Where a vector is an average of cells, or laid
    out by cells, the heat sums to ``total``; elsewhere it is made by occlusion, and says so.
    Raises QueryError for several objects or words as one, for a space whose vectors have no cells and for
    objects that it does not hold, ImageError for photos that are gone, and as :func:`query_image`.

    >>> search = osp.SpaceSearch(store, "demo-crop", metric="euclidean")
    >>> first, second = (search.stored([name]) for name in osp.choose_targets(search, 2, label="chair"))
    >>> why = osp.explain(search, first, second)
    >>> heat = sum(one.heat.sum() for one in why.cells)
    >>> why.method, bool(abs(heat - why.distance**2) < 1e-5 * heat)
    ('sum', True)
    """
    return _Explainer(search, device).explain(first, second, far)


@typed
def explain_neighbors(
    search: SpaceSearch, answers: Sequence[Answer], *, device: str = "cpu"
) -> list[tuple[Explanation, ...]]:
    """Return why each neighbor of some answers is as far as it is, as :func:`explain` of both does.

    answers: to stored objects, one each, of this search. Each object runs through the network once.
    Raises QueryError for other answers, for a joint space, and as :func:`explain`.

    >>> search = osp.SpaceSearch(store, "demo-crop")
    >>> answers = search.nearest(search.stored(osp.choose_targets(search, 2)), k=3)
    >>> [len(why) for why in osp.explain_neighbors(search, answers)]
    [3, 3]
    """
    name = search.space.name
    _refuse_joint(search, "explain neighbors in the space of one of its parts")
    if any(not answer.stored or len(answer.query) != 1 for answer in answers):
        raise QueryError("neighbors are explained of stored objects, one a target")
    explainer, views = _Explainer(search, device), dict[str, CellView]()

    def view(object_id: str) -> CellView:
        if object_id not in views:
            query = search.stored([object_id])
            views[object_id] = explainer.view(name, query, np.asarray(query.vectors)[0])
        return views[object_id]

    found = []
    for answer in answers:
        target = view(str(answer.query.object_id[0]))
        pairs = zip(answer.neighbors.object_id.tolist(), answer.distance.tolist(), strict=True)
        found.append(
            tuple(
                replace(explainer.explain_views(name, [target, view(one)], search.metric), distance=distance)
                for one, distance in pairs
            )
        )
    return found


@typed
def check_explanations(
    search: SpaceSearch, *, pairs: int = 40, seed: int = 0, device: str = "cpu"
) -> DeletionCheck:
    """Return whether covering the cells that explain most changes distances faster than random cells do.

    A pair is an object and its nearest of another image; the cells of the first are painted black (or in the
    color of its crop's background). Intervals are over images.
    Raises QueryError for a joint space, whose parts are checked one by one, and as :func:`explain`.

    >>> search = osp.SpaceSearch(store, "demo-crop")
    >>> osp.check_explanations(search, pairs=8).apart.n
    8
    """
    name = search.space.name
    _refuse_joint(search, "check the spaces of its parts")
    explainer, rng = _Explainer(search, device), np.random.default_rng(seed)
    targets = search.stored(choose_targets(search, pairs))
    areas: list[NDArray[np.float64]] = []
    images: list[str] = []
    methods: set[Method] = set()
    for first, other in zip(targets.objects.object_id, _nearest(search, targets), strict=True):
        pair = [search.stored([str(one)]) for one in (first, other)]
        ends = [np.asarray(one.vectors)[0] for one in pair]
        views = [explainer.view(name, one, end) for one, end in zip(pair, ends, strict=True)]
        why = explainer.explain_views(name, views, search.metric)
        if why.total > 0:
            areas.append(_curve_areas(views[0], ends[1], why.cells[0].heat, search.metric, rng))
            images.append(str(pair[0].objects.image_id[0]))
            methods.add(why.method)
    return measure_deletion(
        np.array(areas),
        np.array(images),
        space=name,
        metric=search.metric,
        method="occlusion" if "occlusion" in methods else "sum",
        seed=seed,
    )


def _refuse_joint(search: SpaceSearch, instead: str) -> None:
    """Raise QueryError for a joint space."""
    name = search.space.name
    if isinstance(search.space.vectors, JointVectors | StoredJointVectors):
        spaces = [space for part in joint_parts(search.store.recipe(name)) for space in part.spaces]
        raise QueryError(f"{name} is a joint space; {instead}: {', '.join(spaces)}")


def _nearest(search: SpaceSearch, targets: Queries) -> list[str]:
    """Return the id of each target's nearest of another image. Raises QueryError for one image."""
    answers = search.nearest(targets, k=1)
    if not all(len(answer.neighbors) for answer in answers):
        raise QueryError(f"space {search.space.name} has objects of one photo; a check needs two or more")
    return [str(answer.neighbors.object_id[0]) for answer in answers]


def _curve_areas(
    view: CellView,
    other: NDArray[np.float32],
    heat: NDArray[np.float64],
    metric: str,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the mean log of total / total uncovered, for each order in which a view is covered.

    other: (d,), the vector of the second object
    """
    covered = [covered_cells(order, view.shape) for order in cover_orders(heat, rng)]
    inputs = np.concatenate([view.pixels[None], view.covered(np.concatenate(covered))])
    totals = distance_total(view.embed(inputs), other, metric)
    totals = totals[1:] / totals[0]
    # Two that become one have no logarithm: a floor that no other pair comes near.
    areas: NDArray[np.float64] = np.log(np.maximum(totals, 1e-6)).reshape(len(covered), -1).mean(1)
    return areas


class _Explainer:
    """The networks of a search's space, each loaded once."""

    def __init__(self, search: SpaceSearch, device: str) -> None:
        self._search, self._device = search, device
        self._viewers: dict[str, Viewer] = {}

    def explain(self, first: Queries, second: Queries, far: Queries | None) -> Explanation | Contrast:
        """Return the explanation of two objects, or the contrast of three."""
        for one in (first, second) if far is None else (first, second, far):
            if len(one) != 1 or len(one.objects) != 1 or one.texts:
                raise QueryError(f"an explanation is of single objects, and this is {one!r}; give one")
        near = self._pair(first, second)
        return near if far is None else Contrast(near, self._pair(first, far))

    def view(self, space: str, query: Queries, vector: NDArray[np.float32]) -> CellView:
        """Return a query's object as the network of a space sees it, where its vector (d,) is."""
        if space not in self._viewers:
            self._viewers[space] = open_viewer(self._search.store, space, self._device)
        return self._viewers[space].view(query.images[0], query.objects).made_to(vector, space)

    def explain_views(self, space: str, views: list[CellView], metric: str) -> Explanation:
        """Return the explanation of two views, with the distance that its total comes to."""
        first, second = views
        if first.cells is None or second.cells is None:
            method: Method = "occlusion"
            heat, total = _by_occlusion(first, second, metric)
        else:
            method = "sum"
            if first.layout:
                heat = explain_layouts(first.cells, second.cells, metric)
            else:
                heat = explain_sums(first.cells, second.cells, metric, (first.weights, second.weights))
            total = float(sum(one.sum() for one in heat))
        cells = tuple(_cell_heat(one, view, metric) for one, view in zip(heat, views, strict=True))
        distance = total if metric == "cosine" else float(np.sqrt(max(total, 0.0)))
        return Explanation(space, metric, method, distance, total, cells, {})

    def _pair(self, first: Queries, second: Queries) -> Explanation:
        search, ends = self._search, (first.vectors, second.vectors)
        if isinstance(ends[0], JointVectors) and isinstance(ends[1], JointVectors):
            return self._joint(first, second, ends[0], ends[1])
        name, metric = search.space.name, search.metric
        v, w = (np.asarray(one) for one in ends)
        views = [self.view(name, first, v[0]), self.view(name, second, w[0])]
        stored = pair_distances(v, _PAIR, w, _PAIR, metric)
        return replace(self.explain_views(name, views, metric), distance=float(stored[0]))

    def _joint(self, first: Queries, second: Queries, v: JointVectors, w: JointVectors) -> Explanation:
        """Return the explanation of each part by its cosine, times its share; together 1 - cos."""
        search = self._search
        distances = part_distances(v, _PAIR, w, _PAIR)[0]
        parts: dict[str, Explanation] = {}
        for number, part in enumerate(joint_parts(search.store.recipe(search.space.name))):
            share, far = float(v.shares[number]), float(distances[number])
            blocks = zip(part.spaces, v.parts[number].blocks, w.parts[number].blocks, strict=True)
            held = [one for one in blocks if len(one[1].rows) and len(one[2].rows)]
            if held:
                name, *ends = held[0]
                views = [
                    self.view(name, query, np.asarray(end.source)[0])
                    for query, end in zip((first, second), ends, strict=True)
                ]
                made = replace(self.explain_views(name, views, "cosine"), distance=far)
            else:
                # Two objects without vectors in one space of it: the part counts as its recipe says.
                made = Explanation(part.spaces[0], "cosine", "sum", far, far, (), {})
            parts[part.name] = part_explanation(made, share)
        total = sum(part.total for part in parts.values())
        cosine = float(distances @ v.shares)
        distance = cosine if search.metric == "cosine" else float(np.sqrt(2 * max(cosine, 0.0)))
        exact = all(part.method == "sum" for part in parts.values())
        return Explanation(
            search.space.name, search.metric, "sum" if exact else "occlusion", distance, total, (), parts
        )


def _cell_heat(heat: NDArray[np.float64], view: CellView, metric: str) -> CellHeat:
    if view.cells is None or view.layout:
        return CellHeat(heat, view.picture())
    return CellHeat(heat, view.picture(), empty_shares(view.cells, metric, view.weights))


def _by_occlusion(
    first: CellView, second: CellView, metric: str
) -> tuple[tuple[NDArray[np.float64], NDArray[np.float64]], float]:
    """Return the heat of both views by covering one cell at a time, and the total of them uncovered."""
    whole = [view.embed(view.pixels[None])[0] for view in (first, second)]
    total = float(distance_total(whole[0][None], whole[1], metric)[0])
    heat = []
    for view, other in ((first, whole[1]), (second, whole[0])):
        count = view.shape[0] * view.shape[1]
        one_each = np.eye(count, dtype=np.bool_).reshape(count, *view.shape)
        totals = distance_total(view.embed(view.covered(one_each)), other, metric)
        heat.append(explain_occlusions(total, totals.reshape(view.shape)))
    return (heat[0], heat[1]), total
