"""What a workspace asks about of late, by topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from aragora.identity import workspaces
from aragora.identity.rbac import DEBATES_READ, KNOWLEDGE_READ
from aragora.knowledge.asked import AskedOfLate, Trending
from aragora.knowledge.model import Home
from aragora.knowledge.trending import DAYS, DAYS_MAX, DEBATES_MAX, TOPICS, TOPICS_MAX, Topic
from aragora.server.chapter import Call, Chapter
from aragora.server.foretelling import OFF
from aragora.server.knowledge import Asking
from aragora.server.schemas import Workspace
from aragora.server.views import UNCACHED, json_response

NOTHING_LEARNT: Final = "no debate of these days was learnt from in this workspace"


@dataclass(frozen=True, slots=True)
class TopicPorts:
    """What this route calls; `learns`: whether anything is learnt from debates."""

    asked: AskedOfLate
    learns: bool


knowledge_topics: Chapter[TopicPorts] = Chapter("knowledge")


class TopicQuery(Asking):
    """Which topics are told."""

    days: Annotated[int, Field(ge=1, le=DAYS_MAX, description="before now, in which a debate ended")] = DAYS
    limit: Annotated[int, Field(ge=1, le=TOPICS_MAX)] = TOPICS
    workspace: Annotated[Workspace | None, Field(description="unsaid: the API key's, else `default`")] = None


class NewestView(BaseModel):
    debate_id: str
    question: Annotated[str, Field(description="its first characters, on one line; the debate has it whole")]
    at: Annotated[float, Field(description="when it ended, in seconds since the epoch")]


class TopicView(BaseModel):
    name: Annotated[str, Field(description="its most telling words")]
    domain: Annotated[str | None, Field(description="that of most of its debates; null where none is known")]
    debates: Annotated[int, Field(description="that ended in the days asked for")]
    questions: Annotated[int, Field(description="how many different ones these debates put")]
    decided: Annotated[int, Field(description="how many of these debates reached a decision")]
    recency: Annotated[
        float, Field(description="the sum over these debates of a weight: 1 for one that ends now, half after 7 days")
    ]
    last_7_days: int
    before_21_days: Annotated[int, Field(description="debates of the 21 days before those 7")]
    rising: Annotated[
        bool | None,
        Field(description="asked more often than before; null: the debates do not reach back far enough to tell"),
    ]
    newest: NewestView


class TopicList(BaseModel):
    workspace: str
    days: int
    debates: Annotated[
        int,
        Field(description=f"that were looked at, {DEBATES_MAX} at most; of 28 days at the least, to tell what rises"),
    ]
    since: Annotated[float | None, Field(description="when the first of these ended, in seconds since the epoch")]
    cut: Annotated[bool, Field(description="there are more debates of these days: the oldest are left out")]
    topics: Annotated[list[TopicView], Field(description="the highest recency first")]
    why: Annotated[str, Field(description="why there are none; empty where there are")]


@knowledge_topics.get("/api/knowledge/topics", needs=KNOWLEDGE_READ, gives=TopicList)
async def topics(call: Call[TopicPorts], query: Annotated[TopicQuery, Query()]) -> Response:
    """What the debates of a workspace asked about of late: questions that share their telling words are one topic. Of a
    forgotten debate nothing is told. The words are those of debates: it takes `debates.read` too."""
    call.require(DEBATES_READ)
    ports, workspace = call.ports, workspaces.chosen(call.who, query.workspace)
    found = await ports.asked.topics(Home(call.who.org_id, workspace), query.days, query.limit)
    why = "" if found.topics else NOTHING_LEARNT if ports.learns else OFF
    return json_response({"workspace": workspace, **_view(found), "why": why}, headers=UNCACHED)


def _view(found: Trending) -> dict[str, Any]:
    return {
        "days": found.days,
        "debates": found.debates,
        "since": found.since,
        "cut": found.cut,
        "topics": [_topic(one) for one in found.topics],
    }


def _topic(one: Topic) -> dict[str, Any]:
    return {
        "name": one.name,
        "domain": one.domain or None,
        "debates": one.debates,
        "questions": one.questions,
        "decided": one.decided,
        "recency": one.recency,
        "last_7_days": one.last,
        "before_21_days": one.before,
        "rising": one.rising,
        "newest": {"debate_id": one.debate_id, "question": one.question, "at": one.at},
    }
