"""`aragora knowledge revalidations` and `drop-revalidation`: decisions that the server debates again by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

import typer
from rich.console import RenderableType

from aragora.cli.asking import at_the_server, tell, tell_page
from aragora.cli.conventions import DEFAULT_URL, AsJson, Token, Url, named_like
from aragora.cli.rendering.knowledge import moment
from aragora.cli.rendering.layout import Indented
from aragora.cli.rendering.terminal import say
from aragora.knowledge.revalidation import REVALIDATION_ID

PATH: Final = "/api/knowledge/revalidations"


_id = named_like(REVALIDATION_ID, "revalidation: 'aragora knowledge revalidations' shows their ids.")


def revalidations(
    *,
    workspace: Annotated[
        str | None, typer.Option(help="Which, * for all; unset: your usual one.", metavar="NAME")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 20,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List the decisions that the server debates again."""
    asked = {"workspace": workspace, "limit": limit}
    page = at_the_server(url, token, lambda client: client.page(PATH, "revalidations", **asked))
    tell_page(page, lambda: _lines(page), as_json=as_json)


def drop_revalidation(
    revalidation_id: Annotated[str, typer.Argument(help="Its id.", metavar="ID", callback=_id)],
    *,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Do not debate a decision again that waits for it."""
    at_the_server(url, token, lambda client: client.delete(f"{PATH}/{revalidation_id}"))
    tell({}, f"{revalidation_id} is dropped: its question rests for 90 days.", as_json=False)


def _lines(page: Mapping[str, Any]) -> list[RenderableType]:
    listed: Iterable[Mapping[str, Any]] = page["revalidations"]
    lines: list[RenderableType] = []
    if not page.get("enabled"):
        lines.append(say("This server debates no decision again: ARAGORA_KNOWLEDGE_REVALIDATION is not set.", "yellow"))
    for one in listed:
        result = f", {one['result']}" if one.get("result") else ""
        lines.append(say(f"{one.get('revalidation_id')}  {one.get('state')}{result}", "bold"))
        told = [say(str(one.get("question") or "(its item is gone)"))]
        if one.get("position"):
            told.append(say(f"settled on: {one['position']}"))
        told.append(say(f"{one.get('reason')} since {moment(one.get('since'))} in {one.get('workspace')}", "dim"))
        if one.get("debate_id"):
            told.append(say(f"debated again in {one['debate_id']}", "dim"))
        if one.get("why"):
            told.append(say(str(one["why"]), "yellow"))
        lines.append(Indented(told))
    return lines if listed else [*lines, say("There is none.")]
