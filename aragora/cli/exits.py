"""Exit codes of the commands, and which error means which."""

from __future__ import annotations

from typing import Final

from aragora import errors

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
AWAY: Final = 3
INTERRUPTED: Final = 130


def code_of(error: errors.AragoraError) -> int:
    """The exit code that tells a script what kind of error stopped the command."""
    match error:
        case errors.Unavailable() | errors.RateLimited() | errors.Fenced():
            return AWAY
        case errors.InvalidInput() | errors.Misconfigured() | errors.Unauthenticated() | errors.Forbidden():
            return USAGE
        case _:
            return FAILED
