"""The slots of callers."""

from __future__ import annotations

import pytest

from aragora.errors import RateLimited
from aragora.identity.principal import LOCAL_OPERATOR, Method, Principal
from aragora.server.authentication import Caller
from aragora.server.live.slots import Slots


def caller(person: str = "usr_1", address: str | None = "203.0.113.9") -> Caller:
    return Caller(Principal(person, "org_1", ("member",), Method.SESSION), address)


def test_a_person_and_an_address_hold_so_many_and_get_places_back() -> None:
    slots = Slots(per_person=2, per_address=3)
    slots.take(caller())
    slots.take(caller(address="198.51.100.1"))
    with pytest.raises(RateLimited, match="This account holds 2") as refused:
        slots.take(caller(address="192.0.2.1"))
    assert refused.value.code == "too_many_connections"
    slots.take(caller("usr_2"))
    slots.take(caller("usr_3"))
    with pytest.raises(RateLimited, match="This address holds 3"):
        slots.take(caller("usr_4"))
    slots.give_back(caller())
    slots.take(caller("usr_4"))


def test_a_refusal_takes_no_place() -> None:
    slots = Slots(per_person=5, per_address=1)
    slots.take(caller("usr_1"))
    for _ in range(10):
        with pytest.raises(RateLimited):
            slots.take(caller("usr_2"))
    slots.give_back(caller("usr_1"))
    assert len(slots) == 0


def test_the_operator_of_this_machine_is_spared() -> None:
    slots = Slots(per_person=1, per_address=1)
    for _ in range(50):
        slots.take(Caller(LOCAL_OPERATOR, None))
    assert len(slots) == 0


def test_who_acts_as_another_uses_the_own_places() -> None:
    acting = Principal("usr_1", "org_1", ("member",), Method.SESSION, impersonator="usr_admin")
    slots = Slots(per_person=1, per_address=10)
    slots.take(Caller(acting, None))
    slots.take(caller("usr_1"))
