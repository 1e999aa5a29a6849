"""A receipt of one node is trusted on another that has the same settings and an empty data directory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aragora.config.settings import Settings, load_settings
from aragora.debate.records import GENESIS
from aragora.receipts.closing import issue
from aragora.receipts.receipt import ReceiptDraft
from aragora.receipts.signing import Signer, load_signer
from aragora.receipts.verifying import KeyedVerifier

SEED, NEXT = "5e" * 32, "6e" * 32


@pytest.fixture
def issued_by(draft: ReceiptDraft) -> Callable[[Signer], dict[str, Any]]:
    """A receipt as the node with this signer issues it."""

    def issued(signer: Signer) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(issue(draft, GENESIS, signer).document)
        return document

    return issued


def node(directory: Path, **variables: str) -> Settings:
    return load_settings({"ARAGORA_DATA_DIR": str(directory), **variables})


async def trusts(settings: Settings, document: dict[str, Any]) -> bool:
    key = settings.receipt_signing_key
    assert key is not None
    verifier = KeyedVerifier(settings.data_dir, key.get_secret_value(), settings.receipt_trusted_keys)
    return (await verifier.verify(document))[0]


async def test_a_receipt_issued_anywhere_verifies_anywhere(
    tmp_path: Path, issued_by: Callable[[Signer], dict[str, Any]]
) -> None:
    one, other = (node(tmp_path / name, ARAGORA_RECEIPT_SIGNING_KEY=SEED) for name in "ab")
    document = issued_by(load_signer(SEED, one.data_dir))
    assert await trusts(other, document)
    assert not (tmp_path / "b").exists()
    stranger = node(tmp_path / "c", ARAGORA_RECEIPT_SIGNING_KEY=NEXT)
    assert not await trusts(stranger, document)


async def test_after_a_change_of_key_a_node_that_never_had_the_old_one_trusts_its_receipts(
    tmp_path: Path, issued_by: Callable[[Signer], dict[str, Any]]
) -> None:
    old = load_signer(SEED, tmp_path / "a")
    variables = {"ARAGORA_RECEIPT_SIGNING_KEY": NEXT}
    assert not await trusts(node(tmp_path / "b", **variables), issued_by(old))
    variables["ARAGORA_RECEIPT_TRUSTED_KEYS"] = f"{old.public_key.upper()},"
    assert await trusts(node(tmp_path / "b", **variables), issued_by(old))
    assert await trusts(node(tmp_path / "b", **variables), issued_by(load_signer(NEXT, tmp_path / "a")))
