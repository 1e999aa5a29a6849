"""Whatever asks kill the agent, no other is given up with them, and a broken agent is given up in the end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.channels.suspects import HOPELESS, SENDS, Asked, Suspects
from aragora.debate.model import AgentRequest, Ask, AskKind, Brief


def asked(number: int, expires: float = 100.0) -> Asked:
    ask = Ask(f"deb_{number}/1/propose/ann", f"deb_{number}", "ann", AskKind.PROPOSE, 1)
    return Asked(AgentRequest(ask, Brief("Which queue?"), 30.0), expires)


def played(asks: list[Asked], killers: set[int], suspects: Suspects) -> tuple[list[str], list[str], int]:
    """Which asks are answered and which given up, and how often the agent was lost."""
    answered, given_up, losses = list[str](), list[str](), 0
    outbox = asks
    deadly = {f"deb_{number}" for number in killers}
    while group := suspects.next(0.0) or outbox:
        if group is outbox:
            outbox = []
        if deadly & {one.debate_id for one in group}:
            losses += 1
            found = suspects.lost(group)
            outbox = found.again + outbox
            given_up += [one.debate_id for one in found.given_up]
        else:
            suspects.answered()
            answered += [one.debate_id for one in group]
    return answered, given_up, losses


@given(st.integers(1, 200), st.integers(0, 199))
def test_the_one_that_kills_is_given_up_alone(size: int, killer: int) -> None:
    killer %= size
    answered, given_up, losses = played([asked(number) for number in range(size)], {killer}, Suspects())
    assert given_up == [f"deb_{killer}"]
    assert sorted([*answered, *given_up]) == sorted(f"deb_{number}" for number in range(size))
    assert losses <= 2 + size.bit_length() + SENDS


@given(st.integers(5, 100), st.sets(st.integers(0, 99), min_size=1, max_size=3))
def test_several_that_kill_take_no_other_with_them(size: int, killers: set[int]) -> None:
    killers = {killer % size for killer in killers}
    _, given_up, _ = played([asked(number) for number in range(size)], killers, Suspects())
    assert sorted(given_up) == sorted(f"deb_{killer}" for killer in killers)


@given(st.integers(1, 100))
def test_an_agent_that_is_always_lost_is_given_up_after_a_bounded_number_of_losses(size: int) -> None:
    answered, given_up, losses = played([asked(number) for number in range(size)], set(range(size)), Suspects())
    assert not answered
    assert len(given_up) == size
    assert losses <= HOPELESS


def test_what_was_withdrawn_or_ran_out_of_time_is_not_sent() -> None:
    suspects = Suspects()
    asks = [asked(1), asked(2), asked(3, expires=5.0)]
    for _ in range(2):
        suspects.lost(asks)
    suspects.withdraw("deb_1")
    assert [one.debate_id for one in suspects.next(10.0)] == ["deb_2"]
    assert suspects.next(10.0) == []
    assert not suspects
