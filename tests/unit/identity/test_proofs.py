"""Who a request acts for: forged headers prove nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.errors import Forbidden, InvalidInput, Unauthenticated
from aragora.identity.principal import LOCAL_OPERATOR, Method, Principal
from aragora.identity.proofs import IdentityRules, Proof, bearer_of, principal_without_session, proof_of

DEVELOPMENT = IdentityRules(production=False, local_operator=True, service_token="svc-secret")
PRODUCTION = IdentityRules(production=True, local_operator=False, api_token="api-secret", service_token="svc-secret")
HEADERS = {"host": "localhost:8080", "x-user-id": "user-123", "x-org-id": "org-456", "x-user-roles": "admin,member"}
HOST = {"host": "localhost:8080"}


def who(
    rules: IdentityRules, headers: dict[str, str], bearer: str | None = None, address: str = "127.0.0.1"
) -> Principal | None:
    return principal_without_session(rules, proof_of(rules, bearer), headers, address=address)


def test_the_header_example_of_the_runbook_works_on_the_own_machine_in_development() -> None:
    principal = who(DEVELOPMENT, HEADERS)
    assert principal is not None
    assert (principal.user_id, principal.org_id, principal.roles) == ("user-123", "org-456", ("admin", "member"))
    assert not principal.mfa


@pytest.mark.parametrize("name", ["x-user-id", "x-org-id", "x-user-roles"])
@pytest.mark.parametrize("bearer", [None, "api-secret"])
def test_a_stranger_who_sends_any_identity_header_is_refused(name: str, bearer: str | None) -> None:
    with pytest.raises(Unauthenticated) as caught:
        who(PRODUCTION, {**HOST, name: "admin"}, bearer, address="203.0.113.9")
    assert caught.value.code == "unproven_identity"


def test_loopback_proves_nothing_in_production() -> None:
    with pytest.raises(Unauthenticated):
        who(PRODUCTION, HEADERS)
    assert who(PRODUCTION, HOST) is None


def test_a_proven_service_names_whom_it_acts_for() -> None:
    named = {**HEADERS, "x-user-roles": "member"}
    principal = who(PRODUCTION, named, "svc-secret", address="203.0.113.9")
    assert principal is not None
    assert principal.method is Method.SERVICE
    assert principal.org_id == "org-456"
    also = who(PRODUCTION, {**named, "x-service-token": "svc-secret"}, address="203.0.113.9")
    assert also == principal


@pytest.mark.parametrize("roles", ["admin", "owner", "member,admin", "root"])
def test_a_service_names_only_the_roles_that_it_may(roles: str) -> None:
    named = {**HEADERS, "x-user-roles": roles}
    for proof in ({"bearer": "svc-secret"}, {}):
        with pytest.raises(Forbidden, match="ARAGORA_SERVICE_ROLES"):
            who(PRODUCTION, named if proof else {**named, "x-service-token": "svc-secret"}, **proof)
    wider = replace(PRODUCTION, service_roles=("root", "admin", "owner", "member"))
    assert who(wider, named, "svc-secret") is not None


def test_a_service_that_names_nobody_has_only_the_service_role() -> None:
    principal = who(PRODUCTION, HOST, "svc-secret")
    assert principal is not None
    assert principal.roles == ("service",)


@pytest.mark.parametrize("missing", ["x-user-id", "x-org-id"])
def test_a_half_named_identity_is_refused(missing: str) -> None:
    headers = {name: value for name, value in HEADERS.items() if name != missing}
    with pytest.raises(InvalidInput):
        who(DEVELOPMENT, headers)


@pytest.mark.parametrize("value", ["a b", "<script>", "x" * 129, "a\n", ""])
def test_malformed_names_are_refused(value: str) -> None:
    with pytest.raises(InvalidInput):
        who(DEVELOPMENT, {**HEADERS, "x-user-id": value})


def test_the_local_operator_is_loopback_under_a_local_name_only() -> None:
    assert who(DEVELOPMENT, HOST) == LOCAL_OPERATOR
    assert who(DEVELOPMENT, {"host": "[::1]:8080"}, address="::1") == LOCAL_OPERATOR
    assert who(DEVELOPMENT, HOST, address="192.0.2.1") is None
    assert who(DEVELOPMENT, {"host": "evil.example:8080"}) is None
    assert who(DEVELOPMENT, {}) is None


@pytest.mark.parametrize(
    "told", [{"x-forwarded-for": "203.0.113.9"}, {"x-real-ip": "203.0.113.9"}, {"forwarded": "for=203.0.113.9"}]
)
def test_nobody_behind_a_proxy_on_this_machine_is_the_local_operator(told: dict[str, str]) -> None:
    assert who(DEVELOPMENT, {**HOST, **told}) is None
    assert who(DEVELOPMENT, {**HOST, "x-forwarded-for": "127.0.0.1"}) == LOCAL_OPERATOR


def test_the_fixed_tokens_are_what_they_are_and_absent_ones_match_nothing() -> None:
    assert proof_of(PRODUCTION, "api-secret") is Proof.API_TOKEN
    assert proof_of(PRODUCTION, "svc-secret") is Proof.SERVICE_TOKEN
    assert proof_of(PRODUCTION, "ara_x") is Proof.API_KEY
    assert proof_of(PRODUCTION, "a.b.c") is Proof.ACCESS_TOKEN
    assert proof_of(DEVELOPMENT, "") is Proof.ACCESS_TOKEN


@pytest.mark.parametrize("value", ["", "Basic YTpi", "Bearer", "Bearer  ", "token abc"])
def test_another_kind_of_authorization_is_refused(value: str) -> None:
    with pytest.raises(Unauthenticated):
        bearer_of({"authorization": value})


def test_secrets_never_show_in_the_rules() -> None:
    assert "secret" not in repr(PRODUCTION)


@given(
    st.dictionaries(
        st.sampled_from(["host", "x-user-id", "x-org-id", "x-user-roles", "x-service-token"]), st.text(max_size=20)
    )
)
def test_in_production_no_headers_without_a_proof_make_a_principal(headers: dict[str, str]) -> None:
    if headers.keys() & {"x-user-id", "x-org-id", "x-user-roles"}:
        with pytest.raises(Unauthenticated):
            who(PRODUCTION, headers)
    else:
        assert who(PRODUCTION, headers) is None
