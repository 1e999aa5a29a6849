"""A debate in words: each event as it arrives, and the decision with its votes, dissent and cost."""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch
from typing import Final

import msgspec
from rich.console import Console, Group, RenderableType
from rich.text import Text

from aragora.agents.frames import one_line
from aragora.cli.rendering.layout import Framed, Heading, Indented, Listing
from aragora.cli.rendering.terminal import say, who
from aragora.debate import model
from aragora.debate.hints import OfferedIssue, told
from aragora.debate.journal import event_of
from aragora.debate.knowledge import NotOffered, OfferedItem, about
from aragora.texts import counted

VERBS: Final[dict[model.AskKind, str]] = {
    model.AskKind.PROPOSE: "proposes",
    model.AskKind.REVISE: "revises",
    model.AskKind.CHALLENGE: "answers the challenge",
    model.AskKind.SYNTHESIZE: "sums up",
    model.AskKind.VOTE: "votes for",
    model.AskKind.RANK: "ranks first",
    model.AskKind.JUDGE: "decides for",
}

STOPPED: Final = {
    "agreement": "stopped at agreement",
    "unmoved": "stopped as nobody moved",
    "convergence": "stopped at agreement",
    "budget": "stopped by the budget",
}
SIGNED: Final[dict[model.Verdict, str]] = {
    model.Verdict.APPROVE: "approves",
    model.Verdict.CHANGE: "changes",
    model.Verdict.VETO: "vetoes",
}


NOT_OFFERED: Final[dict[NotOffered | None, str]] = {
    NotOffered.OFF: "Knowledge is switched off here.",
    NotOffered.NONE: "Nothing is known of this question from earlier debates.",
    NotOffered.LATE: "Looking for knowledge took too long; the debate goes on without.",
    NotOffered.AWAY: "Knowledge could not be looked for; the debate goes on without.",
    NotOffered.BUSY: "Too many debates look for knowledge; this one goes on without.",
}


