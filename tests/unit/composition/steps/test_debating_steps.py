"""The steps `debate` and `ask`: what is opened for them, and what their debates say to them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from worlds.workflowing import Execution, ask, debate, definition

from aragora.composition.steps.debating import Debating
from aragora.debate.model import ConsensusMode, DebateStatus, Decision, Dissent
from aragora.debate.proposition import Idempotency, Proposition
from aragora.debate.records import DebateRecord, ReceiptRecord
from aragora.encoding import encode_text
from aragora.workflows.model import Accepted, Ask, Done, ExecutionStarted, Failed

DECISION = Decision(
    True, "Three replicas.", "ada", 0.75, ConsensusMode.MAJORITY, (), (Dissent("bob", "five", "the load"),), 1, 0.25
)
RECORD = DebateRecord(
    "deb_1",
    "What of a?",
    DebateStatus.COMPLETED,
    "{}",
    1.0,
    2.0,
    "ann",
    "org",
    decision=encode_text(DECISION),
    cost_usd=0.25,
    receipt_id="rcp_1",
)


@dataclass
class Debates:
    """In place of the coordinator and the store."""

    record: DebateRecord = RECORD
    opened: list[tuple[Proposition, Idempotency | None]] = field(default_factory=list)
    cancelled: list[tuple[str, str]] = field(default_factory=list)

    async def open(self, proposition: Proposition, idempotency: Idempotency | None = None) -> Any:
        self.opened.append((proposition, idempotency))
        return replace(self.record)

    async def plan(self, proposition: Proposition) -> Any:
        assert proposition.protocol == "structured"
        return Proposition("", agents=("first", "second"))

    async def cancel(self, debate_id: str, by: str) -> None:
        self.cancelled.append((debate_id, by))

    async def get(self, debate_id: str, scope: object) -> DebateRecord:
        return self.record

    async def receipt(self, debate_id: str) -> ReceiptRecord:
        return ReceiptRecord("rcp_1", debate_id, 1, "hash", "0", "{}", 2.0)

    @property
    def debating(self) -> Debating:
        return Debating(self, self, 10.0)  # type: ignore[arg-type]


def asked(step: dict[str, Any]) -> tuple[Ask, ExecutionStarted]:
    execution = Execution(definition(step))
    assert execution.state.started is not None
    return execution.asked("a"), execution.state.started


async def test_a_debate_is_opened_once_for_an_ask_in_the_name_of_who_started_it() -> None:
    debates = Debates()
    step = debate(
        "a",
        agents=["ada", "bob"],
        options=["three", "five"],
        rounds=2,
        consensus="unanimous",
        domain="storage",
        context="{{ 1 }}",
        budget_usd=0.5,
    )
    ask_, started = asked(step)
    assert [await debates.debating.do(ask_, started) for _ in range(2)] == 2 * [Accepted(ask_.ask_id, "deb_1")]
    (first, key), (_, again) = debates.opened
    assert key == again == Idempotency.of(ask_.ask_id, first)
    assert (first.agents, first.options) == (("ada", "bob"), ("three", "five"))
    assert (first.protocol, first.rounds, first.consensus) == ("structured", 2, "unanimous")
    assert (first.context, first.domain, first.budget_usd) == ("1", "storage", 0.5)
    assert (first.created_by, first.org_id, first.serves) == ("ann", "org", f"exe_1/{ask_.ask_id}")


async def test_a_debate_may_cost_what_is_left_and_no_more_than_the_server_allows_one() -> None:
    debates = Debates()
    for budget_usd in (2.5, 15.0):
        await debates.debating.do(*asked(debate("a", budget_usd=budget_usd)))
    assert [one.budget_usd for one, _ in debates.opened] == [2.5, 10.0]


async def test_one_agent_is_asked_without_a_debate_and_unnamed_it_is_the_servers_first() -> None:
    debates = Debates()
    for named in ({"agent": "cy"}, {}):
        await debates.debating.do(*asked(ask("a", **named)))
    assert [(one.agents, one.protocol) for one, _ in debates.opened] == [
        (("cy",), "ensemble"),
        (("first",), "ensemble"),
    ]


async def test_what_is_not_wanted_any_more_is_cancelled_and_says_for_which_execution() -> None:
    debates = Debates()
    await debates.debating.stop("deb_1", asked(debate("a"))[1])
    assert debates.cancelled == [("deb_1", "execution exe_1")]


async def test_a_debate_that_ended_says_what_it_decided_with_its_receipt_and_what_it_cost() -> None:
    reply = await Debates().debating.reply("deb_1", "ask_1")
    assert isinstance(reply, Done)
    assert reply.cost_micros == 250_000
    assert reply.output == {
        "debate_id": "deb_1",
        "status": "completed",
        "reached": True,
        "answer": "Three replicas.",
        "option": "",
        "confidence": 0.75,
        "headline": "",
        "dissent": [{"agent": "bob", "choice": "five", "reason": "the load"}],
        "receipt_id": "rcp_1",
        "receipt_hash": "hash",
        "cost_usd": 0.25,
    }


@pytest.mark.parametrize(
    ("status", "again"), [(DebateStatus.FAILED, True), (DebateStatus.CANCELLED, False), (DebateStatus.COMPLETED, False)]
)
async def test_one_without_a_decision_fails_its_step_and_only_what_failed_is_tried_again(
    status: DebateStatus, again: bool
) -> None:
    debates = Debates(replace(RECORD, status=status, decision=None, reason="nobody answered"))
    reply = await debates.debating.reply("deb_1", "ask_1")
    assert reply == Failed("ask_1", f"debate_{status.value}", "debate deb_1: nobody answered", again, 250_000)
