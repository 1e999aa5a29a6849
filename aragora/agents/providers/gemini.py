"""Google's Gemini API over its official SDK, streamed, with structured output; the SDK's own retries are off.

The SDK reads the stream: a chunk that it does not know is an error of its own, out of which the words are read. An
answer with the status of an error is read before the SDK gets it, which would read all of it.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aragora.agents import border
from aragora.agents.model import AgentSpec, Completion, ModelCall, ProviderError
from aragora.agents.providers import sdk
from aragora.agents.providers.asking import OK, Ways
from aragora.agents.providers.bounded import ErrorAnswer, raising
from aragora.agents.providers.manner import Form, Manner
from aragora.agents.providers.received import Received

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.genai import Client
    from google.genai.errors import APIError

_FIRST_ERROR: Final = 400
_UNKNOWN: Final = "Failed to parse response as JSON. Raw response: "  # how the SDK begins to tell of one


class GeminiProvider:
    """`key` is kept inside the SDK's client, and where it is taken out of the provider's words."""

    renders_itself = False

    def __init__(self, spec: AgentSpec, key: str, address: str) -> None:
        self.name = "gemini"
        self._model = spec.model
        self._ways = Ways(self.name)
        self._failures = sdk.Failures(self.name, key)
        self._client = sdk.LazyClient(lambda: _client(key, address))

    async def complete(self, call: ModelCall) -> Completion:
        received = _Received(self._model, call)
        async with sdk.in_time(self.name, call, received):
            return await self._complete(call, received)

    async def aclose(self) -> None:
        if self._client.built is not None:
            await self._client.built.aio.aclose()

    async def _complete(self, call: ModelCall, received: _Received) -> Completion:
        client = await self._client.get()
        import aiohttp  # noqa: PLC0415  the SDK's transport, imported already
        import httpx2  # noqa: PLC0415
        from google.genai.errors import APIError, UnknownApiResponseError  # noqa: PLC0415

        try:
            await self._ways.ask(partial(self._ask_once, client, call, received), _refusal, received)
        except ErrorAnswer as error:
            raise self._answered(error.status, _json(error.body), received, error.headers) from None
        except APIError as error:
            raise self._failure(error, received) from None
        except UnknownApiResponseError as error:
            raise self._unknown(str(error).removeprefix(_UNKNOWN), received) from None
        except (aiohttp.ClientError, httpx2.HTTPError, OSError, ValueError) as error:
            raise self._failures.broken(error, received, call) from None
        return received.completion()

    async def _ask_once(self, client: Client, call: ModelCall, received: _Received, way: Manner) -> None:
        received.sending()
        stream = await client.aio.models.generate_content_stream(
            model=self._model, contents=_contents(call, way), config=_config(call, way)
        )
        async for chunk in stream:
            received.lives()
            received.take(chunk)

    def _failure(self, error: APIError, received: Received) -> ProviderError:
        status = error.code if isinstance(error.code, int) and error.code >= _FIRST_ERROR else OK
        words = error.details
        if isinstance(words, dict) and set(words) == {
            "message",
            "status",
        }:  # the SDK's dress for a body that is no JSON
            words = words["message"]
        return self._answered(status, words, received, getattr(error.response, "headers", None))

    def _answered(
        self, status: int, details: Any, received: Received, headers: Mapping[str, str] | None
    ) -> ProviderError:
        wait_s = border.wait_s(_retry_delay_s(details))
        return self._failures.answered(status, details, received, headers, wait_s)

    def _unknown(self, body: str, received: Received) -> ProviderError:
        """What is no JSON: a page, or a broken line."""
        if received.began or not body.lstrip().startswith("<"):
            return self._failures.unreadable(body, received)
        return self._failures.answered(OK, body, received)


class _Received(Received):
    """What a stream has brought so far."""

    def __init__(self, model: str, call: ModelCall) -> None:
        super().__init__("gemini", model, call)

    def take(self, chunk: Any) -> None:
        """Raises AnswerEndless."""
        counted = chunk.usage_metadata
        if counted is not None:
            self.count(
                input_tokens=counted.prompt_token_count,  # what came from the cache is in it
                output_tokens=_output(counted),
                cached_tokens=counted.cached_content_token_count,
            )
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason:
            self.blocked(chunk.prompt_feedback.block_reason.value)
        for candidate in chunk.candidates or ():
            if candidate.index:  # one was asked for
                continue
            for part in (candidate.content.parts if candidate.content else None) or ():
                if part.thought:
                    self.overhear(part.text)
                else:
                    self.hear(part.text)
                if part.function_call is not None:
                    self.called_tool(sdk.written(part.function_call.args))
            if candidate.finish_reason:
                self.ends(candidate.finish_reason.value)


def _output(counted: Any) -> int | None:
    """The tokens of the answer, thoughts included; None where one of the counts is none. While a model thinks, or where
    all went into its thoughts, those of the answer are left out."""
    answered, thought = counted.candidates_token_count, counted.thoughts_token_count
    if answered is None and thought is None:
        return None
    parts = border.tokens(answered or 0), border.tokens(thought or 0)
    return None if None in parts else sum(filter(None, parts))


def _client(key: str, base_url: str) -> Client:
    from google.genai import Client  # noqa: PLC0415  heavy: only where it is used
    from google.genai.types import HttpOptions, HttpRetryOptions  # noqa: PLC0415

    options = HttpOptions(
        base_url=base_url,
        retry_options=HttpRetryOptions(attempts=1),
        async_client_args={"middlewares": (raising,)},  # of the requests of aiohttp
    )
    return Client(api_key=key, vertexai=False, http_options=options)


def _refusal(error: Exception) -> tuple[int, object] | None:
    from google.genai.errors import APIError  # noqa: PLC0415  imported already, in the client's thread

    if isinstance(error, ErrorAnswer):
        return error.status, error.body
    return (error.code, error.details) if isinstance(error, APIError) and isinstance(error.code, int) else None


def _json(body: bytes) -> object:
    """The JSON of a body, without a list around it; the body itself where it is none."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return body
    return told[0] if isinstance(told, list) and len(told) == 1 else told


def _contents(call: ModelCall, way: Manner) -> Any:
    roles = {"assistant": "model"}
    contents = [{"role": roles.get(turn.role, "user"), "parts": [{"text": turn.text}]} for turn in call.turns]
    if not way.system and contents:
        contents[0] = {"role": "user", "parts": [{"text": call.system}, {"text": call.turns[0].text}]}
    return contents


def _config(call: ModelCall, way: Manner) -> Any:
    config: dict[str, Any] = {
        "max_output_tokens": call.max_tokens,
        "http_options": {"timeout": max(1, int(call.timeout_s * 1000))},
    }
    if way.system:
        config["system_instruction"] = call.system
    if way.form is not Form.WORDS:
        config["response_mime_type"] = "application/json"
    if way.form is Form.SCHEMA:
        config["response_json_schema"] = dict(call.schema)
    return config


def _retry_delay_s(details: Any) -> float | None:
    """Seconds from the RetryInfo of Google's error model (`"retryDelay": "17s"`)."""
    error = details.get("error", details) if isinstance(details, dict) else {}
    entries = error.get("details") if isinstance(error, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        delay = str(entry.get("retryDelay", "")) if isinstance(entry, dict) else ""
        try:
            return float(delay.removesuffix("s"))
        except ValueError:
            continue
    return None
