"""Encryption at rest: what goes in comes out, only where it was put, and only for those who have the key."""

from __future__ import annotations

import copy
import logging
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.errors import Misconfigured
from aragora.observability.registry import REGISTRY, Registry
from aragora.secrets.encryption import (
    CRYPTO_AVAILABLE,
    DecryptionFailed,
    EncryptionService,
    KeyNotFound,
    PlaintextRefused,
    encryption_service,
    get_encryption_service,
    is_envelope,
)
from aragora.secrets.fields import redacted
from aragora.secrets.keyring import Keyring

OLD = secrets.token_hex(32)
NEW = secrets.token_hex(32)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
names = st.text(max_size=12) | st.sampled_from(["api_key", "token", "clientSecret", "password", "_encrypted", "name"])
records = st.dictionaries(names, json_values | st.dictionaries(names, json_values, max_size=4), max_size=6)


def service(keys: str = NEW, registry: Registry = REGISTRY) -> EncryptionService:
    return EncryptionService(Keyring.parse(keys), registry)


@given(records)
def test_any_record_comes_back_as_it_went_in(record: dict[str, Any]) -> None:
    crypto = service()
    # A record that itself wears the mark is a stored one, not one to store.
    if is_envelope(record):
        return
    sealed = crypto.encrypt_fields(record, store="sync", record_id="r1")
    assert crypto.decrypt_fields(sealed, store="sync", record_id="r1") == record


@given(st.tuples(st.text(), st.text(), st.text()), st.sampled_from(["store", "record", "field"]), st.text(min_size=1))
def test_a_ciphertext_opens_only_in_its_own_place(names: tuple[str, str, str], moved: str, suffix: str) -> None:
    crypto = service()
    place = dict(zip(("store", "record", "field"), names, strict=True))
    envelope = crypto.encrypt_value("a secret", **place)
    with pytest.raises(DecryptionFailed):
        crypto.decrypt_value(envelope, **{**place, moved: place[moved] + suffix})


@given(st.binary(min_size=1, max_size=40).filter(any), st.sampled_from(["nonce", "ciphertext"]))
def test_a_changed_envelope_does_not_open(noise: bytes, part: str) -> None:
    import base64

    crypto = service()
    envelope = crypto.encrypt_value("s3cret", store="s", record="r", field="f")
    raw = bytearray(base64.b64decode(envelope[part]))
    for position, byte in enumerate(noise[: len(raw)]):
        raw[position] ^= byte
    changed = base64.b64encode(bytes(raw)).decode()
    if changed == envelope[part]:
        return
    with pytest.raises(DecryptionFailed):
        crypto.decrypt_value({**envelope, part: changed}, store="s", record="r", field="f")


def test_the_envelope_names_its_key_and_hides_the_value() -> None:
    crypto = service()
    envelope = crypto.encrypt_value("hunter2-plain", store="s", record="r", field="f")
    assert envelope["_encrypted"] is True
    assert envelope["key_id"] == crypto.get_active_key_id()
    assert "hunter2" not in str(envelope)


def test_the_same_value_never_looks_the_same_twice() -> None:
    crypto = service()
    sealed = {crypto.encrypt_value("x", store="s", record="r", field="f")["nonce"] for _ in range(200)}
    assert len(sealed) == 200


def test_plaintext_from_before_stays_readable() -> None:
    record = {"api_key": "plain", "nested": {"password": "plain too"}}
    assert service().decrypt_fields(record, store="s", record_id="r") == record


def test_a_store_that_was_encrypted_whole_refuses_plaintext_and_counts_it(caplog: pytest.LogCaptureFixture) -> None:
    registry = Registry()
    crypto = service(registry=registry)
    planted = {"user_id": "u", "nested": {"secret": "ATTACKERSECRET"}}
    assert crypto.decrypt_fields(planted, store="mfa", record_id="r") == planted
    sealed = crypto.encrypt_fields({"secret": "own"}, store="mfa", record_id="r")

    crypto.refuse_plaintext_in({"mfa"})

    with pytest.raises(PlaintextRefused, match=r"/nested/secret.*mfa record r rests in plaintext"):
        crypto.decrypt_fields(planted, store="mfa", record_id="r")
    assert crypto.decrypt_fields(planted, store="sync", record_id="r") == planted
    assert crypto.decrypt_fields(sealed, store="mfa", record_id="r") == {"secret": "own"}
    assert "/nested/secret" in caplog.text
    assert "ATTACKERSECRET" not in caplog.text
    counted = {(delta.sample, delta.labels): delta.amount for delta in registry.drain()}
    operations, errors = "aragora_encryption_operations_total", "aragora_encryption_errors_total"
    assert counted[operations, (("operation", "read_plaintext"), ("store", "mfa"))] == 1
    assert counted[operations, (("operation", "read_plaintext"), ("store", "sync"))] == 1
    assert counted[errors, (("error_type", "PlaintextRefused"), ("operation", "decrypt"))] == 1


