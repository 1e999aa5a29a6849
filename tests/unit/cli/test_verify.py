"""`aragora verify` accepts what was signed, and nothing that was changed since."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aragora.cli.main import main
from aragora.receipts.canonical import canonical, digest
from aragora.receipts.receipt import SCHEMA
from aragora.receipts.signing import ALGORITHM, Signer
from aragora.receipts.verifying import verify

SIGNER = Signer.from_seed(bytes(range(32)))
CONTENT: dict[str, Any] = {
    "schema": SCHEMA,
    "algorithm": ALGORITHM,
    "receipt_id": "rcp_1",
    "question": "Tabs or spaces?",
    "decision": {"answer": "Spaces.", "confidence": 0.75, "dissent": []},
    "position": 7,
    "previous_hash": "ab" * 32,
    "key_id": SIGNER.key_id,
    "public_key": SIGNER.public_key,
}


def signed(content: dict[str, Any], signer: Signer = SIGNER) -> dict[str, Any]:
    receipt_hash = digest(canonical(content))
    return content | {"hash": receipt_hash, "signature": signer.sign(receipt_hash)}


@pytest.fixture
def receipt(tmp_path: Path) -> Path:
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps(signed(CONTENT), indent=2))
    return path


def test_a_receipt_as_it_was_signed_is_valid(receipt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(receipt), "--key", SIGNER.public_key]) == 0
    told = capsys.readouterr().out
    assert "The receipt is valid." in told
    assert f"the key {SIGNER.key_id} is trusted here" in told


def test_a_changed_answer_is_found_out(receipt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    receipt.write_text(receipt.read_text().replace("Spaces.", "Tabs."))
    assert main(["verify", str(receipt), "--json"]) == 1
    verification = json.loads(capsys.readouterr().out)
    assert verification["valid"] is False
    assert [check["name"] for check in verification["checks"] if not check["passed"]] == ["hash"]


def test_a_receipt_signed_again_by_someone_else_is_not_the_expected_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forger = Signer.from_seed(bytes(32))
    forged = signed(CONTENT | {"key_id": forger.key_id, "public_key": forger.public_key}, forger)
    path = tmp_path / "forged.json"
    path.write_text(json.dumps(forged))
    assert main(["verify", str(path)]) == 0
    capsys.readouterr()
    assert main(["verify", str(path), "--key", SIGNER.public_key, "--json"]) == 1
    verification = json.loads(capsys.readouterr().out)
    assert [check["name"] for check in verification["checks"] if not check["passed"]] == ["trusted_key"]


def test_a_receipt_can_be_piped_in(receipt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(receipt.read_bytes())))
    assert main(["verify", "-"]) == 0


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "\x00", '{"hash": 1}'])
def test_what_is_no_receipt_is_one_clear_line(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "file"
    path.write_text(content)
    assert main(["verify", str(path)]) == 2
    problem = capsys.readouterr().err
    assert problem.startswith("aragora: ")
    assert problem.count("\n") == 1


def test_a_missing_file_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "/nowhere.json"]) == 2
    assert capsys.readouterr().err == "aragora: /nowhere.json cannot be read: No such file or directory.\n"


scalars = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=5)


@given(st.sampled_from([*CONTENT, "hash", "signature", "extra"]), scalars)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_change_of_any_member_passes(name: str, value: Any) -> None:
    document = signed(CONTENT)
    changed = document | {name: value}
    if changed != document:
        valid, checks = verify(changed, None)
        assert not valid
        assert not all(check["passed"] for check in checks)
