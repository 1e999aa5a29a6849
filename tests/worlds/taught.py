"""Debates that have ended, as adapters see them: played by the machine, with a receipt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from worlds import debating
from worlds.closed_debates import OPENED_AT, closed

from aragora.debate.journal import events_of
from aragora.debate.model import AgentAnswer, AgentRequest, AskKind, Ballot, Critique, DebateSpec, Proposal, Protocol
from aragora.knowledge.model import Home
from aragora.knowledge.taught import Offered, TaughtDebate

QUESTION = "How many replicas does the cache need?"
HOME = Home("local", "default")
OPTIONS = ("three", "five")
PAPER = "the load test of March held 900 requests a second"


def spec(number: int = 1, **changes: Any) -> DebateSpec:
    """A question with two options, put to three agents."""
    protocol = Protocol("structured", rounds=1, trickster=False, early_stop=False, positions=True)
    made = debating.spec_of(("claude", "gpt", "gemini"), protocol, options=OPTIONS)
    return replace(made, **{"debate_id": f"deb_{number}", "question": QUESTION, "domain": "storage", **changes})


def answers(**of: str) -> debating.Answerer:
    """What each agent chooses, by name: `claude="three"`. It votes for the first answer with its option."""

    def answer(request: AgentRequest) -> AgentAnswer:
        ask, usage = request.ask, debating.USAGE
        option = of[ask.agent]
        if ask.kind in (AskKind.PROPOSE, AskKind.REVISE):
            said = Proposal(
                f"{option.capitalize()} replicas hold the load.", 0.8, (PAPER, f"{ask.agent} counted it"), option
            )
            return AgentAnswer(ask.ask_id, ask.agent, said, usage)
        if ask.kind is AskKind.CRITIQUE:
            return AgentAnswer(ask.ask_id, ask.agent, Critique(("too vague",), (), 0.3), usage)
        labels = [one.label for one in request.brief.candidates if option in one.text.lower()]
        return AgentAnswer(ask.ask_id, ask.agent, Ballot(labels[0], 0.9, f"{option} is what the test shows"), usage)

    return answer


def taught(number: int = 1, offered: Offered | None = None, **of: str) -> TaughtDebate:
    """Debate `number` in which two of three agents chose `three`, unless `of` says what each chose."""
    votes = of or {"claude": "three", "gpt": "three", "gemini": "five"}
    run = debating.start(spec(number)).play(answers(**votes))
    events = tuple(enumerate(events_of(closed(run).lines), 1))
    return TaughtDebate(HOME, run.state.spec, events, OPENED_AT + 100.0, offered or Offered(), OPENED_AT)


def swayed(number: int = 1) -> debating.Run:
    """Debate `number`, of two rounds: in the second, `gemini` follows the others with nothing new, and `gpt`, who
    stays, names something new."""

    def answer(request: AgentRequest) -> AgentAnswer:
        ask, usage = request.ask, debating.USAGE
        if ask.kind not in (AskKind.PROPOSE, AskKind.REVISE):
            return AgentAnswer(ask.ask_id, ask.agent, Ballot(request.brief.candidates[0].label, 0.9, "clear"), usage)
        option = OPTIONS[ask.agent == "gemini" and ask.round == 1]
        evidence = (PAPER, "the invoices of April") if (ask.agent, ask.round) == ("gpt", 2) else (PAPER,)
        return AgentAnswer(ask.ask_id, ask.agent, Proposal(f"{option}.", 0.8, evidence, option), usage)

    protocol = Protocol("two", rounds=2, critique=False, trickster=False, early_stop=False, positions=True)
    return debating.start(spec(number, protocol=protocol)).play(answer)
