#!/usr/bin/env python3
"""Checks a receipt of Aragora without Aragora: this file, Python and the package `cryptography`.

    python verify_receipt.py receipt.json --key PUBLIC_KEY --journal events.jsonl

What a receipt is (docs/receipts.md):
    content   the document without its members `hash` and `signature`, as canonical JSON (RFC 8785)
    hash      SHA-256 of the content, in hex
    signature Ed25519 over the ASCII text "aragora-receipt-v1:" + hash, in hex
    journal   SHA-256 over the first `length` lines of the exported events, each followed by a line feed
    knowledge the items that the debate was offered are those of the journal, and their texts have the digests it names

Prints each check; exit code 0 where all passed, 1 where one failed, 2 where the call itself is wrong, and 4 where all
passed but no --key was given: then nobody knows whose key signed it. `--any-key` accepts whichever key it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

SCHEMA = "aragora.receipt/1"
FORGETTING = "aragora.forgetting/1"  # the certificate that something was forgotten: a link of the same chain
EXECUTION = "aragora.execution/1"  # the receipt of an execution of a workflow, a link of the same chain too
ALGORITHM = "Ed25519"
CONTEXT = b"aragora-receipt-v1:"
SIZE_CAP = 8_000_000  # bytes; one with the votes of ten thousand people stays below
HEX = {"hash": 64, "previous_hash": 64, "public_key": 64, "key_id": 32, "signature": 128}
SOURCE = ("source_debate_id", "source_receipt_id", "source_receipt_hash")  # of an offered item
EXACT = 2**53 - 1  # JSON numbers keep whole numbers exact up to here

Finding = tuple[str, bool, str]  # name, passed, detail


class NotAReceipt(ValueError):
    """The text is not a receipt; says why."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Check a receipt of Aragora: content, key, signature, journal.")
    parser.add_argument("receipt", help="the receipt as JSON; - reads standard input")
    parser.add_argument(
        "--key",
        action="append",
        metavar="KEY",
        help="public key that must have signed: 64 hex digits or a file; may be repeated",
    )
    parser.add_argument(
        "--journal",
        metavar="FILE",
        help="the events of the debate or execution, one JSON envelope a line, from seq 1 on",
    )
    parser.add_argument("--any-key", action="store_true", help="accept whichever key signed it")
    arguments = parser.parse_args()
    try:
        raw = sys.stdin.buffer.read(SIZE_CAP + 1) if arguments.receipt == "-" else Path(arguments.receipt).read_bytes()
        keys = None if arguments.key is None else {public_key(key) for key in arguments.key}
        journal = None if arguments.journal is None else Path(arguments.journal).read_bytes()
    except (OSError, ValueError) as error:
        parser.error(str(error))
    valid = True
    for name, passed, detail in findings(raw, keys, journal):
        print(f"{'ok  ' if passed else 'FAIL'}  {name:<12} {detail}")
        valid = valid and passed
    if not valid:
        print("NOT VALID")
        return 1
    if keys is None and not arguments.any_key:
        print("UNCHANGED, SIGNER UNKNOWN: a receipt cannot prove by itself whose key signed it; give --key")
        return 4
    print("VALID")
    return 0


def findings(raw: bytes, keys: set[str] | None, journal: bytes | None) -> Iterator[Finding]:
    """Each check as (name, passed, detail); ends early where the text is no receipt at all."""
    try:
        document = parse(raw)
        content = canonical({name: value for name, value in document.items() if name not in ("hash", "signature")})
    except (NotAReceipt, RecursionError) as error:
        yield "structure", False, str(error)
        return
    yield "structure", True, named(document)
    computed, stated = hashlib.sha256(content.encode()).hexdigest(), document["hash"]
    yield "hash", computed == stated, computed if computed == stated else f"content has {computed}, stated is {stated}"
    key = bytes.fromhex(document["public_key"])
    fingerprint = hashlib.sha256(key).hexdigest()[:32]
    yield "key_id", fingerprint == document["key_id"], fingerprint
    yield "signature", signed(key, stated, document["signature"]), f"by the key {document['public_key']}"
    if keys is not None:
        yield "trusted_key", document["public_key"] in keys, document["public_key"]
    if journal is not None:
        yield journal_finding(document, journal)
        yield from knowledge_findings(document, journal)


def named(document: dict[str, Any]) -> str:
    """What the document is of."""
    if document["schema"] == FORGETTING:
        items = document.get("forgotten")
        count = len(items) if isinstance(items, list) else "no"
        return f"certificate {document.get('receipt_id')}: {count} items were forgotten"
    if document["schema"] == EXECUTION:
        return f"receipt {document.get('receipt_id')} of execution {document.get('execution_id')}"
    return f"receipt {document.get('receipt_id')} of debate {document.get('debate_id')}"


