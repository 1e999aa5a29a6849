#!/usr/bin/env python3
"""Recounts a receipt of Aragora from its journal, without Aragora: this file and Python 3.10 or newer, nothing else.

    python recount_receipt.py receipt.json --journal events.jsonl

`verify_receipt.py` shows that a receipt is unchanged and who signed it. This shows that what it says follows from what
happened: it adds up positions, votes, shares, participation, cost and people's signatures from the events, and compares
each with the receipt. The rules are those of docs/spec/receipt.md and docs/spec/journal.md.

The journal is what `aragora replay ID --json`, GET /api/debates/ID/events (all pages, one after the other) or its
stream of server-sent events give. Keep the bytes as they come: a tool that writes the JSON anew changes its digest.

Prints a line for each check: ok, FAIL, or -- with the reason why there is nothing to compare (receipts of earlier
versions tell less, and are recounted by the rules of their time). Exit code 0 where nothing differs, 1 where something
does, 2 where the call or a file is no good.

It is one long file because a stranger must be able to copy, read and run it alone. It is read from the top: checks,
then the fold over the events, then positions, votes and participation, then how the files are read.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import math
import re
import string
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

SCHEMA = "aragora.receipt/1"
TOLERANCE = 1e-6  # between a number that is stated and the same number recounted
CLOSE = 1e-9  # below this, two shares are the same to the rules
PERSON = "person:"  # prefix of a person's name among the voters
ANSWERING = ("challenge", "revise", "propose")
VOTING = ("vote", "rank")

# The stages of a round, in their order. What is asked for in each; what stands between the asks.
STAGES = {
    "propose": 1,
    "revise": 1,
    "group": 2,
    "challenge": 4,
    "critique": 7,
    "judge": 8,
    "rank": 9,
    "vote": 9,
    "synthesize": 10,
}
TRICKED, GROUPED_AGAIN, MEASURED, CRITICISED, DECIDED = 3, 5, 6, 7, 11

OK, FAIL, UNTOLD = "ok", "FAIL", "--"
Finding = tuple[str, str, str]  # mark, name, detail
Record = dict[str, Any]


class BadInput(ValueError):
    """A file is not what it should be; says what and where. Nothing can be recounted."""


class Impossible(ValueError):
    """The events can be read, but no debate makes them; says why."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Recount a receipt of Aragora from the journal of its debate.")
    parser.add_argument("receipt", help="the receipt as JSON; - reads standard input")
    parser.add_argument("--journal", required=True, metavar="FILE", help="the debate's events as exported, from seq 1")
    parser.add_argument(
        "--rewritten",
        action="store_true",
        help="another tool wrote the JSON of the events anew, so do not compare their digest",
    )
    arguments = parser.parse_args()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        receipt = receipt_of(content(arguments.receipt))
        rows = rows_of(content(arguments.journal))
        found = list(findings(receipt, rows, rewritten=arguments.rewritten))
    except BadInput as error:
        return _no_good(str(error))
    except RecursionError:
        return _no_good("a value in the receipt or its journal is nested too deeply")
    for mark, name, detail in found:
        print(f"{mark:<4}  {name:<13} {detail}")
    if any(mark == FAIL for mark, _, _ in found):
        print("DIFFERS: the receipt says something else than its journal adds up to")
        return 1
    print("AGREES: the receipt says what its journal adds up to; who signed it is for verify_receipt.py to check")
    return 0


def _no_good(told: str) -> int:
    print(f"recount_receipt.py: {shown(told, 600)}", file=sys.stderr)
    return 2


