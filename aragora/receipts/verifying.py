"""Checks a receipt from its document alone, and a run of receipts as a chain: nothing changed, missing or put in
between.

The document may be anything a stranger sends: nothing here raises. Each check of a receipt is {name, passed, detail};
the others are made only where `structure` passes.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

from aragora.debate.records import GENESIS, ChainHead
from aragora.limits import VOTERS_MAX
from aragora.receipts.canonical import NotCanonical, canonical, digest, journal_digest
from aragora.receipts.receipt import SCHEMAS
from aragora.receipts.signing import ALGORITHM, is_public_key, key_id_of, signature_holds, trusted_keys

# Everybody who votes stands twice in a receipt at most: as a voter, and as one who preferred another answer.
_VOTER_BYTES: Final = 400  # with names of 128 characters; an account's id is far shorter
_VOTER_VALUES: Final = 16
TEXT_CAP: Final = 4_000_000 + VOTERS_MAX * _VOTER_BYTES  # bytes of the JSON text; as in scripts/verify_receipt.py
SIZE_CAP: Final = 1_000_000 + VOTERS_MAX * _VOTER_BYTES  # characters of all texts together
VALUES_CAP: Final = 50_000 + VOTERS_MAX * _VOTER_VALUES
DEPTH_CAP: Final = 32
SEALS: Final = frozenset({"hash", "signature"})  # made over the rest of the document
BREAKS_CAP: Final = 100  # breaks told one by one; the chain is broken however many there are

_HEX: Final = {
    name: re.compile(rf"[0-9a-f]{{{digits}}}")
    for name, digits in (("hash", 64), ("previous_hash", 64), ("public_key", 64), ("key_id", 32), ("signature", 128))
}

Check = dict[str, Any]


class NotAReceipt(ValueError):
    """A text that cannot be the JSON of a receipt; says why."""


def parse(raw: bytes) -> Any:
    """The document of a receipt from its JSON text. Raises NotAReceipt where it is not JSON, is larger than a receipt
    can be, holds NaN, or names a member twice: readers differ on which of the two counts, so one of them would read
    another decision than the one that was signed."""
    if len(raw) > TEXT_CAP:
        raise NotAReceipt(f"the text is over {TEXT_CAP} bytes, more than a receipt can have")
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=_members, parse_constant=_no_constant)
    except NotAReceipt:
        raise
    except (ValueError, RecursionError) as error:
        raise NotAReceipt(f"the text is not JSON: {error}") from error


def verify(
    document: Mapping[str, Any], trusted_keys: Collection[str] | None, journal: Iterable[bytes] | None = None
) -> tuple[bool, list[Check]]:
    """Check one receipt.

    Args:
        document: the receipt, decoded from JSON.
        trusted_keys: public keys (64 hex digits) of which one must have signed. None leaves open whose key it is: then
            the receipt shows only that it was not changed after it was signed.
        journal: the lines of the exported journal that the receipt is about, from event 1 on; None: it is not compared.

    Returns:
        (valid, checks): whether all checks passed, and the checks in order.
    """
    flaw = _flaw(document)
    if flaw is not None:
        return refusal(flaw)
    checks = [_check("structure", None, f"a receipt of schema {document['schema']}")]
    content = {name: value for name, value in document.items() if name not in SEALS}
    try:
        computed = digest(canonical(content))
    except NotCanonical as error:
        return refusal(f"the document has no canonical form: {error}")
    stated, key, key_id = document["hash"], document["public_key"], document["key_id"]
    checks += (
        _check(
            "hash",
            None
            if computed == stated
            else f"the content has the hash {computed}, the receipt states {stated}: it was changed",
            "the content has the hash that the receipt states",
        ),
        _check(
            "key_id",
            None if key_id_of(key) == key_id else f"the public key's fingerprint is {key_id_of(key)}, not {key_id}",
            f"{key_id} is the fingerprint of the public key",
        ),
        _check(
            "signature",
            None
            if signature_holds(key, stated, document["signature"])
            else "the signature is not that of the public key over the stated hash",
            "the signature is that of the public key over the stated hash",
        ),
    )
    if trusted_keys is not None:
        checks.append(
            _check(
                "trusted_key",
                None if key in trusted_keys else f"the key {key_id} is none of those trusted here",
                f"the key {key_id} is trusted here",
            )
        )
    if journal is not None:
        checks.append(_journal_check(document, journal))
    return all(check["passed"] for check in checks), checks


class KeyedVerifier:
    """Checks receipts against the keys that this installation has ever signed with: see `trusted_keys`."""

    def __init__(self, data_dir: Path, configured: str | None = None, earlier: Sequence[str] = ()) -> None:
        self._trusted = partial(trusted_keys, data_dir, configured, earlier)

    async def verify(self, document: Mapping[str, Any]) -> tuple[bool, list[Check]]:
        """Check one receipt as `verify` does. Reads the keys anew each time."""
        # In a thread: anybody may send a receipt, and a large one takes a tenth of a second.
        return await asyncio.to_thread(self._checked, document)

    def _checked(self, document: Mapping[str, Any]) -> tuple[bool, list[Check]]:
        return verify(document, self._trusted())


# --- A run of receipts -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChainBreak:
    """Where the chain does not hold. `index` counts the receipts given from 0; `check` names what failed."""

    index: int
    check: str
    detail: str


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What a check of a chain found; `head` is its last link, to compare with a head noted elsewhere."""

    valid: bool
    length: int
    breaks: tuple[ChainBreak, ...]
    head: ChainHead


