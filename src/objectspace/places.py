"""Places: paths on disk, and addresses in object storage that are used like them.

``s3://``, ``gs://`` and ``az://`` name object storage, ``file://`` a path. Credentials and endpoints are read
as obstore and Lance read them: from the environment (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL``,
``GOOGLE_SERVICE_ACCOUNT``, ``AZURE_STORAGE_ACCOUNT_NAME`` …) or from the machine that runs there.
"""

from __future__ import annotations

import errno
import functools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias
from urllib.parse import unquote

from objectspace.errors import InputError

#: The schemes of object storage.
SCHEMES = ("s3", "gs", "az")

# As pathlib leaves them: it takes // for /.
_ADDRESS = re.compile(rf"({'|'.join((*SCHEMES, 'file'))}):/+(.*)", re.DOTALL)

#: What the services say of a bucket that is not there.
_NO_BUCKET = ("NoSuchBucket", "bucket does not exist", "ContainerNotFound", "container does not exist")

#: Where credentials are asked for on machines of the services, when nothing else gives any.
_NO_CREDENTIALS = (
    *("/latest/api/token", "/latest/meta-data", "computeMetadata", "metadata/identity"),
    *("redentials", "AccountName"),
)


class RemotePath(PurePosixPath):
    """The address of an object or a folder in object storage, such as ``s3://bucket/photos/1.jpg``.

    Names are joined and split as those of paths. Reading and writing raise InputError where there is no such
    bucket, no credentials or no service, and OSError for one object.

    >>> RemotePath("s3://bucket/dogs.osp") / "manifest.json"
    RemotePath('s3://bucket/dogs.osp/manifest.json')
    """

    def __str__(self) -> str:
        scheme, *names = self.parts or ("",)
        return f"{scheme}//{'/'.join(names)}" if scheme[:-1] in SCHEMES else super().__str__()

    @property
    def key(self) -> str:
        """The name of the object in its bucket."""
        return "/".join(self.parts[2:])

    @property
    def _bucket(self) -> Any:
        return _open_bucket(self.parts[0], self.parts[1] if len(self.parts) > 1 else "")

    def read_bytes(self, limit: int | None = None) -> bytes:
        """Return the bytes of the object. Raises ValueError where there are more than ``limit``."""
        with _plain_errors(self):
            got = self._bucket.get(self.key)
            small = limit is None or got.meta["size"] <= limit
            data = bytes(got.bytes()) if small else b""
        if not small:
            raise ValueError(f"is larger than {limit} bytes")
        return data

    def read_tagged(self) -> tuple[bytes, str]:
        """Return the bytes of the object, and its tag, which changes when it is replaced."""
        with _plain_errors(self):
            got = self._bucket.get(self.key)
            return bytes(got.bytes()), _tag(got.meta)

    def tail(self, count: int) -> bytes:
        """Return the last ``count`` bytes of the object, or all of them."""
        size = self.size()
        with _plain_errors(self):
            return bytes(self._bucket.get_range(self.key, start=max(0, size - count), end=size))

    def size(self) -> int:
        """Return the bytes in the object."""
        return int(self._head()["size"])

    def tag(self) -> str:
        """Return the tag of the object, which changes when it is replaced."""
        return _tag(self._head())

    def age_beside(self, other: RemotePath) -> timedelta:
        """Return by how much the object was written before another one, by the service's clock."""
        written: datetime = self._head()["last_modified"]
        return timedelta(seconds=(other._head()["last_modified"] - written).total_seconds())

    def is_file(self) -> bool:
        """Return whether there is such an object."""
        try:
            self._head()
        except FileNotFoundError:
            return False
        return True

    def write_bytes(self, data: bytes) -> str:
        """Write the object, over any that is there; return its tag."""
        with _plain_errors(self):
            return _tag(self._bucket.put(self.key, data))

    def create(self, data: bytes) -> str:
        """Write the object and return its tag. Raises FileExistsError where there is one."""
        with _plain_errors(self):
            return _tag(self._bucket.put(self.key, data, mode="create"))

    def replace_tagged(self, data: bytes, tag: str) -> str:
        """Replace the object and return its tag. Raises FileExistsError where it has another one by now."""
        with _plain_errors(self):
            return _tag(self._bucket.put(self.key, data, mode=_written(tag)))

    def unlink(self) -> None:
        """Remove the object; one that is not there is fine."""
        with _plain_errors(self):
            self._bucket.delete(self.key)

    def names(self) -> set[str]:
        """Return the names in the folder, of objects and folders."""
        with _plain_errors(self):
            found = self._bucket.list_with_delimiter(f"{self.key}/" if self.key else None)
        paths = [*(entry["path"] for entry in found["objects"]), *found["common_prefixes"]]
        return {PurePosixPath(path).name for path in paths}

    def objects_below(self) -> Iterator[RemotePath]:
        """Yield every object in the folder and its subfolders."""
        top = RemotePath(*self.parts[:2])
        with _plain_errors(self):
            for batch in self._bucket.list(f"{self.key}/" if self.key else None):
                yield from (top / entry["path"] for entry in batch)

    def _head(self) -> Any:
        with _plain_errors(self):
            return self._bucket.head(self.key)


