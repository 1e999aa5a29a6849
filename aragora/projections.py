"""What follows from an ended debate: ratings and usage, brought from the outbox into their own stores.

The debate's end and its outbox rows are one transaction; ratings and usage live in other files. Each row is applied
together with its id, so a row that comes twice counts once, and then it is settled. If this process dies between the
two, the next start finds the row again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Self

import structlog

from aragora.config.settings import Settings
from aragora.debate.model import Decision
from aragora.encoding import decode_as
from aragora.errors import AragoraError
from aragora.ranking import elo
from aragora.ranking.store import OVERALL, RatingChange, RatingKey, RatingStore, StoredRating
from aragora.receipts.closing import RatingsDue, UsageDue
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from aragora.storage.outbox_store import OutboxStore
from aragora.usage.store import UsageStore, UsageSum, day_of

log = structlog.get_logger("aragora.projections")

TOPICS: Final = ("ratings", "usage")
BATCH: Final = 500
IDLE_S: Final = 0.5  # how often the outbox is looked into while it is empty
AFTER_ERROR_S: Final = 2.0

Settle = Callable[[Sequence[str]], Awaitable[None]]


class Projections:
    """Brings outbox rows to their stores, a batch in one transaction each. One instance runs at a time (coordinator
    shard 0)."""

    def __init__(self, outbox: OutboxStore, settle: Settle, ratings: RatingStore, usage: UsageStore) -> None:
        self._outbox = outbox
        self._settle = settle
        self._ratings = ratings
        self._usage = usage
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def open(cls, settings: Settings, settle: Settle) -> Self:
        """Over the stores that the settings name; `settle` is the journal writer's."""
        return cls(
            OutboxStore(Database.open(settings, Context.DEBATES)),
            settle,
            RatingStore(Database.open(settings, Context.ELO)),
            UsageStore(Database.open(settings, Context.USAGE)),
        )

    def start(self) -> None:
        """Run in the background until `aclose`."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def aclose(self) -> None:
        """Stop, then bring over what is left. Raises Unavailable where a store is away: the next start goes on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        while await self.step():
            continue

    async def step(self) -> int:
        """Apply one batch; returns how many rows it settled. Raises Unavailable."""
        rows = await self._outbox.pending(TOPICS, BATCH)
        if rows:
            await self._ratings.change([change_of(row) for row in rows if row.topic == "ratings"])
            await self._usage.add({row.outbox_id: charge_of(row) for row in rows if row.topic == "usage"})
            await self._settle([row.outbox_id for row in rows])
        return len(rows)

    async def _run(self) -> None:
        while True:
            try:
                settled = await self.step()
            except AragoraError as error:
                log.warning("projection failed", error=error.message)
                await asyncio.sleep(AFTER_ERROR_S)
            else:
                if settled < BATCH:
                    await asyncio.sleep(IDLE_S)


def change_of(row: OutboxRow) -> RatingChange:
    """What a row of the topic `ratings` changes."""
    due = decode_as(row.payload, RatingsDue)
    agents = [tally.agent for tally in due.decision.tallies]
    keys = [(agent, domain) for agent in agents for domain in (OVERALL, due.domain)]
    return RatingChange(row.outbox_id, keys, partial(rated, due.decision))


def charge_of(row: OutboxRow) -> list[UsageSum]:
    """What a row of the topic `usage` adds."""
    return [part for part in sums_of(decode_as(row.payload, UsageDue)) if part.answers or part.failures]


def rated(decision: Decision, ratings: Mapping[RatingKey, StoredRating]) -> Iterable[StoredRating]:
    """The ratings after `decision`, in every domain of `ratings` alike."""
    won = elo.wins(decision)
    for domain in dict.fromkeys(domain for _, domain in ratings):
        here = {agent: rating for (agent, at), rating in ratings.items() if at == domain}
        deltas = elo.updates({agent: rating.elo for agent, rating in here.items()}, decision)
        for agent, delta in deltas.items():
            before = here[agent]
            yield replace(
                before,
                elo=before.elo + delta,
                debates=before.debates + 1,
                wins=before.wins + won.get(agent, 0.0),
            )


def sums_of(due: UsageDue) -> Iterable[UsageSum]:
    """What each agent of one debate cost, as an addition to the day's sums."""
    for part in due.agents:
        yield UsageSum(
            day=day_of(due.at),
            org_id=due.org_id,
            user_id=due.user_id,
            agent=part.name,
            provider=part.provider or "",
            model=part.model or "",
            debates=1,
            answers=part.answers,
            failures=part.failures,
            input_tokens=part.input_tokens,
            output_tokens=part.output_tokens,
            cost_usd=part.cost_usd,
            latency_s=part.latency_s,
        )
