"""The explorer in a notebook: the page in a frame, answered by the kernel, so that no port is opened."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.arguments import typed
from objectspace.errors import InputError, QueryError, counted
from objectspace.explorer.one_file import page_html
from objectspace.explorer.served_store import ServedStore
from objectspace.places import Place, as_place
from objectspace.store import Store


class Explorer:
    """The explorer of one store in a notebook; :attr:`selection` is what is selected in it, both ways.

    >>> shown = osp.explore("photos.osp")  # doctest: +SKIP
    >>> shown.selection = store.selection("odd chairs").object_ids  # doctest: +SKIP
    """

    def __init__(self, served: ServedStore) -> None:
        try:
            import anywidget
            import traitlets

            from objectspace.explorer.app import COOKIE, make_app
        except ImportError as error:
            raise InputError(
                f"the explorer in a notebook needs {error.name}; install it with: "
                "pip install 'objectspace[notebook]'"
            ) from None
        self._served, token = served, secrets.token_urlsafe(24)
        self._app = make_app(served, token)
        self._cookie = f"{COOKIE}={token}"
        self._tasks: set[asyncio.Task[None]] = set()

        class Widget(anywidget.AnyWidget):
            _esm = files("objectspace.explorer").joinpath("static", "notebook.js").read_text("utf-8")
            page = traitlets.Unicode().tag(sync=True)
            rows: Any = traitlets.List(traitlets.Int(), None, allow_none=True).tag(sync=True)

        self.widget = Widget(page=page_html("notebook", served.path.name))
        self.widget.on_msg(self._asked)

    def __repr__(self) -> str:
        rows = self.widget.rows
        selected = "nothing selected" if rows is None else f"{counted(len(rows), 'object')} selected"
        return f"Explorer({str(self._served.path)!r}, {selected})"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.widget._repr_mimebundle_(**options)

    @property
    def selection(self) -> NDArray[np.str_]:
        """The ids (n,) of the objects that are selected, none where none are.

        Setting it selects them in the page. Raises QueryError for an id that the store does not hold.
        """
        rows = np.array(self.widget.rows or [], np.int64)
        ids: NDArray[np.str_] = self._served.state().store.objects_at(rows).object_id
        return ids

    @selection.setter
    def selection(self, object_ids: Sequence[str] | NDArray[np.str_]) -> None:
        known = self._served.state().rows_by_id
        names = [str(name) for name in object_ids]
        if unknown := [name for name in names if name not in known]:
            raise QueryError(f"no object {unknown[0]} in {self._served.path}")
        self.widget.rows = [known[name] for name in names] or None

    def _asked(self, widget: Any, content: dict[str, Any], buffers: list[Any]) -> None:
        work = self._answer(content, bytes(buffers[0]) if buffers else b"")
        try:
            # The set keeps the task, of which the loop has only a weak reference.
            task = asyncio.get_running_loop().create_task(work)
        except RuntimeError:
            asyncio.run(work)
        else:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, content: dict[str, Any], body: bytes) -> None:
        path, query = str(content.get("path")), str(content.get("query"))
        status, answer = await self.respond(str(content.get("method")), path, query, body)
        self.widget.send({"view": content.get("view"), "id": content.get("id"), "status": status}, [answer])

    def respond(
        self, method: str, path: str, query: str, body: bytes = b""
    ) -> Coroutine[Any, Any, tuple[int, bytes]]:
        """Return the status and bytes that a server answers at ``/api/PATH?QUERY``, to be awaited."""
        headers = {"host": "localhost", "cookie": self._cookie}
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": f"/api/{path}",
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "server": ("localhost", 80),
            "client": None,
        }
        return _called(self._app, scope, body)


async def _called(app: Any, scope: dict[str, Any], body: bytes) -> tuple[int, bytes]:
    """Return what an ASGI application answers to one request."""
    status, parts = 500, []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, send)
    return status, b"".join(parts)


@typed
def explore(store: Store | Place | str, *, photos: Path | str | None = None) -> Explorer:
    """Return the explorer of a store as a widget of Jupyter, which the last line of a cell shows.

    photos: the folder of the photos, where they are not where they were when the store was made

    It is the page of :func:`serve`, and asks the kernel: it works where the notebook does.
    Raises InputError where anywidget or starlette are missing, StoreError for no store.

    >>> osp.explore("photos.osp")  # doctest: +SKIP
    Explorer('photos.osp', nothing selected)
    """
    path = store.path if isinstance(store, Store) else as_place(store)
    return Explorer(ServedStore(path, photos=None if photos is None else Path(photos)))
