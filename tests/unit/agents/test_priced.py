"""An agent with a price of its own: what its calls cost, answered or failed."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from aragora.agents.model import Completion, DeclaredPrice, Meter, ModelCall, ProviderFault
from aragora.agents.providers.priced import PricedProvider
from aragora.debate.model import Usage

PRICE = DeclaredPrice(input_usd=1.0, output_usd=4.0)
USAGE = Usage("local", "m", 1_000_000, 500_000, 0.0)
CALL = ModelCall("", (), {}, "answer", 100, 0.5, 1.0, "ask-1")


class Provider:
    """Answers, or fails with what the call has cost."""

    name = "local"
    renders_itself = False

    def __init__(self, *, failing: bool = False, usage: Usage | None = USAGE) -> None:
        self._failing = failing
        self._usage = usage
        self.closed = False

    async def complete(self, _call: ModelCall) -> Completion:
        if self._failing:
            raise ProviderFault("the stream was cut", usage=self._usage)
        return Completion("{}", USAGE)

    async def aclose(self) -> None:
        self.closed = True


async def test_an_answer_costs_what_was_declared() -> None:
    usage = (await PricedProvider(Provider(), PRICE).complete(CALL)).usage
    assert usage.cost_usd == pytest.approx(3.0)
    assert (usage.input_tokens, usage.output_tokens) == (1_000_000, 500_000)


@pytest.mark.parametrize(("usage", "cost"), [(USAGE, 3.0), (None, None)])
async def test_a_call_that_failed_costs_what_was_declared_where_it_cost_anything(
    usage: Usage | None, cost: float | None
) -> None:
    with pytest.raises(ProviderFault) as caught:
        await PricedProvider(Provider(failing=True, usage=usage), PRICE).complete(CALL)
    assert (None if caught.value.usage is None else caught.value.usage.cost_usd) == cost


async def test_it_is_the_provider_in_all_else() -> None:
    inner = Provider()
    priced = PricedProvider(inner, PRICE)
    assert (priced.name, priced.renders_itself) == ("local", False)
    await priced.aclose()
    assert inner.closed


async def test_a_call_that_is_withdrawn_costs_what_was_declared_so_far() -> None:
    class Slow(Provider):
        async def complete(self, call: ModelCall) -> Completion:
            call.meter.runs(lambda: USAGE)
            await asyncio.Event().wait()
            raise AssertionError("it waits for ever")

    call = replace(CALL, meter=Meter())
    task = asyncio.create_task(PricedProvider(Slow(), PRICE).complete(call))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    usage = call.meter.usage()
    assert usage is not None
    assert usage.cost_usd == pytest.approx(3.0)


async def test_a_call_that_was_not_sent_costs_nothing_so_far() -> None:
    call = replace(CALL, meter=Meter())
    await PricedProvider(Provider(), PRICE).complete(call)
    assert call.meter.usage() is None
