"""One body for every failure: {"error": {"code", "message"}, "request_id"}, with Retry-After where it helps."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any, Final, cast

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from aragora import encoding, violations
from aragora.errors import AragoraError

REQUEST_ID: Final = "aragora.request_id"  # key of the ASGI scope
CALLER: Final = "aragora.caller"  # key of the ASGI scope: the id of the proven caller, for the log

_log = structlog.get_logger(__name__)
_CODES: Final = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 408: "body_timeout", 413: "too_large"}
_DEFAULT_RETRY_S: Final = 1.0
_SHOWN_PROBLEMS: Final = 5
INTERNAL_MESSAGE: Final = "Something went wrong in the server. Its log has the details under this request_id."


def failure(
    scope: Scope,
    status: int,
    code: str,
    message: str,
    *,
    retry_after_s: float | None = None,
    headers: dict[str, str] | None = None,
    extra: dict[str, Any] | None = None,
) -> Response:
    """The response of a failed request; `extra` members stand beside the error."""
    body = {
        **(extra or {}),
        "error": {"code": code, "message": message},
        "request_id": scope.get(REQUEST_ID, ""),
    }
    all_headers = dict(headers or {})
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        wait_s = _DEFAULT_RETRY_S if retry_after_s is None else retry_after_s
        all_headers["Retry-After"] = str(max(1, math.ceil(wait_s)))
    return Response(encoding.encode(body), status, all_headers, "application/json")


async def refuse(scope: Scope, receive: Receive, send: Send, response: Response) -> None:
    """Send `response` to an HTTP request, or instead of accepting a WebSocket where the server can; else close the
    WebSocket (403)."""
    if scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", {}):
        await response(scope, receive, send)
        return
    await send({"type": "websocket.close", "code": 1008, "reason": "refused"})


def install(app: FastAPI) -> None:
    """Make `app` answer every known failure with the one body. Unknown ones are the fault middleware's."""
    app.add_exception_handler(AragoraError, _aragora_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)


def of_error(scope: Scope, error: AragoraError) -> Response:
    """The response an error of the taxonomy maps to. The text of a 500 stays in the log."""
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR and error.status != HTTPStatus.SERVICE_UNAVAILABLE:
        _log.error("request failed", code=error.code, path=scope["path"], exc_info=error)
        return failure(scope, error.status, error.code, INTERNAL_MESSAGE)
    headers = {"WWW-Authenticate": "Bearer"} if error.status == HTTPStatus.UNAUTHORIZED else None
    return failure(scope, error.status, error.code, error.message, retry_after_s=error.retry_after_s, headers=headers)


async def _aragora_error(request: Request, error: Exception) -> Response:
    return of_error(request.scope, cast("AragoraError", error))


async def _http_error(request: Request, error: Exception) -> Response:
    known = cast("HTTPException", error)
    status = known.status_code
    code = _CODES.get(status, f"http_{status}")
    message = _message(request, status) or str(known.detail)
    return failure(request.scope, status, code, message, headers=dict(known.headers or {}))


def _message(request: Request, status: int) -> str | None:
    if status == HTTPStatus.NOT_FOUND:
        return "There is nothing at this path. /openapi.json lists what there is."
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return f"This path does not take {request.method}. The Allow header names what it takes."
    return None


async def _invalid(request: Request, error: Exception) -> Response:
    """Says which part of the input is wrong without repeating the input."""
    problems = cast("RequestValidationError", error).errors()
    told = [f"{_place(problem['loc'])}: {violations.reason(problem['msg'])}" for problem in problems[:_SHOWN_PROBLEMS]]
    if len(problems) > _SHOWN_PROBLEMS:
        told.append(f"and {len(problems) - _SHOWN_PROBLEMS} more problems")
    text = "; ".join(told).encode("utf-8", "replace").decode()
    return failure(request.scope, HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_input", text)


def _place(location: tuple[Any, ...]) -> str:
    parts = [str(part)[:64] for part in location]
    return ".".join(parts[1:] or parts)
