"""Anonymous ballots: shuffled per reader, the same at every replay."""

from collections import Counter

from hypothesis import given, strategies

from aragora.debate.machine.ballots import LABELS, MAX_LABELS, named, ranked, shuffled
from aragora.debate.model import Ask, AskKind

NAMES = ("claude", "gpt", "gemini", "grok")


def ask_of(agent: str = "claude", round_number: int = 1, kind: AskKind = AskKind.VOTE) -> Ask:
    return Ask("id", "deb_1", agent, kind, round_number)


@given(strategies.integers(), strategies.integers(1, MAX_LABELS))
def test_a_shuffle_loses_and_adds_nobody(seed: int, count: int) -> None:
    names = tuple(f"agent-{number}" for number in range(count))
    assert sorted(shuffled(names, seed, ask_of())) == sorted(names)


@given(strategies.integers())
def test_the_same_reader_sees_the_same_order_again(seed: int) -> None:
    assert shuffled(NAMES, seed, ask_of()) == shuffled(NAMES, seed, ask_of())


def test_readers_rounds_and_kinds_see_different_orders() -> None:
    names = tuple(f"agent-{number}" for number in range(12))
    asks = (ask_of("a"), ask_of("b"), ask_of("a", 2), ask_of("a", 1, AskKind.REVISE))
    assert len({shuffled(names, 1, ask) for ask in asks}) == len(asks)


def test_no_answer_is_favoured_by_its_place() -> None:
    first = Counter(shuffled(NAMES, seed, ask_of())[0] for seed in range(4_000))
    assert all(900 < count < 1_100 for count in first.values())


@given(strategies.integers(), strategies.integers(1, MAX_LABELS))
def test_every_label_leads_back_to_its_name(seed: int, count: int) -> None:
    order = shuffled(tuple(f"agent-{number}" for number in range(count)), seed, ask_of())
    assert tuple(named(label, order) for label in LABELS[:count]) == order


def test_a_label_that_was_not_on_the_ballot_names_nobody() -> None:
    assert named("C", ("claude", "gpt")) is None
    assert named("", ("claude",)) is None


def test_a_partial_ranking_with_repeats_becomes_a_whole_one() -> None:
    assert ranked(("C", "A", "C", "Z"), NAMES) == ("gemini", "claude", "gpt", "grok")
