"""Reading a provider's list of its models: names, whether they chat, how much they take, what they cost. Pure.

Every provider has its own words for these; what is missing is not known, and what is odd is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aragora import limits
from aragora.agents import border, naming
from aragora.agents.chat_models import can_chat, first_chat_model
from aragora.agents.pricing import price_of
from aragora.config.providers import BY_NAME, FALLBACK

MODELS_MAX: Final = 2_000  # told of one server

_NO_ANSWERS: Final = re.compile(r"(?i)dall-e|imagen|realtime|^sora|^veo|babbage-|davinci-|^aqa$|computer-use|-live-")
"""Names at the large providers, which `can_chat` does not know: it is for local servers."""
_NO_CHAT_TYPES: Final = frozenset(
    {"embedding", "embeddings", "rerank", "reranker", "image", "audio", "video", "moderation", "transcribe", "speech"}
)
_CONTEXTS: Final = (
    *("context_length", "max_model_len", "inputTokenLimit", "max_input_tokens", "max_context_length", "context_window"),
    "loaded_context_length",
)
_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class OfferedModel:
    """One model. `agent` is the name under which it debates; empty where it has to be declared in agents.toml.

    `chats` is False for models that embed, draw or hear: they cannot debate. None is not known; prices are USD per
    million tokens.
    """

    model: str
    agent: str
    chats: bool = True
    context_tokens: int | None = None
    input_usd_per_mtok: float | None = None
    output_usd_per_mtok: float | None = None


@dataclass(frozen=True, slots=True)
class ModelList:
    """The models of one server by name, how many more there were, and which of all is asked where none is named: the
    first that chats, as `aragora.agents.providers.chat` takes it."""

    models: tuple[OfferedModel, ...]
    left_out: int
    first: str


def read_models(source: str, content: object, *, on_the_spot: bool) -> ModelList | None:
    """The models in an answer of the provider `source`; None where it is no list of models. `on_the_spot`: they can be
    named as PROVIDER:MODEL."""
    rows = _rows(content)
    if rows is None:
        return None
    found = {model.model: model for row in rows if (model := _model(source, row, on_the_spot=on_the_spot))}
    ordered = sorted(found.values(), key=lambda model: model.model)
    left_out = max(0, len(ordered) - MODELS_MAX)
    first = first_chat_model(found) if isinstance(content, Mapping) else None  # a bare list tells agents nothing
    return ModelList(tuple(ordered[:MODELS_MAX]), left_out, first or "")


def _rows(content: object) -> list[Any] | None:
    """OpenAI and most others have `data`, Gemini has `models`, a few have the bare list. Servers without a model answer
    with null, or leave the list out."""
    if not isinstance(content, Mapping):
        return content if isinstance(content, list) else None
    for name in ("data", "models"):
        if isinstance(content.get(name), list):
            rows: list[Any] = content[name]
            return rows
    empty = content.get("object") == "list" or any(
        name in content and content[name] is None for name in ("data", "models")
    )
    return [] if empty and not content.get("error") else None


def _model(source: str, row: object, *, on_the_spot: bool) -> OfferedModel | None:
    if not isinstance(row, Mapping):
        return None
    told = next((row[name] for name in ("id", "name", "model") if isinstance(row.get(name), str)), "")
    name = told.removeprefix("models/") if source == "gemini" else told
    if not name or name != border.text(name, limits.MODEL_NAME_MAX_CHARS):
        return None
    price = _price(source, name, row)
    return OfferedModel(
        name,
        (naming.spot_name(source, name) or "") if on_the_spot else "",
        _chats(name, row),
        next((tokens for field in _CONTEXTS if (tokens := border.tokens(row.get(field)))), None),
        *(price or (None, None)),
    )


def _chats(name: str, row: Mapping[str, Any]) -> bool:
    said = [bool(answer) for answer in _said(row) if answer is not None]
    return all(said) if said else _answers(name)


def _answers(name: str) -> bool:
    return can_chat(name) and _NO_ANSWERS.search(name.removeprefix("models/")) is None


def _said(row: Mapping[str, Any]) -> Iterator[bool | None]:
    """What the provider says of whether a model chats, in each of the ways there are; None where it does not say."""
    architecture = row.get("architecture")
    if isinstance(architecture, Mapping):
        made = architecture.get("output_modalities")
        yield "text" in made if isinstance(made, list) else None
    abilities = row.get("capabilities")
    if isinstance(abilities, Mapping) and isinstance(abilities.get("completion_chat"), bool):
        yield abilities["completion_chat"]
    methods = row.get("supportedGenerationMethods")
    if isinstance(methods, list):
        yield "generateContent" in methods and _answers(str(row.get("name")))
    kind = row.get("type")
    if isinstance(kind, str) and kind.lower() in _NO_CHAT_TYPES:
        yield False


def _price(source: str, name: str, row: Mapping[str, Any]) -> tuple[float, float] | None:
    """OpenRouter tells prices for one token, as texts; of the others the price table knows some."""
    told = row.get("pricing")
    if source == FALLBACK and isinstance(told, Mapping):
        sent, answered = (_usd(told.get(name)) for name in ("prompt", "completion"))
        return None if sent is None or answered is None else (sent, answered)
    if source not in BY_NAME:
        return None
    price = price_of(source, name)
    return (price.input_usd, price.output_usd) if price.listed else None


def _usd(text: object) -> float | None:
    try:
        usd = float(str(text)) * _MILLION
    except ValueError:
        return None
    return round(usd, 6) if 0 <= usd <= limits.PRICE_MAX_USD else None
