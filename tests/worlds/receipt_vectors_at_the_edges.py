"""More debates behind docs/spec/vectors: each holds several rules where they part from what a reader might guess. A
wrong recount is meant to fail at one of these at least."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from worlds import debating
from worlds.receipt_vector_agents import (
    ADMIN,
    ANN,
    BOB,
    CAT,
    COFFEE,
    DAN,
    EVE,
    MEMBER,
    NO,
    OWNER,
    TEA,
    YES,
    Said,
    Scripted,
    except_for,
    sign,
    spec,
)

from aragora.debate import machine
from aragora.debate.machine.gate import Word
from aragora.debate.model import (
    Abstention,
    AgentAnswer,
    AgentPrice,
    AgentRequest,
    AskKind,
    ConsensusMode,
    Reply,
    Standing,
    Usage,
    Verdict,
)
from aragora.debate.protocol import preset

WATER: Final[Said] = ("Water. It is free, and nobody tires of it.", ())


def weighted_with_people() -> debating.Run:
    """People weigh as much as the mean voter, by how much they mind. Two ballots and an abstention are not the quorum
    of all four. One agent votes against its own answer, and names no reason."""
    standings = {ANN: Standing(1310.25, 0.42), BOB: Standing(1690.0, 0.77)}
    protocol = replace(preset("ensemble", consensus="weighted"), quorum=1.0)
    question = spec(12, "Shall we release on Friday?", "ensemble", protocol=protocol, standings=standings)
    says = {ANN: YES, BOB: YES, CAT: NO, DAN: NO}
    agents = except_for(
        Scripted(says, {ANN: ("no",), BOB: ("yes",), CAT: ()}, silent=(ANN,)), {f"1/vote/{DAN}": "timeout"}
    )
    run = debating.start(question).until(AskKind.VOTE, agents)
    run.take([machine.vote(run.state, "usr_1", ANN, 6, "v1"), machine.vote(run.state, "usr_2", BOB, 10, "v2")])
    return run.play(agents)


def rankings_turned() -> debating.Run:
    """A person puts two ranked answers together, one agent does not rank. After the chair has written, and one person
    approved, a person's vote turns the count: the chair's words go, and so does the approval."""
    says = {ANN: ("Green tea. It is mild.", ()), BOB: COFFEE, CAT: ("Black tea. It is strong.", ()), DAN: WATER}
    votes = {ANN: ("green", "black", "water"), BOB: ("coffee", "green"), CAT: ("black", "green", "coffee", "water")}
    agents = except_for(Scripted(says, votes), {f"1/rank/{DAN}": "timeout"})
    question = spec(13, "What shall we drink?", "council", judge=BOB, needs=("user:usr_1", "role:owner"))
    run = debating.start(question).until(AskKind.RANK, agents)
    run.take([machine.correct(run.state, "usr_2", ((ANN, CAT),), "c1")])
    run.play(agents)
    sign(run, MEMBER, Word(Verdict.APPROVE))
    run.take([machine.vote(run.state, "usr_2", BOB, 9, "v1")])
    run.advance()
    sign(run, OWNER, Word(Verdict.VETO, "not again"))
    return run


def judge_overrules() -> debating.Run:
    """A judge from outside decides for the position that comes last, where all weigh the same and ratings and order
    tell them apart. One agent is lost at an estimated cost, and a person votes for it."""
    options = ("tea", "coffee", "water")
    says = {ANN: TEA, BOB: COFFEE, DAN: WATER}
    scripted = Scripted(says | {EVE: WATER}, {EVE: ("water",)}, sure=dict.fromkeys(says, 0.7))

    def agents(request: AgentRequest) -> Reply:
        if request.ask.agent != CAT:
            return scripted(request)
        lost = debating.failure_of(request, "agent_lost")
        return replace(lost, usage=Usage("stub", "alpha-1", cost_usd=0.004, estimated=True))

    standings = {BOB: Standing(1600.0)}
    question = spec(14, "Which one?", "ensemble", "judge", options=options, judge=EVE, standings=standings)
    run = debating.start(question).until(AskKind.JUDGE, agents)
    people = {"usr_1": ANN, "usr_2": BOB, "usr_3": CAT}
    run.take([machine.vote(run.state, person, choice, 10, f"for {choice}") for person, choice in people.items()])
    return run.play(agents)


def rounds_and_moves() -> debating.Run:
    """Three rounds. A yes and a no that an agent put together are parted; "No. 5" is no no; one agent moves, one comes
    late and joins, one says the same in other words; the last grouping fails. Three positions weigh the same."""
    third: Said = ("No. 5 of the list says it: wait.", ())
    later: dict[str, Said] = {
        ANN: ("Yes, on Friday morning. The tests are green.", ("Build 4711 is green.",)),
        BOB: NO,
        CAT: ("Not on Friday. The list says it.", ()),
        DAN: NO,
    }
    votes = {ANN: ("not",), BOB: ("no.",), CAT: ("yes",), DAN: ("no.",)}
    sure = {ANN: 0.8, BOB: 0.5, CAT: 0.8, DAN: 0.6}
    by_round = {
        1: Scripted({ANN: YES, BOB: NO, CAT: third}, together=(("yes", "no"),)),
        2: Scripted(later, together=(("no",),)),
        3: Scripted(later, votes, sure=sure),
    }
    failing = {f"1/propose/{DAN}": "timeout"} | {f"3/group/{agent}": "timeout" for agent in later}
    protocol = replace(preset("structured", consensus="supermajority"), threshold=0.3)
    question = spec(15, "Shall we release on Friday?", "structured", protocol=protocol)
    return debating.start(question).play(except_for(lambda request: by_round[request.ask.round](request), failing))


def agreement_of_few() -> debating.Run:
    """Two of four agree, fewer than the quorum, so the rounds go on. Their agreement without evidence is challenged,
    and the grouping of before does not hold for what they say then. One agent fails in two ways and abstains between
    them; one is the chair, and fails as both."""
    tea: Said = ("Tea. It wakes gently.", ())
    last = Scripted(
        {ANN: tea, CAT: ("Tea, but not at night. One must sleep.", ())}, {ANN: ("tea.",), CAT: ("tea, but",)}
    )
    failing: dict[str, str | Abstention] = {
        f"2/revise/{DAN}": Abstention("I do not drink."),
        f"3/revise/{DAN}": "rate_limited",
        f"3/synthesize/{BOB}": "overloaded",
    }
    failing |= {f"3/group/{agent}>challenge": "malformed_answer" for agent in (ANN, CAT)}
    failing |= {f"1/propose/{DAN}": "timeout", f"3/vote/{DAN}": "timeout"}
    failing |= {f"{ask}/{BOB}": "timeout" for ask in ("1/propose", "2/revise", "3/revise", "3/vote")}
    early = Scripted({ANN: tea, CAT: tea, DAN: tea})
    protocol = replace(preset("structured"), quorum=0.75, settles=False, synthesize=True)
    question = spec(16, "What shall we drink?", "structured", protocol=protocol, judge=BOB)
    return debating.start(question).play(
        except_for(lambda request: (last if request.ask.round == 3 else early)(request), failing)
    )


def headings() -> debating.Run:
    """Two say yes to a question that offers more, below a label that tells nothing, one of them at length. No consensus
    is sought, and the judge is too dear."""
    at_length = "Yes:\nCoffee, " + "and again coffee, " * 17 + "until the day is done."
    says: dict[str, Said] = {ANN: ("Yes:\nTea, in the small pot.", ()), BOB: (at_length, ())}
    protocol = replace(preset("ensemble"), consensus=ConsensusMode.NONE, judged=True)
    question = spec(
        17, "Shall we serve tea or coffee?", "ensemble", protocol=protocol, agents=(ANN, BOB, CAT), judge=CAT
    )
    apart = (("yes:\ntea",), ("yes:\ncoffee",))
    return debating.start(replace(question, budget_usd=0.004)).play(Scripted(says, together=apart))


def budget_refuses() -> debating.Run:
    """Answers counted one by one, of two agents, the second of which judges too. Its verdict does not come in time, and
    what that may cost holds the budget: votes are refused. One answer costs next to nothing."""
    agents = (ANN, BOB)
    scripted = Scripted({ANN: YES, BOB: NO})

    def cheap(request: AgentRequest) -> Reply:
        reply = scripted(request)
        assert isinstance(reply, AgentAnswer)
        return reply if request.ask.agent == BOB else replace(reply, usage=replace(reply.usage, cost_usd=0.0000025))

    protocol = replace(preset("ensemble", consensus="judge"), positions=False)
    prices = dict.fromkeys(agents, AgentPrice(3.0, 15.0, 1_000))
    question = spec(18, "Shall we release on Friday?", "ensemble", protocol=protocol, agents=agents, prices=prices)
    run = debating.start(replace(question, budget_usd=0.04)).until(AskKind.JUDGE, cheap)
    run.advance(machine.Timing(120.0))
    return run


def gate_changed_then_vetoed() -> debating.Run:
    """Two thirds are just reached; the chair writes for the other option, and is set aside. At the gate an answer comes
    late, at an estimated cost; one person approves, a second changes the words for the same option and vetoes after
    another approval."""
    says = {ANN: TEA, BOB: TEA, CAT: COFFEE, DAN: COFFEE}
    votes = {ANN: ("tea",), BOB: ("tea",), CAT: ("tea",), DAN: ("coffee",)}
    scripted = Scripted(says, votes, chair="Coffee. I have always said so.")
    protocol = replace(preset("ensemble", consensus="supermajority"), synthesize=True)
    needs = ("user:usr_1", "role:owner", "role:admin")
    question = spec(19, "Which one?", "ensemble", protocol=protocol, options=("tea", "coffee"), needs=needs, judge=CAT)
    run = debating.start(question)
    *in_time, late = run.pending()
    for request in in_time:
        run.give(scripted(request))
    run.advance(machine.Timing(120.0, 100.0))
    run.play(scripted)
    sign(run, ADMIN, Word(Verdict.APPROVE))
    came = scripted(late)
    assert came.usage is not None
    run.give(replace(came, usage=replace(came.usage, estimated=True)))
    sign(run, MEMBER, Word(Verdict.CHANGE, "mornings only", "Tea, but only before noon.", "tea"))
    sign(run, OWNER, Word(Verdict.APPROVE))
    sign(run, MEMBER, Word(Verdict.VETO, "on second thought, no"))
    return run


DEBATES: Final[tuple[Callable[[], debating.Run], ...]] = (
    weighted_with_people,
    rankings_turned,
    judge_overrules,
    rounds_and_moves,
    agreement_of_few,
    headings,
    budget_refuses,
    gate_changed_then_vetoed,
)
