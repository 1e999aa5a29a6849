"""A look for knowledge costs a debate its time limit at most, whatever the source does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs
from worlds.debating import item_of
from worlds.logical_time import in_logical_time
from worlds.memory_engine import spec
from worlds.memory_knowledge import ScriptedSource, something

from aragora.debate.hints import ISSUES_MAX, OfferedCrux, OfferedIssue, OfferedPrior
from aragora.debate.knowledge import NotOffered, Offer, digest_of
from aragora.debate.running.looks import LIMIT_S, Looks
from aragora.errors import Unavailable


def raising(error: BaseException) -> Any:
    def script() -> Offer:
        raise error

    return script


async def test_what_the_source_has_is_offered() -> None:
    assert (await Looks(ScriptedSource()).offer(spec())) == something()


@in_logical_time
async def test_a_slow_source_costs_the_time_limit_and_no_more() -> None:
    looks = Looks(ScriptedSource(takes_s=31.0))
    began = asyncio.get_running_loop().time()
    assert (await looks.offer(spec())).why is NotOffered.LATE
    assert asyncio.get_running_loop().time() - began == pytest.approx(LIMIT_S)


@in_logical_time
async def test_a_source_that_does_not_hear_its_cancellation_delays_nobody_and_keeps_its_place() -> None:
    source = ScriptedSource(deaf=True)
    looks = Looks(source, at_once=1)
    assert (await looks.offer(spec("deb_1"))).why is NotOffered.LATE
    assert (await looks.offer(spec("deb_2"))).why is NotOffered.BUSY
    source.let_go.set()
    source.deaf = False
    await asyncio.sleep(0.1)
    assert (await looks.offer(spec("deb_3"))).items
    assert source.asked == ["deb_1", "deb_3"]


@in_logical_time
async def test_no_more_looks_are_under_way_than_may_be_and_who_finds_no_place_does_not_wait() -> None:
    source = ScriptedSource(takes_s=0.1)
    looks = Looks(source, at_once=3)
    found = await asyncio.gather(*(looks.offer(spec(f"deb_{number}")) for number in range(5)))
    assert [offer.why for offer in found] == [None, None, None, NotOffered.BUSY, NotOffered.BUSY]
    assert len(source.asked) == 3


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("the mound is away"),
        RuntimeError("postgres://user:secret@host"),
        asyncio.CancelledError(),
        KeyError(),
    ],
)
async def test_a_source_that_fails_is_away_and_its_error_tells_no_secret(error: BaseException) -> None:
    with capture_logs() as logs:
        assert (await Looks(ScriptedSource(raising(error))).offer(spec())).why is NotOffered.AWAY
    assert "secret" not in str(logs)


async def test_a_source_that_is_away_is_told_of_once_until_it_answers() -> None:
    source = ScriptedSource(raising(Unavailable("away")))
    looks = Looks(source)
    with capture_logs() as logs:
        for script in (source.script, source.script, something, source.script):
            source.script = script
            await looks.offer(spec())
    assert [line["event"] for line in logs].count("knowledge cannot be looked for: debates go on without") == 2


@pytest.mark.parametrize(
    ("offer", "why"),
    [
        (Offer(), NotOffered.NONE),
        (Offer(why=NotOffered.OFF), NotOffered.OFF),
        (Offer((replace(item_of(1), digest="wrong"),)), NotOffered.AWAY),
        (None, NotOffered.AWAY),
        (Offer(("no item",)), NotOffered.AWAY),  # type: ignore[arg-type]
    ],
)
async def test_without_an_item_that_can_be_offered_the_offer_says_why(offer: Any, why: NotOffered) -> None:
    assert await Looks(ScriptedSource(lambda: offer)).offer(spec()) == Offer(why=why)


@pytest.mark.parametrize("text", ["half \ud800 of a character", "NUL \x00 inside"])
async def test_an_item_that_no_journal_can_hold_is_left_out_alone(text: str) -> None:
    broken = item_of(1, text, digest=digest_of(text))
    offer = await Looks(ScriptedSource(lambda: Offer((broken, item_of(2))))).offer(spec())
    assert [item.item_id for item in offer.items] == ["kno_2"]


ISSUE = OfferedIssue("It names no source.", "kn_1", 2, 0.75)


@pytest.mark.parametrize(
    "broken",
    [
        replace(ISSUE, text="half \ud800"),
        replace(ISSUE, text="NUL \x00"),
        replace(ISSUE, debates=0),
        replace(ISSUE, debates="many"),  # type: ignore[arg-type]
        "no issue",
    ],
)
async def test_an_issue_that_breaks_a_bound_costs_neither_its_neighbours_nor_the_items(broken: Any) -> None:
    source = ScriptedSource(lambda: Offer((item_of(1),), checklist=(broken, ISSUE)))
    assert await Looks(source).offer(spec()) == Offer((item_of(1),), checklist=(ISSUE,))


async def test_a_checklist_that_cannot_be_read_costs_no_item() -> None:
    unreadable: Any = None
    source = ScriptedSource(lambda: Offer((item_of(1),), checklist=unreadable))
    assert await Looks(source).offer(spec()) == Offer((item_of(1),))


PRIOR = OfferedPrior("three", "kn_1", 0.73, 2, 3)
CRUX = OfferedCrux("The disk is the bottleneck.", "kn_1", 2)


async def test_priors_and_cruxes_are_offered_and_what_breaks_a_bound_of_theirs_is_left_out_alone() -> None:
    broken: Any = (replace(PRIOR, share=2.0), "no prior", PRIOR), (replace(CRUX, text="NUL \x00"), None, CRUX)
    source = ScriptedSource(lambda: Offer((item_of(1),), priors=broken[0], cruxes=broken[1]))
    assert await Looks(source).offer(spec()) == Offer((item_of(1),), priors=(PRIOR,), cruxes=(CRUX,))


async def test_a_checklist_is_offered_without_any_item_and_bounded() -> None:
    many = tuple(replace(ISSUE, item_id=f"kn_{number}") for number in range(90))
    offer = await Looks(ScriptedSource(lambda: Offer(why=NotOffered.NONE, checklist=many))).offer(spec())
    assert offer == Offer(why=NotOffered.NONE, checklist=many[:ISSUES_MAX])


async def test_an_offer_without_end_is_read_to_its_bound() -> None:
    def endless() -> Any:
        number = 0
        while True:
            number += 1
            yield item_of(number, digest="wrong")

    source = ScriptedSource(lambda: Offer(endless()))
    assert (await Looks(source).offer(spec())).why is NotOffered.AWAY
