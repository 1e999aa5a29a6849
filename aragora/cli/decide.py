"""`aragora decide QUESTION`: settle a question by the server's rules: as it was decided before, by a debate, by one
agent, or by a workflow. It says which way was taken and why, and what it cost.

As with `aragora ask`, a server is started for the call where none runs at the usual address.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import chain
from typing import Annotated, Any, Final

import typer

from aragora import limits
from aragora.cli.ask import DebateResult, above_0, server_to_ask, watched
from aragora.cli.conventions import DEFAULT_URL, DONE, AsJson, Question, Token, Url, elsewhere, texts_of
from aragora.cli.debates import decision_of
from aragora.cli.rendering.events import EventPrinter, decision_panel
from aragora.cli.rendering.terminal import print_json, say, terminal
from aragora.client import AragoraClient, NotAragora
from aragora.decisions.rules import Stakes
from aragora.ids import new_id

PATH: Final = "/api/decisions"
_AGE_MAX_S: Final = 366 * 86_400.0
_DEADLINE_MAX_S: Final = 7 * 86_400.0


def decide(
    question: Question,
    *,
    stakes: Annotated[Stakes | None, typer.Option(help="What hangs on the answer.")] = None,
    agents: Annotated[
        str | None, typer.Option(help="Who answers, comma-separated; unset: as the rules say.", metavar="A,B,C")
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="How to debate; unset: as the rules say.", metavar="NAME")
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option(help="What there is to choose from; may be given several times.", metavar="A,B,C"),
    ] = None,
    context: Annotated[str | None, typer.Option(help="What the agents should know besides the question.")] = None,
    budget: Annotated[
        float | None,
        typer.Option(max=limits.BUDGET_MAX_USD, help="Stop after this many USD.", metavar="USD", callback=above_0),
    ] = None,
    deadline: Annotated[
        float | None,
        typer.Option(max=_DEADLINE_MAX_S, help="Wanted within so many seconds; it chooses the way.", metavar="SECONDS"),
    ] = None,
    max_age: Annotated[
        float | None,
        typer.Option(min=0, max=_AGE_MAX_S, help="How old a decision of before may be.", metavar="SECONDS"),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Debate it anew, whatever was decided before.")] = False,
    tag: Annotated[
        list[str] | None,
        typer.Option(help="A name to invalidate the decision by; may be given several times.", metavar="TEXT"),
    ] = None,
    workspace: Annotated[
        str | None, typer.Option(help="Where it is to be; unset: the token's, else default.", metavar="NAME")
    ] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Settle a question: as decided before, or the way that the server's rules choose."""
    given = {
        "stakes": stakes,
        "agents": None if agents is None else texts_of("--agents", agents),
        "protocol": protocol,
        "options": tuple(chain.from_iterable(texts_of("--options", one) for one in options)) if options else None,
        "context": context,
        "budget_usd": budget,
        "deadline_s": deadline,
        "max_age_s": max_age,
        "tags": tag or None,
        "workspace": workspace,
    }
    body = {"question": question, **{name: value for name, value in given.items() if value is not None}}
    raise typer.Exit(asyncio.run(_decided(body, url=url, token=token, fresh=fresh, as_json=as_json)))


async def _decided(body: Mapping[str, Any], *, url: str, token: str | None, fresh: bool, as_json: bool) -> int:
    """Ask, show what comes of it, and return the exit code."""
    console = terminal()
    async with server_to_ask(url, token) as found, AragoraClient(found, token=token) as client:
        answer = await client.post(
            PATH, body, idempotency_key=new_id("decide"), cache_control="no-cache" if fresh else None
        )
        if not isinstance(answer, dict) or not isinstance(answer.get("route"), dict):
            raise NotAragora(f"What answers at {found} is no Aragora server: name one with --url.")
        if not as_json:
            console.print(say(_way(answer), "dim"))
        if answer["cached"]:
            _tell_kept(answer, url, as_json=as_json)
            return DONE
        if answer["debate_id"] is None:
            _tell_workflow(answer, url, as_json=as_json)
            return DONE
        show = (lambda _payload: None) if as_json else EventPrinter(console)
        result = await watched(client, answer["debate_id"], show, verify=False)
    _tell_debate(answer, result, url, as_json=as_json)
    return result.exit_code


def _way(answer: Mapping[str, Any]) -> str:
    """Which way the question went, and why."""
    route = answer["route"]
    target = "an equal question is being debated" if answer.get("joined") else f"to {route['target']}"
    return f"Route: {target}, by the rule {route['rule']!r}: {route['why']}."


def _tell_kept(answer: Mapping[str, Any], url: str, *, as_json: bool) -> None:
    """A decision of before."""
    if as_json:
        print_json(answer)
        return
    console = terminal()
    decision = decision_of(dict(answer))
    if answer["near"]:
        console.print(say(f"It was asked in other words: {answer['question']}", "yellow"))
    if decision is not None:
        console.print(decision_panel(decision))
    console.print(
        say(f"Decided before, {_age(answer['age_s'])} ago: it costs nothing, and saves {_usd(answer['saved_usd'])}.")
    )
    console.print(say(f"Receipt {answer['receipt'].get('receipt_id')}; check it with", "dim"))
    console.print(say(f"aragora verify {answer['debate_id']}{elsewhere(url)}", "dim"))


def _tell_debate(answer: Mapping[str, Any], result: DebateResult, url: str, *, as_json: bool) -> None:
    """What came of the debate, whose events were shown."""
    debate = result.debate
    decision = decision_of(debate)
    cost = None if decision is None else decision.cost_usd
    if as_json:
        more = {"status": debate["status"], "decision": debate.get("decision"), "receipt": result.receipt}
        print_json({**answer, **more, "cost_usd": cost})
        return
    console = terminal()
    if cost is not None:
        console.print(say(f"Decided now: it cost {_usd(cost)}."))
    if result.receipt is not None:
        console.print(say(f"Check its receipt with 'aragora verify {debate['debate_id']}{elsewhere(url)}'.", "dim"))


def _tell_workflow(answer: Mapping[str, Any], url: str, *, as_json: bool) -> None:
    """The workflow that decides it: people may take days for their part, so it is not waited for."""
    if as_json:
        print_json(answer)
        return
    console = terminal()
    console.print(say(f"The workflow {answer['workflow']!r} was started to decide it; watch it with"))
    console.print(say(f"aragora executions watch {answer['execution_id']}{elsewhere(url)}"))


def _usd(usd: float) -> str:
    return f"${usd:.4f}"


def _age(seconds: float) -> str:
    for unit, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} seconds"
