"""What is known of the question of a planned debate, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aragora.agents.frames import one_line
from aragora.cli.rendering.wrapping import wrapped
from aragora.debate.knowledge import date_of
from aragora.texts import counted

_POSITION_CHARS: Final = 120


def of_question(plan: Mapping[str, Any]) -> list[str]:
    """Lines of what the answer of POST /api/debates/estimate says of the question; none where the server is of an
    earlier version."""
    settled, why = plan.get("settled"), plan.get("settled_why")
    lines = wrapped(f"Not settled before: {why}.") if why else []
    if settled is not None:
        lines = wrapped(_settled(settled))
    for taken in plan.get("suggested", ()):
        lines += wrapped(f"As suits the workspace: {taken}.")
    for one in plan.get("suggestions", ()):
        value = one["value"] if isinstance(one["value"], int | str) else ",".join(one["value"])
        lines += wrapped(f"Would suit: --{one['setting']} {value} ({one['reason']}).")
    return lines


def _settled(settled: Mapping[str, Any]) -> str:
    position = one_line(settled["position"])
    if len(position) > _POSITION_CHARS:
        position = f"{position[: _POSITION_CHARS - 2].rstrip()} \N{HORIZONTAL ELLIPSIS}"
    until = "valid until" if settled["valid"] else "was valid until"
    told = [
        f'Settled on "{position}" on {date_of(settled["at"])} by {counted(settled["debates"], "debate")}:',
        f"{settled['confidence_words']}{', disputed' if settled['disputed'] else ''},",
        f"{until} {date_of(settled['valid_until'])}.",
    ]
    if settled["undecided"]:
        told.append(f"{counted(settled['undecided'], 'debate')} since then reached no decision.")
    if settled["asked_recently"] > 1:
        told.append(f"Asked {settled['asked_recently']} times in 30 days.")
    return " ".join(told)
