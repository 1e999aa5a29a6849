"""Checking receipts: one by itself, and a run of them as a chain."""

from __future__ import annotations

import copy
import json
import pathlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aragora.debate.records import GENESIS, ChainHead
from aragora.receipts.canonical import NotCanonical, canonical, digest
from aragora.receipts.signing import Signer
from aragora.receipts.verifying import BREAKS_CAP, SIZE_CAP, KeyedVerifier, verify, verify_chain

SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JUNK = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)

Path = tuple[str | int, ...]


def paths_of(value: Any, path: Path = ()) -> Iterator[Path]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from paths_of(item, (*path, key))


def failed(document: Any, trusted: set[str] | None = None) -> list[str]:
    valid, checks = verify(document, trusted)
    names = [check["name"] for check in checks if not check["passed"]]
    assert valid is (names == [])
    return names


def test_a_genuine_receipt_passes_every_check(document: dict[str, Any], signer: Signer) -> None:
    valid, checks = verify(document, {signer.public_key})
    assert valid
    assert [check["name"] for check in checks] == ["structure", "hash", "key_id", "signature", "trusted_key"]
    assert all(check["passed"] and check["detail"] for check in checks)


async def test_a_receipt_is_trusted_once_its_key_is_among_those_of_the_installation(
    document: dict[str, Any], signer: Signer, tmp_path: pathlib.Path
) -> None:
    verifier = KeyedVerifier(tmp_path)
    valid, checks = await verifier.verify(document)
    assert not valid
    assert [check["name"] for check in checks if not check["passed"]] == ["trusted_key"]
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "first.pub").write_text(signer.public_key)
    assert (await verifier.verify(document))[0]


async def test_a_receipt_is_checked_beside_the_event_loop(document: dict[str, Any], tmp_path: pathlib.Path) -> None:
    readers: set[int] = set()

    class Watched(dict[str, Any]):
        def __iter__(self) -> Iterator[str]:
            readers.add(threading.get_ident())
            return super().__iter__()

        def __getitem__(self, key: str) -> Any:
            readers.add(threading.get_ident())
            return super().__getitem__(key)

    await KeyedVerifier(tmp_path).verify(Watched(document))
    assert readers
    assert threading.get_ident() not in readers


@SHARED
@given(st.data())
def test_any_changed_field_is_detected(document: dict[str, Any], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(list(paths_of(document))))
    changed = copy.deepcopy(document)
    *way, last = path
    place: Any = changed
    for step in way:
        place = place[step]
    place[last] = data.draw(JUNK)
    try:
        same = canonical(changed) == canonical(document)
    except NotCanonical:
        same = False
    assert verify(changed, None)[0] is same


@SHARED
@given(st.data())
def test_any_missing_or_added_field_is_detected(document: dict[str, Any], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from([path for path in paths_of(document) if isinstance(path[-1], str)]))
    changed = copy.deepcopy(document)
    *way, last = path
    place: Any = changed
    for step in way:
        place = place[step]
    if data.draw(st.booleans()):
        del place[last]
    else:
        place[f"{last}_"] = place[last]
    assert not verify(changed, None)[0]


@SHARED
@given(st.integers(0, 127))
def test_any_changed_digit_of_the_signature_is_detected(document: dict[str, Any], place: int) -> None:
    signature = document["signature"]
    digit = "0" if signature[place] != "0" else "1"
    assert failed({**document, "signature": signature[:place] + digit + signature[place + 1 :]}) == ["signature"]


def test_hex_in_capitals_is_not_the_same_receipt(document: dict[str, Any]) -> None:
    for name in ("hash", "signature", "public_key"):
        assert failed({**document, name: document[name].upper()}) == ["structure"]


def test_a_forger_who_computes_the_hash_anew_fails_at_the_signature(document: dict[str, Any]) -> None:
    forged = {name: value for name, value in document.items() if name not in ("hash", "signature")}
    forged["question"] = "another"
    forged |= {"hash": digest(canonical(forged)), "signature": document["signature"]}
    assert failed(forged) == ["signature"]


