"""What `aragora ask --estimate` says of agents."""

from __future__ import annotations

from typing import Any

from aragora.cli.plan_agents import known_in_words, team_in_words
from aragora.cli.rendering.wrapping import WIDTH

NONE = {"domain": "law", "debates": 0, "experts": [], "suggested": [], "why": ""}


def test_a_team_is_told_with_a_reason_for_each_in_lines_that_fit() -> None:
    reason = "won 12 of 20 debates in architecture, at least 0.39"
    long = {"agent": "anthropic-api-skeptic", "reason": f"{reason.replace('architecture', 'law ' * 20)}"}
    lines = list(team_in_words({"team": {**NONE, "suggested": [{"agent": "ada", "reason": reason}, long]}}))
    assert lines[:2] == [
        "A team by the debates that ended here; name it with --agents, if you like:",
        "- ada: won 12 of 20 debates in architecture, at least 0.39.",
    ]
    assert lines[-1].endswith("at least 0.39.")
    assert max(map(len, lines)) <= WIDTH


def test_without_a_team_it_says_why_and_where_agents_are_named_nothing() -> None:
    why = "fewer than 3 contested debates in law have ended in this workspace"
    lines = list(team_in_words({"team": {**NONE, "why": why}}))
    assert " ".join(map(str.strip, lines)) == f"No team is suggested: {why}."
    assert max(map(len, lines)) <= WIDTH
    assert list(team_in_words({"team": NONE})) == []
    assert list(team_in_words({})) == [], "a server of an earlier version"


def known(*rated: dict[str, Any], changes: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    parts = {"changes": {"agents": list(changes), "why": ""}, "ratings": {"agents": list(rated), "why": ""}}
    return {"agents_known": parts}


def test_beside_the_team_it_says_how_often_an_agent_changes_sides() -> None:
    often = {"agent": "claude-3", "flips": 6, "rounds": 20, "low": 0.1455, "high": 0.519}
    never = {"agent": "gpt-5", "flips": 0, "rounds": 20, "low": 0.0, "high": 0.16}
    lines = list(known_in_words(known(changes=(often, never))))
    assert lines == ["claude-3 changes sides without new evidence in 6 of 20 rounds (0.15..0.52)."]
    told = known()
    told["agents_known"]["changes"]["trickster"] = {"suits": True, "planned": False, "reason": "they follow each other"}
    assert list(known_in_words(told)) == ["A protocol with the Trickster would suit: they follow each other."]
    told["agents_known"]["changes"]["trickster"]["planned"] = True
    assert list(known_in_words(told)) == []
    assert list(known_in_words(known())) == []
    assert list(known_in_words({})) == [], "a server of an earlier version"


def test_who_has_no_rating_is_told_by_the_record_of_its_model_or_together_by_none() -> None:
    of_model = {"agent": "ada", "of": "openai/gpt-5", "n": 20, "won": 12, "low": 0.387}
    rated = [{"agent": "eve", "prior": None}, {"agent": "ada", "prior": of_model}]
    rated += [{"agent": agent, "prior": {"agent": agent, "n": 0}} for agent in ("bob", "cid")]
    assert list(known_in_words(known(*rated))) == [
        "ada has no rating in this domain; openai/gpt-5 won 12 of 20 times, at least",
        "  0.39.",
        "No rating in this domain, and no record of their models (n = 0): bob, cid.",
    ]