def parse(raw: bytes) -> dict[str, Any]:
    """The document, if its shape is that of a receipt. Raises NotAReceipt."""
    if len(raw) > SIZE_CAP:
        raise NotAReceipt("too large for a receipt")
    try:
        document = json.loads(raw.decode("utf-8"), object_pairs_hook=without_repeats, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise NotAReceipt(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise NotAReceipt("a receipt is a JSON object")
    for name, expected in (("schema", (SCHEMA, FORGETTING, EXECUTION)), ("algorithm", (ALGORITHM,))):
        if document.get(name) not in expected:
            raise NotAReceipt(f"`{name}` must be {' or '.join(map(repr, expected))}")
    for name, digits in HEX.items():
        value = document.get(name)
        if not isinstance(value, str) or re.fullmatch(f"[0-9a-f]{{{digits}}}", value) is None:
            raise NotAReceipt(f"`{name}` must be {digits} lower-case hex digits")
    position = document.get("position")
    if type(position) is not int or position < 1:
        raise NotAReceipt("`position` must be a whole number from 1 on")
    return document


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Readers differ on which of two members of one name counts; a receipt has none."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotAReceipt("a name stands twice in one object")
    return members


def no_constant(name: str) -> None:
    raise NotAReceipt(f"{name} is not JSON")


def canonical(value: Any) -> str:
    """RFC 8785: no white space, members ordered by UTF-16 code units, numbers as ECMAScript writes them."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return text(value)
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, list):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    try:
        members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be"))
    except UnicodeEncodeError as error:
        raise NotAReceipt(f"a text is not Unicode: {error}") from error
    return "{" + ",".join(f"{text(name)}:{canonical(item)}" for name, item in members) + "}"


def text(value: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise NotAReceipt(f"a text is not Unicode: {error}") from error
    return json.dumps(value, ensure_ascii=False)  # escapes exactly what RFC 8785 escapes, and in the same way


def number(value: float) -> str:
    """Number::toString of ECMA-262, from Python's shortest digits (both round-trip, so the digits agree)."""
    if isinstance(value, int):
        if abs(value) > EXACT:
            raise NotAReceipt(
                f"{value:.3e} is larger than JSON keeps exact" if abs(value) < 10**300 else "a number is too large"
            )
        return str(value)
    if not math.isfinite(value):
        raise NotAReceipt("a number is too large")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))  # digits before the point
    digits = digits.rstrip("0")
    if len(digits) <= point <= 21:
        return sign + digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{point - 1:+d}"


def signed(key: bytes, receipt_hash: str, signature: str) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(bytes.fromhex(signature), CONTEXT + receipt_hash.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def journal_finding(document: dict[str, Any], journal: bytes) -> Finding:
    stated = document.get("journal")
    length = stated.get("length") if isinstance(stated, dict) else None
    if not isinstance(stated, dict) or type(length) is not int or length < 1:
        return "journal", False, "the receipt tells nothing of a journal"
    lines = journal.split(b"\n")  # not splitlines: other line ends may stand inside a text
    lines = [line for line in lines if line][:length]
    if len(lines) < length:
        return "journal", False, f"the receipt covers {length} events, the file has {len(lines)}"
    computed = hashlib.sha256(b"".join(line + b"\n" for line in lines)).hexdigest()
    agrees = computed == stated.get("sha256")
    return (
        "journal",
        agrees,
        f"{length} events, SHA-256 {computed}" + ("" if agrees else f", stated is {stated.get('sha256')}"),
    )


def knowledge_findings(document: dict[str, Any], journal: bytes) -> Iterator[Finding]:
    """Whether the items that the receipt says were offered are those of the journal, whose texts have the digests that
    both name. Nothing where the debate looked for none: receipts of earlier versions say nothing of knowledge."""
    stated = document.get("knowledge")
    stated = stated.get("offered") if isinstance(stated, dict) else None
    items = offered_items(journal)
    if stated is None and items is None:
        return
    told = None if not isinstance(stated, list) else [named_item(one) for one in stated]
    counted = None if items is None else [named_item(one) for one in items]
    texts = [hashlib.sha256(str(one.get("text")).encode("utf-8", "replace")).hexdigest() for one in items or ()]
    if told is None or told != counted:
        yield "knowledge", False, "the receipt names other items than the journal says were offered"
    elif texts != [one.get("digest") for one in items or ()]:
        yield "knowledge", False, "the text of an offered item in the journal has another digest than it states"
    else:
        yield "knowledge", True, f"{len(told)} offered, the same in receipt and journal"


def offered_items(journal: bytes) -> list[dict[str, Any]] | None:
    """The items of the first offer in the journal; None where there is none."""
    for line in journal.split(b"\n"):
        if b'"knowledge_offered"' not in line:
            continue
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and event.get("type") == "knowledge_offered":
            data = event.get("data")
            items = data.get("items") if isinstance(data, dict) else None
            return [one if isinstance(one, dict) else {} for one in items] if isinstance(items, list) else []
    return None


def named_item(item: Any) -> tuple[Any, ...]:
    """What names one version of an offered item, and where it comes from."""
    names = ("label", "item_id", "version", "digest", "kind", "disputed", *SOURCE)
    return tuple(item.get(name) for name in names) if isinstance(item, dict) else ()


def public_key(value: str) -> str:
    """A key as hex, from hex digits, a file of them, or a PEM file. Raises ValueError or OSError."""
    found = value if re.fullmatch("[0-9a-fA-F]{64}", value) else Path(value).read_text(encoding="ascii").strip()
    if found.startswith("-----BEGIN"):
        pem = load_pem_public_key(found.encode())
        if not isinstance(pem, Ed25519PublicKey):
            raise ValueError(f"{value} holds no Ed25519 public key")
        return pem.public_bytes_raw().hex()
    if re.fullmatch("[0-9a-fA-F]{64}", found) is None:
        raise ValueError(f"{value} holds no public key: give 64 hex digits or a PEM file")
    return found.lower()


if __name__ == "__main__":
    sys.exit(main())
