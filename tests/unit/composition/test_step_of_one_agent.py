"""The step `ask` opens what a single agent may answer, and the step `debate` what its author says."""

from __future__ import annotations

from typing import Any

from aragora.composition.steps.debating import proposition_of
from aragora.debate.machine.people import answers_alone
from aragora.debate.protocol import preset
from aragora.workflows.model import Ask, ExecutionStarted

STARTED = ExecutionStarted("exe_1", "wf_1", 1, "d", "n", {}, "ann", "org")


def protocol_of(kind: str, **what: Any) -> Any:
    asked = Ask("ask_1", "a", "a", kind, {"question": "Why?", "domain": "general", **what})
    proposition = proposition_of(asked, STARTED)
    return preset(proposition.protocol, proposition.rounds, proposition.consensus)


def test_one_agent_is_enough_for_the_step_ask() -> None:
    assert answers_alone(protocol_of("ask", agent="stub-1"))
    assert answers_alone(protocol_of("ask"))


def test_a_debate_is_as_its_author_says() -> None:
    protocol = protocol_of("debate", protocol="structured", rounds=3, consensus="unanimous")
    assert (protocol.name, protocol.rounds, protocol.consensus) == ("structured", 3, "unanimous")
    assert not answers_alone(protocol)
