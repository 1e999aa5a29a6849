"""The URL of the WebSocket, for one caller."""

from __future__ import annotations

import pytest

from aragora.server.websocket_address import websocket_url

EVERYWHERE = "ws://0.0.0.0:8765/ws"
SOMEWHERE = "ws://192.0.2.10:8765/ws"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("192.0.2.10:8080", "ws://192.0.2.10:8765/ws"),
        ("agora.example", "ws://agora.example:8765/ws"),
        ("Agora.Example:8080", "ws://agora.example:8765/ws"),
        ("[2001:db8::7]:8080", "ws://[2001:db8::7]:8765/ws"),
    ],
)
@pytest.mark.parametrize("everywhere", [EVERYWHERE, "ws://[::]:8765/ws"])
def test_a_server_that_listens_everywhere_is_where_it_was_asked(everywhere: str, host: str, url: str) -> None:
    assert websocket_url(everywhere, host, None) == url


def test_a_server_that_listens_at_one_address_is_there() -> None:
    assert websocket_url(SOMEWHERE, "agora.example:8080", None) == SOMEWHERE


@pytest.mark.parametrize(
    ("host", "proxied_as", "url"),
    [
        ("agora.example", "https", "wss://agora.example/ws"),
        ("agora.example:8443", "https", "wss://agora.example:8443/ws"),
        ("agora.example", "http", "ws://agora.example/ws"),
        ("[2001:db8::7]", "https", "wss://[2001:db8::7]/ws"),
    ],
)
@pytest.mark.parametrize("configured", [EVERYWHERE, SOMEWHERE, "ws://127.0.0.1:8765/ws"])
def test_behind_a_proxy_the_websocket_is_at_the_proxy(configured: str, host: str, proxied_as: str, url: str) -> None:
    assert websocket_url(configured, host, proxied_as) == url


@pytest.mark.parametrize("proxied_as", ["", "ftp", "https, http", "javascript"])
def test_a_scheme_that_is_none_of_ours_counts_for_nothing(proxied_as: str) -> None:
    assert websocket_url(SOMEWHERE, "agora.example", proxied_as) == SOMEWHERE


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example/path",
        "user@evil.example",
        "a b",
        'x"><script>',
        "agora.example:99999",
        "agora.example:0",
    ],
)
def test_what_is_no_host_is_never_repeated(host: str | None) -> None:
    assert websocket_url(EVERYWHERE, host, "https") == EVERYWHERE
