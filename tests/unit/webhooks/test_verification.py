"""Verification: what answers a challenge and what does not, and the states of an endpoint that asks for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.webhook_deliveries import answered, failed
from worlds.webhook_store import endpoint

from aragora.errors import Conflict
from aragora.webhooks.endpoint import Endpoint
from aragora.webhooks.model import Failure, TargetStatus
from aragora.webhooks.verification import (
    REASON,
    answers,
    new_challenge,
    settled,
    standing,
    told,
    told_before,
    verified,
    waits,
)

CHALLENGE = new_challenge(bytes(range(32)))
UNVERIFIED = endpoint(1, verify=True, status=TargetStatus.UNVERIFIED, reason=REASON)
VERIFIED = endpoint(1, verify=True, verified_at=7.0)
PLAIN = endpoint(1)


def test_a_challenge_is_43_characters_that_any_header_takes() -> None:
    assert len(CHALLENGE) == 43
    assert CHALLENGE.replace("-", "").replace("_", "").isalnum()
    assert new_challenge(bytes(32)) != CHALLENGE
    with pytest.raises(ValueError, match="32 are needed"):
        new_challenge(b"short")


@pytest.mark.parametrize("code", [200, 201, 204, 299])
@pytest.mark.parametrize(
    ("text", "header"),
    [
        (CHALLENGE, None),
        (f" {CHALLENGE}\r\n", None),
        (f'"{CHALLENGE}"', None),
        (f'{{"challenge": "{CHALLENGE}", "more": [1]}}', None),
        ("ok", CHALLENGE),
        ("", CHALLENGE),
    ],
)
def test_a_2xx_with_the_challenge_in_its_body_or_its_header_answers_it(
    code: int, text: str, header: str | None
) -> None:
    answer = replace(answered(code), text=text, challenge=header)
    assert answers(answer, CHALLENGE)
    assert told(answer, CHALLENGE).endswith("with the challenge")


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("", None),
        ("ok", ""),
        (CHALLENGE[:-1], None),
        (f"{CHALLENGE}x", None),
        (f"<html>{CHALLENGE}</html>", None),  # a page that shows what it was sent says nothing of its owner
        (f'{{"type": "webhook.verification", "data": {{"challenge": "{CHALLENGE}"}}}}', None),  # so does an echo
        (f'{{"challenge": ["{CHALLENGE}"]}}', None),
        ('{"challenge": 7}', None),
        ("[" * 5_000, None),
        ("\ud800", "\udcff"),
        (CHALLENGE.lower(), CHALLENGE.swapcase()),
        ("null", None),
    ],
)
def test_a_2xx_without_it_does_not_and_is_told_what_to_do(text: str, header: str | None) -> None:
    answer = replace(answered(200), text=text, challenge=header)
    assert not answers(answer, CHALLENGE)
    assert "send data.challenge back" in told(answer, CHALLENGE)


def test_a_failure_with_the_challenge_does_not_either() -> None:
    answer = replace(failed(Failure.STATUS), code=403, text=CHALLENGE, challenge=CHALLENGE)
    assert not answers(answer, CHALLENGE)
    assert told(answer, CHALLENGE) == answer.told


@given(st.text(), st.none() | st.text())
def test_no_answer_is_too_odd(text: str, header: str | None) -> None:
    assert not answers(replace(answered(200), text=text, challenge=header), CHALLENGE)


def test_an_answer_enables_what_waited_for_it_and_nothing_that_a_person_stopped() -> None:
    now = verified(UNVERIFIED, 9.0)
    assert (now.status, now.reason, now.verified_at) == (TargetStatus.ENABLED, "", 9.0)
    stopped = verified(replace(UNVERIFIED, status=TargetStatus.DISABLED, reason="moving"), 9.0)
    assert (stopped.status, stopped.reason, stopped.verified_at) == (TargetStatus.DISABLED, "moving", 9.0)
    assert standing(stopped, TargetStatus.ENABLED, "").status is TargetStatus.ENABLED


@pytest.mark.parametrize(
    ("before", "changes", "status", "verified_at"),
    [
        (PLAIN, {"verify": True}, TargetStatus.UNVERIFIED, None),
        (PLAIN, {"url": "https://example.com/b"}, TargetStatus.ENABLED, None),
        (VERIFIED, {"url": "https://example.com/b"}, TargetStatus.UNVERIFIED, None),
        (VERIFIED, {"description": "b"}, TargetStatus.ENABLED, 7.0),
        (VERIFIED, {"verify": False}, TargetStatus.ENABLED, None),
        (UNVERIFIED, {"verify": False}, TargetStatus.ENABLED, None),
        (UNVERIFIED, {"description": "b"}, TargetStatus.UNVERIFIED, None),
        (replace(VERIFIED, status=TargetStatus.PAUSED), {"url": "https://b.example"}, TargetStatus.UNVERIFIED, None),
        (replace(VERIFIED, status=TargetStatus.PAUSED), {"description": "b"}, TargetStatus.PAUSED, 7.0),
        (replace(VERIFIED, status=TargetStatus.DISABLED), {"url": "https://b.example"}, TargetStatus.DISABLED, None),
        (replace(PLAIN, status=TargetStatus.DISABLED), {"verify": True}, TargetStatus.DISABLED, None),
    ],
)
def test_a_change_leaves_verified_only_what_was_verified(
    before: Endpoint, changes: dict[str, object], status: TargetStatus, verified_at: float | None
) -> None:
    after = settled(replace(before, **changes), before)  # type: ignore[arg-type]
    assert (after.status, after.verified_at) == (status, verified_at)
    assert (after.reason == REASON) is (status is TargetStatus.UNVERIFIED)


@pytest.mark.parametrize("status", [TargetStatus.ENABLED, TargetStatus.PAUSED])
def test_nobody_enables_or_pauses_what_is_not_verified(status: TargetStatus) -> None:
    for one in (UNVERIFIED, replace(UNVERIFIED, status=TargetStatus.DISABLED)):
        assert waits(one)
        with pytest.raises(Conflict) as refused:
            standing(one, status, "")
        assert refused.value.code == "webhook_unverified"
    assert standing(UNVERIFIED, TargetStatus.DISABLED, "why").reason == "why"
    assert standing(PLAIN, status, "").status is status


def test_only_enabled_and_paused_endpoints_hear_of_events() -> None:
    assert {one for one in TargetStatus if one.hears} == {TargetStatus.ENABLED, TargetStatus.PAUSED}
    assert (told_before(VERIFIED), told_before(PLAIN)) == ("it is verified already", "it asks for no verification")
