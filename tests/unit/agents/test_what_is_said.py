"""Of what a model writes only its answer is said: thoughts stay its own, and prose about labels is no ballot."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from worlds import debating

from aragora.agents.answer_format import AnswerInvalid, parse_answer
from aragora.debate.journal import row_of
from aragora.debate.model import AgentRequest, AskKind, Ballot, Proposal, Reply
from aragora.debate.protocol import preset
from aragora.encoding import encode

AskFor = Callable[..., AgentRequest]
THOUGHT = "nobody shall read this"
NUMBERED = "My thoughts, in order:\n1. Answer A: the cheapest.\n2. The second, B, is safer.\n3. C, in the end.\n\n"


def written(request: AgentRequest) -> dict[str, Any]:
    """The fields of a sensible answer."""
    content = debating.answer_to(request).content
    fields: dict[str, Any] = json.loads(encode(content))
    if isinstance(content, Proposal):
        fields["answer"] = fields.pop("text")
    return fields


def draft_of(fields: dict[str, Any]) -> str:
    """The same answer with other words, which would count if it were said."""
    notes = {name: [THOUGHT] for name in ("issues", "suggestions", "evidence") if name in fields}
    return json.dumps(fields | notes | {name: THOUGHT for name in ("answer", "reason") if name in fields})


THINKING = (
    "<think>DRAFT</think>SAID",
    "DRAFT</think>SAID",
    "<think>DRAFT</think>Well. <think>DRAFT again</think>SAID <think>DRAFT",
    "[THINK]DRAFT[/THINK]\n```json\nSAID\n```",
)


@pytest.mark.parametrize("thinking", THINKING)
@pytest.mark.parametrize("protocol", ["structured", "council", "duel"])
def test_the_thoughts_of_a_model_reach_neither_another_agent_nor_the_journal(protocol: str, thinking: str) -> None:
    def answer(request: AgentRequest) -> Reply:
        fields = written(request)
        text = thinking.replace("SAID", json.dumps(fields)).replace("DRAFT", draft_of(fields))
        read = parse_answer(request, text)
        return replace(debating.answer_to(request), content=read.content, remarks=read.remarks)

    run = debating.start(debating.spec_of(protocol=preset(protocol))).play(answer)
    assert run.state.decision is not None
    assert len(run.requests) > 8
    assert THOUGHT not in "".join(repr(request.brief) for request in run.requests)
    assert THOUGHT not in "".join(row_of("deb_1", 1, 0.0, event).payload for event in run.events)


def test_a_numbered_list_before_the_ranking_is_not_the_ranking(ask: AskFor) -> None:
    ranked = json.dumps({"reason": "as said", "ranking": ["C", "B", "A"], "confidence": 0.7})
    read = parse_answer(ask(AskKind.RANK, labels="ABC"), NUMBERED + ranked)
    assert read.content == Ballot("C", 0.7, "as said", ("C", "B", "A"))


@pytest.mark.parametrize(
    "prose",
    [
        NUMBERED,
        "**FINAL RANKING**:\n1. Response C\n2. Response A\n3. Response B",
        "Answer B is the best, though B and A are close, and C is not bad.",
        "VOTE: B",
    ],
)
@pytest.mark.parametrize("kind", [AskKind.RANK, AskKind.VOTE])
def test_labels_in_the_order_in_which_prose_mentions_them_are_no_ballot(prose: str, kind: AskKind, ask: AskFor) -> None:
    with pytest.raises(AnswerInvalid, match="No JSON object was found"):
        parse_answer(ask(kind, labels="ABC"), prose)


def test_the_labels_of_a_ranking_are_read_in_other_clothes(ask: AskFor) -> None:
    text = json.dumps({"ranking": ["**Response B**", "Answer A (PostgreSQL)", "`C`"], "confidence": 0.5})
    assert parse_answer(ask(AskKind.RANK, labels="ABC"), text).content == Ballot("B", 0.5, "", ("B", "A", "C"))


@pytest.mark.parametrize(
    "reason",
    [r"\frac{a_1}{b} < \sqrt{2}", "It ends here} and goes on", 'if (x) { return "A"; }', '{"choice": "C"}', "}}{{"],
)
def test_braces_in_a_reason_belong_to_the_reason(reason: str, ask: AskFor) -> None:
    text = "VOTE: " + json.dumps({"reason": reason, "choice": "B", "confidence": 0.5})
    assert parse_answer(ask(AskKind.VOTE, labels="ABC"), text).content == Ballot("B", 0.5, reason)


@pytest.mark.parametrize("content", ["", " \n\t", "null", "{}", "[]", '""'])
@pytest.mark.parametrize("kind", list(AskKind))
def test_nothing_is_an_answer_to_nothing(content: str, kind: AskKind, ask: AskFor) -> None:
    with pytest.raises(AnswerInvalid):
        parse_answer(ask(kind, labels="AB"), content)
