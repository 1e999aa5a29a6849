"""The address of a client: no header of its own can forge it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.errors import Misconfigured
from aragora.identity.client_address import client_address, rate_limit_scope, trusted_networks

PROXIES = trusted_networks(["10.0.0.0/8", "127.0.0.1"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # a stranger's header counts for nothing
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["127.0.0.1, 198.51.100.1"], "198.51.100.1"),  # the forged part stands on the left
        ("127.0.0.1", ["6.6.6.6, 198.51.100.1, 10.2.3.4"], "198.51.100.1"),
        ("127.0.0.1", ["6.6.6.6", "198.51.100.1", "10.2.3.4"], "198.51.100.1"),
        ("10.0.0.1", ["garbage"], "10.0.0.1"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["198.51.100.1:80"], "198.51.100.1"),
        (None, ["127.0.0.1"], "unknown"),
    ],
)
def test_the_client_is_the_first_address_that_no_trusted_proxy_has(
    peer: str | None, forwarded: list[str], client: str
) -> None:
    assert client_address(peer, tuple(forwarded), PROXIES) == client


@given(st.lists(st.text(max_size=60), max_size=5))
def test_no_header_makes_a_stranger_look_local(forwarded: list[str]) -> None:
    assert client_address("203.0.113.9", tuple(forwarded), PROXIES) == "203.0.113.9"


@given(st.lists(st.ip_addresses().map(str), max_size=5))
def test_nothing_left_of_the_proxys_own_entry_counts(forged: list[str]) -> None:
    assert client_address("10.0.0.1", (*forged, "203.0.113.9"), PROXIES) == "203.0.113.9"


def test_a_malformed_proxy_is_named() -> None:
    with pytest.raises(Misconfigured, match="nonsense"):
        trusted_networks(["10.0.0.0/8", "nonsense"])


def test_an_ipv6_customer_is_one_client() -> None:
    assert rate_limit_scope("2001:db8:1:2::1") == rate_limit_scope("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert rate_limit_scope("203.0.113.9") == "203.0.113.9"
