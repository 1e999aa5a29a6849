"""Random histories of one engine over one journal: answers in any order, crashes, outages, lost acknowledgements,
votes, suggestions, cancellations. Whatever happened, every accepted debate ends, and nothing counts twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from worlds.chaos_invariants import SETTLING
from worlds.memory_engine import World, answer, spec

from aragora.debate import machine
from aragora.debate.counted import counters_of
from aragora.debate.journal import event_of
from aragora.debate.model import AgentFailure, AgentRequest, AskKind, DebateEnded, PersonVoted, Reply
from aragora.debate.protocol import preset
from aragora.encoding import decode
from aragora.errors import Conflict, Unavailable
from aragora.receipts.canonical import journal_digest
from aragora.receipts.verifying import verify_chain

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

TURNS = 30  # of the event loop: more than any chain of callbacks between two waits is long
TURN_S = 0.0001  # so that an answer that waits for others may still wait when the next thing happens


class TurningLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is the number of its turns: a history runs alike however busy the machine is."""

    turns = 0

    def time(self) -> float:
        return self.turns * TURN_S

    def _run_once(self) -> None:
        self.turns += 1
        super()._run_once()  # type: ignore[misc]


class CrashingCoordinator(RuleBasedStateMachine):
    """`held` are the asks that agents have and have not answered; a crash loses none of them: agents live on."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = TurningLoop()
        self.held: list[AgentRequest] = []
        self.reasked: list[str] = []
        self.accepted: list[str] = []
        self.number = 0

    @initialize()
    def begin(self) -> None:
        async def made() -> World:
            world = World()
            world.agents.script = self._hold
            return world

        self.world = self.loop.run_until_complete(made())

    def teardown(self) -> None:
        if self.accepted:
            self._heal_and_end()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self._run(self._idle())
        self.loop.close()

    # --- what happens -----------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.accepted) < 4)
    @rule(protocol=st.sampled_from(["structured", "duel", "council", "ensemble"]))
    def open(self, protocol: str) -> None:
        self.number += 1
        debate_id = f"deb_{self.number}"
        if self._tried(lambda: self.world.engine.open(spec(debate_id, protocol=preset(protocol)))):
            self.accepted.append(debate_id)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), fails=st.booleans(), twice=st.booleans())
    def answer_some(self, data: st.DataObject, fails: bool, twice: bool) -> None:
        chosen = data.draw(st.lists(st.sampled_from(range(len(self.held))), unique=True, min_size=1, max_size=8))
        for request in [self.held[place] for place in chosen]:
            self.held.remove(request)
            failure = AgentFailure(request.ask.ask_id, request.ask.agent, "overloaded", "529")
            reply: Reply = failure if fails and request.ask.kind is AskKind.CRITIQUE else answer(request)
            self._run(self._received(request, [reply] * (1 + twice)))
        self._run(self._idle())

    @rule()
    def crash(self) -> None:
        """The process dies: its tasks end, what was not journaled is gone, agents forget whom to answer."""
        for course in list(self.world.engine._courses.values()):
            course.stop()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self._run(self._idle())
        self.held.clear()
        self.world.journal.outage = self.world.journal.lost_acknowledgements = 0

        async def again() -> None:
            await self.world.restart().recover(lambda _: True)
            await self._idle()

        self._run(again())

    @rule(writes=st.integers(1, 5))
    def outage(self, writes: int) -> None:
        self.world.journal.outage = writes

    @rule()
    def lose_an_acknowledgement(self) -> None:
        self.world.journal.lost_acknowledgements = 1

    @precondition(lambda self: self.accepted)
    @rule(data=st.data(), intensity=st.integers(1, 10))
    def vote(self, data: st.DataObject, intensity: int) -> None:
        self.number += 1
        debate_id, vote_id = data.draw(st.sampled_from(self.accepted)), f"vote_{self.number}"
        if self._tried(lambda: self.world.engine.vote(debate_id, "eve", "ann", intensity, vote_id)):
            events = [event_of(row.payload) for row in self.world.journal.rows[debate_id]]
            stands = [event for event in events if isinstance(event, PersonVoted)][-1]
            assert (stands.person, stands.choice, stands.intensity) == ("eve", "ann", intensity)

    @precondition(lambda self: self.accepted)
    @rule(data=st.data())
    def suggest(self, data: st.DataObject) -> None:
        debate_id = data.draw(st.sampled_from(self.accepted))
        self._tried(lambda: self.world.engine.suggest(debate_id, "eve", "Ask the operators.", "s"))

    @precondition(lambda self: self.accepted)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        debate_id = data.draw(st.sampled_from(self.accepted))
        if self._tried(lambda: self.world.engine.cancel(debate_id, "eve")):
            assert self.world.journal.types(debate_id)[-1] == "debate_end"

    # --- what must hold ---------------------------------------------------------------------------------------

    @invariant()
    def nothing_counts_twice_or_is_asked_again(self) -> None:
        assert not self.reasked
        for rows in self.world.journal.rows.values():
            assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
            events = [event_of(row.payload) for row in rows]
            settled = Counter(event.ask_id for event in events if isinstance(event, SETTLING))
            assert not settled or max(settled.values()) == 1
            machine.replay(events)  # raises where the journal is none

    def _hold(self, request: AgentRequest) -> None:
        if request.ask.ask_id in self._journaled(request.ask.debate_id):
            self.reasked.append(request.ask.ask_id)
        self.held.append(request)

    def _journaled(self, debate_id: str) -> set[str]:
        told = [decode(row.payload)["data"] for row in self.world.journal.rows[debate_id]]
        return {data["ask_id"] for data in told if "ask_id" in data}

    def _heal_and_end(self) -> None:
        """The store is well again and agents answer: every accepted debate ends, and the books are straight."""
        journal = self.world.journal
        self.crash()
        for _ in range(200):
            held, self.held = self.held, []
            for request in held:
                self._run(self._received(request, [answer(request)]))
            self._run(self._idle())
            if not self.held and all(journal.types(one)[-1] == "debate_end" for one in self.accepted):
                break
        assert not self.reasked
        events = {one: [event_of(row.payload) for row in rows] for one, rows in journal.rows.items()}
        for debate_id, told in events.items():
            assert [type(event) for event in told].count(DebateEnded) == 1, debate_id
        assert set(self.accepted) <= events.keys()
        wanted = Counter[str]()
        for event in [event for told in events.values() for event in told]:
            for delta in counters_of(event):
                wanted[delta.sample] += delta.amount  # type: ignore[assignment]
        assert {name: pytest.approx(amount) for name, amount in wanted.items()} == dict(journal.counters)
        documents = [decode(receipt.document) for receipt in journal.receipts]
        assert verify_chain(documents, None).valid
        for receipt, document in zip(journal.receipts, documents, strict=True):
            payloads = [row.payload for row in journal.rows[receipt.debate_id]]
            assert document["journal"]["sha256"] == journal_digest(payloads[: document["journal"]["length"]])
        owed = Counter(row.outbox_id for row in journal.outbox)
        assert owed == Counter(
            [f"{one}:usage" for one in events] + [f"{receipt.debate_id}:ratings" for receipt in journal.receipts]
        )

    # --- the loop ---------------------------------------------------------------------------------------------

    def _tried(self, act: Callable[[], Coroutine[Any, Any, object]]) -> bool:
        """Whether the command was answered; it may be refused, and a crash may have left it without an answer."""

        async def tried() -> bool:
            task = asyncio.ensure_future(act())
            await self._idle()
            if not task.done():
                task.cancel()
                return False
            error = task.exception()
            assert error is None or isinstance(error, (Conflict, Unavailable)), error
            return error is None

        return self.loop.run_until_complete(tried())

    def _run(self, waiting: Coroutine[Any, Any, None]) -> None:
        self.loop.run_until_complete(waiting)

    async def _received(self, request: AgentRequest, replies: list[Reply]) -> None:
        self.world.engine.receive(request.ask.debate_id, replies)

    async def _idle(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)


CrashingCoordinator.TestCase.settings = settings(
    max_examples=200, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


TestRandomCrashes = CrashingCoordinator.TestCase
