"""Where a caller reaches a WebSocket of this server. Pure."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from aragora.identity.origins import authority_in

_EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound
_SCHEMES: Final = {"http": "ws", "https": "wss"}


def websocket_url(configured: str, host_header: str | None, proxied_as: str | None) -> str:
    """The URL for one caller.

    Args:
        configured: of the WebSocket port, at the address on which the server listens.
        host_header: what the caller named; where that is no host, the configured URL is all there is to tell.
        proxied_as: `http` or `https`, as a trusted proxy says it was asked; None where the caller came without one.

    Behind a proxy the WebSocket is at the proxy, on the port that the caller knows; the WebSocket port may not be
    reachable from there at all. A server that listens everywhere is where the caller found it.
    """
    asked = authority_in(host_header)
    if asked is None:
        return configured
    host, port = asked
    scheme = _SCHEMES.get(proxied_as or "")
    if scheme is not None:
        return f"{scheme}://{host if port is None else f'{host}:{port}'}/ws"
    url = urlsplit(configured)
    return f"{url.scheme}://{host}:{url.port}{url.path}" if url.hostname in _EVERYWHERE else configured
