"""What was debated: `aragora debates` lists debates, newest first; `aragora show ID` shows one with its decision;
`aragora replay ID` shows it again from its journal, with --follow up to its end. Of an ID its beginning is enough.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from aragora import encoding
from aragora.cli.asking import tell_page
from aragora.cli.conventions import DEFAULT_URL, AsJson, DebateId, Token, Url, elsewhere
from aragora.cli.rendering.events import EventPrinter, decision_panel
from aragora.cli.rendering.tables import debates_table
from aragora.cli.rendering.terminal import print_json, print_json_text, say, terminal
from aragora.client import AragoraClient
from aragora.debate.model import DebateStatus, Decision
from aragora.texts import counted

Show = Callable[[str], None]


def debates(
    *,
    status: Annotated[DebateStatus | None, typer.Option(help="Only debates in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Rows of one page.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where the next page starts; each page ends with it.")] = None,
    workspace: Annotated[
        str | None,
        typer.Option(help="Whose debates, * for all; unset: the token's, else default.", metavar="NAME"),
    ] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List the debates of a running server."""
    page = asyncio.run(_page(url, token, status=status, limit=limit, cursor=cursor, workspace=workspace))
    tell_page(page, lambda: [debates_table(page["debates"])], as_json=as_json)


def show(debate_id: DebateId, url: Url = DEFAULT_URL, token: Token = None, as_json: AsJson = False) -> None:
    """Show a debate: question, status, decision, votes, dissent and how to check its receipt."""
    debate = asyncio.run(_debate(url, token, debate_id))
    if as_json:
        print_json(debate)
        return
    console = terminal()
    console.print(say(debate["question"], "bold"))
    console.print(
        say(
            f"{debate['debate_id']} · {debate['status']} · {counted(debate.get('rounds') or 0, 'round')}{_took(debate)}",
            "dim",
        )
    )
    decision = decision_of(debate)
    if decision is not None:
        console.print(decision_panel(decision))
    elif debate.get("reason"):
        console.print(say(str(debate["reason"]), "red"))
    server = elsewhere(url)
    if debate["status"] == DebateStatus.WAITING:
        _print_proposed(console, debate, server)
    if debate.get("receipt_id"):
        console.print(say(f"Receipt {debate['receipt_id']}; check it with", "dim"))
        console.print(say(f"aragora verify {debate['debate_id']}{server}", "dim"))


def _print_proposed(console: Console, debate: dict[str, Any], server: str) -> None:
    """What a debate proposes, and who must sign it still."""
    proposed = debate.get("proposed") or {}
    decision = decision_of(proposed)
    if decision is not None:
        console.print(say("Proposed, and not decided yet:", "yellow"))
        console.print(decision_panel(decision))
    missing = ", ".join(proposed.get("missing") or debate.get("needs", ()))
    console.print(say(f"It waits for {missing}; who may sign does so with", "yellow"))
    console.print(say(f"aragora sign {debate['debate_id']}{server}", "dim"))


def _took(debate: dict[str, Any]) -> str:
    """How long an ended debate took, in seconds."""
    began, ended = debate.get("created_at"), debate.get("updated_at")
    if not DebateStatus(debate["status"]).ended or began is None or ended is None:
        return ""
    return f" · {ended - began:.1f} s"


def replay(
    debate_id: DebateId,
    *,
    after: Annotated[int, typer.Option(min=0, help="Start after this seq.")] = 0,
    follow: Annotated[bool, typer.Option("--follow", help="Continue with a debate that has not ended.")] = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the journal, one JSON event on each line.")] = False,
) -> None:
    """Replay a debate from its journal, event by event."""
    show: Show = print_json_text if as_json else EventPrinter(terminal())
    asyncio.run(_replay(debate_id, after=after, follow=follow, url=url, token=token, show=show))


def decision_of(debate: dict[str, Any]) -> Decision | None:
    """The decision in the server's answer about a debate; None before there is one."""
    raw = debate.get("decision")
    if raw is None:
        return None
    try:
        return encoding.decode_as(raw, Decision) if isinstance(raw, str) else encoding.from_plain(raw, Decision)
    except msgspec.ValidationError:
        return None


async def _page(url: str, token: str | None, **query: str | int | None) -> dict[str, Any]:
    async with AragoraClient(url, token=token) as client:
        return await client.page("/api/debates", "debates", **query)


async def _debate(url: str, token: str | None, debate_id: str) -> dict[str, Any]:
    async with AragoraClient(url, token=token) as client:
        return await client.debate(debate_id)


async def _replay(debate_id: str, *, after: int, follow: bool, url: str, token: str | None, show: Show) -> None:
    async with AragoraClient(url, token=token) as client:
        # Asked first, so that a wrong id or URL is reported at once and not after reconnecting.
        whole = (await client.debate(debate_id))["debate_id"]
        events = client.follow(whole, after_seq=after) if follow else client.journal(whole, after_seq=after)
        async for envelope in events:
            show(envelope.payload)
