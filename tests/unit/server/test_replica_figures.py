"""The reports of replicas and their sum."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aragora.server.error_notes import KEPT, ErrorNote, ErrorNotes
from aragora.server.replica_figures import REPLICAS_KEPT, SILENT_S, HeardFigures, OwnFigures, ReplicaReport


class Limits:
    """Stands for a replica's rate limits."""

    def __init__(self, **refused: int) -> None:
        self.refused = refused
        self.degraded = ""


class Replica:
    """Fails requests and reports them."""

    def __init__(self, name: str, **refused: int) -> None:
        self.notes = ErrorNotes(name)
        self.limits = Limits(**refused)
        self.own = OwnFigures(self.notes, self.limits)
        self.heard = 0

    def fail(self, at: float) -> None:
        self.notes.add(ErrorNote(at, "GET", "/api/debates", 500, "ValueError", "req_1", self.notes.replica_id))

    def report(self, to: HeardFigures, now: float = 0.0) -> None:
        self.heard = to.hear(self.own.report("node", self.heard), now)


def times(heard: HeardFigures, limit: int = KEPT) -> list[float]:
    return [note.at for note in heard.failures(limit)]


def test_failures_of_all_replicas_come_the_newest_first() -> None:
    heard, one, two = HeardFigures(), Replica("one"), Replica("two")
    for at in (1.0, 4.0):
        one.fail(at)
    for at in (2.0, 3.0):
        two.fail(at)
    one.report(heard)
    two.report(heard)
    assert [(note.at, note.replica_id) for note in heard.failures(3)] == [(4.0, "one"), (3.0, "two"), (2.0, "two")]


def test_refusals_are_summed_and_those_of_a_replica_that_is_gone_stay() -> None:
    heard, one, two = HeardFigures(), Replica("one", address=2, login_address=1), Replica("two", address=3)
    one.report(heard, 0.0)
    two.report(heard, 0.0)
    two.report(heard, SILENT_S + 1.0)
    assert heard.refusals(SILENT_S + 1.0).refused == {"address": 5, "login_address": 1}


def test_a_replica_that_was_cut_off_and_comes_back_is_counted_once() -> None:
    heard, one = HeardFigures(), Replica("one", address=2)
    one.fail(1.0)
    one.report(heard, 0.0)
    assert heard.serving(SILENT_S + 1.0) == frozenset()
    one.report(heard, SILENT_S + 2.0)
    assert heard.serving(SILENT_S + 2.0) == {"node"}
    assert heard.refusals(SILENT_S + 2.0).refused == {"address": 2}
    assert times(heard) == [1.0]


def test_only_what_was_not_heard_is_told_again() -> None:
    heard, one = HeardFigures(), Replica("one")
    one.fail(1.0)
    one.report(heard)
    one.fail(2.0)
    assert [note.at for note in one.own.report("node", one.heard).notes] == [2.0]
    one.report(heard)
    assert times(heard) == [2.0, 1.0]


def test_after_a_crash_of_who_hears_a_replica_tells_all_again() -> None:
    one = Replica("one")
    for at in (1.0, 2.0):
        one.fail(at)
    one.report(HeardFigures())
    one.fail(3.0)
    heard = HeardFigures()
    one.report(heard)
    assert (one.heard, times(heard)) == (0, []), "of a part nobody could tell what it is a part of"
    one.report(heard)
    assert times(heard) == [3.0, 2.0, 1.0]


def test_memory_is_bounded_however_many_fail_and_however_many_replicas_there_were() -> None:
    heard, one = HeardFigures(), Replica("one", address=1)
    for at in range(3 * KEPT):
        one.fail(float(at))
    one.report(heard)
    assert len(times(heard)) == KEPT
    for number in range(REPLICAS_KEPT + 10):
        heard.hear(ReplicaReport(f"replica_{number}", "node", {"address": 1}), 1.0)
    assert heard.refusals(1.0).refused == {"address": REPLICAS_KEPT + 11}
    assert len(heard._heard) == REPLICAS_KEPT


def test_the_reasons_of_replicas_that_limit_for_themselves_are_told_once_each() -> None:
    heard, one, two = HeardFigures(), Replica("one"), Replica("two")
    one.limits.degraded = two.limits.degraded = "Redis does not answer"
    one.report(heard)
    two.report(heard)
    assert heard.refusals(0.0).degraded == "Redis does not answer"
    assert heard.refusals(SILENT_S + 1.0).degraded == "", "of replicas that are gone nothing is degraded"


@given(st.lists(st.tuples(st.sampled_from(["one", "two"]), st.sampled_from(["fail", "report", "again", "crash"]))))
def test_after_a_last_report_of_each_no_failure_is_missing_and_none_is_there_twice(
    steps: list[tuple[str, str]],
) -> None:
    heard, replicas = HeardFigures(), {name: Replica(name) for name in ("one", "two")}
    failed = 0
    for name, step in steps:
        replica = replicas[name]
        if step == "fail":
            failed += 1
            replica.fail(float(failed))
        elif step == "report":
            replica.report(heard)
        elif step == "again":  # the answer was lost on its way
            heard.hear(replica.own.report("node", replica.heard), 0.0)
        else:
            heard = HeardFigures()
    for replica in replicas.values():
        for _ in range(2):
            replica.report(heard)
    assert times(heard) == [float(at) for at in range(failed, 0, -1)]
