"""Names as name servers answer for them, honest ones and others."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from worlds.backends import SetClock
from worlds.waiting import eventually

from aragora.clock import SystemClock
from aragora.errors import InvalidInput
from aragora.webhooks.guard import REFUSED
from aragora.webhooks.networks import Reason
from aragora.webhooks.resolver import Blocked, NoAddress, Resolver
from tests.standins.names import Names

from .conftest import opened

WITHIN_S = 30.0
PUBLIC, PUBLIC_6 = "8.8.8.8", "2606:4700::1111"


@asynccontextmanager
async def closed_at_the_end(resolver: Resolver) -> AsyncIterator[Resolver]:
    try:
        yield resolver
    finally:
        await resolver.close()


def resolving(names: Names, timeout_s: float = 5.0) -> AbstractAsyncContextManager[Resolver]:
    resolver = Resolver(opened(), clock=SystemClock(), nameservers=[names.server], timeout_s=timeout_s)
    return closed_at_the_end(resolver)


async def found(resolver: Resolver, host: str) -> set[str]:
    return {result["host"] for result in await resolver.resolve(host, 443)}


async def test_a_name_has_all_its_addresses_of_both_families(resolver: Resolver, names: Names) -> None:
    names.set("hooks.test", PUBLIC, "1.1.1.1", PUBLIC_6)
    assert await found(resolver, "hooks.test") == {PUBLIC, "1.1.1.1", PUBLIC_6}
    assert {result["port"] for result in await resolver.resolve("hooks.test", 443)} == {443}


@pytest.mark.parametrize(
    "addresses",
    [
        *itertools.permutations([PUBLIC, "10.0.0.1", "1.1.1.1"]),
        (PUBLIC_6, "127.0.0.1"),
        (PUBLIC, "::1"),
        (PUBLIC, "fd00:ec2::254", PUBLIC_6),
        (PUBLIC, "64:ff9b::a9fe:a9fe"),
        ("::ffff:127.0.0.1", PUBLIC),
        ("0.0.0.0",),
    ],
    ids=" ".join,
)
async def test_one_internal_address_makes_the_whole_answer_refused(
    resolver: Resolver, names: Names, addresses: tuple[str, ...]
) -> None:
    names.set("mixed.test", *addresses)
    with pytest.raises(Blocked):
        await resolver.resolve("mixed.test", 443)


async def test_no_search_domain_is_tried(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALDOMAIN", "svc.cluster.test")
    names.set("redis.svc.cluster.test", PUBLIC)
    names.set("a.redis.svc.cluster.test", PUBLIC)
    async with resolving(names) as resolver:
        for host in ("redis", "a.redis", "a.redis."):
            with pytest.raises(NoAddress):
                await resolver.resolve(host, 443)
    assert {asked.split()[0] for asked in names.asked} <= {"redis", "a.redis"}
    assert names.asked


async def test_the_check_of_a_url_resolves_it(resolver: Resolver, names: Names) -> None:
    names.set("hooks.test", PUBLIC)
    names.set("inside.test", "10.0.0.1")
    await resolver.check("https://hooks.test/x")
    await resolver.check("https://8.8.8.8/x")
    for blocked in ("https://inside.test/x", "https://10.0.0.1/x", "https://own.test/", "https://[::1]/"):
        with pytest.raises(InvalidInput) as refused:
            await resolver.check(blocked)
        assert refused.value.message == REFUSED
    with pytest.raises(InvalidInput, match="no address"):
        await resolver.check("https://nobody.test/x")


async def test_a_host_of_the_hosts_file_is_judged_as_well(resolver: Resolver) -> None:
    """c-ares answers for it without a name server; Linux has this one everywhere."""
    with pytest.raises(Blocked) as blocked:
        await resolver.resolve("localhost", 80)
    assert blocked.value.reason is Reason.LOOPBACK


async def test_a_receiver_that_moves_is_found_however_long_its_answers_may_be_kept(names: Names) -> None:
    clock = SetClock()
    names.ttl_s = 3_600
    names.set("hooks.test", PUBLIC)
    resolver = Resolver(opened(), clock=clock, nameservers=[names.server])
    async with closed_at_the_end(resolver):
        assert await found(resolver, "hooks.test") == {PUBLIC}
        names.set("hooks.test", "127.0.0.1")
        clock.at += WITHIN_S
        with pytest.raises(Blocked):
            await resolver.resolve("hooks.test", 443)
        for _ in range(5):
            clock.at += WITHIN_S
            with pytest.raises(Blocked):
                await resolver.resolve("hooks.test", 443)


async def test_a_name_server_that_never_answers_ends_in_time(names: Names) -> None:
    async with resolving(names, timeout_s=0.05) as resolver:
        with pytest.raises(NoAddress, match="no answer in time"):
            await resolver.resolve("silent.test", 443)
        with pytest.raises(InvalidInput, match="no answer in time"):
            await resolver.check("https://silent.test/")


async def test_two_hundred_names_without_an_answer_delay_no_other(resolver: Resolver, names: Names) -> None:
    names.set("hooks.test", PUBLIC)
    waiting = [asyncio.ensure_future(resolver.resolve(f"silent-{number}.test", 443)) for number in range(200)]
    await eventually(lambda: names.asked)  # all were handed over by then
    assert await found(resolver, "hooks.test") == {PUBLIC}
    assert not any(query.done() for query in waiting)  # the healthy one came before any of them ended
    await resolver.close()
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(end) for end in ends} == {NoAddress}
