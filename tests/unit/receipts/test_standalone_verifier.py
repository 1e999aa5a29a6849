from __future__ import annotations

import copy
import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from worlds import execution_receipts

from aragora.debate.journal import rows_of
from aragora.debate.model import Decision, Dissent, Event, Tally
from aragora.debate.records import GENESIS, ReceiptRecord
from aragora.limits import NAME_MAX_CHARS, VOTERS_MAX
from aragora.receipts.canonical import journal_digest
from aragora.receipts.closing import issue
from aragora.receipts.receipt import ReceiptDraft
from aragora.receipts.signing import Signer
from aragora.receipts.verifying import TEXT_CAP, parse, verify

SCRIPT = Path(__file__).parents[3] / "scripts" / "verify_receipt.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verify_receipt", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


standalone = load()


def run(*arguments: str, given: str | None = None, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """From a directory and with a path from which `aragora` cannot be imported."""
    return subprocess.run(
        [sys.executable, "-I", str(SCRIPT), *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
    )


def test_the_receipt_of_a_debate_with_the_most_voters_is_valid_for_both_verifiers(
    draft: ReceiptDraft, decision: Decision, signer: Signer
) -> None:
    choice = "m" * NAME_MAX_CHARS
    persons = tuple(f"person:{number:0128}" for number in range(VOTERS_MAX))
    crowded = replace(
        decision,
        tallies=(*decision.tallies, Tally(choice, VOTERS_MAX, 1.0, persons)),
        dissent=(*decision.dissent, *(Dissent(person, choice, "") for person in persons)),
    )
    raw = issue(replace(draft, decision=crowded), GENESIS, signer).document.encode()
    assert standalone.SIZE_CAP == TEXT_CAP
    assert verify(parse(raw), {signer.public_key})[0]
    assert all(passed for _, passed, _ in standalone.findings(raw, {signer.public_key}, None))


def test_a_genuine_receipt_is_valid(record: ReceiptRecord, signer: Signer, tmp_path: Path) -> None:
    (tmp_path / "receipt.json").write_text(record.document)
    ran = run("receipt.json", "--key", signer.public_key, tmp_path=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert [line.split()[:2] for line in ran.stdout.splitlines()[:-1]] == [
        ["ok", name] for name in ("structure", "hash", "key_id", "signature", "trusted_key")
    ]
    assert ran.stdout.splitlines()[-1] == "VALID"


def test_a_changed_receipt_on_standard_input_is_not_valid(document: dict[str, Any], tmp_path: Path) -> None:
    document["decision"]["answer"] = "the opposite"
    ran = run("-", given=json.dumps(document), tmp_path=tmp_path)
    assert ran.returncode == 1
    assert "FAIL  hash" in ran.stdout
    assert ran.stdout.splitlines()[-1] == "NOT VALID"


def test_the_journal_is_checked_against_the_receipt(
    draft: ReceiptDraft, events: list[Event], signer: Signer, tmp_path: Path
) -> None:
    payloads = [row.payload for row in rows_of("deb_1", 1, 1.5, events)]
    object.__setattr__(draft, "journal_digest", journal_digest(payloads))
    (tmp_path / "receipt.json").write_text(issue(draft, GENESIS, signer).document)
    journal = tmp_path / "events.jsonl"
    journal.write_text("".join(f"{payload}\n" for payload in [*payloads, '{"type":"receipt"}']))
    assert run("receipt.json", "--journal", "events.jsonl", "--any-key", tmp_path=tmp_path).returncode == 0
    unknown = run("receipt.json", "--journal", "events.jsonl", tmp_path=tmp_path)
    assert (unknown.returncode, "SIGNER UNKNOWN" in unknown.stdout) == (4, True)
    journal.write_text(journal.read_text().replace("vague", "clear", 1))
    changed = run("receipt.json", "--journal", "events.jsonl", tmp_path=tmp_path)
    assert changed.returncode == 1
    assert "FAIL  journal" in changed.stdout
    journal.write_text("\n".join(payloads[:3]))
    assert "covers" in run("receipt.json", "--journal", "events.jsonl", tmp_path=tmp_path).stdout


def test_a_key_may_be_given_as_a_file(record: ReceiptRecord, signer: Signer, tmp_path: Path) -> None:
    (tmp_path / "receipt.json").write_text(record.document)
    (tmp_path / "hex.pub").write_text(f"{signer.public_key}\n")
    pem = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signer.public_key)).public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "pem.pub").write_bytes(pem)
    for name in ("hex.pub", "pem.pub"):
        assert run("receipt.json", "--key", "ab" * 32, "--key", name, tmp_path=tmp_path).returncode == 0
    assert run("receipt.json", "--key", "ab" * 32, tmp_path=tmp_path).returncode == 1


