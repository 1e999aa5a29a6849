"""Second factors: unguessable codes, kept as hashes, each good for one use."""

from __future__ import annotations

import pyotp
from hypothesis import given
from hypothesis import strategies as st

from aragora.identity import second_factor

NOW = 1_700_000_000.0


def test_a_totp_code_works_once() -> None:
    secret = second_factor.new_secret()
    code = pyotp.TOTP(secret).at(int(NOW))
    step = second_factor.accepted_step(secret, code, NOW, last_step=0)
    assert step == int(NOW) // 30
    assert second_factor.accepted_step(secret, code, NOW, last_step=step) is None


def test_an_older_code_does_not_work_after_a_newer_one() -> None:
    secret = second_factor.new_secret()
    older, newer = (pyotp.TOTP(secret).at(int(NOW) - back) for back in (30, 0))
    step = second_factor.accepted_step(secret, newer, NOW, last_step=0)
    assert step is not None
    assert second_factor.accepted_step(secret, older, NOW, last_step=step) is None


def test_a_clock_may_be_one_step_off_but_not_two() -> None:
    secret = second_factor.new_secret()
    for steps, works in [(-2, False), (-1, True), (0, True), (1, True), (2, False)]:
        code = pyotp.TOTP(secret).at(int(NOW) + 30 * steps)
        assert (second_factor.accepted_step(secret, code, NOW, last_step=0) is not None) == works


@given(st.text())
def test_what_is_not_six_digits_is_no_code(code: str) -> None:
    assert second_factor.accepted_step("A" * 32, code if len(code) != 6 else code[:5], NOW, 0) is None


def test_backup_codes_are_told_apart_and_forgive_how_they_are_typed() -> None:
    codes = second_factor.new_backup_codes()
    assert len(set(codes)) == 10
    assert second_factor.backup_code_digest(codes[0]) == second_factor.backup_code_digest(
        codes[0].replace("-", " ").lower()
    )
    assert len({second_factor.backup_code_digest(code) for code in codes}) == 10
    assert second_factor.looks_like_backup_code(codes[0])
    assert not second_factor.looks_like_backup_code("123456")


def test_the_enrolment_address_names_the_issuer_and_account() -> None:
    uri = second_factor.provisioning_uri("JBSWY3DPEHPK3PXP" * 2, "jane@example.com")
    assert uri.startswith("otpauth://totp/Aragora:jane%40example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
