"""Passwords: argon2id, a policy that asks for length only, and no way to tell who has an account."""

from __future__ import annotations

import pytest

from aragora.errors import InvalidInput
from aragora.identity.passwords import Passwords, check_policy


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
