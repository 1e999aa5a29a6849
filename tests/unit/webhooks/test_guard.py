"""The guard: every spelling of an address, every special network, and what an operator may open."""

from __future__ import annotations

import ipaddress
import pickle
import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.errors import InvalidInput, Misconfigured
from aragora.webhooks.guard import MAX_URL, REFUSED, Guard, Refused, allowed_networks
from aragora.webhooks.networks import EXACT, ROWS, Reason, Row, row_of


def guard(*allowed: str, https_only: bool = False, own_hosts: tuple[str, ...] = ()) -> Guard:
    return Guard(allowed_networks(allowed), https_only, frozenset(own_hosts))


OUTSIDE = guard()

INTERNAL = {
    "127.0.0.1": Reason.LOOPBACK,
    "127.255.255.254": Reason.LOOPBACK,
    "0.0.0.0": Reason.LOOPBACK,
    "::": Reason.LOOPBACK,
    "::1": Reason.LOOPBACK,
    "::ffff:127.0.0.1": Reason.LOOPBACK,
    "::ffff:7f00:1": Reason.LOOPBACK,
    "::127.0.0.1": Reason.TRANSLATED,
    "::ffff:0:127.0.0.1": Reason.TRANSLATED,
    "2002:7f00:1::": Reason.TRANSLATED,
    "2002:a9fe:a9fe::1": Reason.TRANSLATED,
    "64:ff9b::127.0.0.1": Reason.LOOPBACK,
    "64:ff9b::169.254.169.254": Reason.METADATA,
    "64:ff9b::10.1.2.3": Reason.PRIVATE,
    "64:ff9b:1::a9fe:a9fe": Reason.TRANSLATED,
    "64:ff9b:1:7f00:0:100::": Reason.TRANSLATED,
    "2001:0:7f00:1::1": Reason.TRANSLATED,  # Teredo
    "2a00:1450:4001::5efe:10.0.0.1": Reason.PRIVATE,  # ISATAP behind a public prefix
    "2a00:1450:4001:0:200:5efe:169.254.169.254": Reason.METADATA,
    "fec0::1": Reason.PRIVATE,
    "fe80::1": Reason.LINK_LOCAL,
    "fe80::1%eth0": Reason.LINK_LOCAL,
    "fe80::a9fe:a9fe": Reason.METADATA,
    "febf::1": Reason.LINK_LOCAL,
    "fd00:ec2::254": Reason.METADATA,
    "fd12:3456::1": Reason.PRIVATE,
    "169.254.169.254": Reason.METADATA,
    "169.254.170.2": Reason.METADATA,
    "169.254.1.1": Reason.LINK_LOCAL,
    "168.63.129.16": Reason.METADATA,
    "100.100.100.200": Reason.METADATA,
    "192.0.0.192": Reason.METADATA,
    "10.0.0.1": Reason.PRIVATE,
    "172.31.255.255": Reason.PRIVATE,
    "192.168.1.1": Reason.PRIVATE,
    "100.127.0.1": Reason.PRIVATE,
    "224.0.0.1": Reason.MULTICAST,
    "ff02::1": Reason.MULTICAST,
    "255.255.255.255": Reason.SPECIAL,
    "198.19.0.1": Reason.SPECIAL,
    "192.0.2.1": Reason.SPECIAL,
    "2001:db8::1": Reason.SPECIAL,
    "3fff::1": Reason.SPECIAL,
    "5f00::1": Reason.SPECIAL,
    "100::1": Reason.SPECIAL,
    "4000::1": Reason.SPECIAL,
    "not-an-address": Reason.MALFORMED,
    "": Reason.MALFORMED,
    "127.1": Reason.MALFORMED,
}
PUBLIC = (
    *("8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "192.167.255.255", "11.0.0.0", "223.255.255.255"),
    *("2a00:1450:4001:800::200e", "2606:4700::1111", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8", "2001:200::1"),
)
# The registries at IANA, as they stood when this was written; each network is to be refused as a whole. Those within
# another are left out.
REGISTRIES = (
    *("0.0.0.0/8", "0.0.0.0/32", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
    *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
    *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "224.0.0.0/4"),
    *("::1/128", "::/128", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001::/32", "2001:1::1/128"),
    *("2001:1::2/128", "2001:1::3/128", "2001:2::/48", "2001:3::/32", "2001:4:112::/48", "2001:10::/28"),
    *("2001:20::/28", "2001:30::/28", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "5f00::/16"),
    *("fc00::/7", "fe80::/10", "ff00::/8", "fec0::/10", "::/96"),
)


@pytest.mark.parametrize(("address", "reason"), INTERNAL.items())
def test_an_internal_address_is_refused_in_every_form(address: str, reason: Reason) -> None:
    assert OUTSIDE.refuses(address) is reason


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    assert OUTSIDE.refuses(address) is None


@pytest.mark.parametrize("text", REGISTRIES)
def test_every_network_of_the_special_registries_is_refused_from_its_first_address_to_its_last(text: str) -> None:
    network = ip_network(text)
    assert OUTSIDE.refuses(network[0]) is not None
    assert OUTSIDE.refuses(network[-1]) is not None


@given(st.ip_addresses())
def test_what_python_calls_internal_is_never_let_through(address: IPv4Address | IPv6Address) -> None:
    """Its own list is shorter than ours, with NAT64 as the one exception: a public address within is reached."""
    if not address.is_global and address not in ip_network("64:ff9b::/96"):
        assert OUTSIDE.refuses(address) is not None


@given(st.ip_addresses(v=4))
def test_an_address_of_ipv4_is_judged_alike_in_its_mapped_and_its_nat64_form(address: IPv4Address) -> None:
    expected = OUTSIDE.refuses(address)
    assert OUTSIDE.refuses(f"::ffff:{address}") is expected
    assert OUTSIDE.refuses(f"64:ff9b::{address}") is expected


@given(st.ip_addresses(), st.data())
def test_the_most_specific_row_counts(address: IPv4Address | IPv6Address, data: st.DataObject) -> None:
    row = data.draw(st.sampled_from([row for row in ROWS if row.network.version == address.version]))
    inside = ip_address(int(row.network[0]) | (int(address) & int(row.network.hostmask)))
    inside = type(address)(int(inside))
    holding = [other for other in ROWS if other.network.version == inside.version and inside in other.network]
    assert row_of(inside) == max(holding, key=lambda other: other.network.prefixlen)


def test_every_row_says_where_it_comes_from() -> None:
    assert all(row.source for row in ROWS)
    assert len({row.network for row in ROWS}) == len(ROWS)


HOSTS_THAT_ARE_ADDRESSES = (
    *("2130706433", "0177.0.0.1", "127.1", "127.0.1", "0x7f.1", "0x7f000001", "0X7F.0.0.1", "017700000001"),
    *("127.0.0.1.", "8.8.8.8.", "0x8.8.8.8", "134744072", "1.2.3.4.5", "1.2.3.256", "hooks.example.1", "example.0x1"),
    *("①②⑦.①", "²¹³⁰⁷⁰⁶⁴³³", "0x"),
)


@pytest.mark.parametrize("host", HOSTS_THAT_ARE_ADDRESSES)
def test_an_address_in_another_spelling_than_four_decimal_numbers_is_no_host(host: str) -> None:
    with pytest.raises(InvalidInput):
        OUTSIDE.url(f"https://{host}/hook")


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "①②⑦.⓪.⓪.①", "127。0。0。1", "１２７.0.0.1", "0.0.0.0", "169.254.169.254", "10.0.0.1"),  # noqa: RUF001
        *("[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[fd00:ec2::254]", "[fec0::1]", "[::]"),
        *("[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::a9fe:a9fe]", "[2002:7f00:1::]", "[2001:0:7f00:1::1]", "[FE80::1]"),
        *("own.example.com", "OWN.example.com", "own.example.com.", "203.0.114.9", "[2a00:1450:4001::9]"),
    ],
)
def test_what_is_refused_is_refused_with_one_text(host: str) -> None:
    own = guard(own_hosts=("Own.Example.com.", "203.0.114.9", "2a00:1450:4001::9"))
    with pytest.raises(InvalidInput) as refused:
        own.url(f"https://{host}/hook")
    assert refused.value.message == REFUSED


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ftp://hooks.example.com/", "must begin with"),
        ("file:///etc/passwd", "must begin with"),
        ("hooks.example.com/x", "must begin with"),
        ("//hooks.example.com/x", "must begin with"),
        ("http:hooks.example.com", "must begin with"),
        ("", "must begin with"),
        ("https:///x", "must begin with"),
        ("https://user@hooks.example.com/", "user name"),
        ("https://user:pass@hooks.example.com/", "user name"),
        ("https://@hooks.example.com/", "user name"),
        ("https://hooks.example.com@127.0.0.1/", "user name"),
        ("https://hooks.example.com/#part", "fragment"),
        ("https://hooks.example.com/#", "fragment"),
        ("https://hooks.example.com\\@127.0.0.1/", "backslash"),
        ("https://hooks.example.com/a b", "space"),
        ("https://hooks.example.com/\u3000", "space"),
        ("https://hooks.example.com/\n", "control character"),
        ("https://hooks.example.com/\x00", "control character"),
        ("https://hooks.example.com/\x7f", "control character"),
        ("https://hooks.example.com/\ud800", "control character"),
        ("https://hooks.example.com:0/", "port"),
        ("https://hooks.example.com:65536/", "port"),
        ("https://hooks.example.com:x/", "port"),
        ("https://redis/", "full name"),
        ("https://localhost/", "full name"),
        ("https://localhost./", "full name"),
        ("https://a..example.com/", "not a valid name"),
        ("https://-a.example.com/", "not a valid name"),
        ("https://*.example.com/", "not a valid name"),
        ("https://a%2eexample.com/", "not a valid name"),
        (f"https://{'a' * 64}.example.com/", "not a valid name"),
        ("https://[fe80::1%25eth0]/", "no address of IPv6"),
        ("https://[v1.x]/", "cannot be read"),
        ("https://[::1/", "cannot be read"),
        ("https://xn--a.example.com/", "cannot be read"),
        ("https://hooks.example.com:25/", "port"),
        ("https://hooks.example.com:465/", "port"),
        ("https://hooks.example.com:587/", "port"),
        ("https://hooks.example.com:5432/", "port"),
        ("https://hooks.example.com:6379/", "port"),
        (f"https://hooks.example.com/{'a' * MAX_URL}", "longer"),
        (f"https://hooks.example.com/{'ä' * 500}", "longer"),
    ],
)
def test_a_wrong_form_is_refused_with_what_is_wrong_and_without_the_url(text: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        OUTSIDE.url(text)
    assert told in refused.value.message
    assert "hooks" not in refused.value.message.replace("hooks.example.com", "", 1)
    assert "\n" not in refused.value.message


def test_plain_http_is_refused_where_https_is_demanded() -> None:
    assert guard().url("http://hooks.example.com/").scheme == "http"
    with pytest.raises(InvalidInput, match="https://"):
        guard(https_only=True).url("http://hooks.example.com/")
    assert guard(https_only=True).url("HTTPS://hooks.example.com/").scheme == "https"


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("https://hooks.example.com/a/b?c=d%23e", "hooks.example.com"),
        ("https://hooks.example.com", "hooks.example.com"),
        ("https://HOOKS.example.com:8443/", "hooks.example.com"),
        ("https://hooks.example.com./", "hooks.example.com."),
        ("https://münchen.example/ä", "xn--mnchen-3ya.example"),
        ("https://a_b.example.com/", "a_b.example.com"),
        ("https://8.8.8.8/", "8.8.8.8"),
        ("https://[2606:4700::1111]:8443/", "2606:4700::1111"),
        ("https://1.2.com/x@y", "1.2.com"),
        ("https://xn--mnchen-3ya.xn--p1ai/", "xn--mnchen-3ya.xn--p1ai"),
    ],
)
def test_the_url_of_a_public_receiver_is_given_back_parsed(text: str, host: str) -> None:
    assert OUTSIDE.url(text).raw_host == host


