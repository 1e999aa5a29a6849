"""Replays over both stores, step by step: what they bring, once each, at which pace, and what ends them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from worlds.webhook_deliveries import WALL
from worlds.webhook_replays import BEGAN, END, Fuse, Killed, ReplayScene

from aragora.config.settings import Settings
from aragora.debate.model import DebateOpened
from aragora.errors import Conflict, Fenced, InvalidInput, NotFound
from aragora.storage.contexts import Context
from aragora.storage.counters import CounterStore
from aragora.storage.database import Database
from aragora.webhooks import replaying as module
from aragora.webhooks import replays as asking
from aragora.webhooks import selecting
from aragora.webhooks.event_examples import EXAMPLES
from aragora.webhooks.fanout import PARKED_AT
from aragora.webhooks.ids import delivery_id
from aragora.webhooks.model import DeliveryStatus, TargetStatus
from aragora.webhooks.replay import Replay, ReplayStatus, Selection, Wish
from aragora.webhooks.replays import repeatable_of

OPENED = next(one for one in EXAMPLES if isinstance(one, DebateOpened))
NUMBERS = count(1)


@pytest.fixture
async def scene(database: Database) -> AsyncIterator[ReplayScene]:
    made = ReplayScene(database)
    yield made
    await made.aclose()


def figures(replay: Replay) -> tuple[ReplayStatus, int, int, int]:
    return replay.status, replay.made, replay.revived, replay.skipped


async def test_dead_letters_come_back_under_their_ids_with_all_their_retries(scene: ReplayScene) -> None:
    await scene.registered()
    dead = [await scene.stored(at=BEGAN + number) for number in range(3)]
    arrived = await scene.stored(ends="delivered")
    early = await scene.stored(at=BEGAN - 500.0)
    other = await scene.stored(event_type="consensus")
    replay = await scene.begin(Selection.FAILED, event_types=("debate_end",))

    await scene.to_the_end(await scene.replaying(), delivers=False)

    waiting = await scene.waiting()
    assert [one.delivery_id for one in waiting] == [one.delivery_id for one in dead], "in the order of their making"
    assert {(one.status, one.attempts, one.budget_from) for one in waiting} == {(DeliveryStatus.PENDING, 1, 1)}
    assert replay.matching == 3
    assert figures(await scene.of(replay)) == (ReplayStatus.DONE, 0, 3, 0)
    for untouched in (arrived, early, other):
        assert (await scene.deliveries.get("local", untouched.delivery_id)).ended_at is not None
    counters = {one.sample: one.amount for one in await CounterStore(scene.database).all()}
    assert counters["aragora_webhook_replayed_total"] == 3.0


async def test_events_without_a_delivery_are_made_under_the_ids_that_follow_from_them(scene: ReplayScene) -> None:
    one = await scene.registered(events=("debate_end", "debate_start"), matching={"status": ("completed",)})
    scene.journals.add("deb_1", OPENED, END)
    scene.journals.add("deb_2", END, began_at=BEGAN + 50.0)
    scene.journals.add("deb_before", END, began_at=BEGAN - 9_000.0)
    scene.journals.add("deb_theirs", END, org_id="other")
    replay = await scene.begin(Selection.MISSING)

    await scene.to_the_end(await scene.replaying(), delivers=False)

    waiting = await scene.waiting()
    assert [each.delivery_id for each in waiting] == [
        delivery_id("deb_1:2", one.endpoint_id),
        delivery_id("deb_2:1", one.endpoint_id),
    ], "debate by debate, without what its filter leaves out"
    assert replay.matching == 2
    assert scene.took == [one.endpoint_id] * 2, "taken up at once"
    events = await scene.deliveries.events([each.event_id for each in waiting])
    assert events["deb_2:1"].created_at == BEGAN + 51.0
    assert figures(await scene.of(replay)) == (ReplayStatus.DONE, 2, 0, 0)


async def test_all_brings_back_what_arrived_or_was_cancelled_too_and_nothing_twice(scene: ReplayScene) -> None:
    one = await scene.registered()
    scene.journals.add("deb_1", END)
    await scene.begin(Selection.MISSING)
    await scene.to_the_end(await scene.replaying())
    await scene.stored()
    waits = await scene.stored(ends=None)
    scene.clock.at += 10.0
    replay = await scene.begin(Selection.ALL)

    await scene.to_the_end(await scene.replaying(), delivers=False)

    made = delivery_id("deb_1:1", one.endpoint_id)
    assert replay.matching == 2
    assert figures(await scene.of(replay)) == (ReplayStatus.DONE, 0, 2, 0)
    assert (await scene.deliveries.get("local", made)).status is DeliveryStatus.PENDING
    assert (await scene.deliveries.get("local", waits.delivery_id)).attempts == 0


async def test_events_of_a_debate_that_began_long_before_the_range_are_found_too_and_last(scene: ReplayScene) -> None:
    await scene.registered()
    day = 86_400.0
    for number in range(3):
        scene.journals.add(f"deb_over_{number}", END, began_at=BEGAN - 40 * day + number)
    scene.journals.add("deb_long", END, END, END, began_at=BEGAN - 30 * day)
    org_id, span = scene.journals.spans["deb_long"]
    rows = scene.journals.rows["deb_long"]
    scene.journals.spans["deb_long"] = (org_id, replace(span, updated_at=BEGAN + 100.0))
    rows[1:] = [(kind, replace(row, at=BEGAN + 50.0 * place)) for place, (kind, row) in enumerate(rows[1:], 1)]
    scene.journals.add("deb_now", END)
    replay = await scene.begin(Selection.MISSING)
    await scene.to_the_end(await scene.replaying(), delivers=False)
    assert [one.event_id for one in await scene.waiting()] == ["deb_now:1", "deb_long:2", "deb_long:3"]
    assert (replay.matching, replay.more) == (3, False)


async def test_replaying_twice_makes_no_second_delivery_of_an_event(scene: ReplayScene) -> None:
    await scene.registered()
    for number in range(5):
        scene.journals.add(f"deb_{number}", END, END)
    for _ in range(2):
        await scene.begin(Selection.MISSING)
        await scene.to_the_end(await scene.replaying())
        scene.clock.at += 1.0
    again = await scene.begin(Selection.MISSING)
    assert again.matching == 0
    assert await scene.attempts() == {f"deb_{number}:{seq}": 1 for number in range(5) for seq in (1, 2)}


async def test_no_more_is_made_than_the_rate_says_and_live_events_wait_behind_little(scene: ReplayScene) -> None:
    await scene.registered()
    for number in range(40):
        scene.journals.add(f"deb_{number:02}", END)
    await scene.begin(Selection.MISSING, rate_per_s=5.0)
    replaying, began, made = await scene.replaying(), scene.clock.at, []
    for _ in range(40):
        pause = await replaying.step()
        made.append(len(await scene.attempts()))
        assert made[-1] <= 5.0 * (scene.clock.at - began) + 5
        scene.clock.at += pause
    assert made[-1] == 10, "twice its rate waits, so it makes no more"
    await scene.deliver_all()
    await replaying.step()
    assert len(await scene.attempts()) == 15
    later = await scene.stored(at=scene.clock.at, ends=None, status=DeliveryStatus.RETRYING, due_at=WALL + 9e3)
    await scene.to_the_end(replaying, delivers=True)
    assert scene.clock.at - began >= 40 / 5.0 - 1.0
    assert later.event_id in await scene.attempts()


async def test_what_is_to_be_tried_again_later_holds_nothing_up(scene: ReplayScene) -> None:
    await scene.registered()
    for _ in range(20):
        await scene.stored(ends=None, status=DeliveryStatus.RETRYING, due_at=WALL + 90_000.0)
    scene.journals.add("deb_1", END)
    await scene.begin(Selection.MISSING, rate_per_s=1.0)
    await scene.to_the_end(await scene.replaying(), delivers=False)
    assert "deb_1:1" in await scene.attempts()


async def test_a_stop_keeps_what_was_made_and_makes_no_more(scene: ReplayScene) -> None:
    await scene.registered()
    for number in range(10):
        scene.journals.add(f"deb_{number}", END)
    replay = await scene.begin(Selection.MISSING, rate_per_s=3.0)
    replaying = await scene.replaying()
    scene.clock.at += await replaying.step()
    await scene.deliver_all()

    stopped = [await scene.replays.stop("local", replay.replay_id) for _ in range(2)]
    await scene.to_the_end(replaying)

    assert stopped[0] == stopped[1] == await scene.of(replay)
    assert figures(stopped[0]) == (ReplayStatus.STOPPED, 3, 0, 0)
    assert (stopped[0].reason, stopped[0].ended_at) == (asking.STOPPED, scene.clock.at)
    assert len(await scene.attempts()) == 3


async def test_for_a_paused_endpoint_a_little_waits_and_the_rest_follows_once_it_is_enabled(
    scene: ReplayScene,
) -> None:
    await scene.registered()
    await scene.stored()
    for number in range(20):
        scene.journals.add(f"deb_{number:02}", END)
    await scene.set_status(TargetStatus.PAUSED)
    replay = await scene.begin(Selection.ALL, rate_per_s=2.0)
    replaying = await scene.replaying()
    for _ in range(20):
        scene.clock.at += await replaying.step()
    waiting = await scene.waiting()
    assert (len(waiting), {one.due_at for one in waiting}) == (4, {PARKED_AT})
    assert (await scene.of(replay)).status is ReplayStatus.RUNNING
    assert set(scene.took) <= {scene.webhook_id}

    await scene.set_status(TargetStatus.ENABLED)
    await scene.deliver_all()
    await scene.to_the_end(replaying)
    assert figures(await scene.of(replay)) == (ReplayStatus.DONE, 20, 1, 0)


@pytest.mark.parametrize("ends", ["was disabled", "was deleted", "has to be verified"])
async def test_a_replay_ends_with_its_endpoint(scene: ReplayScene, ends: str) -> None:
    await scene.registered()
    scene.journals.add("deb_1", END)
    replay = await scene.begin(Selection.MISSING)
    if ends == "was deleted":
        await scene.endpoints.delete("local", scene.webhook_id)
    else:
        await scene.set_status(TargetStatus.DISABLED if ends == "was disabled" else TargetStatus.UNVERIFIED)
    await scene.to_the_end(await scene.replaying())
    ended = await scene.of(replay)
    assert (ended.status, ended.reason) == (ReplayStatus.STOPPED, f"the webhook {ends}")
    assert await scene.attempts() == {}


async def test_what_cannot_be_told_any_more_is_passed_over_and_counted(scene: ReplayScene) -> None:
    await scene.registered()
    for number in range(4):
        scene.journals.add(f"deb_{number}", END)
    replay = await scene.begin(Selection.MISSING)
    scene.journals.damage("deb_1", 1)
    scene.journals.gone.add("deb_2")
    scene.journals.spans.pop("deb_3")
    other = ReplayScene(scene.database)  # nothing of the debates is remembered
    other.journals = scene.journals
    other.selecting._history = scene.journals
    other.selecting._happenings._debates = scene.journals
    await other.to_the_end(await other.replaying())
    assert figures(await scene.of(replay)) == (ReplayStatus.DONE, 1, 0, 2)
    await other.aclose()


async def test_one_that_was_cut_off_and_comes_back_moves_nothing(scene: ReplayScene) -> None:
    await scene.registered()
    for number in range(9):
        scene.journals.add(f"deb_{number}", END)
    await scene.stored()
    replay = await scene.begin(Selection.ALL, rate_per_s=3.0)
    before = await scene.replaying()
    scene.clock.at += await before.step()
    await scene.deliver_all()
    after = await scene.replaying()
    scene.clock.at += 5.0
    was = await scene.of(replay)
    with pytest.raises(Fenced):
        await before.step()
    assert await scene.of(replay) == was
    await scene.to_the_end(after)
    assert figures(await scene.of(replay)) == (ReplayStatus.DONE, 9, 1, 0)


async def test_a_page_that_fails_again_and_again_ends_its_replay_and_no_other(
    scene: ReplayScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.registered()
    scene.journals.add("deb_1", END)
    bad, good = await scene.begin(Selection.FAILED), await scene.begin(Selection.MISSING)
    replaying = await scene.replaying()

    async def breaks(*_: object) -> None:
        raise RuntimeError("nobody expected this")

    monkeypatch.setattr(scene.selecting, "stored", breaks)
    await scene.store.advance(replace(good, position=replace(good.position, stored_done=True)), None)
    await scene.to_the_end(replaying)
    ended = await scene.of(bad)
    assert (ended.status, ended.reason) == (ReplayStatus.FAILED, module.BROKEN)
    assert (await scene.of(good)).status is ReplayStatus.DONE


async def test_what_would_come_is_counted_exactly_or_said_to_be_more(
    scene: ReplayScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.registered()
    monkeypatch.setattr(selecting, "READ", 3)
    for number in range(12):
        scene.journals.add(f"deb_{number:02}", END, END)
        await scene.stored(at=BEGAN + number)
    exact = await scene.begin(Selection.ALL)
    assert (exact.matching, exact.more) == (36, False)
    monkeypatch.setattr(selecting, "COUNT_MAX", 20)
    monkeypatch.setattr(selecting, "COUNT_PAGE", 5)
    bounded = await scene.begin(Selection.ALL)
    assert (bounded.matching, bounded.more) == (20, True)


async def test_nothing_runs_for_a_disabled_unknown_or_foreign_endpoint_and_only_so_many_at_once(
    scene: ReplayScene,
) -> None:
    with pytest.raises(NotFound):
        await scene.begin(Selection.ALL)
    await scene.registered()
    with pytest.raises(InvalidInput):
        await scene.begin(Selection.ALL, since=WALL + 1.0)
    with pytest.raises(NotFound):
        await scene.replays.page("other", scene.webhook_id, cursor=None, limit=10)
    for _ in range(asking.RUNNING_MAX):
        replay = await scene.begin(Selection.FAILED)
    with pytest.raises(Conflict) as refused:
        await scene.begin(Selection.FAILED)
    assert refused.value.code == "too_many_replays"
    await scene.replays.stop("local", replay.replay_id)
    await scene.begin(Selection.FAILED)
    for status in (TargetStatus.DISABLED, TargetStatus.UNVERIFIED):
        await scene.set_status(status)
        with pytest.raises(Conflict) as refused:
            await scene.begin(Selection.FAILED)
        assert refused.value.code == f"webhook_{status}"
    for org_id, replay_id in (("other", replay.replay_id), ("local", "rpl_unknown")):
        for ask in (scene.replays.get, scene.replays.stop):
            with pytest.raises(NotFound) as unknown:
                await ask(org_id, replay_id)
            assert unknown.value.message == f"there is no replay {replay_id}"


async def test_a_request_that_comes_again_begins_one_replay(scene: ReplayScene) -> None:
    await scene.registered()
    drafts = [await scene.replays.draft("local", "ann", scene.webhook_id, _wish()) for _ in range(2)]
    key = repeatable_of("key-1", scene.webhook_id, _wish())
    assert key is not None
    first, second = await asyncio.gather(*(scene.replays.begin(one, key) for one in drafts))
    assert first == second
    assert await scene.replays.begun("local", "ann", scene.webhook_id, key) == first
    assert await scene.replays.begun("local", "bob", scene.webhook_id, key) is None
    with pytest.raises(Conflict):
        await scene.replays.begun("local", "ann", scene.webhook_id, replace(key, request_hash="another"))
    page = await scene.replays.page("local", scene.webhook_id, cursor=None, limit=10)
    assert page.items == (first,)


async def test_lists_are_newest_first_and_old_ones_go(scene: ReplayScene) -> None:
    await scene.registered()
    made = []
    for _ in range(3):
        made.append(await scene.begin(Selection.FAILED))
        scene.clock.at += 10.0
    first = await scene.replays.page("local", scene.webhook_id, cursor=None, limit=2)
    rest = await scene.replays.page("local", scene.webhook_id, cursor=first.next_cursor, limit=2)
    assert [*first.items, *rest.items] == made[::-1]
    await scene.to_the_end(await scene.replaying())
    running = await scene.begin(Selection.FAILED)
    assert await scene.store.prune(scene.clock.at + 1.0) == 3
    assert (await scene.replays.page("local", scene.webhook_id, cursor=None, limit=9)).items == (running,)


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_killed_anywhere_and_resumed_it_brings_each_once(settings: Settings) -> None:
    """Whatever writes last, and whether or not it was written: each event comes once, and is counted once."""
    kills = st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=6)

    @examples(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(kills, st.integers(0, 7), st.integers(0, 7), st.integers(0, 4), st.booleans())
    def law(fuses: list[tuple[int, bool]], dead: int, missing: int, arrived: int, delivers: bool) -> None:
        asyncio.run(_each_once(settings, fuses, dead, missing, arrived, delivers=delivers))

    law()


async def _each_once(
    settings: Settings, fuses: list[tuple[int, bool]], dead: int, missing: int, arrived: int, *, delivers: bool
) -> None:
    number = next(NUMBERS)
    database = Database.open(settings, Context.WEBHOOKS)
    scene = ReplayScene(database, org_id=f"org_{number}", webhook_id=f"wh_{number:06}")
    try:
        await scene.registered()
        for place in range(dead + arrived):
            await scene.stored(at=BEGAN + place, ends="dead" if place < dead else "delivered")
        for place in range(missing):
            scene.journals.add(f"deb_{number}_{place}", END, org_id=scene.org_id)
        replay = await scene.begin(Selection.ALL, rate_per_s=3.0)
        for left, after in [*fuses, (10_000, False)]:
            replaying = await scene.replaying(Fuse(left, after))
            try:
                await scene.to_the_end(replaying, delivers=True)
            except Killed:
                if delivers:
                    await scene.deliver_all()
                scene.clock.at += 1.0
        await scene.deliver_all()
        assert figures(await scene.of(replay)) == (ReplayStatus.DONE, missing, dead + arrived, 0)
        assert replay.matching == dead + arrived + missing
        attempts = await scene.attempts()
        assert sorted(attempts.values()) == sorted([2] * (dead + arrived) + [1] * missing)
    finally:
        await scene.aclose()
        await database.aclose()


def _wish() -> Wish:
    return Wish(BEGAN, WALL, Selection.FAILED)
