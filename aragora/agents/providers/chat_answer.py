"""Reading an answer of Chat Completions: the chunks of a stream, or the one document that some servers send instead.

A chunk or document may hold anything. Counts of tokens have the same names everywhere, but not the same meaning
(`_output`). Content may be a text, null, an object, or parts, of which those that are a text count; the others are
thoughts or a refusal. Pieces of Ollama's own API, which some proxies hand on, are understood, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aragora.agents import border
from aragora.agents.model import ModelCall
from aragora.agents.providers import sdk
from aragora.agents.providers.asking import StreamedAnswer


class ChatReceived(StreamedAnswer):
    """What an answer of Chat Completions has brought so far."""

    parts_of_a_document = "choices"

    def __init__(self, provider: str, model: str, call: ModelCall, *, bills_itself: bool) -> None:
        super().__init__(provider, model, call)
        self._bills_itself = bills_itself
        self._index: object = None  # of the choice that counts

    def take(self, event: object) -> None:
        usage = sdk.under(event, "usage")
        if isinstance(usage, Mapping):
            details = usage.get("prompt_tokens_details")
            cached = sdk.under(details, "cached_tokens")
            self.count(
                input_tokens=usage.get("prompt_tokens"),
                output_tokens=_output(usage),
                cached_tokens=usage.get("prompt_cache_hit_tokens") if cached is None else cached,  # DeepSeek's name
                written_tokens=sdk.under(details, "cache_write_tokens"),
                billed_usd=_billed_usd(usage) if self._bills_itself else None,
            )
        elif usage is not None:
            self.count()
        choices = sdk.parts(event, "choices")
        if not choices and sdk.under(event, "done") is not None:
            self._take_native(event)
        for choice in choices:
            index = sdk.under(choice, "index")
            if index != self._index and self._is_another(index):
                continue
            message = sdk.under(choice, "delta")
            self._hear_message(sdk.under(choice, "message") if message is None else message)
            self.hear(sdk.under(choice, "text"))  # some answer in the form of the older API
            self.ends(sdk.under(choice, "finish_reason"))

    def take_document(self, document: object) -> None:
        self.take(document)

    def is_answer(self, document: object) -> bool:
        return super().is_answer(document) or _is_native(document)

    def _is_another(self, index: object) -> bool:
        """Whether a choice is not the one that counts: the first, since one was asked for."""
        if self._index is None:
            self._index = index
        return index is not None and index != self._index

    def _take_native(self, event: object) -> None:
        """A piece of Ollama's own API (`/api/chat`, `/api/generate`), or what looks like one."""
        if not _is_native(event):
            return
        self._hear_message(sdk.under(event, "message"))
        self.hear(sdk.under(event, "response"))
        self.overhear(sdk.under(event, "message", "thinking") or sdk.under(event, "thinking"))
        if sdk.under(event, "done") is True:
            self.count(input_tokens=sdk.under(event, "prompt_eval_count"), output_tokens=sdk.under(event, "eval_count"))
            self.ends(sdk.under(event, "done_reason"))
            self.done = True

    def _hear_message(self, message: object) -> None:
        self._hear_content(message if isinstance(message, str) else sdk.under(message, "content"))
        self.overhear(sdk.under(message, "reasoning_content") or sdk.under(message, "reasoning"))
        self.declined(sdk.under(message, "refusal"))
        for call in sdk.parts(message, "tool_calls"):
            self.called_tool(sdk.written(sdk.under(call, "function", "arguments")))
        if sdk.under(message, "function_call") is not None:  # the older name
            self.called_tool(sdk.written(sdk.under(message, "function_call", "arguments")))

    def _hear_content(self, content: Any) -> None:
        if not isinstance(content, list):
            self.hear(sdk.written(content))
            return
        for part in content:
            match sdk.under(part, "type"):
                case None | "text" | "output_text":
                    text = part if isinstance(part, str) else sdk.under(part, "text")
                    self.hear(sdk.under(text, "value") or text)
                case "refusal":
                    self.declined(sdk.under(part, "refusal"))
                case "thinking" | "reasoning":
                    self._overhear_parts(sdk.under(part, "thinking"))

    def _overhear_parts(self, thoughts: object) -> None:
        for thought in thoughts if isinstance(thoughts, list) else (thoughts,):
            self.overhear(thought if isinstance(thought, str) else sdk.under(thought, "text"))


def _is_native(event: object) -> bool:
    """Whether this is a piece of an answer in the form of Ollama's own API."""
    said = sdk.under(event, "message"), sdk.under(event, "response")
    return isinstance(sdk.under(event, "done"), bool) and (isinstance(said[0], Mapping) or isinstance(said[1], str))


def _billed_usd(usage: Mapping[str, Any]) -> object:
    """What a person pays for a call of OpenRouter: its charge, and with a provider's key of their own ("bring your own
    key", `is_byok`) what that provider charges besides; the charge is then a fee, or 0. `upstream_inference_cost` is
    often told of other calls, too, as a part of the charge; so where `is_byok` is missing, one that is more than the
    charge counts. With a key of their own and no such cost the price table counts. https://openrouter.ai/docs/cookbook/administration/usage-accounting"""
    told = usage.get("cost")
    upstream = border.billed_usd(sdk.under(usage.get("cost_details"), "upstream_inference_cost"))
    own_key, charged = usage.get("is_byok"), border.billed_usd(told)
    if own_key is True:
        return None if upstream is None or charged is None else charged + upstream
    if own_key is False or upstream is None or charged is None or upstream <= charged:
        return told
    return charged + upstream


def _output(usage: Mapping[str, Any]) -> object:
    """The tokens of the answer, thoughts included. OpenAI counts thoughts among `completion_tokens`, xAI's Chat
    Completions beside them (https://github.com/UKGovernmentBEIS/inspect_ai/issues/5528, and with what was billed,
    https://github.com/Wei-Shaw/sub2api/issues/5771); others report that xAI has changed that
    (https://github.com/promptfoo/promptfoo/pull/9507). So the total decides, whoever answers."""
    told = usage.get("completion_tokens")
    answered = border.tokens(told)
    thought = border.tokens(sdk.under(usage.get("completion_tokens_details"), "reasoning_tokens"))
    if answered is None or not thought:
        return told
    sent, total = border.tokens(usage.get("prompt_tokens")), border.tokens(usage.get("total_tokens"))
    if sent is None or total is None:
        return answered + thought if thought > answered else answered
    return max(answered, min(total - sent, answered + thought))
