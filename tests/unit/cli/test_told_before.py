"""What `aragora ask` says a debate will take, before it begins."""

from __future__ import annotations

import pytest

from aragora.cli.plan import plan_in_words, told_before
from aragora.debate.forecast import Forecast


@pytest.mark.parametrize(
    ("forecast", "told"),
    [
        (Forecast(3, 16, 1, 8, 0.5), "3 to 16 asks in 1 to 8 phases, at most $0.5; fewer where the agents agree."),
        (Forecast(4, 4, 1, 1, None), "4 asks in 1 phase, free."),
    ],
)
def test_asks_phases_and_cost_stand_in_one_line(forecast: Forecast, told: str) -> None:
    assert told_before(forecast) == told


PLAN = {
    "agents": ["ada", "bob"],
    "protocol": "structured",
    "rounds": 3,
    "forecast": {"asks_least": 2, "asks_most": 14, "phases_least": 1, "phases_most": 8, "usd_most": 0.5},
    "estimate": None,
    "why": "fewer than 3 debates like it have ended in this workspace",
}


def test_a_plan_without_an_estimate_says_why() -> None:
    assert plan_in_words(PLAN).splitlines() == [
        "2 agents (ada, bob), structured, 3 rounds at most:",
        "2 to 14 asks in 1 to 8 phases, at most $0.5; fewer where the agents agree.",
        "No estimate: fewer than 3 debates like it have ended in this workspace.",
    ]


def test_a_plan_says_what_debates_like_it_took() -> None:
    pairs = {"usd": (0.04, 0.09), "seconds": (41.2, 130.0), "asks": (9, 12), "tokens": (9_000, 14_000)}
    estimate = {name: {"p50": p50, "p90": p90} for name, (p50, p90) in pairs.items()}
    told = plan_in_words({**PLAN, "estimate": {"debates": 12, "likeness": "same_team", **estimate}, "why": ""})
    assert told.splitlines()[2:] == [
        "12 debates of the same agents took, at the median (nine of ten at most):",
        "$0.04 ($0.09), 41 s (2 min), 9 asks (12), 9,000 tokens (14,000).",
    ]
    dear = {"debates": 12, "likeness": "same_team", **estimate, "dear": [4.21, 3.0]}
    assert "Of the newest, 2 debates cost 4.2, 3 times the median of those before." in plan_in_words(
        {**PLAN, "estimate": dear, "why": ""}
    )
    free = {**estimate, "usd": {"p50": 0.0, "p90": 0.0}}
    told = plan_in_words({**PLAN, "estimate": {"debates": 3, "likeness": "same_size", **free}, "why": ""})
    assert told.splitlines()[2:] == [
        "3 debates of as many agents took, at the median (nine of ten at most):",
        "41 s (2 min), 9 asks (12), 9,000 tokens (14,000).",
    ]
    assert max(map(len, told.splitlines())) <= 80


SETTLED = {
    "position": "PostgreSQL",
    "at": 1_700_000_000.0,
    "debates": 2,
    "undecided": 0,
    "confidence_words": "likely",
    "disputed": False,
    "valid_until": 1_707_776_000.0,
    "valid": True,
    "asked_recently": 1,
}


def of_question(**settled: object) -> list[str]:
    return plan_in_words({**PLAN, "settled": {**SETTLED, **settled}}).splitlines()[3:]


def test_a_plan_says_what_the_question_was_settled_on() -> None:
    assert of_question() == [
        'Settled on "PostgreSQL" on 2023-11-14 by 2 debates: likely, valid until',
        "2024-02-12.",
    ]
    told = of_question(
        disputed=True, valid=False, undecided=1, asked_recently=4, position="\x1b[2J\u202e" + "long " * 90
    )
    assert max(map(len, told)) <= 80
    whole = " ".join(told)
    assert "\x1b" not in whole
    assert "\u202e" not in whole
    assert "likely, disputed, was valid until 2024-02-12." in whole
    assert whole.endswith("1 debate since then reached no decision. Asked 4 times in 30 days.")


def test_a_plan_says_why_nothing_was_settled_and_nothing_where_the_server_does_not_know() -> None:
    told = plan_in_words({**PLAN, "settled": None, "settled_why": "no debate of this question has ended"})
    assert told.splitlines()[3:] == ["Not settled before: no debate of this question has ended."]
    assert len(plan_in_words(PLAN).splitlines()) == 3


def test_a_plan_says_which_settings_would_suit() -> None:
    reason = "people changed, vetoed or corrected 6 of 12 debates about law that they had to sign"
    suits = [
        {"setting": "rounds", "value": 2, "reason": "11 of 12 debates in this workspace settled by the first round"},
        {"setting": "needs", "value": ["role:admin", "role:owner"], "reason": reason},
    ]
    told = plan_in_words({**PLAN, "suggestions": suits}).splitlines()[3:]
    assert " ".join(told).startswith("Would suit: --rounds 2 (11 of 12 debates in this workspace settled by the first")
    assert "--needs role:admin,role:owner (people changed" in " ".join(told)
    assert max(map(len, told)) <= 80


def test_a_plan_says_which_settings_were_taken() -> None:
    told = plan_in_words({**PLAN, "suggested": ["rounds 2: 11 of 12 debates settled by the first round"]})
    assert told.splitlines()[3:] == ["As suits the workspace: rounds 2: 11 of 12 debates settled by the first round."]
