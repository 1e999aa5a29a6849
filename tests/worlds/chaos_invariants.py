"""What must hold after any fault, read from the stores alone: the one judge of every chaos test.

- Every accepted debate is there and has ended; so has every other debate.
- Seqs run 1, 2, ... without gap or repeat, the debate's row knows the last, and nothing follows the end.
- No ask is settled twice, and none is served again after its answer was journaled.
- One receipt a decided debate, over exactly its journal; the chain verifies and its head is the last one.
- Counters, ratings and usage are what the journals say, to the unit; nothing is left in the outbox.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from sqlalchemy import select
from worlds.chaos_served import Served
from worlds.waiting import eventually

from aragora.config.settings import Settings
from aragora.debate import journal as rows
from aragora.debate import machine
from aragora.debate.counted import counters_of
from aragora.debate.model import (
    START_ELO,
    AgentFailed,
    AnswerGiven,
    ConsensusReached,
    CritiqueGiven,
    DebateEnded,
    DebateOpened,
    DebateStatus,
    Event,
    VoteCast,
)
from aragora.debate.store import tables as debate_tables
from aragora.encoding import decode, encode_text
from aragora.ranking import elo
from aragora.ranking import store as ranking_store
from aragora.ranking.elo import RATINGS
from aragora.ranking.store import OVERALL
from aragora.receipts.canonical import journal_digest
from aragora.receipts.closing import USAGE, UsageDue
from aragora.receipts.receipt import summary_of
from aragora.receipts.signing import trusted_keys
from aragora.receipts.verifying import verify_chain
from aragora.storage import tables
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.usage import store as usage_store
from aragora.usage.consumer import sums_of

COMMIT_S = 0.25
"""From an answer's stamp to the disk, and on to whoever reads the journal next; a new coordinator takes longer."""
ANSWERING = (AnswerGiven, CritiqueGiven, VoteCast)
SETTLING = (*ANSWERING, AgentFailed)
DOMAIN_OF_USAGE = ("answers", "failures", "input_tokens", "output_tokens", "cost_usd", "latency_s")


@dataclass
class Findings:
    """What a look at the stores found; every list is empty where all is well."""

    debates: int = 0
    completed: int = 0
    events: int = 0
    answers: int = 0
    failures: Counter[str] = field(default_factory=Counter)  # asks settled without an answer, by code
    lost: list[str] = field(default_factory=list)
    reasked: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def problems(self) -> list[str]:
        return [*self.lost, *self.reasked, *self.repeated, *self.wrong]


@dataclass(frozen=True)
class Stored:
    """Everything the stores hold, by table."""

    debates: Sequence[Any]
    journals: Mapping[str, Sequence[Any]]
    receipts: Sequence[Any]
    head: Sequence[Any]
    counters: Sequence[Any]
    outbox: Sequence[Any]
    ratings: Sequence[Any]
    ratings_applied: Sequence[Any]
    usage: Sequence[Any]
    usage_applied: Sequence[Any]


@dataclass(frozen=True)
class Told:
    """One debate as its journal tells it."""

    debate_id: str
    events: Sequence[Event]
    stamps: Sequence[float]
    payloads: Sequence[str]


async def examine(settings: Settings, accepted: Collection[str], served: Iterable[Served] = ()) -> Findings:
    """Judge the stores that `settings` name, after every debate had the time to end."""
    stored = await _read(settings)
    found = Findings(debates=len(stored.debates))
    told = [_told(debate_id, journal) for debate_id, journal in stored.journals.items()]
    found.events = sum(len(one.events) for one in told)
    every = list(chain.from_iterable(one.events for one in told))
    found.answers = sum(isinstance(event, ANSWERING) for event in every)
    found.failures = Counter(event.code for event in every if isinstance(event, AgentFailed))
    found.completed = sum(row.status == DebateStatus.COMPLETED for row in stored.debates)
    _ends(found, stored, accepted)
    _sequences(found, stored)
    for one in told:
        _settled_once(found, one)
    _asked_once(found, told, served)
    _receipts(found, stored, told, trusted_keys(settings.data_dir))
    _counters(found, stored, told)
    _ratings(found, stored, told)
    _usage(found, stored, told)
    found.wrong += [f"left in the outbox: {row.outbox_id}" for row in stored.outbox if row.topic in (RATINGS, USAGE)]
    return found