def content(path: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # NUL in a path
        raise BadInput(f"{path!r} is no path: {error}") from error


# --- The checks -------------------------------------------------------------------------------------------


def findings(receipt: Record, rows: list[Row], *, rewritten: bool = False) -> Iterator[Finding]:
    """Each check in turn; ends early where nothing more can be recounted."""
    stated = members(receipt, "decision")
    length = whole(members(receipt, "journal"), "length")
    flaw = _out_of_order(receipt, rows, length)
    if flaw is not None:
        yield FAIL, "events", flaw
        return
    unknown = sum(1 for row in rows[:length] if row.type not in KNOWN)
    more = f", {unknown} of a type unknown here, passed over" if unknown else ""
    yield OK, "events", f"1 to {length} of debate {shown(receipt['debate_id'])}, without a gap{more}"
    yield (UNTOLD, "digest", "not compared: --rewritten") if rewritten else _digest(receipt, rows[:length])
    old = _by_an_earlier_version(stated, rows[0])
    try:
        debate = folded(rows[:length], old)
        counted = decided(debate)
    except Impossible as error:
        yield FAIL, "recount", shown(str(error), 300)
        return
    yield from _asked(receipt, debate)
    yield _same("opened_at", rows[0].timestamp, receipt.get("opened_at"))
    yield _course(debate)
    same = f"event {length} tells the decision that the receipt states"
    yield _same("consensus", {**debate.consensus, "cost_usd": None}, {**stated, "cost_usd": None}, same)
    yield _positions(debate)
    told = _Told(stated, old)
    yield from told.each(counted, _PLAIN)
    yield told.tallies(counted)
    yield from told.each(counted, _OF_PEOPLE_AND_WORDS)
    yield _unsettled(debate, stated, old)
    yield from _money(receipt, debate, counted, old)
    yield UNTOLD, "explanation", "words for people, not recounted: where they say something else, the figures count"
    yield from _knowledge(receipt, rows[:length])
    yield from _issued(receipt, rows[length:], debate)


# What of the decision is compared as it is: the name of the check, and the member of the decision.
_PLAIN = (
    ("winner", "winner"),
    ("position", "position"),
    ("answer", "answer"),
    ("reached", "reached"),
    ("mode", "mode"),
    ("confidence", "confidence"),
    ("stated", "stated_confidence"),
    ("rounds", "rounds"),
    ("stopped_by", "stopped_by"),
    ("dissent", "dissent"),
)
_OF_PEOPLE_AND_WORDS = (
    ("participation", "participation"),
    ("signatures", "signatures"),
    ("support", "support"),
    ("headline", "headline"),
    ("estimated", "estimated_usd"),
)
_SINCE_POSITIONS = frozenset(
    {"position", "stated_confidence", "participation", "signatures", "support", "headline", "estimated_usd"}
)


@dataclass
class _Told:
    """What the receipt says of the decision; `old`: by a version that knew neither positions nor participation."""

    stated: Record
    old: bool

    def each(self, counted: Record, checks: Iterable[tuple[str, str]]) -> Iterator[Finding]:
        for name, member in checks:
            if self.old and member in _SINCE_POSITIONS:
                yield UNTOLD, name, "not told in this receipt"
            elif member not in self.stated:
                yield FAIL, name, f"missing in the receipt; recounted {brief(counted[member])}"
            else:
                yield _same(name, counted[member], self.stated[member], _in_short(member, counted))

    def tallies(self, counted: Record) -> Finding:
        tallies = [dict(one) for one in counted["tallies"]]
        stated = [dict(one) for one in objects(self.stated, "tallies")]
        if self.old:
            for one in (*tallies, *stated):
                for member in ("position", "authors"):
                    one.pop(member, None)
        told = "; ".join(f"{one['agent']} {one['votes']} ({one['weight']:g})" for one in tallies)
        return _same("tallies", tallies, stated, shown(f"votes (weight): {told}", 160))


def _in_short(member: str, counted: Record) -> str:
    """What a member says, where its JSON would be long."""
    value = counted[member]
    if member == "participation":
        told = f"{len(value['answered'])} of {len(value['asked'])} answered, {len(value['voted'])} of"
        degraded = f", degraded: {', '.join(value['degraded'])}" if value["degraded"] else ""
        return f"{told} {len(value['entitled'])} voted{degraded}"
    if member == "dissent":
        return shown(", ".join(one["agent"] for one in value), 160) or "none"
    if member == "signatures":
        return shown(", ".join(f"{one['verdict']} by {one['person']}" for one in value), 160) or "none"
    return ""


def _by_an_earlier_version(stated: Record, first: Row) -> bool:
    """Whether the debate was opened and decided by a version that knew neither positions nor participation."""
    spec = first.data.get("spec")
    protocol = spec.get("protocol") if isinstance(spec, dict) else None
    return stated.get("participation") is None and isinstance(protocol, dict) and "positions" not in protocol


def _out_of_order(receipt: Record, rows: list[Row], length: int) -> str | None:
    """Why the rows are not a whole journal of this debate; None where they are."""
    for place, row in enumerate(rows, 1):
        if row.seq != place:
            return f"event {place} is missing: {row.seq} stands in its place"
        if row.debate_id != receipt["debate_id"]:
            return f"event {place} is of debate {shown(row.debate_id)}, the receipt of {shown(receipt['debate_id'])}"
    if len(rows) < length:
        return f"the receipt covers {length} events, the journal has {len(rows)}: export it to its end"
    if length < 1 or rows[0].type != "debate_start" or rows[length - 1].type != "consensus":
        return "what the receipt covers must begin with a debate_start and end with a consensus"
    damaged = [row.seq for row in rows[:length] if row.type == "unreadable"]
    return f"event {damaged[0]} is damaged where it was exported" if damaged else None


def _digest(receipt: Record, rows: list[Row]) -> Finding:
    stated = text(members(receipt, "journal"), "sha256")
    computed = sha256("".join(f"{row.raw}\n" for row in rows))
    if computed == stated or sha256("".join(f"{_compact(row.raw)}\n" for row in rows)) == stated:
        return OK, "digest", stated
    changed = f"the events have {computed}, the receipt states {shown(stated)}: they were changed, or written anew by"
    return FAIL, "digest", f"{changed} another tool (export them with `aragora replay ID --json > events.jsonl`)"


def _compact(raw: str) -> str:
    """JSON without the white space between its tokens."""
    return _STRING_OR_SPACE.sub(lambda found: found[0] if found[0][0] == '"' else "", raw)


def _asked(receipt: Record, debate: Debate) -> Iterator[Finding]:
    """What was asked, by whom and under which rules, as the first event tells it."""
    spec, protocol = debate.spec.raw, debate.spec.raw["protocol"]
    context = spec.get("context") or ""
    told: Record = {
        "debate_id": text(spec, "debate_id"),
        "question": spec["question"],
        "context_sha256": sha256(context) if context else None,
        "domain": spec.get("domain", "general"),
        "created_by": spec.get("created_by", "local"),
        "org_id": spec.get("org_id", receipt["org_id"]),
        "status": "completed",
    }
    told.update({name: list(spec.get(name, ())) for name in ("options", "needs") if name in receipt or not debate.old})
    if "workspace" in receipt or "workspace" in spec:
        told["workspace"] = spec.get("workspace", "default")
    yield _same("question", told, {name: receipt[name] for name in told if name in receipt}, brief(spec["question"]))
    seed = spec.get("seed")
    rules = {
        "name": protocol.get("name"),
        "rounds": debate.protocol.rounds,
        "consensus": debate.protocol.consensus,
        "threshold": debate.protocol.threshold,
        "topology": debate.protocol.topology,
        "seed": seed if isinstance(seed, str) else f"{seed}",
    }
    stated = members(receipt, "protocol")
    yield _same("protocol", rules, {name: stated.get(name) for name in rules}, brief(rules["name"]))


def _positions(debate: Debate) -> Finding:
    if not debate.protocol.positions:
        return UNTOLD, "positions", "this debate counts each answer by itself"
    if debate.misfound:
        return FAIL, "positions", shown(debate.misfound[0], 300)
    corrected = f", corrected by {shown(debate.corrected_by)}" if debate.corrected_by else ""
    names = "; ".join(", ".join(one.authors) for one in positions_of(debate))
    return OK, "positions", f"found by {shown(debate.found_by)}{corrected}: {shown(names, 160)}"


def _course(debate: Debate) -> Finding:
    """Whether the events are such that a debate by its protocol makes: the order, who was asked, who may say what."""
    if not debate.flaws:
        return OK, "course", "each ask is settled once, by an agent that was to be asked; people did what they may"
    more = f" (and {len(debate.flaws) - 1} more)" if len(debate.flaws) > 1 else ""
    return FAIL, "course", f"{shown(debate.flaws[0], 300)}{more}"


def _unsettled(debate: Debate, stated: Record, old: bool) -> Finding:
    """What unanswered asks may be billed at most follows from what was sent, which a journal does not hold."""
    if old:
        return UNTOLD, "unsettled", "not told in this receipt"
    if "unsettled_usd" not in stated:
        return FAIL, "unsettled", "missing in the receipt"
    told = number(stated, "unsettled_usd")
    if debate.unsettled_then and debate.spec.raw.get("budget_usd") is not None and debate.spec.raw.get("prices"):
        asks = f"{debate.unsettled_then} ask(s) that were never answered"
        if told < 0:
            return FAIL, "unsettled", f"stated {told} USD, which is below nothing"
        return UNTOLD, "unsettled", f"stated {told:.6f} USD for {asks}; what they were sent is not in the journal"
    return _same("unsettled", 0.0, told)


def _money(receipt: Record, debate: Debate, counted: Record, old: bool) -> Iterator[Finding]:
    usage = members(receipt, "usage")
    yield _same("cost", counted["cost_usd"], usage.get("cost_usd"))
    parts = [part.told() for part in debate.parts.values()]
    tokens = {name: sum(part[name] for part in parts) for name in ("input_tokens", "output_tokens")}
    told = f"{tokens['input_tokens']} in, {tokens['output_tokens']} out"
    yield _same("tokens", tokens, {name: usage.get(name) for name in tokens}, told)
    stated = objects(receipt, "agents")
    if old:
        for part in parts:
            del part["abstentions"], part["estimated_usd"]
    told = shown(", ".join(f"{part['name']} {part['cost_usd']:.6f}" for part in parts), 160)
    known = [{name: one[name] for name in parts[0] if name in one} for one in stated]
    yield _same("agents", parts, known, f"USD: {told}")


def _knowledge(receipt: Record, rows: list[Row]) -> Iterator[Finding]:
    """What the debate was offered, who cited it, and what the answer that stands rests on."""
    offers = [row for row in rows if row.type == OFFERED]
    if not offers and "knowledge" not in receipt:
        return
    flaw = _misoffered(rows, offers) or _miscited(rows, offers)
    if flaw is not None:
        yield FAIL, "knowledge", shown(flaw, 300)
        return
    offer, cited = offers[0].data, [row.data for row in rows if row.type == CITED]
    standing = _standing(rows, members(receipt, "decision"))
    grounds = {label for one in cited if text(one, "ask_id") == standing for label in texts(one, "labels")}
    counted = {
        "offered": [_offered(item, cited, grounds) for item in objects(offer, "items", ())],
        "why": offer.get("why"),
        "unknown": list(dict.fromkeys(label for one in cited for label in texts(one, "unknown", ()))),
    }
    stated = receipt.get("knowledge")
    told = f"{len(counted['offered'])} offered, {several(len(cited), 'answer cites', 'answers cite')} of it"
    yield _same("knowledge", counted, stated, told if counted["why"] is None else f"none: {counted['why']}")


def _misoffered(rows: list[Row], offers: list[Row]) -> str | None:
    """Why no debate is offered this; None where one is."""
    if len(offers) != 1 or any(row.type == "round_start" for row in rows[: offers[0].seq]):
        return "knowledge is offered once, and before the first round"
    if members(rows[0].data, "spec").get("knowledge") is not True:
        return "this debate takes no knowledge"
    for number, item in enumerate(objects(offers[0].data, "items", ()), 1):
        if text(item, "label") != f"K{number}" or sha256(text(item, "text")) != text(item, "digest"):
            return f"offered item {number} has another label, or another text than its digest says"
    return None


def _miscited(rows: list[Row], offers: list[Row]) -> str | None:
    """Why an answer cannot cite what is told of it; None where all can."""
    labels = {text(item, "label") for item in objects(offers[0].data, "items", ())}
    for before, row in itertools.pairwise(rows):
        if row.type != CITED:
            continue
        same = all(before.data.get(name) == row.data.get(name) for name in ("ask_id", "agent", "round"))
        if before.type != "agent_message" or not same:
            return f"event {row.seq} tells what an answer cites, and the answer is not the event before"
        if not labels.issuperset(texts(row.data, "labels")) or labels.intersection(texts(row.data, "unknown", ())):
            return f"event {row.seq} takes a label for offered that is not, or the other way round"
    return None


def _standing(rows: list[Row], decision: Record) -> str:
    """The ask of the answer that stands: the chair's, or the winner's; none where people or nobody decided."""
    if not decision.get("reached") or decision.get("winner") is None:
        return ""
    last: dict[str, Row] = {}
    for row in rows:
        if row.type == "agent_message":
            chair = row.data.get("kind") == "synthesize"
            last["" if chair else text(row.data, "agent")] = row
    answer = text(decision, "answer")
    candidates = (last[name] for name in ("", text(decision, "winner")) if name in last)
    return next((text(row.data, "ask_id") for row in candidates if text(row.data, "content") == answer), "")


def _offered(item: Record, cited: list[Record], grounds: set[str]) -> Record:
    names = ("label", "item_id", "version", "digest", "kind")
    sources = ("source_debate_id", "source_receipt_id", "source_receipt_hash")
    by = dict.fromkeys(text(one, "agent") for one in cited if item["label"] in texts(one, "labels"))
    return {
        **{name: item.get(name) for name in names},
        "disputed": item.get("disputed", False),
        **{name: item.get(name, "") for name in sources},
        "cited_by": list(by),
        "grounds": item["label"] in grounds,
    }


def _issued(receipt: Record, rest: list[Row], debate: Debate) -> Iterator[Finding]:
    """Whether the journal, which goes on after what the receipt covers, names this receipt and then ends."""
    rest = [row for row in rest if row.type in KNOWN]
    if [row.type for row in rest] != ["receipt", "debate_end"][: len(rest)]:
        told = ", ".join(row.type for row in rest)
        yield FAIL, "issued", f"after the decision come a receipt and a debate_end, and here {shown(told)}"
        return
    if not rest:
        yield UNTOLD, "issued", "the journal was exported before the receipt was issued"
        return
    names = ("receipt_id", "position", "hash", "previous_hash", "signature", "key_id")
    issued = {name: rest[0].data.get(name) for name in names} | {"issued_at": rest[0].timestamp}
    yield _same("issued", issued, {name: receipt.get(name) for name in issued}, brief(issued["receipt_id"]))
    for end in rest[1:]:
        told_of_it = {name: end.data.get(name) for name in ("status", "rounds", "cost_usd")}
        counted = {"status": "completed", "rounds": debate.round, "cost_usd": debate.cost_then}
        yield _same("end", counted, told_of_it, f"completed after {several(debate.round, 'round', 'rounds')}")


def _same(name: str, counted: Any, stated: Any, told: str = "") -> Finding:
    """Whether the two say the same; `told` is what to say of it where that is not evident."""
    where = _difference(counted, stated, "")
    if where is None:
        return OK, name, told or brief(counted)
    path, one, other = where
    place = f"{path.lstrip('.')}: " if path else ""
    return FAIL, name, f"{shown(place)}recounted {brief(one)}, stated {brief(other)}"


def _difference(counted: Any, stated: Any, path: str) -> tuple[str, Any, Any] | None:
    """The first place where the two differ, with what stands there; None where they are the same."""
    if isinstance(counted, dict) and isinstance(stated, dict):
        for name in dict.fromkeys((*counted, *stated)):
            if name not in counted or name not in stated:
                return f"{path}.{name}", counted.get(name, "nothing"), stated.get(name, "nothing")
            found = _difference(counted[name], stated[name], f"{path}.{name}")
            if found is not None:
                return found
        return None
    if isinstance(counted, (list, tuple)) and isinstance(stated, list):
        if len(counted) != len(stated):
            return path, list(counted), stated
        pairs = enumerate(zip(counted, stated, strict=True), 1)
        return next((found for n, (a, b) in pairs if (found := _difference(a, b, f"{path}.{n}")) is not None), None)
    return None if _alike(counted, stated) else (path, counted, stated)


def _alike(counted: Any, stated: Any) -> bool:
    numbers = (int, float)
    if isinstance(counted, bool) or isinstance(stated, bool):
        return counted is stated
    if isinstance(counted, numbers) and isinstance(stated, numbers):
        return counted == stated or abs(counted - stated) <= TOLERANCE
    return type(counted) is type(stated) and bool(counted == stated)


# --- What the events tell ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Protocol:
    """The rules of one debate, as far as a recount needs them, with what stands for those that are not told."""

    consensus: str = "majority"
    threshold: float = 0.5
    topology: str = "all_to_all"
    rounds: int = 3
    quorum: float = 0.5
    self_vote_weight: float = 0.5
    critique: bool = True
    revise: bool = True
    rank: bool = False
    synthesize: bool = False
    judged: bool = False
    early_stop: bool = True
    positions: bool = False
    settles: bool = False

    @property
    def by_judge(self) -> bool:
        return self.judged or self.consensus == "judge"

    @property
    def rounds_planned(self) -> int:
        return self.rounds if self.revise else 1


@dataclass(frozen=True)
class Spec:
    raw: Record
    agents: tuple[str, ...]
    judge: str
    standings: dict[str, tuple[float, float]]  # elo, calibration

    def elo(self, agent: str) -> float:
        return self.standings.get(agent, _NEWCOMER)[0]


@dataclass(frozen=True)
class Answer:
    agent: str
    text: str
    confidence: float
    evidence: int
    option: str
    model: tuple[str, str]  # provider, model


@dataclass(frozen=True)
class Ballot:
    voter: str
    choice: str
    confidence: float
    reason: str
    ranking: tuple[str, ...]


@dataclass(frozen=True)
class Position:
    name: str
    spokesman: str
    authors: tuple[str, ...]


@dataclass
class Part:
    """One agent's part, as the receipt tells it under `agents`."""

    name: str
    provider: str | None = None
    model: str | None = None
    answers: int = 0
    abstentions: int = 0
    failures: int = 0
    sums: Record = field(
        default_factory=lambda: {
            "input_tokens": 0,
            "output_tokens": 0,
            "cost_usd": 0.0,
            "estimated_usd": 0.0,
            "latency_s": 0.0,
        }
    )
    answer: str | None = None
    fallbacks: dict[tuple[str, str, str, str], list[int]] = field(default_factory=dict)

    def told(self) -> Record:
        names = ("from_provider", "to_provider", "model", "reason")
        return {
            "name": self.name,
            "provider": self.provider,
            "model": self.model,
            "answers": self.answers,
            "failures": self.failures,
            "answer_sha256": None if self.answer is None else sha256(self.answer),
            "fallbacks": [
                {**dict(zip(names, key, strict=True)), "succeeded": succeeded, "failed": failed}
                for key, (succeeded, failed) in self.fallbacks.items()
            ],
            "abstentions": self.abstentions,
            **self.sums,
        }


@dataclass
class Debate:
    """What the events so far have made."""

    spec: Spec
    protocol: Protocol
    old: bool
    participants: tuple[str, ...]
    seq: int = 0  # of the event that is taken now
    type: str = ""  # likewise
    round: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    synthesis: Answer | None = None
    found_then: tuple[Position, ...] = ()  # the positions, and people's votes, when the chair was asked
    persons_then: dict[str, tuple[str, float]] = field(default_factory=dict)
    groups: tuple[tuple[tuple[str, ...], ...], str] | None = None  # as an agent put the answers together; which
    found: tuple[Position, ...] = ()
    found_by: str = ""
    corrected_by: str = ""
    misfound: list[str] = field(default_factory=list)
    flaws: list[str] = field(default_factory=list)  # why no debate by this protocol makes these events
    stage: int = 0  # how far the round is, see STAGES; those below it are over
    due: frozenset[tuple[str, str]] = frozenset()  # who is asked in the open stage, and about whom
    heard: set[tuple[str, str]] = field(default_factory=set)  # of these, whose ask is settled
    critics: frozenset[tuple[str, str]] = frozenset()  # who criticises whom after the last measurement
    challenged: int = 0  # the round in which an agreement was challenged
    turned: dict[str, Record] = field(default_factory=dict)  # fallbacks told, by the ask they belong to
    ballots: dict[str, Ballot] = field(default_factory=dict)
    verdict: Ballot | None = None
    persons: dict[str, tuple[str, float]] = field(default_factory=dict)  # choice and intensity, the latest
    abstained: dict[str, dict[str, str]] = field(default_factory=dict)  # reason, by what was asked and agent
    failed: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict)  # code and message, likewise
    settled: set[str] = field(default_factory=set)  # asks
    asked: set[tuple[str, int]] = field(default_factory=set)  # what was asked, and in which round
    overdue: dict[str, str] = field(default_factory=dict)  # asks whose answer did not come in time, with their agent
    stopped: str = "rounds"
    critique_due: bool = False
    to_vote_on: bool = False  # when the last round closed
    cost_usd: float = 0.0
    estimated_usd: float = 0.0
    cost_then: float = 0.0  # when the votes were counted
    estimated_then: float = 0.0
    unsettled_then: int = 0
    stopped_by: str = ""  # likewise
    proposed: tuple[str, str] | None = None  # at the gate: what a person put in place of answer and position
    signatures: dict[str, Record] = field(default_factory=dict)  # in force, by need
    unaffordable: bool = False  # an ask failed because the budget was spent
    changed_by: str = ""  # whose words stand in place of the agents' answer
    consensus: Record = field(default_factory=dict)  # as the journal tells it
    parts: dict[str, Part] = field(default_factory=dict)

    @property
    def holders(self) -> tuple[str, ...]:
        return tuple(agent for agent in self.participants if agent in self.answers)

    @property
    def ballots_wanted(self) -> int:
        return len(self.participants) if any(kind in VOTING for kind, _ in self.asked) else 0

    @property
    def abstainers(self) -> int:
        return len({agent for kind in VOTING for agent in self.abstained.get(kind, ())})

    def part(self, agent: str) -> Part:
        return self.parts.setdefault(agent, Part(agent))

    def must(self, lawful: bool, otherwise: str) -> None:
        """Note what no debate does; the count goes on."""
        if not lawful:
            self.flaws.append(f"event {self.seq} ({self.type}): {otherwise}")