def test_a_forger_with_a_key_of_their_own_fails_at_trust(document: dict[str, Any], signer: Signer) -> None:
    forger = Signer.from_seed(b"f" * 32)
    forged = {name: value for name, value in document.items() if name not in ("hash", "signature")}
    forged |= {"public_key": forger.public_key, "key_id": forger.key_id}
    forged["hash"] = digest(canonical(forged))
    forged["signature"] = forger.sign(forged["hash"])
    assert failed(forged, {signer.public_key}) == ["trusted_key"]
    assert failed({**forged, "key_id": signer.key_id}, {signer.public_key}) == [
        "hash",
        "key_id",
        "trusted_key",
    ]


@given(JUNK | st.dictionaries(st.text(max_size=10), JUNK))
def test_junk_is_no_receipt_and_no_error(junk: Any) -> None:
    assert failed(junk) == ["structure"]


def test_hostile_documents_are_refused_without_an_error(document: dict[str, Any]) -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    cyclic: dict[str, Any] = dict(document)
    cyclic["extra"] = cyclic
    hostile: list[Any] = [
        {**document, "extra": deep},
        cyclic,
        {**document, "extra": "x" * (SIZE_CAP + 1)},
        {**document, "extra": [0] * 1_000_000},
        {**document, "extra": 10**400},
        {**document, "extra": float("nan")},
        {**document, "extra": "\ud800"},
        {**document, "\ud800": 1},
        {**document, "extra": {1: 2}},
        {**document, "extra": object()},
        {**document, "position": True},
        {**document, "position": 0},
    ]
    for one in hostile:
        assert failed(one) == ["structure"]


@pytest.mark.parametrize("key", ["00" * 32, "ff" * 32, "01" + "00" * 31])
def test_keys_of_small_order_or_off_the_curve_are_no_error(document: dict[str, Any], key: str) -> None:
    assert "signature" in failed({**document, "public_key": key})


def test_a_receipt_survives_being_printed_prettily(document: dict[str, Any]) -> None:
    assert verify(json.loads(json.dumps(document, indent=4, sort_keys=False)), None)[0]


# --- A run of receipts -------------------------------------------------------------------------------------

ChainOf = Callable[[int], list[dict[str, Any]]]


def broken(documents: list[dict[str, Any]], start: ChainHead | None = GENESIS) -> list[tuple[int, str]]:
    report = verify_chain(documents, None, start)
    assert report.valid is (report.breaks == ())
    return [(found.index, found.check) for found in report.breaks]


def test_a_whole_chain_holds_and_tells_its_head(chain_of: ChainOf, signer: Signer) -> None:
    documents = chain_of(5)
    report = verify_chain(iter(documents), {signer.public_key})
    assert (report.valid, report.length) == (True, 5)
    assert report.head == ChainHead(5, documents[-1]["hash"])


def test_an_empty_chain_holds() -> None:
    assert verify_chain([], None).head == GENESIS


def test_a_missing_receipt_is_found(chain_of: ChainOf) -> None:
    documents = chain_of(5)
    del documents[2]
    assert broken(documents) == [(2, "position"), (2, "previous_hash")]


def test_a_repeated_receipt_is_found(chain_of: ChainOf) -> None:
    documents = chain_of(3)
    assert broken([documents[0], *documents]) == [(1, "position"), (1, "previous_hash")]


def test_a_changed_receipt_is_found_where_it_stands(chain_of: ChainOf) -> None:
    documents = chain_of(4)
    documents[1]["question"] = "another"
    assert broken(documents) == [(1, "hash")]


def test_what_is_no_receipt_is_found_and_so_is_the_gap_it_leaves(chain_of: ChainOf) -> None:
    documents = chain_of(3)
    documents[1] = {}
    assert broken(documents) == [(1, "structure"), (2, "position"), (2, "previous_hash")]


def test_a_chain_whose_beginning_was_retired_holds_from_where_it_begins(chain_of: ChainOf) -> None:
    documents = chain_of(5)[2:]
    assert broken(documents, None) == []
    assert broken(documents, ChainHead(2, documents[0]["previous_hash"])) == []
    assert broken(documents) == [(0, "position"), (0, "previous_hash")]


def test_receipts_of_a_key_that_is_not_trusted_are_found(chain_of: ChainOf) -> None:
    report = verify_chain(chain_of(2), {"ab" * 32})
    assert [found.check for found in report.breaks] == ["trusted_key", "trusted_key"]


def test_only_so_many_breaks_are_told() -> None:
    report = verify_chain(({} for _ in range(BREAKS_CAP * 3)), None)
    assert (report.valid, len(report.breaks), report.length) == (False, BREAKS_CAP, BREAKS_CAP * 3)
