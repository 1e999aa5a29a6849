"""`aragora executions pause`, `resume`, `cancel`, `retry` and `signal`: what a person does to an execution.

Each tells the status that it led to. Pausing, resuming and cancelling again change nothing, and a named event carries a
key: none of them does harm where the answer was lost and the command is typed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from aragora.cli.asking import at_the_server, tell
from aragora.cli.conventions import DEFAULT_URL, EXECUTION, AsJson, Token, Url, named_like
from aragora.cli.documents import object_in, pairs_of
from aragora.cli.execution_events import PATH
from aragora.client import AragoraClient
from aragora.errors import InvalidInput
from aragora.ids import new_id

ExecutionId = Annotated[
    str,
    typer.Argument(
        help="The execution's id.",
        metavar="ID",
        callback=named_like(EXECUTION, "execution's id: 'aragora executions list' shows them."),
    ),
]
Key = Annotated[
    str | None,
    typer.Option(help="Idempotency key: the same again does it once. Unset: one of this call.", metavar="KEY"),
]


def pause(execution_id: ExecutionId, *, url: Url = DEFAULT_URL, token: Token = None, as_json: AsJson = False) -> None:
    """Let nothing begin any more; what is under way ends."""
    _commanded(url, token, execution_id, "pause", {}, as_json=as_json)


def resume(execution_id: ExecutionId, *, url: Url = DEFAULT_URL, token: Token = None, as_json: AsJson = False) -> None:
    """Let it go on."""
    _commanded(url, token, execution_id, "resume", {}, as_json=as_json)


def cancel(
    execution_id: ExecutionId,
    *,
    reason: Annotated[str, typer.Option(help="Why; it stands in the receipt.", metavar="TEXT")] = "",
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """End it, after the steps that undo what was done."""
    _commanded(url, token, execution_id, "cancel", {"reason": reason}, as_json=as_json)


def retry(
    execution_id: ExecutionId,
    step: Annotated[str, typer.Argument(help="The step to go on from.", metavar="STEP")],
    *,
    value: Annotated[
        list[str] | None,
        typer.Option(help="A text in place of one of the step; may be given several times.", metavar="KEY=TEXT"),
    ] = None,
    values: Annotated[
        Path | None, typer.Option(help="A JSON object of such values; - for standard input.", metavar="FILE")
    ] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Go on from a step of one that failed or was cancelled.

    What ran after that step runs anew."""
    taken = {**object_in(values), **pairs_of("--value", value or ())}
    _commanded(url, token, execution_id, "retry", {"step": step, "values": taken}, as_json=as_json)


def signal(
    execution_id: ExecutionId,
    name: Annotated[str, typer.Argument(help="The event's name.", metavar="NAME")],
    *,
    field: Annotated[
        list[str] | None, typer.Option(help="A text of its payload; may be given several times.", metavar="KEY=TEXT")
    ] = None,
    payload: Annotated[
        Path | None, typer.Option(help="Its payload, a JSON object; - for standard input.", metavar="FILE")
    ] = None,
    key: Key = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Send it a named event; one that comes too early is kept."""
    body = {"name": name, "payload": {**object_in(payload), **pairs_of("--field", field or ())}}
    _commanded(url, token, execution_id, "signals", body, key=key_of(key), as_json=as_json)


def key_of(given: str | None) -> str:
    """The idempotency key of a call. Raises InvalidInput for one that no header holds."""
    if given is None:
        return new_id("cli")
    if not given.strip() or not given.isascii() or not given.isprintable():
        raise InvalidInput("--key is a line of printable ASCII characters.")
    return given


def _commanded(
    url: str,
    token: str | None,
    execution_id: str,
    verb: str,
    body: Mapping[str, Any],
    *,
    key: str | None = None,
    as_json: bool,
) -> None:
    async def work(client: AragoraClient) -> Mapping[str, Any]:
        found: Mapping[str, Any] = await client.post(f"{PATH}/{execution_id}/{verb}", body, idempotency_key=key)
        return found

    standing = at_the_server(url, token, work)
    tell(standing, f"{standing['execution_id']} is {standing['status']}.", as_json=as_json)
