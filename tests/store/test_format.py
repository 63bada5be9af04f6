"""docs/store-format.md says what is on disk."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import lance
import pytest

from objectspace.store import open_writer

PAGE = Path(__file__).parents[2] / "docs" / "store-format.md"


@pytest.fixture
def folder(tmp_path, make_batch):
    with open_writer(tmp_path / "dogs.osp") as writer:
        writer.commit(make_batch(1))
        writer.commit(make_batch(2))
    return tmp_path / "dogs.osp"


def test_the_code_on_the_page_reads_a_store_without_this_package(folder, make_batch, monkeypatch):
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL).group(1)
    assert "objectspace" not in code
    monkeypatch.chdir(folder.parent)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102
    batches = [make_batch(1), make_batch(2)]
    assert {row["object_id"] for row in names["dogs"]} == {
        object_id
        for batch in batches
        for object_id, label in zip(batch.objects.object_id, batch.objects.label, strict=True)
        if label == "dog"
    }
    crops = [batch.vectors["resnet50-crop"] for batch in batches]
    assert names["vectors"].tolist() == [row for crop in crops for row in crop.vectors.tolist()]
    assert names["recipe"] == crops[0].recipe.to_json()


@pytest.mark.parametrize(
    ("heading", "table"),
    [
        ("`images`", "images"),
        ("`objects`", "objects"),
        ("`spaces/NAME`", "spaces/resnet50-crop"),
        ("`failures`", "failures"),
        ("`indexed`", "indexed"),
    ],
)
def test_the_page_names_every_column(folder, heading, table):
    section = PAGE.read_text().split(f"### {heading}\n")[1].split("\n#")[0]
    documented = [
        name
        for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    ]
    columns = lance.dataset(folder / f"{table}.lance").schema.names
    assert documented == [name for name in columns if name not in ("angle", "apple")]


def test_the_page_names_every_key_of_the_manifest(folder):
    section = PAGE.read_text().split("## `manifest.json`\n")[1].split("\n#")[0]
    documented = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert documented == list(json.loads((folder / "manifest.json").read_text()))


def test_the_folder_is_as_drawn(folder):
    drawn = re.findall(r"^ {2,4}([\w.-]+)/? ", PAGE.read_text(), re.MULTILINE)
    assert {path.name for path in folder.iterdir()} <= set(drawn) | {"spaces"}
