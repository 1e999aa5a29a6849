"""Headers that an endpoint's owner adds to every delivery, checked when they are written. Pure.

They hold tokens: an error names the header, never its value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from aragora.errors import InvalidInput

HEADERS_MAX: Final = 50
NAME_MAX_CHARS: Final = 128
VALUE_MAX_CHARS: Final = 4_096
TOTAL_MAX_CHARS: Final = 16_384
"""Of all names and values: some receivers take 8 KB in all, few more than 16."""

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")  # RFC 9110, 5.5, without obs-text
_OURS: Final = ("webhook-", "x-webhook-")
_FRAMING: Final = ("content-", "proxy-", "sec-")
_RESERVED: Final = frozenset(
    {
        # what connects and frames the message: RFC 9110, 7.6.1, and RFC 9112
        "connection", "expect", "host", "http2-settings", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
        # what the sender sets, and its limits rest on
        "accept-encoding", "date", "user-agent",
    }
)  # fmt: skip


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises InvalidInput where `headers` may not go out with a delivery: too many, too long, a name that is no token
    or is reserved or comes twice, a value that is no printable ASCII (so without CR, LF and NUL)."""
    if len(headers) > HEADERS_MAX:
        raise InvalidInput(f"An endpoint has at most {HEADERS_MAX} headers of its own; {len(headers)} were given.")
    seen: set[str] = set()
    for name, value in headers.items():
        _check_name(name)
        if name.lower() in seen:
            raise InvalidInput(f"The header {name} is given twice, capitals apart: leave one out.")
        seen.add(name.lower())
        _check_value(name, value)
    if sum(len(name) + len(value) for name, value in headers.items()) > TOTAL_MAX_CHARS:
        raise InvalidInput(f"The headers have over {TOTAL_MAX_CHARS} characters in all: leave some out.")


def _check_name(name: object) -> None:
    if not isinstance(name, str) or len(name) > NAME_MAX_CHARS or _TOKEN.fullmatch(name) is None:
        raise InvalidInput(
            f"{_shown(name)} is no name of a header: use 1 to {NAME_MAX_CHARS} letters, digits and hyphens."
        )
    lower = name.lower()
    if lower in _RESERVED or lower.startswith(_OURS + _FRAMING):
        raise InvalidInput(f"The header {name} is set by the sender: leave it out.")


def _check_value(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise InvalidInput(f"The value of the header {name} is no text: give a text.")
    if len(value) > VALUE_MAX_CHARS:
        raise InvalidInput(f"The value of the header {name} has over {VALUE_MAX_CHARS} characters: shorten it.")
    if _VALUE.fullmatch(value) is None:
        raise InvalidInput(
            f"The value of the header {name} is empty, begins or ends with white space, or holds a line break, another "
            "control character or one that is not ASCII: mend it."
        )


def _shown(name: object) -> str:
    """A name that may hold anything, fit for one line of an error."""
    text = ascii(name)
    return text if len(text) <= NAME_MAX_CHARS else f"{text[:40]}..."
