"""The steps `debate` and `ask`: a debate opened in the name of whoever started the execution.

The debate is opened under the ask's id as its idempotency key, so it is opened once however often it is asked for. Its
end comes back by the outbox of debates (`aragora.receipts.closing.SERVED`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from actors.gateways.debates import CoordinatorCommands
from aragora.debate.budget import MICROS, micros_of
from aragora.debate.model import DebateStatus, Decision
from aragora.debate.proposition import Idempotency, Proposition, answered_alone
from aragora.debate.records import DebateRecord
from aragora.debate.store.debates import DebateStore
from aragora.encoding import decode_as
from aragora.scope import EVERYTHING
from aragora.workflows.model import Accepted, Ask, Done, ExecutionStarted, Failed, Reply

USUAL: Final = "structured"


class Debating:
    """Does steps of the kinds `debate` and `ask`."""

    def __init__(self, commands: CoordinatorCommands, debates: DebateStore, budget_max_usd: float) -> None:
        """`budget_max_usd` is the most that the server allows a debate."""
        self._commands = commands
        self._debates = debates
        self._budget_max_usd = budget_max_usd

    async def do(self, ask: Ask, started: ExecutionStarted) -> Reply:
        """Open the debate. Raises InvalidInput, Unavailable, BudgetExhausted."""
        proposition = proposition_of(ask, started, self._budget_max_usd)
        if ask.kind == "ask":
            agents = proposition.agents or (await self._commands.plan(proposition)).agents[:1]
            proposition = answered_alone(proposition, agents)
        ticket = await self._commands.open(proposition, Idempotency.of(ask.ask_id, proposition))
        return Accepted(ask.ask_id, ticket.debate_id)

    async def stop(self, ref: str, started: ExecutionStarted) -> None:
        """Cancel the debate. Raises NotFound, and Conflict where it is over."""
        await self._commands.cancel(ref, f"execution {started.execution_id}")

    async def reply(self, debate_id: str, ask_id: str) -> Reply:
        """What a debate that has ended says to its ask. Raises NotFound, Unavailable."""
        record = await self._debates.get(debate_id, EVERYTHING)
        if record.status is not DebateStatus.COMPLETED or record.decision is None:
            code = f"debate_{record.status.value}"
            reason = f"debate {debate_id}: {record.reason or record.status.value}"
            again = record.status is DebateStatus.FAILED
            return Failed(ask_id, code, reason, again=again, cost_micros=micros_of(record.cost_usd))
        receipt = await self._debates.receipt(debate_id)
        output = output_of(record, decode_as(record.decision, Decision), receipt.hash)
        return Done(ask_id, output, micros_of(record.cost_usd))


def proposition_of(ask: Ask, started: ExecutionStarted, budget_max_usd: float) -> Proposition:
    """What is to be debated. Where an execution has more left than a debate may cost, it costs no more than that."""
    what = ask.what
    named = what.get("agent")
    return Proposition(
        question=what["question"],
        agents=(named,) if named else tuple(what.get("agents", ())),
        protocol=what.get("protocol", USUAL),
        rounds=what.get("rounds"),
        consensus=what.get("consensus"),
        context=what.get("context", ""),
        domain=what["domain"],
        budget_usd=None if ask.budget_micros is None else min(ask.budget_micros / MICROS, budget_max_usd),
        options=tuple(what.get("options", ())),
        created_by=started.started_by,
        org_id=started.org_id,
        workspace=started.workspace,
        serves=f"{started.execution_id}/{ask.ask_id}",
    )


def output_of(record: DebateRecord, decision: Decision, receipt_hash: str) -> Mapping[str, Any]:
    """What the step gives (`aragora.workflows.definition.Debate`)."""
    return {
        "debate_id": record.debate_id,
        "status": record.status.value,
        "reached": decision.reached,
        "answer": decision.answer,
        "option": decision.position,
        "confidence": decision.confidence,
        "headline": decision.headline,
        "dissent": [{"agent": one.agent, "choice": one.choice, "reason": one.reason} for one in decision.dissent],
        "receipt_id": record.receipt_id or "",
        "receipt_hash": receipt_hash,
        "cost_usd": record.cost_usd,
    }
