"""What an ended debate adds to the sums of usage: the outbox topic `usage`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aragora.encoding import decode_as
from aragora.receipts.closing import UsageDue
from aragora.storage.outbox import OutboxRow
from aragora.usage.store import UsageStore, UsageSum, day_of


class UsageConsumer:
    """Fulfils `aragora.storage.outbox.Consumer`: what each agent of a debate cost is added once."""

    def __init__(self, usage: UsageStore) -> None:
        self._usage = usage

    async def apply(self, rows: Sequence[OutboxRow]) -> None:
        """Add what `rows` charge. Raises Unavailable."""
        await self._usage.add({row.outbox_id: charge_of(row) for row in rows})


def charge_of(row: OutboxRow) -> list[UsageSum]:
    """What a row adds; agents that were not asked add nothing."""
    return [part for part in sums_of(decode_as(row.payload, UsageDue)) if part.answers or part.failures]


def sums_of(due: UsageDue) -> Iterable[UsageSum]:
    """What each agent of one debate cost, as an addition to the day's sums."""
    for part in due.agents:
        yield UsageSum(
            day=day_of(due.at),
            org_id=due.org_id,
            user_id=due.user_id,
            agent=part.name,
            provider=part.provider or "",
            model=part.model or "",
            debates=1,
            answers=part.answers,
            failures=part.failures,
            input_tokens=part.input_tokens,
            output_tokens=part.output_tokens,
            cost_usd=part.cost_usd,
            latency_s=part.latency_s,
        )
