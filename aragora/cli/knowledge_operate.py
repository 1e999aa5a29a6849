"""`aragora knowledge adapters`, `sync` and `reindex`: what the mound's operator looks at and sets going."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from aragora.cli.asking import at_the_server, tell, tell_page
from aragora.cli.conventions import DEFAULT_URL, DONE, FAILED, AsJson, Token, Url, named_like
from aragora.cli.rendering.knowledge_operations import adapters_table, progress, synced_text
from aragora.cli.rendering.terminal import print_json, say, terminal
from aragora.client import AragoraClient

SYNC_S: Final = 60.0
"""A process may have to begin, and a sync takes 20 seconds."""
FOLLOW_S: Final = 1.0
REINDEX: Final = "/api/knowledge/reindex"

_NAME: Final = re.compile("[A-Za-z0-9_-]{1,64}")


_adapter = named_like(_NAME, "adapter: 'aragora knowledge adapters' lists them.")


def adapters(*, url: Url = DEFAULT_URL, token: Token = None, as_json: AsJson = False) -> None:
    """List what learns from ended debates: how much waits, how long, what it did last."""
    listed = at_the_server(url, token, lambda client: client.page("/api/knowledge/adapters", "adapters"))
    tell_page(listed, lambda: [adapters_table(listed["adapters"])], as_json=as_json)


def sync(
    adapter: Annotated[
        str, typer.Argument(help="Its name, as 'adapters' lists it.", metavar="ADAPTER", callback=_adapter)
    ],
    *,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Have an adapter work off now what waits for it."""
    path = f"/api/knowledge/adapters/{adapter}/sync"
    done: dict[str, Any] = at_the_server(url, token, lambda client: client.post(path, {}), timeout_s=SYNC_S)
    tell(done, synced_text(done), as_json=as_json)


def reindex(
    *,
    embed_anew: Annotated[
        bool, typer.Option("--embed-anew", help="Compute every vector again as well; takes long.")
    ] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Set it going, and do not tell how far it is.")] = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Build the index of meanings anew from the store, beside the running server.

    Until the stored vectors are loaded, searches go by words. An interruption ends the telling, not the work. Exit code
    1 where the index's process ended meanwhile: say it again."""

    async def work(client: AragoraClient) -> Mapping[str, Any] | None:
        begun: dict[str, Any] = (await client.post(REINDEX, {"embed_anew": embed_anew}))["rebuild"]
        return begun if no_wait else await _followed(client, begun, quiet=as_json)

    found = at_the_server(url, token, work)
    if found is None:
        terminal().print(say("The index's process ended before it was done. Say it again.", "yellow"))
        raise typer.Exit(FAILED)
    if as_json:
        print_json(found)
    else:
        terminal().print(say(progress(found)))
    raise typer.Exit(DONE)


async def _followed(client: AragoraClient, begun: Mapping[str, Any], *, quiet: bool) -> Mapping[str, Any] | None:
    """How it ended; None where nobody knows of it any more."""
    found: Mapping[str, Any] | None = begun
    told = ""
    while found is not None and found.get("stage") != "done":
        if not quiet and progress(found) != told:
            told = progress(found)
            terminal().print(say(told))
        await asyncio.sleep(FOLLOW_S)
        found = (await client.get(REINDEX)).get("rebuild")
        if found is not None and found.get("rebuild_id") != begun.get("rebuild_id"):
            return None
    return found
