"""What goes next: nobody takes the turn of another, nothing is lost, nothing is sent twice at once."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from worlds.webhook_deliveries import WALL, answered, delivery

from aragora.webhooks.machine import Moment, Target, revived
from aragora.webhooks.model import Answer, Delivery, Rules
from aragora.webhooks.queues import LANE_FEW, UNSTORED, Queues, Ticket

OK = answered(200)
AWAY = answered(500)


def queued(*deliveries: Delivery, rules: Rules | None = None, **bounds: Any) -> Queues:
    queues = Queues(**{"slots": 100, **bounds})
    for one in deliveries:
        if one.target_id not in queues:
            queues.open(one.target_id, one.org_id, rules or Rules(max_in_flight=1000), Target())
        queues.push(one, 0.0, 0.0)
    return queues


def for_target(target_id: str, numbers: range, org_id: str = "local") -> list[Delivery]:
    return [delivery(number, target_id=target_id, org_id=org_id) for number in numbers]


def all_now(queues: Queues, now: float = 0.0) -> list[Ticket]:
    """Every ticket there is at this time."""
    tickets = []
    while isinstance(ticket := queues.take(now), Ticket):
        tickets.append(ticket)
    return tickets


def settled(queues: Queues, ticket: Ticket, answer: Answer = OK, now: float = 0.0) -> Delivery:
    """The answer has come and is stored."""
    after = queues.settle(ticket, answer, Moment(now, WALL + now, 0.0), two_secrets=False)
    if after.delivery.status.waits:
        queues.back(after, after.delivery.due_at - WALL - now, now)
    else:
        queues.ended(after.delivery)
    return after.delivery


def test_targets_take_turns_whatever_waits_for_one_of_them() -> None:
    queues = queued(*for_target("busy", range(100)), *for_target("quiet", range(100, 103)), slots=6)

    assert Counter(ticket.delivery.target_id for ticket in all_now(queues)) == {"busy": 3, "quiet": 3}


def test_an_organisation_has_a_quarter_of_the_slots_while_others_want_some() -> None:
    many = [one for target in range(20) for one in for_target(f"a{target}", range(target * 10, target * 10 + 10), "a")]
    queues = queued(*many, *for_target("b", range(1000, 1100), "b"), *for_target("c", range(2000, 2003), "c"), slots=16)

    taken = Counter(ticket.delivery.org_id for ticket in all_now(queues))

    assert taken["c"] == 3
    assert taken["a"] >= 4
    assert taken["b"] >= 4
    assert sum(taken.values()) == 16


def test_an_organisation_that_is_alone_has_all_slots() -> None:
    assert len(all_now(queued(*for_target("a", range(100)), slots=16))) == 16


def test_a_retry_waits_for_its_time_and_the_others_go_on() -> None:
    queues = queued(*for_target("a", range(2)), rules=Rules(max_in_flight=1))

    (first,) = all_now(queues)
    settled(queues, first, AWAY)
    (second,) = all_now(queues)
    assert second.delivery.delivery_id != first.delivery.delivery_id
    settled(queues, second)
    assert queues.take(0.5) == 1.0
    (again,) = all_now(queues, 1.0)
    assert (again.delivery.delivery_id, again.delivery.attempts) == (first.delivery.delivery_id, 1)


def test_a_lane_that_keeps_order_waits_for_its_first_until_that_has_ended() -> None:
    queues, rules = queued(), Rules(fifo=True, max_retries=1)
    queues.open("a", "local", rules, Target())
    for one in for_target("a", range(3)):
        queues.push(one, 0.0, 0.0)

    order, now = [], 0.0
    while len(queues):
        ticket = queues.take(now)
        if isinstance(ticket, Ticket):
            assert not isinstance(queues.take(now), Ticket), "one at a time"
            order.append(ticket.delivery.delivery_id)
            settled(queues, ticket, AWAY if len(order) <= 2 else OK, now)
        else:
            assert ticket is not None
            now = ticket
    first, second, third = (one.delivery_id for one in for_target("a", range(3)))
    assert order == [first, first, second, third], "the poison one was tried twice, then the others went on"


def test_a_lane_that_keeps_order_sends_nothing_before_the_attempt_is_stored() -> None:
    queues = queued(*for_target("a", range(2)), rules=Rules(fifo=True))

    (ticket,) = all_now(queues)
    after = queues.settle(ticket, OK, Moment(0.0, WALL, 0.0), two_secrets=False)
    assert all_now(queues) == []
    queues.ended(after.delivery)
    assert len(all_now(queues)) == 1


def test_a_target_has_a_bounded_number_of_answers_that_are_not_stored_yet() -> None:
    """All of them would be sent again if the process died now."""
    rules = Rules(max_in_flight=3)
    queues = queued(*for_target("a", range(20)), rules=rules)

    answers = []
    while tickets := all_now(queues):
        assert len(tickets) <= rules.max_in_flight
        answers += [queues.settle(one, OK, Moment(0.0, WALL, 0.0), two_secrets=False) for one in tickets]
    assert len(answers) == UNSTORED * rules.max_in_flight
    queues.ended(answers.pop().delivery)
    assert len(all_now(queues)) == 1
    for one in answers:
        queues.ended(one.delivery)
    assert len(all_now(queues)) == rules.max_in_flight - 1


def test_what_finds_no_place_stays_in_the_store_and_the_lane_asks_for_it_once_it_has_room() -> None:
    queues = queued(lane_max=4, rules=Rules(max_in_flight=4))
    queues.open("a", "local", Rules(max_in_flight=4), Target())
    pushed = [queues.push(one, 0.0, 0.0) for one in for_target("a", range(6))]

    assert pushed == [True] * 4 + [False] * 2
    assert queues.hungry() == []
    for ticket in all_now(queues):
        settled(queues, ticket)
    assert queues.hungry() == ["a"]
    queues.fill("a", [(one, 0.0) for one in for_target("a", range(4, 6))], 0.0, whole=True)
    assert queues.hungry() == []
    assert len(all_now(queues)) == 2


def test_a_lane_that_keeps_order_takes_nothing_new_while_the_store_holds_what_comes_before() -> None:
    first, second, third = for_target("a", range(3))
    queues = queued(rules=Rules(fifo=True))
    queues.open("a", "local", Rules(fifo=True), Target())
    queues.begin_filling("a")

    assert not queues.push(third, 0.0, 0.0)
    queues.fill("a", [(first, 0.0), (second, 0.0), (third, 0.0)], 0.0, whole=True)
    order = []
    while isinstance(ticket := queues.take(0.0), Ticket):
        order.append(ticket.delivery)
        settled(queues, ticket)
    assert order == [first, second, third]


def test_receivers_that_hang_leave_room_for_the_others() -> None:
    queues = queued(lane_max=1_000, crowded=100, slots=1_000)
    for hanging in range(10):
        name = f"hanging-{hanging}"
        queues.open(name, "local", Rules(max_in_flight=2), Target())
        for one in for_target(name, range(hanging * 1_000, hanging * 1_000 + 500)):
            queues.push(one, 0.0, 0.0)
    all_now(queues)
    queues.open("healthy", "local", Rules(), Target())
    assert queues.push(delivery(99_999, target_id="healthy"), 0.0, 0.0)
    (ticket,) = all_now(queues)
    settled(queues, ticket)
    assert len(queues) < 100 + 10 * LANE_FEW + LANE_FEW


def test_a_delivery_that_is_held_already_is_not_held_twice() -> None:
    queues = queued(*for_target("a", range(1)), *for_target("a", range(1)))
    (ticket,) = all_now(queues)
    assert queues.push(ticket.delivery, 0.0, 0.0)
    assert len(queues) == 1
    assert all_now(queues) == []


def test_what_is_cancelled_or_closed_is_not_sent_and_comes_back_without_effect() -> None:
    one, two, three = for_target("a", range(3))
    queues = queued(one, two, three, rules=Rules(max_in_flight=1))
    (ticket,) = all_now(queues)

    queues.cancel("a", [two.delivery_id])
    assert len(queues) == 2
    queues.close("a")
    queues.open("a", "local", Rules(max_in_flight=1), Target())
    queues.push(three, 0.0, 0.0)
    settled(queues, ticket)

    assert queues.in_flight == 0
    assert queues.target("a").in_flight == 0
    assert [ticket.delivery.delivery_id for ticket in all_now(queues)] == [three.delivery_id]


def test_what_is_cancelled_on_its_way_does_not_wait_again_when_it_comes_back() -> None:
    """Its attempt is stored, and the lane has not taken it in again."""
    queues = queued(*for_target("a", range(2)))
    first, second = all_now(queues)
    failed = queues.settle(first, AWAY, Moment(0.0, WALL, 0.0), two_secrets=False)
    queues.cancel("a", [first.delivery.delivery_id, second.delivery.delivery_id])
    queues.back(failed, 1.0, 0.0)
    queues.give_back(second, 0.0, 0.0)
    assert (len(queues), queues.held("a"), queues.in_flight) == (0, 0, 0)
    assert queues.push(first.delivery, 0.0, 0.0)  # somebody wants it again
    assert queues.held("a") == 1


def test_a_slot_is_taken_until_what_came_of_its_request_is_stored() -> None:
    queues = queued(*for_target("a", range(3)), slots=2)

    first, second = all_now(queues)
    after = queues.settle(first, OK, Moment(0.0, WALL, 0.0), two_secrets=False)
    assert (all_now(queues), queues.in_flight) == ([], 2)
    queues.ended(after.delivery)
    (third,) = all_now(queues)
    failed = queues.settle(second, AWAY, Moment(0.0, WALL, 0.0), two_secrets=False)
    assert queues.in_flight == 2
    queues.back(failed, 1.0, 0.0)
    queues.give_back(third, 0.0, 0.0)
    assert queues.in_flight == 0


def test_what_ends_while_the_store_is_read_is_not_taken_from_what_was_read() -> None:
    queues = queued(*for_target("a", range(2)), rules=Rules(max_in_flight=2))
    ends, waits = all_now(queues)

    with queues.reading():
        read = [ends.delivery, waits.delivery]
        settled(queues, ends)
        again = settled(queues, waits, AWAY)
        for one in read:
            assert queues.push(one, 0.0, 0.0)
        assert all_now(queues) == []
        assert len(queues) == 1
    (retried,) = all_now(queues, 1.0)
    assert retried.delivery == again, "as it is now, not as it was read"


def test_what_was_sent_for_again_while_the_store_is_read_is_taken() -> None:
    queues = queued(*for_target("a", range(1)))
    (ticket,) = all_now(queues)

    with queues.reading(), queues.reading():
        ended = settled(queues, ticket)
        queues.push(revived(ended, WALL), 0.0, 0.0)
    assert len(all_now(queues)) == 1


def test_a_ticket_that_was_not_used_goes_back() -> None:
    queues = queued(*for_target("a", range(1)))
    (ticket,) = all_now(queues)

    queues.give_back(ticket, 5.0, 0.0)

    assert queues.in_flight == 0
    assert queues.take(0.0) == 5.0
    assert len(all_now(queues, 5.0)) == 1


def test_another_secret_is_tried_at_once_and_once_only() -> None:
    queues = queued(*for_target("a", range(2)), rules=Rules(max_in_flight=1))
    (ticket,) = all_now(queues)
    refused = answered(401)

    after = queues.settle(ticket, refused, Moment(0.0, WALL, 0.0), two_secrets=True)
    queues.back(after, 0.0, 0.0)
    (again,) = all_now(queues)
    assert again.delivery.delivery_id == ticket.delivery.delivery_id
    assert not queues.settle(again, refused, Moment(0.0, WALL, 0.0), two_secrets=True).again


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=40),
    st.lists(st.sampled_from([200, 500, 429, 410, 401]), max_size=60),
    st.integers(1, 6),
    st.booleans(),
)
@settings(max_examples=200)
def test_whatever_is_answered_each_delivery_ends_once_and_within_the_bounds(
    wanted: list[tuple[int, int]], codes: list[int], slots: int, fifo: bool
) -> None:
    rules = Rules(max_retries=2, max_in_flight=2, fifo=fifo)
    deliveries = [
        delivery(number, target_id=f"{org}/{target}", org_id=f"{org}") for number, (target, org) in enumerate(wanted)
    ]
    queues = queued(*deliveries, rules=rules, slots=slots)
    ends: Counter[str] = Counter()
    answers, now = iter(codes), 0.0
    while len(queues):
        tickets = all_now(queues, now)
        assert queues.in_flight == len(tickets) <= slots
        at_once = Counter(ticket.delivery.target_id for ticket in tickets)
        assert all(number <= (1 if fifo else 2) for number in at_once.values())
        if not tickets:
            later = queues.take(now)
            assert isinstance(later, float), "what waits has a time"
            assert later > now
            now = later
        for ticket in tickets:
            after = settled(queues, ticket, answered(next(answers, 200)), now)
            ends[after.delivery_id] += not after.status.waits
    assert ends == Counter({one.delivery_id: 1 for one in deliveries})
    assert queues.in_flight == 0
    assert all(queues.target(target).in_flight == 0 for target in {one.target_id for one in deliveries})


def test_a_target_at_rest_gets_no_leave_and_loses_nothing() -> None:
    queues = queued(*for_target("a", range(3)), *for_target("b", range(10, 12)), rules=Rules(max_in_flight=1))
    (first,) = [ticket for ticket in all_now(queues) if ticket.delivery.target_id == "a"]
    queues.rest("a")
    assert queues.is_out("a")
    settled(queues, first)
    queues.push(delivery(5, target_id="a"), 0.0, 0.0)

    assert not queues.is_out("a")
    assert all_now(queues) == []
    assert queues.held("a") == 3
    queues.resume("a")
    assert [ticket.delivery.target_id for ticket in all_now(queues)] == ["a"]


def test_a_ticket_tells_when_its_target_gave_no_leave_for_the_last_time() -> None:
    queues = queued(*for_target("wh_1", range(3)), rules=Rules(max_in_flight=1))
    (first,) = all_now(queues, 5.0)
    assert first.refused_at == -math.inf
    settled(queues, first, now=7.0)
    (second,) = all_now(queues, 7.0)
    assert second.refused_at == 5.0, "when it had a request on its way"


def test_the_slots_of_all_are_no_refusal_of_a_target() -> None:
    queues = queued(*for_target("wh_1", range(2)), slots=1)
    (first,) = all_now(queues)
    settled(queues, first, now=7.0)
    (second,) = all_now(queues, 7.0)
    assert second.refused_at == -math.inf
