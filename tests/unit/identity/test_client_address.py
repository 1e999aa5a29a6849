"""The address of a client: no header of its own can forge it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.errors import Misconfigured
from aragora.identity.client_address import Origin, Trust, origin_of, parsed, rate_limit_scope, trusted_networks

PROXIES = Trust(trusted_networks(["10.0.0.0/8", "127.0.0.1"]))
NODES = ("192.0.2.10", "192.0.2.11", "2001:db8::10")
CLUSTER = Trust(
    trusted_networks(["198.51.100.5", "127.0.0.1/32", "::1/128"]),
    frozenset(address for address in map(parsed, NODES) if address is not None),
)
"""Three nodes, and the operator's proxy at 198.51.100.5."""


def client_address(peer: str | None, forwarded_for: tuple[str, ...], trust: Trust) -> str:
    return origin_of(peer, forwarded_for, trust).address


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


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        # Whichever node's proxy passed the request on, the client is the one that it saw.
        ("192.0.2.10", ["203.0.113.9"], "203.0.113.9"),
        ("192.0.2.11", ["203.0.113.9"], "203.0.113.9"),
        ("127.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("192.0.2.11", ["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        ("192.0.2.11", ["6.6.6.6", "203.0.113.9"], "203.0.113.9"),
        # Behind the operator's proxy, as before.
        ("192.0.2.11", ["203.0.113.9, 198.51.100.5"], "203.0.113.9"),
        ("192.0.2.11", ["6.6.6.6, 203.0.113.9, 198.51.100.5"], "203.0.113.9"),
        # A program on a node's host is a client like any other, whatever it claims, through any node's proxy.
        ("192.0.2.11", ["6.6.6.6, 192.0.2.10"], "192.0.2.10"),
        ("192.0.2.10", ["6.6.6.6, 192.0.2.10"], "192.0.2.10"),
        ("192.0.2.11", ["6.6.6.6, 198.51.100.5, 192.0.2.10"], "192.0.2.10"),
        ("127.0.0.1", ["6.6.6.6, 192.0.2.10"], "192.0.2.10"),
        ("192.0.2.11", ["6.6.6.6, 2001:db8::10"], "2001:db8::10"),
        # Another machine's loopback is that machine, not this one.
        ("192.0.2.11", ["127.0.0.1"], "192.0.2.11"),
        ("192.0.2.11", ["127.0.0.1, 127.0.0.1"], "192.0.2.11"),
        ("192.0.2.11", ["203.0.113.9, 127.0.0.1"], "203.0.113.9"),  # a proxy of the operator's on that machine
        ("127.0.0.1", ["127.0.0.1"], "127.0.0.1"),
        # An address in another spelling is the same address.
        ("::ffff:192.0.2.11", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("2001:DB8:0::10", ["2001:db8:0:0::9"], "2001:db8::9"),
        ("2001:db8::10", ["6.6.6.6, ::ffff:192.0.2.10"], "192.0.2.10"),
        # A neighbour of the nodes is no node.
        ("192.0.2.12", ["203.0.113.9"], "192.0.2.12"),
        ("2001:db8::11", ["203.0.113.9"], "2001:db8::11"),
    ],
)
def test_each_nodes_own_proxy_is_believed_and_nothing_else_on_a_node(
    peer: str, forwarded: list[str], client: str
) -> None:
    assert client_address(peer, tuple(forwarded), CLUSTER) == client


_CLAIMS = st.lists(
    st.one_of(st.text(max_size=40), st.sampled_from([*NODES, "127.0.0.1", "198.51.100.5", "::1", "6.6.6.6, 10.0.0.1"])),
    max_size=4,
)
_CLIENTS = st.one_of(
    st.ip_addresses().filter(lambda address: not address.is_loopback).map(str), st.sampled_from(NODES)
).filter(lambda address: address != "198.51.100.5")


@given(claims=_CLAIMS, client=_CLIENTS, node=st.sampled_from([*NODES, "127.0.0.1"]), by_proxy=st.booleans())
def test_whatever_a_client_claims_its_address_is_the_one_that_a_trusted_hop_saw(
    claims: list[str], client: str, node: str, by_proxy: bool
) -> None:
    seen = (client, "198.51.100.5") if by_proxy else (client,)  # what the operator's proxy appended, and the node's
    told = client_address(node, (*claims, *seen), CLUSTER)
    assert parsed(told) == parsed(client)


@given(claims=_CLAIMS, stranger=_CLIENTS.filter(lambda address: address not in NODES))
def test_who_reaches_a_replica_past_the_proxies_is_seen_as_what_it_is(claims: list[str], stranger: str) -> None:
    origin = origin_of(stranger, tuple(claims), CLUSTER)
    assert parsed(origin.address) == parsed(stranger)
    assert origin.disbelieved == bool(claims)


@pytest.mark.parametrize(
    ("peer", "forwarded", "by_proxy"),
    [
        ("192.0.2.11", ["203.0.113.9"], False),
        ("192.0.2.11", ["203.0.113.9, 198.51.100.5"], True),
        ("127.0.0.1", ["203.0.113.9, 127.0.0.1"], True),
        ("192.0.2.11", ["198.51.100.5, 203.0.113.9"], False),  # claimed by the client
        ("203.0.113.9", ["198.51.100.5"], False),
    ],
)
def test_the_servers_own_proxy_is_not_the_operators(peer: str, forwarded: list[str], by_proxy: bool) -> None:
    assert origin_of(peer, tuple(forwarded), CLUSTER).by_proxy is by_proxy


def test_a_peer_that_nobody_knows_is_told_apart_where_it_names_a_client() -> None:
    assert origin_of("192.0.2.12", ("203.0.113.9",), CLUSTER) == Origin("192.0.2.12", disbelieved=True)
    assert origin_of("192.0.2.12", (), CLUSTER) == Origin("192.0.2.12")


def test_a_malformed_proxy_is_named() -> None:
    with pytest.raises(Misconfigured, match="nonsense"):
        trusted_networks(["10.0.0.0/8", "nonsense"])


def test_an_ipv6_customer_is_one_client() -> None:
    assert rate_limit_scope("2001:db8:1:2::1") == rate_limit_scope("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert rate_limit_scope("203.0.113.9") == "203.0.113.9"
