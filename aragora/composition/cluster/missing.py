"""The machines of `ray up` that are not in the cluster, each with the reason that it gave itself; and the nodes of the
cluster that `ray up` does not know."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from actors import launcher_log
from actors.launcher_config import Machines
from actors.launcher_log import Refusal


@dataclass(frozen=True, slots=True)
class Missing:
    """A machine: its `address`, why it is missing, a line each (empty: nothing is known), and whether that is plain, so
    that waiting for it is no use."""

    address: str
    reasons: tuple[str, ...] = ()
    plain: bool = False


def address_of(machine: str) -> str:
    """The address of a machine that the operator may have called by its name."""
    try:
        return socket.gethostbyname(machine)
    except OSError:
        return machine


def missing(
    launched: Machines | None,
    joined: Collection[str],
    since: int = 0,
    *,
    refusals: Callable[[], Mapping[str, Refusal]] = launcher_log.refusals,
    resolve: Callable[[str], str] = address_of,
) -> tuple[Missing, ...]:
    """The workers that the cluster needs to be complete and that have not joined; none without `ray up`.

    Args:
        launched: of which machines `ray up` was told.
        joined: the addresses of the nodes that live.
        since: up to which byte the launcher's log is old: what was said before is shown, and proves nothing.
        refusals: those that the log tells, by the machine's address.
        resolve: a machine's address.
    """
    if launched is None:
        return ()
    away = [(machine, resolve(machine)) for machine in launched.workers]
    away = [(machine, address) for machine, address in away if address not in joined]
    if len(launched.workers) - len(away) >= launched.wanted:
        return ()
    known = refusals() if away else {}
    return tuple(_missing(address, known.get(address) or known.get(machine), since) for machine, address in away)


def unlisted(
    launched: Machines | None, joined: Collection[str], *, resolve: Callable[[str], str] = address_of
) -> tuple[str, ...]:
    """The addresses among `joined` that `ray up` was not told of, or no longer; none without `ray up`."""
    if launched is None:
        return ()
    known = {resolve(machine) for machine in (launched.head, *launched.workers)}
    return tuple(address for address in joined if address not in known)


def _missing(address: str, refusal: Refusal | None, since: int) -> Missing:
    if refusal is None:
        return Missing(address)
    return Missing(address, tuple(_named(refusal)), refusal.plain and refusal.at > since)


def _named(refusal: Refusal) -> Iterator[str]:
    for line in refusal.said:
        yield f"{refusal.name}: {line}" if refusal.name else line
