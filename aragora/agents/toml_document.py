"""Reading a TOML file that a person wrote: what is no TOML is told with its line, and nothing in it takes memory or
stack beyond its size. Pure.

`Misconfigured` is all that is ever raised, and no text repeats a value: it may be a key that was pasted into the wrong
place.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any, Final

from aragora.agents.toml_keys import PARTS_MAX, line_of_too_long_key
from aragora.errors import Misconfigured
from aragora.observability.redaction import Redactor

_REDACTOR: Final = Redactor()


def read_toml(content: bytes, called: str) -> tuple[str, Mapping[str, Any]]:
    """The text of the file `called` so, and what it holds. Raises Misconfigured."""
    try:
        source = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Misconfigured(f"{called} line {line}: this is not UTF-8; save the file as UTF-8.") from None
    if (line_of_key := line_of_too_long_key(source)) is not None:
        raise Misconfigured(
            f"{called} line {line_of_key}: this key has more than {PARTS_MAX} parts: no setting needs so many. Mend that "
            "line."
        )
    try:
        return source, tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        told = _REDACTOR.text(str(error)).rstrip(".")
        raise Misconfigured(f"{called}: this is no TOML: {told}. Mend that line.") from None
    except (ValueError, RecursionError):  # numbers of thousands of digits, lists of thousands of lists
        raise Misconfigured(f"{called} holds a number or a nesting that is too large: no setting needs one.") from None
