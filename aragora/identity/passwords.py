"""Passwords: argon2id, hashed and checked off the event loop, the same time for users that do not exist.

Policy after OWASP ASVS 5 (6.2): 8 to 128 characters, any characters, no composition rules, no expiry; refused
are the common ones and those made of the user's own name or address. The list of common passwords is the part
with 8 or more characters of the frequency list of zxcvbn (MIT licence, Dropbox Inc. and Dan Wheeler).
"""

from __future__ import annotations

import asyncio
import functools
import gzip
import re
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from typing import Final, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from aragora import texts
from aragora.errors import InvalidInput, Unavailable

T = TypeVar("T")

MIN_CHARS: Final = 8
MAX_CHARS: Final = 128
# OWASP Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane.
MEMORY_KIB: Final = 19_456
PASSES: Final = 2
MAX_CONCURRENT: Final = 4
MAX_WAITING: Final = 64


class Passwords:
    """Hashes and verifies. At most `MAX_CONCURRENT` run at once and `MAX_WAITING` wait; more are Unavailable."""

    def __init__(self, *, memory_kib: int = MEMORY_KIB, passes: int = PASSES) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1, type=Type.ID)
        self._nobody = self._hasher.hash("a password that nobody has")
        # Threads of their own: a hash that nobody waits for any more keeps its thread, and so its turn, to the end.
        self._threads = ThreadPoolExecutor(MAX_CONCURRENT, thread_name_prefix="passwords")
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The argon2id hash, with its parameters and salt, in PHC form."""
        return await self._in_turn(functools.partial(self._hasher.hash, normal(password)))

    async def verify(self, password: str, stored: str | None) -> bool:
        """Whether the password is the one hashed. None (no such user) takes as long and is False."""
        matches = await self._in_turn(functools.partial(self._matches, stored or self._nobody, normal(password)))
        return matches and stored is not None

    def needs_rehash(self, stored: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return False

    async def _in_turn(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise Unavailable("Too many logins at once; try again in a moment.", retry_after_s=1.0)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def check_policy(password: str, *, email: str = "", name: str = "") -> None:
    """Raises InvalidInput (code weak_password) with the reason where the password may not be chosen."""
    try:
        text = normal(texts.line(password))
    except ValueError as error:
        # No route takes such a text, so nobody could log in with it.
        raise InvalidInput(f"In a password {error}.", code="weak_password") from None
    if not MIN_CHARS <= len(text) <= MAX_CHARS:
        raise InvalidInput(f"A password has {MIN_CHARS} to {MAX_CHARS} characters.", code="weak_password")
    lowered = text.lower()
    if lowered in common_passwords():
        raise InvalidInput("This password is among the most common ones; choose another.", code="weak_password")
    local_part = email.partition("@")[0]
    own = {_letters(text) for text in (*re.split(r"[^0-9A-Za-z]+", f"{email} {name}"), local_part, name, "aragora")}
    if _letters(lowered) in {word for word in own if len(word) >= 4}:
        raise InvalidInput("This password is made of your own name or address; choose another.", code="weak_password")


def _letters(text: str) -> str:
    return re.sub(r"[^a-z]", "", text.lower())


def normal(password: str) -> str:
    """The same characters whichever way the keyboard composed them (NFKC, as NIST SP 800-63B asks)."""
    return unicodedata.normalize("NFKC", password)


@functools.cache
def common_passwords() -> frozenset[str]:
    """The refused passwords, in lower case."""
    packed = resources.files("aragora.identity").joinpath("data/common_passwords.txt.gz").read_bytes()
    return frozenset(gzip.decompress(packed).decode().split())
