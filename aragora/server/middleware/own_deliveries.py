"""A webhook that leads back to this server does nothing here: the debate that it would open would send the next one.

The guard of webhooks refuses this server's own hosts. A proxy or another name may lead here all the same, so requests
that webhooks send are refused where they arrive, whatever they ask for. Whoever leaves a header out passes: this keeps
people from making a loop, nobody else from anything.
"""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from aragora.server.failures import failure

_DELIVERY_ID: Final = b"x-webhook-delivery-id"
_USER_AGENT: Final = b"user-agent"
_HARMLESS: Final = frozenset({"GET", "HEAD"})


class OwnDeliveriesMiddleware:
    """Refuses deliveries of webhooks: requests that carry the id of one and name `product` as their user agent."""

    def __init__(self, app: ASGIApp, product: str) -> None:
        self._app = app
        self._product = f"{product}/".lower().encode("ascii")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _HARMLESS or not self._is_own(scope):
            await self._app(scope, receive, send)
            return
        # Not 400, 401 or 403, after which a delivery is sent once more with the other secret.
        message = "This webhook leads back to the server that sends it. Change its URL."
        await failure(scope, 409, "webhook_loop", message)(scope, receive, send)

    def _is_own(self, scope: Scope) -> bool:
        """Headers come with lower-case names (ASGI)."""
        headers = dict(scope["headers"])
        return _DELIVERY_ID in headers and headers.get(_USER_AGENT, b"").lower().startswith(self._product)
