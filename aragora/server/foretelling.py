"""What is known of the question of a planned debate, and of how its workspace decides, as the route says it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Final, Protocol

from pydantic import BaseModel, Field

from aragora.debate.model import DebateSpec
from aragora.errors import Unavailable
from aragora.knowledge.mound.adapters.culture import LEAST, Setting, Suggestion
from aragora.knowledge.precedents import Settled
from aragora.server.suggested import Customs

OFF: Final = "nothing is learnt from debates: ARAGORA_KNOWLEDGE is off"
NONE_SUITS: Final = (
    f"no other setting has shown to suit this workspace better; that takes {LEAST} debates by the same protocol"
)
NOT_ALLOWED: Final = "what was decided before takes the permission knowledge.read"


class Precedents(Protocol):
    """Knows what was settled (`aragora.knowledge.precedents.Precedents`)."""

    async def settled(self, planned: DebateSpec) -> Settled | str:
        """What the question was settled on, or why nothing is told. Raises Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """Who knows what of a question and its workspace."""

    precedents: Precedents
    customs: Customs


class SettledView(BaseModel):
    position: Annotated[str, Field(description="the answer, in a line; the item has the whole")]
    item_id: Annotated[str, Field(description="for GET /api/knowledge/items/{id}")]
    debate_id: Annotated[str, Field(description="the newest debate that came to this answer")]
    at: Annotated[float, Field(description="when that ended, in seconds since the epoch")]
    debates: Annotated[int, Field(description="how many debates in a row came to it")]
    changes: Annotated[int, Field(description="how often the answer had changed before")]
    undecided: Annotated[int, Field(description="debates since then that reached no decision")]
    confidence: Annotated[float, Field(description="of the item as it stands, 0 to 1")]
    confidence_words: str
    disputed: bool
    valid_until: Annotated[float, Field(description="seconds since the epoch; the item's own end where it has one")]
    valid: Annotated[bool, Field(description="whether that is still to come")]
    asked_recently: Annotated[int, Field(description="debates of this question that ended in the last 30 days")]


class SuggestionView(BaseModel):
    setting: Annotated[Setting, Field(description="the field of POST /api/debates")]
    value: Annotated[int | str | list[str], Field(description="what would suit, as that field takes it")]
    reason: str
    debates: Annotated[int, Field(description="those that it rests on")]
    share: Annotated[float, Field(description="of them those that speak for it")]
    low: Annotated[float, Field(description="the 95 % interval of that share")]
    high: float
    domain: Annotated[str, Field(description="that these debates were about; empty: all of the workspace")]


class OfQuestion(BaseModel):
    settled: Annotated[
        SettledView | None, Field(description="what debates of the same question settled on in the same workspace")
    ]
    settled_why: Annotated[str, Field(description="why `settled` is null; empty where it is not")]
    suggestions: Annotated[
        list[SuggestionView],
        Field(description="settings that would suit, by how the workspace decides"),
    ]
    suggestions_why: Annotated[str, Field(description="why there are none; empty where there are")]
    suggested: Annotated[
        list[str],
        Field(description="settings taken from what suits the workspace, where the body asks for that, and why"),
    ]


async def of_question(known: Known | None, planned: DebateSpec, *, may_read: bool) -> dict[str, object]:
    """The members of `OfQuestion`. What cannot be read is left out alone, and says why."""
    if known is None:
        return {"settled": None, "settled_why": OFF, "suggestions": (), "suggestions_why": OFF, "suggested": ()}
    settled, (suggested, why) = await asyncio.gather(
        _settled(known.precedents, planned, may_read=may_read), _suggestions(known.customs, planned)
    )
    nothing = isinstance(settled, str)
    return {
        "settled": None if nothing else settled,
        "settled_why": settled if nothing else "",
        "suggestions": suggested,
        "suggestions_why": why,
        "suggested": planned.suggested,
    }


async def _settled(precedents: Precedents, planned: DebateSpec, *, may_read: bool) -> Settled | str:
    if not may_read:
        return NOT_ALLOWED
    try:
        return await precedents.settled(planned)
    except Unavailable as away:
        return away.message


async def _suggestions(customs: Customs, planned: DebateSpec) -> tuple[tuple[Suggestion, ...], str]:
    try:
        found = await customs.suggestions(planned)
    except Unavailable as away:
        return (), away.message
    return found, "" if found else NONE_SUITS
