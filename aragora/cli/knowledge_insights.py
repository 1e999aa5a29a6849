"""`aragora knowledge insights`, `share`, `withdraw`, `release`: what workspaces of an organisation tell each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

import typer
from rich.console import RenderableType

from aragora.cli.asking import at_the_server, tell, tell_page
from aragora.cli.conventions import DEFAULT_URL, AsJson, Token, Url, named_like
from aragora.cli.rendering.layout import Indented
from aragora.cli.rendering.terminal import say
from aragora.ids import new_id
from aragora.knowledge.insights import SHARE_ID

PATH: Final = "/api/knowledge/insights"


_id = named_like(SHARE_ID, "share id: 'aragora knowledge insights --shared' shows them.")


def insights(
    *,
    task_type: Annotated[str | None, typer.Option(help="Only those about this kind of task.", metavar="NAME")] = None,
    shared: Annotated[bool, typer.Option("--shared", help="What the workspace tells others itself.")] = False,
    workspace: Annotated[str | None, typer.Option(help="Of this one; unset: your usual one.", metavar="NAME")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Insights of one page.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where the page starts; each page ends with it.")] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List what other workspaces tell this one, newest first."""
    asked = {
        "task_type": task_type,
        "direction": "shared" if shared else None,
        "workspace": workspace,
        "limit": limit,
        "cursor": cursor,
    }
    page = at_the_server(url, token, lambda client: client.page(PATH, "insights", **asked))
    tell_page(page, lambda: _lines(page["insights"]), as_json=as_json)


def share(
    text: Annotated[str, typer.Argument(help="What was found out.", metavar="TEXT")],
    *,
    to: Annotated[list[str], typer.Option("--to", help="A workspace; may be given several times.", metavar="NAME")],
    confidence: Annotated[float, typer.Option(min=0, max=1, help="How sure you are.", metavar="N")],
    task_type: Annotated[str, typer.Option(help="The kind of task that it is about.", metavar="NAME")] = "debate",
    insight_id: Annotated[
        str | None, typer.Option("--id", help="Its id in the workspace; unset: a new one.", metavar="ID")
    ] = None,
    workspace: Annotated[str | None, typer.Option(help="Whose it is; unset: your usual one.", metavar="NAME")] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Tell other workspaces of the organisation what was found out."""
    body: dict[str, object] = {
        "insight_id": insight_id or new_id("insight"),
        "target_workspaces": to,
        "task_type": task_type,
        "content": text,
        "confidence": confidence,
    }
    if workspace is not None:
        body["source_workspace"] = workspace
    key = new_id("share")  # the client repeats what has one, and the insight's own id makes that harmless
    done: dict[str, Any] = at_the_server(url, token, lambda client: client.post(PATH, body, idempotency_key=key))
    given = "Delivered." if done.get("delivered") else f"Kept, and not delivered: {done.get('why')}."
    tell(done, f"{given} Share id {done.get('share_id')}.", as_json=as_json)


def withdraw(
    share_id: Annotated[str, typer.Argument(help="Its share id.", metavar="ID", callback=_id)],
    *,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Tell an insight to nobody any more. It does not come back under its id."""
    at_the_server(url, token, lambda client: client.delete(f"{PATH}/{share_id}"))
    tell({}, f"{share_id} is withdrawn.", as_json=False)


def release(
    share_id: Annotated[str, typer.Argument(help="Its share id.", metavar="ID", callback=_id)],
    *,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Let an insight out of quarantine, once you have looked at it."""
    path = f"{PATH}/{share_id}/release"
    done: dict[str, Any] = at_the_server(url, token, lambda client: client.post(path, {}))
    given = "is delivered" if done.get("delivered") else f"is released, and not delivered: {done.get('why')}"
    tell(done, f"{share_id} {given}.", as_json=as_json)


def _lines(listed: Iterable[Mapping[str, Any]]) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for one in listed:
        head = f"{one.get('share_id')}  claimed {one.get('confidence')}  {one.get('task_type')}  {one.get('status')}"
        told = [say(str(one.get("content") or "(forgotten)"))]
        told.append(say(f"from {one.get('source_workspace')}, {one.get('created_at')}", "dim"))
        if one.get("why"):
            told.append(say(f"not delivered: {one['why']}", "yellow"))
        lines += [say(head, "bold"), Indented(told)]
    return lines or [say("There is none.")]
