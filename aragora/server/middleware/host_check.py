"""In development, answers only to names of this machine: the defence against DNS rebinding.

There the local operator acts without login, so a web page that makes its own name resolve to 127.0.0.1 must not
be served. A server bound elsewhere than loopback has no such operator, and any Host may reach it.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from aragora.identity.origins import host_answered, names_this_machine
from aragora.server.failures import failure
from aragora.server.middleware.handshake import refuse_handshake
from aragora.server.ports import ServerConfig

_STATUS = 421  # Misdirected Request (RFC 9110, 15.5.20)


class HostCheckMiddleware:
    def __init__(self, app: ASGIApp, config: ServerConfig) -> None:
        self._app = app
        self._allowed = frozenset(host.lower() for host in config.allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._known(scope):
            await self._app(scope, receive, send)
            return
        response = failure(
            scope,
            _STATUS,
            "host_not_allowed",
            "In development this server answers only to localhost. Use http://127.0.0.1, or name the host in "
            "the settings.",
        )
        await refuse_handshake(scope, receive, send, response)

    def _known(self, scope: Scope) -> bool:
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), None)
        return host_answered(host, self._allowed)


def applies(config: ServerConfig) -> bool:
    """Whether this server needs the check."""
    return config.environment == "development" and names_this_machine(config.bind_host)
