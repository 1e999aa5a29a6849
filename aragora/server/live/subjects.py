"""What clients follow, debates and executions: all in which the two differ on a socket or a stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from aragora.identity import workspaces
from aragora.identity.principal import Principal
from aragora.identity.rbac import DEBATES_READ, WORKFLOWS_READ, Policy
from aragora.scope import Scope
from aragora.server.live.fanout import Fanout

LOOP: Final = "loop_id"
EXECUTION: Final = "execution_id"

END_OF_EVENTS: Final = "end_of_events"
"""The server's own message, and the name of the event of a stream: nothing more comes by itself."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One sort of what clients follow.

    Attributes:
        fanout: that of this process.
        named: the field that has its id in what the server itself says on a WebSocket.
        named_in_errors: the same in the errors of a stream.
        needs: the policy of following it.
        reach: where its ids are looked for.
        tells_end: whether clients are told that it is over, as no event of it says so.
    """

    fanout: Fanout
    named: str
    named_in_errors: str
    needs: Policy
    reach: Callable[[Principal], Scope]
    tells_end: bool


def of_debates(fanout: Fanout) -> Subject:
    """Debates."""
    return Subject(fanout, LOOP, "debate_id", DEBATES_READ, workspaces.reach_of, tells_end=False)


def of_executions(fanout: Fanout) -> Subject:
    """Executions of workflows."""
    return Subject(fanout, EXECUTION, EXECUTION, WORKFLOWS_READ, _own, tells_end=True)


def _own(who: Principal) -> Scope:
    """Executions belong to an organisation: the operator of the installation too has those of its own alone."""
    return replace(workspaces.reach_of(who), org_id=who.org_id)
