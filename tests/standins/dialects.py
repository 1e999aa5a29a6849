"""The wire formats of the providers: how each asks, streams an answer, reports usage, and tells an error.

Sources: the API references of Anthropic (Messages, streaming), OpenAI (Chat Completions), Mistral (chat, streaming)
and Google (streamGenerateContent with alt=sse).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

INPUT_TOKENS = 120
OUTPUT_TOKENS = 45
_PIECE_CHARS = 24


class Chat:
    """OpenAI and those who speak alike; Mistral too, whose answers have the same shape."""

    def __init__(self, cost_usd: float | None = None) -> None:
        self._cost_usd = cost_usd

    def schema(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return body["response_format"]["json_schema"]["schema"]

    def events(self, text: str, model: str, finish: str = "stop") -> Iterator[bytes]:
        for number, piece in enumerate(_pieces(text)):
            delta = {"role": "assistant", "content": piece} if number == 0 else {"content": piece}
            yield self._chunk(model, [{"index": 0, "delta": delta, "finish_reason": None}], None)
        yield self._chunk(model, [{"index": 0, "delta": {"content": ""}, "finish_reason": finish}], self._usage())
        yield b"data: [DONE]\n\n"

    def error(self, status: int, message: str) -> dict[str, Any]:
        kind = "rate_limit_exceeded" if status == 429 else "server_error"
        return {"error": {"message": message, "type": kind, "code": status}}

    def error_event(self, status: int, message: str) -> bytes:
        return _data(self.error(status, message))

    def _usage(self) -> dict[str, Any]:
        usage: dict[str, Any] = {
            "prompt_tokens": INPUT_TOKENS,
            "completion_tokens": OUTPUT_TOKENS,
            "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
        }
        return usage if self._cost_usd is None else usage | {"cost": self._cost_usd}

    def _chunk(self, model: str, choices: list[dict[str, Any]], usage: dict[str, Any] | None) -> bytes:
        chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": choices}
        return _data(chunk | ({"usage": usage} if usage else {}))


class Messages:
    """Anthropic."""

    def schema(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return body["output_config"]["format"]["schema"]

    def events(self, text: str, model: str, finish: str = "stop") -> Iterator[bytes]:
        usage = {"input_tokens": INPUT_TOKENS, "output_tokens": 1}
        message = {"id": "m1", "type": "message", "role": "assistant", "model": model, "content": [], "usage": usage}
        yield _named("message_start", {"message": message | {"stop_reason": None, "stop_sequence": None}})
        yield _named("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}})
        yield _named("ping", {})
        for piece in _pieces(text):
            yield _named("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": piece}})
        yield _named("content_block_stop", {"index": 0})
        reason = {"length": "max_tokens", "content_filter": "refusal"}.get(finish, "end_turn")
        stop = {"delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": OUTPUT_TOKENS}}
        yield _named("message_delta", stop)
        yield _named("message_stop", {})

    def error(self, status: int, message: str) -> dict[str, Any]:
        kinds = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}
        kinds |= {529: "overloaded_error", 413: "request_too_large"}
        return {"type": "error", "error": {"type": kinds.get(status, "api_error"), "message": message}}

    def error_event(self, status: int, message: str) -> bytes:
        return b"event: error\n" + _data(self.error(status, message))


class Gemini:
    """Google."""

    def schema(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return body["generationConfig"]["responseJsonSchema"]

    def events(self, text: str, model: str, finish: str = "stop") -> Iterator[bytes]:
        pieces = _pieces(text)
        for number, piece in enumerate(pieces):
            candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": piece}]}, "index": 0}
            chunk: dict[str, Any] = {"candidates": [candidate], "modelVersion": model}
            if number == len(pieces) - 1:
                candidate["finishReason"] = {"length": "MAX_TOKENS", "content_filter": "SAFETY"}.get(finish, "STOP")
                chunk["usageMetadata"] = {"promptTokenCount": INPUT_TOKENS, "candidatesTokenCount": OUTPUT_TOKENS}
            yield _data(chunk)

    def error(self, status: int, message: str) -> dict[str, Any]:
        names = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}
        return {"error": {"code": status, "message": message, "status": names.get(status, "INTERNAL")}}

    def error_event(self, status: int, message: str) -> bytes:
        return _data(self.error(status, message))


Dialect = Chat | Messages | Gemini


def _pieces(text: str) -> list[str]:
    return [text[start : start + _PIECE_CHARS] for start in range(0, len(text), _PIECE_CHARS)] or [""]


def _data(content: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(content).encode() + b"\n\n"


def _named(event: str, content: Mapping[str, Any]) -> bytes:
    return f"event: {event}\n".encode() + _data({"type": event} | content)
