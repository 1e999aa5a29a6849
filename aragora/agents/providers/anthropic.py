"""Anthropic's Messages API over its official SDK, streamed, with structured output.

No temperature is sent: Claude models from Opus 4.7 on refuse one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aragora.agents import border
from aragora.agents.model import AgentSpec, Completion, ModelCall, ProviderError
from aragora.agents.providers import sdk
from aragora.agents.providers.received import Received
from aragora.debate.model import Usage
from aragora.observability.redaction import Redactor

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
    """`key` is kept inside the SDK's client, and where it is taken out of the provider's words."""

    renders_itself = False

    def __init__(self, spec: AgentSpec, key: str, address: str) -> None:
        self.name = "anthropic"
        self._model = spec.model
        self._effort = (spec.options or {}).get("effort")
        self._redactor = Redactor((key,))
        self._client = sdk.LazyClient(lambda: _client(key, address))

    async def complete(self, call: ModelCall) -> Completion:
        received = _Received(self._model, call)
        async with sdk.in_time(self.name, call, received):
            return await self._complete(call, received)

    async def _complete(self, call: ModelCall, received: _Received) -> Completion:
        client = await self._client.get()
        import anthropic  # noqa: PLC0415  imported already, in the client's thread
        import httpx2  # noqa: PLC0415

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
        return received.completion()

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
        told = self._redactor.text(str(inner.get("message") or ""))
        return sdk.by_status(self.name, status, told, error.response.headers, usage)


class _Received(Received):
    """What a stream has brought so far. Its events may hold anything: the SDK does not check them."""

    def __init__(self, model: str, call: ModelCall) -> None:
        super().__init__("anthropic", model, call)
        self.stop_reason: object = None
        self.stopped = False

    def take(self, event: Any) -> None:
        """Raises AnswerMalformed."""
        match getattr(event, "type", None):
            case "message_start":
                usage = getattr(getattr(event, "message", None), "usage", None)
                self.count(input_tokens=_input(usage), output_tokens=getattr(usage, "output_tokens", None))
            case "content_block_delta":
                delta = getattr(event, "delta", None)
                if getattr(delta, "type", None) == "text_delta":
                    self.hear(getattr(delta, "text", None))
            case "message_delta":
                self.count(output_tokens=getattr(getattr(event, "usage", None), "output_tokens", None))
                self.stop_reason = getattr(getattr(event, "delta", None), "stop_reason", None)
            case "message_stop":
                self.stopped = True


def _input(usage: object) -> int | None:
    """The tokens of the prompt, those from the cache included; None where one of the counts is none."""
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    told = [getattr(usage, name, None) for name in names]
    counted = [border.tokens(0 if value is None else value) for value in told]
    return None if told[0] is None or None in counted else sum(filter(None, counted))


def _client(key: str, base_url: str) -> AsyncAnthropic:
    from anthropic import AsyncAnthropic  # noqa: PLC0415  heavy: only where it is used

    return AsyncAnthropic(api_key=key, base_url=base_url, max_retries=0)


def _messages(call: ModelCall) -> Any:
    return [{"role": turn.role, "content": turn.text} for turn in call.turns]
