"""Forgetting at work: from what a caller names to a certificate, and again after a crash or a restore.

A request is kept before anything is removed, and each step may be done again (`aragora.knowledge.forgetting`): whoever
finds it unfinished, the same caller, the durable job or the next start, carries it through to its one certificate.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final, Protocol

import structlog

from aragora.clock import Clock
from aragora.debate.records import ReceiptRecord
from aragora.encoding import decode, encode
from aragora.errors import InvalidInput, NotFound
from aragora.ids import new_id
from aragora.knowledge.forgetting import (
    FOR_EVER,
    ITEMS_MAX,
    Asked,
    By,
    Forgetting,
    Share,
    Stage,
    asked_of,
    body_of,
    certificate_id_of,
    falling,
    from_certificate,
    joined,
    share_of,
)
from aragora.knowledge.insights import SharedInsight, unknown_insight
from aragora.knowledge.model import Home, Item, Status
from aragora.knowledge.planning import unknown_item
from aragora.knowledge.search.tokens import document_tokens, query_tokens
from aragora.knowledge.store.forgettings import BATCH, ForgettingStore, Key
from aragora.observability.samples import CounterDelta
from aragora.scope import Scope
from aragora.storage.cursors import Page

RESUME_EVERY_S: Final = 60.0
RESUMED_AFTER_S: Final = 30.0  # whoever asked is given time to see it through
COUNTED: Final = "aragora_km_forgettings_total"
DEPTH_MAX: Final = 50  # summaries of summaries

log = structlog.get_logger("aragora.knowledge")


class Certificates(Protocol):
    """The receipt chain (`aragora.knowledge.certificates.ChainCertificates`)."""

    async def issue(self, certificate_id: str, body: Mapping[str, Any], counter: CounterDelta) -> ReceiptRecord: ...

    async def find(self, certificate_id: str) -> ReceiptRecord | None: ...

    async def all_ids(self) -> list[tuple[str, str]]: ...


class Items(Protocol):
    """Reads items (`aragora.knowledge.store.reading.KnowledgeReader`)."""

    async def some(self, scope: Scope, item_ids: Sequence[str]) -> list[Item]: ...


class Offers(Protocol):
    """Knows which debates were offered an item (`aragora.knowledge.store.offered_in.OfferedIn`)."""

    async def debates(self, org_id: str, item_ids: Sequence[str]) -> list[str]: ...


HomeOfDebate = Callable[[str, Scope], Awaitable[str]]
"""The workspace of a debate within a scope. Raises NotFound."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller wants forgotten: `named` are ids, or the subject or the words themselves. `workspace` says where;
    that of items and of a debate is their own."""

    by: By
    named: tuple[str, ...]
    workspace: str

    @property
    def digest(self) -> str:
        """Equal for equal wishes; tells nothing of them."""
        return sha256(encode((self.by, self.named, self.workspace))).hexdigest()


@dataclass(frozen=True, slots=True)
class Done:
    """A request that was carried out, with its certificate; None where the chain does not have it any more, as after a
    restore of the debates from a backup."""

    forgetting: Forgetting
    certificate: Mapping[str, Any] | None


class Forgetter:
    """Carries out requests to forget. Every method raises Unavailable where a store is away; then the request goes on
    later."""

    def __init__(
        self,
        store: ForgettingStore,
        items: Items,
        *,
        certificates: Certificates,
        offers: Offers,
        home_of_debate: HomeOfDebate,
        clock: Clock,
    ) -> None:
        self._store = store
        self._items = items
        self._certificates = certificates
        self._offers = offers
        self._home_of_debate = home_of_debate
        self._clock = clock

    async def dry_run(self, scope: Scope, asked_by: str, wish: Wish) -> Forgetting:
        """What the wish would come to, with the rows that would go; nothing is kept. Raises NotFound for items and
        debates out of reach, InvalidInput."""
        draft = await self._draft(scope, asked_by, wish)
        counts = await self._store.counted(draft.forgotten)
        counts["withdrawn_sources"] = sum(len(one.marks) for one in draft.withdrawn)
        return replace(draft, removed={**counts, **await self._store.beside(draft)})

    async def forget(self, scope: Scope, asked_by: str, wish: Wish, key: str | None = None) -> Done:
        """Forget what the wish names. The same `key` gives the same forgetting. Items that are forgotten already give
        the forgetting that did it.

        Raises NotFound where nothing fits, or what is named is out of reach; InvalidInput; Conflict where the key was
        used for another wish.
        """
        keyed = None if key is None else Key(key, wish.digest)
        if keyed is not None and scope.org_id is not None:
            known = await self._store.of_key(Home(scope.org_id, wish.workspace), asked_by, keyed)
            if known is not None:
                return await self.carry_out(known)
        if wish.by is By.ITEM and len(wish.named) == 1:
            earlier = await self._earlier(scope, wish.named[0])
            if earlier is not None:
                return await self.carry_out(earlier)
        draft = await self._draft(scope, asked_by, wish)
        nothing = not draft.forgotten and not draft.withdrawn and wish.by is not By.DEBATE
        if nothing and not any((await self._store.beside(draft)).values()):
            raise NotFound(
                f"nothing in the workspace {draft.workspace} fits: check what is named", code="nothing_to_forget"
            )
        return await self.carry_out(await self._store.begin(draft, keyed))

    async def carry_out(self, forgetting: Forgetting) -> Done:
        """Do what is still to be done for a request that is kept."""
        now = await self._store.get(Scope(forgetting.org_id, None), forgetting.forgetting_id)
        if now.stage is Stage.ASKED:
            now = await self._removed(now)
        if now.stage is not Stage.CERTIFIED:
            record = await self._certified(now)
            now = await self._store.move(now.forgetting_id, Stage.CERTIFIED)
            log.info("knowledge was forgotten", forgetting_id=now.forgetting_id, items=len(now.forgotten))
            return Done(now, decode(record.document))
        return await self.done(now)

    async def done(self, forgetting: Forgetting) -> Done:
        """A request with its certificate, as far as it is."""
        record = await self._certificates.find(forgetting.certificate_id)
        return Done(forgetting, None if record is None else decode(record.document))

    async def get(self, scope: Scope, forgetting_id: str) -> Done:
        """Raises NotFound."""
        return await self.done(await self._store.get(scope, forgetting_id))

    async def page(self, scope: Scope, *, cursor: str | None = None, limit: int = 100) -> Page[Forgetting]:
        """Requests of the scope, newest first. Raises InvalidInput for a bad cursor."""
        return await self._store.page(scope, cursor=cursor, limit=limit)

    async def resume(self, before: float) -> int:
        """Carry out what was asked for before a time (seconds since the epoch) and is unfinished; returns how many."""
        waiting = await self._store.unfinished(before)
        for forgetting in waiting:
            await self.carry_out(forgetting)
        return len(waiting)

    async def reapply(self) -> int:
        """Forget again what certificates name and this store does not know of: it was restored from a backup of before.
        To be called before the first answer of a process. Returns how many requests that were."""
        known = await self._certificates.all_ids()
        finished = await self._store.finished([forgetting_id for _, forgetting_id in known])
        count = 0
        for certificate_id, forgetting_id in known:
            if forgetting_id in finished:
                continue
            record = await self._certificates.find(certificate_id)
            if record is not None:
                named = from_certificate(decode(record.document))
                kept = joined(await self._store.begin(named), Share(named.forgotten, named.withdrawn))
                await self.carry_out(await self._store.extend(kept))
                count += 1
        if count:
            log.warning("a restored store forgot again what certificates name", forgettings=count)
        return count

    async def _draft(self, scope: Scope, asked_by: str, wish: Wish) -> Forgetting:
        if wish.by is By.QUERY and not all(map(query_tokens, wish.named)):
            raise InvalidInput(
                "The query has neither a word nor a symbol to look for; add one.", code="nothing_to_look_for"
            )
        asked = asked_of(wish.by, wish.named)
        home = await self._home(scope, wish)
        items = await self._items_of(home, wish)
        draft = Forgetting(
            new_id("fgt"), home.org_id, home.workspace, asked, asked_by, self._clock.now(), more=len(items) > ITEMS_MAX,
            insights=await self._insights_of(home, wish.by, wish.named),
        )  # fmt: skip
        return await self._with(draft, items[:ITEMS_MAX])

    async def _items_of(self, home: Home, wish: Wish) -> list[Item]:
        if wish.by is By.INSIGHT:
            return []
        return await self._store.fitting(home, wish.by, wish.named, ITEMS_MAX + 1)

    async def _insights_of(self, home: Home, by: By, named: Sequence[str], up_to: float = FOR_EVER) -> tuple[str, ...]:
        """The share ids of what a workspace has shared with others up to a time, of what fits."""
        if by not in {By.PERSON, By.QUERY, By.INSIGHT}:
            return ()
        shared = await self._store.insights(home)
        return tuple(one.share_id for one in shared if one.shared_at <= up_to and _fits(one, by, named))

    async def _home(self, scope: Scope, wish: Wish) -> Home:
        """Where what is named lives. Raises NotFound where that is out of reach."""
        if scope.org_id is None:
            raise NotFound("there is nothing to forget without an organisation", code="nothing_to_forget")
        workspace = wish.workspace
        if wish.by is By.ITEM:
            found = {item.item_id: item for item in await self._items.some(scope, wish.named)}
            for item_id in wish.named:
                item = found.get(item_id)
                # One that another workspace shares is shown, and is not the caller's to take away.
                if item is None or not scope.holds(item.org_id, item.workspace):
                    raise unknown_item(item_id)
            homes = {item.workspace for item in found.values()}
            if len(homes) > 1:
                raise InvalidInput("the items are of several workspaces: name those of one", code="several_workspaces")
            workspace = homes.pop()
        elif wish.by is By.INSIGHT:
            homes = {await self._home_of_insight(scope, share_id) for share_id in wish.named}
            if len(homes) > 1:
                raise InvalidInput(
                    "the insights are of several workspaces: name those of one", code="several_workspaces"
                )
            workspace = homes.pop()
        elif wish.by is By.DEBATE:
            homes = {await self._home_of_debate(debate_id, scope) for debate_id in wish.named}
            if len(homes) > 1:
                raise InvalidInput(
                    "the debates are of several workspaces: name those of one", code="several_workspaces"
                )
            workspace = homes.pop()
        return Home(scope.org_id, workspace)

    async def _home_of_insight(self, scope: Scope, share_id: str) -> str:
        source = None if scope.org_id is None else await self._store.source_of_insight(scope.org_id, share_id)
        # Whoever is only given it may not take it from the others.
        if scope.org_id is None or source is None or not scope.holds(scope.org_id, source):
            raise unknown_insight(share_id)
        return source

    async def _earlier(self, scope: Scope, item_id: str) -> Forgetting | None:
        """The request that forgot an item of the caller's."""
        found = [item for item in await self._items.some(scope, [item_id]) if scope.holds(item.org_id, item.workspace)]
        if not found or found[0].status is not Status.FORGOTTEN:
            return None
        certificate = await self._store.certificate_of(item_id)
        if certificate is None:
            return None
        return await self._store.get(Scope(scope.org_id, None), f"fgt_{certificate.removeprefix('crt_')}")

    async def _with(self, forgetting: Forgetting, items: Sequence[Item]) -> Forgetting:
        """The request with these items and all that falls with them."""
        share = share_of(forgetting.asked, items, forgetting.at)
        after = joined(forgetting, share)
        home, fallen = Home(after.org_id, after.workspace), share.forgotten
        alone = Asked(By.ITEM, ())  # what falls goes whole, whoever said it
        for _ in range(DEPTH_MAX):
            holders = await self._store.dependants(home, fallen) if fallen else []
            named = {link.item_id for item in holders for link in item.links}
            gone = {*after.forgotten, *await self._store.gone(named)}
            made = [item for item in falling(holders, gone) if item.item_id not in after.forgotten]
            if not made:
                break
            more = share_of(alone, made, after.at)
            after, fallen = joined(after, more), more.forgotten
        return after

    async def _removed(self, forgetting: Forgetting) -> Forgetting:
        """Everything that the request names, removed."""
        home, asked = Home(forgetting.org_id, forgetting.workspace), forgetting.asked
        if asked.by in {By.DEBATE, By.PERSON}:  # what was learnt between the question and the request
            items = await self._store.fitting(home, asked.by, asked.named, ITEMS_MAX)
            named = await self._insights_of(home, asked.by, asked.named, up_to=forgetting.at)
            forgetting = replace(forgetting, insights=tuple(dict.fromkeys((*forgetting.insights, *named))))
            forgetting = await self._store.extend(await self._with(forgetting, items))
        ids = (*forgetting.forgotten, *(one.item_id for one in forgetting.withdrawn))
        for start in range(0, len(ids), BATCH):
            await self._store.remove(forgetting, ids[start : start + BATCH])
        await self._store.remove_beside(forgetting)
        await self._store.scrub()
        return await self._store.move(forgetting.forgetting_id, Stage.REMOVED)

    async def _certified(self, forgetting: Forgetting) -> ReceiptRecord:
        offered_in = await self._offers.debates(forgetting.org_id, forgetting.forgotten)
        body = body_of(forgetting, backend=self._store.backend, offered_in=offered_in, issued_at=self._clock.now())
        counter = CounterDelta(COUNTED, (("by", forgetting.asked.by.value),), 1.0)
        return await self._certificates.issue(certificate_id_of(forgetting.forgetting_id), body, counter)


def _fits(one: SharedInsight, by: By, named: Sequence[str]) -> bool:
    """Whether it is of one of these persons or ids, or holds all words of one of these texts."""
    if by is By.PERSON:
        return one.shared_by in named
    if by is By.INSIGHT:
        return one.share_id in named
    insight = one.insight
    told = set(document_tokens(f"{insight.content}\n{insight.task_type}\n{insight.insight_id}").split())
    return any(set(query_tokens(text)) <= told for text in named)
