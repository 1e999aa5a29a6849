"""`ResponseCache` as the runbook prints it."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from worlds.backends import SetClock

from aragora.errors import InvalidInput
from aragora.server.middleware.decision_routing import ResponseCache


def test_the_runbooks_lines_do_what_they_say() -> None:
    cache = ResponseCache(max_size=1000, ttl_seconds=3600)
    # Store with tags
    cache.set(
        key="debate-123",
        result={"decision": "approve"},
        workspace_id="ws-1",
        tags=["debate", "high-priority"],
    )
    assert cache.get("debate-123") == {"decision": "approve"}
    # Invalidate all entries with a specific tag
    count = cache.invalidate_by_tag("high-priority")
    assert count == 1
    assert cache.get("debate-123") is None
    assert cache.invalidate_by_tag("high-priority") == 0


def filled(**more: Any) -> ResponseCache:
    cache = ResponseCache(**more)
    cache.set("a", 1, "ws-1", ["x"], agent_versions={"claude": "3.5"})
    cache.set("b", 2, "ws-1", ["x", "y"], agent_versions={"claude": "4"})
    cache.set("c", 3, "ws-2", agent_versions={"gpt": "3.5"})
    return cache


def test_each_invalidation_takes_out_what_it_names_and_nothing_else() -> None:
    assert filled().invalidate_workspace("ws-1") == 2
    assert filled().invalidate_by_tag("y") == 1
    assert filled().invalidate_agent_version("claude", "3.5") == 1
    cache = filled()
    assert cache.invalidate_agent_version("claude", "v3.5") == 1
    assert [cache.get(key) for key in "abc"] == [None, 2, 3]
    assert cache.clear() == 2


def test_an_era_of_the_policy_never_comes_back() -> None:
    cache = filled()
    cache.set_policy_version("v2")
    assert len(cache) == 0
    cache.set("d", 4)
    cache.set_policy_version("1")
    assert [cache.get(key) for key in "abcd"] == [None] * 4
    cache.set("e", 5)
    cache.set_policy_version("1")
    assert cache.get("e") == 5, "the version in force changes nothing"


def test_results_end_with_their_time_and_the_least_recently_used_go_first() -> None:
    clock = SetClock()
    cache = ResponseCache(max_size=2, ttl_seconds=10, clock=clock)
    cache.set("a", 1)
    cache.set("b", 2)
    assert cache.get("a") == 1
    cache.set("c", 3)
    assert [cache.get(key) for key in "abc"] == [1, None, 3]
    assert cache.stats()["evictions"] == 1
    clock.at += 10
    assert (cache.get("a"), len(cache)) == (None, 0)


def test_it_holds_no_more_bytes_than_it_may() -> None:
    cache = ResponseCache(max_bytes=100)
    for number in range(10):
        cache.set(f"k{number}", "x" * 38)
    assert len(cache) == 2
    with pytest.raises(InvalidInput, match="the cache holds 100"):
        cache.set("large", "x" * 99)


def test_what_is_given_is_a_copy() -> None:
    cache, result = ResponseCache(), {"votes": [1]}
    cache.set("a", result)
    result["votes"].append(2)
    cache.get("a")["votes"].append(3)
    assert cache.get("a") == {"votes": [1]}


def test_figures_have_both_spellings_of_the_runbook() -> None:
    cache = ResponseCache(max_size=5, ttl_seconds=60)
    assert cache.stats()["hit_rate"] == 0.0
    cache.set("a", 1, "ws-1")
    cache.get("a")
    cache.get("b")
    assert cache.stats() == {
        "total_entries": 1,
        "size": 1,
        "max_size": 5,
        "ttl_seconds": 60.0,
        "hits": 1,
        "misses": 1,
        "hit_rate": 0.5,
        "evictions": 0,
        "invalidations": 0,
        "current_policy_version": "1",
        "policy_version": "1",
        "entries_by_workspace": {"ws-1": 1},
    }


@pytest.mark.parametrize(
    "wrong",
    [
        *({"max_size": value} for value in (0, -1, 1.5, True, "10", 10**9)),
        *({"ttl_seconds": value} for value in (0, -1, float("nan"), float("inf"), 10**12, "60", True)),
        {"max_bytes": 0},
    ],
)
def test_a_cache_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        ResponseCache(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": ""},
        {"key": "k" * 1_001},
        {"key": "a\0b"},
        {"key": 7},
        {"tags": ["t" * 100_000]},
        {"tags": [f"t{number}" for number in range(101)]},
        {"tags": "debate"},
        {"tags": [None]},
        {"workspace_id": ""},
        {"workspace_id": "ws\x00/../ws-2"},
        {"result": float("nan")},
        {"result": object()},
        {"result": "\ud800"},
        {"agent_versions": {"claude": ""}},
    ],
)
def test_what_cannot_be_kept_is_refused_and_nothing_changes(wrong: dict[str, Any]) -> None:
    cache = filled()
    with pytest.raises(InvalidInput):
        cache.set(**{"key": "a", "result": 9, **wrong})
    assert [cache.get(key) for key in "abc"] == [1, 2, 3]


def test_threads_may_use_it_together() -> None:
    cache = ResponseCache(max_size=50)
    wrong: list[object] = []

    def work(own: int) -> None:
        for number in range(300):
            key = f"{own}-{number % 20}"
            cache.set(key, [own, number], f"ws-{own}", [f"t{number % 3}"])
            found = cache.get(key)
            if found is not None and found[0] != own:
                wrong.append(found)
            if number % 50 == 0:
                cache.invalidate_by_tag("t1")

    threads = [threading.Thread(target=work, args=(own,)) for own in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert wrong == []
    assert len(cache) <= 50


class Model(RuleBasedStateMachine):
    """What is given is what was kept last under the key, and nothing has invalidated since."""

    @initialize()
    def begin(self) -> None:
        self.clock = SetClock()
        self.cache = ResponseCache(max_size=4, ttl_seconds=10, clock=self.clock)
        self.kept: dict[str, tuple[int, str, str, float]] = {}
        self.policy = "1"

    @rule(key=st.sampled_from("abcdef"), value=st.integers(), of=st.sampled_from("wv"), tag=st.sampled_from("st"))
    def keep(self, key: str, value: int, of: str, tag: str) -> None:
        self.cache.set(key, value, of, [tag])
        self.kept[key] = (value, of, tag, self.clock.at + 10)

    @rule(of=st.sampled_from("wv"))
    def workspace(self, of: str) -> None:
        self.cache.invalidate_workspace(of)
        self.kept = {key: one for key, one in self.kept.items() if one[1] != of}

    @rule(tag=st.sampled_from("st"))
    def by_tag(self, tag: str) -> None:
        self.cache.invalidate_by_tag(tag)
        self.kept = {key: one for key, one in self.kept.items() if one[2] != tag}

    @rule(version=st.sampled_from(["1", "2", "3"]))
    def set_policy(self, version: str) -> None:
        self.cache.set_policy_version(version)
        if version != self.policy:
            self.policy, self.kept = version, {}

    @rule(seconds=st.integers(0, 6))
    def wait(self, seconds: int) -> None:
        self.clock.at += seconds

    @invariant()
    def nothing_stale_is_given(self) -> None:
        assert len(self.cache) <= 4
        for key in "abcdef":
            found, kept = self.cache.get(key), self.kept.get(key)
            assert found is None or (kept is not None and kept[0] == found and self.clock.at < kept[3])


TestModel = Model.TestCase


@given(st.lists(st.sampled_from("abc"), max_size=30))
def test_the_hit_rate_is_a_share(looked_up: list[str]) -> None:
    cache = filled()
    cache.invalidate_by_tag("y")
    for key in looked_up:
        cache.get(key)
    assert 0.0 <= cache.stats()["hit_rate"] <= 1.0