def test_a_wrong_call_is_told_from_an_invalid_receipt(tmp_path: Path) -> None:
    assert run("no-such-file.json", tmp_path=tmp_path).returncode == 2
    assert run("-", "--key", "no-such-key", given="{}", tmp_path=tmp_path).returncode == 2
    assert run("-", given="{}", tmp_path=tmp_path).returncode == 1


def findings(document: Any) -> dict[str, bool]:
    raw = json.dumps(document).encode()
    return {name: passed for name, passed, _ in standalone.findings(raw, None, None)}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("question",), "another"),
        (("decision", "confidence"), 0.9),
        (("position",), 2),
        (("position",), 0),
        (("previous_hash",), "0" * 63 + "1"),
        (("signature",), "0" * 128),
        (("signature",), "zz"),
        (("key_id",), "0" * 32),
        (("public_key",), "0" * 64),
        (("agents", 0, "cost_usd"), 2**53),
        (("schema",), "aragora.receipt/2"),
        (("agents", 0, "name"), "\ud800"),
        (("debate_id",), "deb_1"),
    ],
)
def test_script_and_library_find_the_same(document: dict[str, Any], path: tuple[Any, ...], value: Any) -> None:
    changed = copy.deepcopy(document)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    _, checks = verify(changed, None)
    assert findings(changed) == {check["name"]: check["passed"] for check in checks}


@given(st.text(max_size=30) | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53) + 1, 2**53 - 1))
def test_script_and_library_write_scalars_alike(value: Any) -> None:
    assert standalone.canonical(value).encode() == rfc8785.dumps(value)


@given(st.dictionaries(st.text(max_size=5), st.lists(st.none() | st.booleans() | st.text(max_size=3), max_size=3)))
def test_script_and_library_write_objects_alike(value: Any) -> None:
    assert standalone.canonical(value).encode() == rfc8785.dumps(value)


@pytest.mark.parametrize("raw", [b'{"a":1,"a":2}', b"[NaN]", b"\xff", b"[" * 100_000, b"1" * 5000, b"", b"null"])
def test_what_is_no_receipt_fails_without_an_error(raw: bytes) -> None:
    assert [(name, passed) for name, passed, _ in standalone.findings(raw, None, None)] == [("structure", False)]


@pytest.mark.parametrize("name", execution_receipts.VECTORS)
def test_the_receipt_of_an_execution_is_checked_with_its_journal(name: str, tmp_path: Path) -> None:
    files = str(execution_receipts.FOLDER / f"{name}.json"), str(execution_receipts.FOLDER / f"{name}.jsonl")
    keyed = "--key", execution_receipts.SIGNER.public_key
    ran = run(files[0], *keyed, "--journal", files[1], tmp_path=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "of execution exe_1" in ran.stdout
    (tmp_path / "less.jsonl").write_text("".join(Path(files[1]).read_text().splitlines(keepends=True)[1:]))
    assert run(files[0], *keyed, "--journal", "less.jsonl", tmp_path=tmp_path).returncode == 1
