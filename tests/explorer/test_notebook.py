"""The explorer in a notebook, and what Jupyter shows of values; skipped without anywidget and nbclient."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import objectspace as osp


@pytest.fixture
def shown(folder: Path) -> osp.Explorer:
    pytest.importorskip("anywidget")
    return osp.explore(folder)


def test_the_kernel_answers_as_a_server_does(shown, page):
    status, body = asyncio.run(shown.respond("POST", "neighbors", "row=3&space=demo-crop&k=5"))
    assert status == 200
    assert json.loads(body) == page.post("/api/neighbors?row=3&space=demo-crop&k=5").json()
    status, body = asyncio.run(
        shown.respond("POST", "examples", "space=demo-crop", b'{"like": [], "unlike": []}')
    )
    assert (status, "1 to 100" in json.loads(body)["error"]) == (400, True)


def test_the_selection_is_read_and_set_by_ids(shown, folder):
    names = osp.open_store(folder).objects().object_id
    assert shown.selection.tolist() == []
    shown.selection = names[[4, 2]]
    assert shown.widget.rows == [4, 2]
    shown.widget.rows = [7]
    assert shown.selection.tolist() == [names[7]]
    shown.selection = []
    assert shown.widget.rows is None


def test_an_unknown_id_is_refused(shown):
    with pytest.raises(osp.QueryError, match="no object nobody"):
        shown.selection = ["nobody"]


def test_a_message_of_the_page_is_answered_with_its_number(shown, monkeypatch):
    sent: list[Any] = []
    monkeypatch.setattr(shown.widget, "send", lambda content, buffers: sent.append((content, buffers)))
    asked = {"view": "v", "id": 9, "method": "GET", "path": "objects", "query": "rows=1"}
    shown._asked(shown.widget, asked, [memoryview(b"")])
    ((content, (body,)),) = sent
    assert content == {"view": "v", "id": 9, "status": 200}
    assert [one["row"] for one in json.loads(body)] == [1]


@pytest.mark.slow
def test_a_notebook_runs(folder: Path, tmp_path: Path) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("anywidget")
    pytest.importorskip("ipykernel")
    code = [
        f"import objectspace as osp\nstore = osp.open_store({str(folder)!r})\nstore",
        "search = osp.SpaceSearch(store, 'demo-crop')\n"
        "search.nearest(search.stored(osp.choose_targets(search, 1)), k=3)[0]",
        "space = store.space('demo-crop')\n"
        "osp.measure_factor(space, store.objects(space.object_id), osp.FactorSpec('label'))",
        "osp.audit(store, space='demo-crop', only=['labels'])",
        "shown = osp.explore(store)\nshown",
        "shown.selection = store.objects().object_id[:2]\nprint(shown.selection.tolist())",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in code])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute(cwd=str(tmp_path))
    outputs = [cell.outputs[-1] for cell in notebook.cells]
    html = [one.data["text/html"] for one in outputs[:4]]
    assert "data:image/jpeg" in html[0]
    assert html[1].count("data:image/jpeg") == 4
    assert "by chance" in html[2]
    assert "proposed" in html[3]
    assert "application/vnd.jupyter.widget-view+json" in outputs[4].data
    assert outputs[5].text == f"{osp.open_store(folder).objects().object_id[:2].tolist()}\n"
