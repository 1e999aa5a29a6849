"""What `aragora cluster deploy` does with a schema that the running release could not live with. Ray is not started."""

from __future__ import annotations

from pathlib import Path

import pytest

from aragora.composition.cluster.deploying import _migrate
from aragora.config.settings import Settings
from aragora.errors import Conflict
from aragora.migrations import applying, history
from aragora.migrations.history import Revision, Standing
from aragora.storage.contexts import Context

FIRST, SECOND, NEXT = (Revision(number, Context.CORE, "x") for number in ("0001", "0002", "1001"))


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A line for each time that what is pending was applied."""
    times: list[str] = []
    monkeypatch.setattr(applying, "apply_all", lambda _: times.append("applied"))
    return times


def pending(monkeypatch: pytest.MonkeyPatch, *revisions: Revision) -> None:
    async def found(_: Settings) -> Standing:
        return Standing((FIRST,), revisions)

    monkeypatch.setattr(history, "standing", found)


def test_beside_a_running_release_only_its_own_generation_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, applied: list[str]
) -> None:
    settings = Settings(data_dir=tmp_path)
    pending(monkeypatch, SECOND)
    _migrate(settings, runs=True)
    assert applied == ["applied"]
    pending(monkeypatch, SECOND, NEXT)
    with pytest.raises(Conflict, match=r"new generation.*aragora cluster stop"):
        _migrate(settings, runs=True)
    assert applied == ["applied"], "nothing was changed"


def test_where_nothing_runs_a_new_generation_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, applied: list[str]
) -> None:
    pending(monkeypatch, SECOND, NEXT)
    _migrate(Settings(data_dir=tmp_path), runs=False)
    assert applied == ["applied"]
