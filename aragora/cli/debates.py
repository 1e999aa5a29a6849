"""`aragora debates`: what was asked, newest first."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from aragora.cli.options import DEFAULT_URL, AsJson, Token, Url
from aragora.cli.rendering.tables import debates_table
from aragora.cli.rendering.terminal import print_json, say, terminal
from aragora.client import AragoraClient
from aragora.debate.model import DebateStatus


def debates(
    *,
    status: Annotated[DebateStatus | None, typer.Option(help="Only debates in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Rows of one page.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where the next page starts, as the last one told.")] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List the debates of a running server."""
    page = asyncio.run(_fetch(url, token, status=status, limit=limit, cursor=cursor))
    if as_json:
        print_json(page)
        return
    console = terminal()
    console.print(debates_table(page["debates"]))
    if page.get("next_cursor"):
        console.print(say(f"More: aragora debates --cursor {page['next_cursor']}", "dim"))


async def _fetch(url: str, token: str | None, **query: str | int | None) -> dict[str, Any]:
    async with AragoraClient(url, token=token) as client:
        page: dict[str, Any] = await client.get("/api/debates", **query)
        return page
