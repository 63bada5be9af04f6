"""Selections and marks over the explorer's routes."""

from __future__ import annotations

import csv
import io
import zipfile

import pytest
from starlette.testclient import TestClient

import objectspace as osp
from objectspace.explorer.app import COOKIE, make_app
from objectspace.explorer.served_store import ServedStore
from objectspace.store.marks import read_marks
from tests.explorer.conftest import TOKEN


def client_of(folder, **options) -> TestClient:
    client = TestClient(make_app(ServedStore(folder), TOKEN, **options), base_url="http://127.0.0.1")
    client.cookies.set(COOKIE, TOKEN)
    return client


@pytest.fixture
def page(folder) -> TestClient:
    return client_of(folder)


def test_a_saved_selection_is_the_store_s(page, folder):
    assert page.post("/api/selection?name=odd ones", json=[4, 1]).json() == {"name": "odd ones", "objects": 2}
    store = osp.open_store(folder)
    expected = store.objects().object_id[[4, 1]].tolist()
    assert store.selection("odd ones").object_ids.tolist() == expected
    assert page.get("/api/selections").json() == ["odd ones"]


def test_a_selection_made_elsewhere_is_shown_by_its_rows(page, folder):
    store = osp.open_store(folder)
    store.save_selection("mine", store.objects().object_id[[5, 2]])
    assert page.get("/api/selection?name=mine").json()["rows"] == [5, 2]


@pytest.mark.parametrize("body", [b"{", b"3", b"[true]", b"[0.5]", b"[-1]", b"[100000]", b"[" * 50_000])
def test_what_is_no_list_of_rows_is_refused(page, body):
    assert page.post("/api/selection?name=a", content=body).status_code == 400
    assert page.get("/api/selections").json() == []


@pytest.mark.parametrize("name", ["../outside", "a/b", ".hidden", "x" * 101])
def test_a_name_that_no_file_can_have_is_refused(page, name):
    assert page.post("/api/selection", params={"name": name}, json=[0]).status_code == 400


def test_a_mark_is_kept_by_the_object_s_id(page, folder):
    answer = page.post("/api/marks", json={"row": 3, "verdict": "relabeled", "label": "cat"}).json()
    assert answer["3"]["label"] == "cat"
    name = osp.open_store(folder).objects().object_id[3]
    assert read_marks(folder)[name].label == "cat"


def test_a_mark_is_taken_away(page):
    page.post("/api/marks", json={"row": 3, "verdict": "wrong"})
    assert page.post("/api/marks", json={"row": 3, "verdict": None}).json() == {}


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"row": "3"},
        {"row": -1},
        {"row": 0, "verdict": "bad"},
        {"row": 0, "verdict": "wrong", "label": "a"},
        {"row": 0, "verdict": "relabeled", "label": 3},
        {"row": 0, "verdict": "relabeled"},
    ],
)
def test_what_is_no_mark_is_refused(page, document):
    assert page.post("/api/marks", json=document).status_code == 400


def test_the_labels_of_the_store_stay_as_they_were(page, folder):
    before = osp.open_store(folder).objects().label.tolist()
    page.post("/api/marks", json={"row": 0, "verdict": "relabeled", "label": "another"})
    assert osp.open_store(folder).objects().label.tolist() == before


def test_the_table_has_each_marked_object_with_its_box(page, folder):
    objects = osp.open_store(folder).objects()
    page.post("/api/marks", json={"row": 2, "verdict": "relabeled", "label": "=cat"})
    page.post("/api/marks", json={"row": 5, "verdict": "wrong"})
    rows = {
        row["object_id"]: row
        for row in csv.DictReader(page.get("/api/corrected?format=csv").text.splitlines())
    }
    assert set(rows) == set(objects.object_id[[2, 5]].tolist())
    row = rows[objects.object_id[2]]
    assert float(row["x1"]) == pytest.approx(objects.xyxy[2, 0], rel=1e-5)
    assert (row["label"], row["new_label"]) == (objects.label[2], "'=cat")


def test_corrected_annotations_leave_wrong_objects_out_and_relabel(page, folder, tmp_path):
    objects = osp.open_store(folder).objects()
    page.post("/api/marks", json={"row": 2, "verdict": "relabeled", "label": "zebra"})
    page.post("/api/marks", json={"row": 5, "verdict": "wrong"})
    page.post("/api/marks", json={"row": 6, "verdict": "right"})
    coco = page.get("/api/corrected?format=coco").json()
    names = {one["id"]: one["name"] for one in coco["categories"]}
    labels = {one["object_id"]: names[one["category_id"]] for one in coco["annotations"]}
    expected = dict(zip(objects.object_id.tolist(), objects.label.tolist(), strict=True))
    expected[objects.object_id[2]] = "zebra"
    del expected[objects.object_id[5]]
    assert labels == expected
    with zipfile.ZipFile(io.BytesIO(page.get("/api/corrected?format=yolo").content)) as archive:
        lines = b"".join(archive.read(one) for one in archive.namelist() if one.endswith(".txt"))
        assert "zebra" in archive.read("data.yaml").decode()
    assert len(lines.splitlines()) == len(objects) - 1


def test_an_unknown_form_of_corrected_annotations_is_refused(page):
    assert "csv, coco or yolo" in page.get("/api/corrected?format=xml").json()["error"]


@pytest.mark.parametrize(
    ("path", "body"), [("/api/selection?name=a", [0]), ("/api/marks", {"row": 0, "verdict": "wrong"})]
)
def test_nothing_is_kept_where_the_store_is_only_read(folder, path, body):
    answer = client_of(folder, read_only=True).post(path, json=body)
    assert "--read-only" in answer.json()["error"]
    assert not (folder / "marks.json").exists()
    assert not (folder / "selections").exists()


def test_the_doubtful_labels_are_those_of_the_audit(page, folder):
    store = osp.open_store(folder)
    expected = osp.audit(store, space="demo-crop", only=["labels"]).labels
    answer = page.get("/api/doubtful?space=demo-crop").json()
    names = store.objects().object_id
    assert [names[one["row"]] for one in answer["objects"]] == expected.object_id[:500].tolist()
    assert [one["proposed"] for one in answer["objects"]] == expected.columns["proposed"][:500].tolist()
    assert answer["listed"] == expected.listed
