"""The look for knowledge at the opening of a debate: bounded in time and in number, so that no debate waits for a sick
source, and none fails with it.

Rules
- A look has `limit_s` seconds. What comes later is thrown away, and the debate goes on without.
- At most `at_once` looks are under way. One that does not end when it is cancelled keeps its place until it does; who
  finds no place free goes on without, at once.
- Whatever the source raises or returns is an answer here: what breaks the bounds of an offer, or could not be kept in
  the journal, is left out, and its neighbours stay. An answer of which nothing is left could not be read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice
from typing import Final, TypeVar

import structlog

from aragora.debate import journal
from aragora.debate.hints import fitted_cruxes, fitted_issues, fitted_priors
from aragora.debate.journal import NotStorable
from aragora.debate.knowledge import ITEMS_MAX, NotOffered, Offer, fitted
from aragora.debate.model import DebateSpec, KnowledgeOffered
from aragora.debate.ports import KnowledgeSource
from aragora.errors import AragoraError
from aragora.supervision import begin

T = TypeVar("T")

log = structlog.get_logger("aragora.debate")

LIMIT_S: Final = 0.15
AT_ONCE: Final = 32
READ_MAX: Final = 4 * ITEMS_MAX
"""Items, and other hints of a kind, that are read of an offer, however many it has."""


class Looks:
    """The looks of one coordinator at one source."""

    def __init__(self, source: KnowledgeSource, *, limit_s: float = LIMIT_S, at_once: int = AT_ONCE) -> None:
        self._source = source
        self._limit_s = limit_s
        self._at_once = at_once
        self._under_way: set[asyncio.Task[Offer]] = set()
        self._away = False

    async def offer(self, spec: DebateSpec) -> Offer:
        """What the source has for `spec`, or why nothing. Never raises, and returns within the time limit."""
        if len(self._under_way) >= self._at_once:
            return Offer(why=NotOffered.BUSY)
        look = begin(self._asked(spec), "a look for knowledge")
        self._under_way.add(look)
        look.add_done_callback(self._under_way.discard)
        try:
            done, _ = await asyncio.wait({look}, timeout=self._limit_s)
        finally:
            look.cancel()  # without effect on one that has ended
        if not done:
            return Offer(why=NotOffered.LATE)
        return Offer(why=NotOffered.AWAY) if look.cancelled() else look.result()

    async def _asked(self, spec: DebateSpec) -> Offer:
        try:
            offer = await self._source.offer(spec)
            given = tuple(islice(offer.items, READ_MAX))
            items = fitted(item for item in given if _storable(KnowledgeOffered((item,))))
            hints = _hints(offer)
        except Exception as error:  # noqa: BLE001  of whatever kind: the debate goes on without
            self._tell(error)
            return Offer(why=NotOffered.AWAY)
        self._away = False
        if items:
            return replace(hints, items=items)
        return replace(hints, why=NotOffered.AWAY if given else offer.why or NotOffered.NONE)

    def _tell(self, error: Exception) -> None:
        """Say once that the source is away, until it answers again."""
        if not self._away:
            cause = error.message if isinstance(error, AragoraError) else type(error).__name__
            log.warning("knowledge cannot be looked for: debates go on without", error=cause)
        self._away = True


def _hints(offer: Offer) -> Offer:
    """What there is besides items and can be kept."""
    return Offer(
        checklist=_kept(offer.checklist, fitted_issues, lambda one: KnowledgeOffered(checklist=(one,))),
        priors=_kept(offer.priors, fitted_priors, lambda one: KnowledgeOffered(priors=(one,))),
        cruxes=_kept(offer.cruxes, fitted_cruxes, lambda one: KnowledgeOffered(cruxes=(one,))),
    )


def _kept(
    given: Iterable[T], fit: Callable[[Iterable[T]], tuple[T, ...]], told: Callable[[T], KnowledgeOffered]
) -> tuple[T, ...]:
    """Those that keep the bounds; none where they cannot be read, which costs no item."""
    try:
        return fit(one for one in islice(given, READ_MAX) if _storable(told(one)))
    except Exception as error:  # noqa: BLE001  of whatever kind: the debate goes on without
        log.warning("a part of an offer cannot be read: the debate goes on without", error=type(error).__name__)
        return ()


def _storable(event: KnowledgeOffered) -> bool:
    try:
        journal.check(event)
    except NotStorable:
        return False
    return True
