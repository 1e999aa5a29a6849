"""What the settings say of who may prove what."""

from __future__ import annotations

from aragora.composition.launch import has_local_operator
from aragora.config.settings import Settings
from aragora.identity.proofs import IdentityRules


def identity_rules(settings: Settings, bind_host: str) -> IdentityRules:
    """The rules of a server that binds to this host."""
    return IdentityRules(
        production=settings.production,
        local_operator=has_local_operator(settings, bind_host),
        api_token=settings.api_token.get_secret_value() if settings.api_token else None,
        service_token=settings.service_token.get_secret_value() if settings.service_token else None,
        service_roles=settings.service_roles,
    )
