"""Mistral's chat API over its official SDK, streamed, with structured output. The SDK does not retry by default.

Its answers have the form of Chat Completions, and are read here and not by the SDK, which refuses whole answers for
the sake of one odd field. A body that is no stream comes out of the SDK's error.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aragora.agents.model import AgentSpec, Completion, ModelCall
from aragora.agents.providers import sdk
from aragora.agents.providers.asking import Ways, read_answer, take_document
from aragora.agents.providers.bounded import event_hooks
from aragora.agents.providers.chat_answer import ChatReceived
from aragora.agents.providers.manner import Form, Manner

if TYPE_CHECKING:
    from mistralai.client import Mistral

_FIRST_ERROR: Final = 400


class MistralProvider:
    """`key` is kept inside the SDK's client, and where it is taken out of the provider's words."""

    renders_itself = False

    def __init__(self, spec: AgentSpec, key: str, address: str) -> None:
        self.name = "mistral"
        self._model = spec.model
        self._ways = Ways(self.name)
        self._failures = sdk.Failures(self.name, key)
        self._client = sdk.LazyClient(lambda: _client(key, address))

    async def complete(self, call: ModelCall) -> Completion:
        received = ChatReceived(self.name, self._model, call, bills_itself=False)
        async with sdk.in_time(self.name, call, received):
            return await self._complete(call, received)

    async def aclose(self) -> None:
        if self._client.built is not None:
            http = self._client.built.sdk_configuration.async_client
            await self._client.built.__aexit__(None, None, None)  # type: ignore[no-untyped-call]
            if http is not None:
                await http.aclose()  # the SDK closes none that it was given

    async def _complete(self, call: ModelCall, received: ChatReceived) -> Completion:
        client = await self._client.get()
        import httpx2  # noqa: PLC0415  imported already, in the client's thread
        from mistralai.client.errors import MistralError, NoResponseError  # noqa: PLC0415

        try:
            await self._ways.ask(partial(self._ask_once, client, call, received), _refusal, received)
        except MistralError as error:
            if error.status_code >= _FIRST_ERROR:
                raise self._failures.answered(error.status_code, error.body, received, error.headers) from None
            take_document(error.body, received, self._failures)
        except (NoResponseError, httpx2.HTTPError, httpx2.StreamError, ValueError) as error:
            raise self._failures.broken(error, received, call) from None
        return received.completion()

    async def _ask_once(self, client: Mistral, call: ModelCall, received: ChatReceived, way: Manner) -> None:
        received.sending()
        stream = await client.chat.stream_async(
            model=self._model,
            messages=_messages(call, way),
            max_tokens=call.max_tokens,
            timeout_ms=max(1, int(call.timeout_s * 1000)),
            **_options(call, way),
        )
        async with stream:
            await read_answer(stream.response.aiter_bytes(), received, self._failures)


def _refusal(error: Exception) -> tuple[int, object] | None:
    from mistralai.client.errors import MistralError  # noqa: PLC0415  imported already, in the client's thread

    return (error.status_code, error.body) if isinstance(error, MistralError) else None


def _client(key: str, base_url: str) -> Mistral:
    import httpx2  # noqa: PLC0415  heavy: only where it is used
    from mistralai.client import Mistral  # noqa: PLC0415

    http = httpx2.AsyncClient(follow_redirects=True, event_hooks=event_hooks())
    return Mistral(api_key=key, server_url=base_url, async_client=http)


def _messages(call: ModelCall, way: Manner) -> Any:
    turns = [{"role": turn.role, "content": turn.text} for turn in call.turns]
    if way.system:
        return [{"role": "system", "content": call.system}, *turns]
    return [turns[0] | {"content": f"{call.system}\n\n{turns[0]['content']}"}, *turns[1:]]


def _options(call: ModelCall, way: Manner) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if way.form is Form.SCHEMA:
        schema = {"name": call.schema_name, "schema_definition": dict(call.schema), "strict": True}
        options["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif way.form is Form.OBJECT:
        options["response_format"] = {"type": "json_object"}
    if way.temperature:
        options["temperature"] = call.temperature
    return options
