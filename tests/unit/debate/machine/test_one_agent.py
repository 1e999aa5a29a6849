"""One agent alone: a debate of one answer, without exchange and without a vote."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from worlds import debating

from aragora.debate.machine import check_spec
from aragora.debate.model import ConsensusMode, Protocol
from aragora.debate.protocol import preset
from aragora.errors import InvalidInput

ALONE = preset("ensemble", 1, "none")


def test_its_answer_is_named_and_nothing_was_agreed_on() -> None:
    run = debating.start(debating.spec_of(("ada",), ALONE)).play()
    decision = run.state.decision
    assert decision is not None
    assert (decision.reached, decision.winner) == (False, "ada")
    assert decision.explanation == "Only ada gave an answer, so there was nothing to agree on."


@pytest.mark.parametrize(
    "change",
    [
        {"consensus": ConsensusMode.MAJORITY},
        {"rounds": 2},
        *({name: True} for name in ("critique", "revise", "rank", "synthesize", "judged")),
    ],
)
def test_what_takes_an_exchange_or_a_vote_takes_two_agents(change: dict[str, Any]) -> None:
    assert set(change) <= {field.name for field in fields(Protocol)}
    protocol = replace(ALONE, **change)
    with pytest.raises(InvalidInput, match="2 to 20 agents, not 1"):
        check_spec(debating.spec_of(("ada",), protocol))
    check_spec(debating.spec_of(("ada", "bob"), protocol))


def test_nobody_at_all_is_too_few() -> None:
    with pytest.raises(InvalidInput, match="1 to 20 agents, not 0"):
        check_spec(debating.spec_of((), ALONE))
