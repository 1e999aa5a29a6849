"""The page for people, its few files, and the OpenAPI document. No file here needs another site."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from starlette.responses import Response

from aragora import encoding
from aragora.errors import NotFound
from aragora.identity.rbac import PUBLIC
from aragora.server.chapter import Call, Chapter

pages: Chapter[None] = Chapter("pages", described=False)

_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    content: bytes
    media_type: str
    etag: str


def _load() -> dict[str, Asset]:
    found = {}
    for entry in files("aragora.server").joinpath("pages").iterdir():
        media_type = _TYPES.get(entry.name.rpartition(".")[2])
        if media_type is not None:
            content = entry.read_bytes()
            found[entry.name] = Asset(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
    return found


_ASSETS: Final = _load()


@pages.get("/", needs=PUBLIC)
async def home(call: Call[None]) -> Response:
    """Ask a question, watch the debate, read the decision and its receipt."""
    return page_response(call, "index.html")


@pages.get("/assets/{name}", needs=PUBLIC)
async def asset(call: Call[None], name: str) -> Response:
    """A file of the pages, by its exact name."""
    return page_response(call, name)


@pages.get("/openapi.json", needs=PUBLIC)
async def openapi(call: Call[None]) -> Response:
    """The description of every route."""
    return Response(encoding.encode(call.request.app.openapi()), media_type="application/json")


def page_response(call: Call[None], name: str) -> Response:
    """A file of the pages with the pages' Content-Security-Policy. Raises NotFound."""
    found = _ASSETS.get(name)
    if found is None:
        raise NotFound("There is no such file.")
    headers = {
        "ETag": found.etag,
        "Cache-Control": "no-cache",
        "Content-Security-Policy": page_csp(call.config.ws_url),
    }
    if call.request.headers.get("if-none-match") == found.etag:
        return Response(status_code=304, headers=headers)
    return Response(found.content, media_type=found.media_type, headers=headers)


def page_csp(ws_url: str) -> str:
    """Own files only, no inline script or style; connections to this server and its WebSocket port."""
    socket_origin = ws_url.rpartition("/")[0]
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self' {socket_origin}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
