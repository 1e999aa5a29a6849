"""Headers of an endpoint's owner are refused when they are written, by name and never by value."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.errors import InvalidInput
from aragora.webhooks.custom_headers import HEADERS_MAX, TOTAL_MAX_CHARS, VALUE_MAX_CHARS, check_headers
from aragora.webhooks.signing import signed_headers

TOKEN = "Bearer of-a-token"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": TOKEN},
        {"X-Tenant": "acme", "x_underscore": "1", "Cookie": "a=b; c=d"},
        {"X-Tab": "a\tb"},
        {"X-Long": "v" * VALUE_MAX_CHARS},
        {f"X-{number}": "v" for number in range(HEADERS_MAX)},
    ],
)
def test_headers_that_go_out(headers: dict[str, str]) -> None:
    check_headers(headers)


@pytest.mark.parametrize(
    "value",
    [f"{TOKEN}\r\nX-Evil: 1", f"{TOKEN}\n", f"{TOKEN}\r", f"{TOKEN}\x00", f"\x1b{TOKEN}", f"{TOKEN}\x7f", f"{TOKEN}\u00e9",
     f" {TOKEN}", f"{TOKEN} ", "", TOKEN * 1000, 7, None, [TOKEN], TOKEN.encode()],
)  # fmt: skip
def test_a_value_that_is_refused_is_not_told(value: Any) -> None:
    with pytest.raises(InvalidInput, match="the header X-Token") as refused:
        check_headers({"X-Token": value})
    assert TOKEN not in refused.value.message
    assert "\n" not in refused.value.message


@pytest.mark.parametrize(
    "name",
    ["Host", "HOST", "Content-Length", "content-type", "Content-Encoding", "Connection", "Keep-Alive", "TE", "Trailer",
     "Transfer-Encoding", "Upgrade", "Proxy-Authorization", "Proxy-Connection", "Expect", "Accept-Encoding", "User-Agent",
     "X-Webhook-Signature", "x-webhook-anything", "Webhook-Id", "webhook-signature", "Date"],
)  # fmt: skip
def test_a_reserved_name_is_refused_however_it_is_written(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"The header {name} is set by the sender"):
        check_headers({name: "v"})


def test_every_header_of_ours_is_reserved() -> None:
    ours = signed_headers(
        b"{}", message_id="m", delivery_id="d", event_type="t", attempt=1, timestamp=0, secrets=["a secret"]
    )
    for name in ours:
        with pytest.raises(InvalidInput):
            check_headers({name: "v"})


@pytest.mark.parametrize(
    "name", ["", " ", "X Y", "X:Y", ":path", "X\r\nY", "X\x00", "\u00dcber", "x" * 129, 7, None, b"X-Y", "x" * 100_000]
)
def test_what_is_no_name_is_refused_in_one_short_line(name: Any) -> None:
    with pytest.raises(InvalidInput, match="is no name of a header") as refused:
        check_headers({name: "v"})
    assert len(refused.value.message) < 250
    assert "\n" not in refused.value.message


def test_fifty_one_are_too_many() -> None:
    with pytest.raises(InvalidInput, match="at most 50 headers of its own; 51 were given"):
        check_headers({f"X-{number}": "v" for number in range(HEADERS_MAX + 1)})


@pytest.mark.parametrize(("first", "second"), [("X-Token", "x-token"), ("x-token", "X-Token"), ("X-TOKEN", "X-Token")])
def test_a_name_in_two_writings_is_one_name(first: str, second: str) -> None:
    with pytest.raises(InvalidInput, match=f"{second} is given twice"):
        check_headers({first: "a", second: "b"})


def test_all_together_have_a_limit() -> None:
    with pytest.raises(InvalidInput, match=f"over {TOTAL_MAX_CHARS} characters in all"):
        check_headers({f"X-{number}": "v" * VALUE_MAX_CHARS for number in range(5)})


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3))
def test_what_passes_can_neither_end_a_line_nor_begin_another(headers: dict[str, str]) -> None:
    try:
        check_headers(headers)
    except InvalidInput:
        return
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    assert lines.isascii()
    assert len(lines.splitlines()) == len(headers)
