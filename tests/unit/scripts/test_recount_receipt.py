"""The script that recounts a receipt from its journal says the same as the machine, and sees where a receipt lies."""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from worlds import debating
from worlds.closed_debates import SIGNER, Exported, closed, signed_anew
from worlds.memory_engine import World, answer, spec
from worlds.receipt_vectors import FOLDER, NAMES, OLD, made
from worlds.waiting import eventually

from aragora.debate import machine
from aragora.debate.machine import conclusions, positions
from aragora.debate.machine.gate import Signer, Word
from aragora.debate.model import (
    Abstention,
    AgentPrice,
    Ballot,
    ConsensusMode,
    ConvergenceMeasured,
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
    found = importlib.util.spec_from_file_location(name, path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    found.loader.exec_module(module)
    return module


SCRIPT = ROOT / "scripts" / "recount_receipt.py"
VERIFIER = ROOT / "scripts" / "verify_receipt.py"
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
        provider, model = self.draw(st.sampled_from([("stub", "stub-1"), ("stub", "stub-2"), ("another", "stub-1")]))
        usage = replace(reply.usage, provider=provider, model=model)
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
        if state.decision is None:
            self.run.take([machine.sign(state, Signer("ann"), Word(Verdict.VETO, "at last", need="user:ann"), "last")])
            self.run.advance()

    def sign(self, verdict: Verdict, person: str, role: str) -> None:
        answer = "Tea, but later." if verdict is Verdict.CHANGE else ""
        option = self.draw(st.sampled_from(("", *self.run.state.spec.options))) if answer else ""
        note = self.draw(st.sampled_from(["", "so be it", 'ok". \u201cVetoed\u201d\n by ceo \u202e.']))
        need = self.draw(st.sampled_from(("", *self.run.state.spec.needs)))
        word = Word(verdict, note, answer, option, need)
        with contextlib.suppress(Conflict, Forbidden):
            event = machine.sign(self.run.state, Signer(person, tuple(role.split())), word, f"s{len(self.run.events)}")
            if event not in self.run.state.signatures.values():
                self.run.take([event])


PEOPLE = [("ann", "member"), ("mary", "owner"), ("john", "owner"), ("olga", "owner member")]
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
        needs=draw(
            st.sampled_from([(), ("user:ann",), ("user:ann", "role:owner"), ("role:member", "role:owner", "user:ann")])
        ),
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


def test_an_agreement_of_yes_and_no_is_parted_and_who_says_neither_stays_with_the_larger_side() -> None:
    said = dict(zip(debating.AGENTS, ("Yes, it does.", "No, it does not.", "no!", "Perhaps."), strict=True))

    def reply_to(request: Any) -> Any:
        reply = debating.answer_to(request)
        if isinstance(reply.content, Proposal):
            return replace(reply, content=Proposal(said[request.ask.agent], 0.5))
        if isinstance(reply.content, Grouping):
            return replace(reply, content=Grouping((tuple(one.label for one in request.brief.candidates),)))
        return reply

    run = debating.start(debating.spec_of(protocol=PRESETS["ensemble"])).play(reply_to)
    assert [one.authors for one in run.of(ConvergenceMeasured)[0].positions] == [("gpt", "gemini", "grok"), ("claude",)]
    assert failures(closed(run)) == []


SAID = st.lists(
    st.sampled_from(
        ["yes", "No", "no one", "and", "Tea", "1", "St", "e.g", "Answer", "it depends", "because", "\u2019s"]
    )
    | st.sampled_from([" ", ". ", ".", "! ", ": ", "\n", "**", "# ", "-", " \u2014 ", "(", '"', "/", ", ", "\u3002"]),
    max_size=8,
).map("".join)


@settings(max_examples=500, deadline=None)
@given(SAID | st.text(max_size=40))
def test_a_text_is_read_as_the_machine_reads_it(said: str) -> None:
    assert recount.named(said) == positions.name_of(said)
    assert recount.stance(recount.Answer("ann", said, 0.5, 0, "", ("stub", "stub-1"))) == conclusions.stance(said)


def test_a_budget_that_is_spent_is_told_also_where_there_was_nobody_to_ask() -> None:
    protocol = replace(PRESETS["structured"], early_stop=False)

    def reply_to(request: Any) -> Any:
        dear = debating.answer_to(request, 0.02)
        return dear if request.ask.agent == "claude" else debating.failure_of(request)

    for budget_usd, stopped_by in ((0.01, "budget"), (1.0, "unmoved")):
        run = debating.start(debating.spec_of(protocol=protocol, budget_usd=budget_usd)).play(reply_to)
        assert run.state.stopped_by == stopped_by
        assert failures(closed(run)) == []


@pytest.mark.parametrize("name", PRESETS)
async def test_what_the_engine_journals_and_signs_recounts_also_after_a_crash(name: str) -> None:
    world = World()
    world.agents.script = lambda request: answer(request) if sum(world.agents.asked.values()) <= 3 else None
    await world.engine.open(spec(protocol=PRESETS[name]))
    await eventually(lambda: len(world.journal.rows["deb_1"]) > 4)
    world.agents.script = answer
    await world.restart().recover(lambda _: True)
    await world.ended("deb_1")
    lines = tuple(row.payload for row in world.journal.rows["deb_1"])
    assert failures(Exported(world.journal.receipts[0], lines)) == []


# --- The vectors of the specification -----------------------------------------------------------------------


def vector(name: str) -> tuple[dict[str, Any], list[str]]:
    """The receipt and the lines of the journal, as the files have them."""
    document: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return document, (FOLDER / f"{name}.jsonl").read_text().splitlines()


def typed(script: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """From a directory and with a path from which `aragora` cannot be imported."""
    command = [sys.executable, "-I", str(script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=cwd)


def recounted(cwd: Path, receipt: str, journal: str, *more: str) -> subprocess.CompletedProcess[str]:
    (cwd / "receipt.json").write_text(receipt)
    (cwd / "events.jsonl").write_text(journal)
    return typed(SCRIPT, "receipt.json", "--journal", "events.jsonl", *more, cwd=cwd)


def failed(ran: subprocess.CompletedProcess[str]) -> set[str]:
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert ran.stdout.splitlines()[-1].startswith("DIFFERS")
    return {line.split()[1] for line in ran.stdout.splitlines() if line.startswith("FAIL")}


def test_the_vectors_are_what_this_version_writes() -> None:
    for name, exported in made():
        told = "if the format is meant to change, say so in docs/spec and run: python -m worlds.receipt_vectors"
        assert (FOLDER / f"{name}.json").read_text() == f"{exported.receipt.document}\n", told
        assert (FOLDER / f"{name}.jsonl").read_text() == exported.journal, told
    assert {path.stem for path in FOLDER.iterdir()} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_vector_recounts_and_verifies_without_aragora(name: str, tmp_path: Path) -> None:
    files = str(FOLDER / f"{name}.json"), "--journal", str(FOLDER / f"{name}.jsonl")
    ran = typed(SCRIPT, *files, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "FAIL" not in ran.stdout
    assert ran.stdout.splitlines()[-1].startswith("AGREES")
    assert typed(VERIFIER, *files, "--key", SIGNER.public_key, cwd=tmp_path).returncode == 0


def test_a_budget_that_was_spent_while_an_agent_costs_nothing_holds_nobody_back() -> None:
    price = {"claude": AgentPrice(3.0, 15.0, 1_000)}
    one_round = replace(PRESETS["structured"], rounds=1)
    spec = debating.spec_of(("claude", "gpt"), one_round, budget_usd=0.01, prices=price)

    def reply(request: Any) -> Any:
        return debating.answer_to(request, 0.02) if request.ask.agent == "claude" else debating.failure_of(request)

    assert not failures(closed(debating.start(spec).play(reply)))


def test_what_an_old_receipt_does_not_tell_is_said_not_to_be_told(tmp_path: Path) -> None:
    document, lines = vector(OLD)
    marks = {finding[1]: finding[0] for finding in listed(document, lines)}
    untold = {name for name, mark in marks.items() if mark == recount.UNTOLD}
    assert {"participation", "position", "positions", "signatures", "headline"} <= untold
    assert {marks[name] for name in ("winner", "reached", "confidence", "tallies", "cost", "agents")} == {recount.OK}


# --- Lies that only a recount can see -----------------------------------------------------------------------


def listed(document: dict[str, Any], lines: list[str]) -> list[tuple[str, str, str]]:
    rows = recount.rows_of("\n".join(lines).encode())
    return list(recount.findings(recount.receipt_of(json.dumps(document).encode()), rows))


def encoded(envelope: dict[str, Any]) -> str:
    return json.dumps(envelope, separators=(",", ":"), ensure_ascii=False)


def edited(lines: list[str], kind: str, change: Callable[[dict[str, Any]], None], which: int = 0) -> list[str]:
    """The journal with the data of one event of its kind changed."""
    places = [place for place, line in enumerate(lines) if json.loads(line)["type"] == kind]
    envelope = json.loads(lines[places[which]])
    change(envelope["data"])
    return [*lines[: places[which]], encoded(envelope), *lines[places[which] + 1 :]]


def lied(
    document: dict[str, Any], lines: list[str], change: Callable[[dict[str, Any]], None]
) -> tuple[dict[str, Any], list[str]]:
    """The decision changed alike in the receipt and in the event that tells it."""
    document = copy.deepcopy(document)
    change(document["decision"])
    return document, edited(lines, "consensus", lambda data: change(data["decision"]))


def _vote_for_the_other(data: dict[str, Any]) -> None:
    data["choice"] = "dan-ai"


def _merge(data: dict[str, Any]) -> None:
    first, second, *rest = data["positions"]
    first["authors"] += second["authors"]
    data["positions"] = [first, *rest]


def _merge_tallies(decision: dict[str, Any]) -> None:
    first, second, *rest = decision["tallies"]
    first["authors"] += second["authors"]
    decision["tallies"] = [first, *rest]


def _dearer(data: dict[str, Any]) -> None:
    data["usage"]["cost_usd"] += 0.01


def _more_took_part(decision: dict[str, Any]) -> None:
    decision["participation"]["degraded"] = []
    decision["participation"]["voted"].append("dan-ai")


def _one_absent_less(decision: dict[str, Any]) -> None:
    decision["participation"]["absent"].pop()


def _reached(decision: dict[str, Any]) -> None:
    decision["reached"] = True


def _without_veto(decision: dict[str, Any]) -> None:
    decision["signatures"].pop()
    decision["reached"] = True


def _surer(decision: dict[str, Any]) -> None:
    decision["confidence"] = 0.95


def _nobody_dissents(decision: dict[str, Any]) -> None:
    decision["dissent"] = []


def _all_for_it(decision: dict[str, Any]) -> None:
    decision["headline"] = decision["headline"].replace("3 of 4", "4 of 4")


def _other_words(decision: dict[str, Any]) -> None:
    decision["answer"] = decision["answer"].replace("Tea", "Coffee")


IN_THE_JOURNAL = [
    ("options_with_dissent", "vote", _vote_for_the_other, {"tallies", "winner", "confidence", "dissent"}),
    ("council_with_chair", "convergence", _merge, {"positions", "tallies"}),
    ("options_with_dissent", "agent_message", _dearer, {"cost", "agents"}),
    ("budget_with_late_answer", "late_answer", _dearer, {"cost", "agents"}),
    ("degraded", "agent_error", lambda data: data.update(code="timeout"), {"participation"}),
    ("weighted", "vote", lambda data: data.update(confidence=0.1), {"tallies", "confidence"}),
    ("people", "user_vote", lambda data: data.update(intensity=9), set()),  # replaced by a later vote of this person
    ("people", "user_positions", lambda data: data.update(groups=[["ann-ai", "cat-ai"]]), {"tallies", "position"}),
    ("duel_with_judge", "vote", lambda data: data.update(choice="bob-ai"), {"winner", "answer"}),
    ("gate_with_change", "signature", lambda data: data.update(answer="Coffee."), {"answer"}),
    ("old_without_positions", "vote", _vote_for_the_other, {"tallies", "confidence"}),
]


@pytest.mark.parametrize(("name", "kind", "change", "seen"), IN_THE_JOURNAL)
def test_a_journal_that_was_changed_and_signed_anew_does_not_add_up(
    name: str, kind: str, change: Callable[[dict[str, Any]], None], seen: set[str], tmp_path: Path
) -> None:
    document, lines = vector(name)
    which = {"signature": 1}.get(kind, 0)
    changed = edited(lines, kind, change, which)
    assert changed != lines
    ran = recounted(tmp_path, *signed_anew(document, changed))
    if not seen:
        assert ran.returncode == 0
        return
    assert seen <= failed(ran)
    verified = typed(VERIFIER, "receipt.json", "--any-key", "--journal", "events.jsonl", cwd=tmp_path)
    assert verified.returncode == 0, "the seals hold: only the recount can see it"


IN_THE_DECISION = [
    ("degraded", _more_took_part, {"participation"}),
    ("degraded", _one_absent_less, {"participation"}),
    ("degraded", _reached, {"reached"}),
    ("council_with_chair", _merge_tallies, {"tallies"}),
    ("gate_with_veto", _without_veto, {"signatures", "reached"}),
    ("weighted", _surer, {"confidence"}),
    ("weighted", _nobody_dissents, {"dissent"}),
    ("options_with_dissent", _all_for_it, {"headline"}),
    ("agreement", _other_words, {"answer"}),
    ("old_without_positions", _surer, {"confidence"}),
]


@pytest.mark.parametrize(("name", "change", "seen"), IN_THE_DECISION)
def test_a_decision_that_was_changed_in_receipt_and_journal_and_signed_anew_does_not_add_up(
    name: str, change: Callable[[dict[str, Any]], None], seen: set[str], tmp_path: Path
) -> None:
    document, lines = lied(*vector(name), change)
    ran = recounted(tmp_path, *signed_anew(document, lines))
    assert failed(ran) == seen
    verified = typed(VERIFIER, "receipt.json", "--any-key", "--journal", "events.jsonl", cwd=tmp_path)
    assert verified.returncode == 0, "the seals hold: only the recount can see it"


@pytest.mark.parametrize(
    ("path", "value", "seen"),
    [
        (("usage", "cost_usd"), 0.001, "cost"),
        (("usage", "input_tokens"), 1, "tokens"),
        (("agents", 0, "failures"), 3, "agents"),
        (("agents", 1, "answer_sha256"), "0" * 64, "agents"),
        (("question",), "Coffee or coffee?", "question"),
        (("context_sha256",), None, "question"),
        (("protocol", "threshold"), 0.1, "protocol"),
        (("decision", "winner"), "dan-ai", "winner"),
    ],
)
def test_a_receipt_that_says_something_else_than_its_journal_differs(
    path: tuple[Any, ...], value: Any, seen: str, tmp_path: Path
) -> None:
    document, lines = vector("options_with_dissent")
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    assert place[path[-1]] != value
    place[path[-1]] = value
    ran = recounted(tmp_path, *signed_anew(document, lines))
    assert seen in failed(ran)


def test_an_event_that_is_left_out_is_missed_also_where_the_others_are_numbered_anew(tmp_path: Path) -> None:
    document, lines = vector("options_with_dissent")
    vote = next(place for place, line in enumerate(lines) if json.loads(line)["type"] == "vote")
    without = [*lines[:vote], *lines[vote + 1 :]]
    assert failed(recounted(tmp_path, json.dumps(document), "\n".join(without))) == {"events"}
    numbered = [encoded({**json.loads(line), "seq": seq}) for seq, line in enumerate(without, 1)]
    document["journal"]["length"] -= 1
    differing = failed(recounted(tmp_path, *signed_anew(document, numbered)))
    assert {"tallies", "participation", "cost", "agents"} <= differing


UNTOLD = {"participation": "participation", "headline": "headline", "stated_confidence": "stated"}


def test_a_receipt_that_is_not_the_one_the_journal_names_differs(tmp_path: Path) -> None:
    document, lines = vector("people")
    receipt, _ = signed_anew(document, lines)
    assert failed(recounted(tmp_path, receipt, "\n".join(lines))) == {"issued"}
    covered = "\n".join(lines[: document["journal"]["length"]])
    assert recounted(tmp_path, receipt, covered).returncode == 0, "the journal does not tell"


@pytest.mark.parametrize("members", [*([member] for member in UNTOLD), list(UNTOLD)])
def test_new_receipts_cannot_be_stripped_of_what_only_they_tell(members: list[str], tmp_path: Path) -> None:
    def strip(decision: dict[str, Any]) -> None:
        for member in members:
            del decision[member]

    document, lines = lied(*vector("degraded"), strip)
    ran = recounted(tmp_path, *signed_anew(document, lines))
    assert failed(ran) == {UNTOLD[member] for member in members}


# --- Journals that no debate makes, though receipt and journal agree ----------------------------------------

Envelopes = list[dict[str, Any]]


def forged(name: str, change: Callable[[Envelopes], object]) -> list[tuple[str, str, str]]:
    """What fails where somebody with a key changes a journal, numbers it, counts it anew by the rules, and signs it."""
    document, lines = vector(name)
    events: Envelopes = [json.loads(line) for line in lines]
    change(events)
    for seq, event in enumerate(events, 1):
        event["seq"] = seq
    length = max(place for place, event in enumerate(events, 1) if event["type"] == "consensus")
    debate = recount.folded(recount.rows_of("\n".join(map(encoded, events)).encode())[:length], False)
    counted = recount.decided(debate)
    decision = {**document["decision"], **counted}
    events[length - 1]["data"]["decision"] = decision
    events[-1]["data"] |= {"cost_usd": counted["cost_usd"], "rounds": counted["rounds"]}
    parts = [part.told() for part in debate.parts.values()]
    usage = {name: sum(part[name] for part in parts) for name in ("input_tokens", "output_tokens")}
    document |= {
        "decision": {name: value for name, value in decision.items() if name != "cost_usd"},
        "agents": parts,
        "usage": {**usage, "cost_usd": counted["cost_usd"]},
        "journal": {"length": length},
    }
    receipt, journal = signed_anew(document, [encoded(event) for event in events])
    found = recount.findings(recount.receipt_of(receipt.encode()), recount.rows_of(journal.encode()))
    return [finding for finding in found if finding[0] == recount.FAIL]


def one(events: Envelopes, kind: str, which: int = 0) -> dict[str, Any]:
    return [event for event in events if event["type"] == kind][which]


def telling(kind: str, which: int = 0, **members: Any) -> Callable[[Envelopes], object]:
    return lambda events: one(events, kind, which)["data"].update(members)


def costing(**members: Any) -> Callable[[Envelopes], object]:
    return lambda events: one(events, "vote")["data"]["usage"].update(members)


def twice(kind: str) -> Callable[[Envelopes], object]:
    return lambda events: events.insert(events.index(one(events, kind)), copy.deepcopy(one(events, kind)))


def without(kind: str, which: int = 0) -> Callable[[Envelopes], object]:
    return lambda events: events.remove(one(events, kind, which))


def earlier(kind: str) -> Callable[[Envelopes], object]:
    """The first event of its kind stands right behind the debate_start instead."""

    def move(events: Envelopes) -> None:
        moved = one(events, kind)
        events.remove(moved)
        events.insert(1, moved)

    return move


def one_more(kind: str = "vote", ask: str = "vote", **members: Any) -> Callable[[Envelopes], object]:
    """Another vote after the last one, of an ask of the last round."""

    def add(events: Envelopes) -> None:
        last = max(place for place, event in enumerate(events) if event["type"] == "vote")
        vote = copy.deepcopy(events[last])
        beginning = vote["data"]["ask_id"].rsplit("/", 2)[0]
        vote["data"] |= {**members, "kind": kind, "ask_id": f"{beginning}/{ask}/{members['agent']}"}
        events.insert(last + 1, vote)

    return add


def _propose_other_words(events: Envelopes) -> None:
    one(events, "decision_proposed")["data"]["decision"]["answer"] = "Whatever they signed."


def _sign_after_the_last(events: Envelopes) -> None:
    events.insert(events.index(one(events, "consensus")), copy.deepcopy(one(events, "signature", 2)))


def _chair_by_another(events: Envelopes) -> None:
    chairs = next(event for event in events if event["data"].get("kind") == "synthesize")
    chairs["data"] |= {"agent": "ann-ai", "content": "I rule.", "ask_id": "deb_vector3/1/synthesize/ann-ai"}


LAWLESS = [
    ("options_with_dissent", one_more(agent="zed", choice="dan-ai"), "zed is not to be asked for this (vote) here"),
    ("options_with_dissent", one_more("judge", "judge", agent="dan-ai", choice="dan-ai"), "it comes too late"),
    ("options_with_dissent", one_more(ask="critique", agent="ann-ai", choice="dan-ai"), "asks for something else"),
    ("options_with_dissent", telling("vote", agent="dan-ai"), "dan-ai cannot settle the ask deb_vector2/2/vote/ann-ai"),
    ("options_with_dissent", telling("vote", ask_id="deb_other/2/vote/ann-ai"), "cannot settle the ask deb_other"),
    ("options_with_dissent", without("vote"), "what was asked of ann-ai before it was never settled"),
    ("options_with_dissent", without("critique"), "before it was never settled"),
    ("options_with_dissent", earlier("vote"), "it is of round 2, and this is round 0"),
    ("options_with_dissent", costing(cost_usd=-0.02), "ann-ai took less than nothing"),
    ("options_with_dissent", costing(input_tokens=-1), "ann-ai took less than nothing"),
    ("options_with_dissent", telling("agent_message", option="beer"), "'beer' is none of the options"),
    (
        "options_with_dissent",
        telling("convergence", agreement=0.1),
        "agreement is recounted 0.75, the journal tells 0.1",
    ),
    ("options_with_dissent", telling("convergence", moved=[]), "moved is recounted"),
    ("weighted", telling("vote", confidence=50), "its confidence is not between 0 and 1"),
    ("duel_with_judge", telling("vote", agent="ann-ai"), "ann-ai cannot settle the ask deb_vector4/2/judge/cat-ai"),
    ("council_with_chair", _chair_by_another, "ann-ai is not to be asked for this (synthesize) here"),
    ("council_with_chair", telling("vote", ranking=["ann-ai", "ann-ai"]), "its ranking is none"),
    ("people", telling("user_vote", 2, intensity=1000), "an intensity is a number from 1 to 10, not 1000"),
    ("people", telling("user_vote", choice="zed"), "zed takes no part"),
    ("people", telling("user_positions", groups=[["ann-ai", "zed"]]), "zed holds no answer"),
    ("degraded", twice("debate_start"), "it cannot stand here"),
    ("degraded", twice("round_start"), "round 1 follows round 1"),
    ("degraded", twice("convergence"), "the answers of this round were compared already"),
    ("degraded", twice("fallback"), "had its fallback"),
    ("degraded", twice("consensus"), "the decision stands already"),
    ("degraded", without("convergence"), "the answers of its round were not compared"),
    ("degraded", lambda events: events.insert(4, copy.deepcopy(events[-1])), "it cannot stand here"),
    ("budget_with_late_answer", telling("late_answer", agent="zed"), "zed was not asked for this"),
    ("gate_with_change", _propose_other_words, "Whatever they signed. was proposed"),
    ("gate_with_change", telling("decision_proposed", missing=[]), "it names others than those who must sign"),
    ("gate_with_change", telling("signature", 1, option="beer"), "beer is no option that it may name"),
    ("gate_with_change", telling("signature", 2, answer="Tea."), "a change, and nothing else, brings an answer"),
    ("gate_with_change", telling("signature", 2, verdict="maybe"), "maybe is no verdict"),
    ("gate_with_change", without("user_vote"), "nobody has to sign it, or it is proposed already"),
    ("gate_with_change", _sign_after_the_last, "all had signed, and nothing was left to sign"),
]


@pytest.mark.parametrize(("name", "change", "told"), LAWLESS)
def test_a_journal_that_no_debate_makes_is_seen_also_where_its_receipt_was_counted_from_it(
    name: str, change: Callable[[Envelopes], object], told: str
) -> None:
    assert forged(name, lambda _events: None) == [], "the journal as it was stays good by this way"
    found = forged(name, change)
    assert any(told in detail for _, _, detail in found), found


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (telling("signature", 1, need="role:nobody"), "role:nobody need not sign this debate"),
        (telling("signature", person="usr_7"), "usr_7 signs for user:usr_1"),
        (earlier("signature"), "usr_1 signs what is not proposed"),
        (without("signature", 2), "it is decided before all who must sign have signed"),
        (without("decision_proposed", 1), "usr_9 signs what is not proposed"),
    ],
)
def test_signatures_that_nobody_may_give_leave_nothing_to_count(
    change: Callable[[Envelopes], object], told: str
) -> None:
    with pytest.raises(recount.Impossible, match=told):
        forged("gate_with_change", change)


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        (("opened_at",), "opened_at"),
        (("issued_at",), "issued"),
        (("needs",), "question"),
        (("decision", "unsettled_usd"), "unsettled"),
        (("agents", 2, "provider"), "agents"),
    ],
)
@pytest.mark.parametrize("left_out", [False, True])
def test_each_member_of_a_receipt_is_missed_or_found_to_be_another(
    path: tuple[Any, ...], seen: str, left_out: bool
) -> None:
    def change(said: dict[str, Any]) -> None:
        if left_out:
            del said[path[-1]]
        else:
            said[path[-1]] = 7.5

    document, lines = vector("degraded")
    if path[0] == "decision":
        document, lines = lied(document, lines, change)
    else:
        change(document["agents"][2] if path[0] == "agents" else document)
    receipt, journal = signed_anew(document, lines)
    found = recount.findings(recount.receipt_of(receipt.encode()), recount.rows_of(journal.encode()))
    assert {name for mark, name, _ in found if mark == recount.FAIL} == {seen}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda events: events.append(copy.deepcopy(one(events, "vote"))), "receipt, debate_end, vote"),
        (lambda events: one(events, "debate_end")["data"].update(cost_usd=9.0), "cost_usd: recounted"),
        (lambda events: one(events, "debate_end")["data"].update(status="failed"), "status: recounted completed"),
    ],
)
def test_what_follows_the_decision_is_its_receipt_and_the_end_that_it_tells(
    change: Callable[[Envelopes], object], told: str
) -> None:
    document, lines = vector("agreement")
    if told.startswith("receipt"):
        document, lines = vector("weighted")
    events = [json.loads(line) for line in lines]
    change(events)
    for seq, event in enumerate(events, 1):
        event["seq"] = seq
    found = listed(document, [encoded(event) for event in events])
    assert [detail for mark, _, detail in found if mark == recount.FAIL and told in detail] != []


