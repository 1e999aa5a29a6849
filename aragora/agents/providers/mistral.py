"""Mistral's chat API over its official SDK, streamed, with structured output. The SDK does not retry by default."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aragora.agents.model import AgentSpec, Completion, ModelCall, ProviderError
from aragora.agents.providers import sdk
from aragora.agents.providers.received import Received
from aragora.debate.model import Usage
from aragora.observability.redaction import Redactor

if TYPE_CHECKING:
    from mistralai.client import Mistral
    from mistralai.client.errors import MistralError


class MistralProvider:
    """`key` is kept inside the SDK's client, and where it is taken out of the provider's words."""

    renders_itself = False

    def __init__(self, spec: AgentSpec, key: str, address: str) -> None:
        self.name = "mistral"
        self._model = spec.model
        self._redactor = Redactor((key,))
        self._client = sdk.LazyClient(lambda: _client(key, address))

    async def complete(self, call: ModelCall) -> Completion:
        received = Received(self.name, self._model, call)
        async with sdk.in_time(self.name, call, received):
            return await self._complete(call, received)

    async def _complete(self, call: ModelCall, received: Received) -> Completion:
        client = await self._client.get()
        import httpx2  # noqa: PLC0415  imported already, in the client's thread
        from mistralai.client.errors import MistralError, NoResponseError  # noqa: PLC0415

        finish: str | None = None
        try:
            stream = await client.chat.stream_async(
                model=self._model,
                messages=_messages(call),
                temperature=call.temperature,
                max_tokens=call.max_tokens,
                response_format=_format(call),
                timeout_ms=max(1, int(call.timeout_s * 1000)),
            )
            async with stream:
                async for event in stream:
                    chunk = event.data
                    if chunk.usage:
                        told = chunk.usage.model_dump(include=chunk.usage.model_fields_set)  # the rest would be 0
                        received.count(
                            input_tokens=told.get("prompt_tokens"), output_tokens=told.get("completion_tokens")
                        )
                    for choice in chunk.choices:
                        received.hear(_text(choice.delta.content))
                        finish = choice.finish_reason or finish
        except httpx2.TimeoutException:
            raise sdk.timed_out(self.name, call.timeout_s, received.usage()) from None
        except MistralError as error:
            raise self._error_of(error, received.usage()) from None
        except (NoResponseError, httpx2.HTTPError, ValueError) as error:
            raise sdk.unreachable(self.name, error, received.usage()) from None
        if finish is None or finish == "error":
            raise sdk.cut_stream(self.name, received.usage())
        return received.completion()

    async def aclose(self) -> None:
        if self._client.built is not None:
            await self._client.built.__aexit__(None, None, None)  # type: ignore[no-untyped-call]

    def _error_of(self, error: MistralError, usage: Usage | None) -> ProviderError:
        status = (
            error.status_code if error.status_code >= 400 else 500
        )  # below 400: an answer that the SDK could not read
        return sdk.by_status(self.name, status, self._redactor.text(_message(error.body)), error.headers, usage)


def _client(key: str, base_url: str) -> Mistral:
    from mistralai.client import Mistral  # noqa: PLC0415  heavy: only where it is used

    return Mistral(api_key=key, server_url=base_url)


def _messages(call: ModelCall) -> Any:
    return [
        {"role": "system", "content": call.system},
        *({"role": turn.role, "content": turn.text} for turn in call.turns),
    ]


def _format(call: ModelCall) -> Any:
    schema = {"name": call.schema_name, "schema_definition": dict(call.schema), "strict": True}
    return {"type": "json_schema", "json_schema": schema}


def _text(content: Any) -> str:
    """The text of a delta: a string, or chunks, of which only those of type text count (the others are thoughts)."""
    if isinstance(content, str):
        return content
    return "".join(chunk.text for chunk in content or () if getattr(chunk, "type", "") == "text")


def _message(body: str) -> str:
    try:
        answer = json.loads(body)
    except ValueError:
        return ""
    message = answer.get("message") or answer.get("detail") if isinstance(answer, dict) else None
    return message if isinstance(message, str) else ""
