"""N12: what a delivery's own body and its signatures cost, at 1 KB."""

from __future__ import annotations

import timeit

from aragora.webhooks.body import body_of, with_delivery_id
from aragora.webhooks.signing import signed_headers
from benchmarks.webhooks.bed import ONE_KB, Bed
from benchmarks.webhooks.options import Line, Options

CALLS = 5_000
ID = "dlv_" + "0" * 32
SECRET = "whsec_" + "A" * 43 + "="


async def run(_: Bed, __: Options) -> list[Line]:
    """Microseconds, the best of five."""
    text = body_of({"type": "debate_end", "data": {"conclusion": ONE_KB, "more": "y" * 200}})

    def once() -> None:
        signed_headers(
            with_delivery_id(text, ID),
            message_id="deb_1:1",
            delivery_id=ID,
            event_type="debate_end",
            attempt=1,
            timestamp=1_700_000_000,
            secrets=(SECRET,),
        )

    each = 1e6 * min(timeit.repeat(once, number=CALLS, repeat=5)) / CALLS
    return [Line("N12 body and signatures", {"body_bytes": len(text), "us": each}, "20 µs", each <= 20.0)]
