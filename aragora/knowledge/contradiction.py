"""When a new statement contradicts one that is there, and what follows. Pure.

Only statements about the same subject and relation can contradict each other, where both hold at some common time and
give different values. Likeness of words never decides it: "3 replicas" and "30 replicas" are as alike as paraphrases.
"""

from __future__ import annotations

from enum import StrEnum

from aragora.knowledge.model import SEARCHED, Item, Source, Statement


class Clash(StrEnum):
    """What a new statement does to one that it contradicts."""

    DISPUTES = "disputes"  # both stand, and each says that the other says otherwise
    SUPERSEDES = "supersedes"  # whoever made the new one had been shown the old one, and decided otherwise


def clash(old: Item, new: Statement, source: Source) -> Clash | None:
    """What `new`, as `source` says it, does to `old`; None where the two go together."""
    said = old.statement
    if old.status not in SEARCHED or said.kind is not new.kind:
        return None
    if not new.subject or (said.subject, said.relation) != (new.subject, new.relation):
        return None
    if said.value == new.value or not _meet(said, new):
        return None
    informed = any(one.root in source.exposed for one in old.sources)
    return Clash.SUPERSEDES if informed else Clash.DISPUTES


def _meet(one: Statement, other: Statement) -> bool:
    """Whether both hold at some common time."""
    return _begins_before_end(one, other) and _begins_before_end(other, one)


def _begins_before_end(one: Statement, other: Statement) -> bool:
    return one.valid_from is None or other.valid_to is None or one.valid_from < other.valid_to
