"""The caller's side of a circuit breaker: what it may do alone and what it must report, as a pure machine.

Rules:
    - While a lease is valid the caller calls without asking.
    - A failure is told at once, under the epoch its call was permitted in, and ends the lease: the answer to the
      report brings the next one.
    - A success is told only while failures are outstanding, and then at most every `tell_every_s`, with a count.
`now` is monotonic seconds of the holder.
"""

from __future__ import annotations

from aragora.resilience.circuit_breaker import Lease, Succeeded


class LeaseHolder:
    """One caller's lease. Starts without one."""

    __slots__ = ("_lease", "_tell_every_s", "_told_at", "_untold", "_valid_until")

    def __init__(self, tell_every_s: float = 1.0) -> None:
        self._lease: Lease | None = None
        self._valid_until = 0.0
        self._tell_every_s = tell_every_s
        self._told_at: float | None = None
        self._untold = 0

    @property
    def lease(self) -> Lease | None:
        """The last lease granted."""
        return self._lease

    @property
    def epoch(self) -> int:
        """The epoch that outcomes under this lease are told with."""
        return self._lease.epoch if self._lease else 0

    def may_call(self, now: float) -> bool:
        """Whether a call may be made without asking the breaker."""
        return self._lease is not None and now < self._valid_until

    def granted(self, lease: Lease, now: float) -> None:
        """The breaker granted `lease`; `now` is when the breaker was asked, so that it never lasts too long."""
        self._lease = lease
        self._valid_until = now + lease.valid_s
        if not lease.outstanding:
            self._untold = 0
            self._told_at = None

    def drop(self) -> None:
        """A call failed, or the breaker refused or is away: ask again before the next call."""
        self._valid_until = 0.0

    def succeeded(self, now: float) -> Succeeded | None:
        """What to tell the breaker after a success: None on the healthy path."""
        if self._lease is None or not self._lease.outstanding:
            return None
        self._untold += 1
        if self._told_at is not None and now - self._told_at < self._tell_every_s:
            return None
        told = Succeeded(self._lease.epoch, count=self._untold)
        self._told_at = now
        self._untold = 0
        return told
