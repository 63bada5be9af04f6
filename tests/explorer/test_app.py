"""Who may ask the explorer, and what it answers."""

from __future__ import annotations

import io
import struct
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from starlette.testclient import TestClient

import objectspace as osp
from objectspace.analyses import occlusion
from objectspace.explorer.app import COOKIE, MOST_BYTES, make_app
from objectspace.explorer.served_store import ServedStore
from objectspace.explorer.views import object_at_point
from objectspace.objects.boxes import iou
from tests.explorer.conftest import TOKEN


def table(response) -> pa.Table:
    assert response.status_code == 200, response.text
    return pa.ipc.open_stream(response.content).read_all()


# ------------------------------------------------------------------------------------------------ who may ask


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/api/store", "/api/thumbnails?rows=0"])
def test_nothing_is_given_without_the_token(stranger, path):
    assert stranger.get(path).status_code == 403


def test_a_wrong_token_opens_nothing(stranger):
    assert stranger.get("/?token=another").status_code == 403


def test_the_token_becomes_a_strict_cookie_and_leaves_the_address(stranger):
    answer = stranger.get(f"/?token={TOKEN}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "samesite=strict" in answer.headers["set-cookie"].lower()
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert stranger.get("/").status_code == 200


def test_another_name_for_this_machine_is_refused(page):
    assert page.get("/api/store", headers={"host": "rebound.example:8765"}).status_code == 400


def test_a_request_from_another_site_is_refused(page):
    answer = page.post("/api/measure?space=demo-crop", headers={"origin": "http://elsewhere.example"})
    assert answer.status_code == 403


def test_a_request_from_the_page_is_not(page, served):
    bits = all_bits(len(served.state().store.members("demo-crop")))
    headers = {"origin": "http://127.0.0.1:8765"}
    assert page.post("/api/measure?space=demo-crop", content=bits, headers=headers).status_code == 200


def test_a_large_request_is_refused_before_it_is_read(page):
    headers = {"content-length": str(MOST_BYTES + 1)}
    assert page.post("/api/measure?space=demo-crop", headers=headers).status_code == 413


@pytest.mark.parametrize("path", ["/", "/api/store", "/nothing"])
def test_every_answer_forbids_what_comes_from_elsewhere(page, path):
    headers = page.get(path).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("name", ["../app.py", "..%2Fapp.py", "%2e%2e/app.py", "nothing.js"])
def test_only_the_page_s_own_files_are_given(page, name):
    assert page.get(f"/static/{name}").status_code == 404


def test_the_page_names_no_other_site(page):
    text = page.get("/").text + page.get("/static/app.css").text
    assert "http://" not in text
    assert "https://" not in text


# ------------------------------------------------------------------------------------------- what is answered


def test_the_summary_is_that_of_info(page, served):
    info, answer = served.state().store.info(), page.get("/api/store").json()
    assert (answer["images"], answer["objects"], answer["labels"]) == (info.images, info.objects, info.labels)
    assert [one["name"] for one in answer["spaces"]] == [space.name for space in info.spaces]


def test_the_columns_are_those_of_the_objects(page, served):
    read, objects = table(page.get("/api/columns")), served.state().store.objects()
    assert read["label"].to_pylist() == objects.label.tolist()
    centers = (objects.xyxy[:, 0] + objects.xyxy[:, 2]) / 2
    np.testing.assert_allclose(read["x"].to_numpy(), centers, rtol=1e-6)
    images = [image.image_id for image in served.state().images]
    assert [images[place] for place in read["image"].to_pylist()] == objects.image_id.tolist()


def test_the_points_belong_to_the_rows_of_the_objects(page, served):
    store = served.state().store
    points = table(page.get("/api/points?space=demo-crop"))
    assert store.objects_at(points["row"].to_numpy()).object_id.tolist() == store.members("demo-crop")


def test_the_grid_is_the_detector_s_and_its_cell_holds_the_object_s_center(found):
    client = TestClient(make_app(ServedStore(found), TOKEN), base_url="http://127.0.0.1")
    client.cookies.set(COOKIE, TOKEN)
    seen = 0
    for one in client.get("/api/image?image=1").json()["objects"]:
        grid, (cell_x, cell_y) = one["grid"], one["cell"]
        assert one["no_grid"] is None
        assert (grid["columns"], grid["rows"]) == (416 // one["stride"], 416 // one["stride"])
        x1, y1, x2, y2 = one["xyxy"]
        across = (grid["xyxy"][2] - grid["xyxy"][0]) / grid["columns"]
        assert cell_x == int(((x1 + x2) / 2 - grid["xyxy"][0]) / across)
        assert cell_y == int(((y1 + y2) / 2 - grid["xyxy"][1]) / across)
        seen += 1
    assert seen


def test_why_there_is_no_grid_is_said(page, served, monkeypatch):
    (one, *_) = page.get("/api/image?image=0").json()["objects"]
    assert (one["grid"], "without --annotations" in one["no_grid"]) == (None, True)
    (source,) = served.state().store.sources
    recipes = property(lambda store: {source: {"weights": "0"}})
    monkeypatch.setattr(type(served.state().store), "sources", recipes)
    (one, *_) = page.get("/api/image?image=0").json()["objects"]
    assert (one["grid"], "names no cell" in one["no_grid"]) == (None, True)


def test_the_neighbors_are_those_of_a_search(page, served):
    store = served.state().store
    search = osp.SpaceSearch(store, "demo-crop", metric="cosine")
    name = store.members("demo-crop")[3]
    (expected,) = search.nearest(search.stored([name]), k=4)
    row = store.objects().object_id.tolist().index(name)
    answer = page.post(f"/api/neighbors?row={row}&space=demo-crop&metric=cosine&k=4").json()
    assert [one["object_id"] for one in answer["neighbors"]] == expected.neighbors.object_id.tolist()
    assert [one["distance"] for one in answer["neighbors"]] == pytest.approx(expected.distance)
    assert answer["exact"] is True


def test_the_rows_of_neighbors_are_theirs(page, served):
    answer = page.post("/api/neighbors?row=0&space=demo-crop&k=5").json()
    rows = np.array([one["row"] for one in answer["neighbors"]])
    names = [one["object_id"] for one in answer["neighbors"]]
    assert served.state().store.objects_at(rows).object_id.tolist() == names


def test_neighbors_in_the_same_photo_come_when_asked_for(page, served):
    images = served.state().image_rows
    own = int(np.argmax(np.bincount(images)))
    address = f"/api/neighbors?row={np.flatnonzero(images == own)[0]}&space=demo-crop&k=100&same_image="
    other, all_of = (page.post(address + same).json() for same in "01")
    assert own not in [one["image"] for one in other["neighbors"]]
    assert own in [one["image"] for one in all_of["neighbors"]]


def test_neighbors_are_looked_for_among_some_objects(page, served):
    store = served.state().store
    space, labels = "demo-window3-stride16", store.objects().label
    search = osp.SpaceSearch(store, space, metric="cosine")
    # Not all objects are in this space, so that its rows are not those of the table.
    row = int(store.object_rows(space)[0])
    assert 4 < len(store.object_rows(space)) < len(store)
    wanted = labels != labels[row]
    (all_of,) = search.nearest(search.stored(store.objects().object_id[[row]].tolist()), k=len(store))
    expected = [
        name
        for name, label in zip(all_of.neighbors.object_id, all_of.neighbors.label, strict=True)
        if label != labels[row]
    ]
    bits = np.packbits(wanted, bitorder="little").tobytes()
    answer = page.post(f"/api/neighbors?row={row}&space={space}&k=500", content=bits).json()
    assert [one["object_id"] for one in answer["neighbors"]] == expected != []


def test_a_space_without_the_object_names_those_that_have_it(page, served):
    store = served.state().store
    strides = [name for name in store.space_names if "stride" in name]
    missing = next(name for name in strides if len(store.members(name)) < len(store))
    held = set(store.members(missing))
    row = next(row for row, name in enumerate(store.objects().object_id.tolist()) if name not in held)
    answer = page.post(f"/api/neighbors?row={row}&space={missing}")
    assert answer.status_code == 400
    assert "demo-crop" in answer.json()["error"]


def test_thumbnails_come_in_the_order_that_was_asked_for(page, served):
    content, read = page.get("/api/thumbnails?rows=5,2").content, []
    while content:
        (length,) = struct.unpack("<I", content[:4])
        read.append(content[4 : 4 + length])
        content = content[4 + length :]
    assert read == served.state().store.thumbnails_at(np.array([5, 2]))


def test_a_photo_is_sent_as_it_was_indexed(page, served):
    image = served.state().images[2]
    picture = Image.open(io.BytesIO(page.get("/api/photo?image=2").content))
    assert picture.size == (image.width, image.height)
    original = np.asarray(Image.open(image.path).convert("RGB"), np.float64)
    assert np.abs(np.asarray(picture, np.float64) - original).mean() < 4


def test_a_mask_s_runs_fill_the_mask(page, served):
    from objectspace.objects.masks import decode

    objects = served.state().store.objects()
    for one in page.get("/api/image?image=1").json()["objects"]:
        mask = objects.mask[one["row"]]
        if mask is None:
            assert one["mask"] is None
            continue
        left, top, right, bottom = one["mask"]["box"]
        runs = one["mask"]["runs"]
        filled = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(bottom - top, right - left)
        np.testing.assert_array_equal(filled, decode(mask)[top:bottom, left:right])


def test_a_click_finds_the_smallest_object_there(page, served):
    objects = served.state().store.objects_at(np.flatnonzero(served.state().image_rows == 0))
    x, y = (objects.xyxy[0, :2] + objects.xyxy[0, 2:]) / 2
    row = page.get(f"/api/object-at?image=0&x={x}&y={y}&space=demo-crop").json()["row"]
    inside = page.get(f"/api/objects?rows={row}").json()[0]["xyxy"]
    assert inside[0] <= x <= inside[2]
    assert inside[1] <= y <= inside[3]


def test_a_click_beside_all_objects_finds_none(page):
    assert page.get("/api/object-at?image=0&x=-5&y=-5&space=demo-crop").json() == {"row": None}


@pytest.mark.parametrize(
    ("held", "row"), [([3, 5, 7], 5), ([3, 7], 7), ([3], 5)], ids=["itself", "its twin", "neither"]
)
def test_a_click_is_what_a_search_by_a_point_takes_it_for(served, held, row):
    """Of three objects two are one thing, found twice: the space has vectors of some of them."""
    boxes = np.array([[0, 0, 90, 90], [20, 20, 40, 40], [20, 20, 40, 40.5]], np.float32)
    one = served.state().store.objects().take([0, 0, 0])
    objects = replace(one, xyxy=boxes, mask=np.array([None] * 3, object))
    state = SimpleNamespace(
        images=[None],
        image_rows=np.array([9, 9, 9, 0, 9, 0, 9, 0]),
        store=SimpleNamespace(objects_at=lambda rows: objects.take(np.searchsorted([3, 5, 7], rows))),
        object_rows=lambda space: np.array(held),
    )
    assert object_at_point(state, 0, 30, 30, "any") == row


def all_bits(count: int) -> bytes:
    return np.packbits(np.ones(count, np.bool_), bitorder="little").tobytes()


def test_the_measure_of_all_is_that_of_measure(page, served):
    store = served.state().store
    space = store.space("demo-crop")
    objects = store.objects(space.object_id)
    measured = osp.measure_factor(space, objects, osp.FactorSpec("label"), k=5, metric="cosine")
    answer = page.post("/api/measure?space=demo-crop", content=all_bits(len(space))).json()
    assert answer["all"] == pytest.approx(measured.neighbors.overall.to_json())
    assert answer["all"]["low"] < answer["all"]["value"] < answer["all"]["high"]


def test_a_selection_is_measured_by_its_own_objects(page, served):
    store = served.state().store
    labels = store.object_columns(["label"], "demo-crop")["label"]
    bits = np.packbits(labels == "chair", bitorder="little").tobytes()
    answer = page.post("/api/measure?space=demo-crop", content=bits).json()
    assert answer["all"]["n"] == np.count_nonzero(labels == "chair")
    assert list(answer["labels"]) == ["chair"]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/api/points?space=nothing", "nothing"),
        ("/api/points?space=demo-crop&map=umap", "umap"),
        ("/api/points", "lacks space"),
        ("/api/objects?rows=0,x", "whole numbers"),
        ("/api/objects?rows=-1", "no object in row -1"),
        ("/api/objects?rows=99999999999999999999999", "whole numbers"),
        ("/api/thumbnails?rows=" + ",".join(["0"] * 501), "at most 500"),
        ("/api/image?image=12", "no image 12"),
        ("/api/photo?image=-1", "no image -1"),
        ("/api/object-at?image=0&x=left&y=0", "a number"),
        ("/api/object-at?image=0&x=0&y=0", "lacks space"),
    ],
)
def test_a_wrong_request_is_answered_in_a_sentence(page, path, says):
    answer = page.get(path)
    assert answer.status_code == 400
    assert says in answer.json()["error"]


