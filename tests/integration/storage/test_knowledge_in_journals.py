"""What a debate was offered and cited, in both stores: written with its debate, counted, and read back as it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from worlds.debating import item_of
from worlds.memory_engine import ScriptedAgents, answer, spec
from worlds.memory_knowledge import ScriptedSource
from worlds.stored_engine import StoredEngine, stored_engine

from aragora.config.settings import Settings
from aragora.debate import journal, machine
from aragora.debate.knowledge import Offer
from aragora.debate.model import AgentAnswer, DebateStatus, KnowledgeCited, KnowledgeOffered, Proposal, Protocol
from aragora.debate.running.looks import Looks
from aragora.storage.counters import CounterStore

QUICK = Protocol("structured", rounds=1, critique=False)
TEXT = "Caf\u00e9, \u6771\u4eac, \u0645\u0642\u0647\u0649, \U0001f375: tea."


def cites(request: Any) -> Any:
    reply = answer(request)
    if isinstance(reply, AgentAnswer) and isinstance(reply.content, Proposal):
        return replace(reply, content=replace(reply.content, text=f"{reply.content.text} [K1][K9]"))
    return reply


async def counted(here: StoredEngine) -> dict[str, float]:
    return {one.sample: one.amount for one in await CounterStore(here.database).all() if "_km_" in one.sample}


async def test_what_was_offered_and_cited_is_read_back_as_it_was(settings: Settings) -> None:
    agents = ScriptedAgents(cites)
    looks = Looks(ScriptedSource(lambda: Offer((item_of(1, TEXT, dissent=TEXT),))), limit_s=30.0)
    async with stored_engine(settings, agents, looks) as here:
        agents.engine = here.engine
        await here.engine.open(spec(protocol=QUICK, knowledge=True))
        assert await here.ended(["deb_1"]) == [DebateStatus.COMPLETED]
        assert await here.replayed(["deb_1"]) == [DebateStatus.COMPLETED]
        events = journal.events_of(await here.store.journal("deb_1"))
        figures = await counted(here)
    assert events[1] == KnowledgeOffered((item_of(1, TEXT, dissent=TEXT),))
    cited = [event for event in events if isinstance(event, KnowledgeCited)]
    assert [(one.labels, one.unknown) for one in cited] == [(("K1",), ("K9",))] * 4
    assert len(machine.replay(events).cited) == 4
    assert (figures["aragora_km_items_offered_total"], figures["aragora_km_items_cited_total"]) == (1, 4)


@pytest.mark.parametrize("text", ["half \ud800 of a character", "NUL \x00 inside"])
async def test_an_item_that_a_store_would_refuse_takes_no_debate_with_it(settings: Settings, text: str) -> None:
    agents = ScriptedAgents()
    looks = Looks(ScriptedSource(lambda: Offer((item_of(1, text), item_of(2)))), limit_s=30.0)
    async with stored_engine(settings, agents, looks) as here:
        agents.engine = here.engine
        await here.engine.open(spec(protocol=QUICK, knowledge=True))
        assert await here.ended(["deb_1"]) == [DebateStatus.COMPLETED]
        events = journal.events_of(await here.store.journal("deb_1"))
    assert isinstance(events[1], KnowledgeOffered)
    assert [item.item_id for item in events[1].items] == ["kno_2"]
