"""Anthropic's Messages API over its official SDK, streamed, with structured output.

No temperature is sent: Claude models from Opus 4.7 on refuse one. The body is read here and not by the SDK, which hands
on nothing of a page, a document or a bare error that comes in place of a stream.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from aragora.agents import border
from aragora.agents.model import AgentSpec, Completion, ModelCall
from aragora.agents.providers import sdk
from aragora.agents.providers.asking import StreamedAnswer, Ways, read_answer
from aragora.agents.providers.bounded import event_hooks
from aragora.agents.providers.manner import Form, Manner

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic


class AnthropicProvider:
    """`key` is kept inside the SDK's client, and where it is taken out of the provider's words."""

    renders_itself = False

    def __init__(self, spec: AgentSpec, key: str, address: str) -> None:
        self.name = "anthropic"
        self._model = spec.model
        self._effort = (spec.options or {}).get("effort")
        self._ways = Ways(self.name)
        self._failures = sdk.Failures(self.name, key)
        self._client = sdk.LazyClient(lambda: _client(key, address))

    async def complete(self, call: ModelCall) -> Completion:
        received = _Received(self._model, call)
        async with sdk.in_time(self.name, call, received):
            return await self._complete(call, received)

    async def aclose(self) -> None:
        if self._client.built is not None:
            await self._client.built.close()

    async def _complete(self, call: ModelCall, received: _Received) -> Completion:
        client = await self._client.get()
        import anthropic  # noqa: PLC0415  imported already, in the client's thread
        import httpx2  # noqa: PLC0415

        try:
            await self._ways.ask(partial(self._ask_once, client, call, received), _refusal, received)
        except anthropic.APIStatusError as error:
            raise self._failures.answered(*sdk.answer_of(error), received, error.response.headers) from None
        except (anthropic.APIError, httpx2.HTTPError, httpx2.StreamError, ValueError, TypeError) as error:
            raise self._failures.broken(error, received, call) from None
        return received.completion()

    async def _ask_once(self, client: AsyncAnthropic, call: ModelCall, received: _Received, way: Manner) -> None:
        import httpx2  # noqa: PLC0415  imported already, in the client's thread

        received.sending()
        asking = client.messages.with_streaming_response.create(
            model=self._model,
            max_tokens=call.max_tokens,
            system=call.system,
            messages=_messages(call),
            extra_headers={"Idempotency-Key": call.idempotency_key + way.mark},
            timeout=httpx2.Timeout(call.timeout_s, connect=min(sdk.CONNECT_S, call.timeout_s)),
            stream=True,
            **self._output(call, way),
        )
        async with asking as response:
            await read_answer(response.iter_bytes(), received, self._failures)

    def _output(self, call: ModelCall, way: Manner) -> dict[str, Any]:
        output: dict[str, Any] = {}
        if way.form is Form.SCHEMA:
            output["format"] = {"type": "json_schema", "schema": dict(call.schema)}
        if self._effort and way.effort and way.form is not Form.WORDS:  # a server may not know output_config at all
            output["effort"] = self._effort
        return {"output_config": output} if output else {}


class _Received(StreamedAnswer):
    """What an answer has brought so far."""

    parts_of_a_document = "content"

    def __init__(self, model: str, call: ModelCall) -> None:
        super().__init__("anthropic", model, call)

    def take(self, event: object) -> None:
        match sdk.under(event, "type"):
            case "message_start":
                self._count(sdk.under(event, "message", "usage"))
            case "content_block_start":
                self._hear_block(sdk.under(event, "content_block"))
            case "content_block_delta":
                self._hear_delta(sdk.under(event, "delta"))
            case "message_delta":
                self.count(output_tokens=sdk.under(event, "usage", "output_tokens"))
                self.ends(sdk.under(event, "delta", "stop_reason"))
            case "message_stop":
                self.done = True

    def take_document(self, document: object) -> None:
        self._count(sdk.under(document, "usage"))
        for block in sdk.parts(document, "content"):
            self._hear_block(block)
        self.ends(sdk.under(document, "stop_reason"))

    def _count(self, usage: object) -> None:
        """Output has the thoughts in it, input is without what went through the cache."""
        self.count(
            input_tokens=_input(usage),
            output_tokens=sdk.under(usage, "output_tokens"),
            cached_tokens=sdk.under(usage, "cache_read_input_tokens"),
            written_tokens=sdk.under(usage, "cache_creation_input_tokens"),
        )

    def _hear_block(self, block: object) -> None:
        match sdk.under(block, "type"):
            case "text":
                self.hear(sdk.under(block, "text"))
            case "thinking":
                self.overhear(sdk.under(block, "thinking"))
            case "tool_use":
                self.called_tool(None)

    def _hear_delta(self, delta: object) -> None:
        match sdk.under(delta, "type"):
            case "text_delta":
                self.hear(sdk.under(delta, "text"))
            case "thinking_delta":
                self.overhear(sdk.under(delta, "thinking"))
            case "input_json_delta":
                self.called_tool(sdk.under(delta, "partial_json"))


def _input(usage: object) -> int | None:
    """The tokens of the prompt, those from the cache included; None where one of the counts is none."""
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    told = [sdk.under(usage, name) for name in names]
    counted = [border.tokens(0 if value is None else value) for value in told]
    return None if told[0] is None or None in counted else sum(filter(None, counted))


def _refusal(error: Exception) -> tuple[int, object] | None:
    import anthropic  # noqa: PLC0415  imported already, in the client's thread

    return sdk.answer_of(error) if isinstance(error, anthropic.APIStatusError) else None


def _client(key: str, base_url: str) -> AsyncAnthropic:
    from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient  # noqa: PLC0415  heavy: only where it is used

    http = DefaultAsyncHttpxClient(event_hooks=event_hooks())
    return AsyncAnthropic(api_key=key, base_url=base_url, max_retries=0, http_client=http)


def _messages(call: ModelCall) -> Any:
    return [{"role": turn.role, "content": turn.text} for turn in call.turns]
