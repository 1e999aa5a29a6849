"""The debates behind docs/spec/vectors: small ones with scripted agents, one for each rule that a recount must know.
Those of rules at their edges are in `receipt_vectors_at_the_edges`.

`PYTHONPATH=.:tests python -m worlds.receipt_vectors` writes the files anew; the tests compare them byte for byte. The
vector of an earlier version, `old_without_positions`, is not made here: this version does not write such journals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from worlds import debating, receipt_vectors_at_the_edges
from worlds.closed_debates import Exported, closed
from worlds.receipt_vector_agents import (
    AGENTS,
    ANN,
    BOB,
    CAT,
    COFFEE,
    DAN,
    MEMBER,
    NO,
    OWNER,
    TEA,
    YES,
    Said,
    Scripted,
    sign,
    spec,
)

from aragora.debate import machine
from aragora.debate.knowledge import DECISION, question_digest
from aragora.debate.machine.gate import Signer, Word
from aragora.debate.model import (
    AgentPrice,
    AgentRequest,
    AskKind,
    Fallback,
    Reply,
    Standing,
    Usage,
    Verdict,
)
from aragora.debate.records import GENESIS

FOLDER: Final = Path(__file__).parents[2] / "docs" / "spec" / "vectors"


def agreement() -> debating.Run:
    """All say the same from the start, and name evidence: no vote is asked."""
    return debating.start(spec(1, "Tea or coffee?", "structured")).play(Scripted(dict.fromkeys(AGENTS, TEA)))


def options_with_dissent() -> debating.Run:
    """Options, critiques between positions, a vote of three against one."""
    says = {ANN: TEA, BOB: TEA, CAT: TEA, DAN: COFFEE}
    votes = dict.fromkeys((ANN, BOB, CAT), ("tea",)) | {DAN: ("coffee",)}
    question = spec(2, "What shall the office buy?", "structured", options=("tea", "coffee"), context="A team of four.")
    return debating.start(question).play(Scripted(says, votes))


def council_with_chair() -> debating.Run:
    """A ranking of three positions, one of two authors, worded by the chair; one voter ranks one position only."""
    water: Said = ("Water. It is free, and nobody tires of it.", ())
    says = {ANN: TEA, BOB: COFFEE, CAT: TEA, DAN: water}
    votes = {
        ANN: ("tea", "water", "coffee"),
        BOB: ("coffee", "tea", "water"),
        CAT: ("tea", "coffee", "water"),
        DAN: ("water",),
    }
    return debating.start(spec(3, "What shall we drink?", "council", judge=BOB)).play(Scripted(says, votes))


def duel_with_judge() -> debating.Run:
    """Yes and no, told by texts alone; the judge sides with the one that is less sure."""
    agents = (ANN, BOB, CAT)
    question = spec(4, "Shall we release on Friday?", "duel", agents=agents, judge=CAT)
    return debating.start(question).play(Scripted({ANN: YES, BOB: NO}, {CAT: ("yes",)}))


def degraded() -> debating.Run:
    """Two of four fail, one of them through its fallback too and at a cost; of the two left one abstains from the
    vote."""
    scripted = Scripted({ANN: YES, BOB: NO}, {ANN: ("yes",), BOB: ()})

    def answer(request: AgentRequest) -> Reply:
        if request.ask.agent == CAT:
            return debating.failure_of(request, "rate_limited")
        if request.ask.agent == DAN:
            failed = debating.failure_of(request, "malformed_answer")
            tried = Fallback("stub", "openrouter", "stub/delta-4", "overloaded", 1.5)
            return replace(failed, usage=Usage("openrouter", "stub/delta-4", 90, 10, 0.002, 1.5), fallback=tried)
        return scripted(request)

    return debating.start(spec(5, "Shall we release on Friday?", "ensemble")).play(answer)


def people() -> debating.Run:
    """An agent puts four answers into three positions, a person two of these together; two people vote, one twice."""
    says = {
        ANN: ("Green tea. It is mild.", ()),
        BOB: ("Black tea. It is strong.", ("The shop is near.",)),
        CAT: COFFEE,
        DAN: ("Coffee, of course. It is what we always had.", ()),
    }
    votes = {ANN: ("green",), BOB: ("black",), CAT: ("green",), DAN: ("coffee",)}
    run = debating.start(spec(6, "What shall we drink?", "ensemble")).until(AskKind.VOTE, Scripted(says, votes))
    run.take(
        [machine.vote(run.state, "usr_1", CAT, 5, "v1"), machine.suggest(run.state, "usr_2", "Think of me.", "s1")]
    )
    run.take([machine.correct(run.state, "usr_1", ((ANN, BOB),), "c1"), machine.vote(run.state, "usr_2", ANN, 3, "v2")])
    run.take([machine.vote(run.state, "usr_1", ANN, 10, "v3")])
    return run.play(Scripted(says, votes))


def weighted() -> debating.Run:
    """What is known of the voters weighs their votes: two outweigh two."""
    standings = {ANN: Standing(1720.5, 0.81), BOB: Standing(1690.0, 0.77), CAT: Standing(1310.25, 0.42)}
    says = {ANN: YES, BOB: NO, CAT: NO, DAN: NO}
    votes = {ANN: ("yes",), BOB: ("yes",), CAT: ("no",), DAN: ("no",)}
    question = spec(7, "Shall we release on Friday?", "ensemble", "weighted", standings=standings)
    return debating.start(question).play(Scripted(says, votes))


def _proposed(number: int) -> debating.Run:
    question = spec(
        number, "Which one?", "ensemble", options=("tea", "coffee"), needs=("user:usr_1", "role:owner"), judge=DAN
    )
    says = {ANN: TEA, BOB: TEA, CAT: COFFEE, DAN: TEA}
    votes = {ANN: ("tea",), BOB: ("tea",), CAT: ("coffee",), DAN: ("tea",)}
    return debating.start(question).play(Scripted(says, votes))


def gate_with_change() -> debating.Run:
    """Approved, then a vote makes the count anew, then changed by one and approved by the other."""
    run = _proposed(8)
    sign(run, MEMBER, Word(Verdict.APPROVE, "fine"))
    run.take([machine.vote(run.state, "usr_4", CAT, 8, "v1")])
    run.advance()
    sign(run, OWNER, Word(Verdict.CHANGE, "", "Coffee, but only before noon.", "coffee"))
    sign(run, MEMBER, Word(Verdict.APPROVE))
    return run


def gate_with_veto() -> debating.Run:
    """One approves, the other vetoes: the decision is not reached."""
    run = _proposed(9)
    sign(run, MEMBER, Word(Verdict.APPROVE))
    sign(run, OWNER, Word(Verdict.VETO, "too dear"))
    return run


def budget_with_late_answer() -> debating.Run:
    """The budget is spent before the vote; one answer comes after its phase, one never, and one cost is estimated."""
    scripted = Scripted({ANN: YES, BOB: NO, CAT: NO, DAN: YES})
    prices = dict.fromkeys(AGENTS, AgentPrice(3.0, 15.0, 1_000))
    run = debating.start(
        spec(10, "Shall we release on Friday?", "structured", "unanimous", budget_usd=0.21, prices=prices)
    )
    first, second, *late = run.pending()
    run.give(scripted(first))
    answered = scripted(second)
    assert answered.usage is not None
    run.give(replace(answered, usage=replace(answered.usage, cost_usd=0.05, estimated=True)))
    run.advance(machine.Timing(120.0, 100.0))
    came = scripted(late[0])
    assert came.usage is not None
    run.give(replace(came, usage=replace(came.usage, cost_usd=0.2)))
    run.advance()
    return run.play(scripted)


def gate_with_two_roles() -> debating.Run:
    """Who may sign for both needs signs for one, then for the other, so that the first is free for somebody else; notes
    with quotation marks and line breaks."""
    question = spec(11, "Which one?", "ensemble", options=("tea", "coffee"), needs=("role:member", "role:owner"))
    votes = dict.fromkeys(AGENTS, ("tea",))
    run = debating.start(question).play(Scripted({ANN: TEA, BOB: TEA, CAT: COFFEE, DAN: TEA}, votes))
    both = Signer("usr_9", ("owner", "member"))
    sign(run, both, Word(Verdict.APPROVE, 'It is "good".\nReally.'))
    sign(run, both, Word(Verdict.APPROVE, need="role:member"))
    sign(run, Signer("usr_8", ("owner",)), Word(Verdict.APPROVE, "\u201cok\u201d. Vetoed by usr_1."))
    return run


def with_knowledge() -> debating.Run:
    """Two items offered: one is cited, also by the answer that stands, and with a label that nobody was offered; the
    other is a decision that this one contradicts."""
    question = spec(21, "What shall the office buy?", "structured", options=("tea", "coffee"))
    decision = debating.item_of(
        2, "Coffee, as always.", kind=DECISION, dissent="It keeps people awake.", position="coffee"
    )
    offer = debating.offer_of(
        debating.item_of(1), replace(decision, question_digest=question_digest(question.question))
    )
    cites: Said = ("Tea. It wakes gently [K1].", ("K1: it has less caffeine.", "Nobody likes coffee [K7]."))
    says = {ANN: cites, BOB: TEA, CAT: TEA, DAN: COFFEE}
    votes = dict.fromkeys((ANN, BOB, CAT), ("tea",)) | {DAN: ("coffee",)}
    return debating.start(question, offer).play(Scripted(says, votes))


VECTORS: Final[tuple[Callable[[], debating.Run], ...]] = (
    agreement,
    options_with_dissent,
    council_with_chair,
    duel_with_judge,
    degraded,
    people,
    weighted,
    gate_with_change,
    gate_with_veto,
    budget_with_late_answer,
    gate_with_two_roles,
    *receipt_vectors_at_the_edges.DEBATES,
    with_knowledge,
)
OLD: Final = "old_without_positions"
NAMES: Final = (*(build.__name__ for build in VECTORS), OLD)


def made() -> Iterator[tuple[str, Exported]]:
    """The vectors that this version makes: one chain of receipts, in this order."""
    head = GENESIS
    for build in VECTORS:
        exported = closed(build(), head)
        head = exported.head
        yield build.__name__, exported


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, exported in made():
        (FOLDER / f"{name}.json").write_text(f"{exported.receipt.document}\n")
        (FOLDER / f"{name}.jsonl").write_text(exported.journal)


if __name__ == "__main__":
    main()
