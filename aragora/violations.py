"""What pydantic says of a wrong value, in the words in which people are told it. Pure."""

from __future__ import annotations

from typing import Final

_FOREWORDS: Final = ("Value error, ", "Assertion failed, ")
"""What it writes before the text of a validator of ours."""


def reason(message: str) -> str:
    """`message` without the library's foreword."""
    for foreword in _FOREWORDS:
        message = message.removeprefix(foreword)
    return message
