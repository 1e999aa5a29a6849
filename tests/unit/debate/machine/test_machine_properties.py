"""Laws: whatever agents and clocks do, a debate ends, and its journal tells the same story again."""

import contextlib
import re
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import debating

from aragora import encoding
from aragora.debate import journal, machine
from aragora.debate.machine.gate import Signer, Word
from aragora.debate.machine.positions import positions_of
from aragora.debate.machine.readers import LABELS
from aragora.debate.model import (
    Abstained,
    Abstention,
    AgentFailed,
    AgentPrice,
    AnswerGiven,
    AnswersGrouped,
    AskKind,
    Ballot,
    ConsensusMode,
    ConsensusReached,
    CritiqueGiven,
    DebateEnded,
    DebateStatus,
    Grouping,
    LateAnswer,
    Proposal,
    Protocol,
    Topology,
    Verdict,
    VoteCast,
)
from aragora.errors import Conflict, Forbidden

SETTLING = (AnswerGiven, AnswersGrouped, CritiqueGiven, VoteCast, Abstained, AgentFailed)
PRICES = dict.fromkeys(debating.AGENTS[1:], AgentPrice(3.0, 15.0, 1_000))  # the first one costs nothing
WORDS = ("Tea. It wakes gently.", "Coffee. It wakes at once.", "Tea, surely: it wakes gently.", "Neither.")

protocols = st.builds(
    Protocol,
    name=st.just("any"),
    positions=st.booleans(),
    settles=st.booleans(),
    rounds=st.integers(1, 3),
    critique=st.booleans(),
    revise=st.booleans(),
    rank=st.booleans(),
    synthesize=st.booleans(),
    judged=st.booleans(),
    consensus=st.sampled_from(ConsensusMode),
    threshold=st.sampled_from([0.5, 2 / 3, 1.0]),
    topology=st.sampled_from(Topology),
    early_stop=st.booleans(),
    trickster=st.booleans(),
    quorum=st.sampled_from([0.1, 0.5, 1.0]),
)


@dataclass
class Chaos:
    """Drives one debate by drawn decisions: who answers next, how, and what time it is."""

    draw: Any
    run: Any
    late: list[Any]

    def act(self) -> None:
        pending = self.run.pending()
        act = self.draw(
            st.sampled_from([*("answer",) * 4, "fail", "abstain", "garbage", "again", "time", "person", "correct"])
        )
        if act == "time":
            self.late.extend(debating.answer_to(request) for request in pending)
            quorum = 10.0 if machine.quorum_met(self.run.state) else None
            self.run.advance(machine.Timing(self.draw(st.sampled_from([1.0, 60.0, 120.0])), quorum))
            return
        if act == "person":
            self.person()
        elif act == "correct":
            self.correct()
        elif act == "again" and self.late:
            self.run.give(self.draw(st.sampled_from(self.late)))
        else:
            self.reply(act, self.draw(st.sampled_from(pending)))
        self.run.advance()

    def reply(self, act: str, request: Any) -> None:
        reply = debating.answer_to(request)
        if isinstance(reply.content, Proposal):
            words, option = (
                self.draw(st.sampled_from(WORDS)),
                self.draw(st.sampled_from(request.brief.options or ("",))),
            )
            sure = self.draw(st.floats(0, 1))
            reply = replace(reply, content=Proposal(words, sure, reply.content.evidence, option))
        elif isinstance(reply.content, Ballot) and request.ask.kind is not AskKind.RANK:
            reply = replace(reply, content=Ballot(self.draw(st.sampled_from(LABELS[:3])), 0.7))
        elif isinstance(reply.content, Grouping):
            reply = replace(reply, content=self.grouping(request))
        if act == "garbage":
            reply = replace(reply, content=Ballot("no label"))
        elif act == "abstain":
            reply = replace(reply, content=Abstention("I cannot tell."))
        self.late.append(reply)
        self.run.give(debating.failure_of(request) if act == "fail" else reply)

    def grouping(self, request: Any) -> Grouping:
        labels = [candidate.label for candidate in request.brief.candidates]
        groups: dict[int, list[str]] = {}
        for label in labels:
            groups.setdefault(self.draw(st.integers(0, 2)), []).append(label)
        return Grouping(tuple(tuple(group) for group in groups.values()))

    def correct(self) -> None:
        state = self.run.state
        correctable = state.spec.protocol.positions and not state.spec.options
        if correctable and state.positions and state.corrections < 3:
            chosen = self.draw(st.lists(st.sampled_from(sorted(state.answers)), min_size=1, unique=True))
            with contextlib.suppress(Conflict):  # the answers are on their way
                self.run.take([machine.correct(state, "ann", (tuple(chosen),), "c")])

    def person(self) -> None:
        choice = self.draw(st.sampled_from(self.run.state.participants))
        person = self.draw(st.sampled_from(["ann", "bob", "eve"]))
        vote = machine.vote(self.run.state, person, choice, self.draw(st.integers(1, 10)), "v")
        if vote is not self.run.state.persons.get(person):
            self.run.take([vote])

    def at_the_gate(self) -> None:
        """People sign, vote and correct until the decision stands."""
        state = self.run.state
        for turn in range(9):
            if state.decision is not None:
                return
            last = "veto" if turn == 8 else None
            act = last or self.draw(st.sampled_from(["approve", "approve", "veto", "person", "correct", "again"]))
            if act == "person":
                self.person()
            elif act == "correct":
                self.correct()
            elif act == "again" and self.late:
                self.run.give(self.draw(st.sampled_from(self.late)))
            elif act in ("approve", "veto"):
                with contextlib.suppress(Forbidden):
                    self.sign(Verdict(act), "ann" if last else self.draw(st.sampled_from(["ann", "mary", "zoe"])))
            self.run.advance()

    def sign(self, verdict: Verdict, person: str) -> None:
        signer = Signer(person, () if person == "ann" else ("owner",))
        event = machine.sign(self.run.state, signer, Word(verdict), f"s{len(self.run.events)}")
        if event not in self.run.state.signatures.values():
            self.run.take([event])


