"""`aragora ask QUESTION`: open a debate, watch it, read the decision, check the receipt.

The server at --url is used if it answers. If none answers and the URL is the default, a server is started for the
length of the call, with the data directory and providers of this environment. `ask_and_watch` serves `demo` too.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer

from aragora import limits
from aragora.cli.conventions import DEFAULT_URL, DONE, FAILED, AsJson, Question, Rounds, Token, Url, texts_of
from aragora.cli.local_server import local_server
from aragora.cli.plan import plan_in_words, told_before
from aragora.cli.rendering.events import EventPrinter
from aragora.cli.rendering.tables import print_verification
from aragora.cli.rendering.terminal import print_json, terminal
from aragora.client import AragoraClient, ServerUnreachable
from aragora.debate.model import WIRE_NAMES, ConsensusMode, DebateStatus, DecisionProposed
from aragora.debate.protocol import PRESETS
from aragora.receipts.verifying import verify as verify_receipt

PROPOSED = WIRE_NAMES[DecisionProposed]


@dataclass(frozen=True, slots=True)
class AskSettings:
    """The settings of a debate; None leaves one to the server. The names are those of POST /api/debates."""

    agents: tuple[str, ...] | None = None
    protocol: str | None = None
    rounds: int | None = None
    consensus: str | None = None
    context: str | None = None
    budget_usd: float | None = None
    options: tuple[str, ...] | None = None
    needs: tuple[str, ...] | None = None
    knowledge: bool | None = None
    suggested: bool | None = None
    workspace: str | None = None


@dataclass(frozen=True, slots=True)
class DebateResult:
    """A debate that has ended, as the server describes it, with its receipt where it has one.

    `verification` is {valid, checks}; None where it was not asked for or there is no receipt.
    """

    debate: dict[str, Any]
    receipt: dict[str, Any] | None = None
    verification: dict[str, Any] | None = None

    @property
    def exit_code(self) -> int:
        valid = self.verification is None or self.verification["valid"]
        fine = self.debate["status"] in (DebateStatus.COMPLETED, DebateStatus.WAITING)
        return DONE if fine and valid else FAILED


def ask(
    question: Question,
    *,
    agents: Annotated[
        str | None, typer.Option(help="Who debates, comma-separated; see 'aragora agents'.", metavar="A,B,C")
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help=f"One of {', '.join(PRESETS)}; unset: the server's default.")
    ] = None,
    rounds: Annotated[int | None, Rounds] = None,
    consensus: Annotated[
        str | None, typer.Option(help=f"One of {', '.join(ConsensusMode)}; unset: the protocol's.")
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option(
            help="What there is to choose from, comma-separated; may be given several times. Unset: the agents' own"
            " answers.",
            metavar="A,B,C",
        ),
    ] = None,
    needs: Annotated[
        str | None,
        typer.Option(help="Who must sign the decision, comma-separated: user:ID or role:NAME.", metavar="A,B"),
    ] = None,
    context: Annotated[str | None, typer.Option(help="What the agents should know besides the question.")] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            max=limits.BUDGET_MAX_USD,
            help="Stop after this many USD, greater than 0; unset: the server's default.",
            metavar="USD",
            callback=above_0,
        ),
    ] = None,
    no_knowledge: Annotated[
        bool, typer.Option("--no-knowledge", help="Offer the agents nothing of what earlier debates left.")
    ] = False,
    suggested: Annotated[
        bool, typer.Option("--suggested", help="Take what suits the workspace for what is not given; see --estimate.")
    ] = False,
    workspace: Annotated[
        str | None, typer.Option(help="Where the debate is to be; unset: the token's, else default.", metavar="NAME")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Check the receipt when the debate has ended.")] = False,
    estimate: Annotated[bool, typer.Option("--estimate", help="Say what it would take, and ask nobody.")] = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Ask a question and watch the debate. Without a running server one is started for the call."""
    settings = AskSettings(
        agents=None if agents is None else texts_of("--agents", agents),
        protocol=protocol,
        rounds=rounds,
        consensus=consensus,
        context=context,
        budget_usd=budget,
        needs=None if needs is None else texts_of("--needs", needs),
        workspace=workspace,
        options=tuple(chain.from_iterable(texts_of("--options", given) for given in options)) if options else None,
        knowledge=False if no_knowledge else None,
        suggested=True if suggested else None,
    )
    if estimate:
        plan = asyncio.run(_estimate(question, settings, url=url, token=token))
        print_json(plan) if as_json else typer.echo(plan_in_words(plan))
        raise typer.Exit(DONE)
    show: Callable[[str], None] = (lambda _payload: None) if as_json else EventPrinter(terminal())
    result = asyncio.run(_ask(question, settings, show, verify=verify, url=url, token=token))
    report(result, as_json=as_json)
    raise typer.Exit(result.exit_code)


