"""Registered endpoints on both stores: kept whole, secret at rest, and changed by one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs
from worlds.backends import SetClock
from worlds.webhook_deliveries import delivery
from worlds.webhook_store import attempted, endpoint, enqueued

from aragora.config.settings import Settings
from aragora.encoding import decode, encode_text
from aragora.errors import Conflict, InvalidInput, NotFound, Unavailable
from aragora.observability.registry import Registry
from aragora.secrets.encryption import DecryptionFailed, EncryptionService, PlaintextRefused
from aragora.secrets.keyring import Keyring
from aragora.storage.collection import Unreadable
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.reencryption import Outcome, Reencryption
from aragora.webhooks.endpoint import ClientCertificate, Endpoint, OldSecret, PayloadKind
from aragora.webhooks.model import Rules, TargetRow, TargetStatus
from aragora.webhooks.signing import new_private_key
from aragora.webhooks.store.choices import EndpointChoices
from aragora.webhooks.store.deliveries import DeliveryStore
from aragora.webhooks.store.direct_secrets import DELIVERY_STORE, DirectRecords, seal, unseal
from aragora.webhooks.store.endpoints import ENDPOINT_STORE, EndpointRecords, EndpointStore, Route
from aragora.webhooks.store.units import CancelWaiting, KeepTarget
from aragora.webhooks.store.writer import DeliveryWriter

OLD, NEW = "a" * 64, "b" * 64
FULL = endpoint(
    1,
    secret="whsec_first",
    old_secrets=(OldSecret("whsec_older", 1.5), OldSecret(new_private_key(bytes(range(32))), 2.5)),
    headers={"X-Team": "header-value", "Authorization": "Bearer abc"},
    rules=Rules(max_retries=9, delays_s=(5.0, 300.0), rate_per_s=2.5, fifo=True),
    certificate=ClientCertificate("-----BEGIN CERT", "-----BEGIN KEY"),
    verify=True,
    verified_at=7.5,
    description="the desk of \u00e4ll",
    matching={"domain": ("a", "b"), "status": ()},
    events=("consensus", "debate_end"),
    payload=PayloadKind.THIN,
    reason="new",
)
SECRETS = ("hooks/1", "tok-1", "whsec_", "whsk_", "header-value", "Bearer abc", "-----BEGIN")


@pytest.fixture
def crypto() -> EncryptionService:
    return EncryptionService(Keyring.parse(OLD), Registry())


@pytest.fixture
def endpoints(database: Database, clock: SetClock, crypto: EncryptionService) -> EndpointStore:
    return EndpointStore(database, clock, crypto)


async def test_an_endpoint_comes_back_as_it_was_kept_and_its_secrets_rest_encrypted(
    endpoints: EndpointStore, database: Database
) -> None:
    kept = await endpoints.add(FULL, limit=10)
    assert kept == replace(FULL, version=1, updated_at=FULL.created_at)
    assert await endpoints.get("local", FULL.endpoint_id) == kept
    async with database.reading() as connection:
        stored = str((await connection.execute(text("SELECT * FROM webhook_endpoints"))).all())
    assert [secret for secret in SECRETS if secret in stored] == []
    assert "debate_end" in stored


async def test_events_are_kept_sorted_and_once(endpoints: EndpointStore) -> None:
    kept = await endpoints.add(endpoint(1, events=("b", "a", "b")), limit=10)
    assert kept.events == ("a", "b")
    assert (await endpoints.get("local", kept.endpoint_id)).events == ("a", "b")


async def test_the_same_address_and_events_twice_are_a_conflict_in_one_organisation(endpoints: EndpointStore) -> None:
    first = await endpoints.add(endpoint(1, events=("a", "b")), limit=10)
    with pytest.raises(Conflict) as told:
        await endpoints.add(endpoint(2, url=first.url, events=("b", "a")), limit=10)
    assert (told.value.code, "example.com" in told.value.message) == ("webhook_exists", False)
    await endpoints.add(endpoint(3, url=first.url, events=("a",)), limit=10)
    await endpoints.add(endpoint(4, url=first.url, events=("a", "b"), org_id="other"), limit=10)
    with pytest.raises(Conflict):
        await endpoints.change("local", "wh_000003", lambda it: replace(it, events=("a", "b")))
    assert (await endpoints.get("local", "wh_000003")).version == 1


async def test_an_organisation_has_no_more_endpoints_than_it_may_whoever_adds_them_at_once(
    opened: Callable[[], Database], clock: SetClock, crypto: EncryptionService
) -> None:
    stores = [EndpointStore(opened(), clock, crypto) for _ in range(2)]
    told = await asyncio.gather(
        *(stores[number % 2].add(endpoint(number), limit=3) for number in range(6)), return_exceptions=True
    )
    refused = [each for each in told if isinstance(each, Conflict)]
    assert [each.code for each in refused] == ["too_many_webhooks"] * 3
    assert await stores[0].count("local") == 3
    await stores[0].add(endpoint(9, org_id="other"), limit=3)


async def test_another_organisations_endpoint_is_not_found_and_told_alike(endpoints: EndpointStore) -> None:
    await endpoints.add(endpoint(1), limit=10)
    for act in (
        lambda: endpoints.get("other", "wh_000001"),
        lambda: endpoints.get("local", "wh_000002"),
        lambda: endpoints.change("other", "wh_000001", lambda it: it),
        lambda: endpoints.set_status("other", "wh_000001", TargetStatus.DISABLED, ""),
        lambda: endpoints.delete("other", "wh_000001"),
    ):
        with pytest.raises(NotFound, match=r"^there is no webhook wh_00000[12]$"):
            await act()
    assert (await endpoints.get("local", "wh_000001")).status is TargetStatus.ENABLED


async def test_endpoints_are_listed_in_pages_and_by_status(endpoints: EndpointStore, database: Database) -> None:
    for number in range(7):
        status = TargetStatus.PAUSED if number % 3 == 0 else TargetStatus.ENABLED
        await endpoints.add(endpoint(number, status=status), limit=10)
    await endpoints.add(endpoint(99, org_id="other"), limit=10)
    assert await _ids(endpoints) == [f"wh_{number:06}" for number in range(7)]
    assert await _ids(endpoints, TargetStatus.PAUSED) == ["wh_000000", "wh_000003", "wh_000006"]
    counts = await EndpointChoices(database).count_by_status()
    assert counts == {"enabled": 5, "paused": 3, "disabled": 0, "unverified": 0}
    with pytest.raises(InvalidInput):
        await endpoints.page("local", cursor="%%%")


async def test_of_endpoints_that_hear_of_nothing_no_choice_is_told(
    endpoints: EndpointStore, database: Database
) -> None:
    for number, status in enumerate(TargetStatus):
        await endpoints.add(endpoint(number, status=status, events=(f"of.{status}",)), limit=10)
    chosen = {events for _, events in await EndpointChoices(database).choices()}
    assert chosen == {("of.enabled",), ("of.paused",)}
    assert await EndpointChoices(database).count_by_status() == dict.fromkeys(TargetStatus, 1)
    assert await _ids(endpoints, TargetStatus.UNVERIFIED) == ["wh_000003"]


async def test_an_endpoint_of_a_version_that_knew_no_verification_is_read_as_one_that_asks_for_none(
    endpoints: EndpointStore, database: Database, crypto: EncryptionService
) -> None:
    kept = await endpoints.add(replace(FULL, verify=False, verified_at=None), limit=10)
    its = {"store": ENDPOINT_STORE, "record_id": kept.endpoint_id}
    (row,) = await EndpointRecords(database).page("")
    document = crypto.decrypt_fields(decode(row.payload), **its)
    older = {name: value for name, value in document["secret"].items() if not name.startswith("verif")}
    sealed = encode_text(crypto.encrypt_fields({"secret": older}, **its))
    assert await EndpointRecords(database).replace(row, sealed, 0.0)
    assert await endpoints.get("local", kept.endpoint_id) == kept


async def test_routes_come_in_pages_without_any_key(
    endpoints: EndpointStore, database: Database, clock: SetClock
) -> None:
    await endpoints.add(FULL, limit=10)
    await endpoints.add(endpoint(2), limit=10)
    await endpoints.add(endpoint(3, org_id="other"), limit=10)
    blind = EndpointStore(database, clock, EncryptionService(Keyring.parse(NEW), Registry()))
    first = await blind.routes("local", "", 1)
    assert first == [
        Route(
            "wh_000001",
            "local",
            ("consensus", "debate_end"),
            {"domain": ("a", "b"), "status": ()},
            PayloadKind.THIN,
            TargetStatus.ENABLED,
        )
    ]
    assert [route.endpoint_id for route in await blind.routes("local", "wh_000001", 10)] == ["wh_000002"]
    assert await blind.routes("local", "wh_000002", 10) == []


async def test_a_change_is_refused_to_whoever_has_seen_an_older_version(
    endpoints: EndpointStore, clock: SetClock
) -> None:
    await endpoints.add(endpoint(1), limit=10)
    changed = await endpoints.change("local", "wh_000001", lambda it: replace(it, description="x"), version=1)
    assert (changed.version, changed.updated_at) == (2, clock.at)
    assert await endpoints.get("local", "wh_000001") == changed
    with pytest.raises(Conflict) as told:
        await endpoints.change("local", "wh_000001", lambda it: replace(it, description="y"), version=1)
    assert told.value.code == "version_conflict"
    with pytest.raises(ValueError, match="moved"):
        await endpoints.change("local", "wh_000001", lambda it: replace(it, org_id="other"))


async def test_of_changes_at_once_none_is_lost(
    opened: Callable[[], Database], clock: SetClock, crypto: EncryptionService
) -> None:
    stores = [EndpointStore(opened(), clock, crypto) for _ in range(2)]
    await stores[0].add(endpoint(1), limit=10)

    def longer(it: Endpoint) -> Endpoint:
        return replace(it, description=it.description + "x")

    changes = [store.change("local", "wh_000001", longer) for store in stores for _ in range(2)]
    await asyncio.gather(*changes, stores[0].set_status("local", "wh_000001", TargetStatus.DISABLED, "gone"))
    now = await stores[0].get("local", "wh_000001")
    assert (now.description, now.version, now.status, now.reason) == ("xxxx", 5, TargetStatus.DISABLED, "gone")


class Overtaken(EndpointStore):
    """A store in which something else happens between the reading and the writing of the first change."""

    between: Callable[[], Awaitable[object]] | None = None

    async def _row(self, org_id: str, endpoint_id: str) -> Any:
        row = await super()._row(org_id, endpoint_id)
        between, self.between = self.between, None
        if between is not None:
            await between()
        return row


async def test_a_change_does_not_undo_a_status_or_a_rotation_that_came_between(
    endpoints: EndpointStore, database: Database, clock: SetClock, crypto: EncryptionService
) -> None:
    await endpoints.add(endpoint(1), limit=10)
    store = Overtaken(database, clock, crypto)
    store.between = lambda: endpoints.set_status("local", "wh_000001", TargetStatus.DISABLED, "gone")
    await store.change("local", "wh_000001", lambda it: replace(it, description="x"))
    now = await endpoints.get("local", "wh_000001")
    assert (now.description, now.status, now.reason) == ("x", TargetStatus.DISABLED, "gone")
    both = EncryptionService(Keyring.parse(f"{NEW},{OLD}"), Registry())
    records = EndpointRecords(database)
    work = Reencryption(both, clock, Registry(), execute=True)
    seen: list[int] = []

    def change(it: Endpoint) -> Endpoint:
        seen.append(it.version)
        return replace(it, description="y")

    store.between = lambda: work.run(ENDPOINT_STORE, records, lambda: None)
    with pytest.raises(DecryptionFailed):  # it knows the old key alone, so it sees that the row was changed
        await store.change("local", "wh_000001", change)
    assert seen == [2]


async def test_the_status_is_set_beside_the_version_also_without_the_key(
    endpoints: EndpointStore, database: Database, clock: SetClock
) -> None:
    await endpoints.add(endpoint(1), limit=10)
    blind = EndpointStore(database, clock, EncryptionService(Keyring.parse(NEW), Registry()))
    assert await blind.set_status("local", "wh_000001", TargetStatus.DISABLED, "the receiver is gone (410)")
    assert not await blind.set_status("local", "wh_000001", TargetStatus.DISABLED, "again")
    now = await endpoints.get("local", "wh_000001")
    assert (now.status, now.reason, now.version) == (TargetStatus.DISABLED, "the receiver is gone (410)", 1)


async def test_a_deleted_endpoint_is_gone_with_its_state_and_what_waits_for_it_is_cancelled_after(
    endpoints: EndpointStore, writer: DeliveryWriter, store: DeliveryStore
) -> None:
    await endpoints.add(endpoint(1), limit=10)
    made = delivery(1, target_id="wh_000001", webhook_id="wh_000001")
    await writer.enqueue(enqueued(made))
    await writer.keep(KeepTarget(TargetRow("wh_000001", failures=3)))
    await endpoints.delete("local", "wh_000001")
    for act in (endpoints.get, endpoints.delete):
        with pytest.raises(NotFound):
            await act("local", "wh_000001")
    assert await store.targets(["wh_000001"]) == {}
    assert await writer.cancel_waiting(CancelWaiting("wh_000001", made.due_at)) == 1
    assert (await store.get("local", made.delivery_id)).last_error == "the endpoint was deleted"
    assert (await writer.attempted(attempted(made))).status == "CANCELLED"


async def test_an_endpoint_that_cannot_be_read_is_left_out_of_pages_and_told(
    endpoints: EndpointStore, database: Database, clock: SetClock
) -> None:
    await endpoints.add(endpoint(1), limit=10)
    other = EndpointStore(database, clock, EncryptionService(Keyring.parse(NEW), Registry()))
    await other.add(endpoint(2), limit=10)
    with capture_logs() as logs:
        assert await _ids(endpoints) == ["wh_000001"]
    assert [line["webhook_id"] for line in logs] == ["wh_000002"]
    with pytest.raises(DecryptionFailed):
        await endpoints.get("local", "wh_000002")


async def test_a_row_that_was_given_to_another_organisation_or_id_is_not_opened(
    endpoints: EndpointStore, database: Database
) -> None:
    await endpoints.add(endpoint(1), limit=10)
    await endpoints.add(endpoint(2), limit=10)
    async with database.writing() as connection:
        await connection.execute(text("UPDATE webhook_endpoints SET org_id = 'evil' WHERE endpoint_id = 'wh_000001'"))
        stolen = "(SELECT document FROM webhook_endpoints WHERE endpoint_id = 'wh_000001')"
        await connection.execute(text(f"UPDATE webhook_endpoints SET document = {stolen} WHERE org_id = 'local'"))
    with pytest.raises(Unreadable):
        await endpoints.get("evil", "wh_000001")
    with pytest.raises(DecryptionFailed):
        await endpoints.get("local", "wh_000002")


@pytest.mark.parametrize("document", ["", "[]", "{}", '{"secret": {"org_id": "local"}}', '{"secret": 5}', "\ufffd"])
async def test_a_damaged_document_is_unreadable_and_nothing_else(
    endpoints: EndpointStore, database: Database, document: str
) -> None:
    await endpoints.add(endpoint(1), limit=10)
    async with database.writing() as connection:
        await connection.execute(text("UPDATE webhook_endpoints SET document = :it"), {"it": document})
    with pytest.raises((Unreadable, DecryptionFailed)):
        await endpoints.get("local", "wh_000001")
    assert await _ids(endpoints) == []


async def test_a_secret_that_someone_has_written_in_plaintext_is_refused_once_the_store_is_encrypted_whole(
    endpoints: EndpointStore, database: Database, crypto: EncryptionService
) -> None:
    await endpoints.add(endpoint(1), limit=10)
    planted = {"it": '{"secret": {"org_id": "local", "url": "https://evil.example.com"}}'}
    async with database.writing() as connection:
        await connection.execute(text("UPDATE webhook_endpoints SET document = :it"), planted)
    crypto.refuse_plaintext_in({ENDPOINT_STORE})
    with pytest.raises(PlaintextRefused):
        await endpoints.get("local", "wh_000001")


# --- Rotation of keys --------------------------------------------------------------------------------------


async def test_a_rotation_of_keys_reaches_endpoints_and_direct_deliveries(
    endpoints: EndpointStore, writer: DeliveryWriter, database: Database, clock: SetClock, crypto: EncryptionService
) -> None:
    store = DeliveryStore(database)
    kept = await endpoints.add(FULL, limit=10)
    made = delivery(1)
    given = {"url": "https://example.com/t", "secret": "s", "rules": {"max_retries": 5}}
    direct = replace(made, direct=seal(crypto, made.delivery_id, given))
    plain = delivery(2)
    await writer.enqueue(enqueued(direct))
    await writer.enqueue(enqueued(plain))
    both = EncryptionService(Keyring.parse(f"{NEW},{OLD}"), Registry())
    work = Reencryption(both, clock, Registry(), execute=True)
    stores = {ENDPOINT_STORE: EndpointRecords(database), DELIVERY_STORE: DirectRecords(database)}
    for name, records in stores.items():
        assert await records.count() == 1
        summary = await work.run(name, records, lambda: None)
        assert summary.counts == {Outcome.MIGRATED: 1}
        assert (await work.run(name, records, lambda: None)).counts == {Outcome.SKIPPED: 1}
    new = EncryptionService(Keyring.parse(NEW), Registry())
    assert await EndpointStore(database, clock, new).get("local", FULL.endpoint_id) == kept
    assert unseal(new, await store.get("local", made.delivery_id)) == given
    result = attempted(direct)  # of an owner that has read the delivery before
    await writer.attempted(result)
    assert unseal(new, await store.get("local", made.delivery_id)) == given


async def test_what_was_given_with_one_delivery_is_not_opened_for_another(crypto: EncryptionService) -> None:
    sealed = seal(crypto, delivery(1).delivery_id, {"url": "https://example.com/t"})
    assert "example.com" not in sealed
    assert unseal(crypto, delivery(1, direct=sealed)) == {"url": "https://example.com/t"}
    for wrong in (delivery(2, direct=sealed), delivery(1), delivery(1, direct="[]"), delivery(1, direct="{}")):
        with pytest.raises(DecryptionFailed):
            unseal(crypto, wrong)


async def test_a_store_without_its_tables_says_what_makes_them(
    tmp_path_factory: pytest.TempPathFactory, clock: SetClock, crypto: EncryptionService
) -> None:
    database = Database.open(Settings(data_dir=tmp_path_factory.mktemp("empty")), Context.WEBHOOKS)
    with pytest.raises(Unavailable, match=r"aragora\.migrations\.apply"):
        await EndpointStore(database, clock, crypto).add(endpoint(1), limit=10)
    await database.aclose()


async def _ids(endpoints: EndpointStore, status: TargetStatus | None = None) -> list[str]:
    """All endpoints of `local`, two a page."""
    found: list[str] = []
    cursor = None
    while True:
        page = await endpoints.page("local", status=status, cursor=cursor, limit=2)
        found += [one.endpoint_id for one in page.items]
        if (cursor := page.next_cursor) is None:
            return found
