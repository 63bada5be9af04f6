"""The README's Python block runs as it stands, but for the weights: it fetches them, here they are files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from objectspace.store import open_store

pytestmark = pytest.mark.real

README = Path(__file__).parents[2] / "README.md"

#: What the block loads, and what is loaded in its place.
YOLO = "yolo-fastest-1.1-xl"
LOADED = {
    'detector="yolov3"': f'detector=osp.DetectorSpec("{YOLO}.cfg", weights="{YOLO}.weights")',
    'encoder="resnet50"': 'encoder=osp.EncoderSpec("resnet50", weights="resnet50-imagenet.pth")',
}


def test_python_block_runs(
    real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in (real / "weights").iterdir():
        (tmp_path / file.name).symlink_to(file.resolve())
    (tmp_path / "photos").mkdir()
    for photo in (real / "photos" / "darknet").iterdir():
        (tmp_path / "photos" / photo.name).symlink_to(photo.resolve())
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    for published, file in LOADED.items():
        assert block.count(published) == 1
        block = block.replace(published, file)
    exec(compile(block, str(README), "exec"), {})  # noqa: S102 - the README's own text
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["dog"] * 3
    assert len(open_store("dogs.osp").space_names) == 6
    assert (tmp_path / "dogs.png").stat().st_size > 10_000