def folded(rows: list[Row], old: bool) -> Debate:
    """What the events of a whole journal make, in the order of their seq."""
    debate: Debate | None = None
    for row in rows:
        try:
            if debate is None:
                debate = opened(row.data, old)
                continue
            debate.seq, debate.type = row.seq, row.type
            anywhere = row.type in ("user_suggestion", OFFERED, CITED)
            debate.must(row.type not in PASSED_OVER or anywhere, "it cannot stand here")
            debate.must(not debate.consensus, "the decision stands already")
            if row.type in TAKEN:
                TAKEN[row.type](debate, row.data)
        except BadInput as error:
            raise BadInput(f"event {row.seq} of the journal ({row.type}): {error}") from error
        except Impossible as error:
            raise Impossible(f"event {row.seq} ({row.type}): {error}") from error
    if debate is None:
        raise BadInput("the journal holds no event")
    return debate


def opened(data: Record, old: bool) -> Debate:
    raw = members(data, "spec")
    agents = texts(raw, "agents")
    if not agents or len(set(agents)) != len(agents):
        raise BadInput("`agents` must name each agent once, and one at least")
    standings = {
        agent: (number(one, "elo", 1500.0), number(one, "calibration", 0.5))
        for agent, one in ((name, members({name: one}, name)) for name, one in maybe(raw, "standings").items())
    }
    judge = raw.get("judge")
    if judge is None:
        judge = max(reversed(agents), key=lambda agent: standings.get(agent, _NEWCOMER)[0])
    text(raw, "question"), text({"judge": judge}, "judge"), texts(raw, "needs", ()), texts(raw, "options", ())
    text(raw, "context", "")
    protocol = protocol_of(members(raw, "protocol"))
    participants = agents
    if protocol.by_judge and len(agents) >= 3:
        participants = tuple(agent for agent in agents if agent != judge)
    debate = Debate(Spec(raw, agents, judge, standings), protocol, old, participants)
    debate.parts = {agent: Part(agent) for agent in agents}
    return debate


def protocol_of(raw: Record) -> Protocol:
    default = Protocol()
    known: Record = {}
    for name, standard in vars(default).items():
        if isinstance(standard, bool):
            known[name] = flag(raw, name, standard)
        elif isinstance(standard, str):
            known[name] = text(raw, name, standard)
        elif isinstance(standard, int):
            known[name] = whole(raw, name, standard)
        else:
            known[name] = number(raw, name, standard)
    return Protocol(**known)


def _round_started(debate: Debate, data: Record) -> None:
    number, last = whole(data, "round"), debate.round
    debate.must(number == last + 1 <= debate.protocol.rounds_planned, f"round {number} follows round {last}")
    debate.must(not last or (MEASURED <= debate.stage <= CRITICISED and debate.stopped == "rounds"), "no round is due")
    _close_stage(debate)
    debate.round, debate.stage, debate.groups = number, STAGES["propose"], None
    debate.due = frozenset((agent, "") for agent in debate.participants)


def _challenged(debate: Debate, _data: Record) -> None:
    _open_stage(debate, TRICKED)
    debate.must(not debate.challenged, "an agreement is challenged once")
    debate.challenged, debate.groups = debate.round, None


def _open_stage(debate: Debate, stage: int) -> None:
    """Go on to `stage`, or stay in it; all earlier ones are over."""
    if stage == debate.stage:
        return
    debate.must(stage > debate.stage, "it comes too late in its round")
    debate.must(stage <= MEASURED or debate.stage >= MEASURED, "the answers of its round were not compared")
    _close_stage(debate)
    debate.stage = max(stage, debate.stage)


def _close_stage(debate: Debate) -> None:
    missing = sorted(agent for agent, _ in debate.due - debate.heard)
    debate.must(not missing, f"what was asked of {', '.join(dict.fromkeys(missing))} before it was never settled")
    debate.due, debate.heard = frozenset(), set()


def _asks_of(debate: Debate, kind: str) -> frozenset[tuple[str, str]]:
    """Who is asked for `kind` now, each with whom it is about; nobody where it is not asked for at all."""
    if kind == "critique":
        return debate.critics
    protocol, everyone, judge = debate.protocol, debate.participants, debate.spec.judge
    challenged, contested = debate.challenged == debate.round, debate.to_vote_on
    silent = protocol.by_judge and debate.verdict is None and ("judge", debate.round) in debate.asked
    sought = not protocol.by_judge and not protocol.rank and protocol.consensus != "none"
    wanted, agents = {
        "propose": (debate.round == 1, everyone),
        "revise": (debate.round > 1, everyone),
        "challenge": (challenged, debate.holders),
        "group": (protocol.positions, everyone if judge in everyone else (judge,)),
        "judge": (protocol.by_judge and contested, (judge,)),
        "rank": (protocol.rank and not protocol.by_judge and contested, everyone),
        "vote": ((silent or sought) and contested, everyone),
        "synthesize": (protocol.synthesize, (judge,)),
    }[kind]
    about = "challenge" if kind == "group" and challenged else ""
    return frozenset((agent, about) for agent in agents) if wanted else frozenset()


