"""Anthropic's Messages API over its official SDK, streamed, with structured output.

No temperature is sent: Claude models from Opus 4.7 on refuse one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aragora.agents.model import AgentSpec, Completion, ModelCall, ProviderError
from aragora.agents.pricing import metered
from aragora.agents.providers import sdk
from aragora.debate.model import Usage

if TYPE_CHECKING:
    from anthropic import APIStatusError, AsyncAnthropic

_CONNECT_S: Final = 10.0
_STATUS_OF: Final = {  # error types of a stream that began with status 200
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class AnthropicProvider:
    """`key` is kept inside the SDK's client alone."""

    renders_itself = False

    def __init__(self, spec: AgentSpec, key: str, address: str) -> None:
        self.name = "anthropic"
        self._model = spec.model
        self._effort = (spec.options or {}).get("effort")
        self._client = sdk.LazyClient(lambda: _client(key, address))

    async def complete(self, call: ModelCall) -> Completion:
        client = await self._client.get()
        import anthropic  # noqa: PLC0415  imported already, in the client's thread
        import httpx2  # noqa: PLC0415

        received = _Received(self._model)
        try:
            stream = await client.messages.create(
                model=self._model,
                max_tokens=call.max_tokens,
                system=call.system,
                messages=_messages(call),
                output_config=self._output(call),
                extra_headers={"Idempotency-Key": call.idempotency_key},
                timeout=httpx2.Timeout(call.timeout_s, connect=min(_CONNECT_S, call.timeout_s)),
                stream=True,
            )
            async with stream:
                async for event in stream:
                    received.take(event)
        except anthropic.APITimeoutError:
            raise sdk.timed_out(self.name, call.timeout_s, received.usage()) from None
        except anthropic.APIStatusError as error:
            raise self._error_of(error, received.usage()) from None
        except httpx2.TimeoutException:
            raise sdk.timed_out(self.name, call.timeout_s, received.usage()) from None
        except (anthropic.APIError, httpx2.HTTPError, ValueError) as error:
            raise sdk.unreachable(self.name, error, received.usage()) from None
        if received.stop_reason == "refusal":
            raise sdk.declined(self.name, received.usage())
        if not received.stopped:
            raise sdk.cut_stream(self.name, received.usage())
        return Completion("".join(received.parts), received.usage() or Usage(self.name, self._model))

    async def aclose(self) -> None:
        if self._client.built is not None:
            await self._client.built.close()

    def _output(self, call: ModelCall) -> Any:
        output: dict[str, Any] = {"format": {"type": "json_schema", "schema": dict(call.schema)}}
        return output | ({"effort": self._effort} if self._effort else {})

    def _error_of(self, error: APIStatusError, usage: Usage | None) -> ProviderError:
        body = error.body if isinstance(error.body, dict) else {}
        inner = body.get("error")
        inner = inner if isinstance(inner, dict) else {}
        status = error.status_code if error.status_code >= 400 else _STATUS_OF.get(str(inner.get("type")), 500)
        return sdk.by_status(self.name, status, str(inner.get("message") or ""), error.response.headers, usage)


class _Received:
    """What a stream has brought so far."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._input = 0
        self._output = 0
        self.parts: list[str] = []
        self.stop_reason: str | None = None
        self.stopped = False

    def take(self, event: Any) -> None:
        if event.type == "message_start":
            usage = event.message.usage
            cached = (usage.cache_creation_input_tokens or 0) + (usage.cache_read_input_tokens or 0)
            self._input, self._output = usage.input_tokens + cached, usage.output_tokens
        elif event.type == "content_block_delta" and event.delta.type == "text_delta":
            self.parts.append(event.delta.text)
        elif event.type == "message_delta":
            self._output = event.usage.output_tokens
            self.stop_reason = event.delta.stop_reason
        elif event.type == "message_stop":
            self.stopped = True

    def usage(self) -> Usage | None:
        """None where the provider has counted nothing yet."""
        if not self._input and not self._output:
            return None
        return metered("anthropic", self._model, self._input, self._output)


def _client(key: str, base_url: str) -> AsyncAnthropic:
    from anthropic import AsyncAnthropic  # noqa: PLC0415  heavy: only where it is used

    return AsyncAnthropic(api_key=key, base_url=base_url, max_retries=0)


def _messages(call: ModelCall) -> Any:
    return [{"role": turn.role, "content": turn.text} for turn in call.turns]