# --- How the journal may be written -------------------------------------------------------------------------


def _pages(lines: list[str]) -> str:
    parts = [lines[:5], lines[5:9], lines[9:], []]
    last = [5, 9, len(lines), len(lines)]
    texts = (f'{{"events":[{",".join(part)}],"next_after":{after}}}' for part, after in zip(parts, last, strict=True))
    return "".join(texts)


def _stream(lines: list[str]) -> str:
    framed = "".join(f"id: {seq}\ndata: {line}\n\n" for seq, line in enumerate(lines, 1))
    return f': hello\n\n{framed}event: error\ndata: {{"code":"too_slow"}}\n\n'


def _indented(lines: list[str]) -> str:
    return "\n".join(json.dumps(json.loads(line), indent=2, ensure_ascii=False) for line in lines)


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("\n".join, id="lines"),
        pytest.param("\r\n".join, id="lines of Windows"),
        pytest.param(lambda lines: "\ufeff" + "\n".join(lines), id="with a byte order mark"),
        pytest.param(_pages, id="pages"),
        pytest.param(lambda lines: f"[{','.join(lines)}]", id="one array"),
        pytest.param(_stream, id="server-sent events"),
        pytest.param(lambda lines: _stream(lines).replace("\n", "\r\n"), id="server-sent events with CR LF"),
        pytest.param(_indented, id="indented"),
    ],
)
@pytest.mark.parametrize("name", ["people", "council_with_chair"])
def test_every_way_to_export_a_journal_is_read(written: Callable[[list[str]], str], name: str) -> None:
    document, lines = vector(name)
    receipt = recount.receipt_of(json.dumps(document).encode())
    found = list(recount.findings(receipt, recount.rows_of(written(lines).encode())))
    assert [name for mark, name, _ in found if mark != recount.OK] == ["explanation"]


