"""The routes of the explorer: who may ask, what is asked, and the view that answers."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from objectspace.errors import ImageError, InputError, ObjectspaceError
from objectspace.explorer import curation, searches, views
from objectspace.explorer.columns import map_points, space_values
from objectspace.explorer.explanations import explanation_json
from objectspace.explorer.served_store import ServedStore, StoreState

#: The name of the cookie that every request needs but the first, which brings the token itself.
COOKIE = "objectspace"

#: Names by which the page may be asked for: anything else is another site's name for this machine.
HOSTS = ("127.0.0.1", "localhost")

#: Largest request in bytes: the mask of a selection among 16 million objects.
MOST_BYTES = 2 << 20

#: Largest picture that is uploaded for a search, in bytes.
MOST_UPLOADED = 32 << 20

#: Neighbors that one request may ask for.
MOST_NEIGHBORS = 500

#: Seconds in which a request has come whole.
_ARRIVAL = 30

_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_TYPES = {"app.css": "text/css", "app.js": "text/javascript"}
_ARROW = "application/vnd.apache.arrow.stream"

View = Callable[[StoreState, Request, bytes], Any]


def make_app(served: ServedStore, token: str, *, read_only: bool = False) -> Starlette:
    """Return the explorer of one store as an ASGI application; ``token`` is what opens it."""

    def route(path: str, view: View, *, method: str = "GET", most: int = MOST_BYTES) -> Route:
        async def answer(request: Request) -> Response:
            body = await _read_body(request, most)
            if isinstance(body, Response):
                return body
            return await run_in_threadpool(_answered, view, request, body)

        def _answered(view: View, request: Request, body: bytes) -> Response:
            try:
                value = view(served.state(), request, body)
            except (ImageError, InputError) as error:
                return JSONResponse({"error": str(error)}, 400)
            except ObjectspaceError as error:
                return JSONResponse({"error": str(error)}, 503)
            return value if isinstance(value, Response) else JSONResponse(value)

        return Route(path, answer, methods=[method])

    def writing(view: View) -> View:
        def refused_or(state: StoreState, request: Request, body: bytes) -> Any:
            if read_only:
                raise InputError("nothing is kept, as objectspace serve --read-only was asked for")
            with served.writing:
                return view(state, request, body)

        return refused_or

    def summary(state: StoreState, request: Request, body: bytes) -> Any:
        return views.store_summary(state, name=served.path.name, read_only=read_only)

    def photo(state: StoreState, request: Request, body: bytes) -> Any:
        return Response(
            views.photo_jpeg(state, _number(request, "image"), served.photos), 200, None, "image/jpeg"
        )

    def occlusion(state: StoreState, request: Request, body: bytes) -> Any:
        return views.occlusion_json(state, _number(request, "row"), served.photos)

    def explanation(state: StoreState, request: Request, body: bytes) -> Any:
        first, second = (_number(request, name) for name in ("first", "second"))
        asked = _search_arguments(request)
        return explanation_json(
            state, first, second, space=asked["space"], metric=asked["metric"], photos=served.photos
        )

    routes = [
        Route("/", _page),
        Route("/static/{name}", _static),
        route("/api/store", summary),
        route("/api/columns", lambda state, *_: Response(state.columns(), media_type=_ARROW)),
        route("/api/points", _points),
        route("/api/values", _values),
        route("/api/objects", _objects),
        route("/api/thumbnails", _thumbnails),
        route("/api/map-done", _map_done),
        route("/api/neighbors", _neighbors, method="POST"),
        route("/api/examples", _examples, method="POST"),
        route("/api/words", _words),
        route("/api/picture", _picture, method="POST", most=MOST_UPLOADED),
        route("/api/explanation", explanation),
        route("/api/image", lambda state, request, _: views.image_json(state, _number(request, "image"))),
        route("/api/photo", photo),
        route("/api/object-at", _object_at),
        route("/api/occlusion", occlusion),
        route("/api/measure", _measure, method="POST"),
        route("/api/selections", lambda state, *_: curation.selections_json(state)),
        route(
            "/api/selection", lambda state, request, _: curation.selected_rows(state, _text(request, "name"))
        ),
        route("/api/selection", writing(_save_selection), method="POST"),
        route("/api/rows.csv", _rows_csv, method="POST"),
        route("/api/marks", lambda state, *_: curation.marks_json(state)),
        route("/api/marks", writing(_mark), method="POST"),
        route("/api/corrected", _corrected),
        route(
            "/api/doubtful", lambda state, request, _: curation.doubtful_json(state, _text(request, "space"))
        ),
        route(
            "/api/doubtful-done",
            lambda state, request, _: {"done": state.doubtful.done(_text(request, "space"))},
        ),
    ]
    return Starlette(
        routes=routes,
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS), www_redirect=False),
            Middleware(Guard, token=token),
        ],
    )


class Guard:
    """Let through who brings the token, or the cookie that it became; set the headers.

    Requests that change something must come from the page itself: their ``Origin`` is the server's.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        refused = self._refusal(request)
        if refused is None and "token" in request.query_params:
            refused = RedirectResponse("/", 303)
            refused.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
        app = self._app if refused is None else refused
        await app(scope, receive, _with_headers(send))

    def _refusal(self, request: Request) -> Response | None:
        brought = request.query_params.get("token") or request.cookies.get(COOKIE, "")
        if not hmac.compare_digest(brought.encode(), self._token.encode()):
            return Response("open the address that objectspace serve printed; it has a token in it\n", 403)
        origin = request.headers.get("origin")
        if origin is not None and origin != f"{request.url.scheme}://{request.url.netloc}":
            return Response("requests come from the page itself\n", 403)
        return None