def _critics(debate: Debate) -> frozenset[tuple[str, str]]:
    """Who criticises whom, by the topology."""
    if debate.protocol.topology == "positions":
        chosen = {one.spokesman for one in positions_of(debate)}
        names = [agent for agent in debate.participants if agent in chosen]
        following = zip(names, names[1:] + names[:1], strict=True)
        return frozenset(following) if len(names) > 1 else frozenset()
    names, count = list(debate.participants), len(debate.participants)
    reach = {"ring": 1, "sparse": count // 2}.get(debate.protocol.topology, count - 1)
    pairs = {(names[here], names[(here + step) % count]) for here in range(count) for step in range(1, reach + 1)}
    if debate.protocol.topology == "star":
        pairs = {(one, other) for one in names for other in names if one != other and names[0] in (one, other)}
    return frozenset((critic, target) for critic, target in pairs if critic != target and target in debate.answers)


def _pay(debate: Debate, agent: str, usage: Record) -> None:
    cost = number(usage, "cost_usd", 0.0)
    figures = (cost, whole(usage, "input_tokens", 0), whole(usage, "output_tokens", 0), number(usage, "latency_s", 0.0))
    debate.must(min(figures) >= 0, f"{agent} took less than nothing")
    estimated = cost if flag(usage, "estimated", False) else 0.0
    debate.cost_usd += cost
    debate.estimated_usd += estimated
    sums = debate.part(agent).sums
    sums["input_tokens"] += whole(usage, "input_tokens", 0)
    sums["output_tokens"] += whole(usage, "output_tokens", 0)
    sums["cost_usd"] += cost
    sums["estimated_usd"] += estimated
    sums["latency_s"] += number(usage, "latency_s", 0.0)


def _settle(debate: Debate, data: Record, kinds: Iterable[str]) -> str:
    """Note that an ask is settled; gives what was asked, one of `kinds`."""
    ask_id, agent = text(data, "ask_id"), text(data, "agent")
    if ask_id in debate.settled:
        raise Impossible(f"the ask {ask_id} is settled twice")
    debate.settled.add(ask_id)
    kind, target = _asked_by(debate, data)
    debate.must(kind in kinds and data.get("kind", kind) == kind, f"the ask {ask_id} asks for something else")
    if kind in STAGES:
        again = kind == "group" and debate.challenged == debate.round
        _open_stage(debate, GROUPED_AGAIN if again else STAGES[kind])
        due = _asks_of(debate, kind)
        debate.due = debate.due or (due if kind != "group" else frozenset())
        debate.must((agent, target) in due, f"{agent} is not to be asked for this ({kind}) here")
        debate.heard.add((agent, target))
    debate.asked.add((kind, whole(data, "round")))
    if kind == "critique":
        debate.to_vote_on = to_vote_on(debate)
    if kind != "synthesize":
        _before_the_chair(debate)
    return kind


def _asked_by(debate: Debate, data: Record) -> tuple[str, str]:
    """What an ask asks for, and about whom. Its id is DEBATE/ROUND/KIND/AGENT, or DEBATE/ROUND/KIND/AGENT>TARGET."""
    ask_id, agent, number = text(data, "ask_id"), text(data, "agent"), whole(data, "round")
    debate.must(number == debate.round, f"it is of round {number}, and this is round {debate.round}")
    beginning = f"{text(debate.spec.raw, 'debate_id')}/{number}/"
    kind, _, who = ask_id[len(beginning) :].partition("/")
    mine = ask_id.startswith(beginning) and (who == agent or who.startswith(f"{agent}>"))
    debate.must(mine and kind in STAGES, f"{agent} cannot settle the ask {ask_id}")
    return kind, who[len(agent) + 1 :]


def _replied(debate: Debate, data: Record, kinds: Iterable[str]) -> str:
    """What all answers have in common, whatever they say; gives what was asked, one of `kinds`."""
    kind = _settle(debate, data, kinds)
    told, turned = data.get("fallback"), debate.turned.pop(text(data, "ask_id"), None)
    debate.must(told == turned or debate.old, "no event tells its fallback as it does")
    for name in ("confidence", "severity"):
        debate.must(0 <= number(data, name, 0.0) <= 1, f"its {name} is not between 0 and 1")
    agent, usage = text(data, "agent"), members(data, "usage")
    part = debate.part(agent)
    part.answers += 1
    part.provider, part.model = text(usage, "provider"), text(usage, "model")
    _pay(debate, agent, usage)
    return kind


def _answered(debate: Debate, data: Record) -> None:
    _replied(debate, data, (*ANSWERING, "synthesize"))
    usage = members(data, "usage")
    answer = Answer(
        text(data, "agent"),
        text(data, "content"),
        number(data, "confidence"),
        len(texts(data, "evidence")),
        text(data, "option", ""),
        (text(usage, "provider"), text(usage, "model")),
    )
    options = texts(debate.spec.raw, "options", ())
    debate.must(answer.option in (options or ("",)), f"{answer.option!r} is none of the options")
    debate.part(answer.agent).answer = answer.text
    if text(data, "kind") == "synthesize":
        debate.synthesis = answer
    else:
        debate.answers[answer.agent] = answer


def _criticised(debate: Debate, data: Record) -> None:
    _replied(debate, data, ("critique",))
    debate.must(text(data, "ask_id").endswith(f">{text(data, 'target')}"), "it was asked about another's answer")


def _grouped(debate: Debate, data: Record) -> None:
    _replied(debate, data, ("group",))
    debate.groups = groups_of(data), text(data, "agent")


def _abstained(debate: Debate, data: Record) -> None:
    _replied(debate, data, (kind for kind in STAGES if kind != "group"))
    agent = text(data, "agent")
    debate.part(agent).abstentions += 1
    debate.abstained.setdefault(text(data, "kind"), {})[agent] = text(data, "reason")


def _voted(debate: Debate, data: Record) -> None:
    kind = _replied(debate, data, (*VOTING, "judge"))
    ballot = Ballot(
        text(data, "agent"),
        text(data, "choice"),
        number(data, "confidence"),
        text(data, "reason"),
        texts(data, "ranking"),
    )
    ranked = ballot.ranking[:1] == (ballot.choice,) and len(set(ballot.ranking)) == len(ballot.ranking)
    debate.must(ranked if kind == "rank" else not ballot.ranking, "its ranking is none, or not that of its choice")
    if text(data, "kind") == "judge":
        debate.verdict = ballot
    else:
        debate.ballots[ballot.voter] = ballot


def _failed(debate: Debate, data: Record) -> None:
    kind, agent, code = _settle(debate, data, STAGES), text(data, "agent"), text(data, "code")
    debate.turned.pop(text(data, "ask_id"), None)
    debate.failed.setdefault(kind, {})[agent] = code, text(data, "message")
    debate.part(agent).failures += 1
    debate.unaffordable = debate.unaffordable or code == "budget_spent"
    if code == "deadline":
        debate.overdue[text(data, "ask_id")] = agent
    if data.get("usage") is not None:
        _pay(debate, agent, members(data, "usage"))


def _late(debate: Debate, data: Record) -> None:
    ask_id = text(data, "ask_id")
    if ask_id not in debate.overdue:
        raise Impossible(f"the ask {ask_id} is answered late, and was not overdue")
    agent = text(data, "agent")
    debate.must(debate.overdue.pop(ask_id) == agent, f"{agent} was not asked for this")
    _pay(debate, agent, members(data, "usage"))


def _fell_back(debate: Debate, data: Record) -> None:
    fallback, ask_id = members(data, "fallback"), text(data, "ask_id")
    _asked_by(debate, data)
    debate.must(ask_id not in debate.turned and ask_id not in debate.settled, f"the ask {ask_id} had its fallback")
    debate.turned[ask_id] = fallback
    key = tuple(text(fallback, name) for name in ("from_provider", "to_provider", "model", "reason"))
    counts = debate.part(text(data, "agent")).fallbacks.setdefault(key, [0, 0])  # type: ignore[arg-type]
    counts[0 if flag(data, "succeeded") else 1] += 1


def _measured(debate: Debate, data: Record) -> None:
    told = tuple(
        Position(text(one, "name"), text(one, "spokesman"), texts(one, "authors"))
        for one in objects(data, "positions", ())
    )
    authors = [author for one in told for author in one.authors]
    if len(set(authors)) != len(authors) or any(one.spokesman not in one.authors for one in told):
        raise Impossible("its positions name an author twice, or a spokesman that is no author")
    debate.must(debate.stage < MEASURED or debate.old, "the answers of this round were compared already")
    debate.must(whole(data, "round") == debate.round, f"it is of another round than {debate.round}")
    _open_stage(debate, MEASURED)
    before = debate.found
    debate.found, debate.found_by, debate.corrected_by = told, text(data, "found_by", ""), ""
    if debate.protocol.positions:
        _compare_found(debate)
        _compare_figures(debate, data, before)
    _before_the_chair(debate)
    _plan(debate, flag(data, "converged"), texts(data, "moved", ()))


def _compare_found(debate: Debate) -> None:
    ours, by = found(debate)
    if (ours, by) != (debate.found, debate.found_by):
        told = "; ".join(", ".join(one.authors) for one in debate.found)
        mine = "; ".join(", ".join(one.authors) for one in ours)
        debate.misfound.append(
            f"round {debate.round}: recounted {mine} (found by {by}), the journal tells {told} (by {debate.found_by})"
        )


def _compare_figures(debate: Debate, data: Record, before: tuple[Position, ...]) -> None:
    """What follows from the positions: whether there is one, how many share the largest, who changed sides."""
    held = sum(len(one.authors) for one in debate.found)
    agreement = round(len(debate.found[0].authors) / held, 4) if held > 1 else 0.0
    figures = {
        "agreement": agreement,
        "converged": len(debate.found) == 1 and held > 1,
        "moved": moved(before, debate.found),
    }
    where = _difference(figures, {name: data.get(name) for name in figures}, "")
    if where is not None and not debate.misfound:
        path, ours, theirs = where
        debate.misfound.append(
            f"round {debate.round}: {path.lstrip('.')} is recounted {brief(ours)}, the journal tells {brief(theirs)}"
        )


def moved(before: tuple[Position, ...], now: tuple[Position, ...]) -> list[str]:
    """Who holds another position than before, or brings a new one."""
    pairs = [
        (old.name == new.name, len({*old.authors} & {*new.authors}), -then, -here)
        for then, old in enumerate(before)
        for here, new in enumerate(now)
    ]
    same: dict[int, int] = {}
    for alike, shared, then, here in sorted(pairs, reverse=True):
        if (alike or shared) and -here not in same and -then not in same.values():
            same[-here] = -then
    places = {author: then for then, one in enumerate(before) for author in one.authors}
    return sorted(
        author
        for here, one in enumerate(now)
        for author in one.authors
        if (places[author] != same.get(here) if author in places else here not in same)
    )


def _plan(debate: Debate, converged: bool, moved: tuple[str, ...]) -> None:
    """What must follow the measurement of a round, where the budget allows."""
    protocol = debate.protocol
    debate.stopped, debate.critique_due, debate.critics = "rounds", False, frozenset()
    debate.to_vote_on = to_vote_on(debate)
    enough = len(debate.holders) >= quorum_of(debate, len(debate.participants))
    if converged and protocol.early_stop and (enough or not protocol.positions):
        debate.stopped = "agreement" if protocol.positions else "convergence"
    elif protocol.settles and debate.round > 1 and not moved:
        debate.stopped = "unmoved"
    elif protocol.critique:
        between = protocol.topology == "positions"
        too_late = between and 1 < debate.round >= protocol.rounds_planned
        nobody_to_ask = between and len(positions_of(debate)) < 2 and not held_back(debate)  # that comes first
        debate.critique_due = not too_late and not nobody_to_ask
        debate.critics = _critics(debate) if debate.critique_due else frozenset()


def _person_voted(debate: Debate, data: Record) -> None:
    choice, intensity = text(data, "choice"), whole(data, "intensity")
    debate.must(choice in debate.participants, f"{choice} takes no part in this debate")
    debate.must(1 <= intensity <= 10, f"an intensity is a number from 1 to 10, not {intensity}")
    debate.persons[text(data, "person")] = choice, intensity
    _reopen(debate)


def _positions_corrected(debate: Debate, data: Record) -> None:
    groups = groups_of(data)
    strangers = {agent for group in groups for agent in group} - set(debate.holders)
    debate.must(not strangers, f"{', '.join(sorted(strangers))} holds no answer")
    correctable = debate.protocol.positions and not texts(debate.spec.raw, "options", ()) and bool(debate.found)
    debate.must(correctable, "there are no positions that a person may correct")
    debate.found = corrected(debate, groups)
    debate.corrected_by = text(data, "person")
    _reopen(debate)


def _reopen(debate: Debate) -> None:
    """Whoever changes the count while it waits for signatures has it made anew."""
    debate.proposed, debate.signatures, debate.changed_by = None, {}, ""


def _counted_now(debate: Debate) -> None:
    """The votes are counted at this event."""
    _paid_until_now(debate)
    debate.stopped_by = debate.stopped_by or stopped_by(debate)


def _paid_until_now(debate: Debate) -> None:
    """What the decision costs: a late answer still counts while people sign, and none after the decision."""
    debate.cost_then, debate.estimated_then = debate.cost_usd, debate.estimated_usd
    debate.unsettled_then = len(debate.overdue)


def _decision_proposed(debate: Debate, data: Record) -> None:
    needs = list(texts(debate.spec.raw, "needs", ()))
    debate.must(bool(needs) and debate.proposed is None, "nobody has to sign it, or it is proposed already")
    debate.must(list(texts(data, "missing")) == needs, "it names others than those who must sign")
    _open_stage(debate, DECIDED)
    debate.proposed, debate.signatures = ("", ""), {}
    _counted_now(debate)
    _compare_proposed(debate, members(data, "decision"))


def _compare_proposed(debate: Debate, told: Record) -> None:
    """People signed what was proposed to them, so it must be what the votes say."""
    ours = decided(debate)
    where = _difference(ours, {name: told[name] for name in ours if name in told}, "")
    path, mine, theirs = where or ("", "", "")
    proposed = f"{path.lstrip('.')} is recounted {brief(mine)}, and {brief(theirs)} was proposed"
    debate.must(where is None, proposed)


def _signed(debate: Debate, data: Record) -> None:
    verdict, need = text(data, "verdict"), text(data, "need")
    signature = {
        "need": need,
        "person": text(data, "person"),
        "verdict": verdict,
        "note": text(data, "note", ""),
    }
    if need not in texts(debate.spec.raw, "needs", ()):
        raise Impossible(f"{need} need not sign this debate")
    if need.startswith("user:") and need != f"user:{signature['person']}":
        raise Impossible(f"{signature['person']} signs for {need}")
    if debate.proposed is None:
        raise Impossible(f"{signature['person']} signs what is not proposed")
    _check_word(debate, signature, data)
    if verdict == "change":
        debate.signatures, debate.changed_by = {}, signature["person"]
        debate.proposed = text(data, "answer"), text(data, "option", "")
    debate.signatures = {
        other: one for other, one in debate.signatures.items() if other == need or one["person"] != signature["person"]
    }
    debate.signatures[need] = signature


def _check_word(debate: Debate, signature: Record, data: Record) -> None:
    verdict, answer, option = signature["verdict"], text(data, "answer", ""), text(data, "option", "")
    before = debate.signatures.get(signature["need"])
    debate.must(not _gate_passed(debate), "all had signed, and nothing was left to sign")
    debate.must(before is None or before["person"] == signature["person"], "another has signed for this need")
    debate.must(verdict in ("approve", "change", "veto"), f"{verdict} is no verdict")
    debate.must(bool(answer.strip()) == (verdict == "change"), "a change, and nothing else, brings an answer")
    allowed = ("", *texts(debate.spec.raw, "options", ())) if verdict == "change" else ("",)
    debate.must(option in allowed, f"{option} is no option that it may name")


def _gate_passed(debate: Debate) -> bool:
    vetoed = any(one["verdict"] == "veto" for one in debate.signatures.values())
    return vetoed or set(debate.signatures) == set(texts(debate.spec.raw, "needs", ()))


def _consensus(debate: Debate, data: Record) -> None:
    debate.must(not debate.turned, "a fallback was told, and no answer or failure after it")
    _open_stage(debate, DECIDED)
    debate.consensus = members(data, "decision")
    if not texts(debate.spec.raw, "needs", ()):
        _counted_now(debate)
        return
    if debate.proposed is None or not _gate_passed(debate):
        raise Impossible("it is decided before all who must sign have signed")
    _paid_until_now(debate)


TAKEN: dict[str, Callable[[Debate, Record], None]] = {
    "round_start": _round_started,
    "agent_message": _answered,
    "critique": _criticised,
    "vote": _voted,
    "grouping": _grouped,
    "abstention": _abstained,
    "agent_error": _failed,
    "late_answer": _late,
    "fallback": _fell_back,
    "convergence": _measured,
    "trickster": _challenged,
    "user_vote": _person_voted,
    "user_positions": _positions_corrected,
    "decision_proposed": _decision_proposed,
    "signature": _signed,
    "consensus": _consensus,
}
OFFERED, CITED = "knowledge_offered", "knowledge_cited"  # they change no count, and are checked by themselves
PASSED_OVER = frozenset({"debate_start", "user_suggestion", "receipt", "debate_end", OFFERED, CITED})
KNOWN = PASSED_OVER.union(TAKEN)


# --- Positions --------------------------------------------------------------------------------------------


def found(debate: Debate) -> tuple[tuple[Position, ...], str]:
    """The positions of the answers that stand now, and by what they are found."""
    holders, answers = debate.holders, debate.answers
    if texts(debate.spec.raw, "options", ()):
        return made(debate, by_key(holders, lambda one: answers[one].option)), "options"
    alike = by_key(holders, lambda one: words(telling(answers[one].text)) or (one, ""))
    if len(alike) <= 1 or len(holders) < 2:
        return made(debate, alike), "texts"
    stances = {agent: stance(answers[agent]) for agent in holders}
    if all(stances.values()) and not _OFFERS_MORE.search(debate.spec.raw["question"]):
        return made(debate, by_key(holders, lambda one: stances[one])), "texts"
    if debate.groups is not None:
        groups, by = debate.groups
        named = [agent for group in groups for agent in group]
        if len(named) == len(set(named)) and set(named) == set(holders):
            return made(debate, unmixed(debate, groups)), by
    return made(debate, unmixed(debate, alike)), "texts"


def positions_of(debate: Debate) -> tuple[Position, ...]:
    """The positions that are counted: as found last, or each answer by itself."""
    authors = {author for one in debate.found for author in one.authors}
    if debate.protocol.positions and authors == set(debate.holders):
        return debate.found
    return tuple(Position(named(debate.answers[agent].text), agent, (agent,)) for agent in debate.holders)


def corrected(debate: Debate, groups: tuple[tuple[str, ...], ...]) -> tuple[Position, ...]:
    """The positions with the authors of `groups` put together as these say; all others stay where they are."""
    moved = {agent for group in groups for agent in group}
    kept = [tuple(agent for agent in group if agent in debate.holders) for group in groups]
    rest = [tuple(author for author in one.authors if author not in moved) for one in positions_of(debate)]
    if len(moved) != sum(len(group) for group in groups):
        raise Impossible("an agent is named twice")
    return made(debate, (*kept, *rest))


def agreed(debate: Debate) -> bool:
    positions = positions_of(debate) if debate.protocol.positions else ()
    return len(positions) == 1 and len(positions[0].authors) > 1


def to_vote_on(debate: Debate) -> bool:
    return len(debate.holders) > 1 and not agreed(debate)


def position_of(positions: Iterable[Position], agent: str) -> Position | None:
    return next((one for one in positions if agent in one.authors), None)


def by_key(holders: Iterable[str], key: Callable[[str], Any]) -> tuple[tuple[str, ...], ...]:
    groups: dict[Any, list[str]] = {}
    for agent in holders:
        groups.setdefault(key(agent), []).append(agent)
    return tuple(tuple(group) for group in groups.values())


def unmixed(debate: Debate, groups: Iterable[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """A yes and a no are never one position; who says neither stays with the larger side, with yes at a draw."""
    parted: list[tuple[str, ...]] = []
    for group in groups:
        sides: dict[str, list[str]] = {"yes": [], "no": [], "": []}
        for agent in group:
            sides[stance(debate.answers[agent])].append(agent)
        if not sides["yes"] or not sides["no"]:
            parted.append(group)
            continue
        sides["no" if len(sides["no"]) > len(sides["yes"]) else "yes"] += sides.pop("")
        parted.extend(tuple(side) for side in sides.values())
    return tuple(parted)


def made(debate: Debate, groups: Iterable[tuple[str, ...]]) -> tuple[Position, ...]:
    """Groups of authors as positions: the one with most authors first, each with its spokesman and its name."""
    answers, place = debate.answers, {agent: number for number, agent in enumerate(debate.holders)}
    positions: list[Position] = []
    for group in groups:
        authors = tuple(sorted(group, key=place.__getitem__))
        if not authors:
            continue
        first = min(authors, key=lambda one: (-answers[one].evidence, -answers[one].confidence, place[one]))
        positions.append(Position(answers[first].option or named(answers[first].text), first, authors))
    return tuple(sorted(positions, key=lambda one: (-len(one.authors), place[one.authors[0]])))


def named(said: str) -> str:
    """What a position is called whose answer is `said`."""
    name = " ".join(telling(said).split())
    return name if len(name) <= 300 else f"{name[:299]}…"


def conclusion(said: str) -> str:
    """The first sentence."""
    stripped = said.strip()
    end = _SENTENCE_END.search(stripped)
    return stripped[: end.start()] if end else stripped


def words(said: str) -> tuple[str, ...]:
    return tuple(said[:8_000].translate(_PUNCTUATION).lower().split())


def telling(said: str) -> str:
    """What tells to what a text comes: its conclusion, or all of it where that is a mere frame."""
    first = conclusion(said)
    frame = len(first) <= 300 and _FRAME.match(first)
    return said if frame or _NUMBERED.match(said) else first


def stance(answer: Answer) -> str:
    said = _STANCE.match(answer.text)
    return (said[1] or said[2]).lower() if said else ""


# --- Votes ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cast:
    """One vote as it counts: for the position of the spokesman `choice`; `ranking` is empty where it only chose."""

    voter: str
    choice: str
    ranking: tuple[str, ...]
    weight: float
    confidence: float
    reason: str

    @property
    def by_agent(self) -> bool:
        return not self.voter.startswith(PERSON)

    def prefers(self, one: str, other: str) -> bool:
        ranking = self.ranking or (self.choice,)
        if one not in ranking:
            return False
        return other not in ranking or ranking.index(one) < ranking.index(other)


@dataclass(frozen=True)
class Votes:
    casts: tuple[Cast, ...]  # those of agents first
    unit: float  # the weight of an average agent's vote
    from_answers: bool  # no ballot counts, the answers do

    @property
    def of_agents(self) -> tuple[Cast, ...]:
        return tuple(cast for cast in self.casts if cast.by_agent)


def votes_of(debate: Debate, positions: tuple[Position, ...]) -> Votes:
    ballots = [*debate.ballots.values(), *([debate.verdict] if debate.verdict is not None else [])]
    from_answers = debate.protocol.positions and (not ballots or debate.verdict is not None)
    agents = [_of_ballot(debate, positions, ballot) for ballot in ballots]
    if from_answers:
        cast = {ballot.voter for ballot in ballots}
        for one in positions:
            for author in one.authors:
                if author not in cast:
                    sure = debate.answers[author].confidence
                    agents.append(Cast(author, one.spokesman, (), weight_of(debate, author, sure), sure, ""))
    unit = sum(cast.weight for cast in agents) / len(agents) if agents else 1.0
    weights = [weight_of(debate, cast.voter, cast.confidence) for cast in agents]
    full = sum(weights) / len(weights) if weights else 1.0
    people = []
    for person, (choice, intensity) in debate.persons.items():
        held = position_of(positions, choice)
        if held is not None:
            sure = intensity / 10 if debate.old else 0.0
            people.append(Cast(PERSON + person, held.spokesman, (), full * intensity / 10, sure, ""))
    return Votes((*agents, *people), unit, from_answers)


def _of_ballot(debate: Debate, positions: tuple[Position, ...], ballot: Ballot) -> Cast:
    chosen = position_of(positions, ballot.choice)
    if chosen is None:
        raise Impossible(f"{ballot.voter} votes for {ballot.choice}, who holds no answer")
    weight = weight_of(debate, ballot.voter, ballot.confidence)
    if ballot.voter in chosen.authors:
        weight *= debate.protocol.self_vote_weight
    ranking: list[str] = []
    for name in ballot.ranking:
        held = position_of(positions, name)
        if held is None:
            raise Impossible(f"{ballot.voter} ranks {name}, who holds no answer")
        ranking.append(held.spokesman)
    ordered = tuple(dict.fromkeys(ranking))
    return Cast(ballot.voter, chosen.spokesman, ordered, weight, ballot.confidence, ballot.reason)


def weight_of(debate: Debate, agent: str, confidence: float) -> float:
    if debate.protocol.consensus != "weighted":
        return 1.0
    elo, calibration = debate.spec.standings.get(agent, _NEWCOMER)
    try:
        expected = 1.0 / (1.0 + math.pow(10.0, (1500.0 - elo) / 400.0))
    except OverflowError:
        expected = 0.0
    return confidence * calibration * 2.0 * expected


@dataclass(frozen=True)
class Count:
    """What each position, by its spokesman, holds of the votes; `missing` is the weight of votes not given."""

    casts: tuple[Cast, ...]
    weight: dict[str, float]
    voters: dict[str, list[str]]
    total: float
    missing: float

    @property
    def ranks(self) -> bool:
        return any(cast.ranking for cast in self.casts)

    def share_of(self, leader: str) -> float:
        if not self.ranks:
            return self._share(self.weight[leader], self.total)
        pairs = []
        for other in self.weight:
            if other != leader:
                better = sum(cast.weight for cast in self.casts if cast.prefers(leader, other))
                worse = sum(cast.weight for cast in self.casts if cast.prefers(other, leader))
                pairs.append(self._share(better, better + worse))
        return min(pairs) if pairs else self._share(self.total, self.total)

    def _share(self, part: float, given: float) -> float:
        return part / (given + self.missing) if given + self.missing > 0 else 0.0

    def conviction_of(self, leader: str) -> float:
        """How sure those who chose `leader` are, by weight: of the confidence in earlier versions."""
        chosen = [cast for cast in self.casts if cast.choice == leader] or list(self.casts)
        weight = sum(cast.weight for cast in chosen)
        return sum(cast.weight * cast.confidence for cast in chosen) / weight if weight > 0 else 0.0


def counted(casts: tuple[Cast, ...], positions: tuple[Position, ...], missing: float) -> Count:
    weight = {one.spokesman: 0.0 for one in positions}
    voters: dict[str, list[str]] = {one.spokesman: [] for one in positions}
    points = len(weight) * (len(weight) - 1) / 2
    ranks = points > 0 and any(cast.ranking for cast in casts)
    for cast in casts:
        voters[cast.choice].append(cast.voter)
        if ranks:
            _share_out(cast, weight, points)
        else:
            weight[cast.choice] += cast.weight
    return Count(casts, weight, voters, sum(cast.weight for cast in casts), missing)


def _share_out(cast: Cast, weight: dict[str, float], points: float) -> None:
    """By Borda points; positions that the ranking leaves out share evenly what is left."""
    ranking, left = cast.ranking or (cast.choice,), points
    for place, name in enumerate(ranking):
        weight[name] += cast.weight * (len(weight) - 1 - place) / points
        left -= len(weight) - 1 - place
    unranked = [name for name in weight if name not in ranking]
    for name in unranked:
        weight[name] += cast.weight * left / points / len(unranked)


# --- The decision -----------------------------------------------------------------------------------------


def decided(debate: Debate) -> Record:
    """The decision that the events add up to, with the members of the receipt's."""
    if not debate.holders:
        raise Impossible("nobody answered, and it is decided all the same")
    positions = positions_of(debate)
    votes = votes_of(debate, positions)
    absent = 0 if debate.old else missing_votes(debate, votes)
    result = counted(votes.casts, positions, votes.unit * absent)
    by_spokesman = {one.spokesman: one for one in positions}
    ranked = sorted(by_spokesman, key=lambda agent: _lead(debate, result, agent), reverse=True)
    winner, reached = _outcome(debate, votes, result, ranked)
    who = participation_of(debate, votes)
    behind = support(debate, votes, winner)
    confidence = _confidence_of_old(debate, result, winner) if debate.old else result.share_of(winner)
    stated = [cast.confidence for cast in votes.of_agents if cast.choice == winner]
    decision = {
        "reached": reached,
        "answer": _text(debate, by_spokesman[winner]),
        "winner": winner,
        "confidence": round(confidence, 6),
        "mode": debate.protocol.consensus,
        "tallies": [_tally(by_spokesman[agent], result) for agent in ranked],
        "dissent": _dissent(debate, votes, positions, winner),
        "rounds": debate.round,
        "cost_usd": debate.cost_then,
        "stopped_by": debate.stopped_by,
        "headline": headline(debate, who, behind, by_spokesman[winner].name, reached=reached),
        "position": by_spokesman[winner].name,
        "support": behind,
        "stated_confidence": round(sum(stated) / len(stated), 6) if stated else None,
        "estimated_usd": debate.estimated_then,
        "participation": who,
        "signatures": list(debate.signatures.values()),
    }
    return _through_the_gate(debate, decision)


def _through_the_gate(debate: Debate, decision: Record) -> Record:
    if debate.changed_by:
        _put_in_place(debate, decision)
    vetoes = [one for one in debate.signatures.values() if one["verdict"] == "veto"]
    deeds = {"approve": "Approved", "change": "Changed", "veto": "Vetoed"}
    told = [
        f"{deeds.get(one['verdict'], '')} by {one['person']}{': ' + _quoted(one['note']) if one['note'] else ''}."
        for one in vetoes or debate.signatures.values()
    ]
    if vetoes and not debate.changed_by:
        told.append("The agents' own result:")
    decision["reached"] = decision["reached"] and not vetoes
    decision["headline"] = " ".join((*told, decision["headline"]))
    return decision


def _put_in_place(debate: Debate, decision: Record) -> None:
    """A person's words in place of the agents': votes stand behind them where they are for the option that won."""
    answer, option = debate.proposed or ("", "")
    decision["headline"] = f"The agents' own result: {decision['headline']}"
    decision["answer"] = answer
    if option and option == decision["position"]:
        return
    decision |= {
        "position": option or named(answer),
        "winner": None,
        "confidence": 0.0,
        "support": f"{debate.changed_by} put it in place of the agents' answer",
        "stated_confidence": None,
    }


def _lead(debate: Debate, result: Count, agent: str) -> tuple[float, int, float, float, int]:
    return (
        round(result.weight[agent], 9),
        len(result.voters[agent]),
        debate.answers[agent].confidence,
        debate.spec.elo(agent),
        -debate.spec.agents.index(agent),
    )


def _outcome(debate: Debate, votes: Votes, result: Count, ranked: list[str]) -> tuple[str, bool]:
    """The winner, and whether the consensus that was sought is reached."""
    if debate.verdict is not None:
        return next(cast.choice for cast in result.casts if cast.voter == debate.verdict.voter), True
    winner = ranked[0]
    alone = not debate.old and len(ranked) == 1 and len(debate.holders) == 1
    if result.total <= CLOSE or alone or not _met(debate.protocol, result.share_of(winner)):
        return winner, False
    if votes.from_answers:
        return winner, True
    handed_in = len(debate.ballots) + (0 if debate.old else debate.abstainers)
    wanted = debate.ballots_wanted
    return winner, wanted > 0 and handed_in >= quorum_of(debate, wanted)


def _met(protocol: Protocol, share: float) -> bool:
    if protocol.consensus == "none":
        return False
    if protocol.consensus == "unanimous":
        return share >= 1.0 - CLOSE
    if protocol.consensus == "supermajority":
        return share >= max(protocol.threshold, 2 / 3) - CLOSE
    return share > protocol.threshold + CLOSE


def _confidence_of_old(debate: Debate, result: Count, winner: str) -> float:
    """As it was counted before participation was told: the share, times how sure its voters are."""
    if debate.verdict is not None:
        return debate.verdict.confidence
    if result.total <= CLOSE:
        return debate.answers[winner].confidence
    return result.share_of(winner) * result.conviction_of(winner)


def _tally(position: Position, result: Count) -> Record:
    voters = result.voters[position.spokesman]
    return {
        "agent": position.spokesman,
        "votes": len(voters),
        "weight": round(result.weight[position.spokesman], 9),
        "voters": voters,
        "position": position.name,
        "authors": list(position.authors),
    }


def _dissent(debate: Debate, votes: Votes, positions: tuple[Position, ...], winner: str) -> list[Record]:
    names = {one.spokesman: one.name for one in positions}
    return [
        {
            "agent": cast.voter,
            "choice": cast.choice,
            "reason": cast.reason or (names[cast.choice] if cast.voter in debate.answers and not debate.old else ""),
        }
        for cast in votes.casts
        if cast.choice != winner
    ]


def _text(debate: Debate, winning: Position) -> str:
    own, chair = debate.answers[winning.spokesman], debate.synthesis
    if chair is None:
        return own.text
    if debate.old or (chair.option == own.option and _led_when_the_chair_was_asked(debate) in winning.authors):
        return chair.text
    return own.text


def _led_when_the_chair_was_asked(debate: Debate) -> str:
    """The spokesman of the position that led before people turned the count, if they did."""
    before = replace(debate, found=debate.found_then, persons=debate.persons_then)
    positions = positions_of(before)
    votes = votes_of(before, positions)
    result = counted(votes.casts, positions, votes.unit * missing_votes(before, votes))
    ranked = sorted((one.spokesman for one in positions), key=lambda agent: _lead(before, result, agent), reverse=True)
    return _outcome(before, votes, result, ranked)[0]


def _before_the_chair(debate: Debate) -> None:
    """The chair is asked when the last ask before it is settled, or the last measurement made."""
    debate.found_then, debate.persons_then = debate.found, dict(debate.persons)


def stopped_by(debate: Debate) -> str:
    """Why no more was asked. What was due and was not asked, the budget did not allow: it was spent."""
    if debate.unaffordable:
        return "budget"
    due = _not_asked(debate)
    if due is None:
        return debate.stopped
    if not spent(debate):
        raise Impossible(f"no {due} was asked, and the budget was not spent")
    return "budget"


def spent(debate: Debate) -> bool:
    budget = debate.spec.raw.get("budget_usd")
    return budget is not None and debate.cost_usd >= number(debate.spec.raw, "budget_usd")


def held_back(debate: Debate) -> bool:
    """Whether the budget lets nobody be asked: it is spent, and every agent has a price."""
    prices = debate.spec.raw.get("prices") or {}
    return spent(debate) and not (prices and any(agent not in prices for agent in debate.spec.agents))


def _not_asked(debate: Debate) -> str | None:
    protocol, asked = debate.protocol, {kind for kind, _ in debate.asked}
    if debate.critique_due and ("critique", debate.round) not in debate.asked:
        return "critique"
    if debate.stopped == "rounds" and debate.round < protocol.rounds_planned:
        return "further round"
    if debate.to_vote_on and protocol.by_judge and "judge" not in asked:
        return "verdict"
    silent = protocol.by_judge and debate.verdict is None
    sought = not protocol.by_judge and (protocol.rank or protocol.consensus != "none")
    if debate.to_vote_on and (silent or sought) and not asked.intersection(VOTING):
        return "vote"
    return "synthesis" if protocol.synthesize and "synthesize" not in asked else None


# --- Who took part ----------------------------------------------------------------------------------------


def participation_of(debate: Debate, votes: Votes) -> Record:
    holders, entitled = debate.holders, entitled_of(debate)
    voted = list(dict.fromkeys(cast.voter for cast in votes.of_agents))
    absent = [_absence(debate, agent, "answer", ANSWERING) for agent in debate.participants if agent not in holders]
    absent += [_absence(debate, agent, "vote", VOTING) for agent in entitled if agent not in voted and agent in holders]
    if lacks_judge(debate):
        absent.append(_absence(debate, debate.spec.judge, "verdict", ("judge",)))
    if lacks_chair(debate):
        absent.append(_absence(debate, debate.spec.judge, "synthesis", ("synthesize",)))
    models = [debate.answers[agent].model for agent in holders]
    return {
        "asked": list(debate.spec.agents),
        "answered": list(holders),
        "entitled": list(entitled),
        "voted": voted,
        "absent": absent,
        "providers": sorted({provider for provider, _ in models}),
        "models": sorted({f"{provider}/{model}" for provider, model in models}),
        "degraded": list(degraded(debate, votes, len(voted), len(entitled))),
    }


def entitled_of(debate: Debate) -> tuple[str, ...]:
    judge = debate.spec.judge
    if debate.verdict is not None and not debate.protocol.positions:
        return (judge,)
    if debate.verdict is None or judge in debate.participants:
        return debate.participants
    return (*debate.participants, judge)


def missing_votes(debate: Debate, votes: Votes) -> int:
    voted = {cast.voter for cast in votes.of_agents}
    return sum(1 for agent in entitled_of(debate) if agent not in voted)


def quorum_of(debate: Debate, wanted: int) -> int:
    return max(1, math.ceil(debate.protocol.quorum * wanted - CLOSE))


def lacks_judge(debate: Debate) -> bool:
    return debate.protocol.by_judge and debate.verdict is None and to_vote_on(debate)


def lacks_chair(debate: Debate) -> bool:
    return debate.protocol.synthesize and debate.synthesis is None


def degraded(debate: Debate, votes: Votes, voted: int, entitled: int) -> Iterator[str]:
    sought = debate.protocol.consensus != "none" or debate.protocol.rank
    due = sought and debate.verdict is None and to_vote_on(debate)
    wanted, handed_in = debate.ballots_wanted, len(debate.ballots) + debate.abstainers
    too_few_answers = len(debate.holders) < quorum_of(debate, len(debate.participants))
    if too_few_answers or (due and wanted and handed_in < quorum_of(debate, wanted)):
        yield "quorum"
    refused = 0 if votes.from_answers else debate.abstainers
    if 2 * (entitled - voted - refused) >= entitled:
        yield "voters"
    if due and not debate.ballots:
        yield "votes"
    if lacks_judge(debate):
        yield "judge"
    if lacks_chair(debate):
        yield "chair"


def _absence(debate: Debate, agent: str, wanted: str, kinds: tuple[str, ...]) -> Record:
    code, message = "not_asked", "it was not asked: the budget was spent, or the debate ended before"
    for kind in kinds:
        reason, failure = debate.abstained.get(kind, {}).get(agent), debate.failed.get(kind, {}).get(agent)
        if reason is not None:
            code, message = "abstained", reason
            break
        if failure is not None:
            code, message = failure
            break
    return {"agent": agent, "wanted": wanted, "code": code, "message": message}


# --- In words ---------------------------------------------------------------------------------------------

_DEGRADED = {
    "quorum": "fewer took part than the quorum",
    "voters": "half of the voters or more were missing",
    "votes": "no vote arrived, the answers were counted instead",
    "judge": "the judge gave no verdict",
    "chair": "the chair wrote nothing",
}


_MARKS = re.compile(
    "[\"'`\u00ab\u00b4\u00bb\u02b9-\u02bd\u02dd\u02ee\u05f3\u05f4\u2018-\u201f\u2032-\u2037\u2039\u203a\u2057\u275b-\u275e\u2e42"
    "\u301d-\u301f\uff02\uff07\U0001f676-\U0001f678]+"
)
_TURNS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def _quoted(words: str) -> str:
    """What others wrote, as it stands in a sentence of the headline."""
    line = " ".join(_TURNS.sub("", words).split())
    return '"' + _MARKS.sub("'", line) + '"'


def headline(debate: Debate, who: Record, behind: str, position: str, *, reached: bool) -> str:
    verdict = "Decided" if reached else "Not decided"
    if reached and texts(debate.spec.raw, "options", ()):
        verdict = f"Decided for {_quoted(position)}"
    if not reached and debate.protocol.consensus == "none":
        verdict = "No consensus was sought"
    told = [f"{verdict}: {behind}."]
    took_part = {*who["answered"], *who["voted"]}
    missed = {one["agent"] for one in who["absent"]}
    wanted = [agent for agent in who["asked"] if agent in took_part or agent in missed]
    there = sum(1 for agent in wanted if agent in took_part)
    if there < len(wanted):
        causes: dict[str, str] = {}
        for one in who["absent"]:
            if one["agent"] in wanted and one["agent"] not in took_part:
                causes.setdefault(one["agent"], one["code"])
        listed = ", ".join(f"{agent}: {code}" for agent, code in causes.items())
        listed = f" ({listed})" if listed else ""
        told.append(f"{there} of {several(len(wanted), 'agent', 'agents')} took part{listed}.")
    if len(who["models"]) == 1 and len(who["answered"]) > 1:
        told.append(f"All answers come from one model, {_quoted(who['models'][0])}.")
    if who["degraded"]:
        told.insert(0, f"Degraded: {'; '.join(_DEGRADED[reason] for reason in who['degraded'])}.")
    return " ".join(told)


def support(debate: Debate, votes: Votes, winner: str) -> str:
    agents = votes.of_agents
    behind = sum(1 for cast in agents if cast.choice == winner)
    missing, refused = missing_votes(debate, votes), 0 if votes.from_answers else debate.abstainers
    judge = debate.verdict
    if judge is not None:
        others = [cast for cast in agents if cast.voter != judge.voter]
        came = sum(1 for cast in others if cast.choice == winner)
        return f"the judge {judge.voter} decided for it" + (
            f", {came} of {len(others)} others came to it" if others else ""
        )
    came_to, elsewhere, absent = "voted for it", "voted for another", "vote"
    if votes.from_answers:
        came_to, elsewhere, absent = "came to it", "came to another conclusion", "answer"
    parts = [f"{behind} of {len(agents) + missing} {came_to}"]
    if len(agents) > behind:
        parts.append(f"{len(agents) - behind} {elsewhere}")
    if refused:
        parts.append(f"{refused} abstained")
    if missing > refused:
        parts.append(f"{missing - refused} did not {absent}")
    people = [cast for cast in votes.casts if not cast.by_agent]
    if people:
        for_it = sum(1 for cast in people if cast.choice == winner)
        parts.append(f"{for_it} of {several(len(people), 'person', 'people')} voted for it")
    return ", ".join(parts)


def several(number: int, thing: str, things: str) -> str:
    return f"{number} {thing if number == 1 else things}"


# --- Reading the files ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One event: its envelope, and the text of it as it was exported."""

    seq: int
    type: str
    debate_id: str
    timestamp: float
    data: Record
    raw: str


def receipt_of(raw: bytes) -> Record:
    try:
        return _receipt(unicode(raw))
    except BadInput as error:
        raise BadInput(f"the receipt cannot be read: {error}") from error


def _receipt(said: str) -> Record:
    document, end = decoded(said, _skip_space(said, 0))
    if _skip_space(said, end) < len(said):
        raise BadInput("something follows the JSON document")
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise BadInput(f"its `schema` must be {SCHEMA!r}")
    for name in ("debate_id", "question", "org_id"):
        text(document, name)
    for name in ("decision", "journal", "usage", "protocol"):
        members(document, name)
    objects(document, "agents")
    objects(document["decision"], "tallies")
    return document


def rows_of(raw: bytes) -> list[Row]:
    """The events of a journal: envelopes one after the other, pages of them, or server-sent events."""
    try:
        said = unicode(raw)
        rows = [_row(envelope, piece) for envelope, piece in _envelopes(_without_frames(said))]
    except BadInput as error:
        raise BadInput(f"the journal cannot be read: {error}") from error
    if not rows:
        raise BadInput("the journal cannot be read: it holds no event")
    return rows


def _row(envelope: Any, raw: str) -> Row:
    if not isinstance(envelope, dict):
        raise BadInput(f"{brief(envelope)} is no event")
    try:
        kind = text(envelope, "type")
        seq, debate_id = whole(envelope, "seq"), text(envelope, "loop_id")
        return Row(seq, kind, debate_id, number(envelope, "timestamp"), members(envelope, "data"), raw)
    except BadInput as error:
        raise BadInput(f"event {brief(envelope.get('seq'))}: {error}") from error


def _envelopes(said: str) -> Iterator[tuple[Any, str]]:
    """Each envelope with its own piece of the text."""
    place = _skip_space(said, 0)
    while place < len(said):
        value, end = decoded(said, place)
        if isinstance(value, dict) and isinstance(value.get("events"), list) and "type" not in value:
            yield from _elements(said, _place_of_events(said, place))
        elif isinstance(value, list):
            yield from _elements(said, place)
        else:
            yield value, said[place:end]
        place = _skip_space(said, end)


def _place_of_events(said: str, place: int) -> int:
    """Where the array `events` of the page at `place` begins. The page has been read before: it is JSON."""
    while True:
        name, place = decoded(said, _skip_space(said, place + 1))  # after the brace, or the comma
        place = _skip_space(said, _skip_space(said, place) + 1)  # after the colon
        if name == "events":
            return place
        _, place = decoded(said, place)
        place = _skip_space(said, place)


def _elements(said: str, place: int) -> Iterator[tuple[Any, str]]:
    """The elements of the array at `place`, which has been read before."""
    place = _skip_space(said, place + 1)
    while said[place] != "]":
        value, end = decoded(said, place)
        yield value, said[place:end]
        place = _skip_space(said, end)
        if said[place] == ",":
            place = _skip_space(said, place + 1)


def _without_frames(said: str) -> str:
    """The data of server-sent events, any other text as it is. Events with a name of their own are no envelopes."""
    if not _FRAMED.match(said):
        return said
    kept: list[str] = []
    for block in re.split(r"\r?\n\r?\n", said):
        lines = re.split(r"\r?\n", block)
        if not any(line.startswith("event:") for line in lines):
            kept += [line[len("data:") :].strip(" ") for line in lines if line.startswith("data:")]
    return "\n".join(kept)


def unicode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"it is no UTF-8 (byte {error.start})") from error


def decoded(said: str, place: int) -> tuple[Any, int]:
    """The JSON value at `place`, and where it ends."""
    try:
        return _DECODER.raw_decode(said, place)
    except BadInput:
        raise
    except RecursionError:
        raise BadInput(f"it is nested too deeply (line {said.count(chr(10), 0, place) + 1})") from None
    except ValueError as error:
        raise BadInput(f"it is no JSON: {error}") from error


def _skip_space(said: str, place: int) -> int:
    found_space = _SPACE.match(said, place)
    return found_space.end() if found_space else place


def _without_repeats(pairs: list[tuple[str, Any]]) -> Record:
    """Readers differ on which of two members of one name counts."""
    record = dict(pairs)
    if len(record) != len(pairs):
        raise BadInput("a name stands twice in one object")
    return record


def _no_constant(name: str) -> None:
    raise BadInput(f"{name} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_without_repeats, parse_constant=_no_constant)
_MISSING = object()


def text(record: Record, name: str, default: Any = _MISSING) -> str:
    value = record.get(name, default)
    if not isinstance(value, str):
        raise _unlike(record, name, "a text")
    return value


def number(record: Record, name: str, default: Any = _MISSING) -> float:
    """A finite number; null counts as 0, as earlier versions wrote it where they had none."""
    value = record.get(name, default)
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -1e15 < value < 1e15:
        raise _unlike(record, name, "a number of believable size")
    return value


def whole(record: Record, name: str, default: Any = _MISSING) -> int:
    value = record.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not -(10**15) < value < 10**15:
        raise _unlike(record, name, "a whole number of believable size")
    return value


def flag(record: Record, name: str, default: Any = _MISSING) -> bool:
    value = record.get(name, default)
    if not isinstance(value, bool):
        raise _unlike(record, name, "true or false")
    return value


def texts(record: Record, name: str, default: Any = _MISSING) -> tuple[str, ...]:
    value = record.get(name, default)
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
        raise _unlike(record, name, "a list of texts")
    return tuple(value)


def objects(record: Record, name: str, default: Any = _MISSING) -> tuple[Record, ...]:
    value = record.get(name, default)
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, dict) for one in value):
        raise _unlike(record, name, "a list of objects")
    return tuple(value)


def members(record: Record, name: str) -> Record:
    value = record.get(name)
    if not isinstance(value, dict):
        raise _unlike(record, name, "an object")
    return value


def maybe(record: Record, name: str) -> Record:
    return members(record, name) if name in record else {}


def groups_of(data: Record) -> tuple[tuple[str, ...], ...]:
    value = data.get("groups")
    if not isinstance(value, list):
        raise _unlike(data, "groups", "a list of lists of texts")
    return tuple(texts({"groups": group}, "groups") for group in value)


def _unlike(record: Record, name: str, wanted: str) -> BadInput:
    if name not in record:
        return BadInput(f"`{name}` is missing, it must be {wanted}")
    return BadInput(f"`{name}` must be {wanted}, not {brief(record[name])}")


def brief(value: Any) -> str:
    """A value in one line, shortened."""
    return shown(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), 160)