def test_a_journal_that_another_tool_wrote_anew_is_recounted_on_demand_only(tmp_path: Path) -> None:
    document, lines = vector("people")
    anew = "\n".join(json.dumps(json.loads(line), sort_keys=True) for line in lines)
    ran = recounted(tmp_path, json.dumps(document), anew)
    assert failed(ran) == {"digest"}
    assert "aragora replay ID --json" in ran.stdout
    assert recounted(tmp_path, json.dumps(document), anew, "--rewritten").returncode == 0


def test_types_and_members_of_a_newer_version_are_passed_over() -> None:
    document, lines = vector("agreement")
    newer = edited(lines, "agent_message", lambda data: data.update(mood="fine"))
    vote = json.loads(newer[-3])
    assert vote["type"] == "consensus"
    told = {"type": "applause", "data": {}, "timestamp": 1.0, "seq": vote["seq"], "loop_id": vote["loop_id"]}
    moved = [encoded({**json.loads(line), "seq": seq}) for seq, line in enumerate(newer[-3:], vote["seq"] + 1)]
    lines = [*newer[:-3], encoded(told), *moved]
    document["journal"]["length"] += 1
    receipt, journal = signed_anew(document, lines)
    found = listed(json.loads(receipt), journal.splitlines())
    assert recount.FAIL not in {mark for mark, _, _ in found}
    assert "1 of a type unknown here" in found[0][2]


