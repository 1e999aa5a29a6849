from __future__ import annotations

import dataclasses
import json
import pickle
from typing import Any

import pytest
import rfc8785

from aragora.debate.model import Decision
from aragora.debate.records import GENESIS, ChainHead, ReceiptRecord
from aragora.receipts.canonical import NotCanonical, digest
from aragora.receipts.issuing import head_after, issue, issued
from aragora.receipts.receipt import ReceiptDraft
from aragora.receipts.signing import Signer, key_id_of, signature_holds


def test_the_document_is_canonical_json(record: ReceiptRecord, document: dict[str, Any]) -> None:
    assert record.document.encode() == rfc8785.dumps(document)


def test_the_hash_covers_everything_but_itself_and_the_signature(document: dict[str, Any]) -> None:
    stated = document.pop("hash")
    document.pop("signature")
    assert stated == digest(rfc8785.dumps(document))


def test_the_signature_is_the_signers_over_the_hash(document: dict[str, Any], signer: Signer) -> None:
    assert signature_holds(signer.public_key, document["hash"], document["signature"])
    assert document["public_key"] == signer.public_key
    assert document["key_id"] == signer.key_id == key_id_of(signer.public_key)


def test_issuing_twice_gives_the_same_text(draft: ReceiptDraft, signer: Signer, record: ReceiptRecord) -> None:
    assert issue(draft, GENESIS, signer) == record


def test_a_receipt_takes_the_place_after_the_head(draft: ReceiptDraft, signer: Signer) -> None:
    record = issue(draft, ChainHead(41, "cd" * 32), signer)
    document = json.loads(record.document)
    assert (record.position, record.previous_hash) == (42, "cd" * 32)
    assert (document["position"], document["previous_hash"]) == (42, "cd" * 32)
    assert head_after(record) == ChainHead(42, record.hash)


def test_a_receipt_tells_what_was_decided_by_whom_and_at_what_cost(
    document: dict[str, Any], decision: Decision
) -> None:
    assert document["decision"]["answer"] == decision.answer
    assert document["decision"]["dissent"][0]["agent"] == "mistral"
    assert document["usage"] == {"input_tokens": 4840, "output_tokens": 980, "cost_usd": decision.cost_usd}
    assert document["journal"]["sha256"] == "ab" * 32
    gpt = next(agent for agent in document["agents"] if agent["name"] == "gpt")
    assert gpt["fallbacks"][0] == {
        "from_provider": "gpt-provider",
        "to_provider": "openrouter",
        "model": "openai/gpt",
        "reason": "rate_limited",
        "succeeded": 1,
        "failed": 0,
    }


def test_long_answers_stand_as_digests(record: ReceiptRecord, document: dict[str, Any]) -> None:
    assert "claude says" not in record.document
    assert document["agents"][0]["answer_sha256"] == digest(("claude says 3. " * 25).encode())


def test_the_issued_event_names_the_receipt(record: ReceiptRecord, document: dict[str, Any]) -> None:
    event = issued(record)
    assert dataclasses.asdict(event) == {
        key: document[key] for key in ("receipt_id", "position", "hash", "previous_hash", "signature", "key_id")
    }


def test_a_confidence_that_is_no_number_is_refused(draft: ReceiptDraft, signer: Signer, decision: Decision) -> None:
    broken = dataclasses.replace(draft, decision=dataclasses.replace(decision, confidence=float("inf")))
    with pytest.raises(NotCanonical):
        issue(broken, GENESIS, signer)


def test_a_signer_gives_its_key_neither_to_repr_nor_to_pickle(signer: Signer) -> None:
    assert bytes(range(32)).hex() not in repr(signer)
    with pytest.raises(TypeError):
        pickle.dumps(signer)