@st.composite
def finished(draw: Any) -> Any:
    agents = debating.AGENTS[: draw(st.integers(2, 4))]
    spec = debating.spec_of(
        agents,
        draw(protocols),
        seed=draw(st.integers(0, 99)),
        budget_usd=draw(st.sampled_from([None, 0.005, 0.02, 0.2])),
        prices=draw(st.sampled_from([{}, PRICES])),
        options=draw(st.sampled_from([(), (), ("tea", "coffee")])),
        needs=draw(st.sampled_from([(), (), ("user:ann",), ("user:ann", "role:owner")])),
    )
    chaos = Chaos(draw, debating.start(spec), [])
    for _ in range(40):
        if not machine.asks(chaos.run.state):
            break
        chaos.act()
    chaos.run.play()
    if machine.status(chaos.run.state) is DebateStatus.WAITING:
        chaos.at_the_gate()
    for reply in chaos.late:
        assert machine.settle(chaos.run.state, reply) == ()
    return chaos.run


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_debate_ends_in_a_decision_or_an_explained_failure(data: Any) -> None:
    run = data.draw(finished())
    if run.state.decision is None:
        assert isinstance(run.events[-1], DebateEnded)
        assert run.events[-1].status is DebateStatus.FAILED
        assert "nothing to decide" in run.events[-1].reason
        return
    decision = run.state.decision
    assert isinstance(run.events[-1], ConsensusReached)
    assert decision.winner in run.state.answers
    assert decision.answer.strip()
    assert decision.explanation
    assert 0.0 <= decision.confidence <= 1.0
    assert 1 <= decision.rounds <= run.state.spec.protocol.rounds
    authors = [author for tally in decision.tallies for author in tally.authors]
    assert sorted(authors) == sorted(run.state.answers)
    assert decision.headline
    assert decision.participation is not None
    told = {*decision.participation.answered, *(one.agent for one in decision.participation.absent)}
    assert set(run.state.participants) <= told


@settings(max_examples=75, deadline=None)
@given(st.data())
def test_the_journal_read_back_gives_the_same_state_at_every_point(data: Any) -> None:
    run = data.draw(finished())
    rows = journal.rows_of("deb_1", 1, 0.0, run.events)
    events = [journal.event_of(row.payload) for row in rows]
    assert machine.replay(events) == run.state
    cut = data.draw(st.integers(1, len(events)))
    assert machine.replay(events[:cut]) == machine.replay(run.events[:cut])


