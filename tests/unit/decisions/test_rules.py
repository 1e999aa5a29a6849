"""Rules choose the way of a question, in their order, and cannot leave one without any."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.decisions.rules import Named, Question, Stakes, Target, chosen
from aragora.decisions.rules_file import DEFAULT, parsed, rules_of
from aragora.errors import InvalidInput, Misconfigured

REST = '[[rules]]\nname = "rest"\nto = "debate"\nwhy = "the rest"\n'


@pytest.mark.parametrize(
    ("question", "rule", "target"),
    [
        (Question(100), "usual", Target.DEBATE),
        (Question(100, stakes=Stakes.HIGH, deadline_s=1.0), "high stakes", Target.DEBATE),
        (Question(100, deadline_s=29.9), "hurry", Target.DEBATE),
        (Question(100, deadline_s=30.0), "usual", Target.DEBATE),
        (Question(399, stakes=Stakes.LOW), "small question", Target.AGENT),
        (Question(400, stakes=Stakes.LOW), "usual", Target.DEBATE),
        (Question(100, budget_usd=0.04), "small budget", Target.DEBATE),
        (Question(100, budget_usd=0.05), "usual", Target.DEBATE),
    ],
)
def test_the_rules_that_come_with_aragora(question: Question, rule: str, target: Target) -> None:
    found = chosen(rules_of(None), question)
    assert (found.name, found.to) == (rule, target)
    assert found.why


@given(
    st.builds(
        Question,
        st.integers(0, 10**6),
        stakes=st.sampled_from(Stakes),
        budget_usd=st.none() | st.floats(0.001, 100),
        deadline_s=st.none() | st.floats(0.1, 10**5),
        options=st.integers(0, 20),
    )
)
def test_every_question_has_a_way_and_what_the_caller_named_comes_first(question: Question) -> None:
    book = rules_of(None)
    assert chosen(book, question) in book.rules
    named = chosen(book, question, Named(("protocol", "rounds")))
    assert (named.to, named.why) == (Target.DEBATE, "the request names protocol, rounds")


def test_rules_can_be_of_one_workspace_or_organisation() -> None:
    book = parsed(
        'version = "2"\n[[rules]]\nname = "theirs"\nto = "agent"\nwhy = "they want it"\n'
        'when = { organisations = ["acme"], workspaces = ["research"], options_at_least = 2 }\n' + REST
    )
    question = Question(10, org_id="acme", workspace="research", options=2)
    assert chosen(book, question).name == "theirs"
    for other in ({"org_id": "umbra"}, {"workspace": "default"}, {"options": 1}):
        whole = {"org_id": "acme", "workspace": "research", "options": 2, **other}
        assert chosen(book, Question(10, **whole)).name == "rest"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("version = 1", "version"),
        ('version = "1"\nrules = []', "rules"),
        ("version = ", "no TOML"),
        ('version = "1"\n[[rules]]\nname = "a"\nto = "agent"\nwhy = "w"\nwhen = { stakes = ["low"] }', "last rule"),
        ('version = "1"\n' + REST + REST, "two rules"),
        ('version = "1"\n[[rules]]\nname = "a"\nto = "cache"\nwhy = "w"\nwhen = { chars_below = 5 }\n' + REST, "cache"),
        ('version = "1"\n[[rules]]\nname = "a"\nto = "workflow"\nwhy = "w"\n', "must name a workflow"),
        ('version = "1"\n[[rules]]\nname = "a"\nto = "debate"\nwhy = "w"\nworkflow = "x"\n', "only then"),
        ('version = "1"\n[[rules]]\nname = "a"\nto = "agent"\nwhy = "w"\nagents = ["x", "y"]\n', "one agent"),
        ('version = "1"\n[[rules]]\nname = "a"\nto = "agent"\nwhy = "w"\nprotocol = "duel"\n', "leads to none"),
        ('version = "1"\n[[rules]]\nname = "a"\nto = "debate"\nwhy = "w"\nprotocol = "brawl"\n', "no protocol"),
        ('version = "1"\n[[rules]]\nname = "a"\nto = "debate"\nwhy = "w"\nwhen = { stake = ["low"] }\n', "when.stake"),
        (
            'version = "1"\n[[rules]]\nname = "a"\nto = "debate"\nwhy = "w"\nwhen = { budget_below_usd = nan }\n',
            "budget",
        ),
        ('version = "1"\n[[rules]]\nname = "a"\nto = "debate"\nwhy = " "\n', "say why"),
        ('version = "1"\n[[rules]]\nname = "a"\nto = "debate"\nwhy = "w"\nrounds = 1000\n', "rounds"),
        ('version = "1"\n[[rules]]\nname = "a"\nto = "debate"\nwhy = "w"\nrounds = ' + "9" * 400 + "\n", "rounds"),
        ('version = "1"\n[[rules]]\nname = "a\\u0000"\nto = "debate"\nwhy = "w"\n', "rules.0.name"),
        ('version = "1"\n[[rules]]\nname = "a"\nto = "debate"\nwhy = "w\0"\n', "no TOML"),
        ('version = "1"\n[[rules]]\nname = "' + "a" * 201 + '"\nto = "debate"\nwhy = "w"\n', "rules.0.name"),
        ('version = "1"\n' + REST.replace("rest", "r") * 501, "rules"),
        (
            'version = "1"\n[[rules]]\nname = "a"\nto = "debate"\nwhy = "w"\n'
            "when = { chars_at_least = 9, chars_below = 9 }\n" + REST,
            "no question",
        ),
        ('version = "1"\n' + REST + REST.replace("rest", "more"), "never decide"),
    ],
)
def test_rules_that_cannot_be_followed_are_refused_with_what_is_wrong(text: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parsed(text)
    assert told in refused.value.message


def test_a_file_that_is_not_there_or_wrong_keeps_the_server_from_starting(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        rules_of(tmp_path / "none.toml")
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('version = "1"')
    with pytest.raises(Misconfigured, match="cannot be followed"):
        rules_of(wrong)
    assert rules_of(DEFAULT) is rules_of(DEFAULT)
