"""Passwords: argon2id, a policy that asks for length only, and no way to tell who has an account."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from aragora.errors import InvalidInput
from aragora.identity.passwords import MAX_CONCURRENT, Passwords, check_policy


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    return Passwords(memory_kib=64, passes=1)


async def test_a_password_verifies_against_its_own_hash_only(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse battery")
    assert stored.startswith("$argon2id$")
    assert await passwords.verify("correct horse battery", stored)
    assert not await passwords.verify("correct horse batterz", stored)


async def test_an_unknown_user_never_verifies_though_it_is_hashed_alike(passwords: Passwords) -> None:
    assert not await passwords.verify("a password that nobody has", None)


async def test_a_broken_hash_is_a_wrong_password_not_an_error(passwords: Passwords) -> None:
    assert not await passwords.verify("x", "not a hash")


async def test_composed_and_decomposed_letters_are_the_same_password(passwords: Passwords) -> None:
    assert await passwords.verify("cafe\u0301 au lait", await passwords.hash("caf\u00e9 au lait"))


async def test_a_hash_with_weaker_parameters_is_renewed(passwords: Passwords) -> None:
    assert Passwords(memory_kib=128, passes=1).needs_rehash(await passwords.hash("some password"))
    assert not passwords.needs_rehash(await passwords.hash("some password"))


class SlowHasher:
    """Hashes nothing until the gate is open."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.begun = threading.Semaphore(0)
        self.running = self.most = 0
        self._lock = threading.Lock()

    def hash(self, _password: str) -> str:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.begun.release()
        self.gate.wait(30.0)
        with self._lock:
            self.running -= 1
        return "hash"


async def test_callers_who_leave_make_no_room_before_their_hash_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher, passwords = SlowHasher(), Passwords(memory_kib=64, passes=1)
    monkeypatch.setattr(passwords, "_hasher", hasher)

    async def begun(number: int, wait_s: float) -> bool:
        waits = [asyncio.to_thread(hasher.begun.acquire, timeout=wait_s) for _ in range(number)]
        return all([await one for one in waits])

    def all_turns() -> list[asyncio.Task[Any]]:
        return [asyncio.create_task(passwords.hash("a password")) for _ in range(MAX_CONCURRENT)]

    left = all_turns()
    assert await begun(MAX_CONCURRENT, 30.0)
    for one in left:
        one.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    others = all_turns()
    assert not await begun(1, 0.2)
    hasher.gate.set()
    assert await asyncio.gather(*others) == ["hash"] * MAX_CONCURRENT
    assert hasher.most == MAX_CONCURRENT


@pytest.mark.parametrize(
    "password", ["short", "x" * 129, "password123", "PASSWORD123", "Aragora!", "jane.doe1", "Jane1234"]
)
def test_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_policy(password, email="jane.doe@example.com", name="Jane Doe")
    assert caught.value.code == "weak_password"
    assert password not in caught.value.message


@pytest.mark.parametrize("password", ["correct horse", "x" * 64 + "y", "žluťoučký kůň", "        .a"])
def test_any_characters_make_a_password(password: str) -> None:
    check_policy(password, email="jane.doe@example.com")
