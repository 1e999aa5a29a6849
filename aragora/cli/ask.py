"""`aragora ask QUESTION`: open a debate, watch it, read the decision, check the receipt.

A server at --url is used if one answers. Without one, and if the URL is the default, a server is started for
the length of the call, on the data directory and providers of this environment.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer

from aragora.cli.asking import AskSettings, Outcome, put
from aragora.cli.local_server import local_server
from aragora.cli.options import DEFAULT_URL, AsJson, Token, Url
from aragora.cli.rendering.stream import EventPrinter
from aragora.cli.rendering.terminal import print_json, terminal
from aragora.cli.rendering.verification import print_verification
from aragora.client import AragoraClient, ServerUnreachable


def ask(
    question: Annotated[str, typer.Argument(help="What to settle.")],
    *,
    agents: Annotated[
        str | None, typer.Option(help="Who debates, comma-separated; see 'aragora agents'.", metavar="A,B,C")
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="structured (default), council, society, duel or ensemble.")
    ] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds at most.")] = None,
    consensus: Annotated[
        str | None, typer.Option(help="majority, supermajority, unanimous, weighted, judge or none.")
    ] = None,
    context: Annotated[str | None, typer.Option(help="What the agents should know besides the question.")] = None,
    budget: Annotated[float | None, typer.Option(min=0.0, help="Stop after this many USD.", metavar="USD")] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Check the receipt when the debate has ended.")] = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Ask a question and watch the debate. Without a running server one is started for the call."""
    settings = AskSettings(
        agents=tuple(name.strip() for name in agents.split(",") if name.strip()) if agents else None,
        protocol=protocol,
        rounds=rounds,
        consensus=consensus,
        context=context,
        budget_usd=budget,
    )
    show: Callable[[str], None] = (lambda _payload: None) if as_json else EventPrinter(terminal())
    outcome = asyncio.run(_ask(question, settings, show, verify=verify, url=url, token=token))
    report(outcome, as_json=as_json)
    raise typer.Exit(outcome.exit_code)


def report(outcome: Outcome, *, as_json: bool) -> None:
    """What is left to say when the events are printed: everything (JSON), or the check of the receipt."""
    if as_json:
        print_json(outcome.debate | {"receipt": outcome.receipt, "verification": outcome.verification})
    elif outcome.verification is not None:
        print_verification(terminal(), outcome.verification)


async def _ask(
    question: str, settings: AskSettings, show: Callable[[str], None], *, verify: bool, url: str, token: str | None
) -> Outcome:
    async with _server(url, token) as found, AragoraClient(found, token=token) as client:
        return await put(client, question, settings, show, verify=verify)


@asynccontextmanager
async def _server(url: str, token: str | None) -> AsyncIterator[str]:
    """The URL of a server to ask: the one given if it answers, else one started for the call."""
    async with AragoraClient(url, token=token) as client:
        alive = await client.alive()
    if alive:
        yield url
        return
    if url != DEFAULT_URL:
        raise ServerUnreachable(f"No Aragora server answers at {url}. Start one there, or leave out --url.")
    sys.stderr.write("No server is running; starting one for this question ...\n")
    with tempfile.TemporaryDirectory(prefix="aragora-ask-") as directory:
        async with local_server(Path(directory) / "server.log", os.environ) as started:
            yield started
