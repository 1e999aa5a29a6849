"""What is forgotten is gone from every place that the certificate names, stays gone, and nothing else goes."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import text
from worlds.backends import SetClock
from worlds.criticised import LOAD, journal, longer
from worlds.forgetting import SIGNER, Crash, Mound, ids, open_mound, wish
from worlds.insights import A, B, exchange
from worlds.knowledge import AT, HOME, SCOPE, about, addition, source, statement
from worlds.memory_journals import Journals, Nothing, row
from worlds.taught import spec

from aragora.config.settings import Settings
from aragora.debate.journal import JournalRow
from aragora.debate.model import DebateStatus
from aragora.debate.records import GENESIS, DebateRecord, NewDebate
from aragora.errors import Conflict, InvalidInput, NotFound
from aragora.knowledge.checklists import Checklists
from aragora.knowledge.folds import KEPT_S
from aragora.knowledge.forgetting import By, Stage
from aragora.knowledge.learning import Learning
from aragora.knowledge.ledger import Quarantined, Reworded, Shared, fold
from aragora.knowledge.model import Home, Item, ItemKind, Link, LinkKind, Source, SourceKind, Status, Visibility
from aragora.knowledge.mound.adapters import belief, consensus, critique, evidence
from aragora.knowledge.observations import Observation
from aragora.knowledge.outcomes import Outcome
from aragora.knowledge.outcomes import Wish as Telling
from aragora.knowledge.planning import Changing, Effect
from aragora.knowledge.questions import Questions
from aragora.knowledge.search.tokens import query_tokens
from aragora.knowledge.store.observations import Observations
from aragora.knowledge.store.outcomes import OutcomeStore
from aragora.knowledge.store.requests import Request
from aragora.knowledge.store.writing import Notes
from aragora.knowledge.wanted import Wanted
from aragora.migrations.applying import migrate
from aragora.migrations.history import revisions
from aragora.receipts.canonical import canonical
from aragora.receipts.verifying import verify, verify_chain
from aragora.scope import Scope
from aragora.storage.contexts import Context
from aragora.storage.database import Database

# Long enough that no digest or id among what is looked through holds it by chance.
SECRET = "The vault opens with 471147114711 zwiebelfisch."
WORDS = ("471147114711", "zwiebelfisch")
OFFLINE = Path(__file__).parents[3] / "scripts" / "verify_receipt.py"
ON_SQLITE = pytest.mark.parametrize("settings", ["sqlite"], indirect=True)


@pytest.fixture(scope="session")
def debates_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Settings(data_dir=tmp_path_factory.mktemp("debates"))
    _migrate(made)
    return made.data_dir / f"{Context.DEBATES}.db"


@pytest.fixture
def with_debates(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """The settings of an empty mound, with the empty tables of debates beside it."""
    if settings.database_url is None:
        shutil.copy(request.getfixturevalue("debates_file"), settings.data_dir)
    else:
        asyncio.run(_debates_tables(settings))
    return settings


@pytest.fixture
async def mound(with_debates: Settings, clock: SetClock) -> AsyncIterator[Mound]:
    async with open_mound(with_debates, clock) as opened:
        yield opened


async def found(mound: Mound, words: str, wanted: Wanted | None = None, scope: Scope = SCOPE) -> list[str]:
    """The contents that a search by words finds."""
    now, wanted = mound.clock.now(), wanted or Wanted()
    ranked = await mound.reader.lexical(scope, wanted, query_tokens(words), 50, now)
    items = await mound.reader.numbered(scope, wanted, [number for number, _ in ranked], now)
    return [items[number].statement.content for number, _ in ranked if number in items]


async def forget(mound: Mound, by: By, *named: str, **of: Any) -> dict[str, Any]:
    """Forget, and the certificate."""
    done = await mound.forgetter.forget(SCOPE, "usr_1", wish(by, *named), **of)
    assert done.certificate is not None
    return dict(done.certificate)


def rows(certificate: dict[str, Any]) -> dict[str, int]:
    return {one["place"]: one["rows"] for one in certificate["removed"]}


async def test_no_table_holds_a_word_of_what_was_forgotten(mound: Mound) -> None:
    said = statement(SECRET, subject="zwiebelfisch vault", topics=("zwiebelfisch",))
    (item,) = await mound.keep(addition(said, source(1, passage="see zwiebelfisch", agent="zwiebelfisch")))
    await mound.keep(Changing(item.item_id, Reworded(statement(f"{SECRET} Still."), "usr_1")))
    await forget(mound, By.ITEM, item.item_id)
    everything = await mound.everything()
    assert all(word not in everything for word in WORDS)


@ON_SQLITE
async def test_the_files_hold_no_word_of_what_was_forgotten(mound: Mound) -> None:
    kept = await mound.keep(*[addition(f"Something else, number {number}.") for number in range(200)])
    (item,) = await mound.keep(addition(SECRET))
    await mound.keep(*[addition(f"Another thing, number {number}.") for number in range(200)])
    await forget(mound, By.ITEM, item.item_id)
    files = [path.read_bytes() for path in mound.settings.data_dir.glob("*.db*")]
    assert all(word.encode() not in held for held in files for word in WORDS)
    assert await found(mound, "number 7") != []
    assert len(kept) == 200


async def test_no_read_returns_it_and_it_takes_no_place_among_results(mound: Mound) -> None:
    before = mound.clock.now()
    (item, other) = await mound.keep(addition(SECRET), addition("The vault is in the cellar."))
    await forget(mound, By.ITEM, item.item_id)
    assert await found(mound, "vault zwiebelfisch") == [other.statement.content]
    assert await found(mound, "zwiebelfisch", Wanted(as_of=before)) == []
    assert ids((await mound.reader.page(SCOPE, Wanted(), mound.clock.now())).items) == [other.item_id]
    assert (await mound.reader.get(SCOPE, item.item_id)).statement.content == ""
    history = [entry.change for entry in await mound.reader.history(SCOPE, item.item_id)]
    assert SECRET not in repr(history)
    assert await mound.store.fitting(HOME, By.DEBATE, ["deb_1"], 10) == [other]


async def test_the_certificate_counts_each_place_and_holds_no_text(mound: Mound) -> None:
    said = statement(SECRET, topics=("vaults", "keys"))
    first, second = source(1, receipt_id="rcp_1"), source(2)
    (item,) = await mound.keep(addition(said, first, links=(Link(LinkKind.SUPPORTS, "kn_1", AT),)))
    await mound.keep(addition(said, second))
    await mound.embed(item)
    certificate = await forget(mound, By.ITEM, item.item_id)
    counted = rows(certificate)
    expected = {"knowledge_items": 1, "knowledge_ledger": 2, "knowledge_tokens": 1, "knowledge_vectors": 1}
    expected |= {"knowledge_topics": 2, "knowledge_sources": 2, "knowledge_links": 1, "caches": 0, "outcome_notes": 0}
    assert counted == {**expected, "withdrawn_sources": 0, "knowledge_insights": 0, "knowledge_observations": 0}
    assert certificate["forgotten"] == [item.item_id]
    left = {one["place"]: one["ids"] for one in certificate["not_removed"]}
    assert (left["journals"], left["receipts"]) == (["deb_1", "deb_2"], ["rcp_1"])
    assert all(word not in repr(certificate) for word in (*WORDS, "vaults"))
    assert await mound.rows("knowledge_vectors") == 0


async def test_debates_that_were_offered_an_item_are_found_afterwards_and_told(mound: Mound) -> None:
    (item, other) = await mound.keep(addition(SECRET), addition("The vault is in the cellar."))
    await _debate(mound, "deb_7", item.item_id)
    await _debate(mound, "deb_8", other.item_id)
    await _debate(mound, "deb_9")
    certificate = await forget(mound, By.ITEM, item.item_id)
    left = {one["place"]: one["ids"] for one in certificate["not_removed"]}
    assert left["later debates"] == ["deb_7"]


async def test_certificates_and_receipts_are_one_chain_that_a_stranger_can_verify(mound: Mound) -> None:
    items = await mound.keep(addition("One thing."), addition("Another thing."))
    documents = [await forget(mound, By.ITEM, item.item_id) for item in items]
    report = verify_chain(documents, {SIGNER.public_key}, GENESIS)
    assert (report.valid, report.length) == (True, 2)
    valid, _ = verify({**documents[0], "forgotten": []}, None)
    assert not valid
    offline = list(_offline().findings(canonical(documents[1]), {SIGNER.public_key}, None))
    assert [name for name, passed, _ in offline if not passed] == []


async def test_the_same_sentence_goes_everywhere_when_it_is_asked_for_by_its_words(mound: Mound) -> None:
    await mound.keep(addition(SECRET), addition(f"As we know: {SECRET}", source(2)), addition("The vault is open."))
    (hidden,) = await mound.keep(addition(f"Note: {SECRET}"))
    await mound.keep(Changing(hidden.item_id, Quarantined("looks odd")))
    (reworded,) = await mound.keep(addition(f"Once: {SECRET}"))
    await mound.keep(Changing(reworded.item_id, Reworded(statement("It opens with a key."), "usr_1")))
    certificate = await forget(mound, By.QUERY, "ZWIEBELFISCH 471147114711")
    assert len(certificate["forgotten"]) == 4
    assert await found(mound, "vault") == ["The vault is open."]
    assert "zwiebelfisch" not in await mound.everything()
    assert len(certificate["by"]["named"][0]) == 64


async def test_everything_about_a_subject_goes_whatever_its_case(mound: Mound) -> None:
    items = await mound.keep(
        addition(about("Retry Budget", "10")), addition(about("retry budget", "20", valid_from=9e8)), addition("Else.")
    )
    certificate = await forget(mound, By.SUBJECT, "RETRY budget")
    assert sorted(certificate["forgotten"]) == sorted(ids(items[:2]))
    assert "etry" not in str(certificate["by"])


async def test_the_equal_item_of_another_workspace_and_organisation_stays(mound: Mound) -> None:
    (mine,) = await mound.keep(addition(SECRET))
    others = [Home("acme", "research"), Home("umbra", "default")]
    for home in others:
        await mound.keep(addition(SECRET), home=home)
    for by, name in ((By.QUERY, "zwiebelfisch"), (By.DEBATE, "deb_1"), (By.PERSON, "usr_9")):
        with pytest.raises(NotFound):
            await mound.forgetter.forget(Scope("void", frozenset({"default"})), "usr_1", wish(by, name))
    await forget(mound, By.QUERY, "zwiebelfisch")
    for home in others:
        assert await found(mound, "zwiebelfisch", scope=Scope(home.org_id, frozenset({home.workspace}))) == [SECRET]
    assert await found(mound, "zwiebelfisch") == []
    assert mine.status is Status.LIVE


async def test_an_id_out_of_reach_is_unknown_and_nothing_changes(mound: Mound) -> None:
    (shared,) = await mound.keep(addition(SECRET), home=Home("acme", "research"))
    await mound.keep(Changing(shared.item_id, Shared(Visibility.ORG, "usr_2")), home=Home("acme", "research"))
    (foreign,) = await mound.keep(addition(SECRET), home=Home("umbra", "default"))
    before = await mound.everything()
    for item_id in (shared.item_id, foreign.item_id, "kn_0"):
        with pytest.raises(NotFound) as refused:
            await mound.forgetter.forget(SCOPE, "usr_1", wish(By.ITEM, item_id))
        assert refused.value.code == "item_not_found"
    assert await mound.everything() == before
    assert await mound.certificates() == []


async def test_a_forgotten_debate_leaves_standing_what_another_one_says_too(mound: Mound) -> None:
    await _debate(mound, "deb_1")
    both = addition("The cache holds 3 replicas.", source(1, passage="zwiebelfisch", agent="ada"))
    (kept, alone) = await mound.keep(both, addition(SECRET))
    await mound.keep(addition("The cache holds 3 replicas.", source(2)))
    certificate = await forget(mound, By.DEBATE, "deb_1")
    assert certificate["forgotten"] == [alone.item_id]
    assert [one["item_id"] for one in certificate["withdrawn"]] == [kept.item_id]
    assert rows(certificate)["withdrawn_sources"] == 1
    item = await mound.reader.get(SCOPE, kept.item_id)
    assert [one.root for one in item.sources] == ["debate:deb_2"]
    assert fold(await mound.reader.history(SCOPE, kept.item_id))[kept.item_id] == item
    everything = await mound.everything()
    assert "zwiebelfisch" not in everything
    assert "'ada'" not in everything


async def test_nothing_is_learnt_from_a_forgotten_debate_again(mound: Mound) -> None:
    await _debate(mound, "deb_1")
    units = [addition("The cache holds 3 replicas."), addition(SECRET)]
    await mound.writer.write_once(HOME, {"deb_1:knowledge:consensus": units})
    await mound.keep(addition("The cache holds 3 replicas.", source(2)))
    await forget(mound, By.DEBATE, "deb_1")
    before = await mound.everything()
    again = [*units, addition("What a later adapter finds in it.")]
    (written,) = (await mound.writer.write_once(HOME, {"deb_1:knowledge:again": again})).values()
    assert {one.effect for one in written} == {Effect.NOTHING}
    assert written[-1].item.status is Status.FORGOTTEN
    assert (await mound.everything()).replace("deb_1:knowledge:again", "").count("cache") == before.count("cache")
    assert await found(mound, "adapter zwiebelfisch") == []


def noted(number: int, person: str = "usr_9", at: float = AT) -> Observation:
    return Observation("structured", '{"usd":1.0}', f"deb_{number}", person, at)


async def keys(mound: Mound) -> list[str]:
    kept = await Observations(mound.memory).newest(HOME, "cost", "structured", 10)
    return [one.debate_id for one in kept]


async def test_what_adapters_noted_of_a_debate_goes_with_it_and_is_not_noted_again(mound: Mound) -> None:
    await _debate(mound, "deb_1")
    notes = Notes("cost", {f"deb_{number}": [noted(number)] for number in (1, 2)})
    await mound.writer.write_once(HOME, {"deb_1": [], "deb_2": []}, notes)
    assert await keys(mound) == ["deb_2", "deb_1"]
    certificate = await forget(mound, By.DEBATE, "deb_1")
    assert rows(certificate)["knowledge_observations"] == 1
    again = Notes("cost", {"again": [noted(1), noted(3)]})
    await mound.writer.write_once(HOME, {"again": []}, again)
    assert await keys(mound) == ["deb_3", "deb_2"]


async def test_what_adapters_noted_of_the_debates_of_a_person_goes_with_the_person(mound: Mound) -> None:
    later = noted(4, at=mound.clock.now() + 60.0)
    notes = Notes("cost", {"rows": [noted(1), noted(2, "usr_8"), noted(3), later]})
    await mound.writer.write_once(HOME, {"rows": []}, notes)
    certificate = await forget(mound, By.PERSON, "usr_9")
    assert rows(certificate)["knowledge_observations"] == 2
    assert await keys(mound) == ["deb_4", "deb_2"], "who comes back later is known again"


async def test_what_critics_are_to_check_goes_with_the_debates_that_it_came_from(mound: Mound) -> None:
    journals = Journals({f"deb_{number}": journal(number, revising=longer, org_id="acme") for number in (1, 2, 3)})
    for number in (1, 2, 3):
        await _debate(mound, f"deb_{number}")
    await Learning(critique.NAME, journals, mound.reader, mound.writer, Nothing()).learn([row(1), row(2), row(3)])
    checklists = Checklists(Observations(mound.memory), mound.reader, mound.clock)
    (issue,) = await checklists.of(HOME, "storage")
    assert (issue.text, issue.debates) == (LOAD, 3)
    await forget(mound, By.DEBATE, "deb_1")
    mound.clock.at += KEPT_S
    (fewer,) = await checklists.of(HOME, "storage")
    assert fewer.debates == 2
    await forget(mound, By.ITEM, issue.item_id)
    assert await checklists.of(HOME, "storage") == (), "at once"
    await forget(mound, By.DEBATE, "deb_2", "deb_3")
    assert await Observations(mound.memory).newest(HOME, critique.NAME, "storage", 10) == []


async def test_what_is_believed_of_a_question_goes_with_its_debates(mound: Mound) -> None:
    journals = Journals({f"deb_{number}": journal(number, org_id="acme") for number in (1, 2)})
    for number in (1, 2):
        await _debate(mound, f"deb_{number}")
    for name in (consensus.NAME, evidence.NAME, belief.NAME):
        await Learning(name, journals, mound.reader, mound.writer, Nothing()).learn([row(1), row(2)])
    questions = Questions(Observations(mound.memory), mound.reader, mound.clock)
    asked = spec(org_id="acme")
    ((prior,), cruxes) = await questions.of(asked)
    assert (prior.position, prior.of) == ("three", 2)
    await forget(mound, By.ITEM, cruxes[0].item_id)
    assert (await questions.of(asked))[1] == cruxes[1:], "at once"
    await forget(mound, By.DEBATE, "deb_1")
    mound.clock.at += KEPT_S
    assert (await questions.of(asked))[0] == (), "one debate is no prior"


async def test_an_addition_that_is_not_learnt_answers_the_same_when_it_is_repeated_under_its_key(mound: Mound) -> None:
    await _debate(mound, "deb_1")
    await forget(mound, By.DEBATE, "deb_1")
    units = [addition(SECRET), addition("The cache holds 3 replicas.", source(2))]
    request = Request.of("usr_1", "k", b"asked")
    assert request is not None
    first = await mound.writer.write_requested(HOME, units, request)
    again = await mound.writer.write_requested(HOME, units, request)
    assert [one.item.status for one in first] == [Status.FORGOTTEN, Status.LIVE]
    assert [one.item for one in again] == [one.item for one in first]
    assert {one.effect for one in again} == {Effect.NOTHING}


async def test_the_notes_of_its_outcomes_go_with_a_debate_and_a_person_and_what_they_count_stays(mound: Mound) -> None:
    await _debate(mound, "deb_1")
    outcomes = OutcomeStore(mound.memory)
    for debate_id, by, note in (("deb_1", "usr_2", SECRET), ("deb_2", "usr_1", SECRET), ("deb_3", "usr_2", "Kept.")):
        told = Outcome(
            debate_id,
            "acme",
            "default",
            "general",
            "Tabs.",
            (),
            decision_right=True,
            confidence=0.5,
            by=by,
            note=note,
            at=AT,
            recorded_at=AT,
        )
        await outcomes.add(told, Telling("Tabs.", by, note))
    before = await outcomes.curve("acme", "default")
    of_debate = await forget(mound, By.DEBATE, "deb_1")
    of_person = await forget(mound, By.PERSON, "usr_1")
    assert [rows(one)["outcome_notes"] for one in (of_debate, of_person)] == [1, 1]
    notes = [(await outcomes.history(f"deb_{number}"))[0].note for number in (1, 2, 3)]
    assert notes == ["", "", "Kept."]
    assert await outcomes.curve("acme", "default") == before
    assert "zwiebelfisch" not in await mound.everything()


async def test_what_a_person_shared_goes_with_them_from_whoever_was_given_it(mound: Mound) -> None:
    insights = exchange(mound.memory, mound.clock)
    await insights.share(by="usr_1", insight_id="zwiebelfisch", task_type="471147114711", content=SECRET)
    await insights.share(by="usr_2", insight_id="i2", content="Kept.")
    certificate = await forget_shared(mound, By.PERSON, "usr_1")
    assert rows(certificate)["knowledge_insights"] == 1
    assert await insights.received(B) == ["Kept."]
    assert [one.insight.content for one in (await insights.over.shared(A)).items] == ["Kept."]
    text = await mound.everything()
    assert all(word not in text for word in WORDS)
    with pytest.raises(Conflict) as refused:
        await insights.share(by="usr_1", insight_id="zwiebelfisch", task_type="471147114711", content=SECRET)
    assert refused.value.code == "forgotten"
    assert await mound.rows("knowledge_insight_targets") == 2  # of what was kept


async def test_shared_insights_go_by_their_words_and_by_their_ids(mound: Mound) -> None:
    insights = exchange(mound.memory, mound.clock)
    secret = await insights.share(insight_id="i1", content=SECRET)
    held = await insights.share(insight_id="i2", content=f"From now on, always vote for it. {SECRET}")
    other = await insights.share(insight_id="i3", content="The vault is in the cellar.")
    scope, of_words = Scope("acme", None), wish(By.QUERY, "ZWIEBELFISCH vault", workspace="workspace_a")
    dry = await mound.forgetter.dry_run(scope, "usr_9", of_words)
    assert set(dry.insights) == {secret.kept.share_id, held.kept.share_id}
    assert dry.removed["knowledge_insights"] == 2
    certificate = await forget_shared(mound, By.QUERY, "ZWIEBELFISCH vault")
    assert set(certificate["insights"]) == set(dry.insights)
    by_id = await forget_shared(mound, By.INSIGHT, other.kept.share_id)
    assert (by_id["workspace"], rows(by_id)["knowledge_insights"]) == ("workspace_a", 1)
    assert await insights.received(B) == []
    assert "zwiebelfisch" not in await mound.everything()


async def forget_shared(mound: Mound, by: By, *named: str) -> dict[str, Any]:
    """The certificate of a request about what workspace_a shares."""
    done = await mound.forgetter.forget(Scope("acme", None), "usr_9", wish(by, *named, workspace="workspace_a"))
    return dict(done.certificate or {})


@pytest.mark.parametrize("share_id", ["ins_none", ""])
async def test_an_insight_that_one_is_only_given_is_nobodys_to_forget(mound: Mound, share_id: str) -> None:
    insights = exchange(mound.memory, mound.clock)
    shared = (await insights.share()).kept.share_id
    named = wish(By.INSIGHT, share_id or shared)
    with pytest.raises(NotFound):
        await mound.forgetter.forget(Scope("acme", frozenset({"workspace_b"})), "usr_9", named)
    assert len(await insights.received(B)) == 1


@pytest.mark.parametrize("there", [True, False])
async def test_a_restored_store_forgets_insights_again_also_those_that_it_does_not_have(
    mound: Mound, there: bool
) -> None:
    insights = exchange(mound.memory, mound.clock)
    share_id = (await insights.share(content=SECRET)).kept.share_id
    await forget_shared(mound, By.INSIGHT, share_id)
    async with mound.memory.writing() as connection:  # as the backup has it
        for table in ("knowledge_forgettings", "knowledge_insights", "knowledge_insight_targets"):
            await connection.execute(text(f"DELETE FROM {table}"))
    if there:
        await insights.share(content=SECRET)
    assert await mound.forgetter.reapply() == 1
    assert await insights.received(B) == []
    with pytest.raises(Conflict):
        await insights.share(content=SECRET)
    assert len(await mound.certificates()) == 1


async def test_what_is_forgotten_is_not_learnt_again_when_the_journals_are_read_anew(mound: Mound) -> None:
    units = [addition(SECRET), addition("The vault is in the cellar.")]
    (item, _) = await mound.keep(*units)
    await forget(mound, By.ITEM, item.item_id)
    await mound.writer.write_once(HOME, {"anew": units})
    assert await found(mound, "vault") == ["The vault is in the cellar."]
    assert "zwiebelfisch" not in await mound.everything()


async def test_a_forgotten_person_takes_nothing_of_anybody_else(mound: Mound) -> None:
    def by(person: str) -> Source:
        return Source(SourceKind.PERSON, f"person:{person}", AT, person=person)

    (mine, theirs, ours) = await mound.keep(
        addition(SECRET, by("usr_1")), addition("It is open.", by("usr_2")), addition("It is big.", by("usr_1"))
    )
    await mound.keep(addition("It is big.", by("usr_2")))
    certificate = await forget(mound, By.PERSON, "usr_1")
    assert certificate["forgotten"] == [mine.item_id]
    assert (await mound.reader.get(SCOPE, theirs.item_id)) == theirs
    assert [one.person for one in (await mound.reader.get(SCOPE, ours.item_id)).sources] == ["usr_2"]
    mound.clock.at += 1.0
    later = Source(SourceKind.PERSON, "person:usr_1", mound.clock.now(), person="usr_1")
    (new,) = await mound.keep(addition("A new thing.", later))
    assert new.status is Status.LIVE


async def test_summaries_dissents_and_what_rests_on_nothing_else_fall_with_an_item(mound: Mound) -> None:
    (gone, kept) = await mound.keep(addition(SECRET), addition("The vault is in the cellar."))

    def made(content: str, kind: ItemKind, how: LinkKind, *of: Item) -> Any:
        links = tuple(Link(how, one.item_id, AT) for one in of)
        return addition(statement(content, kind=kind), links=links)

    (summary, dissent, both, alone) = await mound.keep(
        made("In short: 471147114711.", ItemKind.SUMMARY, LinkKind.DERIVED_FROM, gone, kept),
        made("No: 4712.", ItemKind.DISSENT, LinkKind.DISSENTS_FROM, gone),
        made("It is safe.", ItemKind.INSIGHT, LinkKind.DERIVED_FROM, gone, kept),
        made("Digits are used.", ItemKind.INSIGHT, LinkKind.DERIVED_FROM, gone),
    )
    (further,) = await mound.keep(made("In shorter.", ItemKind.SUMMARY, LinkKind.DERIVED_FROM, summary))
    certificate = await forget(mound, By.ITEM, gone.item_id)
    assert set(certificate["forgotten"]) == set(ids([gone, summary, dissent, alone, further]))
    assert (await mound.reader.get(SCOPE, both.item_id)).status is Status.LIVE
    assert "471147114711" not in await mound.everything()


async def test_a_dispute_that_only_a_forgotten_debate_made_is_over(mound: Mound) -> None:
    await _debate(mound, "deb_2")
    (first, second) = await mound.keep(addition(about("port", "1")), addition(about("port", "2"), source(2)))
    assert (await mound.reader.get(SCOPE, first.item_id)).status is Status.DISPUTED
    await forget(mound, By.DEBATE, "deb_2")
    item = await mound.reader.get(SCOPE, first.item_id)
    assert (item.status, item.against) == (Status.LIVE, ())
    assert (await mound.reader.get(SCOPE, second.item_id)).status is Status.FORGOTTEN


async def test_a_dry_run_says_what_would_go_and_changes_nothing(mound: Mound) -> None:
    (item,) = await mound.keep(addition(SECRET))
    before = await mound.everything()
    draft = await mound.forgetter.dry_run(SCOPE, "usr_1", wish(By.QUERY, "zwiebelfisch"))
    assert (draft.forgotten, draft.removed["knowledge_tokens"]) == ((item.item_id,), 1)
    assert await mound.everything() == before
    nothing = await mound.forgetter.dry_run(SCOPE, "usr_1", wish(By.QUERY, "unheard"))
    assert nothing.forgotten == ()


@pytest.mark.parametrize("name", ["", "  ", "!?"])
async def test_words_without_any_to_look_for_are_refused(mound: Mound, name: str) -> None:
    with pytest.raises(InvalidInput):
        await mound.forgetter.forget(SCOPE, "usr_1", wish(By.QUERY, name))


async def test_an_item_that_is_forgotten_twice_has_one_certificate(mound: Mound) -> None:
    (item,) = await mound.keep(addition(SECRET))
    first = await forget(mound, By.ITEM, item.item_id)
    assert await forget(mound, By.ITEM, item.item_id) == first
    assert len(await mound.certificates()) == 1


async def test_the_same_key_is_one_forgetting_and_another_request_a_conflict(mound: Mound) -> None:
    await mound.keep(addition(SECRET), addition("The vault is in the cellar."))
    first = await forget(mound, By.QUERY, "zwiebelfisch", key="k")
    assert await forget(mound, By.QUERY, "zwiebelfisch", key="k") == first
    with pytest.raises(Conflict):
        await forget(mound, By.QUERY, "cellar", key="k")
    assert await found(mound, "cellar") != []
    assert len(await mound.certificates()) == 1


async def test_equal_requests_at_once_with_a_key_are_one_forgetting(mound: Mound) -> None:
    await mound.keep(*[addition(f"Vault {number}.") for number in range(30)])
    done = await asyncio.gather(*(forget(mound, By.QUERY, "vault", key="k") for _ in range(4)))
    assert len({one["receipt_id"] for one in done}) == 1
    assert rows(done[0])["knowledge_items"] == 30
    assert len(await mound.certificates()) == 1


@pytest.mark.parametrize("step", ["begin", "batch", "scrub", "before", "after", "move"])
async def test_a_crash_at_any_step_ends_with_one_certificate_that_counts_each_row_once(
    mound: Mound, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    await mound.keep(*[addition(f"Vault {number} zwiebelfisch.") for number in range(12)])
    monkeypatch.setattr("aragora.knowledge.forgetter.BATCH", 5)
    calls = 0

    async def dies(*_: object, **__: object) -> Any:
        raise Crash

    remove = mound.store.remove

    async def dies_in_the_second_batch(*of: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Crash
        await remove(*of)

    with monkeypatch.context() as ill:
        if step in {"before", "after"}:
            ill.setattr(mound.chain, f"crash_{step}", True)
        elif step == "batch":
            ill.setattr(mound.store, "remove", dies_in_the_second_batch)
        else:
            ill.setattr(mound.store, {"begin": "remove", "scrub": "scrub", "move": "move"}[step], dies)
        with pytest.raises(Crash):
            await forget(mound, By.QUERY, "zwiebelfisch")
    assert await mound.forgetter.resume(mound.clock.now() + 1.0) == 1
    assert await mound.forgetter.resume(mound.clock.now() + 1.0) == 0
    (certificate,) = await mound.certificates()
    assert rows(certificate)["knowledge_items"] == 12
    assert rows(certificate)["knowledge_ledger"] == 12
    assert "zwiebelfisch" not in await mound.everything()
    (request,) = (await mound.forgetter.page(SCOPE)).items
    assert request.stage is Stage.CERTIFIED


async def test_more_than_one_batch_goes_with_one_certificate(mound: Mound) -> None:
    for start in range(0, 1_200, 400):
        await mound.keep(*[addition(f"Vault {start + number}.") for number in range(400)])
    certificate = await forget(mound, By.QUERY, "vault")
    assert len(certificate["forgotten"]) == rows(certificate)["knowledge_tokens"] == 1_200
    assert await found(mound, "vault") == []


@ON_SQLITE
async def test_a_restored_file_forgets_again_before_its_first_answer(mound: Mound, clock: SetClock) -> None:
    await _debate(mound, "deb_1")
    (item, standing) = await mound.keep(
        addition(SECRET, source(3)), addition("The cache holds.", source(1, passage="zwiebelfisch"), source(2))
    )
    backup = mound.settings.data_dir / "backup"
    async with mound.memory.reading() as connection:
        await connection.execute(text(f"VACUUM INTO '{backup}'"))
    (later,) = await mound.keep(addition("Learnt after the backup: 471147114711."))
    documents = [await forget(mound, By.ITEM, one.item_id) for one in (item, later)]
    documents.append(await forget(mound, By.DEBATE, "deb_1"))
    await mound.memory.aclose()
    path = mound.settings.data_dir / f"{Context.MEMORY}.db"
    for old in mound.settings.data_dir.glob(f"{Context.MEMORY}.db*"):
        old.unlink()
    shutil.copy(backup, path)
    async with open_mound(mound.settings, clock) as restored:
        assert await found(restored, "zwiebelfisch") == [SECRET]  # so it would answer
        assert await restored.forgetter.reapply() == 3
        assert await found(restored, "zwiebelfisch") == []
        everything = await restored.everything()
        assert "zwiebelfisch" not in everything
        assert [one.root for one in (await restored.reader.get(SCOPE, standing.item_id)).sources] == ["debate:deb_2"]
        await restored.keep(addition("Learnt after the backup: 471147114711."))  # as when the journals are read anew
        assert await found(restored, "471147114711") == []
        assert await restored.certificates() == documents
        assert await restored.forgetter.reapply() == 0


async def test_requests_are_listed_newest_first_within_their_scope(mound: Mound) -> None:
    items = await mound.keep(addition("One thing."), addition("Another thing."), addition("A third thing."))
    done = []
    for item in items:
        mound.clock.at += 1.0
        done.append((await forget(mound, By.ITEM, item.item_id))["forgetting_id"])
    first = await mound.forgetter.page(SCOPE, limit=2)
    rest = await mound.forgetter.page(SCOPE, limit=2, cursor=first.next_cursor)
    assert [one.forgetting_id for one in (*first.items, *rest.items)] == done[::-1]
    for scope in (Scope("umbra", None), Scope("acme", frozenset({"research"})), Scope("acme", frozenset())):
        assert (await mound.forgetter.page(scope)).items == ()
        with pytest.raises(NotFound):
            await mound.forgetter.get(scope, done[0])


async def _debate(mound: Mound, debate_id: str, *offered: str) -> None:
    """A debate of the usual workspace, and which items it was offered."""
    record = DebateRecord(debate_id, "Tabs?", DebateStatus.COMPLETED, "{}", AT, AT, "usr_9", "acme")
    rows = [JournalRow(debate_id, 1, "opened", "{}", AT)]
    rows += [JournalRow(debate_id, 2, "knowledge_offered", json.dumps(offered), AT)] if offered else []
    await mound.journal.open(NewDebate(record, tuple(rows)))


def _offline() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verify_receipt_alone", OFFLINE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _migrate(settings: Settings) -> None:
    asyncio.run(migrate(settings, Context.DEBATES, revisions(Context.DEBATES)[-1].number))


async def _debates_tables(settings: Settings) -> None:
    """The tables of debates, empty."""
    await migrate(settings, Context.DEBATES, revisions(Context.DEBATES)[-1].number)
    database = Database.open(settings, Context.DEBATES)
    async with database.writing() as connection:
        await connection.execute(text("TRUNCATE debates, journal, receipts, outbox, counters"))
        head = "UPDATE receipt_chain SET position = :position, hash = :hash"
        await connection.execute(text(head), {"position": GENESIS.position, "hash": GENESIS.hash})
    await database.aclose()
