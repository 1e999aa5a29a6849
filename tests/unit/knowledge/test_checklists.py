"""The checklist that the opening of a debate asks for: kept for some seconds, its words never; it costs no item."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from structlog.testing import capture_logs
from worlds.backends import SetClock
from worlds.debating import spec_of
from worlds.meanings_away import NoMeanings

from aragora.debate.hints import OfferedCrux, OfferedIssue, OfferedPrior
from aragora.debate.knowledge import NotOffered, Offer
from aragora.debate.model import DebateSpec
from aragora.encoding import encode_text
from aragora.errors import Unavailable
from aragora.knowledge.checklists import Checklists
from aragora.knowledge.folds import KEPT_S
from aragora.knowledge.memories import Memories
from aragora.knowledge.model import Basis, Home, Item, ItemKind, Statement, Status, Visibility
from aragora.knowledge.mound.adapters.critique import Criticised, Found
from aragora.knowledge.observations import Observation
from aragora.knowledge.searching import Searching
from aragora.knowledge.source import MoundSource
from aragora.knowledge.wordings import signature
from aragora.scope import Scope

HOME = Home("local", "default")
TEXT = "It names no source for the load."
BODY = encode_text(Criticised((Found("kn_1", 0.5, revised=1, signature=signature(TEXT)),)))


def item(status: Status = Status.LIVE) -> Item:
    said = Statement(ItemKind.CRITIQUE_PATTERN, TEXT)
    return Item("kn_1", "local", "default", said, status, Visibility.WORKSPACE, 0.3, Basis.DERIVED, (), 1.0, 1.0)


@dataclass
class Store:
    """Two debates came to one issue."""

    bodies: list[str] = field(default_factory=lambda: [BODY, BODY])
    item: Item = field(default_factory=item)
    read: list[tuple[str, str, int]] = field(default_factory=list)

    async def newest(self, home: Home, adapter: str, key: str, limit: int) -> list[Observation]:
        self.read.append((adapter, key, limit))
        return [Observation(key, body, f"deb_{number}", "ann", 1.0) for number, body in enumerate(self.bodies)]

    async def some(self, scope: Scope, item_ids: Sequence[str]) -> list[Item]:
        assert scope == Scope("local", frozenset({"default"}))
        return [self.item] if list(item_ids) == ["kn_1"] else []


async def test_counts_are_kept_for_some_seconds_and_words_never() -> None:
    store, clock = Store(), SetClock()
    lists = Checklists(store, store, clock)
    assert await lists.of(HOME, "storage") == (OfferedIssue(TEXT, "kn_1", 2, 1.0),)
    assert await lists.of(HOME, "storage")
    assert len(store.read) == 1
    store.item = item(Status.FORGOTTEN)
    assert await lists.of(HOME, "storage") == ()
    store.item, store.bodies = item(), [BODY]
    clock.at += KEPT_S
    assert await lists.of(HOME, "storage") == ()
    assert len(store.read) == 2


async def test_debates_that_open_at_once_read_once_and_one_that_gives_up_takes_it_from_nobody() -> None:
    store = Store()
    lists = Checklists(store, store, SetClock())
    first = asyncio.ensure_future(lists.of(HOME, "storage"))
    others = [asyncio.ensure_future(lists.of(HOME, "storage")) for _ in range(5)]
    await asyncio.sleep(0)
    first.cancel()
    assert {len(found) for found in await asyncio.gather(*others)} == {1}
    assert len(store.read) == 1


async def test_lists_of_domains_and_workspaces_are_kept_apart() -> None:
    store = Store()
    lists = Checklists(store, store, SetClock())
    await lists.of(HOME, "storage")
    await lists.of(HOME, "law")
    assert [key for _, key, _ in store.read] == ["storage", "law"]


async def test_a_damaged_note_costs_no_other() -> None:
    store = Store(["{", BODY, '{"issues":[{}]}', BODY])
    with capture_logs() as logs:
        assert len(await Checklists(store, store, SetClock()).of(HOME, "storage")) == 1
    assert len(logs) == 2


class Nothing:
    """A workspace that knows nothing that belongs to a question, and offers it."""

    offered: bool | None = True

    async def offers(self, _: Home) -> bool | None:
        return self.offered

    async def linking_to(self, *_: Any) -> dict[str, list[Item]]:
        return {}

    async def lexical(self, *_: Any) -> list[tuple[int, float]]:
        return []

    async def workspaces(self, *_: Any) -> tuple[str, ...]:
        return ("default",)

    async def glimpses(self, *_: Any) -> dict[int, Any]:
        return {}

    async def numbered(self, *_: Any) -> dict[int, Item]:
        return {}


@dataclass
class Checking:
    """Answers, or fails, or takes for ever."""

    failure: Exception | None = None
    stuck: bool = False
    asked: list[str] = field(default_factory=list)

    async def of(self, _: Home, domain: str) -> tuple[OfferedIssue, ...]:
        self.asked.append(domain)
        if self.stuck:
            await asyncio.Event().wait()
        if self.failure is not None:
            raise self.failure
        return (OfferedIssue(TEXT, "kn_1", 2, 1.0),)


PRIOR, CRUX = OfferedPrior("three", "kn_3", 0.9, 2, 2), OfferedCrux("The disk is full.", "kn_4", 2)


@dataclass
class Believing:
    """Answers, or fails."""

    failure: Exception | None = None
    asked: list[str] = field(default_factory=list)

    async def of(self, spec: DebateSpec) -> tuple[tuple[OfferedPrior, ...], tuple[OfferedCrux, ...]]:
        self.asked.append(spec.question)
        if self.failure is not None:
            raise self.failure
        return (PRIOR,), (CRUX,)


async def offer(
    checking: Checking | None,
    spec: DebateSpec | None = None,
    offered: bool | None = True,
    believing: Believing | None = None,
) -> Offer:
    reader: Any = Nothing()
    reader.offered = offered
    clock = SetClock()
    searching, memories = Searching(reader, NoMeanings(), clock), Memories(reader, clock)
    source = MoundSource(reader, searching, memories, clock, checking=checking, believing=believing, beside_s=0.05)
    return await source.offer(spec or spec_of(domain="storage"))


async def test_what_fails_of_the_rest_costs_nothing_else() -> None:
    issues = (OfferedIssue(TEXT, "kn_1", 2, 1.0),)
    whole = Offer(why=NotOffered.NONE, checklist=issues, priors=(PRIOR,), cruxes=(CRUX,))
    assert await offer(Checking(), believing=Believing()) == whole
    assert await offer(Checking(), believing=Believing(RuntimeError())) == replace(whole, priors=(), cruxes=())
    assert await offer(Checking(RuntimeError()), believing=Believing()) == replace(whole, checklist=())
    believing = Believing()
    await offer(None, offered=False, believing=believing)
    assert believing.asked == []


async def test_a_checklist_is_offered_although_no_item_belongs_to_the_question() -> None:
    checking = Checking()
    assert await offer(checking) == Offer(why=NotOffered.NONE, checklist=(OfferedIssue(TEXT, "kn_1", 2, 1.0),))
    assert checking.asked == ["storage"]


@pytest.mark.parametrize(
    "checking", [Checking(Unavailable("away")), Checking(RuntimeError("postgres://secret")), Checking(stuck=True)]
)
async def test_a_checklist_that_fails_or_takes_too_long_is_left_out_alone(checking: Checking) -> None:
    with capture_logs() as logs:
        assert await offer(checking) == Offer(why=NotOffered.NONE)
    assert "secret" not in str(logs)


@pytest.mark.parametrize("offered", [False, None])
async def test_where_a_workspace_offers_nothing_no_checklist_is_read(offered: bool | None) -> None:
    checking = Checking()
    assert (await offer(checking, offered=offered)).checklist == ()
    assert checking.asked == []


async def test_a_debate_without_critics_reads_none() -> None:
    checking, plain = Checking(), spec_of()
    await offer(checking, replace(plain, protocol=replace(plain.protocol, critique=False)))
    assert checking.asked == []
