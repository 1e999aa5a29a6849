"""Every table of the rules is total: a new phase, kind of ask or event that is forgotten in one of them fails here."""

from __future__ import annotations

import typing

from aragora.agents import answer_format, prompts
from aragora.debate.machine import applying, briefs, phases, progress, replies
from aragora.debate.machine.state import ASKING, Phase
from aragora.debate.model import WIRE_NAMES, AskKind, Event

KINDS = set(AskKind)
EVENTS = set(typing.get_args(Event))
RESTING = {Phase.SETTLED, Phase.ENDED}  # nothing follows by itself


def test_every_asking_phase_says_whom_it_asks_and_what_follows() -> None:
    assert set(phases._ASKS) == ASKING
    assert set(phases._FOLLOWING) == ASKING


def test_every_phase_asks_or_has_its_next_step_or_rests() -> None:
    assert ASKING | set(progress._STEPS) | RESTING == set(Phase)
    assert not ASKING & set(progress._STEPS)


def test_what_happens_on_opening_belongs_to_asking_phases() -> None:
    assert set(phases._ON_OPENING) <= ASKING


def test_every_kind_of_ask_has_its_brief() -> None:
    assert set(briefs._BRIEF) == KINDS


def test_every_kind_of_ask_has_its_prompt_and_the_form_of_its_answer() -> None:
    assert set(prompts._SYSTEM) == set(prompts._TASK) == KINDS
    assert set(answer_format._MODEL) == KINDS


def test_every_kind_of_ask_is_answered_in_one_way() -> None:
    assert replies._PROPOSING | replies._VOTING | {AskKind.CRITIQUE, AskKind.GROUP} == KINDS
    assert not replies._PROPOSING & replies._VOTING


def test_every_event_changes_the_state_and_has_its_name_on_the_wire() -> None:
    assert set(applying._APPLY) == EVENTS
    assert set(WIRE_NAMES) == EVENTS
    assert len(set(WIRE_NAMES.values())) == len(EVENTS)
