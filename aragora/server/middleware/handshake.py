"""Refusing a WebSocket handshake with a real HTTP answer, where the server can send one."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


async def refuse_handshake(scope: Scope, receive: Receive, send: Send, response: Response) -> None:
    """Send `response`, to an HTTP request or instead of accepting a WebSocket; else close the latter (403)."""
    if scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", {}):
        await response(scope, receive, send)
        return
    await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
