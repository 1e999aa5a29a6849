"""Registering: everything is checked before anything is stored, and the URL by where it leads now."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from worlds.backends import SetClock
from worlds.webhook_deliveries import WALL
from worlds.webhook_store import endpoint

from aragora.errors import Conflict, InvalidInput
from aragora.webhooks.endpoint import ClientCertificate, Endpoint
from aragora.webhooks.guard import REFUSED
from aragora.webhooks.model import TargetRow, TargetStatus
from aragora.webhooks.registering import CANCELLED_MAX, REASON_MAX_CHARS, Registering, finished
from aragora.webhooks.schedule import PATIENT
from aragora.webhooks.signing import SignatureKind, kind_of, new_private_key, standard_secret
from aragora.webhooks.store.units import CancelWaiting, KeepTarget
from aragora.webhooks.wishes import Wish

URL = "https://hooks.example.com/in"
INTERNAL = "https://internal.example.com/in"
WISH = Wish(URL, ("debate_end",))
KEY = new_private_key(bytes(range(32)))


class Checks:
    """Refuses one URL, and remembers those that it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def check(self, url: str) -> None:
        self.asked.append(url)
        if url == INTERNAL:
            raise InvalidInput(REFUSED)


class Store:
    """Endpoints in memory, and how many deliveries wait."""

    def __init__(self) -> None:
        self.kept: dict[str, Endpoint] = {}
        self.units: list[Any] = []
        self.waiting = 0

    async def add(self, one: Endpoint, *, limit: int) -> Endpoint:
        if len(self.kept) >= limit:
            raise Conflict("full")
        self.kept[one.endpoint_id] = one
        return one

    async def change(
        self, org_id: str, endpoint_id: str, change: Callable[[Endpoint], Endpoint], *, version: int | None = None
    ) -> Endpoint:
        before = self.kept[endpoint_id]
        assert (before.org_id, version in (None, before.version)) == (org_id, True)
        self.kept[endpoint_id] = replace(change(before), version=before.version + 1)
        return self.kept[endpoint_id]

    async def delete(self, _org_id: str, endpoint_id: str) -> None:
        del self.kept[endpoint_id]

    async def keep(self, unit: KeepTarget) -> None:
        self.units.append(unit)

    async def cancel_waiting(self, unit: CancelWaiting) -> int:
        self.units.append(unit)
        cancelled = min(unit.limit, self.waiting)
        self.waiting -= cancelled
        return cancelled


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def checks() -> Checks:
    return Checks()


@pytest.fixture
def registering(store: Any, checks: Checks) -> Registering:
    return Registering(store, store, checks.check, SetClock(WALL), limit=2, random_bytes=bytes)


async def test_a_draft_is_whole_and_not_yet_stored(registering: Registering, store: Store, checks: Checks) -> None:
    draft = await registering.draft("org_1", "ann", replace(WISH, matching={"domain": ["law"]}))

    assert (draft.org_id, draft.created_by, draft.created_at, draft.url) == ("org_1", "ann", WALL, URL)
    assert draft.endpoint_id.startswith("wh_")
    assert draft.secret == f"whsec_{b64encode(bytes(32)).decode()}"
    assert (draft.rules, draft.matching) == (PATIENT, {"domain": ("law",)})
    assert (store.kept, checks.asked) == ({}, [URL])
    assert await registering.add(draft) == draft


async def test_a_chosen_secret_is_taken_as_it_is(registering: Registering) -> None:
    draft = await registering.draft("org_1", "ann", WISH, "your-secret-key-1")
    assert draft.secret == "your-secret-key-1"
    assert standard_secret(draft.secret) == f"whsec_{b64encode(b'your-secret-key-1').decode()}"


@pytest.mark.parametrize(
    ("wish", "secret"),
    [
        (replace(WISH, events=("nothing",)), None),
        (replace(WISH, url=INTERNAL), None),
        (replace(WISH, schedule="other"), None),
        (WISH, "too short"),
        (WISH, "x" * 129),
        (WISH, "whsec_not*base64*at*all"),
        (WISH, "sixteen chars \x00 1"),
    ],
)
async def test_what_is_refused_leaves_nothing(
    registering: Registering, store: Store, wish: Wish, secret: str | None
) -> None:
    with pytest.raises(InvalidInput):
        await registering.draft("org_1", "ann", wish, secret)
    assert (store.kept, store.units) == ({}, [])


async def test_a_change_looks_at_the_url_only_where_it_is_another(
    registering: Registering, store: Store, checks: Checks
) -> None:
    before = endpoint(url=INTERNAL)
    store.kept[before.endpoint_id] = before

    change = await registering.changing(before, {"description": "mine"})
    kept = await registering.apply(before, change, version=1)

    assert (checks.asked, kept.description, kept.version) == ([], "mine", 2)
    with pytest.raises(InvalidInput):
        await registering.changing(before, {"url": INTERNAL})
    await registering.changing(before, {"url": URL})
    assert checks.asked == [INTERNAL, URL]


async def test_a_change_goes_on_from_what_is_there_when_it_is_stored(registering: Registering, store: Store) -> None:
    seen = endpoint()
    store.kept[seen.endpoint_id] = replace(seen, description="of somebody else")
    change = await registering.changing(seen, {"fifo": True})
    kept = await registering.apply(seen, change)
    assert (kept.description, kept.rules.fifo) == ("of somebody else", True)


