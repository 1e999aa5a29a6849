"""Which machines of `ray up` are missing, and when waiting for them is no use."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from actors.launcher_config import Machines
from actors.launcher_log import TRIES, Refusal
from aragora.composition.cluster.deploying import Serving, to_be_known, waiting_is_no_use
from aragora.composition.cluster.missing import Missing, missing, unlisted

HEAD, FIRST, SECOND = "10.77.0.10", "10.77.0.11", "10.77.0.12"
LAUNCHED = Machines(HEAD, (FIRST, SECOND), 2)
REFUSED = Refusal("n2", ("port 8080 is in use",), TRIES, at=500)


def away(
    joined: set[str], told: Mapping[str, Refusal] | None = None, *, launched: Machines | None = LAUNCHED, since: int = 0
) -> tuple[Missing, ...]:
    return missing(launched, joined, since, refusals=lambda: told or {}, resolve=lambda machine: machine)


def test_every_worker_that_has_not_joined_is_missing() -> None:
    assert [machine.address for machine in away({HEAD, SECOND})] == [FIRST]


def test_nothing_is_missing_without_ray_up() -> None:
    assert away({HEAD}, launched=None) == ()


def test_a_cluster_that_wants_fewer_than_it_has_machines_is_complete_with_those() -> None:
    assert away({HEAD, FIRST}, launched=Machines(HEAD, (FIRST, SECOND), 1)) == ()


def test_a_missing_machine_has_its_own_reason_under_its_name() -> None:
    (found,) = away({HEAD, SECOND}, {FIRST: REFUSED})
    assert found == Missing(FIRST, ("n2: port 8080 is in use",), plain=True)


def test_a_machine_that_the_operator_calls_by_name_is_found_by_its_address_and_its_name() -> None:
    launched = Machines("head", ("first", "second"), 2)
    found = missing(
        launched,
        {HEAD, SECOND},
        refusals=lambda: {"first": REFUSED},
        resolve={"first": FIRST, "second": SECOND}.__getitem__,
    )
    assert found == (Missing(FIRST, ("n2: port 8080 is in use",), plain=True),)


def test_what_a_machine_said_before_is_shown_and_proves_nothing() -> None:
    (found,) = away({HEAD, SECOND}, {FIRST: REFUSED}, since=500)
    assert found.reasons
    assert not found.plain


PLAIN = Missing(FIRST, ("refused",), plain=True)
SILENT = Missing(SECOND)


@pytest.mark.parametrize(
    ("serving", "no_use"),
    [
        (Serving((HEAD, SECOND), (), missing=(PLAIN,)), True),
        (Serving((HEAD,), (), missing=(PLAIN, SILENT)), False),
        (Serving((HEAD,), (SECOND,), missing=(PLAIN,)), False),
        (Serving((HEAD, SECOND), (), missing=()), False),
        (Serving((HEAD,), (), missing=(PLAIN,)), False),
    ],
    ids=["all that lacks has refused", "one says nothing", "one is starting", "nothing is known", "one is drained"],
)
def test_waiting_is_no_use_once_all_that_lacks_has_plainly_refused(serving: Serving, no_use: bool) -> None:
    assert waiting_is_no_use(serving, wanted=3) is no_use


def test_a_drained_node_is_not_waited_for_and_is_told() -> None:
    drained = Serving((HEAD, FIRST), (), (SECOND,))
    assert drained.complete(3)
    assert not drained.complete(4)
    (line,) = to_be_known(drained, unlisted(LAUNCHED, drained.there, resolve=str))
    assert line.startswith(f"{SECOND} is drained: aragora node stop")
    assert waiting_is_no_use(Serving((HEAD,), (), (SECOND,), missing=(PLAIN,)), wanted=3)


def test_a_node_that_was_taken_out_of_the_file_goes_on_and_is_told_with_what_ends_it() -> None:
    serving = Serving((HEAD, FIRST, SECOND), ())
    launched = Machines(HEAD, (SECOND,), 1)
    assert unlisted(None, serving.there) == ()
    (line,) = to_be_known(serving, unlisted(launched, serving.there, resolve=str))
    assert f"aragora cluster drain {FIRST}" in line
