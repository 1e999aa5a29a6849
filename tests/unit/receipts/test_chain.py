from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aragora.debate.records import GENESIS, ChainHead
from aragora.receipts.chain import BREAKS_CAP, verify_chain
from aragora.receipts.signing import Signer

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
