"""Listings: agents, debates, and the checks of a receipt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from aragora.cli.rendering.layout import Listing
from aragora.cli.rendering.terminal import say, who

BREAKER_STYLES: Final = {"closed": "green", "half_open": "yellow", "open": "red"}
FIRST_OFFERED: Final = "its server's first chat model"
UNKNOWN_SIGNER: Final = (
    "The receipt was not changed since it was signed, but whose key signed it is not known here. Get the public key "
    "from the operator by a way that you trust, and give it with --key."
)
STATUS_STYLES: Final = {"completed": "green", "failed": "red", "cancelled": "yellow"}


def agents_table(agents: Iterable[Mapping[str, Any]], ratings: Mapping[str, float]) -> Listing:
    """One row for each agent; latencies in seconds."""
    table = Listing(
        "agent", "provider", "model", "breaker", "p50 s", "p95 s", "elo", "last error", wrapped=("model", "last error")
    )
    for agent in agents:
        name = str(agent.get("name", ""))
        state = breaker_state(agent)
        rating = ratings.get(name)
        table.row(
            who(name),
            say(str(agent.get("provider") or "")),
            say(str(agent.get("model") or FIRST_OFFERED)),
            say(state, BREAKER_STYLES.get(state, "")),
            _seconds(agent.get("p50_latency_s")),
            _seconds(agent.get("p95_latency_s")),
            "-" if rating is None else f"{rating:.0f}",
            say(str(agent.get("last_error") or "")),
        )
    return table


def breaker_state(agent: Mapping[str, Any]) -> str:
    """The state of an agent's circuit breaker: closed, half_open or open."""
    breaker = agent.get("breaker")
    return str(breaker.get("state", "")) if isinstance(breaker, Mapping) else str(breaker or "")


def debates_table(debates: Iterable[Mapping[str, Any]]) -> Listing:
    """One row for each debate."""
    table = Listing(
        "debate",
        "status",
        "rounds",
        "opened (UTC)",
        "question",
        "outcome",
        wrapped=("opened (UTC)", "question", "outcome"),
    )
    for debate in debates:
        status = str(debate.get("status", ""))
        table.row(
            say(str(debate.get("debate_id", ""))),
            say(status, STATUS_STYLES.get(status, "")),
            str(debate.get("rounds") or 0),
            _moment(debate.get("created_at")),
            say(" ".join(str(debate.get("question", "")).split())),
            say(_outcome(debate.get("outcome"))),
        )
    return table


def print_verification(console: Console, verification: Mapping[str, Any]) -> None:
    """Say whether a receipt is valid, and why. `verification` is {valid, checks: [{name, passed, detail}]}, and
    `signer_known` False where nobody here knows the key that signed it."""
    if not verification["valid"]:
        console.print(say("The receipt is NOT valid.", "bold red"))
    elif verification.get("signer_known", True):
        console.print(say("The receipt is valid.", "green"))
    else:
        console.print(say(UNKNOWN_SIGNER, "yellow"))
    console.print(_checks(verification.get("checks", ())))


def _checks(checks: Iterable[Mapping[str, Any]]) -> Listing:
    """One row for each check of a receipt."""
    table = Listing("", "check", "found", wrapped=("check", "found"))
    for check in checks:
        mark = Text("✓", "green") if check.get("passed") else Text("✗", "bold red")
        table.row(mark, say(str(check.get("name", ""))), say(str(check.get("detail") or ""), "dim"))
    return table


def _outcome(outcome: object) -> str:
    if not isinstance(outcome, Mapping):
        return "-"
    reached = "" if outcome.get("reached") else "no consensus, leading: "
    return f"{reached}{outcome.get('answer')}"


def _seconds(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, int | float) else "-"


def _moment(value: object) -> str:
    return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M") if isinstance(value, int | float) else "-"
