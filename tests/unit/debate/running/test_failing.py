"""Debates that cannot go on: each ends as failed, says why, owes what it cost, and takes no other with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs
from worlds.logical_time import in_logical_time
from worlds.memory_engine import MemoryJournal, World, answer, spec
from worlds.waiting import eventually

from aragora.debate.journal import END, JournalRow
from aragora.debate.model import AgentRequest, AskKind, DebateStatus, Fallback, Proposal, Reply
from aragora.debate.records import ChainHead, Closed, Commit, Journaled
from aragora.debate.running.engine import Limits
from aragora.debate.running.recovery import IN_VAIN_MAX
from aragora.encoding import decode, decode_as
from aragora.errors import AragoraError, Conflict, Fenced, InvalidInput
from aragora.receipts.canonical import NotCanonical
from aragora.receipts.closing import USAGE, Closing, UsageDue
from aragora.receipts.signing import Signer


class SpoiledClosing(Closing):
    """Finds no receipt for some debates."""

    def __init__(self, *spoiled: str, error: Exception | None = None) -> None:
        super().__init__(Signer.from_seed(bytes(32)))
        self.spoiled = set(spoiled)
        self.error = error or NotCanonical("9007199254740993 exceeds safe integer domain")

    def conclude(self, journaled: Journaled, head: ChainHead, at: float) -> Closed:
        if journaled.state.spec.debate_id in self.spoiled:
            raise self.error
        return super().conclude(journaled, head, at)


class RefusingJournal(MemoryJournal):
    """Asks `refusal` about every commit, and raises what it gives."""

    def __init__(self, refusal: Callable[[Commit], Exception | None]) -> None:
        super().__init__()
        self.refusal = refusal
        self.refused = 0

    async def commit(self, commit: Commit) -> None:
        if (error := self.refusal(commit)) is not None:
            self.refused += 1
            raise error
        await super().commit(commit)


def silent(_: AgentRequest) -> Reply | None:
    return None


def of_debate(debate_id: str, error: Exception, types: Sequence[str] = ()) -> Callable[[Commit], Exception | None]:
    """Refuses the commits of one debate, or those with a row of `types`."""

    def refusal(commit: Commit) -> Exception | None:
        refused = commit.debate_id == debate_id and (not types or any(row.type in types for row in commit.rows))
        return error if refused else None

    return refusal


def usage_owed(world: World, debate_id: str) -> UsageDue:
    (row,) = [row for row in world.journal.outbox if row.debate_id == debate_id and row.topic == USAGE]
    return decode_as(row.payload, UsageDue)


def end_of(world: World, debate_id: str) -> dict[str, Any]:
    last = decode(world.journal.rows[debate_id][-1].payload)
    assert last["type"] == END
    return dict(last["data"])


def change(world: World, debate_id: str, seq: int, changed: Callable[[str], str]) -> None:
    row = world.journal.rows[debate_id][seq - 1]
    world.journal.rows[debate_id][seq - 1] = replace(row, payload=changed(row.payload))


def with_data(**changes: Any) -> Callable[[str], str]:
    def changed(payload: str) -> str:
        envelope = json.loads(payload)
        envelope["data"].update(changes)
        return json.dumps(envelope)

    return changed


async def under_way(*debate_ids: str) -> World:
    """Debates that have some answers, whose server then died."""
    world = World()
    world.agents.script = lambda request: answer(request) if request.ask.kind is AskKind.PROPOSE else None
    for debate_id in debate_ids:
        await world.engine.open(spec(debate_id))
    await eventually(lambda: all(world.journal.types(one).count("agent_message") == 4 for one in debate_ids))
    world.agents.script = answer
    return world


async def test_a_debate_without_a_canonical_receipt_ends_as_failed_and_its_neighbour_completes() -> None:
    world = World(limits=Limits(1, 5), closing=SpoiledClosing("deb_1"))
    await world.engine.open(spec("deb_1"))
    await world.engine.open(spec("deb_2"))
    with capture_logs() as logs:
        await world.ended("deb_1", "deb_2")
    assert world.journal.statuses == {"deb_1": DebateStatus.FAILED, "deb_2": DebateStatus.COMPLETED}
    end = end_of(world, "deb_1")
    assert "NotCanonical" in end["reason"]
    assert end["cost_usd"] == pytest.approx(end_of(world, "deb_2")["cost_usd"])
    assert usage_owed(world, "deb_1").agents == usage_owed(world, "deb_2").agents
    assert (
        world.journal.counters["aragora_debates_failed"] == world.journal.counters["aragora_debates_broken_total"] == 1
    )
    told = [line["reason"] for line in logs if (line["event"], line["debate_id"]) == ("debate failed", "deb_1")]
    assert told == [end["reason"]]
    errors = [line for line in logs if line["log_level"] == "error"]
    assert [(line["debate_id"], isinstance(line["exc_info"], NotCanonical)) for line in errors] == [("deb_1", True)]
    assert [row.type for row in world.published.rows if row.debate_id == "deb_1"][-1] == END
    assert "deb_1" in world.agents.withdrawn
    assert await world.engine.drain(5.0) == 0
    with pytest.raises(Conflict):
        await world.engine.cancel("deb_1", "ann")


@in_logical_time
async def test_recovery_meets_a_debate_without_a_receipt_the_same_way() -> None:
    world = World()
    world.agents.script = lambda request: answer(request) if request.ask.kind is not AskKind.VOTE else None
    await world.engine.open(spec())
    await eventually(lambda: world.journal.types("deb_1").count("critique") == 36)
    world.closing = SpoiledClosing("deb_1")
    world.agents.script = answer
    with capture_logs():
        await world.restart().recover(lambda _: True)
        await world.ended("deb_1")
    assert world.journal.statuses["deb_1"] is DebateStatus.FAILED


async def test_a_debate_that_breaks_while_agents_are_asked_tells_the_accounts_how_many() -> None:
    world = World(journal=RefusingJournal(of_debate("deb_1", ValueError("no"), ["user_vote"])))
    world.agents.script = silent
    await world.engine.open(spec())
    await eventually(lambda: len(world.agents.asked) == 4)
    with capture_logs(), pytest.raises(AragoraError):
        await world.engine.vote("deb_1", "eve", "ann", 5, "v1")
    await world.ended("deb_1")
    assert world.journal.cut_off == {"deb_1": 4}


@pytest.mark.parametrize(
    "error",
    [
        InvalidInput("the database cannot hold one of its values"),
        ValueError("embedded null byte"),
        OverflowError("Python int too large to convert to SQLite INTEGER"),
        UnicodeEncodeError("utf-8", "\ud83d", 0, 1, "surrogates not allowed"),
        TypeError("a defect"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_any_error_of_a_write_ends_the_debate_and_answers_those_who_wait(error: Exception) -> None:
    world = World(journal=RefusingJournal(of_debate("deb_1", error, ["user_vote"])))
    world.agents.script = silent
    await world.engine.open(spec("deb_1"))
    await world.engine.open(spec("deb_2"))
    with capture_logs(), pytest.raises(AragoraError):
        await world.engine.vote("deb_1", "eve", "ann", 5, "v1")
    await world.ended("deb_1")
    assert world.journal.statuses["deb_1"] is DebateStatus.FAILED
    assert world.journal.refused == 1  # type: ignore[attr-defined]
    assert await world.engine.vote("deb_2", "eve", "ann", 5, "v1")
    assert world.engine.load().active == 1


async def test_the_usage_of_answers_that_were_not_written_is_owed_as_well() -> None:
    world = World(journal=RefusingJournal(of_debate("deb_1", ValueError("no"), ["agent_message"])))
    await world.engine.open(spec())
    with capture_logs():
        await world.ended("deb_1")
    assert "agent_message" not in world.journal.types("deb_1")
    assert sum(part.answers for part in usage_owed(world, "deb_1").agents) > 0
    assert end_of(world, "deb_1")["cost_usd"] > 0


async def test_an_end_whose_usage_the_store_refuses_is_written_without_it() -> None:
    def refusal(commit: Commit) -> Exception | None:
        broken = any(row.type == "agent_message" for row in commit.rows) or bool(commit.outbox)
        return ValueError("refused") if broken else None

    world = World(journal=RefusingJournal(refusal))
    await world.engine.open(spec())
    with capture_logs() as logs:
        await world.ended("deb_1")
    assert world.journal.outbox == []
    assert "the usage of a failed debate cannot be written" in [line["event"] for line in logs]


async def test_a_debate_of_which_not_even_the_end_can_be_written_is_set_aside_and_seen() -> None:
    world = World(journal=RefusingJournal(of_debate("deb_1", ValueError("refused"), ["agent_message", END])))
    await world.engine.open(spec("deb_1"))
    await world.engine.open(spec("deb_2"))
    with capture_logs() as logs:
        await world.ended("deb_2")
        await eventually(lambda: world.engine.load().set_aside == 1)
        await eventually(lambda: world.journal.counters["aragora_debates_set_aside_total"] == 1)
    assert "a debate is set aside: not even its end can be written" in [line["event"] for line in logs]
    refused = world.journal.refused  # type: ignore[attr-defined]
    assert refused == 3  # the answers, the end with its usage, the end without: no loop
    assert world.engine.load().active == 0
    with pytest.raises(Conflict) as told:
        await world.engine.cancel("deb_1", "ann")
    assert told.value.code == "debate_set_aside"


@in_logical_time
async def test_a_journal_that_is_read_anew_without_progress_pauses_and_ends_as_failed() -> None:
    fenced = Fenced("the journal goes on otherwise")
    world = World(journal=RefusingJournal(of_debate("deb_1", fenced, ["agent_message"])))
    pauses: list[int] = []
    world.pause_s = lambda attempt: pauses.append(attempt) or 0.5  # type: ignore[func-returns-value]
    world.restart()
    await world.engine.open(spec("deb_1"))
    with capture_logs():
        await world.ended("deb_1")
    assert world.journal.refused == IN_VAIN_MAX + 1  # type: ignore[attr-defined]
    assert pauses == list(range(1, IN_VAIN_MAX))
    assert world.journal.statuses["deb_1"] is DebateStatus.FAILED
    assert "took nothing more" in end_of(world, "deb_1")["reason"]


async def test_an_error_in_a_turn_breaks_the_debate_off_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    from aragora.debate import machine

    advance = machine.advance

    def spoiled(state: Any, timing: Any) -> Any:
        if state.spec.debate_id == "deb_1" and state.answers:
            raise KeyError("a defect")
        return advance(state, timing)

    monkeypatch.setattr(machine, "advance", spoiled)
    await world.engine.open(spec("deb_1"))
    await world.engine.open(spec("deb_2"))
    with capture_logs():
        await world.ended("deb_1", "deb_2")
    assert world.journal.statuses == {"deb_1": DebateStatus.FAILED, "deb_2": DebateStatus.COMPLETED}


async def test_an_error_of_a_follower_breaks_off_only_what_has_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    publish = world.published.publish

    def spoiled(rows: Sequence[JournalRow]) -> None:
        publish(rows)
        if rows[-1].type == END and len(world.published.rows) > 2:
            raise KeyError("a defect")

    monkeypatch.setattr(world.published, "publish", spoiled)
    await world.engine.open(spec("deb_1"))
    with capture_logs():
        await world.ended("deb_1")
        assert await world.engine.drain(5.0) == 0
    assert world.journal.types("deb_1").count(END) == 1
    assert world.journal.statuses["deb_1"] is DebateStatus.COMPLETED


DAMAGES: dict[str, Callable[[str], str]] = {
    "null_for_a_text": with_data(agent=None),
    "text_for_a_number": with_data(confidence="sure"),
    "a_type_of_a_newer_version": lambda payload: payload.replace('"agent_message"', '"agent_dream"'),
    "cut_off": lambda payload: payload[: len(payload) // 2],
    "empty": lambda _: "",
    "no_object": lambda _: "[]",
    "no_utf8": lambda payload: payload[:90] + "\udcff" + payload[91:],
    "another_seq": lambda payload: payload.replace('"seq":', '"seq":9'),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_a_row_that_cannot_be_read_ends_its_debate_and_the_others_go_on(damage: Callable[[str], str]) -> None:
    world = await under_way("deb_1", "deb_2", "deb_3")
    change(world, "deb_2", 4, damage)
    with capture_logs() as logs:
        assert await world.restart().recover(lambda _: True) == 3
        await world.ended("deb_1", "deb_2", "deb_3")
    assert world.journal.statuses == {
        "deb_1": DebateStatus.COMPLETED, "deb_2": DebateStatus.FAILED, "deb_3": DebateStatus.COMPLETED,
    }  # fmt: skip
    assert "row 4 of its journal cannot be read" in end_of(world, "deb_2")["reason"]
    told = [line for line in logs if line["log_level"] == "error"]
    assert [line["debate_id"] for line in told] == ["deb_2"]
    assert "row 4" in told[0]["error"]
    assert sum(part.answers for part in usage_owed(world, "deb_2").agents) >= 3
    assert world.journal.counters["aragora_debates_broken_total"] == 1


async def test_a_journal_without_its_first_row_ends_too() -> None:
    world = await under_way("deb_1", "deb_2")
    change(world, "deb_1", 1, lambda _: "")
    with capture_logs():
        await world.restart().recover(lambda _: True)
        await world.ended("deb_1", "deb_2")
    assert world.journal.statuses == {"deb_1": DebateStatus.FAILED, "deb_2": DebateStatus.COMPLETED}


async def test_rows_of_earlier_versions_with_null_for_infinite_costs_are_read_as_zero() -> None:
    world = await under_way("deb_1")
    usage = {"provider": "p", "model": "m", "input_tokens": 1, "output_tokens": 1, "cost_usd": None, "latency_s": None}
    change(world, "deb_1", 3, with_data(usage=usage))
    await world.restart().recover(lambda _: True)
    await world.ended("deb_1")
    assert world.journal.statuses["deb_1"] is DebateStatus.COMPLETED


async def test_rows_of_earlier_versions_with_counts_that_no_receipt_holds_end_the_debate() -> None:
    world = await under_way("deb_1")
    usage = {
        "provider": "p",
        "model": "m",
        "input_tokens": 2**60,
        "output_tokens": 1,
        "cost_usd": 0.1,
        "latency_s": 1.0,
    }
    change(world, "deb_1", 3, with_data(usage=usage))
    with capture_logs():
        await world.restart().recover(lambda _: True)
        await world.ended("deb_1")
    assert world.journal.statuses["deb_1"] is DebateStatus.FAILED
    assert usage_owed(world, "deb_1").agents[0].input_tokens >= 2**60


async def test_a_store_that_goes_away_while_a_debate_fails_is_waited_for() -> None:
    world = World(closing=SpoiledClosing("deb_1"))
    await world.engine.open(spec())
    await eventually(lambda: "vote" in world.journal.types("deb_1") or world.journal.statuses["deb_1"].ended)
    world.journal.outage = 3
    with capture_logs():
        await world.ended("deb_1")


NAN = float("nan")
POISON: dict[str, Callable[[Any], Any]] = {
    "cost_nan": lambda it: replace(it, usage=replace(it.usage, cost_usd=NAN)),
    "cost_infinite": lambda it: replace(it, usage=replace(it.usage, cost_usd=float("inf"))),
    "cost_negative": lambda it: replace(it, usage=replace(it.usage, cost_usd=-5.0)),
    "latency_nan": lambda it: replace(it, usage=replace(it.usage, latency_s=NAN)),
    "tokens_beyond_64_bits": lambda it: replace(it, usage=replace(it.usage, input_tokens=10**400)),
    "tokens_beyond_53_bits": lambda it: replace(it, usage=replace(it.usage, output_tokens=2**60)),
    "tokens_negative": lambda it: replace(it, usage=replace(it.usage, input_tokens=-100)),
    "model_half_a_character": lambda it: replace(it, usage=replace(it.usage, model="gpt\ud83d")),
    "fallback_nan": lambda it: replace(it, fallback=Fallback("a", "b", "m", "overloaded", NAN)),
    "fallback_negative": lambda it: replace(it, fallback=Fallback("a", "b", "m", "overloaded", -1.0)),
    "text_half_a_character": lambda it: replace(it, content=Proposal("yes \ud83d")),
    "text_nul": lambda it: replace(it, content=Proposal("yes \x00")),
    "confidence_nan": lambda it: replace(it, content=Proposal("yes", NAN)),
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
async def test_a_reply_that_cannot_be_kept_costs_its_own_ask_at_most(poison: Callable[[Any], Any]) -> None:
    def script(request: AgentRequest) -> Reply:
        good = answer(request)
        first = request.ask.kind is AskKind.PROPOSE and request.ask.agent == "ann"
        return poison(good) if first and request.ask.debate_id == "deb_1" else good  # type: ignore[no-any-return]

    world = World()
    world.agents.script = script
    await world.engine.open(spec("deb_1"))
    await world.engine.open(spec("deb_2"))
    with capture_logs():
        await world.ended("deb_1", "deb_2")
    assert set(world.journal.statuses.values()) == {DebateStatus.COMPLETED}
    failed = [decode(row.payload)["data"] for row in world.journal.rows["deb_1"] if row.type == "agent_error"]
    assert len(failed) <= 1
    assert all(one["code"] == "malformed_answer" and one["agent"] == "ann" for one in failed)
    assert world.journal.counters["aragora_agent_tokens_total"] > 0
    assert end_of(world, "deb_1")["cost_usd"] >= 0


async def test_words_of_a_person_that_cannot_be_kept_are_refused_and_change_nothing(world: World) -> None:
    world.agents.script = silent
    await world.engine.open(spec())
    for text in ("half \ud83d", "nul \x00"):
        with pytest.raises(InvalidInput):
            await world.engine.suggest("deb_1", "eve", text, "s1")
    assert await world.engine.suggest("deb_1", "eve", r"the six characters \u0000", "s1")
    assert world.engine.load().active == 1


async def test_a_question_that_cannot_be_kept_is_refused(world: World) -> None:
    with pytest.raises(InvalidInput):
        await world.engine.open(replace(spec(), question="Which \x00?"))
    assert world.journal.rows == {}
