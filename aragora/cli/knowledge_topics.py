"""`aragora knowledge topics`: what a workspace asks about of late."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer
from rich.console import RenderableType

from aragora.cli.asking import at_the_server, tell_page
from aragora.cli.conventions import DEFAULT_URL, AsJson, Token, Url
from aragora.cli.rendering.layout import Indented
from aragora.cli.rendering.terminal import say
from aragora.debate.knowledge import date_of
from aragora.knowledge.trending import DAYS, DAYS_MAX, TOPICS, TOPICS_MAX
from aragora.texts import counted

PATH: Final = "/api/knowledge/topics"


def topics(
    *,
    days: Annotated[int, typer.Option(min=1, max=DAYS_MAX, help="Of debates of so many days.")] = DAYS,
    limit: Annotated[int, typer.Option(min=1, max=TOPICS_MAX, help="Topics at most.")] = TOPICS,
    workspace: Annotated[str | None, typer.Option(help="Of this one; unset: your usual one.", metavar="NAME")] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List what a workspace asks about of late, the most recent first."""
    asked = {"days": days, "limit": limit, "workspace": workspace}
    found = at_the_server(url, token, lambda client: client.page(PATH, "topics", **asked))
    tell_page(found, lambda: _lines(found), as_json=as_json)


def _lines(found: Mapping[str, Any]) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for one in found["topics"]:
        lines += [_head(one), Indented([say(_counts(one)), *_newest(one)])]
    if not lines:
        return [say(f"There is none: {found.get('why') or 'nothing was asked'}.")]
    if found.get("cut"):
        lines.append(say(f"Of the newest {counted(int(found['debates']), 'debate')}: there are more.", "dim"))
    return lines


def _head(one: Mapping[str, Any]) -> RenderableType:
    head = say(str(one.get("name")), "bold")
    if one.get("rising"):
        head.append_text(say("  rising", "green"))
    return head


def _counts(one: Mapping[str, Any]) -> str:
    debates, questions = counted(int(one["debates"]), "debate"), counted(int(one["questions"]), "question")
    line = f"{debates} of {questions}, {one.get('decided')} decided; {one.get('last_7_days')} in the last 7 days"
    return f"{line}, {one.get('before_21_days')} in the 21 before"


def _newest(one: Mapping[str, Any]) -> list[Any]:
    newest = one.get("newest")
    if not isinstance(newest, Mapping):
        return []
    head = say(f"newest: {newest.get('question')}")
    return [head, say(f"{newest.get('debate_id')}, {date_of(float(newest.get('at') or 0.0))}", "dim")]
