"""What `aragora doctor` reports: one finding a line, each with its state and its remedy."""

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
    """One line of the doctor's report: a subject, its state, what was found, and how to mend it.

    It never holds the value of a secret. The names of its fields are those of `aragora doctor --json`.
    """

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
