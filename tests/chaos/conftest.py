"""The tally of the chaos run: every test adds its faults, the end of the session tells the sum in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from worlds.chaos_invariants import Findings


@dataclass
class Tally:
    """What was tried, and what the last look at each store found."""

    faults: list[str] = field(default_factory=list)
    worlds: dict[Path, tuple[Findings, int, int]] = field(default_factory=dict)

    def struck(self, *faults: str) -> None:
        self.faults += faults

    def found(self, world: Path, findings: Findings, accepted: Sequence[str], asked: int) -> None:
        """Everything that the store in the data directory `world` holds so far; `asked` counts asks served."""
        self.worlds[world] = (findings, len(accepted), asked)

    def line(self) -> str:
        findings = [found for found, _, _ in self.worlds.values()]
        unanswered = sum((found.failures for found in findings), Counter[str]())
        return (
            f"chaos: {len(self.faults)} faults tried ({len(set(self.faults))} kinds), "
            f"{sum(accepted for _, accepted, _ in self.worlds.values())} debates accepted, "
            f"{sum(asked for _, _, asked in self.worlds.values())} asks served, "
            f"{sum(found.answers for found in findings)} answers, unanswered {dict(unanswered)}, "
            f"{sum(len(found.lost) for found in findings)} lost, "
            f"{sum(len(found.reasked) for found in findings)} re-asked, "
            f"{sum(len(found.repeated) for found in findings)} repeated, "
            f"{sum(len(found.wrong) for found in findings)} otherwise wrong"
        )


TALLY = pytest.StashKey[Tally]()


@pytest.fixture(scope="session")
def tally(request: pytest.FixtureRequest) -> Tally:
    return request.config.stash.setdefault(TALLY, Tally())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    tally = terminalreporter.config.stash.get(TALLY, None)
    if tally is not None and tally.faults:
        terminalreporter.write_line(tally.line())
