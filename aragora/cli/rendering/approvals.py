"""Approvals, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType

from aragora.cli.rendering.knowledge import moment
from aragora.cli.rendering.layout import Indented
from aragora.cli.rendering.terminal import say


def listed_lines(page: Mapping[str, Any]) -> list[RenderableType]:
    """A page of the inbox."""
    lines: list[RenderableType] = []
    for one in page["approvals"]:
        lines += [say(_head(one), "bold"), Indented([say(str(one["title"])), say(_standing(one), "dim"), _reason(one)])]
    return lines or [say("There is none.")]


def approval_lines(one: Mapping[str, Any]) -> list[RenderableType]:
    """One approval, with what is decided on."""
    follows = {name: step or "nothing more" for name, step in one["follows"].items()}
    told = [say(_standing(one), "dim"), say(f"asked: {', '.join(one['asked'])}; {one['given']} of {one['needed']}")]
    told += [say(f"{name}: {text}") for name, text in one["shown"].items()]
    told += [say(f"[ ] {item['id']}: {item['label']}{_optional(item)}") for item in one["checklist"]]
    told += [say(f"if {name}: {step}") for name, step in follows.items()]
    told += [say(_answer(answer)) for answer in one["answers"]]
    told += [say(f"digest: {one['digest']}", "dim"), _reason(one)]
    return [say(_head(one), "bold"), say(str(one["title"])), Indented(told)]


def results_lines(told: Mapping[str, Any]) -> list[RenderableType]:
    """What came of several answers."""
    lines: list[RenderableType] = []
    for one in told["results"]:
        if one.get("error"):
            lines.append(say(f"{one['approval_id']}  refused: {one['error']['message']}", "yellow"))
        else:
            lines.append(say(f"{one['approval_id']}  {one['approval']['status']}. {one['approval']['why']}".strip()))
    return lines


def _head(one: Mapping[str, Any]) -> str:
    return f"{one['approval_id']}  {one['status']}{' (overdue)' if one['overdue'] else ''}"


def _standing(one: Mapping[str, Any]) -> str:
    until = f"until {moment(one['deadline_at'])}" if one["deadline_at"] else "without a deadline"
    when = until if one["status"] == "pending" else f"{one['status']} {moment(one['closed_at'])}"
    return f"{one['workflow']} in {one['workspace']}, for {one['requested_by']}, {when}"


def _reason(one: Mapping[str, Any]) -> Any:
    return say(str(one["reason"]), "" if one["can_resolve"] else "yellow")


def _optional(item: Mapping[str, Any]) -> str:
    return "" if item["required"] else " (need not be)"


def _answer(one: Mapping[str, Any]) -> str:
    place = " in place of others" if one["bypass"] else ""
    comment = f": {one['comment']}" if one["comment"] else ""
    return f"{one['person']} said {one['verdict']}{place}, {moment(one['at'])}{comment}"
