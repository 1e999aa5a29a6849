"""What `aragora webhooks replay` and `replays` print."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.console import Group
from rich.text import Text

from aragora.cli.rendering.layout import Indented, Listing
from aragora.cli.rendering.terminal import say
from aragora.cli.rendering.webhooks import moment
from aragora.texts import counted

_STYLES: Final = {"running": "yellow", "done": "green", "stopped": "", "failed": "red"}
_LABEL_CHARS: Final = 10


def matching(replay: Mapping[str, Any]) -> str:
    """How many events it is about: `12 events`, or at least so many."""
    number = int(replay.get("matching") or 0)
    at_least = "At least " if replay.get("more") else ""
    return f"{at_least}{counted(number, 'event')}"


def uncertain(replay: Mapping[str, Any]) -> str:
    """A sentence that says what may come a second time, after a space; empty where nothing may."""
    before = replay.get("uncertain_before")
    told = "may have arrived already, and would come again under their ids"
    return "" if before is None else f" Those from before {moment(before)} UTC {told}."


def brought(replay: Mapping[str, Any]) -> str:
    """How far it is: `3 of 12`."""
    more = "+" if replay.get("more") else ""
    return f"{_brought(replay):,} of {int(replay.get('matching') or 0):,}{more}"


def replays_table(replays: Iterable[Mapping[str, Any]]) -> Listing:
    """One row for each replay."""
    wrapped = ("brought", "begun (UTC)")
    table = Listing("replay", "status", "select", "brought", "begun (UTC)", wrapped=wrapped)
    for replay in replays:
        status = str(replay.get("status", ""))
        table.row(
            say(str(replay.get("replay_id", ""))),
            say(status, _STYLES.get(status, "")),
            say(str(replay.get("select", ""))),
            say(brought(replay)),
            moment(replay.get("created_at")),
        )
    return table


def replay_block(replay: Mapping[str, Any]) -> Group:
    """One replay in some lines."""
    status, reason = str(replay.get("status", "")), str(replay.get("reason") or "")
    skipped = int(replay.get("skipped") or 0)
    passed_over = f"; {skipped:,} passed over" if skipped else ""
    lines = [
        _line("webhook", str(replay.get("webhook_id", ""))),
        _line(
            "events", f"{replay.get('select', '')}, {moment(replay.get('since'))} to {moment(replay.get('until'))} UTC"
        ),
        _line("types", " ".join(replay.get("event_types") or ()) or "all"),
        _line("brought", f"{brought(replay)}{passed_over}"),
        _line("rate", f"{float(replay.get('rate_per_s') or 0.0):g} a second at most"),
        _line("begun", f"{moment(replay.get('created_at'))} UTC"),
    ]
    if replay.get("ended_at") is not None:
        lines.append(_line("ended", f"{moment(replay.get('ended_at'))} UTC"))
    told = f"{status}: {reason}" if reason else status
    heading = Text.assemble(say(str(replay.get("replay_id", "")), "bold"), "  ", say(told, _STYLES.get(status, "")))
    return Group(heading, Indented(lines))


def _brought(replay: Mapping[str, Any]) -> int:
    return int(replay.get("made") or 0) + int(replay.get("revived") or 0)


def _line(label: str, value: str) -> Text:
    return Text.assemble((label.ljust(_LABEL_CHARS), "dim"), say(value))
