"""Who may make an account, by mode, domain and proof of the address."""

from __future__ import annotations

import pytest

from aragora.errors import Forbidden
from aragora.identity.registration import Registration, RegistrationRules

DOMAINS = ("@Example.org", " example.com ")


def lets_in(rules: RegistrationRules, email: str, *, verified: bool) -> bool:
    try:
        rules.require_uninvited(email, verified=verified)
    except Forbidden as refused:
        return refused.code != "registration_closed"
    return True


def test_registration_is_closed_in_production_and_open_in_development_unless_set() -> None:
    assert RegistrationRules.of(None, (), production=True).mode is Registration.CLOSED
    assert RegistrationRules.of(None, (), production=False).mode is Registration.OPEN
    assert RegistrationRules.of("open", (), production=True).mode is Registration.OPEN
    assert RegistrationRules.of("invited", (), production=False).mode is Registration.INVITED


@pytest.mark.parametrize("verified", [True, False])
@pytest.mark.parametrize("mode", ["closed", "invited"])
def test_a_stranger_is_let_in_only_where_registration_is_open(mode: str, verified: bool) -> None:
    assert not lets_in(RegistrationRules.of(mode, (), production=True), "a@example.org", verified=verified)
    assert lets_in(RegistrationRules.of("open", (), production=True), "a@example.org", verified=verified)


@pytest.mark.parametrize("mode", ["closed", "invited"])
def test_a_domain_counts_only_for_an_address_that_was_verified(mode: str) -> None:
    rules = RegistrationRules.of(mode, DOMAINS, production=True)
    assert lets_in(rules, "a@EXAMPLE.org", verified=True)
    assert lets_in(rules, "a@example.com", verified=True)
    assert not lets_in(rules, "a@example.org", verified=False)
    for foreign in ("a@sub.example.org", "a@example.org.evil.net", "example.org@evil.net"):
        assert not lets_in(rules, foreign, verified=True)


def test_invitations_count_unless_registration_is_closed() -> None:
    for mode in ("invited", "open"):
        RegistrationRules.of(mode, (), production=True).require_invitations()
    with pytest.raises(Forbidden, match="ARAGORA_REGISTRATION=invited"):
        RegistrationRules.of("closed", (), production=True).require_invitations()


def test_the_refusal_says_what_to_do() -> None:
    rules = RegistrationRules.of("invited", ("example.org",), production=True)
    with pytest.raises(Forbidden, match=r"invitation.*login provider"):
        rules.require_uninvited("a@example.org", verified=False)
