"""Hosts, origins and redirects: what is ours, and what only looks like it."""

from __future__ import annotations

import pytest

from aragora.identity.origins import host_answered, host_is_local, origin_allowed, redirect_allowed


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8765", "localhost."])
def test_the_local_names_may_be_the_operators(host: str) -> None:
    assert host_is_local(host)


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "", None, "localhost@x", "a b"]
)
def test_foreign_hosts_are_not(host: str | None) -> None:
    assert not host_is_local(host)


@pytest.mark.parametrize(
    "host", [None, "localhost:8080", "127.0.0.1", "127.0.0.2", "[::1]:8080", "api.localhost", "Named.Example:1"]
)
def test_a_development_server_answers_under_local_and_named_hosts(host: str | None) -> None:
    assert host_answered(host, {"named.example"})


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.nip.io", "localhost.evil.example", "", "named.example.evil", "10.0.0.1:8080"]
)
def test_a_development_server_does_not_answer_under_foreign_hosts(host: str) -> None:
    assert not host_answered(host, {"named.example"})


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://localhost:8080", True),
        ("https://app.example.org", True),
        ("https://APP.example.org/", True),
        ("https://app.example.org.evil.example", False),
        ("http://localhost:9999", False),
        ("null", False),
        ("file://localhost:8080", False),
        ("", False),
    ],
)
def test_only_own_and_configured_pages_may_act(origin: str | None, allowed: bool) -> None:
    assert origin_allowed(origin, "localhost:8080", ["https://app.example.org"]) is allowed


def test_without_an_origin_the_browsers_own_word_counts() -> None:
    assert origin_allowed(None, "localhost:8080", [])
    assert not origin_allowed(None, "localhost:8080", [], cross_site=True)
    assert origin_allowed("http://localhost:8080", "localhost:8080", [], cross_site=True)
    assert not origin_allowed("http://localhost:8080", None, [])


@pytest.mark.parametrize(
    "url",
    [
        "http://app.example.org/x",
        "https://evil.example/",
        "//app.example.org",
        "https://app.example.org@evil.example/",
        "https://evil.example\\@app.example.org/",
        "javascript:alert(1)",
        "https://app.example.org.evil.example/",
        "https://u:p@app.example.org/",
        " https://app.example.org/",
        "https://app.example.org:x/",
        "/path",
        "",
    ],
)
def test_redirects_elsewhere_are_refused(url: str) -> None:
    assert not redirect_allowed(url, ["app.example.org"])


def test_redirects_home_are_allowed() -> None:
    assert redirect_allowed("https://app.example.org/done?x=1", ["APP.example.org"])
    assert redirect_allowed("http://localhost:3000/done", ["localhost"])
