"""The stub answers every kind of ask by its schema, and always the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from aragora.agents.answer_format import parse_answer
from aragora.agents.model import Completion, ModelCall
from aragora.agents.providers.stub import StubProvider
from aragora.debate.model import AgentRequest, AskKind, Ballot, Grouping, Proposal

AskFor = Callable[..., AgentRequest]


def call_for(request: AgentRequest) -> ModelCall:
    return ModelCall("", (), {}, "", 100, 0.0, 5.0, request.ask.ask_id, request)


async def served(request: AgentRequest, **settings: object) -> Completion:
    provider = StubProvider("stub", **settings)  # type: ignore[arg-type]
    try:
        return await provider.complete(call_for(request))
    finally:
        await provider.aclose()


@pytest.mark.parametrize("kind", list(AskKind))
async def test_every_kind_of_ask_gets_a_valid_answer_of_about_400_characters(kind: AskKind, ask: AskFor) -> None:
    request = ask(kind, labels="ABC")
    text = (await served(request)).text
    parse_answer(request, text)
    assert 300 <= len(text) <= 520


async def test_the_same_ask_gets_the_same_answer_and_another_ask_another(ask: AskFor) -> None:
    assert await served(ask()) == await served(ask())
    assert (await served(ask())).text != (await served(ask(AskKind.REVISE))).text


async def test_stubs_agree_on_the_best_answer_whatever_its_label(ask: AskFor) -> None:
    first = ask(AskKind.VOTE, labels="AB")
    second = ask(AskKind.VOTE, labels="AB")
    swapped = tuple(
        type(one)(one.label, other.text)
        for one, other in zip(second.brief.candidates, reversed(second.brief.candidates), strict=True)
    )
    second = AgentRequest(second.ask, type(second.brief)("?", candidates=swapped), 5.0)
    choices = []
    for request in (first, second):
        ballot = parse_answer(request, (await served(request)).text).content
        assert isinstance(ballot, Ballot)
        choices.append({one.label: one.text for one in request.brief.candidates}[ballot.choice])
    assert choices[0] == choices[1]


async def test_every_stub_puts_each_answer_into_a_group_of_its_own(ask: AskFor) -> None:
    request = ask(AskKind.GROUP, labels="ABC")
    read = parse_answer(request, (await served(request)).text)
    assert isinstance(read.content, Grouping)
    assert read.content.groups == (("A",), ("B",), ("C",))
    assert read.remarks == ()


@pytest.mark.parametrize("kind", [AskKind.PROPOSE, AskKind.REVISE, AskKind.CHALLENGE, AskKind.SYNTHESIZE])
@pytest.mark.parametrize(
    ("agent", "option"),
    [
        ("stub-1", 'the "first"'),
        ("stub-2", "second"),
        ("stub-3", "third"),
        ("stub-4", 'the "first"'),
        ("stub", 'the "first"'),
    ],
)
async def test_a_stub_chooses_the_option_of_its_number(kind: AskKind, agent: str, option: str, ask: AskFor) -> None:
    request = ask(kind)
    request = replace(
        request,
        ask=replace(request.ask, agent=agent),
        brief=replace(request.brief, options=('the "first"', "second", "third")),
    )
    read = parse_answer(request, (await served(request)).text)
    assert isinstance(read.content, Proposal)
    assert read.content.option == option


async def test_the_log_has_a_line_for_every_ask_served(ask: AskFor, tmp_path: Path) -> None:
    log = tmp_path / "asks.log"
    await asyncio.gather(*(served(ask(), log=log) for _ in range(50)))
    assert log.read_text().splitlines() == [ask().ask.ask_id] * 50


async def test_an_answer_takes_its_latency(ask: AskFor) -> None:
    began = time.monotonic()
    await served(ask(), latency_s=0.05)
    assert time.monotonic() - began >= 0.05
