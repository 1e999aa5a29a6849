"""One bad unit among others, on both stores: it fails alone, in a group of commits, in the outbox and in a list."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from aragora.composition.consumers import consumers
from aragora.config.settings import Settings
from aragora.debate.journal import JournalRow, is_readable
from aragora.debate.model import ConsensusMode, Decision, Tally
from aragora.debate.records import Commit, DebateUpdate
from aragora.debate.store.debates import DebateStore
from aragora.debate.store.journal_writer import JournalWriter
from aragora.encoding import encode_text
from aragora.errors import InvalidInput
from aragora.integrations.stores import CONNECTORS
from aragora.observability.samples import CounterDelta
from aragora.ranking.elo import RATINGS, RatingsDue
from aragora.ranking.store import RatingStore
from aragora.receipts.closing import USAGE, UsageDue
from aragora.receipts.receipt import AgentPart
from aragora.scope import EVERYTHING
from aragora.storage.contexts import Context
from aragora.storage.counters import CounterStore
from aragora.storage.database import Database
from aragora.storage.documents import DocumentRow, SqlDocuments, context_of
from aragora.storage.outbox import OutboxRelay, OutboxRow
from aragora.storage.outbox_store import OutboxStore
from aragora.usage.store import UsageStore

PAST_THE_CHECK: dict[str, Callable[[Commit], Commit]] = {
    "text_nul": lambda it: replace(it, update=DebateUpdate(reason="no\x00")),
    "half_a_character": lambda it: replace(it, update=DebateUpdate(reason="no \ud83d")),
    "int_of_41_bits": lambda it: replace(it, update=DebateUpdate(rounds=2**40)),
    "int_of_70_bits": lambda it: replace(it, update=DebateUpdate(rounds=2**70)),
    "not_a_text": lambda it: replace(it, update=DebateUpdate(reason=["a"])),  # type: ignore[arg-type]
    "null_for_a_time": lambda it: replace(it, rows=(replace(it.rows[0], at=None),)),  # type: ignore[arg-type]
    "payload_null": lambda it: replace(it, rows=(replace(it.rows[0], payload=None),)),  # type: ignore[arg-type]
    "counter_no_number": lambda it: replace(it, counters=(CounterDelta("a", (), "x"),)),  # type: ignore[arg-type]
}
"""Values of which most are refused before a group is made. Here the databases themselves meet them."""


@pytest.mark.parametrize("spoil", PAST_THE_CHECK.values(), ids=PAST_THE_CHECK)
async def test_of_a_group_with_a_unit_that_the_database_refuses_all_others_are_written(
    spoil: Callable[[Commit], Commit],
    writer: JournalWriter,
    debates_db: Database,
    build: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("aragora.debate.store.journal_writer.check", lambda _: None)
    names = [f"d{number}" for number in range(8)]
    await asyncio.gather(*(writer.open(build.new_debate(name)) for name in names))
    commits = [build.commit(name, 2) for name in names]
    commits[3] = spoil(commits[3])
    outcomes = await asyncio.gather(*(writer.commit(one) for one in commits), return_exceptions=True)
    assert all(outcome is None for number, outcome in enumerate(outcomes) if number != 3)
    store = DebateStore(debates_db)
    written = [2 if outcome is None else 1 for outcome in outcomes]  # the one too, where this database takes it
    assert [await store.last_seq(name) for name in names] == written


async def test_what_no_database_holds_is_refused_before_the_group(writer: JournalWriter, build: Any) -> None:
    await writer.open(build.new_debate("d1"))
    with pytest.raises(InvalidInput):
        await writer.commit(replace(build.commit("d1", 2), update=DebateUpdate(reason="no\x00")))
    with pytest.raises(InvalidInput):
        await writer.commit(replace(build.commit("d1", 2), update=DebateUpdate(cost_usd=float("nan"))))
    await writer.commit(build.commit("d1", 2))


def part(**changes: Any) -> AgentPart:
    usual = AgentPart("ann", "p", "m", 1, 0, 10, 20, 0.5, 0.1, None)
    return replace(usual, **changes)


def usage_row(number: int, **changes: Any) -> OutboxRow:
    payload = encode_text(UsageDue("acme", "eve", 1_700_000_000.0, (part(**changes),)))
    return OutboxRow(f"d{number}:usage", USAGE, f"d{number}", payload, float(number))


def ratings_row(number: int) -> OutboxRow:
    tallies = (Tally("ann", 2, 2.0), Tally("bob", 1, 1.0))
    decision = Decision(True, "yes", "ann", 0.7, ConsensusMode.MAJORITY, tallies, (), 1, 0.1)
    payload = encode_text(RatingsDue("general", decision))
    return OutboxRow(f"d{number}:ratings", RATINGS, f"d{number}", payload, float(number))


def spoiled(row: OutboxRow, path: list[str | int], value: Any) -> OutboxRow:
    payload = json.loads(row.payload)
    place = payload
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return replace(row, payload=json.dumps(payload))


BAD_USAGE: dict[str, OutboxRow] = {
    "null_for_a_cost": spoiled(usage_row(5), ["agents", 0, "cost_usd"], None),
    "tokens_of_64_bits": usage_row(5, input_tokens=2**64 - 1),
    "a_year_that_is_none": spoiled(usage_row(5), ["at"], 1e18),
    "model_with_nul": usage_row(5, model="gpt\x00"),
    "cut_off": replace(usage_row(5), payload="{"),
    "of_a_newer_version": replace(usage_row(5), payload='{"usage": {}}'),
}


@pytest.mark.parametrize("bad", BAD_USAGE.values(), ids=BAD_USAGE)
async def test_usage_that_cannot_be_added_keeps_no_other_from_being_added(
    bad: OutboxRow, writer: JournalWriter, debates_db: Database, opened: Callable[[Context], Database], build: Any
) -> None:
    rows = [bad, *(usage_row(number) for number in range(10, 13))]
    await _settle(rows, writer, debates_db, opened, build)
    sums = await UsageStore(opened(Context.USAGE)).sums(["agent"])
    total = sum(one.answers for one in sums)
    assert total in (3, 4)  # SQLite holds the character NUL in a text
    assert {row.outbox_id for row in await OutboxStore(debates_db).pending([USAGE])} == (
        {"d5:usage"} if total == 3 else set()
    )


async def test_usage_that_makes_a_sum_too_large_is_set_aside_alone(
    writer: JournalWriter, debates_db: Database, opened: Callable[[Context], Database], build: Any
) -> None:
    rows = [usage_row(1, input_tokens=2**62), usage_row(2, input_tokens=2**62), usage_row(3, name="bob")]
    await _settle(rows, writer, debates_db, opened, build)
    sums = await UsageStore(opened(Context.USAGE)).sums(["agent"])
    assert [one.agent for one in sums] == ["ann", "bob"]
    assert sums[0].answers == (2 if debates_db.is_sqlite else 1)  # SQLite goes on with a float


BAD_RATINGS: dict[str, OutboxRow] = {
    "null_for_a_weight": spoiled(ratings_row(5), ["decision", "tallies", 0, "weight"], None),
    "no_decision": spoiled(ratings_row(5), ["decision"], None),
    "agent_with_nul": spoiled(ratings_row(5), ["decision", "tallies", 0, "agent"], "ann\x00"),
    "cut_off": replace(ratings_row(5), payload=ratings_row(5).payload[:50]),
}


@pytest.mark.parametrize("bad", BAD_RATINGS.values(), ids=BAD_RATINGS)
async def test_a_decision_that_cannot_be_rated_keeps_no_other_from_being_rated(
    bad: OutboxRow, writer: JournalWriter, debates_db: Database, opened: Callable[[Context], Database], build: Any
) -> None:
    await _settle([bad, *(ratings_row(number) for number in range(10, 13))], writer, debates_db, opened, build)
    rated = await RatingStore(opened(Context.ELO)).load(["bob"])
    assert rated["bob"].debates >= 3


async def test_dead_rows_stay_under_a_topic_that_nobody_reads_and_are_counted(
    writer: JournalWriter, debates_db: Database, build: Any
) -> None:
    await _write([usage_row(1), usage_row(2)], writer, build)
    count = CounterDelta("aragora_outbox_dead_rows_total", (("topic", USAGE),), 1.0)
    await writer.bury("usage.dead", ["d1:usage", "unknown"], [count])
    store = OutboxStore(debates_db)
    assert [row.outbox_id for row in await store.pending([USAGE])] == ["d2:usage"]
    assert [row.outbox_id for row in await store.pending(["usage.dead"])] == ["d1:usage"]
    await writer.count([count])
    assert await CounterStore(debates_db).all() == [replace(count, amount=2.0)]


async def test_a_row_that_is_no_envelope_is_stood_in_for_where_the_debate_is_followed(
    writer: JournalWriter, debates_db: Database, build: Any
) -> None:
    await writer.open(build.new_debate("d1"))
    await writer.commit(build.commit("d1", 2, 5))
    await _change(debates_db, "UPDATE journal SET payload = '{' WHERE seq = 3")
    if debates_db.is_sqlite:
        await _change(debates_db, "UPDATE journal SET payload = CAST(x'7bff7d' AS TEXT) WHERE seq = 4")
    store = DebateStore(debates_db)
    shown = await store.events("d1")
    assert [json.loads(payload)["seq"] for payload in shown] == [1, 2, 3, 4, 5]
    assert json.loads(shown[2])["type"] == "unreadable"
    stored = await store.journal("d1")
    assert len(stored) == 5
    assert not is_readable(stored[2], 3)


async def test_a_debate_with_a_status_of_another_version_is_listed_with_the_others(
    writer: JournalWriter, debates_db: Database, build: Any
) -> None:
    for name in ("d1", "d2", "d3"):
        await writer.open(build.new_debate(name))
    await _change(debates_db, "UPDATE debates SET status = 'dreaming' WHERE debate_id = 'd2'")
    page = await DebateStore(debates_db).page(EVERYTHING)
    assert [record.debate_id for record in page.items] == ["d3", "d2", "d1"]
    assert page.items[1].status.value == "failed"
    assert "unknown to this version" in (page.items[1].reason or "")


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
async def test_a_debate_whose_question_is_no_text_any_more_is_listed_with_the_others(
    writer: JournalWriter, debates_db: Database, build: Any
) -> None:
    for name in ("d1", "d2"):
        await writer.open(build.new_debate(name))
    await _change(debates_db, "UPDATE debates SET question = CAST(x'54ff62' AS TEXT) WHERE debate_id = 'd1'")
    store = DebateStore(debates_db)
    assert [record.question for record in (await store.page(EVERYTHING)).items] == ["Tabs?", "T\ufffdb"]
    assert (await store.get("d1", EVERYTHING)).question == "T\ufffdb"


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
async def test_a_document_that_is_no_text_any_more_is_found_with_the_others(
    opened: Callable[[Context], Database],
) -> None:
    database = opened(context_of(CONNECTORS.table))
    documents = SqlDocuments(database, CONNECTORS.table)
    for number in (1, 2):
        await documents.put(DocumentRow(f"acme/{number}", "acme", "ann", "slack", '{"n":1}', 1, 100.0, 100.0))
    damaging = f"UPDATE {CONNECTORS.table.name} SET payload = CAST(x'7bff7d' AS TEXT) WHERE record_id = 'acme/1'"
    await _change(database, damaging)
    found = await documents.find(org_id="acme")
    assert [row.payload for row in found] == ["{\ufffd}", '{"n":1}']


async def _change(database: Database, statement: str) -> None:
    async with database.writing() as connection:
        await connection.execute(text(statement))


async def _write(rows: list[OutboxRow], writer: JournalWriter, build: Any) -> None:
    await writer.open(build.new_debate("d1"))
    journal = (JournalRow("d1", 2, "x", "{}", 1.0),)
    await writer.commit(Commit("d1", journal, outbox=tuple(rows)))


async def _settle(
    rows: list[OutboxRow],
    writer: JournalWriter,
    debates_db: Database,
    opened: Callable[[Context], Database],
    build: Any,
) -> None:
    await _write(rows, writer, build)
    with capture_logs():
        await OutboxRelay(OutboxStore(debates_db), writer, consumers(opened, Settings())).aclose()