class EventPrinter:
    """Prints the events of a debate, given as envelopes of the WebSocket or the journal."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, payload: str) -> None:
        try:
            shown = render(event_of(payload))
        except (KeyError, msgspec.ValidationError):  # a newer server has events that this command does not know
            return
        if shown is not None:
            self._console.print(shown)


def decision_panel(decision: model.Decision) -> Framed:
    """A decision in a frame: answer, confidence, votes, dissent, cost."""
    title = "Decision" if decision.reached else "No consensus: the leading answer"
    degraded = decision.participation is not None and bool(decision.participation.degraded)
    parts: list[RenderableType] = []
    if decision.headline:
        parts += [say(decision.headline, "bold yellow" if degraded else "bold"), Text()]
    if decision.position and decision.position not in decision.answer:
        parts.append(say(decision.position, "bold"))
    parts += [say(decision.answer), Text(), say(summary(decision), "dim")]
    if decision.explanation:
        parts.append(say(decision.explanation, "dim"))
    if decision.tallies:
        parts += [Text(), _votes(decision)]
    parts += [Text(), *_dissent(decision.dissent)]
    if decision.participation is not None and decision.participation.absent:
        parts += [Text(), *_absent(decision.participation.absent)]
    return Framed(title, parts, "green" if decision.reached and not degraded else "yellow")


def summary(decision: model.Decision) -> str:
    """Who stands behind it, mode, rounds and cost in one line."""
    stopped = f", {STOPPED[decision.stopped_by]}" if decision.stopped_by in STOPPED else ""
    winner = f"by {decision.winner}, " if decision.winner else ""
    rounds = counted(decision.rounds, "round")
    behind = f"{decision.confidence:.0%} of the weight" if decision.support else f"confidence {decision.confidence:.0%}"
    stated = f", stated confidence {decision.stated_confidence:.0%}" if decision.stated_confidence is not None else ""
    cost = f"${decision.cost_usd:.4f}"
    return f"{winner}{behind}, {decision.mode}, {rounds}{stopped}{stated}, {cost}"


@singledispatch
def render(event: object) -> RenderableType | None:
    """What an event looks like; None for events that only programs need."""
    del event
    return None


@render.register
def _opened(event: model.DebateOpened) -> RenderableType:
    spec = event.spec
    budget = "" if spec.budget_usd is None else f" · at most ${spec.budget_usd:g}"
    return Group(
        say(spec.question, "bold"),
        say(f"{', '.join(spec.agents)} · {spec.protocol.name}{budget} · {spec.debate_id}", "dim"),
        *(say(f"As suits the workspace: {one}", "dim") for one in spec.suggested),
        *([say(f"Debated again: what {spec.revalidates} decided", "dim")] if spec.revalidates else ()),
    )


@render.register
def _round(event: model.RoundStarted) -> RenderableType:
    return Heading(f"Round {event.round}")


@render.register
def _answer(event: model.AnswerGiven) -> RenderableType:
    head = Text.assemble(who(event.agent), " ", VERBS[event.kind], measures(event.confidence, event.usage))
    body = [say(event.content), *(say(f"· {fact}", "dim") for fact in event.evidence)]
    return _with_remarks(event, head, Indented(body))


@render.register
def _offered(event: model.KnowledgeOffered) -> RenderableType:
    return Group(*_items(event), *_beliefs(event), *_checklist(event))


def _items(event: model.KnowledgeOffered) -> Iterator[RenderableType]:
    if not event.items:
        yield say(NOT_OFFERED.get(event.why, "Nothing is offered of earlier debates."), "dim")
        return
    yield say(f"Offered {counted(len(event.items), 'item')} of earlier knowledge:", "dim")
    yield Indented(
        [say(one_line(f"{item.label} {about(item)}: {item.text}{_dissenting(item)}"), "dim") for item in event.items]
    )


def _beliefs(event: model.KnowledgeOffered) -> Iterator[RenderableType]:
    if event.priors:
        yield say("Earlier debates of this question, shown and not to be followed:", "dim")
        yield Indented([say(f"- {one_line(told(prior))}", "dim") for prior in event.priors])
    if event.cruxes:
        yield say("Claims that divided earlier debates of this question:", "dim")
        yield Indented([say(f"- {one_line(crux.text)}", "dim") for crux in event.cruxes])


def _checklist(event: model.KnowledgeOffered) -> Iterator[RenderableType]:
    if event.checklist:
        yield say("Critics are to check what earlier debates turned on:", "dim")
        yield Indented([say(f"- {one_line(issue.text)} ({_weight(issue)})", "dim") for issue in event.checklist])


def _weight(issue: OfferedIssue) -> str:
    return f"{counted(issue.debates, 'debate')}, of use in {issue.effective:.0%}"


def _dissenting(item: OfferedItem) -> str:
    return f" (Dissent: {item.dissent})" if item.dissent else ""


@render.register
def _cited(event: model.KnowledgeCited) -> RenderableType:
    unknown = f"; never offered: {', '.join(event.unknown)}" if event.unknown else ""
    told = f" cites {', '.join(event.labels)}" if event.labels else " cites nothing that was offered"
    return Text.assemble(who(event.agent), say(f"{told}{unknown}", "yellow" if unknown else "dim"))


@render.register
def _critique(event: model.CritiqueGiven) -> RenderableType:
    head = Text.assemble(
        who(event.agent), " objects to ", who(event.target), (f"  severity {event.severity:.1f}", "dim")
    )
    lines = [say(f"- {issue}") for issue in event.issues] + [say(f"+ {idea}", "dim") for idea in event.suggestions]
    return _with_remarks(event, head, Indented(lines))


@render.register
def _vote(event: model.VoteCast) -> RenderableType:
    vote = Text.assemble(
        who(event.agent),
        f" {VERBS[event.kind]} ",
        who(event.choice),
        measures(event.confidence, event.usage),
        say(f"  {event.reason}" if event.reason else ""),
    )
    return _with_remarks(event, vote)


@render.register
def _failed(event: model.AgentFailed) -> RenderableType:
    return Text.assemble(who(event.agent), say(f" gave no answer ({event.code}): {event.message}", "yellow"))


@render.register
def _fallback(event: model.FallbackUsed) -> RenderableType:
    fallback = event.fallback
    outcome = "answered" if event.succeeded else "failed too"
    return Text.assemble(
        who(event.agent),
        say(f" {fallback.from_provider} {fallback.reason}; {fallback.to_provider} ({fallback.model}) {outcome}", "dim"),
    )


@render.register
def _grouped(event: model.AnswersGrouped) -> RenderableType:
    reason = f": {event.reason}" if event.reason else ""
    read = say(f" reads {counted(len(event.groups), 'position')} in the answers{reason}", "dim")
    return _with_remarks(event, Text.assemble(who(event.agent), read))


@render.register
def _abstained(event: model.Abstained) -> RenderableType:
    return _with_remarks(event, Text.assemble(who(event.agent), say(f" abstains: {event.reason}", "yellow")))


@render.register
def _convergence(event: model.ConvergenceMeasured) -> RenderableType:
    if not event.positions:
        return say(f"Agreement {event.similarity:.0%}{': the answers converged' if event.converged else ''}", "dim")
    held = [f"{', '.join(one.authors)}: {one.name}" for one in event.positions]
    heading = (
        f"{counted(len(event.positions), 'position')}, agreement {event.agreement:.0%}; "
        f"their words are {event.similarity:.0%} alike"
    )
    return Group(say(heading, "dim"), Indented([say(f"- {line}", "dim") for line in held]))


@render.register
def _challenge(event: model.AgreementChallenged) -> RenderableType:
    return Group(say("The agreement looks hollow and is challenged once:", "yellow"), Indented([say(event.challenge)]))


@render.register
def _person_voted(event: model.PersonVoted) -> RenderableType:
    return Text.assemble(say(event.person, "bold"), " prefers ", who(event.choice), f" ({event.intensity}/10)")


@render.register
def _person_suggested(event: model.PersonSuggested) -> RenderableType:
    return Text.assemble(say(event.person, "bold"), " suggests: ", say(event.text))


@render.register
def _corrected(event: model.PositionsCorrected) -> RenderableType:
    groups = "; ".join(", ".join(group) for group in event.groups)
    return Text.assemble(say(event.person, "bold"), say(f" says that these are one position each: {groups}"))


@render.register
def _proposed(event: model.DecisionProposed) -> RenderableType:
    panel = decision_panel(event.decision)
    needed = say(f"Waits for the signature of {', '.join(event.missing)}; see 'aragora sign --help'.", "yellow")
    return Framed("Proposed", [*panel.parts, Text(), needed], "yellow")


@render.register
def _signed(event: model.DecisionSigned) -> RenderableType:
    note = f": {event.note}" if event.note else ""
    answer = [Indented([say(event.answer)])] if event.answer else []
    said = say(f" {SIGNED[event.verdict]} the decision ({event.need}){note}")
    return Group(Text.assemble(say(event.person, "bold"), said), *answer)


@render.register
def _late(event: model.LateAnswer) -> RenderableType:
    return Text.assemble(who(event.agent), say(f" answered too late; it cost ${event.usage.cost_usd:.4f}", "dim"))


@render.register
def _consensus(event: model.ConsensusReached) -> RenderableType:
    return decision_panel(event.decision)


@render.register
def _receipt(event: model.ReceiptIssued) -> RenderableType:
    return say(f"Receipt {event.receipt_id} · link {event.position} of the chain · key {event.key_id}", "dim")


@render.register
def _ended(event: model.DebateEnded) -> RenderableType | None:
    if event.status is model.DebateStatus.COMPLETED:
        return None
    return say(f"The debate {event.status}: {event.reason}", "bold red")


def measures(confidence: float, usage: model.Usage) -> Text:
    """Confidence, latency and cost of an answer, in dim type."""
    cost = f", ${usage.cost_usd:.4f}" if usage.cost_usd else ""
    return say(f"  confidence {confidence:.2f}, {usage.latency_s:.1f} s{cost}", "dim")


def _with_remarks(event: model.Replied, *shown: RenderableType) -> RenderableType:
    """An event of an answer, and below it what its readers must know of how it came about."""
    if not event.remarks:
        return shown[0] if len(shown) == 1 else Group(*shown)
    return Group(*shown, Indented([say(f"note: {remark}", "dim") for remark in event.remarks]))


def _votes(decision: model.Decision) -> Listing:
    table = Listing("votes", "weight", "answer by", "position", "voters", wrapped=("answer by", "position", "voters"))
    for tally in sorted(decision.tallies, key=lambda tally: -tally.weight):
        authors = Text(", ").join(who(author) for author in tally.authors or (tally.agent,))
        voters = say(", ".join(tally.voters))
        table.row(str(tally.votes), f"{tally.weight:.2f}", authors, say(tally.position), voters)
    return table


def _absent(absent: tuple[model.Absence, ...]) -> list[RenderableType]:
    return [
        Text.assemble("Missing: ", who(one.agent), say(f", {one.wanted} ({one.code}): {one.message}", "yellow"))
        for one in absent
    ]


def _dissent(dissent: tuple[model.Dissent, ...]) -> list[RenderableType]:
    if not dissent:
        return [say("No dissent.", "dim")]
    return [
        Text.assemble("Dissent: ", who(voice.agent), " preferred ", who(voice.choice), say(f": {voice.reason}"))
        for voice in dissent
    ]
