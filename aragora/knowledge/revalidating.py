"""Debating decisions again that are disputed or past their time: a durable job, where `ARAGORA_KNOWLEDGE_REVALIDATION`
says so (`aragora.knowledge.revalidation` has the rules).

A run does four things, each from what the store says: it notes what came of debates that have ended, opens those whose
opening was cut off, looks for decisions that are due, and opens debates as far as the day's budget goes, `AT_ONCE` at a
time. Whatever dies in between, the next run goes on. A debate is opened by the id of its revalidation, so it is opened
once, and what it may cost is held of the day's budget before.

The search goes through the questions of all workspaces, `RUN_S` seconds in each run; a new process begins anew. What it
has found is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol

import structlog

from aragora.background import Job
from aragora.clock import Clock
from aragora.debate.budget import micros_of
from aragora.debate.model import DebateSpec, DebateStatus
from aragora.debate.proposition import Idempotency, Proposition
from aragora.debate.protocol import preset
from aragora.debate.records import DebateRecord
from aragora.encoding import decode_as
from aragora.errors import AragoraError, BudgetExhausted, Conflict, InvalidInput, NotFound, Unavailable
from aragora.knowledge.bounded import Items, Noted, readable
from aragora.knowledge.model import Home
from aragora.knowledge.mound.adapters.pulse import DAY_S, NAME, READ, read
from aragora.knowledge.precedents import look
from aragora.knowledge.revalidation import (
    AGAIN_S,
    SETTLE_S,
    Allowance,
    Due,
    Result,
    Revalidation,
    State,
    due,
    result_of,
)
from aragora.knowledge.store.revalidations import RevalidationStore, day_of
from aragora.observability.registry import REGISTRY, Registry
from aragora.scope import Scope
from aragora.texts import counted

AGAIN: Final = "aragora_km_revalidations_total"
JOB: Final = "debate decisions again"
EVERY_S: Final = 900.0
RUN_S: Final = 20.0
AT_ONCE: Final = 2
"""So many debates run at a time; those that wait for people do not count."""
PLANNED_MAX: Final = 1_000
"""Where so many wait, no more are looked for."""
PORTION: Final = 50
TRIED: Final = 20
"""Of what waits so many are looked at in a run: one that the day's budget has no room for lets others go first."""
LEARNT_S: Final = DAY_S
"""A debate that ended longer ago, and that nothing is noted of, was not learnt from."""
KEPT_S: Final = 180 * DAY_S

UNKNOWN_AGENT: Final = "unknown_agent"

log = structlog.get_logger("aragora.knowledge")


class Questions(Protocol):
    """Lists what adapters noted of (`aragora.knowledge.store.observations.Observations`)."""

    async def keys_of(self, home: Home, adapter: str, after: str, until: float, limit: int) -> list[str]: ...


class Notes(Noted, Questions, Protocol):
    """Both ways to read what adapters noted."""


class Workspaces(Items, Protocol):
    """Reads items and workspaces (`aragora.knowledge.store.reading.KnowledgeReader`)."""

    async def offering(self, after: Home | None, limit: int) -> list[Home]: ...


class Debates(Protocol):
    """Knows debates (`aragora.debate.store.debates.DebateStore`)."""

    async def get(self, debate_id: str, scope: Scope) -> DebateRecord: ...


class Opened(Protocol):
    """A debate that was opened."""

    @property
    def debate_id(self) -> str: ...


class Opening(Protocol):
    """Opens debates (`actors.gateways.debates.CoordinatorCommands`)."""

    async def plan(self, proposition: Proposition) -> DebateSpec: ...

    async def open(self, proposition: Proposition, idempotency: Idempotency | None = None) -> Opened: ...


class People(Protocol):
    """Knows who may write (`aragora.identity.writers.Writers`)."""

    async def check(self, user_ids: Sequence[str], org_id: str, workspace: str) -> None:
        """Raises InvalidInput where one of these may not write in the debates of the workspace."""
        ...


