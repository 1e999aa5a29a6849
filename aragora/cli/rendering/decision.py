"""The decision: answer, confidence, votes, dissent, cost."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from aragora.cli.rendering.names import who
from aragora.cli.rendering.terminal import say
from aragora.debate.model import Decision, Dissent


def decision_panel(decision: Decision) -> RenderableType:
    """The decision in a frame."""
    title = "Decision" if decision.reached else "No consensus: the leading answer"
    parts: list[RenderableType] = [say(decision.answer, "bold"), Text(), say(summary(decision), "dim")]
    if decision.explanation:
        parts.append(say(decision.explanation, "dim"))
    if decision.tallies:
        parts += [Text(), _votes(decision)]
    parts += [Text(), *_dissent(decision.dissent)]
    return Panel(Group(*parts), title=title, border_style="green" if decision.reached else "yellow")


def summary(decision: Decision) -> str:
    """Confidence, mode, rounds and cost in one line."""
    stopped = "" if decision.stopped_by == "rounds" else f", stopped by {decision.stopped_by}"
    winner = f"by {decision.winner}, " if decision.winner else ""
    rounds = "1 round" if decision.rounds == 1 else f"{decision.rounds} rounds"
    return f"{winner}confidence {decision.confidence:.0%}, {decision.mode}, {rounds}{stopped}, ${decision.cost_usd:.4f}"


def _votes(decision: Decision) -> Table:
    table = Table(box=None, pad_edge=False, show_header=True, header_style="dim")
    for heading in ("votes", "weight", "answer by", "voters"):
        table.add_column(heading)
    for tally in sorted(decision.tallies, key=lambda tally: -tally.weight):
        table.add_row(str(tally.votes), f"{tally.weight:.2f}", who(tally.agent), say(", ".join(tally.voters)))
    return table


def _dissent(dissent: tuple[Dissent, ...]) -> list[RenderableType]:
    if not dissent:
        return [say("No dissent.", "dim")]
    return [
        Text.assemble("Dissent: ", who(voice.agent), " preferred ", who(voice.choice), say(f": {voice.reason}"))
        for voice in dissent
    ]
