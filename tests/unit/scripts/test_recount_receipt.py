"""The script that recounts a receipt from its journal says the same as the machine, and sees where a receipt lies."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from worlds import debating
from worlds.closed_debates import Exported, closed

from aragora.debate import machine
from aragora.debate.machine.gate import Signer, Word
from aragora.debate.model import (
    Abstention,
    AgentPrice,
    Ballot,
    ConsensusMode,
    DebateSpec,
    Fallback,
    Grouping,
    Proposal,
    Standing,
    Verdict,
)
from aragora.debate.protocol import PRESETS
from aragora.errors import Conflict, Forbidden

ROOT = Path(__file__).parents[3]


def _load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


SCRIPT = ROOT / "scripts" / "recount_receipt.py"
recount = _load("recount_receipt", SCRIPT)
laws = _load("test_machine_properties", ROOT / "tests/unit/debate/machine/test_machine_properties.py")


def findings(exported: Exported) -> list[tuple[str, str, str]]:
    receipt = recount.receipt_of(exported.receipt.document.encode())
    return list(recount.findings(receipt, recount.rows_of(exported.journal.encode())))


def failures(exported: Exported) -> list[tuple[str, str, str]]:
    return [finding for finding in findings(exported) if finding[0] == recount.FAIL]


class Turmoil(laws.Chaos):  # type: ignore[name-defined,misc]
    """Besides what the laws of the machine draw: yes and no, options, guessed costs, other providers, the gate."""

    def reply(self, act: str, request: Any) -> None:
        reply = debating.answer_to(request, self.draw(st.sampled_from([0.0, 0.001, 0.0123])))
        usage = replace(reply.usage, model=self.draw(st.sampled_from(["stub-1", "stub-2"])))
        reply = replace(reply, usage=replace(usage, estimated=self.draw(st.booleans())))
        if isinstance(reply.content, Proposal):
            reply = replace(reply, content=self.proposal(request))
        elif isinstance(reply.content, Ballot):
            labels = self.draw(st.permutations(laws.LABELS[:3]))
            reply = replace(reply, content=Ballot(labels[0], self.draw(st.floats(0, 1)), "", tuple(labels[1:])))
        elif isinstance(reply.content, Grouping):
            reply = replace(reply, content=self.grouping(request))
        if act == "garbage":
            reply = replace(reply, content=Ballot("no label"))
        elif act == "abstain":
            reply = replace(reply, content=Abstention(self.draw(st.sampled_from(["", "I cannot tell."]))))
        if self.draw(st.booleans()):
            reply = replace(reply, fallback=Fallback("stub", "openrouter", "stub/1", "overloaded", 0.1))
        self.late.append(reply)
        failed = replace(debating.failure_of(request), usage=self.draw(st.sampled_from([None, reply.usage])))
        self.run.give(failed if act == "fail" else reply)

    def proposal(self, request: Any) -> Proposal:
        said = self.draw(
            st.sampled_from([*laws.WORDS, "Yes. It wakes.", "no, it does not", "*No* it\u2019s a myth", "?!"])
        )
        evidence = tuple(f"source {number}" for number in range(self.draw(st.integers(0, 3))))
        options = request.brief.options
        return Proposal(said, self.draw(st.floats(0, 1)), evidence, self.draw(st.sampled_from(options or ("",))))

    def at_the_gate(self) -> None:
        state = self.run.state
        for _ in range(15):
            if state.decision is not None:
                return
            act = self.draw(st.sampled_from(["approve", "approve", "change", "veto", "person", "correct", "late"]))
            if act == "person":
                self.person()
            elif act == "correct" and not state.spec.options:
                self.correct()
            elif act == "late" and self.late:
                self.run.give(self.draw(st.sampled_from(self.late)))
            elif act in ("approve", "change", "veto"):
                self.sign(Verdict(act), *self.draw(st.sampled_from(PEOPLE)))
            self.run.advance()
        self.sign(Verdict.VETO, *PEOPLE[0])
        self.run.advance()

    def sign(self, verdict: Verdict, person: str, role: str) -> None:
        answer = "Tea, but later." if verdict is Verdict.CHANGE else ""
        option = self.draw(st.sampled_from(("", *self.run.state.spec.options))) if answer else ""
        word = Word(verdict, self.draw(st.sampled_from(["", "so be it"])), answer, option)
        with contextlib.suppress(Conflict, Forbidden):
            event = machine.sign(self.run.state, Signer(person, (role,)), word, f"s{len(self.run.events)}")
            if event not in self.run.state.signatures.values():
                self.run.take([event])


PEOPLE = [("ann", "member"), ("mary", "owner"), ("john", "owner")]
STANDINGS = st.builds(Standing, elo=st.floats(800, 2400), calibration=st.floats(0, 1))
PRICES = dict.fromkeys(debating.AGENTS, AgentPrice(3.0, 15.0, 1_000))


@st.composite
def specs(draw: Any) -> DebateSpec:
    agents = debating.AGENTS[: draw(st.integers(2, 4))]
    presets = st.sampled_from(list(PRESETS.values()))
    protocol = replace(draw(laws.protocols | presets), self_vote_weight=draw(st.sampled_from([0.0, 0.5, 1.0])))
    if draw(st.booleans()):
        protocol = replace(protocol, consensus=ConsensusMode.WEIGHTED, positions=True)
    return debating.spec_of(
        agents,
        protocol,
        question=draw(st.sampled_from(["Tea or coffee?", "Does tea wake?"])),
        seed=draw(st.integers(0, 99)),
        budget_usd=draw(st.sampled_from([None, 0.01, 0.1, 2.0])),
        prices=draw(st.sampled_from([{}, PRICES])),
        standings=draw(st.dictionaries(st.sampled_from(agents), STANDINGS)),
        judge=draw(st.sampled_from([None, agents[0], debating.AGENTS[3]])),
        options=draw(st.sampled_from([(), ("tea", "coffee", "water")])),
        needs=draw(st.sampled_from([(), ("user:ann",), ("user:ann", "role:owner")])),
    )


@st.composite
def decided(draw: Any) -> debating.Run:
    """A debate of any kind, with everything that agents, clocks and people may do to it, that ends in a decision."""
    turmoil = Turmoil(draw, debating.start(draw(specs())), [])
    turmoil.correct = turmoil.correct if not turmoil.run.state.spec.options else turmoil.person
    for _ in range(60):
        if not machine.asks(turmoil.run.state):
            break
        turmoil.act()
    turmoil.run.play()
    if turmoil.run.state.ended is None:
        turmoil.at_the_gate()
    assume(turmoil.run.state.decision is not None)
    return turmoil.run


@settings(max_examples=400, deadline=None)
@given(decided())
def test_every_debate_of_the_machine_recounts_to_its_own_decision(run: debating.Run) -> None:
    assert failures(closed(run)) == []


@settings(max_examples=200, deadline=None)
@given(laws.finished())
def test_debates_by_the_laws_of_the_machine_recount_to_their_own_decision(run: debating.Run) -> None:
    assume(run.state.decision is not None)
    assert failures(closed(run)) == []