async def all_ended(settings: Settings, accepted: Collection[str], deadline_s: float) -> None:
    """Return once nothing is still to come; fails after `deadline_s` seconds."""
    left = 0

    async def over() -> bool:
        nonlocal left
        left = await unfinished(settings, accepted)
        return not left

    try:
        await eventually(over, deadline_s=deadline_s, pause_s=0.1)
    except AssertionError as missed:
        raise AssertionError(f"{left} debates or outbox rows did not end within {deadline_s:g} s") from missed


async def unfinished(settings: Settings, accepted: Collection[str] = ()) -> int:
    """How many things are still to come: debates that run, rows in the outbox, accepted debates not yet seen."""
    database = Database.open(settings, Context.DEBATES)
    try:
        debates = await database.rows(select(debate_tables.debates.c.debate_id, debate_tables.debates.c.status))
        due = await database.rows(select(tables.outbox.c.topic))
    finally:
        await database.aclose()
    running = sum(row.status in (DebateStatus.QUEUED, DebateStatus.ACTIVE) for row in debates)
    unseen = len(set(accepted) - {row.debate_id for row in debates})
    return running + unseen + sum(row.topic in (RATINGS, USAGE) for row in due)


async def _read(settings: Settings) -> Stored:
    opened = [Database.open(settings, context) for context in (Context.DEBATES, Context.ELO, Context.USAGE)]
    debates, ratings, usage = opened
    try:
        journals: dict[str, list[Any]] = defaultdict(list)
        for row in await debates.rows(
            select(debate_tables.journal).order_by(debate_tables.journal.c.debate_id, debate_tables.journal.c.seq)
        ):
            journals[row.debate_id].append(row)
        return Stored(
            debates=await debates.rows(select(debate_tables.debates)),
            journals=journals,
            receipts=await debates.rows(select(debate_tables.receipts).order_by(debate_tables.receipts.c.position)),
            head=await debates.rows(select(debate_tables.receipt_chain)),
            counters=await debates.rows(select(tables.counters)),
            outbox=await debates.rows(select(tables.outbox)),
            ratings=await ratings.rows(select(ranking_store.ratings)),
            ratings_applied=await ratings.rows(select(ranking_store.ratings_applied)),
            usage=await usage.rows(select(usage_store.usage)),
            usage_applied=await usage.rows(select(usage_store.usage_applied)),
        )
    finally:
        for database in opened:
            await database.aclose()


def _told(debate_id: str, journal: Sequence[Any]) -> Told:
    payloads = [row.payload for row in journal]
    return Told(debate_id, [rows.event_of(text) for text in payloads], [row.at for row in journal], payloads)


def _ends(found: Findings, stored: Stored, accepted: Collection[str]) -> None:
    status = {row.debate_id: row.status for row in stored.debates}
    found.lost += [f"{debate_id} was accepted and is not there" for debate_id in accepted if debate_id not in status]
    running = (DebateStatus.QUEUED, DebateStatus.ACTIVE)
    found.lost += [f"{debate_id} has not ended" for debate_id, one in status.items() if one in running]


def _sequences(found: Findings, stored: Stored) -> None:
    for row in stored.debates:
        journal = stored.journals.get(row.debate_id, [])
        seqs = [one.seq for one in journal]
        if seqs != list(range(1, len(seqs) + 1)) or row.last_seq != len(seqs):
            found.wrong.append(f"{row.debate_id} has the seqs {seqs}, and {row.last_seq} for its last")
        if any(decode(one.payload)["seq"] != one.seq for one in journal):
            found.wrong.append(f"{row.debate_id} tells clients other seqs than it has")
        types = [one.type for one in journal]
        if types.count("debate_end") != 1 or types[-1] != "debate_end":
            found.wrong.append(f"{row.debate_id} ends with {types[-3:]}")


def _settled_once(found: Findings, told: Told) -> None:
    settled = Counter(event.ask_id for event in told.events if isinstance(event, SETTLING))
    found.repeated += [f"{ask_id} was settled {times} times" for ask_id, times in settled.items() if times > 1]
    state = machine.replay(told.events)
    if isinstance(told.events[-1], DebateEnded) and machine.status(state) is not told.events[-1].status:
        found.wrong.append(f"{told.debate_id} replays to {machine.status(state)}")


def _asked_once(found: Findings, told: Iterable[Told], served: Iterable[Served]) -> None:
    journaled = {
        event.ask_id: stamp
        for one in told
        for event, stamp in zip(one.events, one.stamps, strict=True)
        if isinstance(event, ANSWERING)
    }
    for ask in served:
        late = ask.after - journaled.get(ask.ask_id, math.inf)
        if late > COMMIT_S:
            found.reasked.append(f"{ask.ask_id} was served {late:.2f} s after its answer was journaled")


