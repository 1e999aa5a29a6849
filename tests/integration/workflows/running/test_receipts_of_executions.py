"""Executions and the receipt chain, two stores: each end has one receipt, whatever dies between them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest
from worlds.backends import databases_of
from worlds.waiting import eventually
from worlds.workflow_runner import World
from worlds.workflowing import approval, ask, chain, debate, definition

from aragora.config.settings import Settings
from aragora.debate.store.journal_writer import JournalWriter
from aragora.errors import NotFound, Unavailable
from aragora.receipts.signing import Signer
from aragora.receipts.store import ReceiptStore
from aragora.receipts.verifying import verify
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.workflows import journal
from aragora.workflows.definition import Definition
from aragora.workflows.model import Done, ExecutionStatus, Failed, ReceiptIssued
from aragora.workflows.proof import KIND, receipt_id_of
from aragora.workflows.proving import ChainProofs, ExecutionReceipts
from aragora.workflows.records import ExecutionRecord

SIGNER = Signer.from_seed(bytes(range(32)))


@dataclass
class Proofs:
    """The chain's proofs, with a network that a test cuts: `away` tries find nobody, and `silent` ones are done and
    never heard of."""

    chain: ChainProofs
    away: int = 0
    silent: int = 0
    asked: int = 0
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def prove(self, execution_id: str, of: Definition, payloads: Sequence[str]) -> tuple[ReceiptIssued, ...]:
        self.asked += 1
        if self.away:
            self.away -= 1
            raise Unavailable("the chain is away")
        issued = await self.chain.prove(execution_id, of, payloads)
        if self.silent:
            self.silent -= 1
            self.heard.set()
            await asyncio.Event().wait()
        return issued


@pytest.fixture
async def debates(stored: Settings) -> AsyncIterator[Database]:
    async with databases_of(stored, Context.DEBATES) as databases:
        yield databases[Context.DEBATES]


@pytest.fixture
async def proofs(debates: Database) -> AsyncIterator[Proofs]:
    writer = JournalWriter(debates)

    async def signer() -> Signer:
        return SIGNER

    yield Proofs(ChainProofs(writer, signer, lambda: 2_000_000.0))
    await writer.aclose()


@pytest.fixture
def receipts(debates: Database) -> ReceiptStore:
    return ReceiptStore(debates)


@pytest.fixture
async def world(database: Database, proofs: Proofs) -> AsyncIterator[World]:
    made = World(database, proving=proofs)
    await made.begin()
    yield made
    await made.close()


async def proven(world: World, execution_id: str, end: int = 1) -> ExecutionRecord:
    async def receipt() -> ExecutionRecord | None:
        record = await world.record(execution_id)
        return record if record.receipt_id == receipt_id_of(execution_id, end) else None

    return await eventually(receipt, "its receipt is journaled")


async def issued_in(world: World, execution_id: str) -> list[ReceiptIssued]:
    events = journal.events_of(await world.store.journal(execution_id))
    return [event for event in events if isinstance(event, ReceiptIssued)]


async def test_an_execution_that_has_ended_gets_a_receipt_that_its_journal_stands_behind(
    world: World, receipts: ReceiptStore
) -> None:
    shape = definition(*chain(approval("sign", title="Go?"), debate("a")))
    started = await world.start(shape)
    execution_id = started.record.execution_id
    await world.approve(execution_id)
    record = await proven(world, execution_id)
    assert (record.status, record.active, record.ended_at) == (ExecutionStatus.COMPLETED, False, 1_000_000.0)
    (issued,) = await issued_in(world, execution_id)
    document = json.loads(await ExecutionReceipts(receipts).document(issued.receipt_id))
    assert (document["position"], document["hash"]) == (issued.position, issued.hash)
    lines = [f"{payload}\n".encode() for payload in await world.store.journal(execution_id)]
    assert verify(document, {SIGNER.public_key}, lines)[0]
    assert document["approvals"][0]["answers"][0]["person"] == "bob"
    assert isinstance(journal.events_of(await world.store.journal(execution_id))[-1], ReceiptIssued)
    assert set(world.published.rows) == {execution_id}
    assert (issued.receipt_id, f"{execution_id}/1") in await receipts.of_kind(KIND)


async def test_the_end_stays_when_it_was_although_its_receipt_comes_later(world: World, proofs: Proofs) -> None:
    proofs.silent = 1
    started = await world.start(definition(debate("a")))
    execution_id = started.record.execution_id
    await asyncio.wait_for(proofs.heard.wait(), 30)
    record = await world.record(execution_id)
    assert (record.status, record.active, record.receipt_id) == (ExecutionStatus.COMPLETED, True, None)
    world.clock.pass_(500)
    await world.begin()
    assert (await proven(world, execution_id)).ended_at == 1_000_000.0


async def test_a_runner_that_dies_between_chain_and_journal_leaves_one_receipt_which_the_next_one_finds(
    world: World, proofs: Proofs, receipts: ReceiptStore
) -> None:
    proofs.silent = 1
    started = await world.start(definition(debate("a")))
    execution_id = started.record.execution_id
    await asyncio.wait_for(proofs.heard.wait(), 30)
    kept = await receipts.get(receipt_id_of(execution_id, 1))
    assert await issued_in(world, execution_id) == []
    await world.runners[-1].drain()
    await world.begin()
    await proven(world, execution_id)
    (issued,) = await issued_in(world, execution_id)
    assert (issued.hash, issued.position) == (kept.hash, kept.position)
    assert [one for one, _ in await receipts.of_kind(KIND)].count(issued.receipt_id) == 1


async def test_an_execution_that_ends_as_it_begins_has_a_receipt_too(world: World) -> None:
    shape = definition({"type": "decide", "id": "fork", "branches": [{"when": "true", "next": None}]})
    started = await world.start(shape)
    assert started.record.active
    record = await proven(world, started.record.execution_id)
    assert (record.status, record.active) == (ExecutionStatus.COMPLETED, False)


async def test_a_hundred_that_end_at_once_are_one_chain(world: World, receipts: ReceiptStore) -> None:
    begun = await asyncio.gather(*(world.start(definition(debate("a"))) for _ in range(100)))
    for one in begun:
        await proven(world, one.record.execution_id)
    ids = [one for one, _ in await receipts.of_kind(KIND)]
    assert sorted(receipt_id_of(one.record.execution_id, 1) for one in begun) == sorted(
        one for one in ids if one in {receipt_id_of(each.record.execution_id, 1) for each in begun}
    )


async def test_a_chain_that_is_away_is_waited_for(world: World, proofs: Proofs) -> None:
    proofs.away = 3
    started = await world.start(definition(debate("a")))
    await proven(world, started.record.execution_id)
    assert proofs.asked == 4


async def test_a_retry_has_a_receipt_for_each_end(world: World, receipts: ReceiptStore) -> None:
    world.outside.gives = lambda one: Failed(one.ask_id, "debate_failed", "no", again=False)
    started = await world.start(definition(debate("a")))
    execution_id = started.record.execution_id
    await proven(world, execution_id)
    world.outside.gives = lambda one: Done(one.ask_id, {"answer": "yes"})
    await world.engine.retry(execution_id, "dan", "a", {})
    record = await proven(world, execution_id, end=2)
    assert (record.status, record.active) == (ExecutionStatus.COMPLETED, False)
    documents = [json.loads((await receipts.get(receipt_id_of(execution_id, end))).document) for end in (1, 2)]
    assert [one["status"] for one in documents] == ["failed", "completed"]
    assert documents[1]["retries"][0]["by"] == "dan"


async def test_an_end_that_was_retried_before_its_receipt_was_heard_of_has_one_too(
    world: World, proofs: Proofs
) -> None:
    proofs.silent = 1
    world.outside.gives = lambda one: Failed(one.ask_id, "debate_failed", "no", again=False)
    started = await world.start(definition(debate("a")))
    execution_id = started.record.execution_id
    await asyncio.wait_for(proofs.heard.wait(), 30)
    await world.runners[-1].drain()
    proofs.away = 1_000_000
    await world.begin()
    world.outside.gives = lambda one: Done(one.ask_id, {"answer": "yes"})
    await world.engine.retry(execution_id, "dan", "a", {})
    await world.ended(execution_id)
    proofs.away = 0
    await proven(world, execution_id, end=2)
    told = [one.receipt_id for one in await issued_in(world, execution_id)]
    assert told == [receipt_id_of(execution_id, 1), receipt_id_of(execution_id, 2)]


async def test_a_child_has_a_receipt_too_and_its_parents_receipt_names_it(world: World, receipts: ReceiptStore) -> None:
    world.definitions.add("wf_2", definition(ask("inner")))
    started = await world.start(definition({"type": "workflow", "id": "sub", "workflow": "wf_2"}))
    execution_id = started.record.execution_id
    await proven(world, execution_id)
    (child,) = await world.children()
    await proven(world, child)
    document = json.loads((await receipts.get(receipt_id_of(execution_id, 1))).document)
    (named,) = document["executions"]
    assert (named["execution_id"], named["receipt_id"]) == (child, receipt_id_of(child, 1))
    served = json.loads((await receipts.get(named["receipt_id"])).document)["serves"]
    assert served["execution_id"] == execution_id


async def test_an_execution_that_breaks_off_has_no_receipt_and_is_not_asked_for_one_again(
    world: World, proofs: Proofs, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = await world.start(definition(*chain(approval("sign"), debate("a"))))
    execution_id = started.record.execution_id
    pending = (await world.pending(execution_id)).state

    def defect(*_: object) -> None:
        raise RuntimeError("a defect")

    with monkeypatch.context() as broken:
        broken.setattr("aragora.workflows.machine.pause", defect)
        with pytest.raises(Exception, match="has failed"):
            await world.engine.pause(execution_id, "ann")
    record = await world.record(execution_id)
    assert (record.status, record.code, record.active) == (ExecutionStatus.FAILED, "defect", False)
    await world.engine.receive(execution_id, Done("ask_unknown", {}))  # it is loaded, and nothing is owed
    assert (proofs.asked, await issued_in(world, execution_id), pending.run) == (0, [], "sign")


async def test_other_links_of_the_chain_are_not_receipts_of_executions(receipts: ReceiptStore) -> None:
    with pytest.raises(NotFound):
        await ExecutionReceipts(receipts).document("rcp_none")
