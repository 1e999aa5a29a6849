"""What a call costs: tokens times the price table `prices.toml` (USD per million tokens, dated).

A model that is not listed costs as much as the dearest general model of its provider, and `Price.listed` is False:
a budget that stops too early is a nuisance, one that is overrun is a bill. An unknown provider is an error of ours.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from aragora.debate.model import Usage

_ANY: Final = "*"
_MILLION: Final = 1_000_000
_SNAPSHOT: Final = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{4,8}|latest)")
_MAKERS: Final = {
    "anthropic": "anthropic",
    "openai": "openai",
    "google": "gemini",
    "mistralai": "mistral",
    "x-ai": "xai",
}


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens. `listed` is False where the provider's default stands in for an unknown model; what is free is listed."""

    input_usd: float
    output_usd: float
    listed: bool


def cost_usd(provider: str, model: str, input_tokens: int, output_tokens: int) -> float:
    """The price of one call in USD. Raises KeyError for a provider without a row in the table."""
    price = price_of(provider, model)
    return (input_tokens * price.input_usd + output_tokens * price.output_usd) / _MILLION


def metered(provider: str, model: str, input_tokens: int, output_tokens: int, billed_usd: float | None = None) -> Usage:
    """The usage of one call; `billed_usd` is what the provider itself says it billed, where it does."""
    cost = cost_usd(provider, model, input_tokens, output_tokens) if billed_usd is None else billed_usd
    return Usage(provider, model, input_tokens, output_tokens, cost)


@lru_cache(maxsize=1024)
def price_of(provider: str, model: str) -> Price:
    """The price of a model. Raises KeyError for a provider without a row in the table."""
    table = _table()[provider]
    name = _listed_name(table, model)
    if name is None and provider == "openrouter":
        maker, _, bare = model.partition("/")
        if maker in _MAKERS:
            return price_of(_MAKERS[maker], bare.partition(":")[0])
    row = table[name or _ANY]
    return Price(row[0], row[1], listed=name is not None or row == [0.0, 0.0])


def prices_as_of() -> str:
    """The date of the table, ISO 8601."""
    return str(_document()["as_of"])


def _listed_name(table: dict[str, list[float]], model: str) -> str | None:
    """The row for `model`, its dated snapshots and `-latest`; dots and dashes in versions are the same."""
    plain = model.replace(".", "-")
    for name in table:
        stem = name.replace(".", "-")
        if plain == stem or (plain.startswith(stem) and _SNAPSHOT.fullmatch(plain.removeprefix(stem))):
            return name
    return None


@lru_cache(maxsize=1)
def _document() -> dict[str, Any]:
    return tomllib.loads(files("aragora.agents").joinpath("prices.toml").read_text(encoding="utf-8"))


def _table() -> dict[str, dict[str, list[float]]]:
    return {name: rows for name, rows in _document().items() if isinstance(rows, dict)}
