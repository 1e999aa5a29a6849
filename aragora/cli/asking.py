"""One question put to a server and watched to its end: what `ask` and `demo` share."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from aragora.cli.exits import DONE, FAILED
from aragora.cli.receipt_checks import checks_of
from aragora.client import AragoraClient
from aragora.debate.model import DebateStatus


@dataclass(frozen=True, slots=True)
class AskSettings:
    """What the asker may leave to the server; the names are those of POST /api/debates."""

    agents: tuple[str, ...] | None = None
    protocol: str | None = None
    rounds: int | None = None
    consensus: str | None = None
    context: str | None = None
    budget_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a question. `verification` is {valid, checks}, None where not asked for or without a receipt."""

    debate: dict[str, Any]
    receipt: dict[str, Any] | None = None
    verification: dict[str, Any] | None = None

    @property
    def exit_code(self) -> int:
        valid = self.verification is None or self.verification["valid"]
        return DONE if self.debate["status"] == DebateStatus.COMPLETED and valid else FAILED


async def put(
    client: AragoraClient, question: str, settings: AskSettings, show: Callable[[str], None], *, verify: bool
) -> Outcome:
    """Open the debate, hand each event to `show`, and fetch what came of it."""
    opened = await client.open_debate(question, **asdict(settings))
    try:
        async for envelope in client.follow(opened.debate_id):
            show(envelope.payload)
    except asyncio.CancelledError:
        sys.stderr.write(f"aragora: not watching {opened.debate_id} any more; see 'aragora show {opened.debate_id}'\n")
        raise
    debate = await client.get(f"/api/debates/{opened.debate_id}")
    if debate["status"] != DebateStatus.COMPLETED:
        return Outcome(debate)
    receipt = await client.get(f"/api/debates/{opened.debate_id}/receipt")
    return Outcome(debate, receipt, await _verification(client, receipt) if verify else None)


async def _verification(client: AragoraClient, receipt: dict[str, Any]) -> dict[str, Any]:
    """What the server finds, which knows the chain and the journal, and what this side finds without trusting it."""
    servers = await client.post("/api/receipts/verify", receipt)
    own = [check | {"name": f"{check['name']}, checked here"} for check in checks_of(receipt, None)]
    valid = servers["valid"] and all(check["passed"] for check in own)
    return {"valid": valid, "checks": [*servers["checks"], *own]}
