"""C3: everything that shapes an answer is in the key of its question, and what is not has a reason."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.debate.model import AgentPrice, DebateSpec, Protocol, Standing
from aragora.debate.proposition import Proposition
from aragora.debate.protocol import PRESETS
from aragora.decisions.keys import KEYED, NOT_KEYED, OF_A_REQUEST, Keys, budget_class, keys_of
from aragora.server.chapters.decisions import DecideQuestion

SPEC: Final = DebateSpec("deb_1", "Tea or coffee?", ("ada", "bob"), PRESETS["structured"], seed=7, budget_usd=1.0)
AGENTS: Final = {"ada": {"model": "m-1", "temperature": 0.7}, "bob": {"model": "m-2", "temperature": 0.7}}

OTHERWISE: Final[dict[str, Any]] = {
    "question": "Tea or cocoa?",
    "context": "It is late.",
    "options": ("tea", "coffee"),
    "domain": "kitchen",
    "agents": ("bob", "ada"),
    "protocol": PRESETS["council"],
    "judge": "ada",
    "knowledge": True,
    "org_id": "acme",
    "workspace": "research",
    "budget_usd": 20.0,
    "debate_id": "deb_2",
    "seed": 8,
    "standings": {"ada": Standing(1600.0, 0.9)},
    "needs": ("role:owner",),
    "prices": {"ada": AgentPrice(1.0, 2.0, 100)},
    "created_by": "ann",
    "suggested": ("rounds 1: it suits",),
    "revalidates": "deb_0",
    "serves": "exe_0/ask_0",
}


def keys(spec: DebateSpec = SPEC, agents: dict[str, Any] = AGENTS, release: str = "1.0.0", rules: str = "1") -> Keys:
    return keys_of(spec, agents, release=release, rules=rules)


@pytest.mark.parametrize("name", [field.name for field in fields(DebateSpec)])
def test_a_field_of_the_specification_makes_another_key_or_has_a_reason_not_to(name: str) -> None:
    assert (name in KEYED) != (name in NOT_KEYED), "a new field: does it shape the answer?"
    other = keys(replace(SPEC, **{name: OTHERWISE[name]}))
    assert (other.exact != keys().exact) == (name in KEYED)
    if name in NOT_KEYED:
        assert len(NOT_KEYED[name]) > 10


@pytest.mark.parametrize("name", [field.name for field in fields(Protocol)])
def test_every_setting_of_the_protocol_is_in_the_key(name: str) -> None:
    value = getattr(SPEC.protocol, name)
    changed = not value if isinstance(value, bool) else value + 1 if isinstance(value, int | float) else "other"
    assert keys(replace(SPEC, protocol=replace(SPEC.protocol, **{name: changed}))) != keys()


def test_every_field_of_a_proposition_and_of_a_request_reaches_the_key_or_has_a_reason_not_to() -> None:
    known = KEYED | set(NOT_KEYED) | set(OF_A_REQUEST)
    taken = {"taken"}  # the proposition's word for what the specification calls `suggested`
    assert {field.name for field in fields(Proposition)} - known - taken == set()
    assert set(DecideQuestion.model_fields) - known == set()


def test_agents_as_they_are_configured_the_release_and_the_rules_are_in_the_key() -> None:
    upgraded = {**AGENTS, "ada": {"model": "m-1.1", "temperature": 0.7}}
    others = (keys(agents=upgraded), keys(release="1.0.1"), keys(rules="2"))
    assert len({keys().exact, *(one.exact for one in others)}) == 4


def test_spaces_and_composition_make_no_other_question_but_case_does() -> None:
    spaced = keys(replace(SPEC, question="  Tea  or\ncoffee?"))
    assert spaced.exact == keys().exact
    composed, decomposed = "Caf\u00e9?", "Cafe\u0301?"
    assert keys(replace(SPEC, question=composed)) == keys(replace(SPEC, question=decomposed))
    shouted = keys(replace(SPEC, question="TEA OR COFFEE?"))
    assert shouted.exact != keys().exact
    assert shouted.near == keys().near


@given(st.text(min_size=1), st.text(), st.text(min_size=1), st.text())
def test_no_text_of_one_field_can_pass_for_that_of_another(question: str, context: str, other: str, more: str) -> None:
    left, right = replace(SPEC, question=question, context=context), replace(SPEC, question=other, context=more)
    same = (" ".join(question.split()), context) == (" ".join(other.split()), more)
    if same:
        assert keys(left) == keys(right)
    elif context != more:
        assert keys(left).exact != keys(right).exact


@pytest.mark.parametrize(
    ("budget", "of"), [(None, None), (0.01, -2), (0.099, -2), (0.1, -1), (1.0, 0), (9.99, 0), (10.0, 1)]
)
def test_budgets_of_one_order_of_magnitude_are_one_class(budget: float | None, of: int | None) -> None:
    assert budget_class(budget) == of