def _tag(written: Any) -> str:
    """Return the tag of what was written: Google's services compare versions, the others ETags."""
    version = written.get("version")
    return str(written["e_tag"]) if version is None else f"{written['e_tag']} {version}"


def _written(tag: str) -> dict[str, str]:
    """Return what :func:`_tag` made the tag of."""
    e_tag, _, version = tag.partition(" ")
    return {"e_tag": e_tag, "version": version} if version else {"e_tag": e_tag}


#: Where photos and stores lie.
Place: TypeAlias = Path | RemotePath


def as_place(path: os.PathLike[str] | str) -> Place:
    """Return a path, or the address of object storage that a text or a path holds.

    >>> as_place("s3://bucket/photos"), as_place(Path("s3://bucket/photos"))
    (RemotePath('s3://bucket/photos'), RemotePath('s3://bucket/photos'))
    """
    if isinstance(path, RemotePath):
        return path
    text = os.fspath(path)
    if (address := _ADDRESS.fullmatch(text)) is None:
        return Path(path)
    scheme, rest = address.groups()
    if scheme == "file":
        return Path("/" + unquote(rest))
    if not rest:
        raise InputError(f"{scheme}:// names no bucket; expected {scheme}://BUCKET/FOLDER")
    return RemotePath(f"{scheme}://{rest}")


def address_of(place: Place) -> str:
    """Return a place as other programs take it: an absolute path, or an address."""
    return str(place) if isinstance(place, RemotePath) else str(place.absolute())


@functools.cache
def _open_bucket(scheme: str, bucket: str) -> Any:
    try:
        import obstore.store
    except ModuleNotFoundError:
        raise InputError(
            f"{scheme}//{bucket} is object storage, which needs the package obstore; install it with "
            f"pip install 'objectspace[cluster]'"
        ) from None
    try:
        return obstore.store.from_url(
            f"{scheme}//{bucket}",
            # A machine without credentials should say so in seconds.
            retry_config={"max_retries": 4, "retry_timeout": timedelta(seconds=60)},
        )
    except Exception as error:
        raise InputError(f"{scheme}//{bucket} cannot be opened: {_first_line(error)}") from None


@contextmanager
def _plain_errors(path: RemotePath) -> Iterator[None]:
    """Turn what obstore raises into OSError for an object, and InputError for its bucket."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise _plain_error(path, error) from None


def _plain_error(path: RemotePath, error: Exception) -> Exception:
    kind, text = type(error).__name__, str(error)
    bucket = "//".join(path.parts[:2])
    if any(sign in text for sign in _NO_BUCKET):
        return InputError(f"there is no bucket {bucket}; make it, or correct the address")
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    if kind in ("AlreadyExistsError", "PreconditionError"):
        return FileExistsError(errno.EEXIST, "another process has written it", str(path))
    if kind in ("PermissionDeniedError", "UnauthenticatedError"):
        return PermissionError(errno.EACCES, f"the credentials do not permit it ({kind})", str(path))
    if any(sign in text for sign in _NO_CREDENTIALS):
        return InputError(
            f"no credentials for {bucket}; set those of its service, such as AWS_ACCESS_KEY_ID and "
            f"AWS_SECRET_ACCESS_KEY (docs/cluster.md)"
        )
    if "error sending request" in text or "connect" in text.lower():
        return InputError(
            f"{bucket} cannot be reached ({_first_line(error)}); check its endpoint and network"
        )
    return OSError(errno.EIO, _first_line(error), str(path))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
