"""What a call costs, and what an answer has cost so far.

A call costs its tokens times the price table `prices.toml` (USD per million tokens, dated). A model that is not listed
costs as much as the most expensive general model of its provider, and `Price.listed` is False: a budget that stops
too early is a nuisance, one that is overrun is a bill. An unknown provider is an error in our code.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from aragora.agents.model import AgentSpec
from aragora.clock import Clock
from aragora.config.providers import FALLBACK, PROVIDERS
from aragora.debate.model import Usage

_ANY: Final = "*"
_FREE: Final = ":free"  # OpenRouter's mark of a model that it bills nothing for
_MILLION: Final = 1_000_000
_SNAPSHOT: Final = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{4,8}|latest)")
_MAKERS: Final = {provider.maker: provider.name for provider in PROVIDERS if provider.maker}


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens. `listed` is False where the provider's default price stands in for an unknown model;
    a free model counts as listed."""

    input_usd: float
    output_usd: float
    listed: bool


def cost_usd(provider: str, model: str, input_tokens: int, output_tokens: int) -> float:
    """The price of one call in USD. Raises KeyError for a provider without a row in the table."""
    price = price_of(provider, model)
    return (input_tokens * price.input_usd + output_tokens * price.output_usd) / _MILLION


def costs_nothing(spec: AgentSpec) -> bool:
    """Whether no answer of an agent can cost anything: it runs here, and has no fallback elsewhere."""
    price = spec.price or price_of(spec.provider, spec.model)
    return spec.fallback_model is None and price.input_usd == price.output_usd == 0


def metered(provider: str, model: str, input_tokens: int, output_tokens: int, billed_usd: float | None = None) -> Usage:
    """The usage of one call; `billed_usd` is what the provider says it billed, None where it does not say."""
    cost = cost_usd(provider, model, input_tokens, output_tokens) if billed_usd is None else billed_usd
    return Usage(provider, model, input_tokens, output_tokens, cost)


@lru_cache(maxsize=1024)
def price_of(provider: str, model: str) -> Price:
    """The price of a model. Raises KeyError for a provider without a row in the table."""
    table = _table()[provider]
    if provider == FALLBACK and model.endswith(_FREE):
        return Price(0.0, 0.0, listed=True)
    name = _listed_name(table, model)
    if name is None and provider == FALLBACK:
        maker, _, bare = model.partition("/")
        if maker in _MAKERS:
            return price_of(_MAKERS[maker], bare.partition(":")[0])
    row = table[name or _ANY]
    return Price(row[0], row[1], listed=name is not None or row == [0.0, 0.0])


def is_listed(usage: Usage) -> bool:
    """Whether the model has a price of its own; true where its provider has no prices at all (it runs here)."""
    return usage.provider not in _table() or price_of(usage.provider, usage.model).listed


def prices_as_of() -> str:
    """The date of the table, ISO 8601."""
    return str(_document()["as_of"])


class Ledger:
    """What one answer has cost so far: the usage of every call made for it, also of those that failed, and the time.

    It begins when the ask arrives. The sum carries the name of the last provider that was paid, and is estimated where
    a provider gave no believable count of any call.
    """

    __slots__ = ("_clock", "_cost_usd", "_estimated", "_input", "_model", "_output", "_provider", "_started")

    def __init__(self, spec: AgentSpec, clock: Clock) -> None:
        self._clock = clock
        self._started = clock.monotonic()
        self._provider = spec.provider
        self._model = spec.model
        self._input = 0
        self._output = 0
        self._cost_usd = 0.0
        self._estimated = False

    def elapsed_s(self) -> float:
        """Seconds since the ask arrived."""
        return self._clock.monotonic() - self._started

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
