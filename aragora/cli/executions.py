"""`aragora executions`: executions of workflows at a running server: started, watched, looked at and steered."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from aragora.cli.asking import at_the_server, tell_one, tell_page
from aragora.cli.conventions import DEFAULT_URL, AsJson, Token, Url
from aragora.cli.execution_events import PATH
from aragora.cli.execution_steering import ExecutionId, cancel, pause, resume, retry, signal
from aragora.cli.execution_watching import start, watch
from aragora.cli.rendering.executions import execution_lines, listed_lines
from aragora.workflows.model import ExecutionStatus

executions: Final = typer.Typer(
    help="Start, watch and steer executions of workflows.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@executions.command("list")
def listing(
    *,
    status: Annotated[ExecutionStatus | None, typer.Option(help="Only those that stand so.")] = None,
    workflow: Annotated[str | None, typer.Option(help="Only those of this workflow.", metavar="ID")] = None,
    by: Annotated[str | None, typer.Option(help="Only those that this account started.", metavar="ID")] = None,
    workspace: Annotated[
        str | None, typer.Option(help="Which, * for all; unset: your usual one.", metavar="NAME")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where the page before ended.", metavar="CURSOR")] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List executions, newest first."""
    asked = {"status": status, "workflow": workflow, "started_by": by, "workspace": workspace}
    page = at_the_server(
        url, token, lambda client: client.page(PATH, "executions", **asked, limit=limit, cursor=cursor)
    )
    tell_page(page, lambda: listed_lines(page), as_json=as_json)


@executions.command()
def show(
    execution_id: ExecutionId,
    *,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show an execution: what it waits for, and what came of it."""
    found = at_the_server(url, token, lambda client: client.get(f"{PATH}/{execution_id}"))
    tell_one(found, lambda: execution_lines(found), as_json=as_json)


executions.command()(start)
executions.command()(watch)
executions.command()(pause)
executions.command()(resume)
executions.command()(cancel)
executions.command()(retry)
executions.command()(signal)
