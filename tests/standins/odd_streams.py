"""Streams and documents as real servers of Chat Completions send them, besides the well-formed ones of `dialects`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from tests.standins.providers import Sent

ANSWER: Final = json.dumps({"answer": "PostgreSQL. It is simple.", "evidence": ["a test"], "confidence": 0.8})
USAGE: Final = {"prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140}
DONE: Final = "[DONE]"
SSE: Final = "text/event-stream"
PAGE: Final = b"<!doctype html><html><body>Login required</body></html>"


def sse(*events: Any, silent: bool = False, broken: bool = False) -> Sent:
    """A stream with these events; a text is sent as it is, anything else as JSON."""
    lines = (event if isinstance(event, str) else json.dumps(event) for event in events)
    body = "".join(f"data: {line}\n\n" for line in lines).encode()
    return Sent(body, content_type=SSE, silent=silent, broken=broken)


def chunk(content: Any = None, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    """An event with a piece of an answer."""
    return {"choices": [{"index": 0, "delta": {"content": content, **delta}, "finish_reason": finish}]}


def usage(**counts: Any) -> dict[str, Any]:
    """The event with the counts alone."""
    return {"choices": [], "usage": USAGE | counts}


def document(body: Any, status: int = 200) -> Sent:
    """One JSON document."""
    return Sent(json.dumps(body).encode(), status)


def completion(content: Any = ANSWER, finish: str = "stop", **message: Any) -> Mapping[str, Any]:
    """A whole Chat Completion, which some servers send though a stream was asked for."""
    told = {"role": "assistant", "content": content, **message}
    return {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": told, "finish_reason": finish}],
        "usage": USAGE,
    }


def page(status: int = 200) -> Sent:
    """The login page of whatever sits in front of the server."""
    return Sent(PAGE, status, "text/html")
