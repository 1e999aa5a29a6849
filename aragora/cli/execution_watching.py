"""`aragora executions start` and `watch`: an execution begun, and followed to its end.

The exit code tells how it ended: 0 completed, 1 failed or cancelled, 5 not ended within --timeout. Whoever stops
watching stops nothing but the watching.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from aragora import limits
from aragora.cli.asking import at_the_server
from aragora.cli.conventions import DEFAULT_URL, DONE, FAILED, UNENDED, AsJson, Token, Url, elsewhere
from aragora.cli.documents import object_in, pairs_of
from aragora.cli.execution_events import PATH, Event, followed
from aragora.cli.execution_steering import ExecutionId, Key, key_of
from aragora.cli.rendering.executions import ExecutionPrinter, dry_lines, ended_lines
from aragora.cli.rendering.terminal import print_json, say, terminal
from aragora.cli.workflows import PATH as WORKFLOWS
from aragora.cli.workflows import WorkflowId
from aragora.client import AragoraClient
from aragora.workflows.model import ExecutionStatus

Show = Callable[[Event], None]
TIMEOUT_MAX_S: Final = 90 * 86_400.0

Timeout = Annotated[
    float | None,
    typer.Option(min=0, max=TIMEOUT_MAX_S, help="Watch so many seconds at most; unset: to the end.", metavar="SECONDS"),
]


@dataclass(frozen=True, slots=True)
class Watched:
    """An execution as it was when the watching ended, as the server describes it."""

    execution: Mapping[str, Any]

    @property
    def exit_code(self) -> int:
        status = ExecutionStatus(self.execution["status"])
        if not status.ended:
            return UNENDED
        return DONE if status is ExecutionStatus.COMPLETED else FAILED


def start(
    workflow_id: WorkflowId,
    *,
    pairs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            help="One input: text as it is, other types in JSON; may be given several times.",
            metavar="KEY=VALUE",
        ),
    ] = None,
    inputs: Annotated[
        Path | None, typer.Option(help="The inputs, a JSON object; - for standard input.", metavar="FILE")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(max=limits.BUDGET_MAX_USD, help="What it may cost at most.", metavar="USD")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Start nothing: say what would be asked, and the most it may cost.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Watch it to its end.")] = False,
    timeout: Timeout = None,
    key: Key = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Start an execution of a workflow's latest version."""
    given = {**object_in(inputs)}
    idempotency_key = key_of(key)

    async def begun(client: AragoraClient) -> Any:
        more = await _typed_inputs(client, workflow_id, pairs or ())
        body = {"inputs": {**given, **more}, "dry_run": dry_run, **({} if budget is None else {"budget_usd": budget})}
        return await client.post(f"{WORKFLOWS}/{workflow_id}/execute", body, idempotency_key=idempotency_key)

    answer = at_the_server(url, token, begun)
    if dry_run:
        if as_json:
            print_json(answer)
        else:
            terminal().print(*dry_lines(answer), sep="\n")
        return
    execution_id = answer["execution_id"]
    if not wait:
        if as_json:
            print_json(answer)
        else:
            terminal().print(say(f"{execution_id} is {answer['status']}; watch it with"))
            terminal().print(say(f"aragora executions watch {execution_id}{elsewhere(url)}"))
        return
    show: Show = _silent if as_json else ExecutionPrinter(terminal())
    watched = watched_to_its_end(url, token, execution_id, show, timeout=timeout)
    _report(watched, as_json=as_json)
    raise typer.Exit(watched.exit_code)


def watch(
    execution_id: ExecutionId,
    *,
    after: Annotated[int, typer.Option(min=0, help="Start after this event.", metavar="SEQ")] = 0,
    timeout: Timeout = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the events, one JSON document on each line.")] = False,
) -> None:
    """Watch an execution to its end.

    Exit code 0: it completed; 1: it failed or was cancelled; 5: it has not ended within --timeout."""
    show: Show = print_json if as_json else ExecutionPrinter(terminal())
    watched = watched_to_its_end(url, token, execution_id, show, after=after, timeout=timeout)
    if not as_json:
        _report(watched, as_json=False)
    raise typer.Exit(watched.exit_code)


def watched_to_its_end(
    url: str, token: str | None, execution_id: str, show: Show, *, after: int = 0, timeout: float | None = None
) -> Watched:
    """Hand each event after number `after` to `show` until the execution has ended or `timeout` seconds are over.
    Raises the errors of `followed`."""

    async def work(client: AragoraClient) -> Watched:
        seen = after
        try:
            async with asyncio.timeout(timeout):
                async for event in followed(client, execution_id, after):
                    seen = event["seq"]
                    show(event)
        except TimeoutError:
            sys.stderr.write(
                f"aragora: {execution_id} has not ended within {timeout:g} s{_on(execution_id, seen, url)}"
            )
        except asyncio.CancelledError:
            sys.stderr.write(f"aragora: not watching {execution_id} any more{_on(execution_id, seen, url)}")
            raise
        return Watched(await client.get(f"{PATH}/{execution_id}"))

    return at_the_server(url, token, work)


def _on(execution_id: str, seen: int, url: str) -> str:
    return f"; go on with 'aragora executions watch {execution_id} --after {seen}{elsewhere(url)}'\n"


def _report(watched: Watched, *, as_json: bool) -> None:
    if as_json:
        print_json(watched.execution)
    else:
        terminal().print(*ended_lines(watched.execution), sep="\n")


async def _typed_inputs(client: AragoraClient, workflow_id: str, pairs: Sequence[str]) -> dict[str, Any]:
    """The inputs that were given as KEY=VALUE, as the types of the definition have them."""
    if not pairs:
        return {}
    named = (await client.get(f"{WORKFLOWS}/{workflow_id}"))["definition"].get("inputs", {})
    return pairs_of("--input", pairs, {name: one.get("type", "string") for name, one in named.items()})


def _silent(_event: Event) -> None:
    """In place of showing an event: the result alone is printed."""
