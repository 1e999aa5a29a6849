"""`aragora outcome ID`: say which answer of a debate held, or show what was told."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from aragora import limits
from aragora.cli.conventions import DEFAULT_URL, AsJson, DebateId, Token, Url
from aragora.cli.rendering.terminal import print_json, say, terminal
from aragora.cli.times import moment_of
from aragora.client import AragoraClient
from aragora.errors import InvalidInput


def outcome(
    debate_id: DebateId,
    *,
    right: Annotated[
        str | None,
        typer.Option("--right", help="The answer that held: its text, or an agent that gave it.", metavar="ANSWER"),
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="None of its answers held.")] = False,
    note: Annotated[str, typer.Option("--note", help="How that was seen.", metavar="TEXT")] = "",
    at: Annotated[
        str | None, typer.Option("--at", help="When: an age such as 7d, or a moment in ISO 8601.", metavar="TIME")
    ] = None,
    replaces: Annotated[
        int | None,
        typer.Option(
            "--replaces",
            help="The version that this one replaces.",
            min=1,
            max=limits.OUTCOME_VERSIONS_MAX,
            metavar="N",
        ),
    ] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Say which answer of a debate held; without --right and --none, show it.

    The same again changes nothing. Another outcome names the version that it replaces, and every version stays."""
    if right is not None and none:
        raise InvalidInput("Say one of --right ANSWER and --none.")
    tells = right is not None or none
    if not tells and (note or at is not None or replaces is not None):
        raise InvalidInput("--note, --at and --replaces belong to --right ANSWER or --none.")
    body: dict[str, Any] | None = None
    if tells:
        seen = None if at is None else moment_of("--at", at, time.time())
        body = {"right": right, "note": note, "at": seen, "replaces": replaces}
    told = asyncio.run(_outcome(url, token, debate_id, body))
    if as_json:
        print_json(told)
        return
    console = terminal()
    for version in told.get("history", [told]):
        console.print(say(_line(version)))
        if version["note"]:
            console.print(say(f"  {version['note']}", "dim"))


def _line(version: dict[str, Any]) -> str:
    held = "none of its answers held" if version["right"] is None else f"{version['right']} held"
    decision = "the decision was right" if version["decision_right"] else "the decision was not"
    seen = datetime.fromtimestamp(version["at"], UTC).strftime("%Y-%m-%d")
    return f"{version['version']}. {held}: {decision} (seen {seen}, told by {version['by']})"


async def _outcome(url: str, token: str | None, named: str, body: dict[str, Any] | None) -> dict[str, Any]:
    async with AragoraClient(url, token=token) as client:
        path = f"/api/debates/{(await client.debate(named))['debate_id']}/outcome"
        found: dict[str, Any] = await client.get(path) if body is None else await client.post(path, body)
    return found
