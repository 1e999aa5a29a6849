"""What a workspace asks about of late: topics, their names, how recent they are, and which rise."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.debate.knowledge import question_digest
from aragora.knowledge.trending import (
    DAY_S,
    DEBATES_MAX,
    EXAMPLE_CHARS,
    NAME_CHARS,
    PastDebate,
    Topic,
    topics,
)

NOW = 1_700_000_000.0
LONG_AGO = 27.9

_QUESTIONS = (
    "How large should the retry budget be?",
    "Do retries need a budget in the gateway?",
    "Retry budget of 3 or 5?",
    "Should the session cache use PostgreSQL?",
    "PostgreSQL or SQLite for the session cache?",
    "Tea or coffee?",
    "我们是否应该使用微服务？",  # noqa: RUF001
    "微服务应该多大？",  # noqa: RUF001
    "เราควรใช้ฐานข้อมูลอะไร",
    "Is retry_budget a good name?",
    "1 + 1?",
    "",
)


def debate(question: str, age_days: float, number: int = 0, **of: object) -> PastDebate:
    """One that ended so long ago, under an id of its own where the number is."""
    made = {"debate_id": f"deb_{number}_{question}_{age_days}", "reached": True, "domain": "", **of}
    return PastDebate(question=question, key=question_digest(question), at=NOW - age_days * DAY_S, **made)  # type: ignore[arg-type]


def told(*seen: PastDebate, days: int = 30, limit: int = 20) -> tuple[Topic, ...]:
    return topics(seen, NOW, days, limit)


def one(*seen: PastDebate, days: int = 30) -> Topic:
    (found,) = told(*seen, days=days)
    return found


def names(found: Sequence[Topic]) -> list[str]:
    return [topic.name for topic in found]


# --- Topics and their names


def test_questions_that_share_their_telling_words_are_one_topic() -> None:
    seen = [
        debate("How large should the retry budget be?", 1.0),
        debate("Do retries need a budget in the gateway?", 2.0),
        debate("Tea or coffee?", 3.0),
    ]
    found = told(*seen)
    assert [(topic.debates, topic.questions) for topic in found] == [(2, 2), (1, 1)]
    assert names(found) == ["retry budget", "Tea coffee"]


def test_near_duplicates_with_other_numbers_are_one_topic() -> None:
    found = one(*[debate(f"Raise the pool of connections to {number}?", number) for number in range(1, 6)])
    assert (found.debates, found.questions) == (5, 5)
    assert "pool" in found.name


def test_two_words_of_many_are_not_enough() -> None:
    of_gateways = "Retry budget of gateway, proxy, mesh, router, socket, tunnel, bridge and switch?"
    of_people = "Retry budget of lawyer, nurse, baker, tailor, painter, driver, farmer and plumber?"
    seen = [debate(f"{question} {note}", 1.0) for question in (of_gateways, of_people) for note in ("1", "2")]
    assert [topic.questions for topic in told(*seen)] == [2, 2]


def test_words_that_ask_bind_nothing() -> None:
    asked = ("designer", "mainframe", "newsletter", "warehouse", "vacation", "intern", "printer", "lawyer")
    found = told(*[debate(f"Should we still get a better {word} for our team?", 1.0) for word in asked])
    assert len(found) == len(asked)


def test_a_word_of_most_questions_binds_nothing_in_a_language_whose_words_are_not_listed() -> None:
    asked = ("kahvi", "auto", "talo", "koira", "kissa", "laiva", "juna", "puu")
    found = told(*[debate(f"Pitäisikö meidän ostaa {word}?", 1.0) for word in asked])
    assert len(found) == len(asked)


def test_one_word_is_enough_for_a_question_that_has_no_other() -> None:
    assert one(debate("Kubernetes?", 1.0), debate("Should we use Kubernetes?", 2.0)).name == "Kubernetes"
    shares_one = told(debate("Which index for PostgreSQL?", 1.0), debate("Which backup for PostgreSQL?", 2.0))
    assert len(shares_one) == 2


def test_scripts_without_spaces_have_topics_with_whole_words_as_names() -> None:
    chinese = one(debate("我们是否应该使用微服务？", 1.0), debate("微服务应该多大？", 2.0))  # noqa: RUF001
    thai = one(debate("เราควรใช้ฐานข้อมูลอะไร", 1.0), debate("ฐานข้อมูลอะไรดีกว่า", 2.0))
    assert chinese.name == "微服务"
    assert thai.name.startswith("ฐานข้อมูล")


def test_identifiers_name_a_topic_once() -> None:
    assert one(debate("Is retry_budget right?", 1.0), debate("Rename retry_budget?", 2.0)).name == "retry_budget"


def test_a_question_without_a_word_is_its_own_name() -> None:
    assert names(told(debate("1 +  1?", 1.0), debate("2 + 2?", 2.0))) == ["1 + 1?", "2 + 2?"]


def test_groups_that_come_to_the_same_name_are_one_topic() -> None:
    seen = [debate(question, number) for number, question in enumerate(_QUESTIONS)]
    found = [name.casefold() for name in names(told(*seen, *seen))]
    assert len(set(found)) == len(found)


def test_long_questions_share_a_topic_and_show_their_beginning() -> None:
    rest = " ".join(f"detail{number}x" for number in range(1_000))
    seen = [debate(f"Retry budget of the gateway, number {number}? {rest}", number) for number in (1, 2)]
    assert len(seen[0].question) > 10_000
    found = one(*seen)
    assert found.question.startswith("Retry budget of the gateway, number 1?")
    assert len(found.question) <= EXAMPLE_CHARS
    assert found.question.endswith("…")


# --- Counts


def test_a_topic_tells_its_newest_debate_and_how_many_reached_a_decision() -> None:
    found = one(
        debate("Tea or coffee?", 3.0, reached=False),
        debate("Tea or  coffee?", 1.0, debate_id="deb_new", domain="food"),
        debate("Coffee or tea in the office?", 9.0, domain="food"),
        debate("Coffee or tea in the office?", 2.0, domain="work"),
    )
    assert (found.debates, found.questions, found.decided, found.domain) == (4, 2, 3, "food")
    assert (found.debate_id, found.question, found.at) == ("deb_new", "Tea or coffee?", NOW - DAY_S)
    assert (found.last, found.before) == (3, 1)


def test_recency_halves_every_seven_days() -> None:
    assert one(debate("Tea?", 0.0)).recency == 1.0
    assert one(debate("Tea?", 7.0)).recency == pytest.approx(0.5)
    assert one(debate("Tea?", 14.0), debate("Tea?", 0.0)).recency == pytest.approx(1.25)
    assert one(debate("Tea?", -3.0)).recency == 1.0  # another machine's clock is ahead


def test_the_most_recent_topic_comes_first() -> None:
    seen = [debate("Tea?", 1.0), *[debate("Wine?", 20.0, number) for number in range(4)]]
    assert names(told(*seen)) == ["Tea", "Wine"]
    assert names(told(*seen, limit=1)) == ["Tea"]


def test_debates_before_the_days_that_are_asked_for_do_not_count() -> None:
    found = told(debate("Tea?", 2.0), debate("Tea?", 4.0), debate("Wine?", 5.0), days=3)
    assert [(topic.name, topic.debates, topic.last) for topic in found] == [("Tea", 1, 2)]


def test_each_debate_counts_once_and_the_newest_are_looked_at() -> None:
    same = debate("Tea?", 1.0)
    assert one(same, same).debates == 1
    many = [debate("Tea?", number / 100, number) for number in range(DEBATES_MAX + 20)]
    assert one(*many).debates == DEBATES_MAX


def test_no_debates_have_no_topics() -> None:
    assert told() == ()


# --- Rising


@pytest.mark.parametrize(
    ("last", "before", "rising"),
    [
        (1, 0, False),
        (2, 0, False),
        (3, 0, True),
        (3, 2, False),
        (4, 1, True),
        (10, 10, True),
        (5, 15, False),
        (0, 9, False),
    ],
)
def test_a_topic_rises_by_its_rate_and_not_by_a_single_debate(last: int, before: int, rising: bool) -> None:
    seen = [debate("Tea?", number / 10, number) for number in range(last)]
    seen += [debate("Tea?", 8.0 + number, number) for number in range(before)]
    found = told(*seen, debate("Wine?", LONG_AGO))
    (tea,) = [topic for topic in found if topic.name == "Tea"]
    assert (tea.last, tea.before, tea.rising) == (last, before, rising)


def test_what_rises_is_not_told_where_nothing_is_known_of_the_time_before() -> None:
    new = [debate("Tea?", 1.0, number) for number in range(9)]
    assert one(*new).rising is None
    assert one(*new, debate("Tea?", 13.0)).rising is None
    assert one(*new, debate("Tea?", 14.5)).rising is True
    assert one(*new, debate("Tea?", LONG_AGO), days=1).rising is True  # those before serve to tell


# --- Laws

_debates = st.builds(
    debate,
    question=st.sampled_from(_QUESTIONS) | st.text(max_size=40),
    age_days=st.floats(min_value=-1.0, max_value=90.0),
    number=st.integers(min_value=0, max_value=3),
    reached=st.booleans(),
    domain=st.sampled_from(["", "law", "food"]),
)


@given(st.lists(_debates, max_size=40), st.randoms(use_true_random=False), st.integers(min_value=1, max_value=90))
def test_the_order_of_the_debates_does_not_matter_and_all_is_bounded(
    seen: list[PastDebate], random: Random, days: int
) -> None:
    seen = list({one.debate_id: one for one in seen}.values())
    found = topics(seen, NOW, days)
    shuffled = list(seen)
    random.shuffle(shuffled)
    assert topics(shuffled, NOW, days) == found
    within = [one for one in seen if max(0.0, NOW - one.at) / DAY_S <= days]
    assert len(found) <= 20
    if len(found) < 20:
        assert sum(topic.debates for topic in found) == len(within)
    for topic in found:
        assert 1 <= topic.questions <= topic.debates
        assert topic.decided <= topic.debates
        assert 0.0 < topic.recency <= topic.debates
        assert len(topic.name) <= NAME_CHARS
        assert len(topic.question) <= EXAMPLE_CHARS
