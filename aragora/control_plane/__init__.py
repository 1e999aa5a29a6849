"""Tasks for agents: given out by capability, held under a lease, ended once. `open_coordinator` is for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aragora.ids import LOCAL_ORG

if TYPE_CHECKING:
    from aragora.composition.local_coordinator import LocalCoordinator
    from aragora.config.settings import Settings

__all__ = ["open_coordinator"]


def open_coordinator(
    *, org_id: str = LOCAL_ORG, workspace: str | None = None, settings: Settings | None = None
) -> LocalCoordinator:
    """The control plane for a program of the operator's, over the store of the installation: the runbook's
    `coordinator`.

    It opens with its first use, and makes the store where there is none. `async with open_coordinator() as coordinator`
    closes it; else `await coordinator.aclose()`. Both wait for what was begun and not awaited.

    Args:
        org_id: the organisation whose tasks are meant; unsaid, that of an installation without accounts.
        workspace: where tasks are made, claimed and judged; unsaid, CP_KM_WORKSPACE.
        settings: those of another installation than the environment's.

    Raises InvalidInput for what is no name of a workspace, Misconfigured for a wrong environment.
    """
    # The rules and the store import this package: none of them needs what this opens.
    from aragora.composition.local_coordinator import LocalCoordinator  # noqa: PLC0415

    return LocalCoordinator(org_id, workspace, settings)