def shown(said: str, most: int = 100) -> str:
    """A text of a file as it may stand on a terminal: in one line, without characters that command it."""
    safe = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in said[: most + 1])
    return safe if len(said) <= most else f"{safe[:most]}…"


def sha256(said: str) -> str:
    return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()


_NEWCOMER = (1500.0, 0.5)  # elo and calibration of an agent of whom nothing is known
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|[\u3002\uff01\uff1f\n]")
_STANCE = re.compile(
    r"\W*(?:(yes)\b(?![-'\u2019]\w|\W+and\W+no\b)|(no)\b(?=\W*\Z|\s*[^\w\s'\u2019./-]|\s*\.(?!\s?\d)|\s+[-\u2013\u2014]"
    r"|\s+(?:because|since|as|but|and|if|unless|i|we|you|he|she|it|they|this|that|these|those|there|the|a|an)\b))",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"\W*no\.\s?\d", re.IGNORECASE)
_FRAME = re.compile(
    r"\s*(?:#.*|\*\*.*\*\*|.*:\W*|\W*(?:\d+|[a-z])\W*|.*\w\W+no|.*\b(?:st|dr|mr|mrs|ms|prof|nr|vs|e\.?g|i\.?e|approx|ca|fig|vol|art|sec)"
    r"|\W*(?:(?:my|the|final|short|direct)\s+)*(?:answer|recommendation|conclusion|summary|decision|verdict|proposal|position)\W*"
    r"|\W*(?:(?:great|good|excellent|interesting)\s+question|that.s\s+a\s+\w+\s+question|thanks?|hello|hi|hey|sure|certainly"
    r"|absolutely|of\s+course|here(?:.s|\s+is|\s+are)|as\s+an\s+ai|i(?:.d|\s+would)\s+be\s+(?:happy|glad)|let(?:.s|\s+me)"
    r"|it\s+depends)\b.*)\Z",
    re.IGNORECASE | re.DOTALL,
)
_OFFERS_MORE = re.compile(r"\b(?:or|vs|versus|what|which|who|whom|whose|when|where|why|how)\b", re.IGNORECASE)
_PUNCTUATION = str.maketrans(
    dict.fromkeys(string.punctuation + "\u2013\u2014\u2018\u2019\u201c\u201d\u2026\u00ab\u00bb", " ")
)
_STRING_OR_SPACE = re.compile(r'"(?:[^"\\]|\\.)*"|[ \t\r\n]+')
_SPACE = re.compile(r"[ \t\r\n]*")
_FRAMED = re.compile(r"\s*(?:data:|id:|event:|retry:|:)")


if __name__ == "__main__":
    sys.exit(main())
