"""N7: an endpoint that was down while much waited for it. Times are a sixtieth of the goal's: it is down for `down_s`
seconds, its breaker opens for 1 s, and the first second stands for the first minute."""

from __future__ import annotations

import time
from typing import Any

from aragora.webhooks.endpoint import ClientCertificate
from aragora.webhooks.model import Answer, Failure, Request
from benchmarks.webhooks.bed import Bed, endpoint, until
from benchmarks.webhooks.options import Line, Options

RATE_PER_S = 500.0
MAX_IN_FLIGHT = 8
EVENTS_AT_ONCE = 500


class _Down:
    """A sender of which no connection succeeds until `up`; it notes when its requests were answered."""

    def __init__(self, sender: Any) -> None:
        self.sender = sender
        self.up = False
        self.answered: list[float] = []

    async def send(self, request: Request, certificate: ClientCertificate | None = None) -> Answer:
        if not self.up:
            return Answer(Failure.CONNECT, 0.0, told="the receiver refused the connection")
        answer: Answer = await self.sender.send(request, certificate)
        self.answered.append(time.monotonic())
        return answer


async def run(bed: Bed, options: Options) -> list[Line]:
    """One line; `most_in_first_second` is to be at most twice the endpoint's rate."""
    one = endpoint(
        "down",
        f"{bed.url}/down",
        rate_per_s=RATE_PER_S,
        max_in_flight=MAX_IN_FLIGHT,
        failure_threshold=5,
        open_s=1.0,
        base_s=0.1,
        max_s=1.0,
        max_retries=1_000,
    )
    async with bed.bench([one]) as bench:
        down = bench.noting.sender = _Down(bench.noting.sender)
        for first in range(0, options.waiting, EVENTS_AT_ONCE):
            await bench.tell(min(EVENTS_AT_ONCE, options.waiting - first))
        ends = time.monotonic() + options.down_s
        await until(lambda: time.monotonic() >= ends)
        bench.noting.most_under_way = 0
        down.up = True
        await bench.all_sent(options.waiting)
        took = down.answered[-1] - down.answered[0]
        first_second = sum(at <= down.answered[0] + 1.0 for at in down.answered)
        most = bench.noting.most_under_way
    share = options.waiting / max(took, 1e-9) / RATE_PER_S
    figures = {
        "waiting": options.waiting,
        "limit_per_s": RATE_PER_S,
        "most_in_flight": most,
        "most_in_first_second": first_second,
        "drained_at_share": share,
        "back_after_s": down.answered[0] - ends,
    }
    met = most <= MAX_IN_FLIGHT and first_second <= 2 * RATE_PER_S and share >= 0.8
    goal = f"at most {MAX_IN_FLIGHT} in flight, twice the rate at first, 0.8 of the limit"
    return [Line("N7 recovery", figures, goal, met)]
