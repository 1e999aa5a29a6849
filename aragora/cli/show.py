"""`aragora show ID`: one debate and what came of it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from aragora import encoding
from aragora.cli.options import DEFAULT_URL, AsJson, DebateId, Token, Url
from aragora.cli.rendering.decision import decision_panel
from aragora.cli.rendering.terminal import print_json, say, terminal
from aragora.client import AragoraClient
from aragora.debate.model import Decision


def show(debate_id: DebateId, url: Url = DEFAULT_URL, token: Token = None, as_json: AsJson = False) -> None:
    """Show a debate: question, status, decision, votes, dissent and where its receipt is."""
    debate = asyncio.run(_fetch(url, token, debate_id))
    if as_json:
        print_json(debate)
        return
    console = terminal()
    console.print(say(debate["question"], "bold"))
    console.print(say(f"{debate['debate_id']} · {debate['status']} · {debate.get('rounds') or 0} rounds", "dim"))
    decision = decision_of(debate)
    if decision is not None:
        console.print(decision_panel(decision))
    elif debate.get("reason"):
        console.print(say(str(debate["reason"]), "red"))
    if debate.get("receipt_id"):
        console.print(say(f"Receipt {debate['receipt_id']}: GET /api/debates/{debate_id}/receipt", "dim"))


def decision_of(debate: dict[str, Any]) -> Decision | None:
    """The decision inside the server's account of a debate, or None before there is one."""
    raw = debate.get("decision")
    if raw is None:
        return None
    try:
        return encoding.decode_as(raw, Decision) if isinstance(raw, str) else encoding.from_plain(raw, Decision)
    except msgspec.ValidationError:
        return None


async def _fetch(url: str, token: str | None, debate_id: str) -> dict[str, Any]:
    async with AragoraClient(url, token=token) as client:
        debate: dict[str, Any] = await client.get(f"/api/debates/{debate_id}")
        return debate
