"""Closing debates: the receipt that is issued, the last events, and what must follow from them."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import rfc8785
from worlds import debating
from worlds.memory_engine import head_after

from aragora.debate import machine
from aragora.debate.model import DebateEnded, DebateStatus, Decision, ReceiptIssued
from aragora.debate.records import GENESIS, ChainHead, Journaled, ReceiptRecord
from aragora.encoding import decode_as
from aragora.receipts.canonical import NotCanonical, digest
from aragora.receipts.closing import Closing, RatingsDue, UsageDue, issue, issued
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


# --- The close of a debate ---------------------------------------------------------------------------------


def journaled_of(run: debating.Run) -> Journaled:
    return Journaled(run.state, run.events, "ab" * 32, len(run.events), opened_at=1_700_000_000.0)


def test_a_decided_debate_closes_with_its_receipt_and_its_end(signer: Signer) -> None:
    run = debating.start().play()
    closed = Closing(signer).conclude(journaled_of(run), GENESIS, at=1_700_000_012.0)
    issued_event, end = closed.endings
    assert isinstance(issued_event, ReceiptIssued)
    assert issued_event.receipt_id == closed.receipt.receipt_id == "rcp_1"
    assert (end.status, end.reason) == (DebateStatus.COMPLETED, "decided")
    assert json.loads(closed.receipt.document)["journal"] == {"sha256": "ab" * 32, "length": len(run.events)}
    update = closed.update
    assert (update.status, update.receipt_id, update.rounds) == (DebateStatus.COMPLETED, "rcp_1", 3)
    assert decode_as(update.decision, Decision) == run.state.decision


def test_a_close_that_is_repeated_is_the_same(signer: Signer) -> None:
    journaled = journaled_of(debating.start().play())
    closing = Closing(signer)
    assert closing.conclude(journaled, GENESIS, 7.0) == closing.conclude(journaled, GENESIS, 7.0)


def test_ratings_and_usage_follow_from_a_decision_under_ids_of_their_debate(signer: Signer) -> None:
    run = debating.start(debating.spec_of(domain="law", created_by="ada", org_id="org_1")).play()
    ratings, usage = Closing(signer).conclude(journaled_of(run), GENESIS, at=9.0).outbox
    assert [row.outbox_id for row in (ratings, usage)] == ["deb_1:ratings", "deb_1:usage"]
    assert decode_as(ratings.payload, RatingsDue) == RatingsDue("law", run.state.decision, run.state.spec.org_id)
    due = decode_as(usage.payload, UsageDue)
    assert (due.org_id, due.user_id, due.at) == ("org_1", "ada", 9.0)
    assert sum(part.cost_usd for part in due.agents) == pytest.approx(run.state.cost_usd)


def test_a_debate_that_is_broken_off_has_no_receipt_but_its_usage_is_recorded(signer: Signer) -> None:
    run = debating.start()
    run.give(debating.answer_to(run.pending()[0]))
    run.take(machine.cancel(run.state, "cancelled by ada"))
    update, (usage,) = Closing(signer).break_off(run.state, run.events, at=9.0)
    assert (update.status, update.reason, update.receipt_id) == (DebateStatus.CANCELLED, "cancelled by ada", None)
    assert usage.topic == "usage"
    assert sum(part.cost_usd for part in decode_as(usage.payload, UsageDue).agents) == pytest.approx(0.001)


def test_a_debate_without_a_decision_cannot_be_concluded_and_one_that_goes_on_not_broken_off(signer: Signer) -> None:
    run = debating.start()
    with pytest.raises(ValueError, match="decision"):
        Closing(signer).conclude(journaled_of(run), GENESIS, at=9.0)
    with pytest.raises(ValueError, match="has ended"):
        Closing(signer).break_off(run.state, run.events, at=9.0)
    assert not run.of(DebateEnded)