def _with_headers(send: Send) -> Callable[[Message], Awaitable[None]]:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name for name, _ in message["headers"]}
            added = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
            message["headers"] = [*message["headers"], *(one for one in added if one[0] not in own)]
        await send(message)

    return sent


async def _read_body(request: Request, most: int) -> bytes | Response:
    """Return a request's body, or the refusal of one that is larger or slower than is served."""
    length = request.headers.get("content-length", "0")
    if not (length.isdecimal() and int(length) <= most):
        return _too_large(most)
    body = bytearray()
    try:
        async with asyncio.timeout(_ARRIVAL):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    return _too_large(most)
    except TimeoutError:
        return JSONResponse({"error": f"the request did not arrive within {_ARRIVAL} s"}, 408)
    return bytes(body)


def _too_large(most: int) -> Response:
    return JSONResponse({"error": f"the request is too large, expected at most {most >> 20} MB"}, 413)


async def _page(request: Request) -> Response:
    return Response(_read_static("index.html"), media_type="text/html")


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _TYPES:
        return Response("no such file\n", 404)
    return Response(_read_static(name), media_type=_TYPES[name])


def _read_static(name: str) -> bytes:
    return files("objectspace.explorer").joinpath("static", name).read_bytes()


def _points(state: StoreState, request: Request, body: bytes) -> Response:
    space = _text(request, "space")
    points = state.maps.points(space, request.query_params.get("map", "pca"))  # type: ignore[arg-type]
    return Response(map_points(state.object_rows(space), points), media_type=_ARROW)


def _values(state: StoreState, request: Request, body: bytes) -> Response:
    """Return what a map can be colored by beside its columns: one number for each vector of the space."""
    space, name = _text(request, "space"), _text(request, "name")
    metric = request.query_params.get("metric", "cosine")
    if name == "agreement":
        return Response(space_values(state.agreement(space, metric).values), media_type=_ARROW)
    if name == "kept":
        method = request.query_params.get("map", "pca")
        kept = state.kept_neighbors(space, metric, method)  # type: ignore[arg-type]
        return Response(space_values(kept), media_type=_ARROW)
    if name == "shared":
        return Response(
            space_values(state.shared_neighbors(space, _text(request, "other"), metric)), media_type=_ARROW
        )
    raise InputError(f"values {name!r} are not known, expected agreement, kept or shared")


def _objects(state: StoreState, request: Request, body: bytes) -> Any:
    return views.objects_json(state, _rows(request))


def _thumbnails(state: StoreState, request: Request, body: bytes) -> Response:
    return Response(views.thumbnails(state, _rows(request)), media_type="application/octet-stream")


def _map_done(state: StoreState, request: Request, body: bytes) -> Any:
    method = request.query_params.get("map", "pca")
    return {"done": state.maps.done(_text(request, "space"), method)}  # type: ignore[arg-type]


