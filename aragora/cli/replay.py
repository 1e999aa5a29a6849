"""`aragora replay ID`: a debate from its journal; with --follow up to its end."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from aragora.cli.conventions import DEFAULT_URL, DebateId, Token, Url
from aragora.cli.rendering.events import EventPrinter
from aragora.cli.rendering.terminal import terminal
from aragora.client import AragoraClient

Show = Callable[[str], None]


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
    show: Show = json_line if as_json else EventPrinter(terminal())
    asyncio.run(_replay(debate_id, after=after, follow=follow, url=url, token=token, show=show))


def json_line(payload: str) -> None:
    sys.stdout.write(payload + "\n")
    sys.stdout.flush()


async def _replay(debate_id: str, *, after: int, follow: bool, url: str, token: str | None, show: Show) -> None:
    async with AragoraClient(url, token=token) as client:
        await client.get(
            f"/api/debates/{debate_id}"
        )  # so that a wrong id or URL is reported at once, not after reconnecting
        events = client.follow(debate_id, after_seq=after) if follow else client.journal(debate_id, after_seq=after)
        async for envelope in events:
            show(envelope.payload)
