"""What a text of a workflow came of."""

from __future__ import annotations

from typing import Any

import pytest
from worlds.workflowing import Execution, ask, chain, debate, definition

from aragora.workflows.origins import Origins, all_origins, origins_of


def write(text: str, **rest: Any) -> dict[str, Any]:
    return {"type": "knowledge_write", "id": "write", "text": text, **rest}


def told(execution: Execution) -> tuple[Origins, Origins]:
    return origins_of(execution.definition, "write", [event for _, event in execution.events])


def settled(execution: Execution, run: str, ref: str, **output: Any) -> None:
    execution.accepted(run, ref)
    execution.done(run, **output)


def test_a_text_is_that_of_the_debate_that_it_is_filled_from_and_earlier_ones_were_seen_by_that() -> None:
    steps = chain(
        debate("first"),
        debate("aside"),
        debate("second", question="What of {{ steps.first.answer }}?"),
        write("It is {{ steps.second.answer }}."),
    )
    execution = Execution(definition(*steps))
    for run in ("first", "aside", "second"):
        settled(execution, run, f"deb_{run}", answer=run)
    assert told(execution) == (Origins(debates=("deb_second",)), Origins(debates=("deb_first",)))
    everything = all_origins(event for _, event in execution.events)
    assert everything.debates == ("deb_first", "deb_aside", "deb_second")


@pytest.mark.parametrize("text", ["{{ inputs.said }}", "It is so.", "{{ steps.sign.comment }}"])
def test_what_people_say_came_of_nothing_that_began_here(text: str) -> None:
    sign = {"type": "approval", "id": "sign", "approvers": ["role:owner"], "deadline_s": None}
    execution = Execution(definition(*chain(debate("a"), sign, write(text))), inputs={"said": "It is so."})
    settled(execution, "a", "deb_a")
    execution.answer("sign", comment="It is so.")
    assert told(execution) == (Origins(), Origins())


def test_every_kind_of_step_that_begins_or_finds_something_is_told_of() -> None:
    steps = chain(
        {"type": "knowledge_search", "id": "known", "query": "replicas"},
        {"type": "task", "id": "count", "task": "count", "payload": {"known": "{{ steps.known.items }}"}},
        {"type": "workflow", "id": "other", "workflow": "wf_2", "inputs": {"n": "{{ steps.count.result }}"}},
        ask("one"),
        write("{{ steps.other.outputs.answer }} {{ steps.one.answer }}"),
    )
    execution = Execution(definition(*steps))
    execution.done("known", items=[{"id": "itm_1"}, {"id": "itm_2"}])
    settled(execution, "count", "tsk_1", result=3)
    settled(execution, "other", "exe_2", outputs={"answer": "three"})
    settled(execution, "one", "deb_1", answer="three")
    assert told(execution) == (
        Origins(debates=("deb_1",), executions=("exe_2",)),
        Origins(tasks=("tsk_1",), items=("itm_1", "itm_2")),
    )


def test_what_blocks_gave_is_what_their_steps_gave_and_an_item_what_it_was_taken_from() -> None:
    steps = [
        debate("list", next="each"),
        {"type": "map", "id": "each", "over": "steps.list.options", "block": "look", "items_max": 5, "next": "write"},
        debate("look", question="What of {{ item }}?"),
        write("{{ steps.each.results }}"),
    ]
    execution = Execution(definition(*steps))
    settled(execution, "list", "deb_list", options=["a", "b"])
    for number in range(2):
        settled(execution, f"each/{number}/look", f"deb_{number}", answer="yes")
    assert told(execution) == (Origins(debates=("deb_0", "deb_1")), Origins(debates=("deb_list",)))


def test_a_step_that_is_known_only_when_it_runs_may_be_any() -> None:
    steps = chain(debate("a"), debate("b"), write("{{ steps[inputs.which].answer }}"))
    execution = Execution(definition(*steps), inputs={"which": "a"})
    for run in ("a", "b"):
        settled(execution, run, f"deb_{run}", answer=run)
    assert told(execution)[0] == Origins(debates=("deb_a", "deb_b"))
