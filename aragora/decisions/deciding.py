"""What becomes of a question: a kept decision answers it, it joins a debate, or one is opened or a workflow started.

The router says where it goes (`aragora.decisions.router`). What neither a kept decision nor a running debate answers is
claimed, and its debate opened. Equal questions at once have one claim, on whatever replica they arrive, so one debate
is paid. Where it cannot be opened, one of those who wait tries once more; who has seen both fail tries no more.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from aragora.debate.proposition import Idempotency
from aragora.decisions.entry import Claim, Entry, State
from aragora.decisions.ports import Opened, Opening, Started, Workflows
from aragora.decisions.router import Routed, Router, Wanted
from aragora.decisions.rules import Target
from aragora.errors import AragoraError, Conflict, Unavailable
from aragora.ids import new_id
from aragora.supervision import begin

HITS: Final = "aragora_decision_cache_hits_total"
MISSES: Final = "aragora_decision_cache_misses_total"
JOINED: Final = "aragora_decision_joined_total"
SAVED: Final = "aragora_decision_saved_usd_total"
ROUTES: Final = "aragora_decision_routes_total"

WAIT_S: Final = 10.0
"""How long a request waits for another one that is opening the same debate."""
FAILED_MAX: Final = 2
"""Of the openings that a request waits for; after so many that failed it tries none itself."""
_LOOK_S: Final = (0.005, 0.01, 0.02, 0.04, 0.08)  # pauses between two looks; the last one again and again


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a question: a kept decision (`routed.entry`), a debate that was `opened` or `joined`, or a
    workflow that was `started`."""

    routed: Routed
    opened: Opened | None = None
    joined: Entry | None = None
    started: Started | None = None


class Deciding:
    """The router with what it leads to: it answers, joins, opens and starts. Every method raises Unavailable where a
    store is away, or the same question is being opened for longer than `WAIT_S` seconds."""

    def __init__(self, router: Router, opening: Opening, workflows: Workflows | None = None) -> None:
        """`workflows` None: there are none, and a rule that leads to one is refused."""
        self.router = router
        self._opening = opening
        self._workflows = workflows

    async def settle(self, wanted: Wanted, idempotency: Idempotency | None = None) -> Settled:
        """Settle a question. Raises as opening a debate does, and Conflict (code no_workflows) where a rule leads to a
        workflow and there are none."""
        routed = self.router.planned(wanted)
        if routed.keys is None:
            routed, _, _ = await self.router.look(routed, wanted)
        if routed.target is Target.WORKFLOW:
            done = await self._start(routed, idempotency)
        elif routed.keys is None:
            done = Settled(routed, await self._opening.open(routed.proposition, idempotency))
        else:
            done = await self._shared(routed, wanted, idempotency)
        self.router.registry.inc(ROUTES, target=done.routed.target)
        return done

    async def _start(self, routed: Routed, idempotency: Idempotency | None) -> Settled:
        name = routed.rule.workflow or ""
        if self._workflows is None:
            raise Conflict(
                f"the rule {routed.rule.name!r} leads to the workflow {name!r}, and this server runs no workflows: name"
                " a protocol in the request, or change the rules (ARAGORA_DECISION_RULES)",
                code="no_workflows",
            )
        return Settled(routed, started=await self._workflows.start(name, routed.proposition, idempotency))

    async def _shared(self, routed: Routed, wanted: Wanted, idempotency: Idempotency | None) -> Settled:
        """What the entry of the question answers, or a debate that is opened for it."""
        router = self.router
        give_up_at, looks = router.clock.monotonic() + WAIT_S, 0
        others: set[str] = set()  # debates that others were seen to be opening
        while True:
            routed, entry, state = await router.look(routed, wanted)
            if entry is not None and state is State.KEPT:
                router.registry.inc(HITS)
                router.registry.inc(SAVED, max(0.0, entry.cost_usd))
                return Settled(router.answered(routed, entry))
            if entry is not None and state is State.RUNNING:
                router.registry.inc(JOINED)
                return Settled(routed, joined=entry)
            there = None if entry is None else entry.debate_id
            if there is not None and state is State.OPENING:
                others.add(there)
            elif len(others - {there}) >= FAILED_MAX:
                raise Unavailable("others who asked the same could not open its debate: ask again", retry_after_s=1.0)
            elif (opened := await self._opened(routed, wanted, there, idempotency)) is not None:
                return Settled(routed, opened)
            if router.clock.monotonic() >= give_up_at:
                raise Unavailable("the same question is being opened by another request: ask again", retry_after_s=1.0)
            await asyncio.sleep(_LOOK_S[min(looks, len(_LOOK_S) - 1)])
            looks += 1

    async def _opened(
        self, routed: Routed, wanted: Wanted, instead_of: str | None, idempotency: Idempotency | None
    ) -> Opened | None:
        """The debate that was opened for the question, in the place of an entry with the debate `instead_of`, or of
        none; None where another request was faster.

        Whoever asked may go away in the middle. Others wait for this debate then, so it is opened all the same.
        """
        opening = self._claimed_and_opened(routed, wanted, instead_of, idempotency)
        outcome = await asyncio.shield(begin(opening, "opening of a debate that others may wait for"))
        if isinstance(outcome, AragoraError):
            raise outcome
        return outcome

    async def _claimed_and_opened(
        self, routed: Routed, wanted: Wanted, instead_of: str | None, idempotency: Idempotency | None
    ) -> Opened | AragoraError | None:
        """As `_opened`; what keeps the debate from being opened is for the caller, and no failure of the work."""
        router, entries, debate_id = self.router, self.router.entries, new_id("deb")
        claim = self._claim(routed, debate_id, wanted)
        try:
            if not await entries.claim(claim, instead_of):
                return None
            if not wanted.fresh:
                router.registry.inc(MISSES)
            try:
                opened = await self._opening.open(routed.proposition, idempotency, debate_id)
            except Exception:
                await entries.release(claim.keys.exact, debate_id)  # who waits for it tries itself
                raise
            if opened.debate_id == debate_id:
                await entries.opened(claim.keys.exact, debate_id, router.clock.now())
            else:  # an earlier one of the same Idempotency-Key, from before who knows what
                await entries.release(claim.keys.exact, debate_id)
        except AragoraError as refused:
            return refused
        return opened

    def _claim(self, routed: Routed, debate_id: str, wanted: Wanted) -> Claim:
        assert routed.keys is not None, "claimed without a key"
        assert routed.standing is not None, "claimed without a standing"
        asked = routed.proposition
        return Claim(
            keys=routed.keys,
            org_id=asked.org_id,
            workspace=asked.workspace,
            standing=routed.standing,
            debate_id=debate_id,
            question=asked.question,
            agents=routed.agents or {},
            tags=wanted.tags,
            at=self.router.clock.now(),
        )
