"""The feature `integrations`: its store opens with first use, its figures are kept fresh for the metrics page."""

from __future__ import annotations

from aragora.clock import Clock
from aragora.config.settings import Settings
from aragora.identity.parts import IdentityParts
from aragora.integrations.access import IntegrationAccess
from aragora.server.chapters.integrations import IntegrationPorts, integration
from aragora.server.feature import Feature


def open_integrations(settings: Settings, parts: IdentityParts, clock: Clock) -> Feature[IntegrationPorts]:
    """Integrations as the settings say, sealed with the key and audited in the log of identity."""
    access = IntegrationAccess(settings, parts.crypto, clock)
    return Feature(
        "integrations",
        IntegrationPorts(access.store, parts),
        chapters=(integration,),
        tasks=(access.task.run,),
        closers=(access.aclose,),
    )