# --- What is no receipt and no journal ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("receipt", "journal", "told"),
    [
        ("", "", "the receipt cannot be read: it is no JSON"),
        ("[]", "", "its `schema` must be 'aragora.receipt/1'"),
        ('{"schema":"aragora.receipt/1"}', "", "`debate_id` is missing, it must be a text"),
        (None, "", "the journal cannot be read: it holds no event"),
        (None, "nonsense", "the journal cannot be read: it is no JSON"),
        (None, '{"type":"vote"}', "`seq` is missing, it must be a whole number"),
        (None, "[1]", "1 is no event"),
        (None, '{"a":1,"a":2}', "a name stands twice"),
        (None, "[NaN]", "NaN is no JSON"),
        (None, "[" * 100_000, "nested too deeply"),
        (None, "1" * 5_000, "the journal cannot be read"),
    ],
)
def test_what_is_neither_is_told_apart_from_what_differs(
    receipt: str | None, journal: str, told: str, tmp_path: Path
) -> None:
    good = (FOLDER / "agreement.json").read_text()
    ran = recounted(tmp_path, good if receipt is None else receipt, journal)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert told in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "receipt.json").write_bytes(b"\xff\xfe\x00")
    ran = typed(SCRIPT, "receipt.json", "--journal", "events.jsonl", cwd=tmp_path)
    assert (ran.returncode, "no UTF-8" in ran.stderr) == (2, True)
    ran = typed(SCRIPT, "nowhere.json", "--journal", "events.jsonl", cwd=tmp_path)
    assert (ran.returncode, "nowhere.json cannot be read" in ran.stderr) == (2, True)
    assert typed(SCRIPT, "receipt.json", cwd=tmp_path).returncode == 2


