"""Changing the secret of an endpoint without losing a delivery. Pure: times and secrets come in.

For an overlap the old secret signs beside the new one. At most three old ones may be valid at once: each makes the
header of signatures longer. A secret whose time is over is dropped with the next rotation.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from aragora.errors import Conflict, InvalidInput
from aragora.webhooks.endpoint import Endpoint, OldSecret

OLD_SECRETS_MAX: Final = 3
OVERLAP_S: Final = 86_400.0
"""Unless another is wished for."""
OVERLAP_MAX_S: Final = 7 * 86_400.0


def check_overlap(overlap_s: float) -> None:
    """Raises InvalidInput."""
    if not (math.isfinite(overlap_s) and 0.0 <= overlap_s <= OVERLAP_MAX_S):
        raise InvalidInput(f"overlap_hours is not from 0 to {OVERLAP_MAX_S / 3600:g}: give a number in that range.")


def rotated(endpoint: Endpoint, secret: str, overlap_s: float, at: float) -> Endpoint:
    """The endpoint with `secret`; the one before it is valid for `overlap_s` seconds more, older ones as long as they
    were. Going back to an old one takes it from the list of the old.

    Raises InvalidInput where it has this secret already; Conflict where too many old ones are valid still.
    """
    if secret == endpoint.secret:
        raise InvalidInput("secret is the one that the webhook has: give another, or leave it out to have one made.")
    old = [one for one in valid(endpoint, at) if one.secret != secret]
    if overlap_s > 0.0:
        old.insert(0, OldSecret(endpoint.secret, at + overlap_s))
    if len(old) > OLD_SECRETS_MAX:
        raise Conflict(
            f"{OLD_SECRETS_MAX} old secrets of this webhook are valid still: finish their overlap first "
            "(POST .../rotate/finish).",
            code="too_many_secrets",
        )
    return replace(endpoint, secret=secret, old_secrets=tuple(old))


def finished(endpoint: Endpoint) -> Endpoint:
    """The endpoint with its newest secret only."""
    return replace(endpoint, old_secrets=())


def valid(endpoint: Endpoint, at: float) -> list[OldSecret]:
    """The old secrets that sign still at the time `at`, the one that was rotated away last first."""
    return [one for one in endpoint.old_secrets if one.ends_at > at]
