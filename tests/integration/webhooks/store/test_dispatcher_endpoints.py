"""What endpoints may ask of a dispatcher, on both stores and with real receivers: a challenge first, an Ed25519 key, a
client certificate."""

from __future__ import annotations

import base64
import json
import ssl
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from worlds.client_certificates import issued
from worlds.webhook_dispatchers import QUICK, World, served

from aragora.clock import SystemClock
from aragora.errors import Conflict, NotFound
from aragora.webhooks.checking import checked
from aragora.webhooks.endpoint import PayloadKind
from aragora.webhooks.model import DeliveryStatus, TargetStatus
from aragora.webhooks.rotation import finished, rotated
from aragora.webhooks.signing import new_private_key, public_key
from aragora.webhooks.verification import (
    ANSWER_HEADER,
    CHALLENGE_HEADER,
    TYPE,
    answers,
    new_challenge,
    settled,
    verified,
)
from tests.standins.receivers import Received, Visit, answer, answering, listening

CHALLENGE = new_challenge(bytes(range(32)))


async def sending_back(visit: Visit) -> None:
    """A receiver that answers challenges, and takes everything else."""
    while True:
        event = json.loads((await visit.request()).body)
        challenge = event["data"].get("challenge")
        await visit.send(answer(body=json.dumps({"challenge": challenge}).encode() if challenge else b""))


async def test_an_unverified_endpoint_gets_nothing_but_its_challenge_and_what_happens_after_it(world: World) -> None:
    async with listening(sending_back) as receiver:
        one = await world.registered(receiver, verify=True, status=TargetStatus.UNVERIFIED, payload=PayloadKind.THIN)
        dispatcher = await world.dispatcher()
        await dispatcher.fan_out([world.debates.ended()])
        await dispatcher.sweep()
        assert receiver.connections == 0
        with pytest.raises(NotFound):
            await world.status_of(one)()

        told = await dispatcher.verify(one.endpoint_id, CHALLENGE, one.version)
        assert answers(told, CHALLENGE)
        await world.endpoints.change("local", one.endpoint_id, lambda it: verified(it, 5.0), version=one.version)
        await dispatcher.endpoint_changed(one.endpoint_id)
        await dispatcher.fan_out([world.debates.ended()])
        await world.is_(one, DeliveryStatus.DELIVERED, 2)
    challenge, event = receiver.received
    body = json.loads(challenge.body)
    assert (body["type"], body["data"]) == (TYPE, {"webhook_id": one.endpoint_id, "challenge": CHALLENGE})
    assert (challenge.header(CHALLENGE_HEADER), event.header(CHALLENGE_HEADER)) == (CHALLENGE, None)
    for request in (challenge, event):
        headers = {name.lower(): value for name, value in request.headers}
        assert checked(request.body, headers, one.secret, SystemClock().now()).genuine


async def test_what_waits_when_the_url_changes_goes_to_the_new_one_once_it_has_answered(world: World) -> None:
    async with served(world, answer(500)) as (dispatcher, before, one), listening(sending_back) as moved:
        await world.endpoints.change(
            "local",
            one.endpoint_id,
            lambda it: replace(it, verify=True, verified_at=1.0, rules=replace(QUICK, base_s=30.0, max_s=30.0)),
        )
        await dispatcher.endpoint_changed(one.endpoint_id)
        await dispatcher.fan_out([world.debates.ended()])
        await world.is_(one, DeliveryStatus.RETRYING)
        sent = len(before.received)

        changed = await world.endpoints.change(
            "local", one.endpoint_id, lambda it: settled(replace(it, url=moved.url), it)
        )
        await dispatcher.endpoint_changed(one.endpoint_id)
        await dispatcher.fan_out([world.debates.ended()])
        await dispatcher.sweep()
        assert (changed.status, len(before.received), moved.received) == (TargetStatus.UNVERIFIED, sent, [])

        assert answers(await dispatcher.verify(one.endpoint_id, CHALLENGE, changed.version), CHALLENGE)
        await world.endpoints.change("local", one.endpoint_id, lambda it: verified(it, 5.0))
        await dispatcher.endpoint_changed(one.endpoint_id)
        await world.is_(one, DeliveryStatus.DELIVERED)
    types = [json.loads(each.body)["type"] for each in moved.received]
    assert types == [TYPE, "debate_end"]  # the event that happened in between was not for anybody


