"""How many processes adapters have is decided once, where the service is started."""

from __future__ import annotations

import os

import pytest

from actors.adapter_processes import CORES_FOR_OWN, decided, hosts
from actors.kinds import ADAPTERS_KEY, Kind
from actors.runtime import Runtime
from aragora.config.knowledge import AdapterProcesses
from aragora.config.settings import Settings

NAMES = ("consensus", "evidence")
SHARED = dict.fromkeys(NAMES, ADAPTERS_KEY)
OWN = dict(zip(NAMES, NAMES, strict=True))


@pytest.mark.parametrize(
    ("cores", "expected"), [(1, SHARED), (CORES_FOR_OWN - 1, SHARED), (CORES_FOR_OWN, OWN), (None, SHARED)]
)
def test_the_cores_decide_what_the_settings_leave_open(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, expected: dict[str, str]
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert hosts(Settings(), NAMES) == expected


@pytest.mark.parametrize(("named", "expected"), [(AdapterProcesses.SHARED, SHARED), (AdapterProcesses.OWN, OWN)])
def test_what_the_settings_say_holds_on_any_machine(
    monkeypatch: pytest.MonkeyPatch, named: AdapterProcesses, expected: dict[str, str]
) -> None:
    for cores in (1, 64):
        monkeypatch.setattr(os, "cpu_count", lambda: cores)  # noqa: B023
        assert hosts(Settings(knowledge_adapter_processes=named), NAMES) == expected


async def test_what_is_begun_goes_by_the_decision_of_the_machine_that_began_it(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Settings] = []

    def create(kind: Kind[object], key: str, settings: Settings) -> object:
        given.append(settings)
        raise ValueError("enough")

    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    runtime = Runtime(Settings(), create)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="enough"):
        runtime._create(Kind("greeter", "x:Greeter"), "g", runtime._settings)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert hosts(given[0], NAMES) == SHARED
    assert decided(given[0]) is given[0]
