"""The mound as the runbook names it; its parts are in `aragora.knowledge`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aragora.ids import LOCAL_ORG

if TYPE_CHECKING:
    from aragora.composition.local_mound import LocalMound
    from aragora.config.settings import Settings

__all__ = ["open_mound"]


def open_mound(*, org_id: str = LOCAL_ORG, settings: Settings | None = None) -> LocalMound:
    """The Knowledge Mound for a program of the operator's, over the store of the installation: the runbook's `km`.

    It opens with its first use, and makes the store where there is none. `async with open_mound() as km` closes it;
    else `await km.aclose()`.

    Args:
        org_id: the organisation whose workspaces are meant; unsaid, that of an installation without accounts.
        settings: those of another installation than the environment's.
    """
    # Adapters and actors import this package: none of them needs the stores that this opens.
    from aragora.composition.local_mound import LocalMound  # noqa: PLC0415

    return LocalMound(org_id, settings)
