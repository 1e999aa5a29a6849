"""What a call costs, what it can cost at most, and what an answer has cost so far.

A call costs its tokens times the price table `prices.toml` (USD per million tokens, dated), each class of tokens at its
own price: the fresh input, what was read from the provider's cache or written to it, and the output, thoughts included.
A class without a price of its own costs as input. A model that is not listed costs as much as the most expensive
general model of its provider, and `Price.listed` is False: a budget that stops too early is a nuisance, one that is
overrun is a bill. An unknown provider is an error in our code.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from aragora.agents.model import AgentSpec
from aragora.clock import Clock
from aragora.config.providers import FALLBACK, PROVIDERS
from aragora.debate.model import AgentPrice, Usage
from aragora.limits import BYTES_PER_TOKEN

_ANY: Final = "*"
_FREE: Final = ":free"  # OpenRouter's mark of a model that it bills nothing for
_MILLION: Final = 1_000_000
_SNAPSHOT: Final = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{4,8}|latest)")
_MAKERS: Final = {provider.maker: provider.name for provider in PROVIDERS if provider.maker}


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens; None for a class that costs as input. `listed` is False where the provider's default
    price stands in for an unknown model; a free model counts as listed."""

    input_usd: float
    output_usd: float
    listed: bool
    cached_usd: float | None = None
    cache_write_usd: float | None = None

    def cost_usd(self, tokens: Tokens) -> float:
        """What these tokens cost."""
        cached, written = (0, 0) if tokens.cached + tokens.written > tokens.input else (tokens.cached, tokens.written)
        cost = (tokens.input - cached - written) * self.input_usd + tokens.output * self.output_usd
        cost += cached * (self.input_usd if self.cached_usd is None else self.cached_usd)
        cost += written * (self.input_usd if self.cache_write_usd is None else self.cache_write_usd)
        return cost / _MILLION

    def most_usd(self, input_tokens: int, output_tokens: int) -> float:
        """What a call of this size costs at most, whatever of it goes through the provider's cache."""
        return (input_tokens * self.highest_input_usd + output_tokens * self.output_usd) / _MILLION

    @property
    def highest_input_usd(self) -> float:
        """The price of the dearest class of input."""
        return max(self.input_usd, self.cached_usd or 0.0, self.cache_write_usd or 0.0)


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one call. `input` is the whole prompt; of it, `cached` were read from the provider's cache and
    `written` to it. Parts that are more than the whole are not believed: then all of it is fresh."""

    input: int
    output: int
    cached: int = 0
    written: int = 0


def cost_usd(provider: str, model: str, input_tokens: int, output_tokens: int) -> float:
    """The price of one call in USD. Raises KeyError for a provider without a row in the table."""
    return price_of(provider, model).cost_usd(Tokens(input_tokens, output_tokens))


def costs_nothing(spec: AgentSpec) -> bool:
    """Whether no answer of an agent can cost anything: it runs here, and has no fallback elsewhere."""
    return highest_price(spec) is None


def highest_price(spec: AgentSpec) -> AgentPrice | None:
    """What the tokens of an agent cost at most, be it its own provider or its fallback that answers; None where they
    cost nothing."""
    prices = [price for price in (own_price(spec), fallback_price(spec)) if price is not None]
    sent, answered = max(price.highest_input_usd for price in prices), max(price.output_usd for price in prices)
    return AgentPrice(sent, answered, spec.max_tokens) if sent or answered else None


def own_price(spec: AgentSpec) -> Price:
    """What the calls of an agent's own provider cost."""
    if spec.price is not None:
        return Price(spec.price.input_usd, spec.price.output_usd, listed=True)
    return price_of(spec.provider, spec.model)


def fallback_price(spec: AgentSpec) -> Price | None:
    """What the calls of an agent's fallback cost; None where it has none."""
    return None if spec.fallback_model is None else price_of(FALLBACK, spec.fallback_model)


def estimated_tokens(*texts: str) -> int:
    """About how many tokens these texts are, rather too many than too few."""
    return -(-sum(len(text.encode(errors="replace")) for text in texts) // BYTES_PER_TOKEN)


def metered(provider: str, model: str, tokens: Tokens, billed_usd: float | None = None) -> Usage:
    """The usage of one call; `billed_usd` is what the provider says it billed, None where it does not say."""
    cost = price_of(provider, model).cost_usd(tokens) if billed_usd is None else billed_usd
    return Usage(provider, model, tokens.input, tokens.output, cost)


@lru_cache(maxsize=1024)
def price_of(provider: str, model: str) -> Price:
    """The price of a model. Raises KeyError for a provider without a row in the table."""
    table = _table()[provider]
    if provider == FALLBACK and model.endswith(_FREE):
        return Price(0.0, 0.0, listed=True)
    name = listed_name(table, model)
    if name is None and provider == FALLBACK and (made := maker_of(model)) is not None:
        return price_of(*made)
    row = table[name or _ANY]
    cached, written = (*row[2:], None, None)[:2]
    return Price(row[0], row[1], name is not None or row == [0.0, 0.0], cached, written)


def maker_of(model: str) -> tuple[str, str] | None:
    """The provider that makes this model of OpenRouter, and its name there; None where it is none of ours."""
    maker, _, bare = model.partition("/")
    return (_MAKERS[maker], bare.partition(":")[0]) if maker in _MAKERS else None


def is_listed(usage: Usage) -> bool:
    """Whether the model has a price of its own; true where its provider has no prices at all (it runs here)."""
    return usage.provider not in _table() or price_of(usage.provider, usage.model).listed


def prices_as_of() -> str:
    """The date of the table, ISO 8601."""
    return str(_document()["as_of"])


class Ledger:
    """What one answer has cost so far: the usage of every call made for it, also of those that failed, and the time.

    It begins when the ask arrives; `calls` counts those that were made. The sum carries the name of the last provider
    that was paid, and is estimated where a provider gave no believable count of any call.
    """

    __slots__ = ("_clock", "_cost_usd", "_estimated", "_input", "_model", "_output", "_provider", "_started", "calls")

    def __init__(self, spec: AgentSpec, clock: Clock) -> None:
        self._clock = clock
        self._started = clock.monotonic()
        self._provider = spec.provider
        self._model = spec.model
        self._input = 0
        self._output = 0
        self._cost_usd = 0.0
        self._estimated = False
        self.calls = 0

    def elapsed_s(self) -> float:
        """Seconds since the ask arrived."""
        return self._clock.monotonic() - self._started

    @property
    def cost_usd(self) -> float:
        """What all calls have cost."""
        return self._cost_usd

    def add(self, usage: Usage) -> None:
        """Add the usage of one call."""
        self._provider = usage.provider
        self._model = usage.model
        self._input += usage.input_tokens
        self._output += usage.output_tokens
        self._cost_usd += usage.cost_usd
        self._estimated = self._estimated or usage.estimated

    def usage(self) -> Usage:
        """The sum, with the latency of the whole answer."""
        spent = (self._input, self._output, self._cost_usd, self.elapsed_s())
        return Usage(self._provider, self._model, *spent, estimated=self._estimated)

    def paid(self) -> Usage | None:
        """The sum, or None where nothing was paid."""
        return self.usage() if self._input or self._output or self._cost_usd else None


def listed_name(table: Iterable[str], model: str) -> str | None:
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


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, list[float]]]:
    return {name: rows for name, rows in _document().items() if isinstance(rows, dict)}
