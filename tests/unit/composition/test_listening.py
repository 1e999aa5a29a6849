"""What the address to listen on means to the proxies, to this machine and to people."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from aragora.composition.listening import Listening, ports_of
from aragora.errors import Misconfigured, Unavailable
from aragora.identity.origins import authority


@pytest.mark.parametrize(
    ("addresses", "bind", "reached_at"),
    [
        (("127.0.0.1",), "ipv4@127.0.0.1:80", "127.0.0.1"),
        (("0.0.0.0",), "ipv4@0.0.0.0:80", "127.0.0.1"),
        (("192.0.2.2",), "ipv4@192.0.2.2:80", "192.0.2.2"),
        (("::",), "ipv6@:::80 v4v6", "::1"),
        (("::1",), "ipv6@::1:80", "::1"),
        (("fd00::2",), "ipv6@fd00::2:80", "fd00::2"),
        (("127.0.0.1", "::1"), "ipv4@127.0.0.1:80,ipv6@::1:80", "127.0.0.1"),
    ],
)
def test_each_form_is_bound_and_reached(addresses: tuple[str, ...], bind: str, reached_at: str) -> None:
    listening = Listening(addresses)
    assert (listening.bind(80), listening.reached_at) == (bind, reached_at)
    assert ports_of(bind) == (80,)


@pytest.mark.parametrize("addresses", [("0.0.0.0",), ("::",), ("127.0.0.1", "::1")])
def test_several_ports_stand_on_one_line(addresses: tuple[str, ...]) -> None:
    bind = Listening(addresses).bind(8080, 8765)
    assert len(bind.split(" ")[0].split(",")) == 2 * len(addresses)
    assert ports_of(bind) == (8080, 8765)


def test_a_port_on_which_nobody_listens_is_told_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aragora.composition.listening.LISTEN_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        Listening(("127.0.0.1",)).await_connections([port])
    with pytest.raises(Unavailable, match=f"nothing listens at 127.0.0.1:{port}"):
        Listening(("127.0.0.1",)).await_connections([port])


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "0.0.0.0"])
def test_an_address_of_this_machine_is_taken_as_it_is(host: str) -> None:
    assert Listening.on(host).addresses == (host,)


def test_a_name_is_all_its_addresses_on_which_this_machine_can_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolved(*_: Any, **__: Any) -> list[Any]:
        found = ("127.0.0.1", "203.0.113.9", "127.0.0.3", "127.0.0.1")  # the second is another machine's
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    assert Listening.on("agora").addresses == ("127.0.0.1", "127.0.0.3")


@pytest.mark.parametrize("host", ["203.0.113.9", "no-such-name.invalid", "300.1.1.1", "a..b", "", "\ud800"])
def test_what_this_machine_does_not_have_is_refused_with_the_option_named(host: str) -> None:
    with pytest.raises(Misconfigured, match="--host"):
        Listening.on(host)


@pytest.mark.parametrize(
    ("host", "shown"),
    [("::1", "[::1]:80"), ("[::1]", "[::1]:80"), ("127.0.0.1", "127.0.0.1:80"), ("agora", "agora:80")],
)
def test_hosts_stand_in_urls_as_urls_want_them(host: str, shown: str) -> None:
    assert authority(host, 80) == shown
