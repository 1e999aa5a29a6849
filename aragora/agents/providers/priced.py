"""A provider whose calls cost what its agent's declaration says, instead of what the price table does."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from aragora.agents.model import Completion, DeclaredPrice, Meter, ModelCall, Provider, ProviderError
from aragora.debate.model import Usage

_MILLION: Final = 1_000_000


class PricedProvider:
    """`provider`, its usage at `price`; of calls that failed or were withdrawn, too."""

    def __init__(self, provider: Provider, price: DeclaredPrice) -> None:
        self.name = provider.name
        self.renders_itself = provider.renders_itself
        self._provider = provider
        self._price = price

    async def complete(self, call: ModelCall) -> Completion:
        meter = Meter()
        call.meter.runs(lambda: self._priced_so_far(meter))
        try:
            completion = await self._provider.complete(replace(call, meter=meter))
        except ProviderError as error:
            if error.usage is not None:
                error.usage = self._priced(error.usage)
            raise
        return replace(completion, usage=self._priced(completion.usage))

    async def aclose(self) -> None:
        await self._provider.aclose()

    def _priced_so_far(self, meter: Meter) -> Usage | None:
        usage = meter.usage()
        return None if usage is None else self._priced(usage)

    def _priced(self, usage: Usage) -> Usage:
        price = self._price
        cost = (usage.input_tokens * price.input_usd + usage.output_tokens * price.output_usd) / _MILLION
        return replace(usage, cost_usd=cost)