def _receipts(found: Findings, stored: Stored, told: Iterable[Told], keys: Collection[str]) -> None:
    documents = [decode(row.document) for row in stored.receipts]
    report = verify_chain(documents, keys or None)
    found.wrong += [f"receipt chain at {one.index}: {one.check}: {one.detail}" for one in report.breaks]
    head = stored.head[0] if stored.head else None
    if documents and (head is None or (head.position, head.hash) != (report.head.position, report.head.hash)):
        found.wrong.append("the head of the receipt chain is not its last receipt")
    of = defaultdict(list)
    for row, document in zip(stored.receipts, documents, strict=True):
        of[row.debate_id].append(document["journal"])
    for one in told:
        at = next((place for place, event in enumerate(one.events, 1) if isinstance(event, ConsensusReached)), None)
        wanted = [] if at is None else [(at, journal_digest(one.payloads[:at]))]
        if [(own["length"], own["sha256"]) for own in of.pop(one.debate_id, [])] != wanted:
            found.wrong.append(f"{one.debate_id} has another receipt than its journal asks for")
    found.wrong += [f"a receipt without a debate: {debate_id}" for debate_id in of]


def _counters(found: Findings, stored: Stored, told: Iterable[Told]) -> None:
    wanted: Counter[tuple[str, str]] = Counter()
    for delta in chain.from_iterable(counters_of(event) for one in told for event in one.events):
        wanted[delta.sample, encode_text(delta.labels)] += delta.amount  # type: ignore[assignment]
    has: Counter[tuple[str, str]] = Counter()
    for row in stored.counters:
        has[row.sample, row.labels] += row.value
    found.wrong += _differences("counter", has, wanted)


def _ratings(found: Findings, stored: Stored, told: Iterable[Told]) -> None:
    debates: Counter[tuple[str, str]] = Counter()
    wins: Counter[tuple[str, str]] = Counter()
    decided = 0
    for one in told:
        for event in one.events:
            if isinstance(event, ConsensusReached):
                decided += 1
                domain = one.events[0].spec.domain if isinstance(one.events[0], DebateOpened) else OVERALL
                for place in {OVERALL, domain}:
                    won = elo.wins(event.decision)
                    for agent in elo.updates({}, event.decision):
                        debates[agent, place] += 1
                        wins[agent, place] += won.get(agent, 0.0)  # type: ignore[assignment]
    found.wrong += _differences("rated debates", {(r.agent, r.domain): r.debates for r in stored.ratings}, debates)
    found.wrong += _differences("wins", {(row.agent, row.domain): row.wins for row in stored.ratings}, wins)
    gained = sum(row.elo - START_ELO for row in stored.ratings)
    if abs(gained) > 1e-6:
        found.wrong.append(f"ratings grew by {gained}: what one gains another loses")
    if len(stored.ratings_applied) != decided:
        found.wrong.append(f"{len(stored.ratings_applied)} of {decided} decisions were rated")


def _usage(found: Findings, stored: Stored, told: Iterable[Told]) -> None:
    wanted: Counter[tuple[str, ...]] = Counter()
    ended = 0
    for one in told:
        first, last = one.events[0], one.events[-1]
        if isinstance(first, DebateOpened) and isinstance(last, DebateEnded):
            ended += 1
            parts = summary_of(one.events).agents
            for part in sums_of(UsageDue(first.spec.org_id, first.spec.created_by, one.stamps[-1], parts)):
                if part.answers or part.failures:
                    for name in ("debates", *DOMAIN_OF_USAGE):
                        wanted[part.day, part.agent, part.provider, name] += getattr(part, name)
    has: Counter[tuple[str, ...]] = Counter()
    for row in stored.usage:
        for name in ("debates", *DOMAIN_OF_USAGE):
            has[row.day, row.agent, row.provider, name] += getattr(row, name)
    found.wrong += _differences("usage", has, wanted)
    if len(stored.usage_applied) != ended:
        found.wrong.append(f"{len(stored.usage_applied)} of {ended} debates were charged")


def _differences(what: str, has: Mapping[Any, float], wanted: Mapping[Any, float]) -> list[str]:
    return [
        f"{what} {key}: {has.get(key, 0)} instead of {wanted.get(key, 0)}"
        for key in sorted({*has, *wanted}, key=str)
        if not math.isclose(has.get(key, 0), wanted.get(key, 0), rel_tol=1e-9, abs_tol=1e-6)
    ]
