"""OpenAI's Chat Completions over its SDK, streamed, with structured output: OpenAI and all who offer the same API.

What differs between them is in `ChatDialect`. A stream is complete when a choice has a finish reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aragora import limits
from aragora.agents import border
from aragora.agents.model import AgentSpec, Completion, ModelCall, ProviderError, ProviderFault
from aragora.agents.providers import sdk
from aragora.agents.providers.received import Received
from aragora.config.providers import ChatDialect
from aragora.debate.model import Usage
from aragora.observability.redaction import Redactor

if TYPE_CHECKING:
    from openai import APIError, AsyncOpenAI

_CONNECT_S: Final = 10.0


class ChatProvider:
    """`key` is kept inside the SDK's client, and where it is taken out of the provider's words. Where `spec` has no
    model, the server's first one is asked."""

    renders_itself = False

    def __init__(self, spec: AgentSpec, key: str, address: str, dialect: ChatDialect) -> None:
        self.name = spec.provider
        self._model = spec.model
        self._effort = (spec.options or {}).get("reasoning_effort")
        self._dialect = dialect
        self._redactor = Redactor((key,))
        self._client = sdk.LazyClient(lambda: _client(key, address))

    async def complete(self, call: ModelCall) -> Completion:
        received = _Received(self.name, self._model, call, bills_itself=self._dialect.bills_itself)
        async with sdk.in_time(self.name, call, received):
            return await self._complete(call, received)

    async def _complete(self, call: ModelCall, received: _Received) -> Completion:
        client = await self._client.get()
        import httpx2  # noqa: PLC0415  imported already, in the client's thread
        import openai  # noqa: PLC0415

        timeout = httpx2.Timeout(call.timeout_s, connect=min(_CONNECT_S, call.timeout_s))
        try:
            model = await self._model_of(client)
            received.model = model
            stream = await client.chat.completions.create(**self._request(call, model), timeout=timeout)
            async with stream:
                async for chunk in stream:
                    received.take(chunk)
        except (openai.APITimeoutError, httpx2.TimeoutException):
            raise sdk.timed_out(self.name, call.timeout_s, received.usage()) from None
        except openai.APIConnectionError as error:
            raise sdk.unreachable(self.name, error.__cause__ or error, received.usage()) from None
        except openai.APIError as error:
            raise self._error_of(error, received.usage()) from None
        except (httpx2.HTTPError, ValueError) as error:
            raise sdk.unreachable(self.name, error, received.usage()) from None
        return received.completion()

    async def aclose(self) -> None:
        if self._client.built is not None:
            await self._client.built.close()

    async def _model_of(self, client: AsyncOpenAI) -> str:
        if not self._model:
            async for model in client.models.list(timeout=_CONNECT_S):
                self._model = _name_of(model)
                break
            if not self._model:
                raise ProviderFault(f"{self.name} offers no model; set one, or load one there")
        return self._model

    def _request(self, call: ModelCall, model: str) -> dict[str, Any]:
        schema = {"name": call.schema_name, "schema": dict(call.schema), "strict": True}
        request: dict[str, Any] = {
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
            request["temperature"] = call.temperature
        if self._effort:
            request["reasoning_effort"] = self._effort
        if self._dialect.extra_body:
            request["extra_body"] = dict(self._dialect.extra_body)
        return request

    def _error_of(self, error: APIError, usage: Usage | None) -> ProviderError:
        """An error answer, or an error within a stream."""
        response = getattr(error, "response", None)
        body = error.body if isinstance(error.body, dict) else {}
        status = response.status_code if response is not None else 0
        if status < 400:
            code = body.get("code")
            status = code if isinstance(code, int) and code >= 400 else 500
        detail = self._redactor.text(str(body.get("message") or ""))
        return sdk.by_status(self.name, status, detail, response.headers if response is not None else None, usage)


class _Received(Received):
    """What a stream has brought so far. Its chunks may hold anything: the SDK does not check them."""

    def __init__(self, provider: str, model: str, call: ModelCall, *, bills_itself: bool) -> None:
        super().__init__(provider, model, call)
        self._bills_itself = bills_itself
        self._finish: object = None
        self._refusal = False

    def take(self, chunk: Any) -> None:
        """Raises AnswerMalformed."""
        usage = getattr(chunk, "usage", None)
        if usage is not None:
            self.count(
                input_tokens=getattr(usage, "prompt_tokens", None),
                output_tokens=getattr(usage, "completion_tokens", None),
                billed_usd=getattr(usage, "cost", None) if self._bills_itself else None,
            )
        for choice in sdk.parts(chunk, "choices"):
            delta = getattr(choice, "delta", None)
            self.hear(getattr(delta, "content", None))
            self._refusal = self._refusal or bool(getattr(delta, "refusal", None))
            self._finish = getattr(choice, "finish_reason", None) or self._finish

    def completion(self) -> Completion:
        """Raises ProviderError where the stream was not complete."""
        if self._refusal or self._finish == "content_filter":
            raise sdk.declined(self._provider, self.usage())
        if self._finish is None or self._finish == "error":
            raise sdk.cut_stream(self._provider, self.usage())
        return super().completion()


def _name_of(model: object) -> str:
    """The name of an offered model; empty where it has none that can be used."""
    name = getattr(model, "id", None)
    return name if isinstance(name, str) and name == border.text(name, limits.MODEL_NAME_MAX_CHARS) else ""


def _client(key: str, base_url: str) -> AsyncOpenAI:
    from openai import AsyncOpenAI  # noqa: PLC0415  heavy: only where it is used

    return AsyncOpenAI(api_key=key, base_url=base_url, max_retries=0)