@settings(max_examples=75, deadline=None)
@given(st.data())
def test_a_debate_goes_on_from_any_point_of_its_journal_without_asking_again(data: Any) -> None:
    before = data.draw(finished())
    cut = data.draw(st.integers(1, len(before.events)))
    resumed = debating.Run(machine.replay(before.events[:cut]), list(before.events[:cut]))
    resumed.advance()
    resumed.play()
    waits = machine.status(resumed.state) is DebateStatus.WAITING
    assert waits or resumed.state.decision is not None or resumed.state.ended is not None
    settled = [event.ask_id for event in before.events[:cut] if isinstance(event, SETTLING)]
    assert not set(settled) & {request.ask.ask_id for request in resumed.requests}


@settings(max_examples=75, deadline=None)
@given(st.data())
def test_every_ask_is_settled_once_and_its_cost_counted_once(data: Any) -> None:
    run = data.draw(finished())
    settled = [event for event in run.events if isinstance(event, SETTLING)]
    assert len({event.ask_id for event in settled}) == len(settled)
    costly = [*settled, *(event for event in run.events if isinstance(event, LateAnswer))]
    paid = sum(event.usage.cost_usd for event in costly if event.usage is not None)
    assert abs(run.state.cost_usd - paid) < 1e-9


@settings(max_examples=75, deadline=None)
@given(st.data())
def test_the_weight_of_the_votes_is_the_weight_of_the_tallies(data: Any) -> None:
    run = data.draw(finished())
    protocol = run.state.spec.protocol
    if run.state.decision is None or protocol.consensus is ConsensusMode.WEIGHTED:
        return
    votes = [*run.state.ballots.values(), *([run.state.verdict] if run.state.verdict else [])]
    held = {author: one.spokesman for one in positions_of(run.state) for author in one.authors}
    own = [held.get(vote.agent) == held[vote.choice] for vote in votes]
    expected = sum(protocol.self_vote_weight if mine else 1.0 for mine in own)
    if protocol.positions and (not votes or run.state.verdict):
        expected += len(set(held) - {vote.agent for vote in votes})
    persons = [vote for vote in run.state.persons.values() if vote.choice in run.state.answers]
    expected += sum(vote.intensity / 10 for vote in persons)
    assert abs(sum(tally.weight for tally in run.state.decision.tallies) - expected) < 1e-6


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_figures_of_who_took_part_add_up(data: Any) -> None:
    run = data.draw(finished())
    decision = run.state.decision
    if decision is None:
        return
    who = decision.participation
    without_answer = [one.agent for one in who.absent if one.wanted == "answer"]
    assert sorted([*who.answered, *without_answer]) == sorted(run.state.participants)
    without_vote = {one.agent for one in who.absent if one.wanted == "vote"}
    assert set(who.voted) <= set(who.entitled)
    assert not without_vote & set(who.voted)
    assert set(who.entitled) <= {*who.voted, *without_vote, *without_answer}
    assert "\n" not in decision.headline
    if run.state.verdict is None:
        of_agents = re.sub(r", \d+ of \d+ (?:person|people) voted for it", "", decision.support)
        behind, entitled, *others = (int(number) for number in re.findall(r"\d+", of_agents))
        assert behind + sum(others) == entitled == len(who.entitled)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_cancelled_debate_stays_cancelled(data: Any) -> None:
    run = debating.start(debating.spec_of(protocol=data.draw(protocols)))
    chaos = Chaos(data.draw, run, [])
    for _ in range(data.draw(st.integers(0, 10))):
        if machine.asks(run.state):
            chaos.act()
    if run.state.decision is not None or run.state.ended is not None:
        return
    run.take(machine.cancel(run.state, "cancelled by ann"))
    before = encoding.encode(run.state)
    for reply in chaos.late:
        run.give(reply)
    run.advance(machine.Timing(1e9, 1e9))
    assert encoding.encode(run.state) == before
    assert machine.status(run.state) is DebateStatus.CANCELLED
