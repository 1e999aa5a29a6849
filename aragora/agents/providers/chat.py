"""The Chat Completions API over OpenAI's SDK, streamed, with structured output: OpenAI itself and whoever speaks alike.

What differs between them stands in `Dialect`. A stream is complete when a choice told its finish reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aragora.agents.model import AgentSpec, Completion, ModelCall, ProviderError, ProviderFault
from aragora.agents.pricing import metered
from aragora.agents.providers import failures
from aragora.agents.providers.lazily import Lazily
from aragora.debate.model import Usage

if TYPE_CHECKING:
    from openai import APIError, AsyncOpenAI

_CONNECT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one provider speaks Chat Completions."""

    provider: str
    base_url: str
    max_tokens_field: str = "max_tokens"
    sends_temperature: bool = False
    bills_itself: bool = False  # tells the USD of each call, as OpenRouter does
    extra_body: Mapping[str, Any] = field(default_factory=dict)


class ChatProvider:
    """`key` is kept inside the SDK's client alone. Without a model in `spec`, the server's first one is asked."""

    renders_itself = False

    def __init__(self, spec: AgentSpec, key: str, dialect: Dialect) -> None:
        self.name = dialect.provider
        self._model = spec.model
        self._effort = (spec.options or {}).get("reasoning_effort")
        self._dialect = dialect
        self._client = Lazily(lambda: _client(key, dialect.base_url))

    async def complete(self, call: ModelCall) -> Completion:
        client = await self._client.get()
        import httpx2  # noqa: PLC0415  imported already, in the client's thread
        import openai  # noqa: PLC0415

        heard = _Heard(self._dialect)
        timeout = httpx2.Timeout(call.timeout_s, connect=min(_CONNECT_S, call.timeout_s))
        try:
            model = await self._model_of(client)
            heard.model = model
            stream = await client.chat.completions.create(**self._asked(call, model), timeout=timeout)
            async with stream:
                async for chunk in stream:
                    heard.take(chunk)
        except (openai.APITimeoutError, httpx2.TimeoutException):
            raise failures.timed_out(self.name, call.timeout_s, heard.usage()) from None
        except openai.APIConnectionError as error:
            raise failures.unreachable(self.name, error.__cause__ or error, heard.usage()) from None
        except openai.APIError as error:
            raise self._told(error, heard.usage()) from None
        except (httpx2.HTTPError, ValueError) as error:
            raise failures.unreachable(self.name, error, heard.usage()) from None
        return heard.completion()

    async def aclose(self) -> None:
        if self._client.built is not None:
            await self._client.built.close()

    async def _model_of(self, client: AsyncOpenAI) -> str:
        if not self._model:
            async for model in client.models.list(timeout=_CONNECT_S):
                self._model = model.id
                break
            else:
                raise ProviderFault(f"{self.name} offers no model; set one, or load one there")
        return self._model

    def _asked(self, call: ModelCall, model: str) -> dict[str, Any]:
        schema = {"name": call.schema_name, "schema": dict(call.schema), "strict": True}
        asked: dict[str, Any] = {
            "model": model,
            "messages": [
                {"role": "system", "content": call.system},
                *({"role": turn.role, "content": turn.text} for turn in call.turns),
            ],
            "response_format": {"type": "json_schema", "json_schema": schema},
            "stream": True,
            "stream_options": {"include_usage": True},
            "extra_headers": {"Idempotency-Key": call.idempotency_key},
            self._dialect.max_tokens_field: call.max_tokens,
        }
        if self._dialect.sends_temperature:
            asked["temperature"] = call.temperature
        if self._effort:
            asked["reasoning_effort"] = self._effort
        if self._dialect.extra_body:
            asked["extra_body"] = dict(self._dialect.extra_body)
        return asked

    def _told(self, error: APIError, usage: Usage | None) -> ProviderError:
        """An error answer, or an error told in the midst of a stream."""
        response = getattr(error, "response", None)
        body = error.body if isinstance(error.body, dict) else {}
        status = response.status_code if response is not None else 0
        if status < 400:
            code = body.get("code")
            status = code if isinstance(code, int) and code >= 400 else 500
        detail = str(body.get("message") or "")
        return failures.by_status(self.name, status, detail, response.headers if response is not None else None, usage)


class _Heard:
    """What a stream has brought so far."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._parts: list[str] = []
        self._finish: str | None = None
        self._refusal = False
        self._usage: Any = None
        self.model = ""

    def take(self, chunk: Any) -> None:
        if chunk.usage is not None:
            self._usage = chunk.usage
        for choice in chunk.choices or ():
            if choice.delta is not None and choice.delta.content:
                self._parts.append(choice.delta.content)
            if choice.delta is not None and getattr(choice.delta, "refusal", None):
                self._refusal = True
            if choice.finish_reason:
                self._finish = choice.finish_reason

    def completion(self) -> Completion:
        """Raises ProviderError where the stream was not complete."""
        provider = self._dialect.provider
        if self._refusal or self._finish == "content_filter":
            raise failures.declined(provider, self.usage())
        if self._finish is None or self._finish == "error":
            raise failures.cut_stream(provider, self.usage())
        return Completion("".join(self._parts), self.usage() or Usage(provider, self.model))

    def usage(self) -> Usage | None:
        """None where the provider counted nothing (yet)."""
        if self._usage is None:
            return None
        billed = getattr(self._usage, "cost", None) if self._dialect.bills_itself else None
        tokens = (self._usage.prompt_tokens or 0, self._usage.completion_tokens or 0)
        return metered(self._dialect.provider, self.model, *tokens, billed)


def _client(key: str, base_url: str) -> AsyncOpenAI:
    from openai import AsyncOpenAI  # noqa: PLC0415  heavy: only where it is used

    return AsyncOpenAI(api_key=key, base_url=base_url, max_retries=0)
