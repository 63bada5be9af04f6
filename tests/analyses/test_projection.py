from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from objectspace.analyses import projection
from objectspace.analyses.grid_positions import PHASES, GridPositions
from objectspace.analyses.projection import principal_components, project
from objectspace.embeddings.spaces import Recipe, Space
from objectspace.errors import InputError
from objectspace.objects.records import Objects, concatenate, make_objects


def recipe(window: int | None = None) -> Recipe:
    return Recipe("window" if window else "crop", "m", "w", "t", {}, "float32", "0", window=window)


def objects_at(xy: np.ndarray) -> Objects:
    """An object of 10 x 10 pixels at each place, each in a photo of its own."""
    boxes = np.concatenate([xy, xy + 10], axis=1).astype(np.float32)
    return concatenate(
        [
            make_objects(image_id=f"photo{row}", xyxy=box[None], label=["dog"], source="s")
            for row, box in enumerate(boxes)
        ]
    )


def space_of(vectors: np.ndarray, objects: Objects, window: int | None = None) -> Space:
    return Space("s", recipe(window), objects.object_id, vectors.astype(np.float32))


def grid(count: int = 16) -> np.ndarray:
    """Places (count * count, 2) over 320 pixels, one at random in each square of a grid."""
    corners = np.stack(np.meshgrid(np.arange(count), np.arange(count)), axis=-1).reshape(-1, 2)
    return (corners + np.random.default_rng(7).random(corners.shape)) * 310 / count


def positions_of(xy: np.ndarray) -> GridPositions:
    cells = (xy + 5) / 32
    place = np.floor(cells) + 0.5
    return GridPositions(cells - place, place)


@pytest.mark.parametrize(("count", "dimension"), [(60, 8), (20, 50), (30, 30)])
def test_components_are_those_of_scikit_learn(count, dimension):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(count, dimension)) * np.linspace(3, 1, dimension) + 5
    ours, theirs = principal_components(vectors, 6), PCA(6, svd_solver="full").fit(vectors)
    np.testing.assert_allclose(ours.explained, theirs.explained_variance_ratio_)
    signs = np.sign((ours.axes * theirs.components_).sum(1))
    np.testing.assert_allclose(ours.axes, theirs.components_ * signs[:, None], atol=1e-9)
    np.testing.assert_allclose(ours.coordinates, theirs.transform(vectors) * signs, atol=1e-8)


def test_directions_without_variance_are_no_components():
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(40, 2)) @ rng.normal(size=(2, 9))
    assert principal_components(flat, 6).coordinates.shape == (40, 2)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (1, 4)])
def test_equal_vectors_have_no_component(shape: tuple[int, int]) -> None:
    found = principal_components(np.ones(shape, np.float32), 2)
    assert found.coordinates.shape == (shape[0], 0)
    assert found.explained.shape == (0,)


def test_vectors_that_are_the_place_give_it_back():
    xy = grid()
    objects = objects_at(xy)
    noise = np.random.default_rng(0).normal(size=(len(xy), 12))
    found = project(
        space_of(np.column_stack([3 * xy, noise]), objects), objects, {"x": xy[:, 0], "y": xy[:, 1]}
    )
    assert found.readings["x"].first[2].value > 0.99
    assert found.readings["y"].first[10].value > 0.99
    assert 50 not in found.readings["x"].first
    assert found.readings["x"].to_json()["first_50"] is None
    # The two are equally strong, so the first components are turned in their plane.
    assert found.readings["x"].components[:2].sum() == pytest.approx(1, abs=0.02)
    assert found.explained[:2].sum() > 0.99


def test_noise_holds_nothing():
    xy = grid(10)
    objects = objects_at(xy)
    noise = np.random.default_rng(1).normal(size=(len(xy), 20))
    found = project(space_of(noise, objects), objects, {"x": xy[:, 0]})
    assert found.readings["x"].components.max() < 0.2
    assert found.readings["x"].first[2].low < 0.05
    assert found.readings["x"].first[2].p > 0.05


@pytest.mark.parametrize(
    ("held", "phase", "place"), [("phase", 0.95, 0.0), ("place", 0.0, 0.95), ("product", 0.0, 0.0)]
)
def test_the_variance_is_shared_out(held, phase, place):
    """Vectors that are a function of the one, the other, or of neither without the other."""
    xy = grid(20)
    where = positions_of(xy)
    u, v = where.offset.T
    across, down = (where.position - 5).T
    vectors = {
        "phase": np.column_stack([np.sin(3 * u), np.cos(2 * v), u * v]),
        "place": np.column_stack([across, down**2, np.sin(across)]),
        "product": np.column_stack([np.sin(6 * u) * across, np.sin(6 * v) * down]),
    }[held]
    objects = objects_at(xy)
    shares = project(space_of(vectors, objects), objects, {"x": xy[:, 0]}, positions=where).shares
    assert shares.phase == pytest.approx(phase, abs=0.06)
    assert shares.place == pytest.approx(place, abs=0.06)
    assert shares.both == pytest.approx(max(phase, place), abs=0.08)


