"""What a group's claims look for."""

from __future__ import annotations

from dataclasses import replace

from aragora.control_plane import machine
from aragora.control_plane.model import NewTask, Task
from aragora.control_plane.store.claiming import claims_of, enough, glimpse, most_of, searches
from aragora.control_plane.store.rows import text_of
from aragora.control_plane.store.units import Claim, Sweep

HERE = ("org", "default")
CPU, GPU, ANY = text_of(("cpu",)), text_of(("gpu",)), text_of(())


def claim(*can: str, agent: str = "ann", workspace: str = "default") -> Claim:
    return Claim("org", workspace, agent, can, 60.0, 1.0)


def waiting(task_id: str, workspace: str = "default") -> Task:
    return machine.submit(NewTask("review", "{}", org_id="org", workspace=workspace), task_id, 1.0)


def test_claims_are_told_apart_by_where_they_look() -> None:
    units = [claim(), claim(workspace="legal"), Sweep(1.0), claim("gpu")]
    assert claims_of(units) == {HERE: [units[0], units[3]], ("org", "legal"): [units[1]]}


def test_a_group_may_take_a_task_for_each_claim_and_those_that_its_units_name() -> None:
    held = machine.claim(waiting("c"), "bob", (), 60.0, 1.0).task
    named = {one.task_id: one for one in (waiting("a"), waiting("b", "legal"), held)}
    assert most_of(HERE, [claim(), claim()], named) == 3


def test_a_glimpse_is_enough_where_each_agent_can_do_as_many_tasks_as_may_be_taken() -> None:
    most, agents = 2, {("org", "default", "bob"): ("gpu",)}
    claims = [claim("cpu"), replace(claim(agent="bob"), capabilities=None)]
    some = [CPU] * (glimpse(most) - 2)
    assert enough(claims, agents, [*some, GPU, GPU], most)
    assert not enough(claims, agents, [*some, CPU, GPU], most)
    assert not enough(claims, {("org", "default", "bob"): ("tpu",)}, [*some, GPU, GPU], most)


def test_a_glimpse_of_all_that_waits_is_enough() -> None:
    assert enough([claim("gpu")], {}, [CPU] * (glimpse(1) - 1), 1)
    assert not enough([claim("gpu")], {}, [CPU] * glimpse(1), 1)


def test_each_kind_of_agent_is_looked_for_by_itself_and_once() -> None:
    claims = [claim("cpu"), claim("cpu", agent="bob"), claim("gpu", "cpu"), claim("tpu")]
    assert searches(claims, {}, [CPU, GPU, CPU]) == [[CPU], [CPU, GPU]]
    assert searches(claims, {}, [ANY]) == [[ANY]]
    assert searches([replace(claim(), capabilities=None)], {}, [ANY]) == []
