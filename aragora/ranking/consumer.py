"""What the ratings learn from a decided debate: the outbox topic `ratings`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from aragora.debate.model import Decision
from aragora.encoding import decode_as
from aragora.ranking import elo
from aragora.ranking.elo import RatingsDue
from aragora.ranking.store import OVERALL, RatingChange, RatingKey, RatingStore, StoredRating, scope_of
from aragora.storage.outbox import OutboxRow


class RatingConsumer:
    """Fulfils `aragora.storage.outbox.Consumer`: a decision changes the ratings overall, in its domain and in
    that of its organisation, once."""

    def __init__(self, ratings: RatingStore) -> None:
        self._ratings = ratings

    async def apply(self, rows: Sequence[OutboxRow]) -> None:
        """Rate the decisions of `rows` in their order. Raises Unavailable."""
        await self._ratings.change([change_of(row) for row in rows])


def change_of(row: OutboxRow) -> RatingChange:
    """What a row changes."""
    due = decode_as(row.payload, RatingsDue)
    agents = [author for tally in due.decision.tallies for author in elo.authors_of(tally)]
    domains = dict.fromkeys((OVERALL, due.domain, scope_of(due.org_id, due.domain)))
    keys = [(agent, domain) for agent in agents for domain in domains]
    return RatingChange(row.outbox_id, keys, partial(rated, due.decision))


def rated(decision: Decision, ratings: Mapping[RatingKey, StoredRating]) -> Iterable[StoredRating]:
    """The ratings after `decision`, in every domain of `ratings` alike."""
    won = elo.wins(decision)
    for domain in dict.fromkeys(domain for _, domain in ratings):
        here = {agent: rating for (agent, at), rating in ratings.items() if at == domain}
        deltas = elo.updates({agent: rating.elo for agent, rating in here.items()}, decision)
        for agent, delta in deltas.items():
            before = here[agent]
            yield replace(
                before,
                elo=before.elo + delta,
                debates=before.debates + 1,
                wins=before.wins + won.get(agent, 0.0),
            )
