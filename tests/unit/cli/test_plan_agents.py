"""What `aragora ask --estimate` says of agents."""

from __future__ import annotations

from aragora.cli.plan_agents import WIDTH, team_in_words

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
