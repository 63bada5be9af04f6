"""The README's Python blocks run as they stand, but for the weights: they fetch them, here they are files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from objectspace.store import open_store

pytestmark = pytest.mark.real

README = Path(__file__).parents[2] / "README.md"

#: What the blocks load, and what is loaded in its place.
YOLO = "yolo-fastest-1.1-xl"
LIGHT = {'"yolov3-tiny"': 'osp.DetectorSpec("yolov3-tiny", weights="yolov3-tiny.weights")'}
LOADED = {
    'detector="yolov3"': f'detector=osp.DetectorSpec("{YOLO}.cfg", weights="{YOLO}.weights")',
    'encoder="resnet50"': 'encoder=osp.EncoderSpec("resnet50", weights="resnet50-imagenet.pth")',
}


@pytest.fixture
def blocks(real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The blocks, in a folder that holds photos and weights."""
    for file in (real / "weights").iterdir():
        (tmp_path / file.name).symlink_to(file.resolve())
    (tmp_path / "photos").mkdir()
    for photo in (real / "photos" / "darknet").iterdir():
        (tmp_path / "photos" / photo.name).symlink_to(photo.resolve())
    monkeypatch.chdir(tmp_path)
    return re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def run(block: str, loaded: dict[str, str]) -> dict[str, Any]:
    """Run a block with other weights; return what it names."""
    for published, file in loaded.items():
        assert block.count(published) == 1
        block = block.replace(published, file)
    names: dict[str, Any] = {}
    exec(compile(block, str(README), "exec"), names)  # noqa: S102 - the README's own text
    return names


def test_photos_become_vectors_with_labels(blocks: list[str]) -> None:
    names = run(blocks[0], LIGHT)
    assert names["vectors"].shape == (len(names["labels"]), 1280)
    assert {"dog", "person"} <= set(names["labels"].tolist())


def test_objects_are_searched_and_shown(
    blocks: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(blocks[1], LOADED)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["dog"] * 3
    assert len(open_store("dogs.osp").space_names) == 6
    assert (tmp_path / "dogs.png").stat().st_size > 10_000
