"""What a debate will take, in words, before it begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aragora.cli.plan_agents import known_in_words, team_in_words
from aragora.cli.plan_of_question import of_question
from aragora.cli.rendering.wrapping import wrapped
from aragora.debate.forecast import Forecast
from aragora.encoding import from_plain
from aragora.texts import counted


def plan_in_words(plan: Mapping[str, Any]) -> str:
    """The answer of POST /api/debates/estimate, in a few lines."""
    return "\n".join((_bounds_and_estimate(plan), *of_question(plan)))


def _bounds_and_estimate(plan: Mapping[str, Any]) -> str:
    agents = ", ".join(plan["agents"])
    team = f"{counted(len(plan['agents']), 'agent')} ({agents}), {plan['protocol']}"
    lines = [
        f"{team}, {counted(plan['rounds'], 'round')} at most:",
        told_before(from_plain(plan["forecast"], Forecast)),
    ]
    return "\n".join([*lines, *_took(plan), *known_in_words(plan), *team_in_words(plan)])


def _took(plan: Mapping[str, Any]) -> list[str]:
    found = plan["estimate"]
    if found is None:
        return [f"No estimate: {plan['why']}."]
    of = "of the same agents" if found["likeness"] == "same_team" else "of as many agents"
    told = [
        f"{_seconds(found['seconds']['p50'])} ({_seconds(found['seconds']['p90'])})",
        f"{found['asks']['p50']:g} asks ({found['asks']['p90']:g})",
        f"{found['tokens']['p50']:,.0f} tokens ({found['tokens']['p90']:,.0f})",
    ]
    if found["usd"]["p90"]:
        told.insert(0, f"${found['usd']['p50']:.2g} (${found['usd']['p90']:.2g})")
    many = counted(found["debates"], "debate")
    lines = [f"{many} {of} took, at the median (nine of ten at most):", f"{', '.join(told)}."]
    if dear := found.get("dear"):  # none from a server of an earlier version
        times = ", ".join(f"{one:.2g}" for one in dear)
        lines += wrapped(
            f"Of the newest, {counted(len(dear), 'debate')} cost {times} times the median of those before."
        )
    return lines


def told_before(forecast: Forecast) -> str:
    """What a debate will take, in one line."""

    def between(least: int, most: int, what: str) -> str:
        return counted(most, what) if least == most else f"{least} to {counted(most, what)}"

    asks = between(forecast.asks_least, forecast.asks_most, "ask")
    phases = between(forecast.phases_least, forecast.phases_most, "phase")
    cost = "free" if forecast.usd_most is None else f"at most ${forecast.usd_most:g}"
    fewer = "; fewer where the agents agree" if forecast.asks_least < forecast.asks_most else ""
    return f"{asks} in {phases}, {cost}{fewer}."


def _seconds(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 100.0 else f"{seconds / 60.0:.0f} min"
