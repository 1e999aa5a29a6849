"""What is wrong with a definition or with what an execution is given: every fault with its place. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from aragora.errors import InvalidInput

FAULTS_MAX: Final = 50  # told at once
SHOWN: Final = 5  # in the error's text
_PLACE_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `path` is its place in the document (`steps[2].approval.deadline_s`; empty: the whole), `message`
    what is wrong and what to do."""

    path: str
    code: str
    message: str


class InvalidDefinition(InvalidInput):
    """The definition, or what an execution is given, has faults: `faults` holds the first of them."""

    default_code = "invalid_definition"

    def __init__(
        self,
        message: str,
        *,
        faults: tuple[Fault, ...] = (),
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, code=code, retry_after_s=retry_after_s)
        self.faults = faults


def bounded(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """The first FAULTS_MAX, each once."""
    return tuple(dict.fromkeys(faults))[:FAULTS_MAX]


def refused(faults: Iterable[Fault], *, code: str | None = None) -> InvalidDefinition:
    """The error for one or more faults."""
    told = bounded(faults)
    text = "; ".join(f"{one.path[:_PLACE_CHARS]}: {one.message}" if one.path else one.message for one in told[:SHOWN])
    if len(told) > SHOWN:
        text += f"; and {len(told) - SHOWN} more"
    return InvalidDefinition(text, faults=told, code=code)
