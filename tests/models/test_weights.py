from __future__ import annotations

import functools
import hashlib
import http.server
import os
import pickle
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from objectspace.errors import DownloadError, WeightsError
from objectspace.models.weights import WeightsFile, cache_folder, fetch, load_state_dict, local_path

CONTENT = b"the numbers of a network"


def published(*urls: str, content: bytes = CONTENT) -> WeightsFile:
    digest = hashlib.sha256(content).hexdigest()
    return WeightsFile("net.weights", digest, urls, len(content), license="none", source="a test")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("OBJECTSPACE_CACHE", str(folder))
    return folder


class _Server:
    """A folder on this machine's own address, and the paths that were asked of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        asked = self.asked

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *arguments: object) -> None:
                asked.append(self.path)

        handler = functools.partial(Handler, directory=str(folder))
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[_Server]:
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "net.weights").write_bytes(CONTENT)
    (folder / "page.html").write_bytes(b"<html>moved</html>")
    server = _Server(folder)
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.http.shutdown()
    thread.join()
    server.http.server_close()


def test_the_cache_is_the_systems_own_unless_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OBJECTSPACE_CACHE", raising=False)
    assert cache_folder().name == "objectspace"


def test_a_file_is_fetched_once(cache: Path, server: _Server) -> None:
    file = published(f"{server.address}/net.weights")
    assert local_path(file) is None
    path = fetch(file)
    assert path == cache / "net.weights"
    assert path.read_bytes() == CONTENT
    assert fetch(file) == path == local_path(file)
    assert len(server.asked) == 1


def test_the_next_address_is_tried(cache: Path, server: _Server) -> None:
    urls = ("missing.weights", "page.html", "net.weights")
    file = published("http://127.0.0.1:9/closed", *(f"{server.address}/{name}" for name in urls))
    assert fetch(file).read_bytes() == CONTENT


def test_a_damaged_file_in_the_cache_is_replaced(cache: Path, server: _Server) -> None:
    cache.mkdir()
    (cache / "net.weights").write_bytes(CONTENT[::-1])
    assert fetch(published(f"{server.address}/net.weights")).read_bytes() == CONTENT


def test_offline_the_error_says_what_to_put_where(cache: Path) -> None:
    file = published("http://127.0.0.1:9/net.weights")
    with pytest.raises(DownloadError) as caught:
        fetch(file)
    words = str(caught.value)
    assert f"at {cache / 'net.weights'}" in words
    assert f"24 bytes, sha256 {file.sha256}" in words
    assert "http://127.0.0.1:9/net.weights (ConnectionError)" in words
    assert "or load the detector or encoder from a copy, as weights=" in words


def test_other_content_is_refused_and_not_kept(cache: Path, server: _Server) -> None:
    with pytest.raises(DownloadError, match="other content than expected"):
        fetch(published(f"{server.address}/page.html"))
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_made_is_a_download_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: _Server
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("OBJECTSPACE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DownloadError):
        fetch(published(f"{server.address}/net.weights"))


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the package's own weights."""
    monkeypatch.setattr("objectspace.models.weights._SHIPPED", tmp_path)
    return tmp_path / "net.weights"


def test_a_shipped_file_is_read_where_it_is(cache: Path, shipped: Path) -> None:
    shipped.write_bytes(CONTENT)
    assert fetch(replace(published(), shipped=True)) == shipped
    assert not cache.exists()


@pytest.mark.parametrize("content", [None, CONTENT[::-1]], ids=["missing", "damaged"])
def test_a_shipped_file_that_is_not_whole_says_what_to_do(shipped: Path, content: bytes | None) -> None:
    if content is not None:
        shipped.write_bytes(content)
    with pytest.raises(
        DownloadError, match=r"net\.weights, part of .* missing or damaged; install objectspace"
    ):
        fetch(replace(published(), shipped=True))


TENSORS = {"layer.weight": torch.arange(6.0).reshape(2, 3), "layer.count": torch.tensor(3, dtype=torch.int64)}


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
@pytest.mark.parametrize("key", [None, "state_dict", "model_state_dict", "model", "net"])
def test_a_state_dict_of_torch(tmp_path: Path, key: str | None, prefix: str) -> None:
    path = tmp_path / "net.pth"
    named = {f"{prefix}{name}": tensor for name, tensor in TENSORS.items()}
    torch.save(named if key is None else {key: named, "epoch": 3}, path)
    loaded = load_state_dict(path)
    assert loaded.keys() == TENSORS.keys()
    assert all(torch.equal(loaded[name], TENSORS[name]) for name in TENSORS)


def test_a_state_dict_of_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_file(TENSORS, path)
    loaded = load_state_dict(path)
    assert all(torch.equal(loaded[name], TENSORS[name]) for name in TENSORS)


class _Touches:
    """Unpickled by plain pickle, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_code_in_a_file_is_refused_and_not_run(tmp_path: Path, writer: str) -> None:
    path, made = tmp_path / "net.pth", tmp_path / "made"
    if writer == "torch":
        torch.save({"weight": _Touches(made)}, path)
    else:
        path.write_bytes(pickle.dumps(_Touches(made), protocol=2))
    with pytest.raises(WeightsError, match="no plain state dict"):
        load_state_dict(path)
    assert not made.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([torch.zeros(1)], "holds list, expected tensors by name"),
        ({}, "holds dict, expected tensors by name"),
        ({"a": 1.0}, "holds float under 'a', expected a tensor"),
        ({1: torch.zeros(1)}, "holds Tensor under 1, expected a tensor under a name"),
    ],
)
def test_other_content_is_named(tmp_path: Path, content: object, words: str) -> None:
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=words):
        load_state_dict(tmp_path / "net.pth")


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(WeightsError, match=f"no weight file at .*{name}"):
        load_state_dict(tmp_path / name)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), suffix=st.sampled_from(["pth", "safetensors"]))
def test_damaged_files_are_weights_errors(tmp_path: Path, data: st.DataObject, suffix: str) -> None:
    path = tmp_path / f"net.{suffix}"
    if suffix == "pth":
        torch.save(TENSORS, path)
    else:
        save_file(TENSORS, path)
    whole = path.read_bytes()
    path.write_bytes(
        data.draw(st.binary(max_size=64) | st.integers(0, len(whole) - 1).map(lambda length: whole[:length]))
    )
    with pytest.raises(WeightsError):
        load_state_dict(path)


def test_what_is_no_regular_file_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pth")
    (tmp_path / "folder.pth").mkdir()
    for name, reason in (
        ("pipe.pth", "it is a FIFO, expected a regular file"),
        ("folder.pth", "Is a directory"),
    ):
        with pytest.raises(WeightsError) as caught:
            load_state_dict(tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name}: expected a weight file, but: {reason}"