def above_0(value: float | None) -> float | None:
    """The budget, where it is one: the server refuses another in the same words."""
    if value is not None and not value > 0:
        raise typer.BadParameter("Input should be greater than 0")
    return value


def report(result: DebateResult, *, as_json: bool) -> None:
    """Print what the events did not: the whole result as JSON, or the check of the receipt."""
    if as_json:
        print_json(result.debate | {"receipt": result.receipt, "verification": result.verification})
    elif result.verification is not None:
        print_verification(terminal(), result.verification)


async def ask_and_watch(
    client: AragoraClient, question: str, settings: AskSettings, show: Callable[[str], None], *, verify: bool
) -> DebateResult:
    """Open the debate, hand each event to `show`, and fetch the result. Raises AragoraError as the server refuses."""
    opened = await client.open_debate(question, **asdict(settings))
    if opened.forecast is not None:
        sys.stderr.write(f"{told_before(opened.forecast)}\n")
    return await watched(client, opened.debate_id, show, verify=verify)


async def watched(client: AragoraClient, debate_id: str, show: Callable[[str], None], *, verify: bool) -> DebateResult:
    """Hand each event of a debate to `show`, up to its end or the people it waits for, and fetch the result. Raises
    AragoraError."""
    try:
        async for envelope in client.follow(debate_id):
            show(envelope.payload)
            if envelope.type == PROPOSED:  # people may take days to sign
                break
    except asyncio.CancelledError:
        sys.stderr.write(f"aragora: not watching {debate_id} any more; see 'aragora show {debate_id}'\n")
        raise
    debate = await client.get(f"/api/debates/{debate_id}")
    if debate["status"] == DebateStatus.WAITING:
        sys.stderr.write(f"aragora: it waits for {', '.join(debate['needs'])}: 'aragora sign {debate_id}'\n")
    if debate["status"] != DebateStatus.COMPLETED:
        return DebateResult(debate)
    receipt = await client.get(f"/api/debates/{debate_id}/receipt")
    return DebateResult(debate, receipt, await _verification(client, receipt) if verify else None)


async def _estimate(question: str, settings: AskSettings, *, url: str, token: str | None) -> dict[str, Any]:
    async with server_to_ask(url, token) as found, AragoraClient(found, token=token) as client:
        return await client.estimate(question, **asdict(settings))


async def _ask(
    question: str, settings: AskSettings, show: Callable[[str], None], *, verify: bool, url: str, token: str | None
) -> DebateResult:
    async with server_to_ask(url, token) as found, AragoraClient(found, token=token) as client:
        return await ask_and_watch(client, question, settings, show, verify=verify)


@asynccontextmanager
async def server_to_ask(url: str, token: str | None) -> AsyncIterator[str]:
    """The URL of the server to ask: the one given if it answers, else one started for the call."""
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


async def _verification(client: AragoraClient, receipt: dict[str, Any]) -> dict[str, Any]:
    """The server's checks, which know its keys, and this side's own, which do not trust it."""
    servers = await client.post("/api/receipts/verify", receipt)
    valid, checks = verify_receipt(receipt, trusted_keys=None)
    own = [check | {"name": f"{check['name']}, checked here"} for check in checks]
    return {"valid": servers["valid"] and valid, "checks": [*servers["checks"], *own]}