def _search_arguments(request: Request) -> dict[str, Any]:
    return {
        "space": _text(request, "space"),
        "metric": request.query_params.get("metric", "cosine"),
        "k": min(_number(request, "k", 24), MOST_NEIGHBORS),
    }


def _neighbors(state: StoreState, request: Request, body: bytes) -> Any:
    """Search by an object; the body is a bit for each object of the table that may be an answer, or empty."""
    same = request.query_params.get("same_image") == "1"
    among = _bits(body, len(state.image_rows)) if body else None
    return searches.neighbors_json(
        state, _number(request, "row"), same_image=same, among=among, **_search_arguments(request)
    )


def _examples(state: StoreState, request: Request, body: bytes) -> Any:
    same = request.query_params.get("same_image") == "1"
    return searches.examples_json(state, _json_body(body), same_image=same, **_search_arguments(request))


def _words(state: StoreState, request: Request, body: bytes) -> Any:
    asked = _search_arguments(request)
    return searches.words_json(state, _text(request, "text"), space=asked["space"], k=asked["k"])


def _picture(state: StoreState, request: Request, body: bytes) -> Any:
    """Search by the uploaded picture that is the body, in ``box=x1,y1,x2,y2`` or all of it."""
    box = None
    if text := request.query_params.get("box"):
        try:
            x1, y1, x2, y2 = (float(side) for side in text.split(","))
        except ValueError:
            raise InputError("box is four numbers x1,y1,x2,y2") from None
        box = x1, y1, x2, y2
    return searches.picture_json(state, body, box, **_search_arguments(request))


def _object_at(state: StoreState, request: Request, body: bytes) -> Any:
    x, y = (_real(request, name) for name in ("x", "y"))
    return {"row": views.object_at_point(state, _number(request, "image"), x, y, _text(request, "space"))}


def _measure(state: StoreState, request: Request, body: bytes) -> Any:
    """Measure a selection: the body is a bit for each vector of the space."""
    space = _text(request, "space")
    agreement = state.agreement(space, request.query_params.get("metric", "cosine"))
    return agreement.of(_bits(body, len(agreement.values)))


def _save_selection(state: StoreState, request: Request, body: bytes) -> Any:
    """Keep the objects whose rows of the objects table the body lists, as a JSON list."""
    return curation.save_rows(state, _text(request, "name"), _json_body(body))


def _rows_csv(state: StoreState, request: Request, body: bytes) -> Response:
    """Return the objects whose rows the body lists, as a JSON list, as a table."""
    return Response(curation.rows_csv(state, _json_body(body)), media_type="text/csv; charset=utf-8")


def _mark(state: StoreState, request: Request, body: bytes) -> Any:
    """Set one mark, ``{"object_id", "verdict", "label"}``; a verdict of null takes it away."""
    return curation.set_mark(state, _json_body(body))


def _corrected(state: StoreState, request: Request, body: bytes) -> Response:
    content, media_type = curation.corrected(state, _text(request, "format"))
    return Response(content, media_type=media_type)


def _bits(body: bytes, count: int) -> NDArray[np.bool_]:
    """Return which of so many objects a body marks: a bit for each, the first the lowest of a byte."""
    if len(body) != (count + 7) // 8:
        raise InputError(f"a selection of {len(body)} bytes, expected a bit for each of {count} objects")
    return np.unpackbits(np.frombuffer(body, np.uint8), bitorder="little")[:count].astype(np.bool_)


def _json_body(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise InputError("the request is not JSON") from None


def _text(request: Request, name: str) -> str:
    value = request.query_params.get(name)
    if not value:
        raise InputError(f"the request lacks {name}")
    return value


def _number(request: Request, name: str, otherwise: int | None = None) -> int:
    value = request.query_params.get(name, otherwise)
    try:
        return int(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputError(f"{name} is {json.dumps(value)}, expected a whole number") from None


def _real(request: Request, name: str) -> float:
    value = request.query_params.get(name)
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputError(f"{name} is {json.dumps(value)}, expected a number") from None


def _rows(request: Request) -> NDArray[np.int64]:
    text = _text(request, "rows")
    try:
        return np.array([int(row) for row in text.split(",")], np.int64)
    except (ValueError, OverflowError):
        raise InputError("rows are whole numbers with commas between them") from None
