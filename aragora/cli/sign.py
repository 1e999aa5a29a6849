"""`aragora sign ID`: approve, change or veto the decision that a debate proposes to those who must sign it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from aragora.cli.conventions import DEFAULT_URL, AsJson, DebateId, Token, Url
from aragora.cli.rendering.terminal import print_json, say, terminal
from aragora.client import AragoraClient
from aragora.debate.model import Verdict
from aragora.errors import InvalidInput


def sign(
    debate_id: DebateId,
    *,
    approve: Annotated[bool, typer.Option("--approve", help="The proposed answer may stand.")] = False,
    veto: Annotated[bool, typer.Option("--veto", help="It may not; the decision is told as not reached.")] = False,
    change: Annotated[
        str | None, typer.Option("--change", help="The answer that is to stand in its place.", metavar="TEXT")
    ] = None,
    option: Annotated[
        str | None, typer.Option("--option", help="With --change: the option that it is for.", metavar="TEXT")
    ] = None,
    note: Annotated[str, typer.Option("--note", help="Why; it stands in the receipt.", metavar="TEXT")] = "",
    need: Annotated[
        str | None,
        typer.Option(
            "--need", help="Of the needs you fulfil, the one to sign for: user:ID or role:NAME.", metavar="NEED"
        ),
    ] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Sign a proposed decision. The same again changes nothing; another verdict replaces the one before."""
    chosen = [
        verdict
        for verdict, given in ((Verdict.APPROVE, approve), (Verdict.VETO, veto), (Verdict.CHANGE, change is not None))
        if given
    ]
    if len(chosen) != 1:
        raise InvalidInput("Say one of --approve, --veto and --change TEXT.")
    if option is not None and change is None:
        raise InvalidInput("--option belongs to --change TEXT.")
    body = {"verdict": chosen[0], "note": note, "answer": change or "", "option": option or ""}
    if need is not None:
        body["need"] = need
    signed = asyncio.run(_signed(url, token, debate_id, body))
    if as_json:
        print_json(signed)
    else:
        told = f"Signed. {signed['debate_id']} is {signed['status']}; see 'aragora show {signed['debate_id']}'."
        terminal().print(say(told))


async def _signed(url: str, token: str | None, named: str, body: dict[str, Any]) -> dict[str, Any]:
    async with AragoraClient(url, token=token) as client:
        debate_id = (await client.debate(named))["debate_id"]
        recorded = await client.post(f"/api/debates/{debate_id}/signatures", body)
        debate = await client.get(f"/api/debates/{debate_id}")
    return {**recorded, "status": debate["status"]}
