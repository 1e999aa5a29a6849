"""What was told of debates moves their items, on both databases: whenever it comes, and however often."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from worlds import debating
from worlds.backends import SetClock
from worlds.closed_debates import closed
from worlds.taught import HOME, answers, spec, taught

from aragora.knowledge.confidence import FAILED, HELD, confidence_of
from aragora.knowledge.heeding import Heeding, heeding_job
from aragora.knowledge.learning import Learning
from aragora.knowledge.model import Basis, Item, ItemKind, Status
from aragora.knowledge.mound.adapters import consensus, evidence
from aragora.knowledge.outcomes import Outcome, Wish
from aragora.knowledge.planning import Burial, Unit
from aragora.knowledge.store.heeded import HeededOutcomes
from aragora.knowledge.store.outcomes import OutcomeStore
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.knowledge.wanted import Wanted
from aragora.scope import Scope
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow

VOTES = {"claude": "three", "gpt": "three", "gemini": "five"}
SCOPE = Scope(HOME.org_id, frozenset({HOME.workspace}))


class Journals(dict[str, list[str]]):
    """Journals by debate."""

    async def journal(self, debate_id: str) -> list[str]:
        return self[debate_id]


@pytest.fixture
def outcomes(database: Database) -> OutcomeStore:
    return OutcomeStore(database)


@pytest.fixture
def heeding(database: Database, outcomes: OutcomeStore, writer: KnowledgeWriter) -> Heeding:
    return Heeding(outcomes, HeededOutcomes(database, writer))


async def tell(outcomes: OutcomeStore, number: int, right: str | None, replaces: int | None = None, **of: Any) -> None:
    agents = {"three": ("claude", "gpt"), "five": ("gemini",)}.get(right or "", ())
    told = Outcome(
        f"deb_{number}", HOME.org_id, HOME.workspace, "storage", right, agents, right == "three", 0.667, "ann", "", 1, 1
    )
    await outcomes.add(replace(told, **of), Wish(right, told.by, replaces=replaces))


async def learn(writer: KnowledgeWriter, number: int) -> None:
    units: list[Unit] = [*consensus.gather(taught(number)), *evidence.gather(taught(number))]
    await writer.write(HOME, units)


async def decision(reader: KnowledgeReader, clock: SetClock) -> Item:
    page = await reader.page(SCOPE, Wanted(kinds=(ItemKind.DECISION,)), clock.now())
    return page.items[0]


async def test_the_feed_is_followed_once_and_a_correction_undoes_what_was_told(
    outcomes: OutcomeStore, heeding: Heeding, writer: KnowledgeWriter, reader: KnowledgeReader, clock: SetClock
) -> None:
    await learn(writer, 1)
    await tell(outcomes, 1, None)
    assert await heeding_job(heeding).run()
    fallen = await decision(reader, clock)
    assert (confidence_of(fallen).value, fallen.status) == (FAILED, Status.DISPUTED)
    await tell(outcomes, 1, "three", replaces=1)
    await heeding_job(heeding).run()
    risen = await decision(reader, clock)
    assert (confidence_of(risen).value, confidence_of(risen).basis) == (HELD, Basis.CONFIRMED)
    assert risen.status is Status.LIVE
    found = await reader.page(SCOPE, Wanted(kinds=(ItemKind.DECISION,), min_confidence=0.9), clock.now())
    assert found.items == (risen,)
    history = await reader.history(SCOPE, risen.item_id)
    assert await heeding.of(("deb_1",)) == 0
    assert not await heeding.step()
    assert await reader.history(SCOPE, risen.item_id) == history


async def test_an_outcome_that_comes_before_its_debate_is_learnt_from_waits_for_it(
    outcomes: OutcomeStore, heeding: Heeding, writer: KnowledgeWriter, reader: KnowledgeReader, clock: SetClock
) -> None:
    await tell(outcomes, 1, None)
    await heeding.step()
    assert await reader.offers(HOME) is None
    await learn(writer, 1)
    assert await heeding.of(("deb_1",)) > 0
    assert confidence_of(await decision(reader, clock)).value == FAILED


async def test_what_was_forgotten_stays_so(
    outcomes: OutcomeStore, heeding: Heeding, writer: KnowledgeWriter, reader: KnowledgeReader, clock: SetClock
) -> None:
    await learn(writer, 1)
    item = await decision(reader, clock)
    await writer.write(HOME, [Burial(item.item_id, "crt_1")])
    await tell(outcomes, 1, "three")
    await heeding.step()
    forgotten = await reader.get(SCOPE, item.item_id)
    assert (forgotten.status, forgotten.outcomes, forgotten.statement.content) == (Status.FORGOTTEN, (), "")


async def test_the_outcome_of_another_workspace_moves_nothing_here(
    outcomes: OutcomeStore, heeding: Heeding, writer: KnowledgeWriter, reader: KnowledgeReader, clock: SetClock
) -> None:
    await learn(writer, 1)
    await tell(outcomes, 1, "three", workspace="research")
    await tell(outcomes, 1, None, replaces=1, org_id="umbra")
    assert await heeding.of(("deb_1",)) == 0
    assert (await decision(reader, clock)).outcomes == ()


async def test_two_that_follow_at_once_and_a_row_that_cannot_be_read_leave_the_rest_right(
    database: Database, outcomes: OutcomeStore, writer: KnowledgeWriter, reader: KnowledgeReader, clock: SetClock
) -> None:
    class Damaged(HeededOutcomes):
        async def heed(self, outcome: Outcome) -> int:
            if outcome.debate_id == "deb_8":
                raise ValueError("damaged")
            return await super().heed(outcome)

    await learn(writer, 1)
    await tell(outcomes, 8, "three")
    await tell(outcomes, 1, "three")
    both = [Heeding(outcomes, Damaged(database, writer)) for _ in range(2)]
    for one in both:
        await one.step()
    item = await decision(reader, clock)
    assert confidence_of(item).value == HELD
    assert len(await reader.history(SCOPE, item.item_id)) == 2


async def test_new_decisions_begin_with_what_votes_like_theirs_were_worth(
    database: Database, outcomes: OutcomeStore, writer: KnowledgeWriter, reader: KnowledgeReader, clock: SetClock
) -> None:
    heeding = Heeding(outcomes, HeededOutcomes(database, writer), clock)
    for number in range(10, 30):
        await tell(outcomes, number, "three" if number < 14 else "five")
    journals = Journals({"deb_1": list(closed(debating.start(spec(1)).play(answers(**VOTES))).lines)})
    learning = Learning(consensus.NAME, journals, reader, writer, heeding)
    await learning.learn([OutboxRow("deb_1:knowledge", "knowledge", "deb_1", "{}", 1.0)])
    item = await decision(reader, clock)
    trust = confidence_of(item)
    assert (trust.basis, item.sources[0].stated_confidence) == (Basis.CALIBRATED, pytest.approx(2 / 3))
    assert 0.2 < trust.value < 0.5
    await tell(outcomes, 1, "three")
    await heeding.of(("deb_1",))
    assert confidence_of(await decision(reader, clock)).value == HELD
