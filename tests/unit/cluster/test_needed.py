"""What a cluster needs is told setting by setting, with the remedy and without a value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.cluster.needed import missing_for_cluster
from aragora.config.settings import load_settings

WHOLE = {
    "DATABASE_URL": "postgresql://me:hunter2@db/aragora",
    "ARAGORA_JWT_SECRET": "j" * 32,
    "ARAGORA_ENCRYPTION_KEY": "ab" * 32,
    "ARAGORA_RECEIPT_SIGNING_KEY": "cd" * 32,
    "ARAGORA_API_TOKEN": "t" * 32,
}


@given(st.sets(st.sampled_from(sorted(WHOLE))))
def test_each_missing_setting_has_its_line_and_no_other_has(absent: set[str]) -> None:
    lines = missing_for_cluster(load_settings({name: value for name, value in WHOLE.items() if name not in absent}))
    assert sorted(line.partition(" ")[0] for line in lines) == sorted(absent)


def test_the_remedy_stands_in_the_line() -> None:
    lines = {line.partition(" ")[0]: line for line in missing_for_cluster(load_settings({}))}
    assert "every node reaches" in lines["DATABASE_URL"]
    for name in WHOLE.keys() - {"DATABASE_URL"}:
        assert "`aragora cluster env`" in lines[name]
        assert "copy" in lines[name]
    assert not any("\n" in line for line in lines.values())


@pytest.mark.parametrize("name", ["ARAGORA_JWT_SECRET", "ARAGORA_API_TOKEN"])
def test_a_secret_that_could_be_guessed_is_told_in_development_too(name: str) -> None:
    (line,) = missing_for_cluster(load_settings({**WHOLE, name: "hunter2"}))
    assert line.startswith(name)
    assert "hunter2" not in line