def test_components_that_follow_the_phase_are_told_from_those_that_follow_the_place():
    xy = grid(20)
    where = positions_of(xy)
    objects = objects_at(xy)
    found = project(
        space_of(np.column_stack([30 * where.offset, where.position]), objects), objects, {}, positions=where
    )
    of_place = found.shares.components[np.argsort(found.shares.components[:, 0])]
    np.testing.assert_allclose(of_place[:2, 1], 1, atol=0.08)
    np.testing.assert_allclose(of_place[2:, 0], 1, atol=0.08)
    assert set(found.readings) == set(PHASES)


def test_loadings_add_up_and_lie_in_their_cells():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(30, 4, 3, 3)) * 0.01
    vectors[:, :, 0, 2] += rng.normal(size=(30, 1))
    objects = objects_at(grid(6)[:30])
    found = project(
        space_of(vectors.reshape(30, -1), objects, window=3), objects, {"x": objects.xyxy[:, 0].astype(float)}
    )
    np.testing.assert_allclose(found.loadings.sum((1, 2)), 1)
    assert found.loadings[0, 0, 2] > 0.99


def test_vectors_that_are_not_of_the_windows_that_their_recipe_names_have_no_loadings():
    objects = objects_at(grid(6)[:30])
    vectors = np.random.default_rng(0).normal(size=(30, 10))
    assert project(space_of(vectors, objects, window=3), objects, {}).loadings is None


def test_tsne_is_seeded_and_keeps_what_is_near_together():
    xy = grid(8)
    objects = objects_at(xy)
    vectors = np.column_stack([xy, np.random.default_rng(0).normal(size=(64, 3))])
    space = space_of(vectors, objects)
    first, second = (project(space, objects, {"x": xy[:, 0]}, method="tsne", seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.coordinates, second.coordinates)
    assert first.coordinates.shape == (64, 2)
    assert len(first.explained) == 0
    assert first.to_json()["explained_variance"] == []
    apart = np.linalg.norm(first.coordinates[:, None] - first.coordinates, axis=2)
    np.fill_diagonal(apart, np.inf)
    assert np.linalg.norm(xy - xy[apart.argmin(1)], axis=1).mean() < 60


def test_tsne_is_the_same_on_any_number_of_cores():
    xy = grid(16)
    objects = objects_at(xy)
    vectors = np.random.default_rng(0).normal(size=(256, 3000))
    maps = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads, user_api="blas"):
            found = project(space_of(vectors, objects), objects, {}, method="tsne")
        maps.append(found.coordinates)
    np.testing.assert_array_equal(*maps)


def test_what_cannot_be_projected():
    xy = grid(6)
    objects = objects_at(xy)
    vectors = np.random.default_rng(0).normal(size=(36, 4))
    with pytest.raises(InputError, match="are not in the same order"):
        project(space_of(vectors, objects), objects.take(np.arange(36)[::-1]), {})
    with pytest.raises(InputError, match="are all equal, so there is nothing to project"):
        project(space_of(np.ones((36, 4)), objects), objects, {})
    with pytest.raises(InputError, match="factor x is 3 for every object"):
        project(space_of(vectors, objects), objects, {"x": np.full(36, 3.0)})
    with pytest.raises(InputError, match="method 'umap' is not known, expected pca or tsne"):
        project(space_of(vectors, objects), objects, {}, method="umap")
    few = objects.take(np.arange(5))
    with pytest.raises(InputError, match="has 5 objects; a projection needs ten or more"):
        project(space_of(vectors[:5], few), few, {})


def test_tsne_from_known_components_is_the_same():
    xy = grid(8)
    objects = objects_at(xy)
    space = space_of(np.column_stack([xy, np.random.default_rng(0).normal(size=(64, 3))]), objects)
    where = positions_of(xy)
    pca = project(space, objects, {}, positions=where)
    anew = project(space, objects, {}, positions=where, method="tsne")
    found = project(space, objects, {}, positions=where, method="tsne", components=pca)
    np.testing.assert_array_equal(found.coordinates, anew.coordinates)
    assert found.shares is pca.shares
    assert found.shares.to_json() == anew.shares.to_json()


@pytest.mark.parametrize(("count", "perplexity"), [(2, 1 / 3), (10, 3), (90, 89 / 3), (91, 30), (400, 30)])
def test_of_few_objects_a_third_of_the_others_are_neighbors(
    monkeypatch: pytest.MonkeyPatch, count: int, perplexity: float
) -> None:
    """As t-SNE's authors advise: the perplexity is no more than a third of the others."""
    asked = {}

    class Noted:
        def __init__(self, **settings: object) -> None:
            asked.update(settings)

        def fit(self, components: np.ndarray) -> np.ndarray:
            return components[:, :2]

    monkeypatch.setattr("openTSNE.TSNE", Noted)
    components = np.arange(count * 3.0).reshape(count, 3)
    assert projection.tsne(components, seed=7).tolist() == components[:, :2].tolist()
    assert asked["perplexity"] == pytest.approx(perplexity)
    assert (asked["random_state"], asked["neighbors"]) == (7, "exact")