class Revalidating:
    """Over the stores of one process. Belongs to one event loop. Raises Unavailable where one of them is away."""

    def __init__(
        self,
        store: RevalidationStore,
        notes: Notes,
        items: Workspaces,
        *,
        debates: Debates,
        opening: Opening,
        people: People,
        allowance: Allowance,
        clock: Clock,
        registry: Registry = REGISTRY,
    ) -> None:
        self._store = store
        self._notes = notes
        self._items = items
        self._debates = debates
        self._opening = opening
        self._people = people
        self._allowance = allowance
        self._clock = clock
        self._registry = registry
        # How far the search has come: the workspaces ahead, the question in the first of them, and the one before it.
        self._ahead: list[Home] = []
        self._key = ""
        self._last: Home | None = None

    async def run(self) -> str:
        """One run; a line that says what it did."""
        ended, running = await self._end()
        opened = 0
        for one in await self._store.standing(State.OPENING, AT_ONCE):
            opened += await self._open(one)
        found = await self._look()
        opened += await self._begin(AT_ONCE - running - opened)
        await self._store.forget(self._clock.now() - KEPT_S)
        return (
            f"found {counted(found, 'due decision')}, opened {counted(opened, 'debate')}, "
            f"saw {counted(ended, 'debate')} end"
        )

    async def _end(self) -> tuple[int, int]:
        """Note what came of debates that have ended; how many that were, and how many still run."""
        ended = running = 0
        for one in await self._store.standing(State.OPENED, PLANNED_MAX):
            try:
                record = await self._debates.get(one.debate_id, one.home.scope)
            except NotFound:
                ended += await self._ended(one, Result.FAILED, "its debate is gone", one.held_micros)
                continue
            if not record.status.ended:
                running += record.status is not DebateStatus.WAITING
                continue
            ended += await self._follow(one, record)
        return ended, running

    async def _follow(self, one: Revalidation, record: DebateRecord) -> bool:
        """Note what came of a debate that has ended, once it was learnt from; whether it was noted."""
        cost = micros_of(record.cost_usd)
        if record.status is not DebateStatus.COMPLETED:
            return await self._ended(one, Result.FAILED, f"its debate is {record.status}", cost)
        noted = await self._notes.newest(one.home, NAME, one.question, READ)
        result = result_of(one, readable(noted, read))
        if result is not Result.NONE:
            return await self._ended(one, result, "", cost)
        if self._clock.now() - record.updated_at < LEARNT_S:
            return False
        return await self._ended(one, Result.FAILED, "its debate was not learnt from", cost)

    async def _ended(self, one: Revalidation, result: Result, why: str, micros: int) -> bool:
        now = self._clock.now()
        ended = await self._store.end(one, result, why, now, micros=micros, not_before=now + AGAIN_S)
        if ended:
            self._registry.inc(AGAIN, result=result)
            log.info("a decision was debated again", revalidation_id=one.revalidation_id, result=result, why=why)
        return ended

    async def _look(self) -> int:
        """Go on looking for what is due, for `RUN_S` seconds or to the end of the last workspace; how many are new."""
        until, found = self._clock.monotonic() + RUN_S, 0
        room = PLANNED_MAX - await self._store.count_planned()
        while found < room and self._clock.monotonic() < until:
            if not self._ahead:
                self._ahead = await self._items.offering(self._last, PORTION)
            if not self._ahead:
                self._last = None
                break
            home = self._ahead[0]
            keys = await self._notes.keys_of(home, NAME, self._key, self._clock.now() - SETTLE_S, PORTION)
            found += await self._plan(home, keys)
            if len(keys) == PORTION:
                self._key = keys[-1]
            else:
                self._last, self._key = self._ahead.pop(0), ""
        return found

    async def _plan(self, home: Home, keys: Sequence[str]) -> int:
        now = self._clock.now()
        found = [(key, one) for key in keys if (one := await self._due(home, key)) is not None]
        return await self._store.plan(home, found, now)

    async def _due(self, home: Home, key: str) -> Due | None:
        """Whether what a question was settled on is due now."""
        known = await look(self._notes, self._items, home, key)
        return None if known.found is None else due(known.seen, known.found, known.item, self._clock.now())

    async def _begin(self, most: int) -> int:
        """Open debates for what waits, at most so many; how many that were."""
        day, opened = day_of(self._clock.now()), 0
        debates, _ = await self._store.spent(day)
        most = min(most, self._allowance.debates - debates)
        tried: set[str] = set()
        while opened < most:
            # Read anew after each one that was opened: the next is another organisation's turn.
            waits = [one for one in await self._store.planned(day, TRIED) if one.revalidation_id not in tried]
            for one in waits:
                tried.add(one.revalidation_id)
                if await self._take(one):
                    opened += 1
                    break
            else:
                break
        return opened

    async def _take(self, one: Revalidation) -> bool:
        """Open the debate of one that waits, if it is still due and the day's budget has room; whether it was."""
        now = self._clock.now()
        if await self._due(one.home, one.question) is None:
            await self._store.close(one, State.DROPPED, "it is not due any more", now, not_before=now)
            return False
        try:
            micros = micros_of((await self._planned(one))[1].budget_usd or 0.0)
            if micros > self._allowance.micros:
                raise Conflict(
                    "its debate may cost more than a day's budget (ARAGORA_KNOWLEDGE_REVALIDATION_USD_A_DAY)"
                )
        except Unavailable:
            raise
        except AragoraError as unfit:
            await self._refuse(one, unfit.message, AGAIN_S)
            return False
        day = day_of(now)
        if not await self._store.hold(one, self._allowance, now, day=day, micros=micros):
            return False
        held = replace(one, state=State.OPENING, day=day, held_micros=micros)
        return await self._open(held)

    async def _open(self, one: Revalidation) -> bool:
        """Open the debate of one whose budget is held; whether it is open."""
        try:
            proposition, _ = await self._planned(one)
            ticket = await self._opening.open(proposition, Idempotency(one.revalidation_id, one.revalidation_id))
        except Unavailable:
            raise  # the next run opens it, or finds that it is open
        except BudgetExhausted as exhausted:
            await self._refuse(one, exhausted.message, DAY_S)
            return False
        except AragoraError as unfit:
            await self._refuse(one, unfit.message, AGAIN_S)
            return False
        log.info("a decision is debated again", revalidation_id=one.revalidation_id, debate_id=ticket.debate_id)
        return await self._store.opened(one, ticket.debate_id, self._clock.now())

    async def _refuse(self, one: Revalidation, why: str, rest_s: float) -> None:
        now = self._clock.now()
        log.info("a decision cannot be debated again", revalidation_id=one.revalidation_id, why=why)
        await self._store.close(one, State.REFUSED, why, now, not_before=now + rest_s)

    async def _planned(self, one: Revalidation) -> tuple[Proposition, DebateSpec]:
        """The debate that settled the question, once more: by the same people and settings. Raises Conflict
        or InvalidInput where that cannot be, Unavailable."""
        try:
            record = await self._debates.get(one.settled_by, one.home.scope)
        except NotFound:
            raise Conflict("the debate that settled it is gone") from None
        try:
            before = decode_as(record.spec, DebateSpec)
        except ValueError:
            raise Conflict("the debate that settled it cannot be read") from None
        try:
            await self._people.check((before.created_by,), one.org_id, one.workspace)
        except InvalidInput:
            raise Conflict("whoever asked it may not open debates in this workspace any more") from None
        signers = [need.removeprefix("user:") for need in before.needs if need.startswith("user:")]
        await self._people.check(signers, one.org_id, one.workspace)
        asked = again(before)
        try:
            return asked, await self._opening.plan(asked)
        except InvalidInput as refused:
            if refused.code != UNKNOWN_AGENT:
                raise
        asked = replace(asked, agents=())  # one of the team is not there any more: the server chooses
        return asked, await self._opening.plan(asked)


def again(before: DebateSpec) -> Proposition:
    """What asks for the same debate once more, in the name of whoever asked for it. Pure. Raises InvalidInput where its
    protocol is no more."""
    ran, usual = before.protocol, preset(before.protocol.name)
    return Proposition(
        before.question,
        before.agents,
        ran.name,
        rounds=ran.rounds if ran.rounds != usual.rounds else None,
        consensus=ran.consensus.value if ran.consensus != usual.consensus else None,
        topology=ran.topology.value if ran.topology != usual.topology else None,
        context=before.context,
        domain=before.domain,
        budget_usd=before.budget_usd,
        options=before.options,
        needs=before.needs,
        created_by=before.created_by,
        org_id=before.org_id,
        workspace=before.workspace,
        knowledge=before.knowledge,
        revalidates=before.debate_id,
    )


def revalidating_job(revalidating: Revalidating) -> Job:
    """The durable job."""
    return Job(JOB, EVERY_S, revalidating.run)
