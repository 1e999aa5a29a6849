"""Google's Gemini API over its official SDK, streamed, with structured output; the SDK's own retries are off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aragora.agents import border
from aragora.agents.model import AgentSpec, Completion, ModelCall, ProviderError
from aragora.agents.providers import sdk
from aragora.agents.providers.received import Received
from aragora.debate.model import Usage
from aragora.observability.redaction import Redactor

if TYPE_CHECKING:
    from google.genai import Client
    from google.genai.errors import APIError

_DECLINED: Final = {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"}


class GeminiProvider:
    """`key` is kept inside the SDK's client, and where it is taken out of the provider's words."""

    renders_itself = False

    def __init__(self, spec: AgentSpec, key: str, address: str) -> None:
        self.name = "gemini"
        self._model = spec.model
        self._redactor = Redactor((key,))
        self._client = sdk.LazyClient(lambda: _client(key, address))

    async def complete(self, call: ModelCall) -> Completion:
        received = _Received(self._model, call)
        async with sdk.in_time(self.name, call, received):
            return await self._complete(call, received)

    async def _complete(self, call: ModelCall, received: _Received) -> Completion:
        client = await self._client.get()
        import aiohttp  # noqa: PLC0415  the SDK's transport, imported already
        import httpx2  # noqa: PLC0415
        from google.genai.errors import APIError, UnknownApiResponseError  # noqa: PLC0415

        try:
            stream = await client.aio.models.generate_content_stream(
                model=self._model, contents=_contents(call), config=_config(call)
            )
            async for chunk in stream:
                received.take(chunk)
        except (TimeoutError, httpx2.TimeoutException):
            raise sdk.timed_out(self.name, call.timeout_s, received.usage()) from None
        except APIError as error:
            raise self._error_of(error, received.usage()) from None
        except (aiohttp.ClientError, httpx2.HTTPError, OSError, UnknownApiResponseError, ValueError) as error:
            raise sdk.unreachable(self.name, error, received.usage()) from None
        if received.finish in _DECLINED:
            raise sdk.declined(self.name, received.usage())
        if received.finish is None:
            raise sdk.cut_stream(self.name, received.usage())
        return received.completion()

    async def aclose(self) -> None:
        if self._client.built is not None:
            await self._client.built.aio.aclose()

    def _error_of(self, error: APIError, usage: Usage | None) -> ProviderError:
        headers = getattr(error.response, "headers", None)
        status = error.code if isinstance(error.code, int) and error.code >= 400 else 500
        if "API_KEY_INVALID" in str(error.details):  # Google answers 400 for a wrong key
            status = 401
        failure = sdk.by_status(self.name, status, self._redactor.text(str(error.message or "")), headers, usage)
        if failure.retry_after_s is None:
            failure.retry_after_s = border.wait_s(_retry_delay_s(error.details))
        return failure


class _Received(Received):
    """What a stream has brought so far."""

    def __init__(self, model: str, call: ModelCall) -> None:
        super().__init__("gemini", model, call)
        self.finish: str | None = None

    def take(self, chunk: Any) -> None:
        """Raises AnswerMalformed."""
        counted = chunk.usage_metadata
        if counted is not None:
            self.count(input_tokens=counted.prompt_token_count, output_tokens=_output(counted))
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason:
            self.finish = "PROHIBITED_CONTENT"
        for candidate in chunk.candidates or ():
            for part in (candidate.content.parts if candidate.content else None) or ():
                if not part.thought:
                    self.hear(part.text)
            if candidate.finish_reason:
                self.finish = candidate.finish_reason.value


def _output(counted: Any) -> int | None:
    """The tokens of the answer, thoughts included; None where one of the counts is none."""
    answered, thought = border.tokens(counted.candidates_token_count), border.tokens(counted.thoughts_token_count or 0)
    return None if answered is None or thought is None else answered + thought


def _client(key: str, base_url: str) -> Client:
    from google.genai import Client  # noqa: PLC0415  heavy: only where it is used
    from google.genai.types import HttpOptions, HttpRetryOptions  # noqa: PLC0415

    options = HttpOptions(base_url=base_url, retry_options=HttpRetryOptions(attempts=1))
    return Client(api_key=key, vertexai=False, http_options=options)


def _contents(call: ModelCall) -> Any:
    roles = {"assistant": "model"}
    return [{"role": roles.get(turn.role, "user"), "parts": [{"text": turn.text}]} for turn in call.turns]


def _config(call: ModelCall) -> Any:
    return {
        "system_instruction": call.system,
        "max_output_tokens": call.max_tokens,
        "response_mime_type": "application/json",
        "response_json_schema": dict(call.schema),
        "http_options": {"timeout": max(1, int(call.timeout_s * 1000))},
    }


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