async def test_a_challenge_goes_to_the_version_that_it_is_for_whatever_the_dispatcher_remembers(world: World) -> None:
    async with served(world, answer()) as (dispatcher, before, one), listening(sending_back) as moved:
        await dispatcher.fan_out([world.debates.ended()])
        await world.is_(one, DeliveryStatus.DELIVERED)  # it knows the endpoint now, and hears of no change
        changed = await world.endpoints.change("local", one.endpoint_id, lambda it: replace(it, url=moved.url))
        with pytest.raises(Conflict, match="changed meanwhile"):
            await dispatcher.verify(one.endpoint_id, CHALLENGE, one.version)
        assert answers(await dispatcher.verify(one.endpoint_id, CHALLENGE, changed.version), CHALLENGE)
        with pytest.raises(NotFound):
            await dispatcher.verify("wh_unknown", CHALLENGE, 1)
    assert (len(before.received), len(moved.received)) == (1, 1)


@pytest.mark.parametrize(
    ("told", "counts"),
    [
        (answer(body=CHALLENGE.encode()), True),
        (answer(204, headers={ANSWER_HEADER: CHALLENGE}), True),
        (answer(), False),
        (answer(403, body=CHALLENGE.encode()), False),
        (answer(302, body=CHALLENGE.encode(), headers={"Location": "/x"}), False),
    ],
)
async def test_a_real_receiver_answers_by_its_body_or_by_a_header(world: World, told: bytes, counts: bool) -> None:
    async with served(world, told) as (dispatcher, _, one):
        assert answers(await dispatcher.verify(one.endpoint_id, CHALLENGE, one.version), CHALLENGE) is counts


async def test_deliveries_of_a_key_are_signed_by_it_and_during_a_rotation_by_both(world: World) -> None:
    old, new = new_private_key(bytes(range(32))), new_private_key(bytes(range(1, 33)))
    async with listening(answering(answer())) as receiver:
        one = await world.registered(receiver, secret=old)
        dispatcher = await world.dispatcher()
        await dispatcher.fan_out([world.debates.ended()])
        await world.is_(one, DeliveryStatus.DELIVERED)
        now = SystemClock().now()
        await world.endpoints.change("local", one.endpoint_id, lambda it: rotated(it, new, 3_600.0, now))
        await dispatcher.endpoint_changed(one.endpoint_id)
        await dispatcher.fan_out([world.debates.ended()])
        await world.is_(one, DeliveryStatus.DELIVERED, 2)
        await world.endpoints.change("local", one.endpoint_id, finished)
        await dispatcher.endpoint_changed(one.endpoint_id)
        await dispatcher.fan_out([world.debates.ended()])
        await world.is_(one, DeliveryStatus.DELIVERED, 3)
    by = [[key for key in (old, new) if _signed_by(key, each)] for each in receiver.received]
    assert by == [[old], [old, new], [new]]
    assert [each.header("X-Webhook-Signature") for each in receiver.received] == [None] * 3


async def test_deliveries_tests_and_challenges_prove_themselves_with_the_client_certificate(
    world: World, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    mine = issued(authority)
    async with listening(sending_back, tls=context) as receiver:
        one = await world.registered(receiver, certificate=mine)
        bare = await world.registered(receiver, 2)
        dispatcher = await world.dispatcher(tmp_path / "ca.pem")
        await dispatcher.fan_out([world.debates.ended()])
        await world.is_(one, DeliveryStatus.DELIVERED)
        assert (await dispatcher.test(one.endpoint_id, "receipt")).failure is None
        assert answers(await dispatcher.verify(one.endpoint_id, CHALLENGE, one.version), CHALLENGE)
        assert (await dispatcher.test(bare.endpoint_id, "receipt")).failure is not None
        await world.endpoints.change("local", one.endpoint_id, lambda it: replace(it, certificate=None))
        await dispatcher.endpoint_changed(one.endpoint_id)
        assert (await dispatcher.test(one.endpoint_id, "receipt")).failure is not None
    assert len(receiver.received) == 3


def _signed_by(private_key: str, request: Received) -> bool:
    """As a receiver checks it that knows nothing of this product."""
    raw = base64.b64decode(public_key(private_key).removeprefix("whpk_"))
    signed = f"{request.header('webhook-id')}.{request.header('webhook-timestamp')}.".encode() + request.body
    for each in (request.header("webhook-signature") or "").split():
        assert each.startswith("v1a,")
        with suppress(InvalidSignature):
            Ed25519PublicKey.from_public_bytes(raw).verify(base64.b64decode(each.removeprefix("v1a,")), signed)
            return True
    return False
