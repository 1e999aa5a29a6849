"""Guessing at passwords: many at once are no more than the limit, and a guesser from everywhere locks nobody out."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest

from aragora.errors import AragoraError, RateLimited
from aragora.identity.logins import TokenPair
from aragora.identity.parts import Visit

pytestmark = pytest.mark.slow

HOME: Final = Visit("203.0.113.9")
EMAIL, PASSWORD = "jane@example.com", "correct horse battery"


@pytest.fixture
async def compared(identity: Any) -> list[str]:
    """The passwords that were compared since the account was made."""
    await identity.accounts.register(EMAIL, PASSWORD, "Jane", HOME, by=None)
    seen: list[str] = []
    verify = identity.parts.passwords.verify

    async def counted(password: str, stored: str | None) -> bool:
        seen.append(password)
        return bool(await verify(password, stored))

    identity.parts.passwords.verify = counted
    return seen


async def outcome(awaitable: Any) -> str:
    try:
        await awaitable
    except AragoraError as problem:
        return problem.code
    return "in"


async def test_of_many_guesses_at_once_no_more_are_compared_than_the_limit(identity: Any, compared: list[str]) -> None:
    guesses = [identity.accounts.login(EMAIL, f"guess {number}", HOME) for number in range(20)]
    answers = await asyncio.gather(*(outcome(guess) for guess in guesses))
    assert (answers.count("invalid_credentials"), answers.count("rate_limited"), len(compared)) == (5, 15, 5)


async def test_of_many_wrong_current_passwords_at_once_no_more_are_compared(identity: Any, compared: list[str]) -> None:
    pair = await identity.accounts.login(EMAIL, PASSWORD, HOME)
    who = await identity.who(pair.access_token)
    compared.clear()
    tries = [identity.accounts.change_password(who, f"guess {number}", "another fine", HOME) for number in range(20)]
    answers = await asyncio.gather(*(outcome(one) for one in tries))
    assert (answers.count("rate_limited"), len(compared)) == (15, 5)


async def test_a_right_password_is_no_guess(identity: Any, compared: list[str]) -> None:
    for _ in range(12):
        assert isinstance(await identity.accounts.login(EMAIL, PASSWORD, HOME), TokenPair)
    assert len(compared) == 12


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com"])
async def test_guesses_from_many_addresses_end_and_the_owner_still_gets_in_at_home(
    email: str, identity: Any, compared: list[str]
) -> None:
    await identity.accounts.login(EMAIL, PASSWORD, HOME)
    answers = [
        await outcome(identity.accounts.login(email, "guess", Visit(f"198.51.100.{number}"))) for number in range(70)
    ]
    assert set(answers[:50]) == {"invalid_credentials"}
    assert set(answers[61:]) == {"rate_limited"}
    assert isinstance(await identity.accounts.login(EMAIL, PASSWORD, HOME), TokenPair)
    if email == EMAIL:
        with pytest.raises(RateLimited):
            await identity.accounts.login(EMAIL, PASSWORD, Visit("192.0.2.1"))
