"""The scripted agents and people of the debates behind docs/spec/vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from worlds import debating

from aragora.debate import machine
from aragora.debate.machine.gate import Signer, Word
from aragora.debate.model import (
    Abstention,
    AgentAnswer,
    AgentRequest,
    AskKind,
    Ballot,
    DebateSpec,
    Grouping,
    Proposal,
    Reply,
    Usage,
)
from aragora.debate.protocol import preset

ANN, BOB, CAT, DAN = AGENTS = ("ann-ai", "bob-ai", "cat-ai", "dan-ai")
EVE: Final = "eve-ai"
EVERYBODY: Final = (*AGENTS, EVE)  # Eve judges from outside
MODELS: Final = dict(zip(EVERYBODY, ("alpha-1", "beta-2", "alpha-1", "delta-4", "beta-2"), strict=True))
TEA: Final = ("Tea. It wakes gently, and keeps the afternoon calm.", ("A trial of 2019 found fewer headaches.",))
COFFEE: Final = ("Coffee. It wakes at once; nothing else does before nine.", ("The kitchen has a good machine.",))
YES: Final = ("Yes. The tests are green, and a rollback takes a minute.", ("Build 4711 is green.",))
NO: Final = ("No. It is Friday, and nobody is here tomorrow.", ())

Said = tuple[str, tuple[str, ...]]


def spec(number: int, question: str, protocol: str, consensus: str | None = None, /, **settings: object) -> DebateSpec:
    plain = DebateSpec(f"deb_vector{number}", question, AGENTS, preset(protocol, consensus=consensus), seed=number)
    return replace(plain, **settings)  # type: ignore[arg-type]


class Scripted:
    """Agents that say what is written for them: `says` their answer to the question, by agent; `votes` how their
    candidate's text begins, by voter, best first; `sure` how sure they are of their answers; `together` how the texts
    begin that an agent puts together; `chair` what the chair writes, where it does not word what leads; `silent` who
    names no reason for a vote."""

    def __init__(
        self,
        says: Mapping[str, Said],
        votes: Mapping[str, tuple[str, ...]] | None = None,
        *,
        sure: Mapping[str, float] | None = None,
        together: tuple[tuple[str, ...], ...] = (),
        chair: str = "",
        silent: tuple[str, ...] = (),
    ) -> None:
        self._says = says
        self._votes = votes or {}
        self._sure = sure or {}
        self._together = together
        self._chair = chair
        self._silent = silent

    def __call__(self, request: AgentRequest) -> Reply:
        ask = request.ask
        place = EVERYBODY.index(ask.agent)
        usage = Usage(
            "stub", MODELS[ask.agent], 200 + place, 40 + ask.round, 0.001 + 0.0005 * place, 0.25 * (place + 1)
        )
        answer = debating.answer_to(
            replace(request, ask=replace(ask, agent=debating.AGENTS[place % len(debating.AGENTS)]))
        )
        answer = replace(answer, agent=ask.agent, usage=usage)
        if isinstance(answer.content, Proposal):
            return self._proposal(request, answer)
        if isinstance(answer.content, Ballot):
            return self._ballot(request, answer)
        if isinstance(answer.content, Grouping):
            return replace(answer, content=self._grouping(request))
        return answer

    def _proposal(self, request: AgentRequest, answer: AgentAnswer) -> Reply:
        text, evidence = self._says[request.ask.agent]
        if request.ask.kind is AskKind.SYNTHESIZE and self._chair:
            text = self._chair
        elif request.ask.kind is AskKind.SYNTHESIZE:
            leading = next(one.text for one in request.brief.candidates if one.label == request.brief.leading)
            text = f"{leading} So the council put it first."
        option = next((one for one in request.brief.options if text.lower().startswith(one)), "")
        sure = self._sure.get(request.ask.agent, 0.6 + 0.1 * EVERYBODY.index(request.ask.agent))
        return replace(answer, content=Proposal(text, sure, evidence, option))

    def _ballot(self, request: AgentRequest, answer: AgentAnswer) -> Reply:
        wanted = self._votes[request.ask.agent]
        if not wanted:
            return replace(answer, content=Abstention("I cannot tell them apart."))
        labels = [_label(request, beginning) for beginning in wanted]
        reason = "" if request.ask.agent in self._silent else "its reasons hold"
        return replace(answer, content=Ballot(labels[0], 0.8, reason, tuple(labels)))

    def _grouping(self, request: AgentRequest) -> Grouping:
        groups: dict[str, list[str]] = {}
        for candidate in request.brief.candidates:
            groups.setdefault(self._conclusion(candidate.text), []).append(candidate.label)
        return Grouping(tuple(tuple(group) for group in groups.values()), "by what they choose")

    def _conclusion(self, text: str) -> str:
        one_of = (begins for begins in self._together if text.lower().startswith(begins))
        return next((begins[0] for begins in one_of), text.split(maxsplit=1)[0].rstrip(",."))


def _label(request: AgentRequest, beginning: str) -> str:
    return next(one.label for one in request.brief.candidates if one.text.lower().startswith(beginning))


def except_for(answer: debating.Answerer, asks: Mapping[str, str | Abstention]) -> debating.Answerer:
    """The same agents, but some asks fail with a code, or get an abstention. Asks are named as their ids end:
    `round/kind/agent`."""

    def answered(request: AgentRequest) -> Reply:
        instead = asks.get(request.ask.ask_id.split("/", 1)[1])
        if isinstance(instead, str):
            return debating.failure_of(request, instead)
        reply = answer(request)
        if instead is None:
            return reply
        assert isinstance(reply, AgentAnswer)
        return replace(reply, content=instead)

    return answered


def sign(run: debating.Run, signer: Signer, word: Word) -> None:
    run.take([machine.sign(run.state, signer, word, f"sig{len(run.events)}")])
    run.advance()


MEMBER: Final = Signer("usr_1", ("member",))
OWNER: Final = Signer("usr_9", ("owner",))
ADMIN: Final = Signer("usr_7", ("admin",))
