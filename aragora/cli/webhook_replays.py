"""`aragora webhooks replay` and `replays`: have a webhook get what it has missed, and look at how far that is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import typer

from aragora.cli.asking import at_the_server, tell, tell_page
from aragora.cli.conventions import DEFAULT_URL, DONE, FAILED, AsJson, Token, Url
from aragora.cli.rendering.terminal import print_json, say, terminal
from aragora.cli.rendering.webhook_replays import brought, matching, replay_block, replays_table, uncertain
from aragora.cli.times import moment_of
from aragora.client import AragoraClient
from aragora.errors import InvalidInput
from aragora.ids import could_be_id, new_id

FOLLOW_S: Final = 1.0
COUNT_S: Final = 60.0
"""The server counts before it answers."""
RUNNING: Final = "running"


def _webhook(value: str) -> str:
    if not could_be_id(value) or value.startswith("rpl_"):
        raise InvalidInput(f"{value!r} is no webhook's id: 'aragora webhooks list' shows them.")
    return value


def _either(value: str) -> str:
    if not could_be_id(value):
        raise InvalidInput(f"{value!r} is no id: 'aragora webhooks list' shows those of webhooks.")
    return value


def replay(
    webhook_id: Annotated[str, typer.Argument(help="The webhook's id.", metavar="ID", callback=_webhook)],
    *,
    since: Annotated[
        str, typer.Option(help="Events from then on: 24h, 7d, or 2026-03-01T12:00Z (UTC unless said).", metavar="TIME")
    ],
    until: Annotated[str | None, typer.Option(help="Events before then; unset: now.", metavar="TIME")] = None,
    select: Annotated[
        Literal["failed", "missing", "all"],
        typer.Option(help="Dead letters; what has no delivery; both and what was delivered or cancelled."),
    ] = "failed",
    event: Annotated[
        list[str] | None,
        typer.Option("--event", "--event-type", help="Only this type; may be given several times.", metavar="TYPE"),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0.01, max=500, help="Deliveries a second at most; unset: 50.", metavar="N"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Wait for its end, and tell how far it is.")] = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Send a webhook what it has missed, or all of it again."""
    now = time.time()
    body: dict[str, object] = {"since": moment_of("--since", since, now), "select": select}
    body |= {} if until is None else {"until": moment_of("--until", until, now)}
    body |= {"event_types": event} if event else {}
    body |= {} if rate is None else {"rate_per_s": rate}
    body |= {"dry_run": True} if dry_run else {}
    path = f"/api/webhooks/{webhook_id}/replay"
    key = None if dry_run else new_id("key")
    asked = at_the_server(url, token, lambda client: client.post(path, body, idempotency_key=key), timeout_s=COUNT_S)
    if dry_run:
        tell(asked, f"{matching(asked)} would be delivered.{uncertain(asked)}", as_json=as_json)
        return
    if not follow:
        replay_id = asked.get("replay_id")
        told = f"{matching(asked)} will be delivered.{uncertain(asked)} See 'aragora webhooks replays {replay_id}'."
        tell(asked, told, as_json=as_json)
        return
    _follow(str(asked.get("replay_id")), url, token, as_json=as_json)


def replays(
    named: Annotated[
        str, typer.Argument(help="A webhook's id, for its replays; or a replay's id.", metavar="ID", callback=_either)
    ],
    *,
    stop: Annotated[bool, typer.Option("--stop", help="Stop this replay; what was made is delivered.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Wait for the end of this replay.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Rows of one page.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where the page starts; each page ends with it.")] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List the replays of a webhook, newest first. With an id: show, follow or stop that one."""
    if not named.startswith("rpl_"):
        if stop or follow:
            raise InvalidInput("--stop and --follow are for one replay: give its id, which begins with rpl_.")
        _list(named, limit, cursor, url, token, as_json=as_json)
        return
    path = f"/api/webhooks/replays/{named}"

    async def work(client: AragoraClient) -> dict[str, Any]:
        if stop:
            await client.delete(path)
        found: dict[str, Any] = await client.get(path)
        return found

    found = at_the_server(url, token, work)
    if follow and found.get("status") == RUNNING:
        _follow(named, url, token, as_json=as_json)
    else:
        _show(found, as_json=as_json)


def _list(webhook_id: str, limit: int, cursor: str | None, url: str, token: str | None, *, as_json: bool) -> None:
    path = f"/api/webhooks/{webhook_id}/replays"
    page = at_the_server(url, token, lambda client: client.page(path, "replays", limit=limit, cursor=cursor))
    tell_page(page, lambda: [replays_table(page["replays"])], as_json=as_json)


def _follow(replay_id: str, url: str, token: str | None, *, as_json: bool) -> None:
    """Tell how far the replay is whenever that has changed, until it has ended; exits with 1 unless it is done."""

    async def work(client: AragoraClient) -> dict[str, Any]:
        told = ""
        while True:
            found: dict[str, Any] = await client.get(f"/api/webhooks/replays/{replay_id}")
            if found.get("status") != RUNNING:
                return found
            if not as_json and brought(found) != told:
                told = brought(found)
                terminal().print(say(f"{replay_id}: {told}"))
            await asyncio.sleep(FOLLOW_S)

    found = at_the_server(url, token, work)
    _show(found, as_json=as_json)
    raise typer.Exit(DONE if found.get("status") == "done" else FAILED)


def _show(found: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        terminal().print(replay_block(found))