def test_values_nested_deeper_than_python_recurses_are_told(tmp_path: Path) -> None:
    deep = json.loads("[" * 900 + "]" * 900)
    document, lines = lied(*vector("agreement"), lambda decision: decision.update(explanation=deep))
    ran = recounted(tmp_path, json.dumps(document), "\n".join(lines))
    assert (ran.returncode, "nested too deeply" in ran.stderr) == (2, True)
    assert "Traceback" not in ran.stderr


def test_texts_of_a_file_cannot_command_the_terminal(tmp_path: Path) -> None:
    document, lines = vector("agreement")
    document["decision"]["winner"] = "\x1b[2J\x07\ud800"
    ran = recounted(tmp_path, json.dumps(document), "\n".join(lines))
    assert failed(ran) == {"consensus", "winner"}
    assert "\x1b" not in ran.stdout


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["vote", "ann-ai"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


@st.composite
def spoiled(draw: Any) -> tuple[str, list[str]]:
    """A vector in which a few values, anywhere, are replaced or left out."""
    document, lines = vector(draw(st.sampled_from(NAMES)))
    values: list[Any] = [document, *map(json.loads, lines)]
    for _ in range(draw(st.integers(1, 3))):
        value = values[draw(st.integers(0, len(values) - 1))]
        while True:
            keys = list(value) if isinstance(value, dict) else list(range(len(value)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(value[key], (dict, list)) and value[key] and draw(st.integers(0, 3)):
                value = value[key]
                continue
            if draw(st.booleans()):
                value[key] = draw(ANYTHING)
            else:
                del value[key]
            break
    receipt, *journal = (json.dumps(value) for value in values)
    return receipt, journal


@settings(max_examples=600, deadline=None)
@given(spoiled(), st.booleans())
def test_a_spoiled_file_never_ends_in_an_error_of_the_script(files: tuple[str, list[str]], rewritten: bool) -> None:
    receipt, journal = files
    with contextlib.suppress(recount.BadInput):
        document, rows = recount.receipt_of(receipt.encode()), recount.rows_of("\n".join(journal).encode())
        assert list(recount.findings(document, rows, rewritten=rewritten))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 200), st.integers(0, 30))
def test_a_journal_with_bytes_torn_out_never_ends_in_an_error_of_the_script(
    put: bytes, place: int, length: int
) -> None:
    raw = (FOLDER / "people.jsonl").read_bytes()
    place *= 37
    with contextlib.suppress(recount.BadInput):
        receipt = recount.receipt_of((FOLDER / "people.json").read_bytes())
        assert list(recount.findings(receipt, recount.rows_of(raw[:place] + put + raw[place + length :])))
