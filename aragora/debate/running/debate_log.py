"""What the log tells of debates: a line when one is opened, and one when it has ended; in a flood, of some of them."""

from __future__ import annotations

from typing import Final

import structlog

from aragora.clock import Clock
from aragora.debate.machine import DebateState
from aragora.debate.model import DebateSpec, DebateStatus
from aragora.observability.line_budget import LineBudgets

_log: Final[structlog.stdlib.BoundLogger] = structlog.get_logger("aragora.debate")


class DebateLog:
    """The lines of one coordinator."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lines = LineBudgets()

    def opened(self, spec: DebateSpec) -> None:
        """Tell that the debate was opened; never what is asked."""
        more = self._lines.take("opened", self._clock.monotonic())
        if more is not None:
            _log.info(
                "debate opened",
                debate_id=spec.debate_id,
                org_id=spec.org_id,
                workspace=spec.workspace,
                created_by=spec.created_by,
                protocol=spec.protocol.name,
                rounds=spec.protocol.rounds,
                agents=list(spec.agents),
                budget_usd=spec.budget_usd,
                **more,
            )

    def ended(self, state: DebateState, opened_at: float) -> None:
        """Tell how the debate ended and what it took. `opened_at` is seconds since the epoch."""
        decision = state.decision
        broken_off = state.ended  # the end of a decided debate is written with its receipt, after the last change here
        status = DebateStatus.COMPLETED if broken_off is None else broken_off.status
        more = self._lines.take(status, self._clock.monotonic())
        if more is None:
            return
        _log.info(
            f"debate {status}",
            debate_id=state.spec.debate_id,
            org_id=state.spec.org_id,
            workspace=state.spec.workspace,
            reason="decided" if broken_off is None else broken_off.reason,
            reached=None if decision is None else decision.reached,
            winner=None if decision is None else decision.winner,
            confidence=None if decision is None else round(decision.confidence, 3),
            rounds=state.round,
            cost_usd=round(state.cost_usd, 6),
            seconds=round(max(0.0, self._clock.now() - opened_at), 3),
            **more,
        )