async def test_a_rotation_shows_its_secret_and_can_be_finished(registering: Registering, store: Store) -> None:
    before = endpoint()
    store.kept[before.endpoint_id] = before
    rotation = registering.rotation(before, None, 60.0)
    kept = await registering.apply(before, rotation.change)
    assert (kept.secret, registering.valid_until(kept)) == (rotation.secret, [WALL + 60.0])
    assert rotation.secret not in repr(rotation)
    assert registering.valid_until(await registering.apply(before, finished)) == []


@pytest.mark.parametrize(
    ("secret", "kind", "made"),
    [
        (None, None, "hmac"),
        (None, SignatureKind.HMAC, "hmac"),
        (None, SignatureKind.ED25519, "ed25519"),
        (KEY, None, "ed25519"),
        (KEY, SignatureKind.ED25519, "ed25519"),
        ("your-secret-key-1", SignatureKind.HMAC, "hmac"),
    ],
)
async def test_the_secret_is_of_the_kind_that_is_asked_for(
    registering: Registering, secret: str | None, kind: SignatureKind | None, made: str
) -> None:
    draft = await registering.draft("org_1", "ann", WISH, secret, kind)
    assert kind_of(draft.secret) == made
    assert secret in (None, draft.secret)


async def test_a_secret_of_another_kind_than_is_asked_for_is_refused_and_not_repeated(registering: Registering) -> None:
    for secret, kind in ((KEY, SignatureKind.HMAC), ("your-secret-key-1", SignatureKind.ED25519)):
        for refused in (
            lambda: registering.rotation(endpoint(), secret, 0.0, kind),  # noqa: B023  it is called at once
            lambda: registering._secret(secret, kind),  # noqa: B023
        ):
            with pytest.raises(InvalidInput, match="none for the signature") as told:
                refused()
            assert secret not in told.value.message


def test_a_rotation_keeps_the_kind_unless_it_is_told_another(registering: Registering) -> None:
    for one, kind, made in (
        (endpoint(secret=KEY), None, "ed25519"),
        (endpoint(secret=KEY), SignatureKind.HMAC, "hmac"),
        (endpoint(), None, "hmac"),
        (endpoint(), SignatureKind.ED25519, "ed25519"),
    ):
        assert kind_of(registering.rotation(one, None, 60.0, kind).secret) == made
    assert kind_of(registering.rotation(endpoint(secret=KEY), "your-secret-key-1", 60.0).secret) == "hmac"


async def test_a_certificate_is_looked_at_where_it_changes_only(registering: Registering, store: Store) -> None:
    before = endpoint(certificate=ClientCertificate("of yesterday", "x"))
    store.kept[before.endpoint_id] = before
    kept = await registering.apply(before, await registering.changing(before, {"description": "mine"}))
    assert kept.certificate == before.certificate
    for wrong in ({"certificate": before.certificate}, {"url": "http://plain.example.com/"}):
        with pytest.raises(InvalidInput, match="client_certificate"):
            await registering.changing(before, wrong)
    with pytest.raises(InvalidInput, match="client_certificate"):
        await registering.draft("org_1", "ann", replace(WISH, certificate=before.certificate))
    gone = await registering.apply(kept, await registering.changing(kept, {"certificate": None}))
    assert (gone.certificate, registering.certificate_facts(gone)) == (None, None)


async def test_an_answer_verifies_the_version_that_was_asked(registering: Registering, store: Store) -> None:
    before = await registering.draft("org_1", "ann", replace(WISH, verify=True))
    store.kept[before.endpoint_id] = before
    assert (before.status, len(registering.challenge())) == (TargetStatus.UNVERIFIED, 43)
    kept = await registering.verified(before)
    assert (kept.status, kept.verified_at) == (TargetStatus.ENABLED, WALL)
    with pytest.raises(AssertionError):  # this store knows versions; the real one raises Conflict
        await registering.verified(before)


async def test_a_status_keeps_its_reason(registering: Registering, store: Store) -> None:
    before = endpoint()
    store.kept[before.endpoint_id] = before
    kept = await registering.apply(before, registering.standing(TargetStatus.PAUSED, "maintenance"))
    assert (kept.status, kept.reason) == (TargetStatus.PAUSED, "maintenance")
    for reason in ("x" * (REASON_MAX_CHARS + 1), "two\nlines"):
        with pytest.raises(InvalidInput, match="reason"):
            registering.standing(TargetStatus.PAUSED, reason)


async def test_failures_are_forgotten_as_if_there_had_been_none(registering: Registering, store: Store) -> None:
    await registering.forget_failures("wh_1")
    assert store.units == [KeepTarget(TargetRow("wh_1"))]


@pytest.mark.parametrize(("waiting", "left"), [(0, 0), (2_500, 0), (CANCELLED_MAX + 7, 7)])
async def test_a_deletion_cancels_what_waits_and_does_not_take_for_ever(
    registering: Registering, store: Store, waiting: int, left: int
) -> None:
    one = endpoint()
    store.kept[one.endpoint_id], store.waiting = one, waiting
    assert await registering.delete(one) == waiting - left
    assert (store.kept, store.waiting) == ({}, left)