def test_a_store_that_refuses_plaintext_goes_on_refusing_it_when_its_mark_is_gone() -> None:
    crypto = service()
    crypto.refuse_plaintext_in({"integration"})
    crypto.refuse_plaintext_in(())
    with pytest.raises(PlaintextRefused):
        crypto.decrypt_fields({"bot_token": "evil"}, store="integration", record_id="r")


OLD_RECORDS = [
    ({"jwt": {"secret": "s3cret", "audience": "ours"}}, ["/jwt/secret"]),
    ({"bearer": {"token": "t0ken"}, "pin": {"codes": [{"token": "a"}, {"token": "b"}]}},
     ["/bearer/token", "/pin/codes/0/token", "/pin/codes/1/token"]),
    ({"otp": {"a/b": {"secret": {"deep": [1, 2]}}, "on": True, "note": None}}, ["/otp/a~1b/secret"]),
]  # fmt: skip


def of_the_older_policy(crypto: EncryptionService, plain: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    """The record as a policy stored it to which only these paths were secret."""
    stored: dict[str, Any] = copy.deepcopy(plain)
    for path in paths:
        *way, last = [part.replace("~1", "/") for part in path.split("/")[1:]]
        place: Any = stored
        for part in way:
            place = place[int(part)] if isinstance(place, list) else place[part]
        place[last] = crypto.encrypt_value(place[last], store="sync", record="r", field=path)
    return stored


@pytest.mark.parametrize(("plain", "paths"), OLD_RECORDS)
def test_a_record_of_an_older_policy_is_read_and_encrypted_anew_without_envelopes_in_envelopes(
    plain: dict[str, Any], paths: list[str]
) -> None:
    crypto = service()
    stored = of_the_older_policy(crypto, plain, paths)
    assert crypto.decrypt_fields(stored, store="sync", record_id="r") == plain
    assert crypto.needs_encryption(stored)
    again = crypto.encrypt_fields(
        crypto.decrypt_fields(stored, store="sync", record_id="r"), store="sync", record_id="r"
    )
    assert not crypto.needs_encryption(again)
    assert crypto.decrypt_fields(again, store="sync", record_id="r") == plain


def test_plaintext_beside_an_old_envelope_is_refused_where_plaintext_is() -> None:
    crypto = service()
    crypto.refuse_plaintext_in({"sync"})
    plain = {"jwt": {"secret": "s3cret", "key": "planted"}}
    stored = of_the_older_policy(crypto, plain, ["/jwt/secret"])
    with pytest.raises(PlaintextRefused, match="/jwt/key"):
        crypto.decrypt_fields(stored, store="sync", record_id="r")


def test_rotation_reads_the_old_key_and_writes_the_new() -> None:
    old = service(OLD).encrypt_fields({"token": "t"}, store="s", record_id="r")
    both = service(f"{NEW}, {OLD}")
    assert both.needs_encryption(old)
    plain = both.decrypt_fields(old, store="s", record_id="r")
    again = both.encrypt_fields(plain, store="s", record_id="r")
    assert not both.needs_encryption(again)
    assert service(NEW).decrypt_fields(again, store="s", record_id="r") == {"token": "t"}


def test_a_key_that_left_the_ring_is_named_in_the_error() -> None:
    old = service(OLD)
    sealed = old.encrypt_fields({"token": "t"}, store="s", record_id="r")
    with pytest.raises(KeyNotFound, match=f"Key not found.*{old.get_active_key_id()}"):
        service(NEW).decrypt_fields(sealed, store="s", record_id="r")


def test_an_envelope_smuggled_in_as_input_is_only_data() -> None:
    crypto = service()
    stolen = crypto.encrypt_value("another's", store="s", record="victim", field="/token")
    stored = crypto.encrypt_fields({"token": copy.deepcopy(stolen)}, store="s", record_id="mine")
    assert crypto.decrypt_fields(stored, store="s", record_id="mine") == {"token": stolen}


def test_production_without_a_key_refuses(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="ARAGORA_ENCRYPTION_KEY"):
        encryption_service(None, production=True, data_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_key_the_processes_of_a_development_server_share_the_one_they_keep(tmp_path: Path) -> None:
    made = _read_in_other_processes(tmp_path, 4)
    crypto = encryption_service(None, production=False, data_dir=tmp_path)
    assert set(made) == {crypto.get_active_key_id()}
    assert crypto.durable
    kept = tmp_path / "keys" / "encryption_key"
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_where_no_key_can_be_kept_development_warns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        crypto = encryption_service(None, production=False, data_dir=tmp_path / "file")
    assert "Data will not be recoverable after restart" in caplog.text
    assert not crypto.durable


def test_a_damaged_key_file_is_not_replaced(tmp_path: Path) -> None:
    encryption_service(None, production=False, data_dir=tmp_path)
    kept = tmp_path / "keys" / "encryption_key"
    kept.write_text("half a k")
    with pytest.raises(Misconfigured, match="restore it or set ARAGORA_ENCRYPTION_KEY"):
        encryption_service(None, production=False, data_dir=tmp_path)
    assert kept.read_text() == "half a k"


def _read_in_other_processes(data_dir: Path, count: int) -> list[str]:
    """The id of the active key as each of several processes sees it that start at once."""
    code = "from aragora.secrets.encryption import get_encryption_service as of; print(of().get_active_key_id())"
    environ = {"ARAGORA_DATA_DIR": str(data_dir), "PYTHONPATH": str(Path.cwd())}
    started = [
        subprocess.Popen([sys.executable, "-c", code], env=environ, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    return [process.communicate(timeout=60)[0].strip() for process in started]


@pytest.mark.parametrize(
    "text",
    ["abc", "zz" * 32, f"{NEW},", f"{NEW},short", " "],
    ids=["short", "no hex", "nothing after", "short after", "blank"],
)
def test_a_malformed_key_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        Keyring.parse(text)
    assert "ARAGORA_ENCRYPTION_KEY" in str(caught.value)
    assert NEW not in str(caught.value)


def test_keys_never_show_in_a_repr() -> None:
    ring = Keyring.parse(NEW)
    assert NEW not in repr(ring)
    assert repr(bytes.fromhex(NEW)) not in repr(ring)


def test_the_process_wide_service_is_one_per_key_setting() -> None:
    environ = {"ARAGORA_ENCRYPTION_KEY": NEW}.get
    assert CRYPTO_AVAILABLE
    assert get_encryption_service(environ) is get_encryption_service(environ)
    assert get_encryption_service(environ).get_active_key_id() == service(NEW).get_active_key_id()


def test_operations_and_errors_are_counted() -> None:
    registry = Registry()
    crypto = service(registry=registry)
    envelope = crypto.encrypt_value("x", store="sync", record="r", field="f")
    with pytest.raises(DecryptionFailed):
        crypto.decrypt_value(envelope, store="sync", record="other", field="f")
    counted = {(delta.sample, delta.labels): delta.amount for delta in registry.drain()}
    total, errors = "aragora_encryption_operations_total", "aragora_encryption_errors_total"
    assert counted[total, (("operation", "encrypt"), ("store", "sync"))] == 1
    assert counted[total, (("operation", "decrypt"), ("store", "sync"))] == 1
    assert counted[errors, (("error_type", "DecryptionFailed"), ("operation", "decrypt"))] == 1
    assert counted["aragora_encryption_operation_latency_seconds_count", (("operation", "encrypt"),)] == 1


def test_a_redacted_record_tells_only_that_a_secret_is_set() -> None:
    assert redacted({"channel": "#ops", "token": "xoxb", "auth": {"password": "p"}, "secret": ""}) == {
        "channel": "#ops",
        "token": "[set]",
        "auth": {"password": "[set]"},
        "secret": "",
    }
