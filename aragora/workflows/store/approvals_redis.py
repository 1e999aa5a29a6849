"""The inbox of approvals in Redis.

A hash for each approval: its version, document, what is shown, and the names of the lists that it stands in. A list is
a sorted set of equal scores, whose members begin with the approval's turn: so the lexical order is the order of pages,
and a page is found by a seek. A write that another one overtook is tried again (WATCH). Redis must persist (AOF) what
it holds here, as docs/security.md says.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from heapq import merge
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from aragora.encoding import decode_as, encode_text
from aragora.errors import Unavailable
from aragora.scope import Scope
from aragora.storage.cursors import Page, Turn, cursor_of, turn_of
from aragora.storage.ephemeral_redis import asked
from aragora.workflows.approvals import ApprovalRecord, Wanted, names_of, newest, unknown_approval
from aragora.workflows.model import ApprovalStatus
from aragora.workflows.store.approval_rows import document_of, record_of

if TYPE_CHECKING:
    from redis.asyncio import Redis

PREFIX: Final = "aragora:approval:"
BATCH: Final = 200
LOOKED_AT_MAX: Final = 2_000
"""A page looks at so many approvals at most; then it is shorter than was asked, and says where to go on."""
TRIES: Final = 50
_ANY: Final = "*"  # every organisation; no id has this character


class RedisApprovals:
    """Fulfils `ApprovalRequestStore`."""

    def __init__(self, client: Redis, prefix: str = PREFIX) -> None:
        self._redis = client
        self._prefix = prefix

    async def put(self, records: Sequence[ApprovalRecord]) -> None:
        ready = [(record, _fields(record)) for record in newest(records)]
        for record, fields in ready:
            await self._put(record, fields)

    async def get(self, scope: Scope, approval_id: str) -> ApprovalRecord:
        key = f"{self._prefix}{approval_id}"
        document, shown = await asked(lambda: self._redis.hmget(key, ["document", "shown"]))
        if document is None or shown is None:
            raise unknown_approval()
        record = record_of(_text(document), _text(shown))
        if not scope.holds(record.org_id, record.workspace):
            raise unknown_approval()
        return record

    async def page(
        self, scope: Scope, wanted: Wanted, *, cursor: str | None = None, limit: int = 50
    ) -> Page[ApprovalRecord]:
        place = None if cursor is None else turn_of(cursor)
        after = None if place is None else _member(place.turn, place.at, place.id)
        last = wanted.last_turn()
        # Numbers have six places after the point here; "<" is the character after ";".
        until = "+" if last is None else f"({_number(last + 1e-6)}<"
        found: list[ApprovalRecord] = []
        looked_at = 0
        while looked_at < LOOKED_AT_MAX:
            members = await self._members(_lists(scope, wanted), after, until)
            for member, record in zip(members, await self._records(members), strict=True):
                if record is not None and _stands_at(record) == member and _had(scope, wanted, record):
                    if len(found) == limit:
                        return Page(tuple(found), cursor_of(found[-1].turn))
                    found.append(record)
                after = member
            looked_at += len(members)
            if len(members) < BATCH:
                return Page(tuple(found))
        return Page(tuple(found), None if after is None else cursor_of(_place_of(after)))

    async def drop(self, approval_ids: Sequence[str]) -> None:
        """Take approvals of executions that are deleted out of it. Raises Unavailable."""
        for approval_id in approval_ids:
            await asked(partial(self._drop, f"{self._prefix}{approval_id}"))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _put(self, record: ApprovalRecord, fields: dict[str, str]) -> None:
        from redis.exceptions import WatchError  # noqa: PLC0415  servers without Redis never load it

        for _ in range(TRIES):
            try:
                return await asked(lambda: self._once(record, fields))
            except WatchError:
                continue
        raise Unavailable("Redis is too busy with this approval.", retry_after_s=1.0)

    async def _once(self, record: ApprovalRecord, fields: dict[str, str]) -> None:
        key = f"{self._prefix}{record.approval_id}"
        async with self._redis.pipeline(transaction=True) as pipe:
            await pipe.watch(key)
            version, lists, member = await pipe.hmget(key, ["version", "lists", "member"])
            if version is not None and int(version) > record.version:
                return
            pipe.multi()  # type: ignore[no-untyped-call]
            if lists is not None and member is not None:
                for name in decode_as(lists, tuple[str, ...]):
                    pipe.zrem(f"{self._prefix}{name}", member)
            pipe.hset(key, mapping=dict[Any, Any](fields))
            for name in _stands_in(record):
                pipe.zadd(f"{self._prefix}{name}", {fields["member"]: 0})
            await pipe.execute()

    async def _drop(self, key: str) -> None:
        lists, member = await self._redis.hmget(key, ["lists", "member"])
        async with self._redis.pipeline(transaction=True) as pipe:
            if lists is not None and member is not None:
                for name in decode_as(lists, tuple[str, ...]):
                    pipe.zrem(f"{self._prefix}{name}", member)
            pipe.delete(key)
            await pipe.execute()

    async def _members(self, names: Sequence[str], after: str | None, until: str) -> list[str]:
        """The next ones of these lists, each once, up to a batch."""
        start = "-" if after is None else f"({after}"
        found: list[list[str]] = []
        for name in names:
            ask = partial(self._redis.zrangebylex, f"{self._prefix}{name}", start, until, 0, BATCH)
            found.append([_text(one) for one in await asked(ask)])
        return [member for member, _ in groupby(merge(*found))][:BATCH]

    async def _records(self, members: Sequence[str]) -> list[ApprovalRecord | None]:
        async def read() -> list[Any]:
            async with self._redis.pipeline(transaction=False) as pipe:
                for member in members:
                    pipe.hget(f"{self._prefix}{member.split(';', 2)[2]}", "document")
                return list(await pipe.execute())

        return [None if one is None else record_of(one) for one in await asked(read)] if members else []


def _fields(record: ApprovalRecord) -> dict[str, str]:
    return {
        "version": str(record.version),
        "document": document_of(record),
        "shown": encode_text(record.state.shown),
        "lists": encode_text(_stands_in(record)),
        "member": _stands_at(record),
    }


def _had(scope: Scope, wanted: Wanted, record: ApprovalRecord) -> bool:
    return scope.holds(record.org_id, record.workspace) and wanted.has(record)


def _stands_in(record: ApprovalRecord) -> list[str]:
    """The lists with this approval: of its execution; of its organisation and of all, whole, what waits, and what each
    approver is asked."""
    lists = [f"execution:{record.state.execution_id}"]
    for org_id in (record.org_id, _ANY):
        lists.append(f"all:{org_id}")
        if record.pending:
            lists += [f"waiting:{org_id}", *(f"asked:{org_id}:{who}" for who in record.asked)]
    return lists


def _lists(scope: Scope, wanted: Wanted) -> list[str]:
    """The shortest lists that have all that is wanted."""
    org_id = _ANY if scope.org_id is None else scope.org_id
    if wanted.mine is not None:
        return [f"asked:{org_id}:{name}" for name in names_of(wanted.mine)]
    if wanted.execution is not None:
        return [f"execution:{wanted.execution}"]
    waiting = wanted.status is ApprovalStatus.PENDING or wanted.overdue_at is not None
    return [f"waiting:{org_id}" if waiting else f"all:{org_id}"]


def _number(value: float) -> str:
    return f"{value:019.6f}"


def _stands_at(record: ApprovalRecord) -> str:
    turn = record.turn
    return _member(turn.turn, turn.at, turn.id)


def _member(turn: float, at: float, approval_id: str) -> str:
    return f"{_number(turn)};{_number(at)};{approval_id}"


def _place_of(member: str) -> Turn:
    turn, at, approval_id = member.split(";", 2)
    return Turn(float(turn), float(at), approval_id)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else bytes(value).decode()
