"""Serve a store to the browser of this machine, until Ctrl-C."""

from __future__ import annotations

import secrets
import socket
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from objectspace.arguments import typed
from objectspace.errors import InputError, QueryError, StoreError
from objectspace.explorer.served_store import ServedStore
from objectspace.places import Place, as_place

#: The only address that is listened on: this machine's own.
HOST = "127.0.0.1"

#: Ports that are tried where none is given.
_PORTS = range(8765, 8785)


@typed
def serve(
    store: Place | str,
    *,
    photos: Path | str | None = None,
    own_map: Path | str | None = None,
    port: int | None = None,
    browser: bool = True,
    read_only: bool = False,
    started: Callable[[str], None] = print,
) -> None:
    """Serve a store on 127.0.0.1 until the process is interrupted.

    photos: the folder of the photos, where they are not where they were when the store was made
    own_map: a parquet file of a map of your own: columns object_id, x, y
    port: None for the first free one from 8765
    browser: whether a browser is opened
    read_only: whether marks and selections are refused
    started: is given the address, with the token that opens it

    Raises InputError where starlette and uvicorn are missing or the port is taken, StoreError for no store.

    >>> osp.serve("photos.osp")  # doctest: +SKIP
    """
    try:
        import uvicorn

        from objectspace.explorer.app import make_app
    except ImportError as error:
        raise InputError(
            f"the explorer needs {error.name}; install it with: pip install 'objectspace[serve]'"
        ) from None
    served = ServedStore(
        as_place(store),
        photos=None if photos is None else Path(photos),
        own_map=None if own_map is None else Path(own_map),
    )
    # What cannot be read is said in the page.
    with suppress(QueryError, StoreError):
        served.state().prepare()
    token = secrets.token_urlsafe(24)
    with _listening(port) as listener:
        address = f"http://{HOST}:{listener.getsockname()[1]}/?token={token}"
        config = uvicorn.Config(
            make_app(served, token, read_only=read_only), log_level="warning", lifespan="off", ws="none"
        )
        started(address)
        if browser:
            webbrowser.open(address)
        uvicorn.Server(config).run(sockets=[listener])


def _listening(port: int | None) -> socket.socket:
    """Return a socket that listens on a port of this machine. Raises InputError where it is taken."""
    for tried in _PORTS if port is None else [port]:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, tried))
            # Before the address is given: whoever is quicker than the server's start waits for it.
            listener.listen()
        except (OSError, OverflowError):
            listener.close()
            continue
        return listener
    taken = f"ports {_PORTS[0]} to {_PORTS[-1]} are" if port is None else f"port {port} is"
    raise InputError(f"{taken} taken or cannot be used; choose another with port=")
