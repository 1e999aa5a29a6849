"""What nodes have in common besides secrets."""

from __future__ import annotations

from aragora.cluster.shared_settings import refused_settings, shared_settings, told_settings
from aragora.config.settings import load_settings


def shared(**variables: str) -> dict[str, str]:
    return shared_settings(load_settings(variables))


def test_another_number_of_shards_or_another_mode_keeps_a_node_out() -> None:
    here = shared(ARAGORA_COORDINATOR_SHARDS="2", ARAGORA_ENV="production")
    shards, mode = refused_settings(here, shared())
    assert shards.startswith("ARAGORA_COORDINATOR_SHARDS is 2 here and 1 on the other nodes")
    assert mode.startswith("ARAGORA_ENV is production here and development on the other nodes")
    assert refused_settings(here, here) == ()


def test_another_redis_is_told_without_its_password_and_keeps_nobody_out() -> None:
    here = shared(ARAGORA_REDIS_URL="redis://:hunter2@one:6379/0")
    there = shared(ARAGORA_REDIS_URL="redis://:hunter3@two:6379/0")
    assert refused_settings(here, there) == ()
    (line,) = told_settings(here, there)
    assert "one:6379/0 here and two:6379/0" in line
    assert "hunter" not in line + str(here)
    assert told_settings(here, shared(ARAGORA_REDIS_URL="redis://:other@one:6379/0")) == ()


def test_what_an_older_release_did_not_store_differs_from_nothing() -> None:
    assert refused_settings(shared(), {}) == told_settings(shared(), {}) == ()