def verify_chain(
    documents: Iterable[Mapping[str, Any]],
    trusted_keys: Collection[str] | None,
    start: ChainHead | None = GENESIS,
) -> ChainReport:
    """Check receipts in the order of their positions, one in memory at a time; never raises for what is in them.

    `start` is the link before the first; None where the receipts before it were deleted by retention: then the first
    one's own word is taken for what came before.
    """
    head, length, breaks = start, 0, _Breaks()
    for index, document in enumerate(documents):
        length += 1
        _valid, checks = verify(document, trusted_keys)
        for check in checks:
            if not check["passed"]:
                breaks.add(index, check["name"], check["detail"])
        if checks[0]["passed"]:
            if head is not None:
                breaks.add_all(index, _misplaced(document, head))
            head = ChainHead(document["position"], document["hash"])
    return ChainReport(breaks.count == 0, length, tuple(breaks.told), head or GENESIS)


def refusal(flaw: str) -> tuple[bool, list[Check]]:
    """The result of `verify` for a text that is no receipt at all."""
    return False, [_check("structure", flaw)]


# --- The checks of one -------------------------------------------------------------------------------------


def _check(name: str, flaw: str | None, finding: str = "") -> Check:
    return {"name": name, "passed": flaw is None, "detail": finding if flaw is None else flaw}


def _journal_check(document: Mapping[str, Any], journal: Iterable[bytes]) -> Check:
    """Whether the lines begin with the events that the receipt covers."""
    stated = document.get("journal")
    length = stated.get("length") if isinstance(stated, dict) else None
    if not isinstance(stated, dict) or not isinstance(length, int) or isinstance(length, bool) or length < 1:
        return _check("journal", "the receipt tells nothing of a journal")
    count = 0

    def covered() -> Iterator[bytes]:
        nonlocal count
        lines = (line for line in (raw.rstrip(b"\n") for raw in journal) if line)
        for line in islice(lines, length):
            count += 1
            yield line

    computed = journal_digest(covered())
    if count < length:
        return _check("journal", f"the receipt covers {length} events, the journal that was given has {count}")
    differs = f"the {length} events have the SHA-256 {computed}, the receipt states {stated.get('sha256')}"
    return _check(
        "journal",
        None if computed == stated.get("sha256") else differs,
        f"the {length} events that the receipt covers are those of the journal: none is missing or changed",
    )


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotAReceipt("a name stands twice in one object: readers differ on which of the two counts")
    return members


def _no_constant(name: str) -> None:
    raise NotAReceipt(f"{name} is not JSON")


def _flaw(document: object) -> str | None:
    """What keeps the document from being a receipt at all, or None."""
    if not isinstance(document, dict):
        return "a receipt is a JSON object"
    if (flaw := _beyond_bounds(document)) is not None:
        return flaw
    for name, expected in (("schema", SCHEMAS), ("algorithm", (ALGORITHM,))):
        if document.get(name) not in expected:
            return f"`{name}` must be {' or '.join(map(repr, expected))}"
    for name, pattern in _HEX.items():
        value = document.get(name)
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            return f"`{name}` must be lower-case hex ({pattern.pattern})"
    position = document.get("position")
    if not isinstance(position, int) or isinstance(position, bool) or position < 1:
        return "`position` must be a whole number from 1 on"
    return None if is_public_key(document["public_key"]) else "`public_key` must be 64 hex digits"


def _beyond_bounds(document: dict[Any, Any]) -> str | None:
    """Walks the document without recursion and stops at the first bound it breaks (a cycle breaks one, too)."""
    waiting: list[tuple[Any, int]] = [(document, 1)]
    values, characters = 0, 0
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, str):
            characters += len(value)
        elif not (value is None or isinstance(value, bool | int | float | dict | list)):
            return f"{type(value).__name__} is no JSON type"
        values += 1 + (len(value) if isinstance(value, dict | list) else 0)
        if values > VALUES_CAP or depth > DEPTH_CAP or characters > SIZE_CAP:
            return "the document is larger or deeper than a receipt can be"
        waiting.extend((inside, depth + 1) for inside in _inside(value))
    return None


def _inside(value: Any) -> list[Any]:
    """What a value is made of; the names of an object count like its values."""
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else []


# --- The checks of a run -----------------------------------------------------------------------------------


class _Breaks:
    def __init__(self) -> None:
        self.count = 0
        self.told: list[ChainBreak] = []

    def add(self, index: int, check: str, detail: str) -> None:
        self.count += 1
        if len(self.told) < BREAKS_CAP:
            self.told.append(ChainBreak(index, check, detail))

    def add_all(self, index: int, found: Iterable[tuple[str, str]]) -> None:
        for check, detail in found:
            self.add(index, check, detail)


def _misplaced(document: Mapping[str, Any], head: ChainHead) -> Iterable[tuple[str, str]]:
    position, previous = document["position"], document["previous_hash"]
    if position != head.position + 1:
        yield "position", f"position {position} follows {head.position}: receipts are missing, repeated or out of order"
    if previous != head.hash:
        yield "previous_hash", f"the receipt names {previous} as the one before, which has the hash {head.hash}"
