"""What is known of the question of a planned debate, as the answer of POST /api/debates/estimate says it."""

from __future__ import annotations

from typing import Annotated, Final, Protocol

from pydantic import BaseModel, Field

from aragora.debate.model import DebateSpec
from aragora.errors import Unavailable
from aragora.knowledge.precedents import Settled

OFF: Final = "nothing is learnt from debates: ARAGORA_KNOWLEDGE is off"
NOT_ALLOWED: Final = "what was decided before takes the permission knowledge.read"


class Precedents(Protocol):
    """Knows what was settled (`aragora.knowledge.precedents.Precedents`)."""

    async def settled(self, planned: DebateSpec) -> Settled | str:
        """What the question was settled on, or why nothing is told. Raises Unavailable."""
        ...


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


class OfQuestion(BaseModel):
    settled: Annotated[
        SettledView | None, Field(description="what debates of the same question settled on in the same workspace")
    ]
    settled_why: Annotated[str, Field(description="why `settled` is null; empty where it is not")]


async def of_question(precedents: Precedents | None, planned: DebateSpec, *, may_read: bool) -> dict[str, object]:
    """The members of `OfQuestion`. What cannot be read is null, and says why."""
    found = await _settled(precedents, planned, may_read=may_read)
    return {"settled": None, "settled_why": found} if isinstance(found, str) else {"settled": found, "settled_why": ""}


async def _settled(precedents: Precedents | None, planned: DebateSpec, *, may_read: bool) -> Settled | str:
    if precedents is None:
        return OFF
    if not may_read:
        return NOT_ALLOWED
    try:
        return await precedents.settled(planned)
    except Unavailable as away:
        return away.message
