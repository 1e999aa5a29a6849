"""The tally of the chaos run: every test adds its faults, the end of the session tells the sum in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from worlds.chaos_invariants import Findings


@dataclass
class Tally:
    """What was tried, and what was found after it."""

    faults: list[str] = field(default_factory=list)
    accepted: int = 0
    asked: int = 0
    answers: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    reasked: int = 0
    repeated: int = 0
    wrong: int = 0

    def struck(self, *faults: str) -> None:
        self.faults += faults

    def found(self, findings: Findings, accepted: Sequence[str], asked: int) -> None:
        self.accepted += len(accepted)
        self.asked += asked
        self.answers += findings.answers
        self.failures += findings.failures
        self.lost += len(findings.lost)
        self.reasked += len(findings.reasked)
        self.repeated += len(findings.repeated)
        self.wrong += len(findings.wrong)

    def line(self) -> str:
        return (
            f"chaos: {len(self.faults)} faults tried ({len(set(self.faults))} kinds), {self.accepted} debates accepted, "
            f"{self.asked} asks served, {self.answers} answers, unanswered {dict(self.failures)}, {self.lost} lost, {self.reasked} re-asked, {self.repeated} repeated, "
            f"{self.wrong} other"
        )


TALLY = pytest.StashKey[Tally]()


@pytest.fixture(scope="session")
def tally(request: pytest.FixtureRequest) -> Tally:
    return request.config.stash.setdefault(TALLY, Tally())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    tally = terminalreporter.config.stash.get(TALLY, None)
    if tally is not None and tally.faults:
        terminalreporter.write_line(tally.line())
