"""The tally of the chaos run: every test adds its faults, the end of the session tells the sum in one line."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from worlds.backends import copied_database, fresh_database
from worlds.chaos_invariants import Findings
from worlds.postgres_process import fresh_postgres
from worlds.webhook_invariants import Findings as WebhookFindings
from worlds.webhook_lives import Lives, WebhookWorld, webhook_world

from aragora.config.settings import load_settings
from aragora.migrations.applying import apply_all


@dataclass
class Tally:
    """What was tried, and what the last look at each store found."""

    faults: list[str] = field(default_factory=list)
    worlds: dict[Path, tuple[Findings, int, int]] = field(default_factory=dict)
    webhooks: dict[Path, WebhookFindings] = field(default_factory=dict)

    def struck(self, *faults: str) -> None:
        self.faults += faults

    def found(self, world: Path, findings: Findings, accepted: Sequence[str], asked: int) -> None:
        """Everything that the store in the data directory `world` holds so far; `asked` counts asks served."""
        self.worlds[world] = (findings, len(accepted), asked)

    def delivered(self, world: Path, findings: WebhookFindings) -> None:
        """What became so far of the webhooks of the stores in the data directory `world`."""
        self.webhooks[world] = findings

    def line_of_webhooks(self) -> str:
        found = list(self.webhooks.values())
        struck = [fault for fault in self.faults if "webhook" in fault]
        return (
            f"chaos of webhooks: {len(struck)} faults tried ({len(set(struck))} kinds), "
            f"{sum(one.wanted for one in found)} events accepted for an endpoint, "
            f"{sum(one.deliveries for one in found)} deliveries: {sum(one.delivered for one in found)} delivered, "
            f"{sum(one.dead for one in found)} dead letters of receivers that fail, "
            f"{sum(len(one.lost) for one in found)} lost; {sum(one.requests for one in found)} requests, "
            f"{sum(one.duplicates for one in found)} of them duplicates (bound: {sum(one.bound for one in found)} on "
            f"their way), {sum(len(one.repeated) for one in found)} beyond the bound, "
            f"{sum(len(one.wrong) for one in found)} otherwise wrong"
        )

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
        if tally.webhooks:
            terminalreporter.write_line(tally.line_of_webhooks())


@pytest.fixture(scope="session")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lives]:
    """The program of which the lives of webhook tests are forked."""
    program = Lives(tmp_path_factory.mktemp("lives") / "lives.log")
    try:
        yield program
    finally:
        program.close()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with empty stores, to be copied: migrating takes longer."""
    directory = tmp_path_factory.mktemp("migrated")
    apply_all(load_settings({"ARAGORA_DATA_DIR": str(directory)}))
    return directory


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A PostgreSQL that may be killed and started again."""
    with fresh_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_url(migrated: Path, postgres: Any) -> str:
    """The URL of a database in it with empty stores, to be copied."""
    url = asyncio.run(fresh_database(postgres.get_uri()))
    apply_all(load_settings({"ARAGORA_DATA_DIR": str(migrated), "DATABASE_URL": url}))
    return url


@pytest.fixture
def world(request: pytest.FixtureRequest, lives: Lives, migrated: Path, tmp_path: Path) -> Iterator[WebhookWorld]:
    """Webhooks over SQLite, or over what the parameter says."""
    shutil.copytree(migrated, tmp_path / "data")
    variables = {}
    if getattr(request, "param", "sqlite") == "postgres":
        copied = copied_database(request.getfixturevalue("migrated_url"))
        variables = {"DATABASE_URL": asyncio.run(copied), "ARAGORA_DB_POOL_TIMEOUT": "2"}
    with webhook_world(tmp_path / "data", lives, **variables) as made:
        yield made
