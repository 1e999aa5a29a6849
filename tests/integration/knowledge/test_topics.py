"""What a workspace asks about of late, over the stores: by its own debates alone, and by none that is forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import delete, insert
from worlds.backends import SetClock, written
from worlds.forgetting import Mound, open_mound, wish
from worlds.knowledge import HOME, SCOPE

from aragora.config.settings import Settings
from aragora.debate.knowledge import question_digest
from aragora.debate.model import DebateStatus
from aragora.debate.records import COLUMNS, DebateRecord, values_of
from aragora.debate.store.debates import Asked, DebateStore
from aragora.debate.store.tables import debates
from aragora.encoding import encode_text
from aragora.knowledge.asked import AskedOfLate
from aragora.knowledge.forgetting import By
from aragora.knowledge.model import Home
from aragora.knowledge.mound import open_mound as open_for_programs
from aragora.knowledge.mound.adapters import PulseAdapter, pulse
from aragora.knowledge.observations import Observation
from aragora.knowledge.store.observations import Observations, keep
from aragora.knowledge.trending import DAY_S

RETRIES = ("How large should the retry budget be?", "Do retries need a budget?")
TEA = "Tea or coffee?"
OTHER = Home(HOME.org_id, "research")
STRANGERS = Home("umbra", HOME.workspace)


@pytest.fixture
async def mound(settings: Settings, clock: SetClock) -> AsyncIterator[Mound]:
    async with open_mound(settings, clock) as opened:
        await written(opened.debates, lambda connection: connection.execute(delete(debates)))
        yield opened


async def ended(
    mound: Mound,
    debate_id: str,
    question: str,
    age_days: float = 1.0,
    *,
    home: Home = HOME,
    noted: bool = True,
    status: DebateStatus = DebateStatus.COMPLETED,
    person: str = "usr_1",
) -> None:
    """A debate that ended so long ago, and what the pulse adapter noted of it."""
    at = mound.clock.now() - age_days * DAY_S
    record = DebateRecord(
        debate_id, question, status, "{}", at - 60.0, at, person, home.org_id, workspace=home.workspace
    )
    await written(
        mound.debates,
        lambda connection: connection.execute(insert(debates), [dict(zip(COLUMNS, values_of(record), strict=True))]),
    )
    if noted:
        said = pulse.Asked(debate_id, at, decided=True, reached=True, domain="operations")
        note = Observation(question_digest(question), encode_text(said), debate_id, person, at)
        async with mound.memory.writing() as connection:
            await keep(mound.memory, connection, home, pulse.NAME, [note])


def asked(mound: Mound) -> AskedOfLate:
    return AskedOfLate(DebateStore(mound.debates), Observations(mound.memory), mound.clock, limit_s=30.0)


async def told(mound: Mound, home: Home = HOME, days: int = 30) -> dict[str, int]:
    """The debates of each topic, by its name."""
    return {one.name: one.debates for one in (await asked(mound).topics(home, days)).topics}


async def test_questions_of_a_workspace_come_by_topic(mound: Mound) -> None:
    await ended(mound, "deb_1", RETRIES[0])
    await ended(mound, "deb_2", RETRIES[1], 2.0)
    await ended(mound, "deb_3", TEA, 3.0)
    (retries, tea) = (await asked(mound).topics(HOME)).topics
    assert (retries.name, retries.debates, retries.questions, retries.decided) == ("retry budget", 2, 2, 2)
    assert (retries.debate_id, retries.question, retries.domain) == ("deb_1", RETRIES[0], "operations")
    assert (tea.name, tea.debates) == ("Tea coffee", 1)


async def test_other_workspaces_and_organisations_are_told_nothing_of_it(mound: Mound) -> None:
    await ended(mound, "deb_1", RETRIES[0])
    await ended(mound, "deb_2", TEA, home=OTHER)
    await ended(mound, "deb_3", "Wine?", home=STRANGERS)
    assert await told(mound) == {"large retry budget": 1}
    assert await told(mound, OTHER) == {"Tea coffee": 1}
    assert await told(mound, STRANGERS) == {"Wine": 1}


async def test_a_note_of_another_workspace_does_not_bring_a_debate_here(mound: Mound) -> None:
    await ended(mound, "deb_1", TEA, noted=False)
    now = mound.clock.now()
    note = Observation(question_digest(TEA), encode_text(pulse.Asked("deb_1", now)), "deb_1", "", now)
    async with mound.memory.writing() as connection:
        await keep(mound.memory, connection, OTHER, pulse.NAME, [note])
    assert await told(mound) == {}
    assert await told(mound, OTHER) == {}


async def test_a_forgotten_debate_is_told_of_no_more(mound: Mound) -> None:
    await ended(mound, "deb_1", RETRIES[0])
    await ended(mound, "deb_2", TEA)
    await mound.forgetter.forget(SCOPE, "usr_1", wish(By.DEBATE, "deb_1"))
    assert await told(mound) == {"Tea coffee": 1}


async def test_what_a_forgotten_person_asked_is_told_no_more(mound: Mound) -> None:
    await ended(mound, "deb_1", RETRIES[0], person="usr_9")
    await ended(mound, "deb_2", TEA)
    await mound.forgetter.forget(SCOPE, "usr_1", wish(By.PERSON, "usr_9"))
    assert await told(mound) == {"Tea coffee": 1}


async def test_debates_that_run_or_are_not_learnt_from_or_too_old_are_left_out(mound: Mound) -> None:
    await ended(mound, "deb_1", TEA, status=DebateStatus.ACTIVE)
    await ended(mound, "deb_2", TEA, noted=False)
    await ended(mound, "deb_3", TEA, 40.0)
    await ended(mound, "deb_4", TEA, 2.0, status=DebateStatus.FAILED)
    assert await told(mound) == {"Tea coffee": 1}
    assert await told(mound, days=1) == {}
    assert await told(mound, days=90) == {"Tea coffee": 2}


async def test_the_store_gives_the_newest_and_the_beginnings_of_their_questions(mound: Mound) -> None:
    for number in (1, 2, 3):
        await ended(mound, f"deb_{number}", f"{number}: {'微服务' * 2_000}", number)
    await ended(mound, "deb_4", TEA, 0.5, home=OTHER)
    await ended(mound, "deb_5", TEA, 0.5, home=STRANGERS)
    await ended(mound, "deb_6", TEA, 0.5, status=DebateStatus.ACTIVE)
    found = await DebateStore(mound.debates).asked(HOME.org_id, HOME.workspace, 0.0, 2, 5)
    assert found == [Asked("deb_1", "1: 微服"), Asked("deb_2", "2: 微服")]
    since = mound.clock.now() - 1.5 * DAY_S
    assert await DebateStore(mound.debates).asked(HOME.org_id, HOME.workspace, since, 9, 2) == [Asked("deb_1", "1:")]


async def test_notes_of_many_debates_are_found_by_their_ids(mound: Mound) -> None:
    notes = [Observation("q", "{}", f"deb_{number}", "", 1.0) for number in range(450)]
    async with mound.memory.writing() as connection:
        await keep(mound.memory, connection, HOME, pulse.NAME, notes)
    found = await Observations(mound.memory).of_debates(HOME, pulse.NAME, [one.debate_id for one in notes] + ["deb_x"])
    assert sorted(found, key=lambda one: one.debate_id) == sorted(notes, key=lambda one: one.debate_id)
    assert await Observations(mound.memory).of_debates(HOME, "belief", ["deb_1"]) == []


async def test_a_program_of_the_operators_is_told_it_too(mound: Mound) -> None:
    async with open_for_programs(settings=mound.settings) as km:
        mound.clock.at = km.now()
        await ended(mound, "deb_1", TEA, home=Home("local", "default"))
        found = await PulseAdapter(km, "default").trending(days=7, limit=1)
        assert [(one.name, one.debates) for one in found.topics] == [("Tea coffee", 1)]
        assert (await PulseAdapter(km, "other").trending()).topics == ()
