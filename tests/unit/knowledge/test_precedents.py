"""What a question was settled on, as somebody asks who plans a debate of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from worlds.backends import SetClock
from worlds.noted import Noted
from worlds.taught import HOME, QUESTION, spec, taught

from aragora.debate.knowledge import question_digest
from aragora.errors import Unavailable
from aragora.knowledge.ledger import Entry, apply
from aragora.knowledge.model import Item, ItemKind, Status
from aragora.knowledge.mound.adapters import consensus, pulse
from aragora.knowledge.observations import Observation
from aragora.knowledge.precedents import GONE, LEARNING, NEVER, Precedents, Settled
from aragora.knowledge.sameness import next_id
from aragora.scope import Scope

DEBATES = [taught(1), taught(2)]
NOTED = [one for debate in DEBATES for one in pulse.observe(debate)]
AT = DEBATES[0].at


def decision() -> Item:
    (unit, *_) = consensus.gather(DEBATES[0])
    item_id = pulse.read(NOTED[0]).item_id
    item = apply(None, Entry(HOME.org_id, HOME.workspace, 1, item_id, unit.added, AT))
    assert item is not None
    (again, *_) = consensus.gather(DEBATES[1])
    return replace(item, sources=(*item.sources, *again.added.sources))


class Store(Noted):
    """These notes and items are there."""

    def __init__(self, noted: Sequence[Observation], *items: Item) -> None:
        super().__init__(*noted)
        self.items = items

    async def some(self, scope: Scope, item_ids: Sequence[str]) -> list[Item]:
        return [one for one in self.items if one.item_id in item_ids and scope.holds(one.org_id, one.workspace)]


async def told(store: Store, at: float = AT) -> Settled | str:
    return await Precedents(store, store, SetClock(at)).settled(spec(9))


async def test_the_answer_is_in_the_words_of_its_item() -> None:
    store = Store(NOTED, decision())
    found = await told(store)
    assert isinstance(found, Settled)
    assert (found.position, found.debates, found.disputed, found.valid) == ("three", 2, False, True)
    assert (found.debate_id, found.asked_recently) == ("deb_2", 2)
    assert store.asked == [(HOME, "pulse", question_digest(QUESTION), pulse.READ)]


async def test_an_answer_that_is_no_longer_good_says_so() -> None:
    found = await told(Store(NOTED, decision()), AT + pulse.VALID_DAYS_MOST * pulse.DAY_S)
    assert isinstance(found, Settled)
    assert (found.valid, found.asked_recently) == (False, 0)


async def test_the_items_own_end_comes_before_the_rule() -> None:
    item = decision()
    ending = replace(item, statement=replace(item.statement, valid_to=AT + 5.0))
    found = await told(Store(NOTED, ending))
    assert isinstance(found, Settled)
    assert (found.valid_until, found.valid) == (AT + 5.0, True)


async def test_a_dispute_is_told() -> None:
    found = await told(Store(NOTED, replace(decision(), status=Status.DISPUTED)))
    assert isinstance(found, Settled)
    assert found.disputed


@pytest.mark.parametrize("status", list(GONE))
async def test_what_is_gone_is_not_shown(status: Status) -> None:
    assert await told(Store(NOTED, replace(decision(), status=status))) == GONE[status]


async def test_a_question_that_nobody_asked_or_decided_says_so() -> None:
    assert await told(Store([])) == NEVER
    open_end = replace(NOTED[0], body='{"debate_id":"deb_1","decided":true}')
    why = await told(Store([open_end]))
    assert isinstance(why, str)
    assert "none of them reached a decision" in why


async def test_a_decision_whose_item_is_not_there_yet_is_still_being_learnt() -> None:
    assert await told(Store(NOTED)) == LEARNING


async def test_a_superseded_decision_that_the_newest_debate_came_to_again_is_still_being_learnt() -> None:
    item = replace(decision(), status=Status.SUPERSEDED)
    assert await told(Store(NOTED, replace(item, sources=item.sources[:1]))) == LEARNING
    assert await told(Store(NOTED, item)) == GONE[Status.SUPERSEDED]


async def test_an_item_that_was_reworded_shows_what_it_says_now_unless_another_says_what_was_decided() -> None:
    item = decision()
    statement = replace(item.statement, value="four", content="Decided: four")
    reworded = replace(item, statement=statement, version=2)
    found = await told(Store(NOTED, reworded))
    assert isinstance(found, Settled)
    assert found.position == "four"
    anew = replace(item, item_id=next_id(item.item_id))
    found = await told(Store(NOTED, reworded, anew))
    assert isinstance(found, Settled)
    assert (found.position, found.item_id) == ("three", anew.item_id)
    unlike = replace(item, statement=replace(statement, kind=ItemKind.NOTE))
    assert await told(Store(NOTED, unlike)) == LEARNING


async def test_a_note_that_is_damaged_counts_for_nothing() -> None:
    damaged = replace(NOTED[0], body='{"debate_id":')
    found = await told(Store([damaged, NOTED[1]], decision()))
    assert isinstance(found, Settled)
    assert found.debates == 1
    assert await told(Store([damaged])) == NEVER


async def test_a_store_that_is_slow_is_let_go() -> None:
    store = Store(NOTED)
    store.free.clear()
    with pytest.raises(Unavailable, match="not read in time"):
        await Precedents(store, store, SetClock(AT), limit_s=0.01).settled(spec(9))
