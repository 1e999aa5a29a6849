"""What a receiver can tell of a request: by the vectors of the docs, and by what is missing, wrong or late."""

from __future__ import annotations

import json
from typing import Any

import pytest
from worlds.webhook_vectors import AT, FOLDER

from aragora.errors import InvalidInput
from aragora.webhooks.checking import Checked, Signature, check_readable, checked
from aragora.webhooks.signing import new_private_key, new_secret, public_key, signed_headers

CASES: list[dict[str, Any]] = json.loads((FOLDER / "vectors.json").read_text())
SECRET = new_secret(bytes(range(32)))
BODY = b'{"delivery_id": "dlv_1"}'


def headers(*secrets: str, **changed: str | None) -> dict[str, str]:
    """Those of a request at the time AT, by their names in lower case; None takes one away."""
    made = signed_headers(
        BODY, message_id="evt_1", delivery_id="dlv_1", event_type="debate_end", attempt=1, timestamp=AT, secrets=secrets
    )
    lower = {name.lower(): value for name, value in made.items()}
    wanted = {**lower, **{name.replace("_", "-"): value for name, value in changed.items()}}
    return {name: value for name, value in wanted.items() if value is not None}


def found(**changed: str | None) -> Checked:
    return checked(BODY, headers(SECRET, **changed), SECRET, AT + 2.5)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_it_tells_genuine_requests_from_others_as_the_receivers_of_the_docs_do(case: dict[str, Any]) -> None:
    sent = {name.lower(): value for name, value in case["headers"].items()}
    told = checked(case["body"].encode(), sent, case["secret"], case["now"])
    assert told.genuine is case["genuine"]
    assert (told.runbook is Signature.VALID) is case["genuine_body"]


def test_a_request_as_we_send_it_is_genuine_by_both_signatures() -> None:
    assert found() == Checked(Signature.VALID, Signature.VALID, 2.5)


def test_each_signature_is_told_apart() -> None:
    assert found(webhook_signature=None) == Checked(Signature.MISSING, Signature.VALID, 2.5)
    assert found(x_webhook_signature=None) == Checked(Signature.VALID, Signature.MISSING, 2.5)
    assert found(x_webhook_signature="sha256=00") == Checked(Signature.VALID, Signature.WRONG, 2.5)
    assert found(webhook_signature="v1,AAAA") == Checked(Signature.WRONG, Signature.VALID, 2.5)


@pytest.mark.parametrize("stamp", [None, "", "soon", "-1", "1e9", "9" * 5_000, "\N{ARABIC-INDIC DIGIT ONE}"])
def test_a_request_without_a_time_that_can_be_read_is_not_genuine(stamp: str | None) -> None:
    told = found(webhook_timestamp=stamp)
    assert told == Checked(Signature.WRONG, Signature.VALID, None)
    assert not told.genuine


def test_what_is_signed_for_the_time_zero_does_not_pass_without_its_time() -> None:
    made = signed_headers(
        BODY, message_id="evt_1", delivery_id="d", event_type="t", attempt=1, timestamp=0, secrets=(SECRET,)
    )
    told = found(webhook_signature=made["webhook-signature"], webhook_timestamp=None)
    assert told.standard is Signature.WRONG


@pytest.mark.parametrize(("now", "in_time"), [(300, True), (301, False), (-300, True), (-301, False)])
def test_five_minutes_are_in_time_and_no_more(now: int, in_time: bool) -> None:
    told = checked(BODY, headers(SECRET), SECRET, AT + now)
    assert (told.in_time, told.genuine, told.standard) == (in_time, in_time, Signature.VALID)


def test_without_a_secret_it_says_what_is_there_and_that_it_was_not_checked() -> None:
    assert checked(BODY, headers(SECRET), None, AT) == Checked(Signature.UNCHECKED, Signature.UNCHECKED, 0)
    assert checked(BODY, headers(), None, AT) == Checked(Signature.MISSING, Signature.MISSING, 0)
    assert not checked(BODY, headers(SECRET), None, AT).genuine


def test_an_ed25519_signature_is_checked_by_either_half_of_its_key() -> None:
    key, other = new_private_key(bytes(range(32))), new_private_key(bytes(range(1, 33)))
    for half in (key, public_key(key)):
        check_readable(half)
        assert checked(BODY, headers(key), half, AT) == Checked(Signature.VALID, Signature.MISSING, 0)
        assert checked(BODY, headers(other, key), half, AT).genuine, "while the key is changed"
        for wrong in (headers(other), headers(key, webhook_id="evt_2"), headers(key, webhook_timestamp=str(AT + 1))):
            assert checked(BODY, wrong, half, AT).standard is Signature.WRONG
        assert checked(BODY + b" ", headers(key), half, AT).standard is Signature.WRONG
        assert checked(BODY, headers(key, webhook_signature=None), half, AT).standard is Signature.MISSING
        assert not checked(BODY, headers(key), half, AT + 301).genuine


def test_a_public_key_says_nothing_of_the_signature_that_a_secret_makes() -> None:
    key = new_private_key(bytes(range(32)))
    told = checked(BODY, headers(key, SECRET), public_key(key), AT)  # while one takes the place of the other
    assert told == Checked(Signature.VALID, Signature.UNCHECKED, 0)


@pytest.mark.parametrize("given", ["v1a,", "v1a,AAAA", "v1a,\udcff", "v1,AAAA v1a,====", " ", "v1a"])
@pytest.mark.parametrize("stamp", [str(AT), None, "soon"])
def test_what_is_no_ed25519_signature_is_wrong_and_no_fault(given: str, stamp: str | None) -> None:
    key = new_private_key(bytes(range(32)))
    told = checked(BODY, headers(key, webhook_signature=given, webhook_timestamp=stamp), public_key(key), AT)
    assert told.standard is Signature.WRONG


@pytest.mark.parametrize("secret", ["", "whsec_short", "whsk_AAAA", "whpk_AAAA", "whpk_" + "A" * 44])
def test_what_can_be_no_secret_is_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_readable(secret)
    assert not secret or secret not in refused.value.message


def test_the_runbooks_own_example_of_a_secret_is_taken() -> None:
    check_readable("your-secret-key")
    assert checked(BODY, headers("your-secret-key"), "your-secret-key", AT).genuine


def test_bytes_that_are_no_utf_8_in_a_header_are_wrong_and_no_fault() -> None:
    assert found(webhook_signature="v1,\udcff").standard is Signature.WRONG
    assert found(x_webhook_signature="\udcff").runbook is Signature.WRONG
