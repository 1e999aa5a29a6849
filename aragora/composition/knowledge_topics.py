"""The feature `knowledge topics`: what a workspace asks about of late, over HTTP."""

from __future__ import annotations

from aragora.clock import Clock
from aragora.config.settings import Settings
from aragora.knowledge.asked import AskedOfLate, Debates
from aragora.knowledge.store.observations import Observations
from aragora.server.chapters.knowledge_topics import TopicPorts, knowledge_topics
from aragora.server.feature import Feature
from aragora.storage.contexts import Context
from aragora.storage.database import Database


def open_knowledge_topics(settings: Settings, *, debates: Debates, clock: Clock) -> Feature[TopicPorts]:
    """Over the `debates` and what was noted of them in the store of the settings, which connects with its first use."""
    memory = Database.open(settings, Context.MEMORY)
    asked = AskedOfLate(debates, Observations(memory), clock)
    return Feature(
        "knowledge topics",
        TopicPorts(asked, settings.knowledge),
        chapters=(knowledge_topics,),
        closers=(memory.aclose,),
    )