@pytest.mark.parametrize(
    ("asked", "body", "says"),
    [
        ("row=0&space=demo-crop&k=0", b"", "k is 0"),
        ("row=0&space=demo-crop&metric=taxi", b"", "taxi"),
        ("row=one&space=demo-crop", b"", "whole number"),
        ("row=0&space=demo-crop", b"\x01", "a bit for each of 39"),
    ],
)
def test_a_wrong_search_is_answered_in_a_sentence(page, asked, body, says):
    answer = page.post(f"/api/neighbors?{asked}", content=body)
    assert answer.status_code == 400
    assert says in answer.json()["error"]


def test_a_selection_of_the_wrong_length_is_refused(page):
    answer = page.post("/api/measure?space=demo-crop", content=b"\x01")
    assert "a bit for each" in answer.json()["error"]


def test_an_empty_selection_is_said(page, served):
    nothing = bytes((len(served.state().store.members("demo-crop")) + 7) // 8)
    assert "nothing is selected" in page.post("/api/measure?space=demo-crop", content=nothing).json()["error"]


# ----------------------------------------------------------------------------------------- what may change


def test_what_is_committed_while_it_is_served_shows(folder, drawn):
    served = ServedStore(folder)
    before = served.state().version
    with osp.open_writer(folder) as writer:
        writer.set_paths({image.image_id: "elsewhere.png" for image in served.state().images})
    assert served.state().version != before
    assert {image.path for image in served.state().images} == {"elsewhere.png"}


def test_a_photo_that_is_gone_is_said_and_the_rest_goes_on(folder):
    with osp.open_writer(folder) as writer:
        writer.set_paths({image.image_id: "gone.png" for image in osp.open_store(folder).images()})
    client = TestClient(make_app(ServedStore(folder), TOKEN), base_url="http://127.0.0.1")
    client.cookies.set("objectspace", TOKEN)
    assert "--photos" in client.get("/api/photo?image=0").json()["error"]
    assert client.get("/api/thumbnails?rows=0").status_code == 200


def test_photos_are_found_in_the_folder_that_is_named(folder, drawn):
    with osp.open_writer(folder) as writer:
        images = osp.open_store(folder).images()
        writer.set_paths({image.image_id: f"/moved/images/{image.path[-10:]}" for image in images})
    served = ServedStore(folder, photos=drawn / "world")
    client = TestClient(make_app(served, TOKEN), base_url="http://127.0.0.1")
    client.cookies.set("objectspace", TOKEN)
    assert client.get("/api/photo?image=3").headers["content-type"] == "image/jpeg"


def test_another_photo_at_the_same_path_is_not_shown(folder, drawn, tmp_path):
    other = tmp_path / "other.png"
    Image.new("RGB", (8, 8)).save(other)
    with osp.open_writer(folder) as writer:
        writer.set_paths({image.image_id: str(other) for image in osp.open_store(folder).images()})
    client = TestClient(make_app(ServedStore(folder), TOKEN), base_url="http://127.0.0.1")
    client.cookies.set("objectspace", TOKEN)
    assert client.get("/api/photo?image=0").status_code == 400


def test_a_store_that_is_gone_is_said(folder):
    import shutil

    client = TestClient(make_app(ServedStore(folder), TOKEN), base_url="http://127.0.0.1")
    client.cookies.set("objectspace", TOKEN)
    shutil.rmtree(folder)
    answer = client.get("/api/store")
    assert answer.status_code == 503
    assert "photos.osp" in answer.json()["error"]


def test_objects_are_exported_as_a_table_that_no_spreadsheet_computes(page, served):
    state = served.state()
    objects = state.store.objects_at(np.array([3, 1]))
    lines = page.post("/api/rows.csv", content="[3, 1]").text.splitlines()
    assert lines[0] == "object_id,image,x1,y1,x2,y2,label,score,source,verdict,new_label,marked"
    assert [line.split(",")[0] for line in lines[1:]] == objects.object_id.tolist()
    assert [line.split(",")[6] for line in lines[1:]] == objects.label.tolist()


@pytest.mark.parametrize("body", ["{}", "[1.5]", "[true]", "[99999]", "[-1]", "[1" + "0" * 30 + "]"])
def test_what_is_no_list_of_rows_is_refused(page, body):
    assert page.post("/api/rows.csv", content=body).status_code == 400


# ------------------------------------------------------------------------------------------ values for colors


def test_the_agreement_of_each_object_is_what_the_measure_is_the_mean_of(page, served):
    agreement = served.state().agreement("demo-crop", "cosine")
    values = table(page.get("/api/values?space=demo-crop&map=pca&name=agreement"))["value"].to_numpy()
    np.testing.assert_allclose(values, agreement.values, atol=1e-6)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_kept_neighbors_are_those_near_in_the_space_and_on_the_map(page, served, metric):
    state = served.state()
    vectors = state.store.space("demo-crop").vectors.astype(np.float64)
    points = state.maps.points("demo-crop", "pca").astype(np.float64)
    if metric == "cosine":
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    def ten_nearest(places):
        far = np.linalg.norm(places[:, None] - places[None], axis=2)
        np.fill_diagonal(far, np.inf)
        return [set(row) for row in np.argsort(far, axis=1)[:, :10].tolist()]

    shared = zip(ten_nearest(vectors), ten_nearest(points), strict=True)
    expected = [len(near & on_map) / 10 for near, on_map in shared]
    path = f"/api/values?space=demo-crop&map=pca&metric={metric}&name=kept"
    np.testing.assert_allclose(table(page.get(path))["value"].to_numpy(), expected, atol=1e-6)


def test_unknown_values_are_refused(page):
    assert "agreement, kept or shared" in page.get("/api/values?space=demo-crop&name=beauty").json()["error"]


# ------------------------------------------------------------------------------------------------- occlusion


@pytest.mark.slow
def test_an_occlusion_is_that_of_the_prediction_of_the_object(page, served, monkeypatch):
    """It is measured once for all objects of a photo: in pixels, by the detector of the store."""
    state, measured, measure = served.state(), [], occlusion.measure_occlusion
    source = osp.load_detector("demo", precision="float32").source

    def recorded(detector, image, *, progress, **options):
        assert (detector.source, detector.precision) == (source, "float32")
        assert image.image_id == state.images[0].image_id
        assert options == {"tap": "pixels", "sizes": (2, 3), "confidence": 0.25}
        measured.append(measure(detector, image, progress=progress, **options))
        return measured[-1]

    monkeypatch.setattr(occlusion, "measure_occlusion", recorded)
    asked = 0
    for row in np.flatnonzero(state.image_rows == 0).tolist():
        while "done" in (answer := page.get(f"/api/occlusion?row={row}").json()):
            time.sleep(0.05)
        (expected,) = measured
        box = state.store.objects_at(np.array([row]))
        same = [
            place
            for place, label in enumerate(expected.objects.label)
            if label == box.label[0] and iou(box.xyxy, expected.objects.xyxy)[0, place] >= 0.5
        ]
        if not same:
            assert "the detector finds no" in answer["error"]
            continue
        best = max(same, key=lambda place: iou(box.xyxy, expected.objects.xyxy)[0, place])
        fall = np.array(answer["fall"]).reshape(answer["rows"], answer["columns"])
        np.testing.assert_allclose(fall, expected.importance(best), atol=1e-5)
        assert answer["disappears"] == expected.disappeared[:, best].sum()
        asked += 1
    assert asked
