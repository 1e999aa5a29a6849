"""Who may make an account: the one rule for the password form and for the first login with a provider. Pure.

- `closed`: administrators make accounts. Nobody else does.
- `invited`: so do those who were invited.
- `open`: so does anybody, each as the owner of a new organisation.

An address of one of the `domains` may come uninvited, in `closed` and `invited`, where a login provider has verified
it. An address that was only typed proves nothing: anybody can type it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from aragora.errors import Forbidden
from aragora.identity.addresses import domain_of

CLOSED_CODE: Final = "registration_closed"


class Registration(StrEnum):
    CLOSED = "closed"
    INVITED = "invited"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class RegistrationRules:
    """What the settings say."""

    mode: Registration
    domains: frozenset[str] = frozenset()

    @classmethod
    def of(cls, chosen: str | None, domains: Iterable[str], *, production: bool) -> Self:
        """The rules of ARAGORA_REGISTRATION and ARAGORA_REGISTRATION_DOMAINS; `chosen` None has the default."""
        mode = Registration(chosen) if chosen else (Registration.CLOSED if production else Registration.OPEN)
        return cls(mode, frozenset(domain.strip().lstrip("@").lower() for domain in domains))

    def require_uninvited(self, email: str, *, verified: bool) -> None:
        """Return where the person may make an account without an invitation.

        Args:
            email: the address that the account would have.
            verified: whether a login provider vouches for the address.

        Raises Forbidden (code registration_closed). The text does not depend on who has an account already.
        """
        if self.mode is Registration.OPEN or (verified and domain_of(email) in self.domains):
            return
        way = " Accept your invitation, or ask for one." if self.mode is Registration.INVITED else ""
        if self.domains and not verified:
            way += " Where your address is of a domain that is let in, log in with the login provider."
        raise Forbidden(
            "On this server nobody registers alone: an administrator makes accounts (ARAGORA_REGISTRATION)." + way,
            code=CLOSED_CODE,
        )

    def require_invitations(self) -> None:
        """Return where invitations are made and accepted. Raises Forbidden (code registration_closed)."""
        if self.mode is Registration.CLOSED:
            raise Forbidden(
                "This server takes no invitations: its operator must set ARAGORA_REGISTRATION=invited.",
                code=CLOSED_CODE,
            )
