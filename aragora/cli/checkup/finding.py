"""What a check found: a subject, how it stands, what is told of it, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """`fault` keeps the server from working as configured; `warning` only limits it."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report. Never holds the value of a secret."""

    subject: str
    state: State
    told: str
    mend: str = ""


def ok(subject: str, told: str) -> Finding:
    return Finding(subject, State.OK, told)


def warning(subject: str, told: str, mend: str) -> Finding:
    return Finding(subject, State.WARNING, told, mend)


def fault(subject: str, told: str, mend: str) -> Finding:
    return Finding(subject, State.FAULT, told, mend)
