"""Connectors, integrations and mail tokens: encrypted where they rest, on every backend of documents."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from typing import Any

import pytest

from aragora.errors import InvalidInput, NotFound
from aragora.integrations.stores import (
    CONNECTORS,
    GMAIL_TOKENS,
    INTEGRATIONS,
    Connector,
    GmailTokens,
    GmailTokenStore,
    IntegrationStore,
    SyncStore,
)
from aragora.secrets.encryption import DecryptionFailed, EncryptionService
from aragora.secrets.keyring import Keyring
from aragora.storage.collection import DocumentsOf, record_id

NOW = 1_700_000_000.0
SLACK = {"type": "slack", "user_id": "u-123", "token": "xoxb-plain-secret", "channel": "#ops"}


@pytest.fixture
def crypto() -> EncryptionService:
    return EncryptionService(Keyring.parse(secrets.token_hex(32)))


async def test_an_integration_rests_encrypted_and_comes_back_readable(
    documents: DocumentsOf, crypto: EncryptionService, clock: Any
) -> None:
    rows = documents(INTEGRATIONS.table)
    store = IntegrationStore(rows, crypto, clock)
    await store.save(SLACK)
    await store.save({**SLACK, "channel": "#dev"})
    assert await store.get("slack", "u-123") == {**SLACK, "channel": "#dev", "org_id": "local"}
    kept = await rows.get(record_id("local", "slack", "u-123"))
    assert kept is not None
    assert (kept.version, kept.org_id, kept.owner, kept.kind) == (2, "local", "u-123", "slack")
    assert "xoxb" not in kept.payload
    assert '"_encrypted":true' in kept.payload
    assert "xoxb" not in repr(kept)
    assert await store.count() == 1
    assert await store.delete("slack", "u-123")
    assert not await store.delete("slack", "u-123")
    assert await store.get("slack", "u-123") is None


async def test_no_organisation_sees_anothers(documents: DocumentsOf, crypto: EncryptionService, clock: Any) -> None:
    store = IntegrationStore(documents(INTEGRATIONS.table), crypto, clock)
    await store.save({**SLACK, "org_id": "a"})
    assert await store.get("slack", "u-123", "b") is None
    assert await store.list(org_id="b") == []
    assert not await store.delete("slack", "u-123", "b")
    assert len(await store.list(org_id="a")) == 1
    connectors = SyncStore(documents(CONNECTORS.table), crypto, clock)
    await connectors.save(Connector("c1", "a", "postgres", {"password": "p", "host": "db"}))
    with pytest.raises(NotFound):
        await connectors.get("b", "c1")
    assert (await connectors.get("a", "c1")).config == {"password": "p", "host": "db"}


async def test_a_ciphertext_moved_to_another_record_does_not_open(
    documents: DocumentsOf, crypto: EncryptionService, clock: Any
) -> None:
    rows = documents(INTEGRATIONS.table)
    store = IntegrationStore(rows, crypto, clock)
    await store.save(SLACK)
    await store.save({**SLACK, "user_id": "thief", "token": "own"})
    stolen = await rows.get(record_id("local", "slack", "u-123"))
    own = await rows.get(record_id("local", "slack", "thief"))
    assert stolen is not None
    assert own is not None
    assert await rows.replace(own, stolen.payload, NOW)
    with pytest.raises(DecryptionFailed):
        await store.get("slack", "thief")


async def test_many_changes_at_once_lose_none(documents: DocumentsOf, crypto: EncryptionService, clock: Any) -> None:
    store = IntegrationStore(documents(INTEGRATIONS.table), crypto, clock)
    await store.save(SLACK)

    async def refresh(config: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"token": f"new {config['channel']}", "refresh_token": "r"}

    await asyncio.gather(*(store.refresh_token("slack", "u-123", refresh) for _ in range(4)))
    assert await store.get("slack", "u-123") == {
        **SLACK,
        "org_id": "local",
        "token": "new #ops",
        "refresh_token": "r",
    }
    with pytest.raises(NotFound):
        await store.refresh_token("jira", "u-123", refresh)


async def test_an_answer_that_names_its_own_user_and_kind_does_not_lose_the_new_tokens(
    documents: DocumentsOf, crypto: EncryptionService, clock: Any
) -> None:
    store = IntegrationStore(documents(INTEGRATIONS.table), crypto, clock)
    await store.save(SLACK)

    async def refresh(_: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"token": "new", "type": "bot", "user_id": "U0G9", "org_id": None}

    kept = await store.refresh_token("slack", "u-123", refresh)
    assert kept == {**SLACK, "org_id": "local", "token": "new"}
    assert await store.get("slack", "u-123") == kept


async def test_mail_tokens_rest_encrypted(documents: DocumentsOf, crypto: EncryptionService, clock: Any) -> None:
    rows = documents(GMAIL_TOKENS.table)
    store = GmailTokenStore(rows, crypto, clock)
    tokens = GmailTokens("u-1", "org", "a@example.com", "access-plain", "refresh-plain", NOW, ("mail.read",))
    await store.save(tokens)
    assert await store.get("org", "u-1") == tokens
    kept = await rows.get(record_id("org", "u-1"))
    assert kept is not None
    assert "plain" not in kept.payload
    assert "plain" not in repr(tokens)
    assert await store.renew("org", "u-1", "access-new", NOW + 1)
    renewed = await store.get("org", "u-1")
    assert renewed is not None
    assert (renewed.access_token, renewed.refresh_token) == ("access-new", "refresh-plain")
    assert not await store.renew("org", "u-2", "x", NOW)
    assert await store.delete("org", "u-1")
    assert await store.get("org", "u-1") is None


async def test_what_rests_has_the_form_it_always_had(
    documents: DocumentsOf, crypto: EncryptionService, clock: Any
) -> None:
    await IntegrationStore(documents(INTEGRATIONS.table), crypto, clock).save(SLACK)
    await SyncStore(documents(CONNECTORS.table), crypto, clock).save(
        Connector("c1", "org", "api", {"password": "p", "host": "db"}, "u-1")
    )
    await GmailTokenStore(documents(GMAIL_TOKENS.table), crypto, clock).save(
        GmailTokens("u-1", "org", "a@example.com", "a", "r", NOW, ("mail.read",))
    )
    forms: dict[str, Any] = {}
    for schema in (INTEGRATIONS, CONNECTORS, GMAIL_TOKENS):
        (row,) = await documents(schema.table).page("")
        document = json.loads(row.payload)
        forms[row.record_id] = (row.org_id, row.owner, row.kind, list(document))
        readable = crypto.decrypt_fields(document, store=schema.name, record_id=row.record_id)
        assert readable != document
    assert forms == {
        "local/slack/u-123": ("local", "u-123", "slack", ["type", "user_id", "token", "channel", "org_id"]),
        "org/c1": ("org", "u-1", "api", ["connector_id", "org_id", "kind", "config", "owner"]),
        "org/u-1": ("org", "u-1", "gmail", ["email", "access_token", "refresh_token", "expires_at", "scopes"]),
    }


async def test_connectors_are_listed_by_kind_in_order_of_their_ids(
    documents: DocumentsOf, crypto: EncryptionService, clock: Any
) -> None:
    store = SyncStore(documents(CONNECTORS.table), crypto, clock)
    for number in (2, 1, 3):
        await store.save(Connector(f"c{number}", "org", "api" if number < 3 else "mail", {"api_key": "k"}))
    assert [each.connector_id for each in await store.list("org")] == ["c1", "c2", "c3"]
    assert [each.connector_id for each in await store.list("org", "mail")] == ["c3"]
    assert await store.delete("org", "c1")
    assert not await store.delete("org", "c1")


@pytest.mark.parametrize(
    "config", [{}, {"type": "slack"}, {"type": "slack", "user_id": ""}, {"type": "a\x00", "user_id": "u"}]
)
async def test_an_integration_without_its_names_is_refused(
    config: dict[str, Any], documents: DocumentsOf, crypto: EncryptionService, clock: Any
) -> None:
    with pytest.raises(InvalidInput):
        await IntegrationStore(documents(INTEGRATIONS.table), crypto, clock).save(config)
