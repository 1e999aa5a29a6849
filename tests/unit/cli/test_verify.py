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


def test_an_empty_data_directory_setting_does_not_trust_the_keys_that_lie_here(
    receipt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "planted.pub").write_text(SIGNER.public_key)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARAGORA_DATA_DIR", "")
    assert main(["verify", str(receipt)]) == 4


def test_a_receipt_signed_again_by_someone_else_is_not_the_expected_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forger = Signer.from_seed(bytes(32))
    forged = signed(CONTENT | {"key_id": forger.key_id, "public_key": forger.public_key}, forger)
    path = tmp_path / "forged.json"
    path.write_text(json.dumps(forged))
    assert main(["verify", str(path)]) == 4
    assert "whose key signed it is not known" in capsys.readouterr().out
    assert main(["verify", str(path), "--any-key"]) == 0
    capsys.readouterr()
    assert main(["verify", str(path), "--key", SIGNER.public_key, "--json"]) == 1
    verification = json.loads(capsys.readouterr().out)
    assert [check["name"] for check in verification["checks"] if not check["passed"]] == ["trusted_key"]


def test_a_receipt_can_be_piped_in(receipt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(receipt.read_bytes())))
    assert main(["verify", "-", "--key", SIGNER.public_key]) == 0


def test_a_key_of_the_data_directory_is_known_without_being_given(
    receipt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ARAGORA_DATA_DIR", str(tmp_path))
    assert main(["verify", str(receipt), "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["signer_known"] is False
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "receipt_1.pub").write_text(SIGNER.public_key)
    assert main(["verify", str(receipt), "--json"]) == 0


def test_a_name_that_stands_twice_is_refused_whichever_of_the_two_was_signed(
    receipt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in (
        receipt.read_text().replace('"question":', '"question": "Another?", "question":', 1),
        receipt.read_text().replace('"answer":', '"answer": "Tabs.", "answer":', 1),
    ):
        changed = receipt.with_name("changed.json")
        changed.write_text(text)
        assert main(["verify", str(changed), "--key", SIGNER.public_key]) == 2
        assert "a name stands twice" in capsys.readouterr().err


def test_a_text_larger_than_a_receipt_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.write_bytes(b" " * 4_000_001)
    assert main(["verify", str(path)]) == 2


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
