"""Searches from the page: what comes is that of the library's own search, and what is asked is bounded."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import objectspace as osp
from objectspace.explorer import served_store
from objectspace.explorer.app import COOKIE, MOST_UPLOADED, make_app
from objectspace.explorer.served_store import ServedStore
from tests.explorer.conftest import TOKEN


def client_of(folder) -> TestClient:
    client = TestClient(make_app(ServedStore(folder), TOKEN), base_url="http://127.0.0.1")
    client.cookies.set(COOKIE, TOKEN)
    return client


def ids(answer) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["object_id"] for one in answer.json()["neighbors"]]


def test_examples_are_the_mean_of_some_away_from_others(page, served):
    store = served.state().store
    names = store.objects().object_id
    search = osp.SpaceSearch(store, "demo-crop")
    queries = search.unlike(search.mean(search.stored(names[[5, 1, 8]].tolist())), names[[20, 3]].tolist())
    (expected,) = search.nearest(queries, k=6)
    asked = {"like": [5, 1, 8], "unlike": [20, 3]}
    answer = page.post("/api/examples?space=demo-crop&k=6", json=asked)
    assert ids(answer) == expected.neighbors.object_id.tolist()


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "names the rows"),
        ({}, "list of rows"),
        ({"like": [], "unlike": [1]}, "one to be like"),
        ({"like": [0], "unlike": [0]}, "like and unlike"),
        ({"like": [10**30], "unlike": []}, "64 bits"),
        ({"like": [-1], "unlike": []}, "no object in row -1"),
        ({"like": list(range(39)) * 3, "unlike": []}, "1 to 100"),
    ],
)
def test_what_are_no_examples_is_refused(page, document, says):
    answer = page.post("/api/examples?space=demo-crop", json=document)
    assert (answer.status_code, says in answer.json()["error"]) == (400, True), answer.text


def test_a_box_of_a_new_picture_is_what_query_image_finds(page, served, tmp_path):
    store = served.state().store
    original = np.asarray(Image.open(store.images()[0].path).convert("RGB"))
    Image.fromarray(255 - original).save(tmp_path / "new.png")
    data = (tmp_path / "new.png").read_bytes()
    for box in ((30.0, 40.0, 200.0, 220.0), None):
        whole = box or (0.0, 0.0, float(original.shape[1]), float(original.shape[0]))
        search = osp.SpaceSearch(store, "demo-crop")
        queries = osp.query_image(store, tmp_path / "new.png", "demo-crop", box=whole)
        (expected,) = search.nearest(queries, k=5, same_image=True)
        asked = f"&box={','.join(map(str, box))}" if box else ""
        answer = page.post(f"/api/picture?space=demo-crop&k=5{asked}", content=data)
        assert ids(answer) == expected.neighbors.object_id.tolist()


@pytest.mark.parametrize(
    ("data", "box", "says"),
    [
        (b"", "", "empty"),
        (b"GIF89a<script>", "", "the picture"),
        (b"x", "1,2,3", "four numbers"),
        (None, "9999,9999,10000,10000", "no area inside"),
    ],
)
def test_what_is_no_picture_is_said_without_a_path(page, data, box, says):
    if data is None:
        sink = io.BytesIO()
        Image.new("RGB", (40, 30)).save(sink, "PNG")
        data = sink.getvalue()
    answer = page.post(f"/api/picture?space=demo-crop&box={box}", content=data)
    assert (answer.status_code, says in answer.json()["error"]) == (400, True), answer.text
    assert "/tmp" not in answer.text


def test_a_picture_of_too_many_pixels_is_refused_from_its_header(page, monkeypatch):
    sink = io.BytesIO()
    Image.new("1", (2000, 1000)).save(sink, "PNG")
    monkeypatch.setenv("OBJECTSPACE_MAX_MEGAPIXELS", "1")
    monkeypatch.setattr("objectspace.images.decoding.PIXEL_LIMIT", 1_000_000)
    answer = page.post("/api/picture?space=demo-crop", content=sink.getvalue())
    assert (answer.status_code, "pixels" in answer.json()["error"]) == (400, True), answer.text


def test_a_large_upload_is_refused_also_without_a_length(page):
    headers = {"content-length": str(MOST_UPLOADED + 1)}
    assert page.post("/api/picture?space=demo-crop", headers=headers).status_code == 413
    parts = (b"\0" * (1 << 20) for _ in range((MOST_UPLOADED >> 20) + 1))
    assert page.post("/api/picture?space=demo-crop", content=parts).status_code == 413


def test_one_request_at_a_time_has_the_networks(page, served, monkeypatch):
    monkeypatch.setattr(served_store, "PATIENCE", 0.05)
    with served.state().networks():
        answer = page.get("/api/explanation?first=0&second=9&space=demo-crop")
        assert "busy" in answer.json()["error"]
        assert page.post("/api/neighbors?row=0&space=demo-crop&k=2").status_code == 200


def test_words_are_searched_where_a_space_has_a_text_tower(worded):
    client, store = client_of(worded), osp.open_store(worded)
    (space,) = client.get("/api/store").json()["text_spaces"]
    (expected,) = osp.SpaceSearch(store, space).nearest(
        osp.query_text(store, ["a plum"], space), k=5, same_image=True
    )
    answer = client.get("/api/words", params={"text": "a plum", "space": space, "k": 5})
    assert ids(answer) == expected.neighbors.object_id.tolist()
    long = client.get("/api/words", params={"text": "a" * 501, "space": space})
    assert "at most 500" in long.json()["error"]


def test_words_where_there_is_no_text_tower_are_refused(page):
    assert "text tower" in page.get("/api/words?text=a&space=demo-crop").json()["error"]


def test_an_explanation_is_that_of_explain(page, served):
    store = served.state().store
    names = store.objects().object_id
    search = osp.SpaceSearch(store, "demo-crop")
    expected = osp.explain(search, search.stored([names[2]]), search.stored([names[30]]))
    answer = page.get("/api/explanation?first=2&second=30&space=demo-crop&metric=cosine").json()
    assert answer["total"] == pytest.approx(expected.total)
    for one, cells in zip(expected.cells, answer["cells"], strict=True):
        assert (cells["rows"], cells["columns"]) == one.heat.shape
        np.testing.assert_allclose(cells["heat"], one.own.reshape(-1), rtol=1e-6, atol=1e-9)


def test_neighbors_in_two_spaces_are_counted_object_by_object(page, served):
    import pyarrow as pa

    store = served.state().store
    other = next(name for name in store.space_names if "stride" in name)
    address = f"/api/values?name=shared&space=demo-crop&other={other}&metric=cosine"
    read = pa.ipc.open_stream(page.get(address).content).read_all()["value"].to_pylist()
    ids_of, both = store.members("demo-crop"), set(store.members(other))
    vectors = {name: store.space(name) for name in ("demo-crop", other)}
    images = dict(zip(store.objects().object_id, store.objects().image_id, strict=True))

    def nearest(space: str, name: str) -> set[str]:
        held = vectors[space]
        unit = held.vectors.astype(float) / np.linalg.norm(held.vectors.astype(float), axis=1, keepdims=True)
        near = unit @ unit[held.object_id.tolist().index(name)]
        others = [
            (-near[row], one)
            for row, one in enumerate(held.object_id.tolist())
            if one in both and one in set(ids_of) and images[one] != images[name]
        ]
        return {one for _, one in sorted(others)[:10]}

    for row, name in enumerate(ids_of):
        if name not in both:
            assert np.isnan(read[row])
        else:
            own = nearest("demo-crop", name)
            assert read[row] == pytest.approx(len(own & nearest(other, name)) / len(own), abs=1e-6)