@given(st.text())
def test_any_text_is_a_url_or_invalid_input(text: str) -> None:
    for candidate in (text, f"https://{text}", f"https://{text}.example.com/", f"https://hooks.example.com/{text}"):
        try:
            url = OUTSIDE.url(candidate)
        except InvalidInput:
            continue
        assert url.scheme in ("http", "https")
        assert re.fullmatch(r"[a-z0-9_.:-]+", url.raw_host or "")


def test_a_network_is_opened_for_what_is_private_and_for_nothing_else() -> None:
    opened = guard("10.1.0.0/16", "0.0.0.0/0", "::/0")
    assert opened.refuses("10.1.2.3") is None
    assert opened.refuses("::ffff:10.1.2.3") is None
    assert opened.refuses("fd12::1") is None
    for address in ("127.0.0.1", "::1", "169.254.169.254", "169.254.1.1", "fd00:ec2::254", "fe80::1", "2002:7f00:1::"):
        assert opened.refuses(address) is not None, address
    assert guard("10.1.0.0/16").refuses("10.2.0.1") is Reason.PRIVATE


@pytest.mark.parametrize("row", [row for row in ROWS if row.reason in EXACT], ids=str)
def test_loopback_link_local_and_metadata_are_opened_by_the_exact_address_only(row: Row) -> None:
    address = row.network[-1]
    assert guard(f"{row.network}").refuses(address) is (
        None if row.network.num_addresses == 1 else OUTSIDE.refuses(address)
    )
    assert guard(str(address)).refuses(address) is None


