"""OpenAI's Chat Completions over its SDK, streamed, with structured output: OpenAI and all who offer the same API.

What differs between them is in `ChatDialect`, and where a server refuses a part of the call, in a `Manner` that is kept
for its model. The body is read here and not by the SDK: servers send documents, pages and errors in place of a stream,
and what follows the SDK's last event matters. An answer is whole when a choice has a reason to end, or with `[DONE]`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aragora import limits
from aragora.agents import border
from aragora.agents.chat_models import first_chat_model
from aragora.agents.model import AgentSpec, Completion, ModelCall, UnknownModel
from aragora.agents.providers import sdk
from aragora.agents.providers.asking import Ways, json_of, read_answer
from aragora.agents.providers.bounded import event_hooks
from aragora.agents.providers.chat_answer import ChatReceived
from aragora.agents.providers.manner import Form, Manner
from aragora.config.providers import ChatDialect

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_MODELS_TOLD: Final = 3
_LIMITS: Final = ("max_tokens", "max_completion_tokens")


class ChatProvider:
    """`key` is kept inside the SDK's client, and where it is taken out of the provider's words. Where `spec` has no
    model, the server's first one that can answer is asked."""

    renders_itself = False

    def __init__(self, spec: AgentSpec, key: str, address: str, dialect: ChatDialect) -> None:
        self.name = spec.provider
        self._model = spec.model
        self._effort = (spec.options or {}).get("reasoning_effort")
        self._dialect = dialect
        self._ways = Ways(self.name)
        self._failures = sdk.Failures(self.name, key)
        self._client = sdk.LazyClient(lambda: _client(key, address))

    async def complete(self, call: ModelCall) -> Completion:
        received = ChatReceived(self.name, self._model, call, bills_itself=self._dialect.bills_itself)
        async with sdk.in_time(self.name, call, received):
            return await self._complete(call, received)

    async def aclose(self) -> None:
        if self._client.built is not None:
            await self._client.built.close()

    async def _complete(self, call: ModelCall, received: ChatReceived) -> Completion:
        client = await self._client.get()
        import httpx2  # noqa: PLC0415  imported already, in the client's thread
        import openai  # noqa: PLC0415

        try:
            if not self._model:
                await self._find_model(client, received)
            received.model = self._model
            await self._ways.ask(partial(self._ask_once, client, call, received), _refusal, received)
        except openai.APIStatusError as error:
            raise self._failures.answered(*sdk.answer_of(error), received, error.response.headers) from None
        except (openai.APIError, httpx2.HTTPError, httpx2.StreamError, ValueError, TypeError) as error:
            raise self._failures.broken(error, received, call) from None
        return received.completion()

    async def _find_model(self, client: AsyncOpenAI, received: ChatReceived) -> None:
        """Take the first model that the server offers and that can answer."""
        offered = await client.models.with_raw_response.list(timeout=sdk.CONNECT_S)
        document = json_of(offered.text, received, self._failures)
        names = [_name_of(model) for model in sdk.parts(document, "data")]
        self._model = first_chat_model(names) or ""
        if not self._model:
            others = ", ".join(filter(None, names[:_MODELS_TOLD]))
            raise UnknownModel(f"{self.name} offers no model that can answer" + (f", but {others}" if others else ""))

    async def _ask_once(self, client: AsyncOpenAI, call: ModelCall, received: ChatReceived, way: Manner) -> None:
        import httpx2  # noqa: PLC0415  imported already, in the client's thread

        timeout = httpx2.Timeout(call.timeout_s, connect=min(sdk.CONNECT_S, call.timeout_s))
        request = self._request(call, received.model, way)
        received.sending()
        asking = client.chat.completions.with_streaming_response.create(**request, timeout=timeout)
        async with asking as response:
            await read_answer(response.iter_bytes(), received, self._failures)

    def _request(self, call: ModelCall, model: str, way: Manner) -> dict[str, Any]:
        turns = [{"role": turn.role, "content": turn.text} for turn in call.turns]
        if way.system:
            turns.insert(0, {"role": "system", "content": call.system})
        elif turns:
            turns[0] = turns[0] | {"content": f"{call.system}\n\n{turns[0]['content']}"}
        limit = self._dialect.max_tokens_field
        if way.other_limit:
            limit = next(name for name in _LIMITS if name != limit)
        request: dict[str, Any] = {
            "model": model,
            "messages": turns,
            "stream": way.streams,
            "extra_headers": {"Idempotency-Key": call.idempotency_key + way.mark},
            limit: call.max_tokens,
        }
        if way.form is Form.SCHEMA:
            schema = {"name": call.schema_name, "schema": dict(call.schema), "strict": True}
            request["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif way.form is Form.OBJECT:
            request["response_format"] = {"type": "json_object"}
        if way.streams and way.stream_options:
            request["stream_options"] = {"include_usage": True}
        if self._dialect.sends_temperature and way.temperature:
            request["temperature"] = call.temperature
        if self._effort and way.effort:
            request["reasoning_effort"] = self._effort
        if self._dialect.extra_body:
            request["extra_body"] = dict(self._dialect.extra_body)
        return request


def _refusal(error: Exception) -> tuple[int, object] | None:
    import openai  # noqa: PLC0415  imported already, in the client's thread

    return sdk.answer_of(error) if isinstance(error, openai.APIStatusError) else None


def _name_of(model: object) -> str:
    """The name of an offered model; empty where it has none that can be used."""
    name = sdk.under(model, "id")
    return name if isinstance(name, str) and name == border.text(name, limits.MODEL_NAME_MAX_CHARS) else ""


def _client(key: str, base_url: str) -> AsyncOpenAI:
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient  # noqa: PLC0415  heavy: only where it is used

    http = DefaultAsyncHttpxClient(event_hooks=event_hooks())
    return AsyncOpenAI(api_key=key, base_url=base_url, max_retries=0, http_client=http)
