"""One test bed for the whole run. Where this machine cannot carry one, the tests are skipped and one line says why."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from worlds.hosts.bed import Bed, standing_bed
from worlds.hosts.possible import why_no_bed

REASON = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def able_machine(request: pytest.FixtureRequest) -> None:
    """Skips the tests that need a bed where none can be built."""
    reason = why_no_bed()
    if reason:
        request.config.stash[REASON] = reason
        pytest.skip(f"no test bed: {reason}")


@pytest.fixture(scope="session")
def bed(able_machine: None) -> Iterator[Bed]:
    """Shared: a test leaves the hosts without running programs of its own. Faults are mended after each test."""
    with standing_bed() as bed:
        yield bed


@pytest.fixture(autouse=True)
def mended(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test of the shared bed its network is whole and every host is on."""
    yield
    if "bed" in request.fixturenames:
        shared: Bed = request.getfixturevalue("bed")
        shared.mend()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reason = terminalreporter.config.stash.get(REASON, None)
    if reason:
        terminalreporter.write_line(f"skipped the tests of a cluster: {reason}")