def test_an_exact_address_opens_its_mapped_form_and_no_neighbour() -> None:
    opened = guard("127.0.0.1")
    assert opened.refuses("127.0.0.1") is None
    assert opened.refuses("::ffff:127.0.0.1") is None
    assert opened.url("http://127.0.0.1:8080/").port == 8080
    assert opened.refuses("127.0.0.2") is Reason.LOOPBACK
    assert opened.refuses("::1") is Reason.LOOPBACK


@pytest.mark.parametrize("text", ["10.1.0.1/16", "10.0.0.0/33", "example.com", ""])
def test_a_network_that_cannot_be_read_is_told_to_the_operator(text: str) -> None:
    with pytest.raises(Misconfigured, match="ARAGORA_WEBHOOK_ALLOWED_NETWORKS"):
        allowed_networks([text])


def test_the_table_is_not_pythons() -> None:
    """Why there is a table: these lead inside, and Python calls them global."""
    wrong = [address for address in ("64:ff9b::a9fe:a9fe", "168.63.129.16") if ipaddress.ip_address(address).is_global]
    assert wrong
    assert all(OUTSIDE.refuses(address) for address in wrong)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://10.0.0.8/hook", Reason.PRIVATE),
        ("https://169.254.169.254/latest", Reason.METADATA),
        ("https://own.example.com/hook", Reason.OWN_HOST),
    ],
)
def test_why_a_url_is_refused_is_known_inside_and_in_no_text(url: str, reason: Reason) -> None:
    with pytest.raises(Refused) as refused:
        guard(own_hosts=("own.example.com",)).url(url)
    assert (refused.value.reason, refused.value.message) == (reason, REFUSED)
    again = pickle.loads(pickle.dumps(refused.value))  # it may cross processes
    assert (type(again), again.reason, again.message) == (Refused, reason, REFUSED)
